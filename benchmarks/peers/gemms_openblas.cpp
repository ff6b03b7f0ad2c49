/// \file
/// The products of gemms.hpp by OpenBLAS. OPENBLAS_NUM_THREADS says how many threads.

#include <cblas.h>

#include "gemms.hpp"

namespace {

struct library {
  library(const product& p, int threads) : p_(p) { openblas_set_num_threads(threads); }

  void operator()() const {
    cblas_sgemm(CblasRowMajor, p_.a_transposed ? CblasTrans : CblasNoTrans,
                p_.b_transposed ? CblasTrans : CblasNoTrans, p_.m, p_.n, p_.k, 1.0F, p_.a,
                p_.a_stride(), p_.b, p_.b_stride(), 0.0F, p_.c, p_.n);
  }

 private:
  product p_;
};

/// "OpenBLAS 0.3.21 ...": the second word.
std::string version() {
  const std::string all = openblas_get_config();
  const auto from = all.find(' ') + 1;
  return all.substr(from, all.find(' ', from) - from) + ", " + openblas_get_corename();
}

}  // namespace

int main(int argc, char** argv) {
  return contend(argc, argv, [](const setting& s) { return serve_gemms<library>(s, version()); });
}

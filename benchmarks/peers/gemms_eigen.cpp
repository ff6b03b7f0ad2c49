/// \file
/// The products of gemms.hpp by Eigen, with its own threads.

#include <Eigen/Core>

#include "gemms.hpp"

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using operand = Eigen::Map<const matrix>;

struct library {
  library(const product& p, int threads) : p_(p) { Eigen::setNbThreads(threads); }

  void operator()() const {
    Eigen::Map<matrix> c(p_.c, p_.m, p_.n);
    if (p_.a_transposed)
      c.noalias() = operand(p_.a, p_.k, p_.m).transpose() * operand(p_.b, p_.k, p_.n);
    else if (p_.b_transposed)
      c.noalias() = operand(p_.a, p_.m, p_.k) * operand(p_.b, p_.n, p_.k).transpose();
    else
      c.noalias() = operand(p_.a, p_.m, p_.k) * operand(p_.b, p_.k, p_.n);
  }

 private:
  product p_;
};

}  // namespace

int main(int argc, char** argv) {
  return contend(argc, argv, [](const setting& s) {
    return serve_gemms<library>(s, Eigen::SimdInstructionSetsInUse());
  });
}

/// \file
/// The products of gemms.hpp by chainrule's CPU backend.

#include "chainrule/backend/cpu.hpp"
#include "chainrule/version.hpp"
#include "gemms.hpp"

namespace {

/// One pool of threads for all.
const chainrule::cpu& backend_with(int threads) {
  static const chainrule::cpu be{threads};
  return be;
}

struct library {
  library(const product& p, int threads) : p_(p), be_(backend_with(threads)) {}

  void operator()() const {
    using view = chainrule::matrix_view<const float>;
    const view a = p_.a_transposed ? view(p_.a, p_.k, p_.m) : view(p_.a, p_.m, p_.k);
    const view b = p_.b_transposed ? view(p_.b, p_.n, p_.k) : view(p_.b, p_.k, p_.n);
    const chainrule::matrix_view<float> c(p_.c, p_.m, p_.n);
    if (p_.a_transposed)
      be_.gemm(c, transposed(a), b);
    else if (p_.b_transposed)
      be_.gemm(c, a, transposed(b));
    else
      be_.gemm(c, a, b);
  }

 private:
  product p_;
  const chainrule::cpu& be_;
};

}  // namespace

int main(int argc, char** argv) {
  return contend(argc, argv, [](const setting& s) {
    return serve_gemms<library>(s,
                                CHAINRULE_VERSION ", " + backend_with(s.threads).instruction_set());
  });
}

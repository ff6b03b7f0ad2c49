// expect: chainrule: a pointwise functor .*write auto operator..
// errors: 1
#include "chainrule/backend/cpu.hpp"

struct square {
#ifdef CHAINRULE_CONTROL
  auto operator()(auto x) const { return x * x; }
#else
  double operator()(double x) const { return x * x; }
#endif
};

void apply(const chainrule::cpu& be, chainrule::matrix_view<float> y,
           chainrule::matrix_view<const float> x) {
  be.map(square{}, y, x);
}

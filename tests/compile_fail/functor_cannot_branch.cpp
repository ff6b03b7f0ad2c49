// expect: chainrule: a pointwise functor cannot branch on a value
#include "chainrule/backend/cpu.hpp"

struct leaky {
  template <class X>
  X operator()(const X& x) const {
#ifdef CHAINRULE_CONTROL
    return chainrule::math::where(x > 0, x, 0.01 * x);
#else
    if (x > 0) return x;
    return 0.01 * x;
#endif
  }
};

void apply(const chainrule::cpu& be, chainrule::matrix_view<float> y,
           chainrule::matrix_view<const float> x) {
  be.map(leaky{}, y, x);
}

// expect: chainrule: a pointwise functor cannot branch on a value
#include "chainrule/backend/cpu.hpp"

struct window {
  template <class X>
  X operator()(const X& x) const {
#ifdef CHAINRULE_CONTROL
    return chainrule::math::where((x > -1) & (x < 1), x, 0);
#else
    return chainrule::math::where((x > -1) && (x < 1), x, 0);
#endif
  }
};

void apply(const chainrule::cpu& be, chainrule::matrix_view<float> y,
           chainrule::matrix_view<const float> x) {
  be.map(window{}, y, x);
}

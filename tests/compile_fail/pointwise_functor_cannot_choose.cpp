// expect: chainrule: a pointwise functor cannot branch on a value .*min, abs or clamp
#include "chainrule/backend/cpu.hpp"

struct magnitude {
  auto operator()(auto x) const {
#ifdef CHAINRULE_CONTROL
    return abs(x);
#else
    return x > 0 ? x : -x;
#endif
  }
};

void apply(const chainrule::cpu& be, chainrule::matrix_view<float> y,
           chainrule::matrix_view<const float> x) {
  be.map(magnitude{}, y, x);
}

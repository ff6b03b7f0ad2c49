// expect: chainrule: reduce with beta adds a sum to what the result holds
#include "chainrule/backend/cpu.hpp"

void apply(const chainrule::cpu& be, chainrule::matrix_view<float> out,
           chainrule::matrix_view<const float> x) {
#ifdef CHAINRULE_CONTROL
  be.reduce(chainrule::reduction::sum{}, out, {.beta = 1}, chainrule::fn::identity{}, x);
#else
  be.reduce(chainrule::reduction::maximum{}, out, {.beta = 1}, chainrule::fn::identity{}, x);
#endif
}

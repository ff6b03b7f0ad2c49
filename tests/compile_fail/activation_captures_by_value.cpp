// expect: chainrule: an activation is a small plain value .*capture by value
// errors: 1
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

void build(double slope) {
#ifdef CHAINRULE_CONTROL
  const auto scaled = [slope](auto x) { return slope * x; };
#else
  const auto scaled = [&slope](auto x) { return slope * x; };
#endif
  chainrule::network net{chainrule::cpu{}, chainrule::dense{2, 3, scaled}};
}

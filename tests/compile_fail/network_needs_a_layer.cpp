// expect: chainrule: a network needs at least one layer
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

void build() {
#ifdef CHAINRULE_CONTROL
  chainrule::network net{chainrule::cpu{}, chainrule::dense{2, 1}};
#else
  chainrule::network net{chainrule::cpu{}};
#endif
}

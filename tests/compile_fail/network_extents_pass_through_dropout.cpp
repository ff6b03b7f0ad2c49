// expect: chainrule: a layer expects another number of features than the layer before it produces
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/network/network.hpp"

#ifdef CHAINRULE_CONTROL
constexpr chainrule::index_t hidden = 128;
#else
constexpr chainrule::index_t hidden = 64;
#endif

void build() {
  chainrule::network net{chainrule::cpu{}, chainrule::dense<784, 128>{}, chainrule::dropout{0.5},
                         chainrule::dense<hidden, 10>{}};
}

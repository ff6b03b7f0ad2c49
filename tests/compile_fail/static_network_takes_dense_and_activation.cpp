// expect: chainrule: a static_network takes dense layers with extents in their types
// errors: 1
#include "chainrule/layers/dropout.hpp"
#include "chainrule/network/static_network.hpp"

#ifdef CHAINRULE_CONTROL
using between = chainrule::activation<chainrule::relu>;
#else
using between = chainrule::dropout;
#endif

void build(const between& middle) {
  chainrule::static_network net{chainrule::dense<10, 3>{}, middle, chainrule::dense<3, 2>{}};
}

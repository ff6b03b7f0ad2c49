// expect: chainrule: this is not a layer
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

struct not_a_layer {};
#ifdef CHAINRULE_CONTROL
using second = chainrule::dense<4, 2>;
#else
using second = not_a_layer;
#endif

void build() { chainrule::network net{chainrule::cpu{}, chainrule::dense<8, 4>{}, second{}}; }

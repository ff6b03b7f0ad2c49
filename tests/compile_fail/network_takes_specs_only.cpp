// expect: (static_inputs|chainrule: a spec must bind to a layer)
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

struct not_a_spec {};
#ifdef CHAINRULE_CONTROL
using second = chainrule::dense<4, 2>;
#else
using second = not_a_spec;
#endif

void build() { chainrule::network net{chainrule::cpu{}, chainrule::dense<8, 4>{}, second{}}; }

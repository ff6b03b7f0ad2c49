// expect: chainrule: an optimizer needs exactly one rule with a learning rate
#include "chainrule/optim/rules.hpp"

#ifdef CHAINRULE_CONTROL
auto rules() { return chainrule::chain(chainrule::adam{1e-3}); }
#else
auto rules() { return chainrule::chain(chainrule::adam{1e-3}, chainrule::momentum{0.1}); }
#endif

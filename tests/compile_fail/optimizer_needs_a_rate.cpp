// expect: chainrule: an optimizer needs exactly one rule with a learning rate
#include "chainrule/optim/rules.hpp"

#ifdef CHAINRULE_CONTROL
auto rules() { return chainrule::chain(chainrule::weight_decay{1e-4}, chainrule::sgd{0.1}); }
#else
auto rules() { return chainrule::chain(chainrule::weight_decay{1e-4}); }
#endif

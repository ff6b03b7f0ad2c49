// expect: chainrule: a rule that measures the whole gradient .clip_by_norm. must be the first
#include "chainrule/optim/rules.hpp"

#ifdef CHAINRULE_CONTROL
auto rules() { return chainrule::chain(chainrule::clip_by_norm{1.0}, chainrule::sgd{0.1}); }
#else
auto rules() { return chainrule::chain(chainrule::sgd{0.1}, chainrule::clip_by_norm{1.0}); }
#endif

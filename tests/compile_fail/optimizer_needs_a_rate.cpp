// expect: chainrule: an optimizer needs exactly one rule with a learning rate
#include "chainrule/backend/cpu.hpp"
#include "chainrule/optim/optimizer.hpp"

#ifdef CHAINRULE_CONTROL
auto rules() { return chainrule::chain(chainrule::weight_decay{1e-4}, chainrule::sgd{0.1}); }
#else
auto rules() { return chainrule::chain(chainrule::weight_decay{1e-4}); }
#endif

void make(const chainrule::cpu& be, const chainrule::arena_plan& plan) {
  chainrule::optimizer o(be, plan, rules());
}

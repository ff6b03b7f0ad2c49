// expect: chainrule: this is not a loss
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"

#ifdef CHAINRULE_CONTROL
using objective = chainrule::softmax_cross_entropy;
#else
using objective = chainrule::sgd;
#endif

void train(chainrule::network<chainrule::cpu, chainrule::dense<8, 4>>& net) {
  chainrule::trainer t{net, objective{}, chainrule::sgd{0.1}};
}

// expect: chainrule: a static_trainer changes its network, and this one is const
// errors: 1
#include "chainrule/train/static_trainer.hpp"

#ifdef CHAINRULE_CONTROL
using net = chainrule::static_network<float, chainrule::dense<2, 3>>;
#else
using net = const chainrule::static_network<float, chainrule::dense<2, 3>>;
#endif

double train(net& n, chainrule::matrix_view<const float> x) {
  chainrule::static_trainer t{n, chainrule::quadratic_cost{}, chainrule::sgd{1}};
  return t.step(x, x);
}

// expect: chainrule: a static_trainer takes the losses of losses/pointwise.hpp and
// errors: 1
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/train/static_trainer.hpp"

#ifdef CHAINRULE_CONTROL
using loss = chainrule::hinge;
#else
using loss = chainrule::multiclass_hinge;
#endif

double train(chainrule::static_network<float, chainrule::dense<2, 3>>& n,
             chainrule::matrix_view<const float> x) {
  chainrule::static_trainer t{n, loss{}, chainrule::sgd{1}};
  return t.step(x, x);
}

// expect: chainrule: gradients are checked in double; build the network over basic_cpu<double>
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"

using namespace chainrule;

#ifdef CHAINRULE_CONTROL
using scalar = double;
#else
using scalar = float;
#endif

bool check() {
  const basic_cpu<scalar> be;
  network net{be, dense{2, 1}};
  const tensor<basic_cpu<scalar>> x(be, 3, 2);
  const tensor<basic_cpu<scalar>> t(be, 3, 1);
  return check_gradients(net, hinge{}, x.view(), t.view()).passed();
}

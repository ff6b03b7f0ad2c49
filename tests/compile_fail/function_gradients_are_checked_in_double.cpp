// expect: chainrule: gradients are checked in double; make the tape over basic_cpu<double>
#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/testing/function_check.hpp"

using namespace chainrule;

#ifdef CHAINRULE_CONTROL
using scalar = double;
#else
using scalar = float;
#endif

bool check() {
  tape<basic_cpu<scalar>> t;
  return check_gradients([](const auto& x) { return sin(x); }, t.variable(1.0)).passed();
}

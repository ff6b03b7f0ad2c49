// expect: chainrule: samples are a matrix of the backend's scalar
// errors: 1
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

void use(const chainrule::network<chainrule::cpu, chainrule::dense<3, 1>>& net,
         const chainrule::tensor<chainrule::cpu>& x, chainrule::pass<chainrule::cpu>& pass) {
#ifdef CHAINRULE_CONTROL
  net.forward(x.view(), pass);
#else
  net.forward(x, pass);
#endif
}

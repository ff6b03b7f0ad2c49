// expect: chainrule: samples are a matrix of the backend's scalar
// errors: 1
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

#ifdef CHAINRULE_CONTROL
using number = float;
#else
using number = double;
#endif

auto use(const chainrule::network<chainrule::cpu, chainrule::dense<3, 1>>& net,
         const std::vector<number>& x) {
  return net.predict(chainrule::matrix_view(x.data(), 2, 3));
}

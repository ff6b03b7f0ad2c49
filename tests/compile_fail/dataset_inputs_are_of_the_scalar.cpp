// expect: chainrule: the inputs of a data set are bytes .std::uint8_t., indices .std::int32_t. or
// of the backend's scalar errors: 1
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/train/dataset.hpp"

#ifdef CHAINRULE_CONTROL
using number = float;
#else
using number = double;
#endif

void use(const std::vector<number>& x, const std::vector<int>& labels) {
  chainrule::dataset<chainrule::cpu> data({}, chainrule::matrix_view(x.data(), 2, 3), labels, 2);
}

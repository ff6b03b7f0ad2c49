// expect: chainrule: the targets of a data set are of the backend's scalar
// errors: 1
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/train/dataset.hpp"

#ifdef CHAINRULE_CONTROL
using number = float;
#else
using number = int;
#endif

void use(const std::vector<float>& x, const std::vector<number>& t) {
  chainrule::dataset<chainrule::cpu> data({}, chainrule::matrix_view(x.data(), 2, 3),
                                          chainrule::matrix_view(t.data(), 2, 1));
}

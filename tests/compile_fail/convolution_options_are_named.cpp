// expect: chainrule: the third argument of a convolution is its activation, or its options
// errors: 1
#include "chainrule/layers/convolution.hpp"

void build() {
#ifdef CHAINRULE_CONTROL
  [[maybe_unused]] const chainrule::conv2d c{32, 5, {.stride = 2}};
#else
  [[maybe_unused]] const chainrule::conv2d c{32, 5, 2};
#endif
}

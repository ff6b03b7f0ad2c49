// expect: assignment of read-only location|cannot assign to return value
#include "chainrule/core/view.hpp"

void write(chainrule::matrix_view<const float> x) {
#ifdef CHAINRULE_CONTROL
  static_cast<void>(x(0, 0) + 1.0F);
#else
  x(0, 0) = 1.0F;
#endif
}

// expect: (could not convert|no viable conversion) .*matrix_view<const float>
// float>
#include "chainrule/core/view.hpp"

#ifdef CHAINRULE_CONTROL
using from = float;
#else
using from = const float;
#endif

chainrule::matrix_view<float> writable(chainrule::matrix_view<from> x) { return x; }

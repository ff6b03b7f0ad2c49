// expect: chainrule: the extents of a dense layer are at least 1
#include "chainrule/layers/dense.hpp"

#ifdef CHAINRULE_CONTROL
constexpr chainrule::index_t outputs = 1;
#else
constexpr chainrule::index_t outputs = 0;
#endif

constexpr chainrule::dense<784, outputs> layer{};

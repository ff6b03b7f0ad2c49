// expect: chainrule: .*write exp.x., not std::exp.x.
// errors: 1
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"

struct swish {
  auto operator()(auto x) const {
#ifdef CHAINRULE_CONTROL
    return x / (1 + exp(-x));
#else
    return x / (1 + std::exp(-x));
#endif
  }
};

void build() { chainrule::network net{chainrule::cpu{}, chainrule::dense{2, 3, swish{}}}; }

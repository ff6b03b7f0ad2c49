/// \file
/// The instruction sets that this machine supports, for tests of all of them in one program.
#ifndef CHAINRULE_TESTS_CPU_SETS_HPP
#define CHAINRULE_TESTS_CPU_SETS_HPP

#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"

[[nodiscard]] inline std::vector<chainrule::isa> supported_sets() {
  using chainrule::isa;
  std::vector<isa> sets;
  for (const isa set : {isa::portable, isa::avx2, isa::avx512})
    if (chainrule::is_supported(set))
      sets.push_back(set);
    else
      WARN("skipped: this machine does not support " << chainrule::name_of(set));
  return sets;
}

#endif  // CHAINRULE_TESTS_CPU_SETS_HPP

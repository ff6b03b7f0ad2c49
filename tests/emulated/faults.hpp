/// \file
/// Faults that the suites have to find, to show that they would: CHAINRULE_EMULATED_FAULT is one of
///
///     barrier1, barrier2, barrier3   the first, second, third barrier of each text is missing
///     grid_barrier                   persistent kernels have no barriers over the grid
///     grid_arrival                   a block does not wait for its threads before it arrives there
///     grid_leave                     a block's threads do not wait until all blocks have arrived
///     group_barrier                  their blocks do not wait between two groups
///     step_barrier                   persistent kernels have no barrier between two steps
///     one_tile                       products hold one tile in local memory, not two in turn
///     transpose                      products take a factor's other transpose
///     wait1                          a copy's queue does not wait for the reader of the last copy
///     wait2                          the reader's queue does not wait for the copy
///     synchronize                    the host does not wait, so it does not see what it asked for
#ifndef CHAINRULE_TESTS_EMULATED_FAULTS_HPP
#define CHAINRULE_TESTS_EMULATED_FAULTS_HPP

#include <cstdlib>
#include <string>
#include <string_view>

namespace emulated {

[[nodiscard]] inline std::string_view fault() {
  const char* wanted = std::getenv("CHAINRULE_EMULATED_FAULT");
  return wanted == nullptr ? "" : wanted;
}
[[nodiscard]] inline bool has_fault(std::string_view name) { return fault() == name; }

/// A kernel's text with the fault, if that is one of texts.
[[nodiscard]] inline std::string with_fault(std::string text) {
  if (fault().substr(0, 7) == "barrier") {
    std::size_t at = 0;
    for (char n = '0'; n < fault().back() && at != std::string::npos; ++n)
      at = text.find("BARRIER;", at + 1);
    if (at != std::string::npos) text.replace(at, 7, "");
  }
  const auto replace = [&](const std::string& right, const std::string& wrong) {
    for (std::size_t at = 0; (at = text.find(right, at)) != std::string::npos; at += wrong.size())
      text.replace(at, right.size(), wrong);
  };
  if (has_fault("group_barrier")) replace("        BARRIER;\n      }\n", "      }\n");
  const std::string meets = "cr_meet(arrived);";
  if (has_fault("grid_barrier")) replace(meets, "__syncthreads();");
  if (has_fault("step_barrier"))
    replace("if (++step == steps) break;\n    " + meets, "if (++step == steps) break;");
  const std::string meeting = "cr_meet(unsigned* arrived) {\n";
  if (has_fault("grid_arrival")) replace(meeting + "  __syncthreads();", meeting);
  if (has_fault("grid_leave")) replace("  }\n  __syncthreads();\n}\n", "  }\n}\n");
  if (has_fault("one_tile")) replace("held ^= 1;", "");
  if (has_fault("transpose")) replace("i * (PLACE)a_row + k", "k * (PLACE)a_row + i");
  return text;
}

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_FAULTS_HPP

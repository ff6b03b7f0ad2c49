/// \file
/// The texts of the verbs of a counter in the device's memory, by which a captured step processes
/// the next batch at each replay.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_COUNTER_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_COUNTER_HPP

#include <string>

#include "chainrule/core/compiler.hpp"

namespace chainrule::device {

// A counter is four numbers: the count, the total, and what they were when they were last held.

/// Holds the count and the total, by one work item. No kernel that does so reads what is held.
[[nodiscard]] inline std::string hold(const std::string& indent) {
  return indent + "if (INDEX(0) == 0 && INDEX(1) == 0) {\n" + indent +
         "  count[count_at + 2] = count[count_at];\n" + indent +
         "  count[count_at + 3] = count[count_at + 1];\n" + indent + "}\n";
}
/// Makes the count and the total 1 more than those held, by one work item. No kernel that does so
/// reads the count or the total: its work items run in any order.
[[nodiscard]] inline std::string advance_held(const std::string& indent) {
  return indent + "if (INDEX(0) == 0 && INDEX(1) == 0) {\n" + indent +
         "  count[count_at] = count[count_at + 2] + 1;\n" + indent +
         "  count[count_at + 1] = count[count_at + 3] + 1;\n" + indent + "}\n";
}

/// Holds the count and the total.
[[nodiscard]] inline std::string hold_kernel() {
  return "KERNEL cr_main(GLOBAL int* count, long count_at) {\n" + hold("  ") + "}\n";
}

/// Adds 1 to the count and to the total behind it.
[[nodiscard]] inline std::string advance_kernel() {
  return R"(KERNEL cr_main(GLOBAL int* count, long count_at) {
  if (INDEX(0) == 0 && INDEX(1) == 0) {
    ++count[count_at];
    ++count[count_at + 1];
  }
}
)";
}

/// out(j) = source(count, j) for all j, by one group of work items; then adds 1 to the count and to
/// the total behind it.
[[nodiscard]] inline std::string take_kernel(bool on_cpu) {
  const std::string size = on_cpu ? "1" : "32";
  return "KERNEL_OF(" + size +
         R"(, 1) cr_main(long cols, GLOBAL real* out, long out_at, GLOBAL const real* source,
            long source_at, long source_row, GLOBAL int* count, long count_at) {
  LOCAL int row;
  if (LOCAL_INDEX(0) == 0) {
    row = count[count_at]++;
    ++count[count_at + 1];
  }
  BARRIER;
  source_at += row * source_row;
  for (long j = LOCAL_INDEX(0); j < cols; j += )" +
         size + R"() out[out_at + j] = source[source_at + j];
}
)";
}

/// target(i, count * step + j) = source(i, j)
[[nodiscard]] inline std::string copy_at_kernel() {
  return R"(KERNEL cr_main(long rows, long cols, GLOBAL real* target, long target_at, long target_row,
            GLOBAL const real* source, long source_at, long source_row,
            GLOBAL const int* count, long count_at, long step) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols)
    target[target_at + i * target_row + count[count_at] * step + j] =
        source[source_at + i * source_row + j];
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_COUNTER_HPP

/// \file
/// The text of `transpose`.
///
///     transpose_kernel();   // its text; launched over columns and rows of the target
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_TRANSPOSE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_TRANSPOSE_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// target(i, j) = source(j, i), where rows and cols are the target's. Neighbouring work items write
/// neighbouring elements; what they read is found in the cache by the next rows.
[[nodiscard]] inline std::string transpose_kernel() {
  return R"(KERNEL cr_main(long rows, long cols,
            GLOBAL real* target, long target_at, long target_row,
            GLOBAL const real* source, long source_at, long source_row) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols)
    target[target_at + i * target_row + j] = source[source_at + j * source_row + i];
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_TRANSPOSE_HPP

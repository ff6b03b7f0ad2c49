/// \file
/// The text of `transpose`.
///
///     transpose_kernel();                  // its text
///     transpose_items(target.shape());     // its launch, over columns and rows of the target
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_TRANSPOSE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_TRANSPOSE_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// The work items for a target of that shape. Groups are square, so that neighbouring items read
/// from the same cache lines: three times as fast as groups of one row on a processor.
[[nodiscard]] inline work transpose_items(matrix_shape target) {
  return {static_cast<std::size_t>(target.cols + 15) / 16 * 16,
          static_cast<std::size_t>(target.rows + 15) / 16 * 16, 16, 16};
}

/// target(i, j) = source(j, i), where rows and cols are the target's.
[[nodiscard]] inline std::string transpose_kernel() {
  return R"(KERNEL_OF(16, 16) cr_main(long rows, long cols,
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

/// \file
/// The texts of `scatter` and `scatter_add`: rows assigned or added to rows by index.
///
///     const scatter_task t = scatter_task_for(4096, 64, 10000, on_cpu);
///     scatter_add_kernel();   // its text
///     t.items(64);            // its launch
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_SCATTER_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_SCATTER_HPP

#include <algorithm>
#include <string>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// The division of additions to rows: a work item adds to `block` columns of every row whose index
/// is its own modulo `shares`. It visits all rows of the source in order, so that the order of
/// additions to an element does not depend on the division.
struct scatter_task {
  index_t block = 1;
  index_t shares = 1;  ///< a power of 2

  [[nodiscard]] work items(index_t cols) const {
    const auto width = static_cast<std::size_t>((cols + block - 1) / block);
    const auto height = static_cast<std::size_t>(shares);
    if (block == 1) return {width, height};
    return {width, height, 1, 1};  // few items per core suffice, as each has much work
  }
};

/// Plans the addition of `count` rows to some of a target's on a device of that kind.
[[nodiscard]] inline scatter_task scatter_task_for(index_t count, index_t cols, index_t target_rows,
                                                   bool on_cpu) {
  scatter_task t;
  if (on_cpu) t.block = 256;
  const index_t blocks = (cols + t.block - 1) / t.block;
  const index_t most = std::min({target_rows, count, (on_cpu ? 8 : 16384) / (1 + blocks)});
  while (t.shares * 2 <= most) t.shares *= 2;
  return t;
}

/// The parameters of both kernels; `extents` comes first.
[[nodiscard]] inline std::string scatter_signature(const char* extents) {
  return detail::concat("KERNEL cr_main(", extents, R"(,
            GLOBAL real* target, long target_at, long target_row, long target_rows,
            GLOBAL const real* source, long source_at, long source_row,
            GLOBAL const int* numbers, long numbers_at) {
)");
}

/// target(numbers[i], j) = source(i, j); numbers out of range are skipped. Launched over columns
/// and rows of the source.
[[nodiscard]] inline std::string scatter_kernel() {
  return scatter_signature("long rows, long cols") + R"(  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long n = numbers[numbers_at + i];
    if (n >= 0 && n < target_rows)
      target[target_at + n * target_row + j] = source[source_at + i * source_row + j];
  }
}
)";
}

/// target(numbers[i], j) += source(i, j), one i after the other; numbers out of range are skipped.
[[nodiscard]] inline std::string scatter_add_kernel() {
  return scatter_signature("long rows, long cols, long block, long shares") +
         R"(  const long begin = INDEX(0) * block;
  const long end = begin + block < cols ? begin + block : cols;
  const long share = INDEX(1);
  if (share >= shares) return;
  for (long i = 0; i < rows; ++i) {
    const long n = numbers[numbers_at + i];
    if (n < 0 || n >= target_rows || (n & (shares - 1)) != share) continue;
    for (long j = begin; j < end; ++j)
      target[target_at + n * target_row + j] += source[source_at + i * source_row + j];
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_SCATTER_HPP

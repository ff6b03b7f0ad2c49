/// \file
/// The text of `copy` for elements other than scalars, which `map` copies.
///
///     copy_kernel<std::int32_t>();   // its text; launched over columns and rows
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_COPY_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_COPY_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// target(i, j) = source(i, j), bit for bit.
template <class Element>
[[nodiscard]] std::string copy_kernel() {
  return detail::concat("typedef ", type_name<Element>(), R"( element;
KERNEL cr_main(long rows, long cols,
            GLOBAL element* target, long target_at, long target_row,
            GLOBAL const element* source, long source_at, long source_row) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols)
    target[target_at + i * target_row + j] = source[source_at + i * source_row + j];
}
)");
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_COPY_HPP

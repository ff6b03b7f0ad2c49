/// \file
/// The text of `gather`: rows by index.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// out(i, j) = f(source(numbers[i], j)); a number that is none gives NaN. With `counted`, the
/// numbers begin at a place that is counted to in memory.
template <std::floating_point T, class Element>
[[nodiscard]] std::string gather_kernel(const trace& f, bool counted) {
  return function_of<T>("cr_f", f, 1) +
         "KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_row,\n"
         "            GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at)" +
         (counted ? ", GLOBAL const int* count, long count_at, long step) {\n"
                    "  numbers_at += count[count_at] * step;\n"
                  : ") {\n") +
         R"(  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long n = numbers[numbers_at + i];
    real y = cr_nan;
    if (n >= 0 && n < source_rows) y = cr_f((real)source[source_at + n * source_row + j]);
    out[out_at + i * out_row + j] = y;
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

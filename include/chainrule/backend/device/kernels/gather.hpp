/// \file
/// The text of `gather`: rows by index.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/counter.hpp"

namespace chainrule::device {

/// The results of gather: their type in kernels, the definition of the function `cr_f` that
/// converts an element, and the value for indices out of range.
struct gathered {
  std::string type;
  std::string function;
  std::string missing;
};
/// Scalars, converted by a functor; NaN for indices out of range.
template <std::floating_point T>
[[nodiscard]] gathered gathered_scalars(const trace& f) {
  return {"real", function_of<T>("cr_f", f, 1), "cr_nan"};
}
/// int32 without conversion; the smallest one for indices out of range.
[[nodiscard]] inline gathered gathered_integers() {
  return {"int", "FUNCTION int cr_f(int x) { return x; }\n", "(-2147483647 - 1)"};
}

/// out(i, j) = f(source(numbers[i], j)), zeros where the number is -1. With `counted`, a counter in
/// memory determines the first number, and is held.
template <class Element>
[[nodiscard]] std::string gather_kernel(const gathered& what, bool counted) {
  return what.function + "typedef " + what.type +
         " result;\n"
         "KERNEL cr_main(long rows, long cols, GLOBAL result* out, long out_at, long out_row,\n"
         "            GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at)" +
         (counted ? ", GLOBAL int* count, long count_at, long step) {\n"
                    "  numbers_at += count[count_at] * step;\n" +
                        hold("  ")
                  : ") {\n") +
         R"(  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long n = numbers[numbers_at + i];
    result y = n == -1 ? 0 : )" +
         what.missing + R"(;
    if (n >= 0 && n < source_rows) y = cr_f((result)source[source_at + n * source_row + j]);
    out[out_at + i * out_row + j] = y;
  }
}
)";
}

/// As gather_kernel of scalars with a counter, and the same rows of a second source, without f.
template <class Element>
[[nodiscard]] std::string gather_pair_kernel(const std::string& function) {
  return function +
         "KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_row,\n"
         "            GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at,
            GLOBAL int* count, long count_at, long step,
            long more, GLOBAL real* second, long second_at, long second_row,
            GLOBAL const real* from, long from_at, long from_row) {
)" + hold("  ") +
         R"(  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols + more) {
    const long n = numbers[numbers_at + count[count_at] * step + i];
    real y = n == -1 ? 0 : cr_nan;
    if (n >= 0 && n < source_rows)
      y = j < cols ? cr_f((real)source[source_at + n * source_row + j])
                   : from[from_at + n * from_row + j - cols];
    if (j < cols) out[out_at + i * out_row + j] = y;
    else second[second_at + i * second_row + j - cols] = y;
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

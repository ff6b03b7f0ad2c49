/// \file
/// The text of `gather`: rows by index.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device {

/// What the results of gather are: their type in kernels, the definition of `cr_f`, a function of
/// one of them, and the value in rows that do not exist.
struct gathered {
  std::string type;
  std::string function;
  std::string missing;
};
/// Scalars, through a functor; NaN in rows that do not exist.
template <std::floating_point T>
[[nodiscard]] gathered gathered_scalars(const trace& f) {
  return {"real", function_of<T>("cr_f", f, 1), "cr_nan"};
}
/// int32 as they are; the smallest one in rows that do not exist.
[[nodiscard]] inline gathered gathered_integers() {
  return {"int", "FUNCTION int cr_f(int x) { return x; }\n", "(-2147483647 - 1)"};
}

/// out(i, j) = f(source(numbers[i], j)), zeros where the number is -1. With `counted`, the numbers
/// begin at a place that is counted to in memory.
template <class Element>
[[nodiscard]] std::string gather_kernel(const gathered& what, bool counted) {
  return what.function + "typedef " + what.type +
         " result;\n"
         "KERNEL cr_main(long rows, long cols, GLOBAL result* out, long out_at, long out_row,\n"
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
    result y = n == -1 ? 0 : )" +
         what.missing + R"(;
    if (n >= 0 && n < source_rows) y = cr_f((result)source[source_at + n * source_row + j]);
    out[out_at + i * out_row + j] = y;
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

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

/// Statements that prefetch row `later` of a matrix, a line at a time.
[[nodiscard]] inline std::string prefetched_row(const std::string& matrix,
                                                const std::string& cols) {
  return "    for (long j = 0; j < " + cols + "; j += 64 / (long)sizeof(*" + matrix +
         "))\n      __builtin_prefetch(" + matrix + " + " + matrix + "_at + later * " + matrix +
         "_row + j, 0, 2);\n";
}
/// The beginning of the body of a gather: a work item computes up to `each` elements of row i, from
/// `first` on, of `all` columns. On a CPU device it is a whole row, in a loop of vector
/// instructions. The rows are scattered in memory, so there a work item prefetches, by the
/// statements `prefetched`, a later row: that of a work item that follows on the same thread.
[[nodiscard]] inline std::string gathered_row(const std::string& all, bool on_cpu,
                                              const std::string& prefetched) {
  return R"(  const long i = INDEX(1);
  const long first = INDEX(0) * each;
  if (i >= rows) return;
)" +
         (on_cpu ? R"(#ifdef __clang__
  const long later = i + 4 < rows ? numbers[numbers_at + i + 4] : -1;
  if (later >= 0 && later < source_rows) {
)" + prefetched + "  }\n#endif\n"
                 : "") +
         "  const long last = first + each < " + all + " ? first + each : " + all + R"(;
  const long n = numbers[numbers_at + i];
  const int is_there = n >= 0 && n < source_rows;
)";
}
/// Statements that assign elements from ... to - 1 of a row of `target`; `value` is one of row n.
[[nodiscard]] inline std::string gathered_elements(const std::string& target,
                                                   const std::string& value,
                                                   const std::string& from, const std::string& to,
                                                   const std::string& missing) {
  const std::string each = "for (long j = " + from + "; j < " + to + "; ++j) " + target + " = ";
  return "  if (is_there)\n    " + each + value + ";\n  else\n    " + each +
         "n == -1 ? 0 : " + missing + ";\n";
}

/// out(i, j) = f(source(numbers[i], j)), zeros where the number is -1. With `counted`, a counter in
/// memory determines the first number, and is held.
template <class Element>
[[nodiscard]] std::string gather_kernel(const gathered& what, bool counted, bool on_cpu) {
  return what.function + "typedef " + what.type +
         " result;\n"
         "KERNEL cr_main(long rows, long cols, long each, GLOBAL result* out, long out_at,\n"
         "            long out_row, GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at)" +
         (counted ? ", GLOBAL int* count, long count_at, long step) {\n"
                    "  numbers_at += count[count_at] * step;\n" +
                        hold("  ")
                  : ") {\n") +
         gathered_row("cols", on_cpu, prefetched_row("source", "cols")) +
         gathered_elements("out[out_at + i * out_row + j]",
                           "cr_f((result)source[source_at + n * source_row + j])", "first", "last",
                           what.missing) +
         "}\n";
}

/// As gather_kernel of scalars with a counter, and the same rows of a second source, without f.
template <class Element>
[[nodiscard]] std::string gather_pair_kernel(const std::string& function, bool on_cpu) {
  return function +
         "KERNEL cr_main(long rows, long cols, long each, GLOBAL real* out, long out_at,\n"
         "            long out_row, GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at,
            GLOBAL int* count, long count_at, long step,
            long more, GLOBAL real* second, long second_at, long second_row,
            GLOBAL const real* from, long from_at, long from_row) {
  numbers_at += count[count_at] * step;
)" + hold("  ") +
         gathered_row("cols + more", on_cpu,
                      prefetched_row("source", "cols") + prefetched_row("from", "more")) +
         "  const long middle = last < cols ? last : cols;\n" +
         gathered_elements("out[out_at + i * out_row + j]",
                           "cr_f((real)source[source_at + n * source_row + j])", "first", "middle",
                           "cr_nan") +
         gathered_elements("second[second_at + i * second_row + j - cols]",
                           "from[from_at + n * from_row + j - cols]",
                           "(first < cols ? cols : first)", "last", "cr_nan") +
         "}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GATHER_HPP

/// \file
/// The text of `map`: a pointwise functor over whole matrices.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/counter.hpp"

namespace chainrule::device {

/// out0, out1, ... = the results of the trace, element by element; launched over cols x rows.
template <std::floating_point T>
[[nodiscard]] std::string map_kernel(const trace& t, std::size_t operands) {
  return "KERNEL cr_main(long rows, long cols" +
         repeat(t.results(),
                [](const std::string& o) {
                  return ", GLOBAL real* out" + o + ", long out" + o + "_at, long out" + o + "_row";
                }) +
         operand_parameters(operands) +
         ") {\n  const long j = INDEX(0);\n  const long i = INDEX(1);\n"
         "  if (i < rows && j < cols) {\n" +
         operand_loads(operands) + t.print<T>("    ") +
         repeat(t.results(),
                [&](const std::string& o) {
                  return "    out" + o + "[out" + o + "_at + i * out" + o +
                         "_row + j] = " + t.result(std::stoul(o)) + ";\n";
                }) +
         "  }\n}\n";
}

/// A map of whole operands and of `planned` scalars, the row of a table whose number a counter
/// held; one work item advances the counter. Work items have up to `each` elements of a row: on a
/// CPU device so many that the scalars are loaded before a loop of vector instructions, which may
/// be used although results are operands, since an element depends on no other.
template <std::floating_point T>
[[nodiscard]] std::string planned_map_kernel(const trace& t, std::size_t operands,
                                             std::size_t planned) {
  const auto parameters = [](std::size_t count, const std::string& name, const char* type) {
    return repeat(count, [&](const std::string& n) {
      const std::string m = name + n;
      return std::string(", GLOBAL ") + type + "* " + m + ", long " + m + "_at, long " + m + "_row";
    });
  };
  const auto element = [](const std::string& m) {
    return m + "[" + m + "_at + i * " + m + "_row + j]";
  };
  return R"text(#ifdef __clang__
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT
#endif
KERNEL cr_main(long rows, long cols, long each)text" +
         parameters(t.results(), "out", "real") + parameters(operands, "in", "const real") +
         R"(, GLOBAL const real* table, long table_at, long table_row, GLOBAL int* count,
            long count_at) {
  table_at += count[count_at + 2] * table_row;
)" + advance_held("  ") +
         "  const long i = INDEX(1);\n  const long first = INDEX(0) * each;\n"
         "  if (i >= rows) return;\n"
         "  const long last = first + each < cols ? first + each : cols;\n" +
         repeat(planned,
                [&](const std::string& n) {
                  return "  const real x" + std::to_string(std::stoul(n) + operands) +
                         " = table[table_at + " + n + "];\n";
                }) +
         "  INDEPENDENT\n  for (long j = first; j < last; ++j) {\n" +
         repeat(operands,
                [&](const std::string& n) {
                  return "    const real x" + n + " = " + element("in" + n) + ";\n";
                }) +
         t.print<T>("    ") +
         repeat(t.results(),
                [&](const std::string& n) {
                  return "    " + element("out" + n) + " = " + t.result(std::stoul(n)) + ";\n";
                }) +
         "  }\n}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

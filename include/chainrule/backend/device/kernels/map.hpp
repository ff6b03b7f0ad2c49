/// \file
/// The text of `map`: a pointwise functor over whole matrices.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/counter.hpp"

namespace chainrule::device {

/// out0, out1, ... = the results of the trace, element by element; launched over cols x rows. With
/// `planned`, so many further operands are scalars in the row of a table whose number a counter
/// held, and one work item advances the counter.
template <std::floating_point T>
[[nodiscard]] std::string map_kernel(const trace& t, std::size_t operands,
                                     std::size_t planned = 0) {
  return "KERNEL cr_main(long rows, long cols" +
         repeat(t.results(),
                [](const std::string& o) {
                  return ", GLOBAL real* out" + o + ", long out" + o + "_at, long out" + o + "_row";
                }) +
         operand_parameters(operands) +
         (planned == 0 ? ""
                       : ", GLOBAL const real* table, long table_at, long table_row, GLOBAL int* "
                         "count, long count_at") +
         ") {\n  const long j = INDEX(0);\n  const long i = INDEX(1);\n"
         "  if (i < rows && j < cols) {\n" +
         operand_loads(operands) +
         repeat(planned,
                [&](const std::string& i) {
                  return "    const real x" + std::to_string(std::stoul(i) + operands) +
                         " = table[table_at + count[count_at + 2] * table_row + " + i + "];\n";
                }) +
         t.print<T>("    ") +
         repeat(t.results(),
                [&](const std::string& o) {
                  return "    out" + o + "[out" + o + "_at + i * out" + o +
                         "_row + j] = " + t.result(std::stoul(o)) + ";\n";
                }) +
         (planned == 0 ? "" : advance_held("    ")) + "  }\n}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

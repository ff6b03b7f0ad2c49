/// \file
/// The text of `map`: a pointwise functor over whole matrices.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

#include "chainrule/backend/device/kernels/common.hpp"

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

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_MAP_HPP

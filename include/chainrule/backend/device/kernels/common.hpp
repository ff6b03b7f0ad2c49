/// \file
/// The common parts of the texts of kernels.
///
/// Kernels are written once, in the common part of OpenCL C and CUDA C++; what differs is in a
/// dialect: the prelude of macros that makes one text valid in both. Pointwise functors are spliced
/// in as the text that tracing them gives (pointwise/symbol.hpp).
///
/// Every kernel is called `cr_main`; one that works in groups begins with KERNEL_OF(width, height),
/// so that the compiler limits its registers to what a group of that size can have, or with
/// KERNEL_OF_TWO, to half of that, so that a multiprocessor can hold two groups of 256 items.
/// Extents and strides are `long`; a buffer comes with the offset of its first element.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_COMMON_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_COMMON_HPP

#include <concepts>
#include <cstdint>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/pointwise/symbol.hpp"

namespace chainrule::device {

/// The name of a scalar in kernels.
template <class T>
[[nodiscard]] constexpr const char* type_name() {
  if constexpr (std::same_as<T, float>) return "float";
  if constexpr (std::same_as<T, double>) return "double";
  if constexpr (std::same_as<T, std::int32_t>) return "int";
  if constexpr (std::same_as<T, std::uint8_t>) return "uchar";
}

/// `for_each(i)` for 0 ... count - 1, the texts joined.
template <class Piece>
[[nodiscard]] std::string repeat(std::size_t count, Piece&& piece) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece(std::to_string(i));
  return text;
}

/// The parameters of operand i: its buffer, offset and steps along rows and columns (0 where it is
/// repeated).
[[nodiscard]] inline std::string operand_parameters(std::size_t count) {
  return repeat(count, [](const std::string& i) {
    return ", GLOBAL const real* in" + i + ", long in" + i + "_at, long in" + i + "_row, long in" +
           i + "_col";
  });
}

/// Loads the operands of element (i, j) into x0, x1, ...; `first` operands are given otherwise.
[[nodiscard]] inline std::string operand_loads(std::size_t count, std::size_t first = 0) {
  return repeat(count, [&](const std::string& i) {
    return "    const real x" + std::to_string(std::stoul(i) + first) + " = in" + i + "[in" + i +
           "_at + i * in" + i + "_row + j * in" + i + "_col];\n";
  });
}

/// A function `name` of the scalars x0, x1, ... that computes the one result of a trace.
template <std::floating_point T>
[[nodiscard]] std::string function_of(const std::string& name, const trace& t,
                                      std::size_t operands) {
  return "FUNCTION real " + name + "(" +
         repeat(operands,
                [](const std::string& i) { return (i == "0" ? "real x" : ", real x") + i; }) +
         (operands == 0 ? "void" : "") + ") {\n" + t.print<T>() + "  return " + t.result(0) +
         ";\n}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_COMMON_HPP

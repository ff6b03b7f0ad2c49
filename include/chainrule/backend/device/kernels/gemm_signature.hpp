/// \file
/// What the texts of all products have in common: the kernel's parameters and its epilogue's.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"

namespace chainrule::device::gemm_detail {

/// A line that gives a number a name.
[[nodiscard]] inline std::string define(const char* name, int value) {
  return std::string("#define ") + name + " " + std::to_string(value) + "\n";
}

/// The parameters that every gemm kernel has.
[[nodiscard]] inline std::string parameters(std::size_t operands) {
  return R"(long rows, long cols, long inner, real alpha, real beta,
            GLOBAL real* c, long c_at, long c_row,
            GLOBAL const real* a, long a_at, long a_row, long a_col,
            GLOBAL const real* b, long b_at, long b_row, long b_col)" +
         operand_parameters(operands);
}

/// What the epilogue takes: "value, x1, x2, ...".
[[nodiscard]] inline std::string epilogue_arguments(std::size_t operands) {
  return "value" + repeat(operands, [](const std::string& i) {
           return ", x" + std::to_string(std::stoul(i) + 1);
         });
}

}  // namespace chainrule::device::gemm_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP

/// \file
/// The common parts of the texts of products: the parameters of the kernel and of its epilogue.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/gemm_plan.hpp"

namespace chainrule::device::gemm_detail {

/// A line that gives a number a name.
[[nodiscard]] inline std::string define(const char* name, int value) {
  return std::string("#define ") + name + " " + std::to_string(value) + "\n";
}

/// The parameters that every gemm kernel has. In a batch, `count` products of `blocks` blocks each
/// along the second dimension of the launch follow each other; they have `inner` steps of k each,
/// of `whole` in all, so that the last one may have fewer. With sums, the sums of b's columns are
/// added to total_beta times what `total` holds.
[[nodiscard]] inline std::string parameters(std::size_t operands, const gemm_variant& v) {
  return R"(long rows, long cols, long inner, real alpha, real beta,
            GLOBAL real* c, long c_at, long c_row,
            GLOBAL const real* a, long a_at, long a_row, long a_col,
            GLOBAL const real* b, long b_at, long b_row, long b_col)" +
         operand_parameters(operands) +
         (v.is_batch ? ",\n            long count, long blocks, long c_step, long a_step, long "
                       "b_step,\n            long whole"
                     : "") +
         (v.sums ? ",\n            GLOBAL real* total, long total_at, real total_beta" : "");
}

/// Declares `block`, the index along the second dimension of the block that the work item or group
/// at `place` computes. In a batch, advances the matrices to its product first.
[[nodiscard]] inline std::string block_at(const std::string& place, bool is_batch) {
  if (!is_batch) return "  const long block = " + place + ";\n";
  return "  const long product = " + place + R"( / blocks;
  if (product >= count) return;
  c_at += product * c_step;
  a_at += product * a_step;
  b_at += product * b_step;
  if (whole - product * inner < inner) inner = whole - product * inner;
  const long block = )" +
         place + " - product * blocks;\n";
}

/// The arguments of the epilogue: "value, x1, x2, ...".
[[nodiscard]] inline std::string epilogue_arguments(std::size_t operands) {
  return "value" + repeat(operands, [](const std::string& i) {
           return ", x" + std::to_string(std::stoul(i) + 1);
         });
}

}  // namespace chainrule::device::gemm_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_SIGNATURE_HPP

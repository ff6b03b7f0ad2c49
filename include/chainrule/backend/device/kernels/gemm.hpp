/// \file
/// The text of `gemm`: a product of matrices with its epilogue.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_HPP

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/gemm_cpu.hpp"
#include "chainrule/backend/device/kernels/gemm_gpu.hpp"
#include "chainrule/backend/device/kernels/gemm_plan.hpp"

namespace chainrule::device {

/// The kernel of a variant: c = epilogue(alpha a b + beta c, operands...). Its parameters are the
/// same for all: (rows, cols, inner, alpha, beta, c, c_at, c_row, a, a_at, a_row, a_col, b, b_at,
/// b_row, b_col), then buffer, offset, step along rows and step along columns of each operand; of a
/// batch then (count, blocks, c_step, a_step, b_step, whole), with sums (total, total_at,
/// total_beta), see gemm_signature.hpp. With beta = 0
/// nothing of c is read. A factor that is not transposed has a step of 1 along its columns, a
/// transposed one along its rows.
template <std::floating_point T>
[[nodiscard]] std::string gemm_kernel(const gemm_variant& v, const trace& epilogue,
                                      std::size_t operands) {
  return v.lanes == gemm_lanes::group ? gemm_detail::gpu_kernel<T>(v, epilogue, operands)
                                      : gemm_detail::cpu_kernel<T>(v, epilogue, operands);
}

/// c = epilogue(alpha (p_0 + p_1 + ...) + beta c, operands...) of a product that was cut along k,
/// whose parts p are rows x cols each and follow each other. Launched over columns and rows.
template <std::floating_point T>
[[nodiscard]] std::string added_parts_kernel(const trace& epilogue, std::size_t operands) {
  return function_of<T>("cr_epilogue", epilogue, operands + 1) +
         R"(KERNEL cr_main(long rows, long cols, long parts, real alpha, real beta,
            GLOBAL real* c, long c_at, long c_row, GLOBAL const real* p, long p_at)" +
         operand_parameters(operands) + R"() {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    real sum = 0;
    for (long n = 0; n < parts; ++n) sum += p[p_at + (n * rows + i) * cols + j];
    const long at = c_at + i * c_row + j;
    real value = alpha * sum;
    if (beta != 0) value += beta * c[at];
)" + operand_loads(operands, 1) +
         "    c[at] = cr_epilogue(" + gemm_detail::epilogue_arguments(operands) + ");\n  }\n}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_HPP

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
/// batch then (count, blocks, c_step, a_step, b_step), with sums (total, total_at, total_beta), see
/// gemm_signature.hpp. With beta = 0
/// nothing of c is read. A factor that is not transposed has a step of 1 along its columns, a
/// transposed one along its rows.
template <std::floating_point T>
[[nodiscard]] std::string gemm_kernel(const gemm_variant& v, const trace& epilogue,
                                      std::size_t operands) {
  return v.lanes == gemm_lanes::group ? gemm_detail::gpu_kernel<T>(v, epilogue, operands)
                                      : gemm_detail::cpu_kernel<T>(v, epilogue, operands);
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_HPP

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
/// b_row, b_col), then buffer, offset, step along rows and step along columns of each operand. With
/// beta = 0 nothing of c is read. A factor that is not transposed has a step of 1 along its
/// columns, a transposed one along its rows.
template <std::floating_point T>
[[nodiscard]] std::string gemm_kernel(const gemm_variant& v, const trace& epilogue,
                                      std::size_t operands) {
  return v.lanes == gemm_lanes::group ? gemm_detail::gpu_kernel<T>(v, epilogue, operands)
                                      : gemm_detail::cpu_kernel<T>(v, epilogue, operands);
}

/// c = epilogue(alpha a b + beta c, operands...): a work item computes a tile of `tile_rows` x
/// `tile_cols` elements in registers. The rows of a tile share what is loaded of b, its columns
/// what is loaded of a; 4 x 16 is what vector units of 512 bits hold beside their operands.
inline constexpr std::int64_t tile_rows = 4;
inline constexpr std::int64_t tile_cols = 16;

template <std::floating_point T>
[[nodiscard]] std::string gemm_kernel(const trace& epilogue, std::size_t operands) {
  const std::string arguments = "value" + repeat(operands, [](const std::string& i) {
                                  return ", x" + std::to_string(std::stoul(i) + 1);
                                });
  return function_of<T>("cr_epilogue", epilogue, operands + 1) + "#define TILE_ROWS " +
         std::to_string(tile_rows) + "\n#define TILE_COLS " + std::to_string(tile_cols) +
         R"(
KERNEL cr_main(long rows, long cols, long inner, real alpha, real beta,
            GLOBAL real* c, long c_at, long c_row,
            GLOBAL const real* a, long a_at, long a_row, long a_col,
            GLOBAL const real* b, long b_at, long b_row, long b_col)" +
         operand_parameters(operands) + R"() {
  const long first_col = INDEX(0) * TILE_COLS;
  const long first_row = INDEX(1) * TILE_ROWS;
  if (first_row >= rows || first_col >= cols) return;
  const int tile_rows = rows - first_row < TILE_ROWS ? (int)(rows - first_row) : TILE_ROWS;
  const int tile_cols = cols - first_col < TILE_COLS ? (int)(cols - first_col) : TILE_COLS;
  real sum[TILE_ROWS][TILE_COLS];
  UNROLL
  for (int r = 0; r < TILE_ROWS; ++r) {
    UNROLL
    for (int s = 0; s < TILE_COLS; ++s) sum[r][s] = 0;
  }
  GLOBAL const real* from_a = a + a_at + first_row * a_row;
  GLOBAL const real* from_b = b + b_at + first_col * b_col;
  if (tile_rows == TILE_ROWS && tile_cols == TILE_COLS) {
    for (long k = 0; k < inner; ++k) {
      real y[TILE_COLS];
      UNROLL
      for (int s = 0; s < TILE_COLS; ++s) y[s] = from_b[k * b_row + s * b_col];
      UNROLL
      for (int r = 0; r < TILE_ROWS; ++r) {
        const real x = from_a[r * a_row + k * a_col];
        UNROLL
        for (int s = 0; s < TILE_COLS; ++s) sum[r][s] += x * y[s];
      }
    }
  } else {
    for (long k = 0; k < inner; ++k)
      for (int r = 0; r < tile_rows; ++r)
        for (int s = 0; s < tile_cols; ++s)
          sum[r][s] += from_a[r * a_row + k * a_col] * from_b[k * b_row + s * b_col];
  }
  for (int r = 0; r < tile_rows; ++r)
    for (int s = 0; s < tile_cols; ++s) {
      const long i = first_row + r;
      const long j = first_col + s;
      const long at = c_at + i * c_row + j;
      real value = alpha * sum[r][s];
      if (beta != 0) value += beta * c[at];
)" + operand_loads(operands, 1) +
         "      c[at] = cr_epilogue(" + arguments + ");\n    }\n}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_HPP

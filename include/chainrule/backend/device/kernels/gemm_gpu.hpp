/// \file
/// The text of a product for GPUs: a group loads tiles of both factors into local memory and
/// multiplies them there.
///
/// OpenCL C and CUDA C++. Beside what all kernels use, a dialect defines LOCAL (memory of a group),
/// BARRIER, LOCAL_INDEX(d) and GROUP(d).
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP

#include <concepts>
#include <string>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/gemm_plan.hpp"
#include "chainrule/backend/device/kernels/gemm_signature.hpp"

namespace chainrule::device::gemm_detail {

/// What differs between products for GPUs: pieces of their text.
struct gpu_pieces {
  std::string parameters;
  /// Declares block, from and end: the row of tiles, and the steps k of the sum; alpha and beta.
  std::string begin;
  /// Statements that assign `value` the element (i, k) of the left and (k, j) of the right factor.
  std::string left;
  std::string right;
  /// Statements that may prepare the offset of row i of c after c_at, and that offset.
  std::string before_row_of_c;
  std::string row_of_c;
};

/// The text that adds the rows of the right factor in the groups of the first row of tiles: where
/// the sums are declared, where a tile lies in local memory, and at the end. Each work item adds
/// whole columns of the tile, in the order of k. `element` is that of line l and column s.
struct gpu_column_sums {
  std::string declare, add, store;
};
[[nodiscard]] inline gpu_column_sums column_sums_of(const std::string& element) {
  const std::string each =
      "    for (int n = 0; n < SUMS; ++n) {\n"
      "      const int s = (int)item + n * ITEMS;\n";
  return {
      "#define SUMS ((COLS + ITEMS - 1) / ITEMS)\n"
      "  real sums[SUMS];\n  UNROLL\n  for (int n = 0; n < SUMS; ++n) sums[n] = 0;\n",
      "    if (block == 0) {\n    UNROLL\n" + each +
          "      if (s < COLS)\n        for (int l = 0; l < DEPTH; ++l) sums[n] += " + element +
          ";\n    }\n    }\n",
      "  if (block == 0) {\n    UNROLL\n" + each +
          "      const long j = first_col + s;\n"
          "      if (s < COLS && j < cols)\n        total[total_at + j] = sums[n] + "
          "(total_beta != 0 ? total_beta * total[total_at + j] : (real)0);\n    }\n  }\n"};
}

/// The kernel of a variant with gemm_lanes::group. The elements of a work item are SIDE apart, so
/// that accesses of neighbouring items are contiguous; rows of local memory are padded by one
/// element, so that the elements of a column lie in different banks. Elements beyond a factor are
/// loaded as zero. Extents of tiles are powers of two and indices unsigned, so that divisions are
/// shifts. Each sum adds k in order, as on CPU devices.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands, const gpu_pieces& pieces) {
  // Neighbouring work items load what lies side by side: steps of k, or rows and columns of c.
  const std::string a_places =
      v.a_transposed
          ? "      const int r = (int)(e % ROWS);\n      const int l = (int)(e / ROWS);\n"
          : "      const int r = (int)(e / DEPTH);\n      const int l = (int)(e % DEPTH);\n";
  const std::string b_places =
      v.b_transposed
          ? "      const int s = (int)(e / DEPTH);\n      const int l = (int)(e % DEPTH);\n"
          : "      const int s = (int)(e % COLS);\n      const int l = (int)(e / COLS);\n";
  const gpu_column_sums sums = v.sums ? column_sums_of("right[l][s]") : gpu_column_sums{};
  return function_of<T>("cr_epilogue", epilogue, operands + 1) + define("ROWS", v.rows) +
         define("COLS", v.cols) + define("DEPTH", v.depth) + define("SIDE", v.width) +
         R"(#define ITEMS (SIDE * SIDE)
#define TILE_ROWS (ROWS / SIDE)
#define TILE_COLS (COLS / SIDE)
KERNEL_OF(SIDE, SIDE) cr_main()" +
         pieces.parameters + ") {\n" + pieces.begin +
         R"(  LOCAL real left[DEPTH][ROWS + 1];
  LOCAL real right[DEPTH][COLS + 1];
  const int across = LOCAL_INDEX(0);
  const int down = LOCAL_INDEX(1);
  const unsigned item = down * SIDE + across;
  const long first_row = block * ROWS;
  const long first_col = GROUP(0) * COLS;
  real sum[TILE_ROWS][TILE_COLS];
  UNROLL
  for (int r = 0; r < TILE_ROWS; ++r) {
    UNROLL
    for (int s = 0; s < TILE_COLS; ++s) sum[r][s] = 0;
  }
)" + sums.declare +
         R"(  for (long first_k = from; first_k < end; first_k += DEPTH) {
    UNROLL
    for (int n = 0; n < ROWS * DEPTH / ITEMS; ++n) {
      const unsigned e = item + n * ITEMS;
)" + a_places +
         R"(      const long i = first_row + r;
      const long k = first_k + l;
      real value = 0;
      if (i < rows && k < end) {
)" + pieces.left +
         R"(      }
      left[l][r] = value;
    }
    UNROLL
    for (int n = 0; n < COLS * DEPTH / ITEMS; ++n) {
      const unsigned e = item + n * ITEMS;
)" + b_places +
         R"(      const long j = first_col + s;
      const long k = first_k + l;
      real value = 0;
      if (j < cols && k < end) {
)" + pieces.right +
         R"(      }
      right[l][s] = value;
    }
    BARRIER;
)" + sums.add +
         R"(    UNROLL
    for (int l = 0; l < DEPTH; ++l) {
      real y[TILE_COLS];
      UNROLL
      for (int s = 0; s < TILE_COLS; ++s) y[s] = right[l][across + s * SIDE];
      UNROLL
      for (int r = 0; r < TILE_ROWS; ++r) {
        const real x = left[l][down + r * SIDE];
        UNROLL
        for (int s = 0; s < TILE_COLS; ++s) sum[r][s] += x * y[s];
      }
    }
    BARRIER;
  }
)" + sums.store +
         R"(  UNROLL
  for (int r = 0; r < TILE_ROWS; ++r) {
    UNROLL
    for (int s = 0; s < TILE_COLS; ++s) {
      const long i = first_row + down + r * SIDE;
      const long j = first_col + across + s * SIDE;
      if (i < rows && j < cols) {
)" + pieces.before_row_of_c +
         "        const long at = c_at + " + pieces.row_of_c + R"( + j;
        real value = alpha * sum[r][s];
        if (beta != 0) value += beta * c[at];
)" + operand_loads(operands, 1) +
         "        c[at] = cr_epilogue(" + epilogue_arguments(operands) +
         ");\n      }\n    }\n  }\n}\n";
}

/// The kernel of a product of matrices in memory.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  return gpu_kernel<T>(
      v, epilogue, operands,
      {parameters(operands, v),
       block_at("GROUP(1)", v.is_batch) + "  const long from = 0;\n  const long end = inner;\n",
       "        value = a[a_at + i * a_row + k * a_col];\n",
       "        value = b[b_at + k * b_row + j * b_col];\n", "", "i * c_row"});
}

}  // namespace chainrule::device::gemm_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP

/// \file
/// The text of a product for GPUs: a group loads tiles of both factors into local memory and
/// multiplies them there.
///
///     load the first tile into registers
///     for each tile: registers to local memory; barrier; load the next tile; multiply this one
///
/// The loads of a tile are under way while the previous one is multiplied. Local memory holds two
/// tiles of each factor in turn, so that one barrier per tile suffices: a work item overwrites a
/// tile only after the barrier that follows its last use.
///
/// OpenCL C and CUDA C++. Beside what all kernels use, a dialect defines LOCAL (memory of a group),
/// BARRIER, LOCAL_INDEX(d) and GROUP(d), and has the types float2, float4 and double2.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP

#include <algorithm>
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
  /// Statements that assign `value` the element (i, k) of the left and (k, j) of the right factor;
  /// with gemm_access::vectors, the VECTOR that begins there.
  std::string left;
  std::string right;
  /// Statements that may prepare the offset of row i of c after c_at, and that offset.
  std::string before_row_of_c;
  std::string row_of_c;
};

/// Component i of a vector of `width` elements; one of width 1 is a scalar.
[[nodiscard]] inline std::string component(const std::string& of, int width, int i) {
  return width == 1 ? of : of + "." + "xyzw"[i];
}

/// One side of a product for GPUs: the rows of the left factor, or the columns of the right one.
/// A line of local memory has the elements of a tile for one step k.
struct gpu_side {
  std::string name;   ///< of its lines: left or right
  std::string type;   ///< of the vectors of a line: LEFT or RIGHT
  std::string index;  ///< of an element: i or j
  std::string first;  ///< the index at which the tile begins
  std::string last;   ///< the index at which the matrix ends
  std::string item;   ///< the work item's place in its group along this side
  int extent;         ///< of a tile
  int depth;          ///< of a tile
  int side;           ///< work items of a group along this side
  int vector;         ///< elements per load of the factor
  bool along_k;       ///< those are steps of k, else neighbours along this side
  int part;           ///< elements per load of a line

  /// Opens a loop over the vectors of a tile that the work item loads, with those of neighbouring
  /// items side by side in memory. Declares the place r in a line and the line l.
  [[nodiscard]] std::string for_vectors(const std::string& indent) const {
    const int all = extent * depth / vector;
    const std::string inner = std::to_string((along_k ? depth : extent) / vector);
    const std::string near = "(int)(e % " + inner + ") * " + std::to_string(vector);
    const std::string far = "(int)(e / " + inner + ")";
    return indent + "UNROLL\n" + indent + "for (int n = 0; n < " + std::to_string(loads()) +
           "; ++n) {\n" + indent + "  const unsigned e = item + n * ITEMS;\n" +
           (all < side * side ? indent + "  if (e >= " + std::to_string(all) + ") break;\n" : "") +
           indent + "  const int r = " + (along_k ? far : near) + ";\n" + indent +
           "  const int l = " + (along_k ? near : far) + ";\n";
  }
  /// How many vectors each work item loads.
  [[nodiscard]] int loads() const {
    return static_cast<int>(pieces(extent * depth / vector, side * side));
  }
  /// Loads the tile that begins with step `k` of the factor, by the statements `assign`, into
  /// registers; zeros beyond the factor.
  [[nodiscard]] std::string load(const std::string& k, const std::string& assign,
                                 const std::string& indent) const {
    std::string text = for_vectors(indent) + indent + "  const PLACE " + index + " = " + first +
                       " + r;\n" + indent + "  const PLACE k = " + k + " + l;\n" + indent +
                       "  VECTOR value;\n" + indent + "  ";
    for (int q = 0; q < vector; ++q) text += component("value", vector, q) + " = ";
    return text + "0;\n" + indent + "  if (" + index + " < " + last + " && k < end) {\n" + assign +
           indent + "  }\n" + indent + "  next_" + name + "[n] = value;\n" + indent + "}\n";
  }
  /// Stores these registers in local memory.
  [[nodiscard]] std::string store(const std::string& indent) const {
    const std::string next = "next_" + name + "[n]";
    const std::string line = indent + "  " + name + "[held][l";
    std::string text = for_vectors(indent);
    if (!along_k && vector == part)
      text += line + "].vectors[r / " + std::to_string(part) + "] = " + next + ";\n";
    else
      for (int q = 0; q < vector; ++q) {
        const std::string more = " + " + std::to_string(q);
        text += line + (along_k ? more : "") + "].elements[r" + (along_k ? "" : more) +
                "] = " + component(next, vector, q) + ";\n";
      }
    return text + indent + "}\n";
  }
  /// Declares `to`: the elements of line l that the work item multiplies.
  [[nodiscard]] std::string read(const std::string& to, const std::string& indent) const {
    const int count = extent / side;
    std::string text = indent + "real " + to + "[" + std::to_string(count) + "];\n" + indent +
                       "UNROLL\n" + indent + "for (int g = 0; g < " + std::to_string(count / part) +
                       "; ++g) {\n" + indent + "  const " + type + " part = " + name +
                       "[held][l].vectors[" + item + " + g * SIDE];\n";
    for (int q = 0; q < part; ++q)
      text += indent + "  " + to + "[g * " + std::to_string(part) + " + " + std::to_string(q) +
              "] = " + component("part", part, q) + ";\n";
    return text + indent + "}\n";
  }
  /// The index of the work item's element number `at`: its vectors are SIDE vectors apart.
  [[nodiscard]] std::string place(const std::string& at) const {
    const std::string p = std::to_string(part);
    return first + " + (" + item + " + " + at + " / " + p + " * SIDE) * " + p + " + " + at + " % " +
           p;
  }
};

/// Statements that store made[0], made[1], ... as a vector in row i of c.
[[nodiscard]] inline std::string store_made(int width, const std::string& row_of_c) {
  std::string text = "        RIGHT whole;\n";
  for (int q = 0; q < width; ++q)
    text += "        " + component("whole", width, q) + " = made[" + std::to_string(q) + "];\n";
  return text + "        *(GLOBAL RIGHT*)(c + c_at + (" + row_of_c + " + first_j)) = whole;\n";
}

/// The text that adds the rows of the right factor in the groups of the first row of tiles: where
/// the sums are declared, where a tile lies in local memory, and at the end. Each work item adds
/// whole columns of the tile, in the order of k.
struct gpu_column_sums {
  std::string declare, add, store;
};
[[nodiscard]] inline gpu_column_sums group_column_sums() {
  const std::string each =
      "    for (int n = 0; n < SUMS; ++n) {\n"
      "      const int s = (int)item + n * ITEMS;\n";
  return {
      "#define SUMS ((COLS + ITEMS - 1) / ITEMS)\n"
      "  real sums[SUMS];\n  UNROLL\n  for (int n = 0; n < SUMS; ++n) sums[n] = 0;\n",
      "    if (block == 0) {\n    UNROLL\n" + each +
          "      if (s < COLS)\n"
          "        for (int l = 0; l < DEPTH; ++l) sums[n] += right[held][l].elements[s];\n"
          "    }\n    }\n",
      "  if (block == 0) {\n    UNROLL\n" + each +
          "      const PLACE j = first_col + s;\n"
          "      if (s < COLS && j < col_end)\n        total[total_at + j] = sums[n] + "
          "(total_beta != 0 ? total_beta * total[total_at + j] : (real)0);\n    }\n  }\n"};
}

/// The kernel of a variant with gemm_lanes::group. Lines of local memory are padded by 16 bytes, so
/// that elements stored below each other lie in different banks. Elements beyond a factor are
/// loaded as zero. Extents of tiles are powers of two and indices unsigned, so that divisions are
/// shifts. Each sum adds k in order, as on CPU devices.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands, const gpu_pieces& pieces) {
  const int most = gpu_vector(sizeof(T));
  const bool by_vectors = v.access == gemm_access::vectors;
  const int vector = by_vectors ? most : 1;
  const gpu_side left{
      "left", "LEFT",  "i",     "first_row", "row_end",       "down",
      v.rows, v.depth, v.width, vector,      !v.a_transposed, std::min(v.rows / v.width, most)};
  const gpu_side right{
      "right", "RIGHT", "j",     "first_col", "col_end",      "across",
      v.cols,  v.depth, v.width, vector,      v.b_transposed, std::min(v.cols / v.width, most)};
  const auto define_type = [](const char* name, int width) {
    return std::string("#define ") + name + " " +
           (width == 1 ? "real" : type_name<T>() + std::to_string(width)) + "\n";
  };
  const auto lines = [&](const gpu_side& s) {
    const std::string length = std::to_string(s.extent + most);
    return "  LOCAL union {\n    " + s.type + " vectors[" + length + " / " +
           std::to_string(s.part) + "];\n    real elements[" + length + "];\n  } " + s.name +
           "[2][DEPTH];\n  VECTOR next_" + s.name + "[" + std::to_string(s.loads()) + "];\n";
  };
  const gpu_column_sums sums = v.sums ? group_column_sums() : gpu_column_sums{};
  return function_of<T>("cr_epilogue", epilogue, operands + 1) + define("ROWS", v.rows) +
         define("COLS", v.cols) + define("DEPTH", v.depth) + define("SIDE", v.width) +
         R"(#define ITEMS (SIDE * SIDE)
#define TILE_ROWS (ROWS / SIDE)
#define TILE_COLS (COLS / SIDE)
#define PLACE )" +
         (v.access == gemm_access::anywhere ? "long\n" : "int\n") + define_type("VECTOR", vector) +
         define_type("LEFT", left.part) + define_type("RIGHT", right.part) +
         define("PART", right.part) +
         // 8 x 8 sums and the prefetched elements fit into the 128 registers of a thread of two
         // groups.
         (left.extent * right.extent >= 64 * v.width * v.width ? "KERNEL_OF_TWO" : "KERNEL_OF") +
         "(SIDE, SIDE) cr_main(" + pieces.parameters + ") {\n" + pieces.begin + lines(left) +
         lines(right) +
         R"(  const int across = LOCAL_INDEX(0);
  const int down = LOCAL_INDEX(1);
  const unsigned item = down * SIDE + across;
  const PLACE first_row = (PLACE)(block * ROWS);
  const PLACE first_col = (PLACE)(GROUP(0) * COLS);
  const PLACE row_end = (PLACE)rows;
  const PLACE col_end = (PLACE)cols;
  real sum[TILE_ROWS][TILE_COLS];
  UNROLL
  for (int r = 0; r < TILE_ROWS; ++r) {
    UNROLL
    for (int s = 0; s < TILE_COLS; ++s) sum[r][s] = 0;
  }
  int held = 0;
)" + sums.declare +
         left.load("from", pieces.left, "  ") + right.load("from", pieces.right, "  ") +
         R"(  for (PLACE first_k = from; first_k < end; first_k += DEPTH) {
)" + left.store("    ") +
         right.store("    ") + R"(    BARRIER;
    const PLACE next_k = first_k + DEPTH;
    if (next_k < end) {
)" + left.load("next_k", pieces.left, "      ") +
         right.load("next_k", pieces.right, "      ") + "    }\n" + sums.add +
         R"(    UNROLL
    for (int l = 0; l < DEPTH; ++l) {
)" + left.read("x", "      ") +
         right.read("y", "      ") + R"(      UNROLL
      for (int r = 0; r < TILE_ROWS; ++r) {
        UNROLL
        for (int s = 0; s < TILE_COLS; ++s) sum[r][s] += x[r] * y[s];
      }
    }
    held ^= 1;
  }
)" + sums.store +
         R"(  UNROLL
  for (int r = 0; r < TILE_ROWS; ++r) {
    const PLACE i = )" +
         left.place("r") + R"(;
    UNROLL
    for (int s = 0; s < TILE_COLS; s += PART) {
      const PLACE first_j = )" +
         right.place("s") + R"(;
      if (i < row_end && first_j < col_end) {
        real made[PART];
        UNROLL
        for (int q = 0; q < PART; ++q) {
          const PLACE j = first_j + q;
)" + (by_vectors ? "" : "          if (j >= col_end) break;\n") +
         pieces.before_row_of_c + "        const PLACE at = " + pieces.row_of_c + R"( + j;
          real value = alpha * sum[r][s + q];
          if (beta != 0) value += beta * c[c_at + at];
)" + operand_loads(operands, 1) +
         "          made[q] = cr_epilogue(" + epilogue_arguments(operands) + ");\n" +
         (by_vectors ? "        }\n" + store_made(right.part, pieces.row_of_c)
                     : "          c[c_at + at] = made[q];\n        }\n") +
         "      }\n    }\n  }\n}\n";
}

/// The kernel of a product of matrices in memory.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  gpu_pieces p;
  p.parameters = parameters(operands, v);
  p.begin = block_at("GROUP(1)", v.is_batch) +
            "  const PLACE from = 0;\n  const PLACE end = (PLACE)inner;\n";
  // One of a factor's steps is 1, see gemm_kernel: that of the index along which vectors lie.
  const auto element = [&](const std::string& factor, const std::string& at) {
    return "        value = *(GLOBAL const VECTOR*)(" + factor + " + " + factor + "_at + (" + at +
           "));\n";
  };
  p.left = element("a", v.a_transposed ? "k * (PLACE)a_col + i" : "i * (PLACE)a_row + k");
  p.right = element("b", v.b_transposed ? "j * (PLACE)b_col + k" : "k * (PLACE)b_row + j");
  p.row_of_c = "i * (PLACE)c_row";
  return gpu_kernel<T>(v, epilogue, operands, p);
}

}  // namespace chainrule::device::gemm_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_GPU_HPP

/// \file
/// The text of a product for CPU devices: a work item computes tiles of c in vector registers.
///
/// No local memory and no barriers: a work-group of a CPU device is a loop on one thread, whose
/// caches hold the shared data. Each step of k adds an outer product to a tile, whose sums are
/// separate variables (an array would be kept in memory where the compiler does not unroll its
/// loop). The last tile of a row or column is moved back to end with the matrix, so that all tiles
/// are whole; it stores only elements that the previous one does not. Each sum adds k in order, so
/// that the bits do not depend on the plan.
///
/// OpenCL C only, because its vector types map to whole registers.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_CPU_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_CPU_HPP

#include <algorithm>
#include <concepts>
#include <string>
#include <vector>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/gemm_plan.hpp"
#include "chainrule/backend/device/kernels/gemm_signature.hpp"

namespace chainrule::device::gemm_detail {

/// Pieces of text about vectors of `width` elements (of one, they are scalars).
struct vectors_of {
  int width;

  /// Loads the first `count` elements from `from` on, with zeros after them; reads no others.
  [[nodiscard]] std::string load(const std::string& from, int count) const {
    if (width == 1) return "*(" + from + ")";
    if (count == width) return "vload" + std::to_string(width) + "(0, " + from + ")";
    std::string text = "(V)(";
    int at = 0;
    for (int piece = width / 2; piece > 1; piece /= 2)
      for (; count - at >= piece; at += piece)
        text +=
            "vload" + std::to_string(piece) + "(0, " + from + " + " + std::to_string(at) + "), ";
    for (; at < width; ++at)
      text += (at < count ? "*(" + from + " + " + std::to_string(at) + ")" : "0") +
              (at + 1 < width ? ", " : "");
    return text + ")";
  }
  [[nodiscard]] std::string load(const std::string& from) const { return load(from, width); }

  [[nodiscard]] std::string store(const std::string& value, const std::string& to) const {
    if (width == 1) return "*(" + to + ") = " + value + ";\n";
    return "vstore" + std::to_string(width) + "(" + value + ", 0, " + to + ");\n";
  }

  /// Defines EVEN and ODD: the even and the odd lanes of two vectors of T, as one vector.
  template <std::floating_point T>
  [[nodiscard]] std::string parting() const {
    std::string text;
    for (const int first : {0, 1}) {
      text += std::string(first == 0 ? "#define EVEN" : "#define ODD") + "(u, w) shuffle2(u, w, (" +
              (sizeof(T) == sizeof(float) ? "uint" : "ulong") + std::to_string(width) + ")(";
      for (int i = 0; i < width; ++i) text += (i > 0 ? ", " : "") + std::to_string(2 * i + first);
      text += "))\n";
    }
    return text;
  }

  /// Lines that load `width` rows of `width` elements, `step` apart, and store them transposed,
  /// `pitch` apart. Each of log2(width) rounds separates the even and odd lanes of neighbouring
  /// vectors, which moves one bit of a lane's index into the index of its vector.
  [[nodiscard]] std::string transpose(const std::string& from, const std::string& step,
                                      const std::string& to, const std::string& pitch,
                                      const std::string& indent) const {
    const auto name = [](int round, int i) {
      return "p" + std::to_string(round) + "_" + std::to_string(i);
    };
    std::string text;
    for (int i = 0; i < width; ++i)
      text += indent + "const V " + name(0, i) + " = " +
              load(from + " + " + std::to_string(i) + " * " + step) + ";\n";
    int round = 0;
    for (int left = width; left > 1; left /= 2, ++round)
      for (int i = 0; i < width; ++i) {
        const int pair = i % (width / 2) * 2;
        text += indent + "const V " + name(round + 1, i) +
                (i < width / 2 ? " = EVEN(" : " = ODD(") + name(round, pair) + ", " +
                name(round, pair + 1) + ");\n";
      }
    for (int i = 0; i < width; ++i)
      text += indent + store(name(round, i), to + " + " + std::to_string(i) + " * " + pitch);
    return text;
  }
};

/// A tile's sums: each step of k adds numbers of one factor (x) times vectors of the other (y).
struct outer_product {
  int numbers;        // along the side that is broadcast
  int elements;       // along the vector lanes
  vectors_of vector;  // the lanes
  bool side_by_side;  // the numbers of one k are contiguous, else those of one row of the factor
  bool padded;        // y has whole vectors

  [[nodiscard]] int count() const { return (elements + vector.width - 1) / vector.width; }
  /// Elements from one number's sums to the next one's.
  [[nodiscard]] int pitch() const { return count() * vector.width; }

  /// Calls piece(name of the sum, its place in the tile) for all sums.
  template <class Piece>
  [[nodiscard]] std::string for_sums(Piece&& piece) const {
    std::string text;
    for (int i = 0; i < numbers; ++i)
      for (int v = 0; v < count(); ++v)
        text += piece("s" + std::to_string(i) + "_" + std::to_string(v),
                      i * pitch() + v * vector.width);
    return text;
  }

  /// One step, the k-th after the pointers x and y.
  [[nodiscard]] std::string step(int k, const std::string& indent) const {
    const std::string ks = std::to_string(k);
    std::string text;
    for (int v = 0; v < count(); ++v) {
      const int at = v * vector.width;
      text += indent + "const V y" + ks + "_" + std::to_string(v) + " = " +
              vector.load("y + " + ks + " * y_step + " + std::to_string(at),
                          padded ? vector.width : std::min(vector.width, elements - at)) +
              ";\n";
    }
    for (int i = 0; i < numbers; ++i) {
      const std::string is = std::to_string(i);
      const std::string x = "x" + ks + "_" + is;
      text += indent + "const real " + x + " = x[" +
              (side_by_side ? is + " + " + ks + " * x_step" : is + " * x_step + " + ks) + "];\n" +
              indent;
      for (int v = 0; v < count(); ++v) {
        const std::string vs = std::to_string(v);
        text += (v > 0 ? " s" : "s") + is + "_" + vs + " += " + x + " * y" + ks + "_" + vs + ";";
      }
      text += "\n";
    }
    return text;
  }

  /// All `depth` steps, four at a time where each number is in a different row: the addresses do
  /// not fit into registers and are then loaded once for four steps.
  [[nodiscard]] std::string loop(const std::string& indent) const {
    const std::string in = indent + "  ";
    std::string text = indent + "long k = 0;\n";
    if (!side_by_side) {
      text += indent + "for (; k + 4 <= depth; k += 4) {\n";
      for (int k = 0; k < 4; ++k) text += step(k, in);
      text += in + "x += 4;\n" + in + "y += 4 * y_step;\n" + indent + "}\n";
    }
    return text + indent + "for (; k < depth; ++k) {\n" + step(0, in) + in +
           "x += " + (side_by_side ? "x_step" : "1") + ";\n" + in + "y += y_step;\n" + indent +
           "}\n";
  }
};

/// Copies the columns of b of a work item for `depth` steps of k into `panel`, transposed if
/// needed, so that all its tiles read contiguous memory.
[[nodiscard]] inline std::string pack_panel(const gemm_variant& v, const outer_product& outer) {
  const std::string whole = std::to_string(v.cols / v.width * v.width);
  const std::string w = std::to_string(v.width);
  const std::string one = "      panel[k * PITCH + s] = from[s * b_col + k * b_row];\n";
  std::string text =
      "    GLOBAL const real* from = b + b_at + first_col * b_col + first_k * b_row;\n";
  if (!v.b_transposed) {
    text += "    for (int k = 0; k < depth; ++k) {\n";
    for (int i = 0; i < outer.count(); ++i) {
      const int at = i * v.width;
      text += "      " +
              outer.vector.store(outer.vector.load("from + k * b_row + " + std::to_string(at),
                                                   std::min(v.width, v.cols - at)),
                                 "panel + k * PITCH + " + std::to_string(at));
    }
    return text + "    }\n";
  }
  text += "    int packed = 0;\n";
  if (v.width > 1 && v.cols >= v.width)
    text += "    for (; packed + " + w + " <= depth; packed += " + w +
            ")\n      for (int s = 0; s < " + whole + "; s += " + w + ") {\n" +
            outer.vector.transpose("from + s * b_col + packed", "b_col",
                                   "panel + packed * PITCH + s", "PITCH", "        ") +
            "      }\n";
  if (v.cols % v.width != 0)
    text += "    for (int k = 0; k < packed; ++k)\n      for (int s = " + whole +
            "; s < COLS; ++s)\n  " + one;
  text +=
      "    for (int k = packed; k < depth; ++k)\n      for (int s = 0; s < COLS; ++s)\n  " + one;
  if (v.cols % v.width != 0)
    text +=
        "    for (int k = 0; k < depth; ++k)\n      for (int s = COLS; s < PITCH; ++s) "
        "panel[k * PITCH + s] = 0;\n";
  return text;
}

/// Applies alpha, beta and the epilogue to the sums of all tiles and stores them in c. Each row is
/// loaded completely before it is stored, so that these loops are vectorised.
[[nodiscard]] inline std::string finish(const gemm_variant& v, std::size_t operands) {
  const std::string at =
      v.lanes == gemm_lanes::rows ? "sums[s * PITCH + r]" : "sums[r * PITCH + s]";
  return R"(  for (int t = 0; t < TILES; ++t) {
    const long tile_row = first_tile + t * ROWS;
    if (tile_row >= rows) break;
    const long first_row = tile_row + ROWS > rows ? rows - ROWS : tile_row;
    real* sums = tile + t * TILE;
    for (int r = (int)(tile_row - first_row); r < ROWS; ++r) {
      const long i = first_row + r;
      GLOBAL real* row = c + c_at + i * c_row + first_col;
      if (beta != 0)
        for (int s = skip; s < COLS; ++s) )" +
         at + " = alpha * " + at + R"( + beta * row[s];
      else
        for (int s = skip; s < COLS; ++s) )" +
         at + R"( *= alpha;
      for (int s = skip; s < COLS; ++s) {
        const long j = first_col + s;
        const real value = )" +
         at + ";\n" + operand_loads(operands, 1) + "        " + at + " = cr_epilogue(" +
         epilogue_arguments(operands) + R"();
      }
      for (int s = skip; s < COLS; ++s) row[s] = )" +
         at + ";\n    }\n  }\n";
}

/// Adds the rows of b, of which the work items of the first rows of c have their columns each.
[[nodiscard]] inline std::string column_sums() {
  return R"(  if (first_tile == 0) {
    real sums[COLS];
    for (int s = 0; s < COLS; ++s) sums[s] = 0;
    GLOBAL const real* row = b + b_at + first_col;
    for (long k = 0; k < inner; ++k, row += b_row)
      for (int s = 0; s < COLS; ++s) sums[s] += row[s];
    GLOBAL real* to = total + total_at + first_col;
    for (int s = skip; s < COLS; ++s)
      to[s] = total_beta != 0 ? sums[s] + total_beta * to[s] : sums[s];
  }
)";
}

/// The kernel of a variant whose lanes are columns or rows. INDEX(0) counts blocks of rows and
/// INDEX(1) strips of columns, so that consecutive work items read the same part of b.
template <std::floating_point T>
[[nodiscard]] std::string cpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  const bool by_rows = v.lanes == gemm_lanes::rows;
  const bool panel = v.depth > 0;
  const vectors_of vector{v.width};
  const outer_product outer{by_rows ? v.cols : v.rows, by_rows ? v.rows : v.cols, vector,
                            by_rows ? !v.b_transposed : v.a_transposed, panel};
  std::string text = function_of<T>("cr_epilogue", epilogue, operands + 1) + "#define V " +
                     type_name<T>() + (v.width > 1 ? std::to_string(v.width) : "") + "\n" +
                     define("ROWS", v.rows) + define("COLS", v.cols) + define("TILES", v.tiles) +
                     define("PITCH", outer.pitch()) + define("TILE", outer.numbers * outer.pitch());
  if (panel) text += define("DEPTH", v.depth);
  if (panel && v.b_transposed && v.cols >= v.width) text += vector.parting<T>();
  text += "KERNEL cr_main(" + parameters(operands, v) + ") {\n" + block_at("INDEX(1)", v.is_batch) +
          R"(  const long first_tile = INDEX(0) * (TILES * ROWS);
  const long strip = block * COLS;
  const long first_col = strip + COLS > cols ? cols - COLS : strip;
  const int skip = (int)(strip - first_col);
  if (first_tile >= rows || strip >= cols) return;
  real tile[TILES * TILE];
)";
  text +=
      panel ? "  real panel[DEPTH * PITCH];\n"
              "  for (long first_k = 0; first_k == 0 || first_k < inner; first_k += DEPTH) {\n"
              "    const int depth = inner - first_k < DEPTH ? (int)(inner - first_k) : DEPTH;\n" +
                  pack_panel(v, outer)
            : "  {\n    const long depth = inner;\n";
  text += R"(    for (int t = 0; t < TILES; ++t) {
      const long tile_row = first_tile + t * ROWS;
      if (tile_row >= rows) break;
      const long first_row = tile_row + ROWS > rows ? rows - ROWS : tile_row;
      real* sums = tile + t * TILE;
)";
  const std::string a_from = "a + a_at + first_row * a_row";
  const std::string b_from = "b + b_at + first_col * b_col";
  if (by_rows)
    text += "      GLOBAL const real* y = " + a_from + ";\n      const long y_step = a_col;\n" +
            "      GLOBAL const real* x = " + b_from +
            ";\n      const long x_step = " + (v.b_transposed ? "b_col" : "b_row") + ";\n";
  else
    text += (panel ? "      const real* y = panel;\n      const int y_step = PITCH;\n"
                   : "      GLOBAL const real* y = " + b_from +
                         ";\n      const long y_step = b_row;\n") +
            "      GLOBAL const real* x = " + a_from + (panel ? " + first_k * a_col" : "") +
            ";\n      const long x_step = " + (v.a_transposed ? "a_col" : "a_row") + ";\n";
  text += outer.for_sums([](const std::string& sum, int) { return "      V " + sum + " = 0;\n"; });
  if (panel)
    text += "      if (first_k > 0) {\n" + outer.for_sums([&](const std::string& sum, int at) {
      return "        " + sum + " = " + vector.load("sums + " + std::to_string(at)) + ";\n";
    }) + "      }\n";
  text += outer.loop("      ") + outer.for_sums([&](const std::string& sum, int at) {
    return "      " + vector.store(sum, "sums + " + std::to_string(at));
  });
  return text + "    }\n  }\n" + finish(v, operands) + (v.sums ? column_sums() : "") + "}\n";
}

}  // namespace chainrule::device::gemm_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_GEMM_CPU_HPP

/// \file
/// The kernels of device backends, as text.
///
/// They are written once, in the common part of OpenCL C and CUDA C++; what differs is in a
/// dialect: the prelude of macros that makes one text valid in both. Pointwise functors are spliced
/// in as the text that tracing them gives (pointwise/symbol.hpp).
///
/// Every kernel is called `cr_main`. Extents and strides are `long`; a buffer comes with the offset
/// of its first element.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_HPP

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

/// The parameters that describe operand i: where it begins and its steps along rows and columns (0
/// where it is repeated).
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

/// Which part of a matrix one work item of a reduction walks over.
enum class walk { row, column, run };

/// Elements that one work item combines when everything is reduced.
inline constexpr std::int64_t elements_per_run = 1024;

/// out[...] = the values of a functor, combined in order: each row, each column, or each run of
/// `elements_per_run` elements of the whole, counted along the rows.
template <std::floating_point T>
[[nodiscard]] std::string reduce_kernel(const trace& f, std::size_t operands, const trace& op,
                                        const std::string& neutral, walk w) {
  const std::string value =
      "cr_f(" +
      repeat(operands, [](const std::string& i) { return (i == "0" ? "x" : ", x") + i; }) + ")";
  const std::string body =
      operand_loads(operands) + "    total = cr_op(total, " + value + ");\n  }\n";
  std::string walking;
  switch (w) {
    case walk::row:
      walking =
          "  const long i = INDEX(0);\n  if (i >= rows) return;\n"
          "  for (long j = 0; j < cols; ++j) {\n" +
          body + "  out[out_at + i * out_step] = total;\n";
      break;
    case walk::column:
      walking =
          "  const long j = INDEX(0);\n  if (j >= cols) return;\n"
          "  for (long i = 0; i < rows; ++i) {\n" +
          body + "  out[out_at + j * out_step] = total;\n";
      break;
    case walk::run:
      walking = "  const long r = INDEX(0);\n  const long first = r * " +
                std::to_string(elements_per_run) + ";\n  long last = first + " +
                std::to_string(elements_per_run) +
                ";\n  if (last > rows * cols) last = rows * cols;\n"
                "  for (long e = first; e < last; ++e) {\n"
                "    const long i = e / cols;\n    const long j = e % cols;\n" +
                body + "  out[out_at + r * out_step] = total;\n";
      break;
  }
  return function_of<T>("cr_f", f, operands) + function_of<T>("cr_op", op, 2) +
         "KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_step" +
         operand_parameters(operands) + ") {\n  real total = " + neutral + ";\n" + walking + "}\n";
}

/// Philox 4x32-10: a work item per block of random bits (core/philox.hpp).
template <std::floating_point T>
[[nodiscard]] std::string random_kernel() {
  constexpr bool single = sizeof(T) == sizeof(float);
  const std::string per_block = single ? "4" : "2";
  return R"(KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_row,
            long seed, long stream) {
  const long block = INDEX(0);
  uint c0 = (uint)block;
  uint c1 = (uint)(block >> 32);
  uint c2 = (uint)stream;
  uint c3 = (uint)((ulong)stream >> 32);
  uint k0 = (uint)seed;
  uint k1 = (uint)((ulong)seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint h0 = MULTIPLY_HIGH(0xD2511F53u, c0);
    const uint l0 = 0xD2511F53u * c0;
    const uint h1 = MULTIPLY_HIGH(0xCD9E8D57u, c2);
    const uint l1 = 0xCD9E8D57u * c2;
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
)" +
         std::string(single ? R"(  real values[4];
  values[0] = (real)(c0 >> 8) * 0x1p-24f;
  values[1] = (real)(c1 >> 8) * 0x1p-24f;
  values[2] = (real)(c2 >> 8) * 0x1p-24f;
  values[3] = (real)(c3 >> 8) * 0x1p-24f;
)"
                            : R"(  real values[2];
  values[0] = ((real)(c0 >> 5) * 67108864.0 + (real)(c1 >> 6)) * 0x1p-53;
  values[1] = ((real)(c2 >> 5) * 67108864.0 + (real)(c3 >> 6)) * 0x1p-53;
)") + "  for (int k = 0; k < " +
         per_block + "; ++k) {\n    const long e = block * " + per_block +
         R"( + k;
    if (e < rows * cols) out[out_at + e / cols * out_row + e % cols] = values[k];
  }
}
)";
}

/// out(i, j) = f(source(numbers[i], j)); a number that is none gives NaN.
template <std::floating_point T, class Element>
[[nodiscard]] std::string gather_kernel(const trace& f) {
  return function_of<T>("cr_f", f, 1) +
         "KERNEL cr_main(long rows, long cols, GLOBAL real* out, long out_at, long out_row,\n"
         "            GLOBAL const " +
         std::string(type_name<Element>()) +
         R"(* source, long source_at, long source_row, long source_rows,
            GLOBAL const int* numbers, long numbers_at) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long n = numbers[numbers_at + i];
    real y = cr_nan;
    if (n >= 0 && n < source_rows) y = cr_f((real)source[source_at + n * source_row + j]);
    out[out_at + i * out_row + j] = y;
  }
}
)";
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

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_HPP

/// \file
/// The text of a convolution for CPU devices: a work item copies the elements of its rows of the
/// left factor into a panel, and multiplies that by strips of columns of the right one.
///
/// See gemm_cpu.hpp, of which the vectors and sums are. A panel holds pixels by taps, so that both
/// copies and reads of it are contiguous. Padding becomes zeros there, so that the inner loop is
/// that of any product.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_CPU_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_CPU_HPP

#include <algorithm>
#include <concepts>
#include <string>

#include "chainrule/backend/device/kernels/convolution_signature.hpp"
#include "chainrule/backend/device/kernels/gemm_cpu.hpp"
#include "chainrule/backend/device/kernels/gemm_plan.hpp"

namespace chainrule::device::convolution_detail {

/// A function that copies a run, with zeros for its elements before the first and after the last of
/// the image's row. The zeros are whole vectors, which may end beyond the run.
[[nodiscard]] inline std::string clipped_copy() {
  return R"(FUNCTION void cr_clipped(GLOBAL const real* line, long first, long size, int run, real* to) {
  const long begin = first < 0 ? -first : 0;
  const long end = size - first < run ? size - first : run;
  for (int e = 0; e < run; e += COPY) STORE(0, to + e);
  for (long e = begin; e < end; ++e) to[e] = line[first + e];
}
)";
}

/// Fills the panel with pixels first_pixel ... + pixel_count - 1 by taps first_tap ... + tap_count
/// - 1. Taps that are contiguous in the image are one run: the channels of a group, or a row of the
/// kernel where neither dilation nor groups part it. Runs within the image are copied as whole
/// vectors, which write beyond their end: the runs after them, or the gap between the panel's rows,
/// are there.
[[nodiscard]] inline std::string fill_panel() {
  return R"(    for (int t = 0; t < tap_count;) {
      const uint tap = (uint)(first_tap + t);
      const uint tap_row = QUOTIENT(tap, taps_row_q);
      const int in_row = (int)(tap - tap_row * (uint)taps_row);
      const int tap_col = w_run ? 0 : (int)QUOTIENT(in_row, channels_q);
      const int in_run = in_row - tap_col * (int)channels;
      const int rest = (w_run ? (int)taps_row : (int)channels) - in_run;
      const int run = rest < tap_count - t ? rest : tap_count - t;
      const int h_tap = (int)tap_row * (int)h_step + (int)h_shift;
      const int w_tap = tap_col * (int)w_step + (int)w_shift;
      // The columns of the grid whose run lies within the image's row.
      const int least = -(in_run / (int)a_pixel) - w_tap;
      const int most = (int)width - (in_run + run - 1) / (int)a_pixel - 1 - w_tap;
      const int begin = least > 0 ? (least + (int)w_scale - 1) / (int)w_scale : 0;
      const int end_of_row = most < 0 ? 0 : most / (int)w_scale + 1;
      const uint in_batch = base_at + (uint)(first_pixel - base);
      uint n = QUOTIENT(in_batch, pixels_q);
      const uint in_image = in_batch - n * (uint)pixels;
      int u = (int)QUOTIENT(in_image, grid_width_q);
      int q = (int)in_image - u * (int)grid_width;
      real* to = panel + t;
      for (int p = 0; p < pixel_count;) {
        const int stop = pixel_count - p < grid_width - q ? q + pixel_count - p : (int)grid_width;
        p += stop - q;
        const int v = u * (int)h_scale + h_tap;
        const long size = v >= 0 && v < (int)height ? width * a_pixel : 0;
        GLOBAL const real* line = a + a_at + (base_sample + n) * a_sample + v * width * a_pixel;
        const long last = (stop < end_of_row ? stop : end_of_row) - 1;
        const long behind = (height - v) * width * a_pixel - group * channels -
                            ((last * w_scale + w_tap) * a_pixel + in_run);
        const int is_vector = size > 0 && behind >= (run + COPY - 1) / COPY * COPY;
        while (q < stop) {
          if (is_vector && q >= begin && q <= last) {
            GLOBAL const real* source = line + (q * w_scale + w_tap) * a_pixel + in_run;
            const int count = (int)last + 1 - q;
            const long step = w_scale * a_pixel;
            if (run <= COPY)
              for (int e = 0; e < count; ++e)
                STORE(LOAD(source + e * step), to + e * PANEL_ROW);
            else
              for (int f = 0; f < count; ++f)
                for (int e = 0; e < run; e += COPY)
                  STORE(LOAD(source + f * step + e), to + f * PANEL_ROW + e);
            to += count * PANEL_ROW;
            q += count;
          } else {
            cr_clipped(line, (q * w_scale + w_tap) * a_pixel + in_run, size, run, to);
            to += PANEL_ROW;
            ++q;
          }
        }
        q = 0;
        if (++u * grid_width == pixels) {
          u = 0;
          ++n;
        }
      }
      t += run;
    }
)";
}

/// Applies beta and the epilogue to the sums of all strips and stores them in c. Each row is
/// computed completely before it is stored, so that these loops are vectorised.
[[nodiscard]] inline std::string finish(bool by_taps, std::size_t operands) {
  return R"(  for (int t = 0; t < TILES; ++t) {
    const long strip = first_strip + t * COLS;
    if (strip >= cols) break;
    const long first_col = strip + COLS > cols ? cols - COLS : strip;
    const int skip = (int)(strip - first_col);
    for (int r = 0; r < row_count; ++r) {
      const long i = first_row + r;
      real* sums = tile + t * TILE + r * PITCH;
)" + (by_taps ? "" : pixel_at("i")) +
         "      GLOBAL real* to = c + c_at + first_col + " +
         (by_taps ? std::string("i * c_row") : row_of_c()) + R"(;
      if (beta != 0)
        for (int s = skip; s < COLS; ++s) sums[s] += beta * to[s];
      for (int s = skip; s < COLS; ++s) {
        const long j = first_col + s;
        const real value = sums[s];
)" + operand_loads(operands, 1) +
         "        sums[s] = cr_epilogue(" + gemm_detail::epilogue_arguments(operands) + R"();
      }
      for (int s = skip; s < COLS; ++s) to[s] = sums[s];
    }
  }
)";
}

/// The kernel of a variant whose lanes are columns. INDEX(0) counts blocks of rows; INDEX(1), in
/// each product of a group and a part, groups of strips.
template <std::floating_point T>
[[nodiscard]] std::string cpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  const bool by_taps = v.a_transposed;
  const gemm_detail::vectors_of vector{v.width};
  const gemm_detail::outer_product outer{v.rows, v.cols, vector, by_taps, false};
  using gemm_detail::define;
  // Few rows make short runs.
  const int copied = by_taps ? std::min(v.width, 4) : v.width;
  const int panel_row = (by_taps ? v.rows : v.depth) + copied;
  const std::string copy = std::to_string(copied);
  const auto each_sum = [&](auto&& piece) { return outer.for_sums(piece); };
  return function_of<T>("cr_epilogue", epilogue, operands + 1) + functions() + "#define V " +
         type_name<T>() + std::to_string(v.width) + "\n#define LOAD(from) vload" + copy +
         "(0, from)\n#define STORE(value, to) vstore" + copy + "((" + type_name<T>() + copy +
         ")(value), 0, to)\n" + define("COPY", copied) + clipped_copy() + define("ROWS", v.rows) +
         define("COLS", v.cols) + define("TILES", v.tiles) + define("DEPTH", v.depth) +
         define("PITCH", outer.pitch()) + define("TILE", outer.numbers * outer.pitch()) +
         define("PANEL_ROW", panel_row) +
         define("PANEL", panel_row * (by_taps ? v.depth : v.rows)) + "KERNEL cr_main(" +
         parameters(operands) + ") {\n" + begin("INDEX(1)", operands) +
         R"(  const long first_row = INDEX(0) * ROWS;
  const long first_strip = block * (TILES * COLS);
  if (first_row >= rows || first_strip >= cols) return;
  const int row_count = rows - first_row < ROWS ? (int)(rows - first_row) : ROWS;
  const int w_run = w_step == 1 && channels == a_pixel;
)" + base_at(by_taps ? "from" : "first_row") +
         R"(  real tile[TILES * TILE];
  real panel[PANEL];
  if (row_count < ROWS)
    for (int e = 0; e < PANEL; ++e) panel[e] = 0;
  for (long first_k = from;;) {
    int depth = end - first_k < DEPTH ? (int)(end - first_k) : DEPTH;
)" +
         (by_taps ? R"(    const long in_image = first_k % pixels;
    if (b_sample != pixels * b_row && depth > pixels - in_image) depth = (int)(pixels - in_image);
    const long first_tap = first_row;
    const long first_pixel = first_k;
    const int tap_count = row_count;
    const int pixel_count = depth;
    GLOBAL const real* b_from = b + b_at + first_k / pixels * b_sample + in_image * b_row;
)"
                  : R"(    const long first_tap = first_k;
    const long first_pixel = first_row;
    const int tap_count = depth;
    const int pixel_count = row_count;
    GLOBAL const real* b_from = b + b_at + first_k * b_row;
)") + fill_panel() +
         R"(    for (int t = 0; t < TILES; ++t) {
      const long strip = first_strip + t * COLS;
      if (strip >= cols) break;
      real* sums = tile + t * TILE;
      GLOBAL const real* y = b_from + (strip + COLS > cols ? cols - COLS : strip);
      const long y_step = b_row;
      const real* x = panel;
      const int x_step = PANEL_ROW;
)" + each_sum([](const std::string& sum, int) { return "      V " + sum + " = 0;\n"; }) +
         "      if (first_k > from) {\n" + each_sum([&](const std::string& sum, int at) {
           return "        " + sum + " = " + vector.load("sums + " + std::to_string(at)) + ";\n";
         }) +
         "      }\n" + outer.loop("      ") + each_sum([&](const std::string& sum, int at) {
           return "      " + vector.store(sum, "sums + " + std::to_string(at));
         }) +
         "    }\n    first_k += depth;\n    if (first_k >= end) break;\n  }\n" +
         finish(by_taps, operands) + "}\n";
}

}  // namespace chainrule::device::convolution_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_CPU_HPP

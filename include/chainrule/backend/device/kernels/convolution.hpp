/// \file
/// The texts of the convolution verbs: an implicit product of matrices, and the weights turned for
/// the gradient of the input. See convolution_plan.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_HPP

#include <concepts>
#include <string>

#include "chainrule/backend/device/kernels/convolution_cpu.hpp"
#include "chainrule/backend/device/kernels/convolution_plan.hpp"
#include "chainrule/backend/device/kernels/convolution_signature.hpp"
#include "chainrule/backend/device/kernels/gemm_gpu.hpp"

namespace chainrule::device {

namespace convolution_detail {

/// Assigns `value` the element of the left factor at a pixel and a tap.
[[nodiscard]] inline std::string left_of(const char* pixel, const std::string& tap) {
  return pixel_at(pixel) + "        const uint tap = (uint)" + tap + R"(;
        const uint pixel_row = QUOTIENT(in_image, grid_width_q);
        const uint tap_row = QUOTIENT(tap, taps_row_q);
        const uint in_row = tap - tap_row * (uint)taps_row;
        const uint tap_col = QUOTIENT(in_row, channels_q);
        const int u = (int)pixel_row * (int)h_scale + (int)tap_row * (int)h_step + (int)h_shift;
        const int w = (int)(in_image - pixel_row * (uint)grid_width) * (int)w_scale +
                      (int)tap_col * (int)w_step + (int)w_shift;
        if (u >= 0 && u < (int)height && w >= 0 && w < (int)width)
          value = a[a_at + (base_sample + sample) * a_sample + ((long)u * width + w) * a_pixel +
                    (in_row - tap_col * (uint)channels)];
)";
}

/// The kernel for GPUs.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  gemm_detail::gpu_pieces p;
  p.parameters = parameters(operands);
  p.begin = begin("GROUP(1)", operands) + base_at(v.a_transposed ? "from" : "block * ROWS") +
            "  const real alpha = 1;\n";
  if (v.a_transposed) {
    p.left = left_of("k", "i");
    p.right =
        pixel_at("k") +
        "        value = b[b_at + (base_sample + sample) * b_sample + in_image * b_row + j];\n";
    p.row_of_c = "i * c_row";
  } else {
    p.left = left_of("i", "k");
    p.right = "        value = b[b_at + k * b_row + j];\n";
    p.before_row_of_c = pixel_at("i");
    p.row_of_c = row_of_c();
  }
  return functions() + gemm_detail::gpu_kernel<T>(v, epilogue, operands, p);
}

/// The kernel of a depthwise convolution: a work item computes LANES channels of ROWS pixels, or of
/// a tap.
template <std::floating_point T>
[[nodiscard]] std::string depthwise_kernel(const gemm_variant& v, const trace& epilogue,
                                           std::size_t operands) {
  // The terms of a sum, of `lanes` channels; u and w are the element's row and column.
  const std::string add = R"(        if (u >= 0 && u < (int)height && w >= 0 && w < (int)width) {
          GLOBAL const real* x = image + ((long)u * width + w) * a_pixel;
          if (lanes == LANES)
            for (int l = 0; l < LANES; ++l) sum[l] += x[l] * y[l];
          else
            for (int l = 0; l < lanes; ++l) sum[l] += x[l] * y[l];
        }
)";
  const std::string store = R"(    for (int l = 0; l < lanes; ++l) {
      const long j = first + l;
      real value = sum[l];
      if (beta != 0) value += beta * to[l];
)" + operand_loads(operands, 1) +
                            "      to[l] = cr_epilogue(" +
                            gemm_detail::epilogue_arguments(operands) + ");\n    }\n  }\n}\n";
  return function_of<T>("cr_epilogue", epilogue, operands + 1) + functions() +
         gemm_detail::define("LANES", v.width) + gemm_detail::define("ROWS", v.rows) +
         "KERNEL cr_main(" + parameters(operands) + R"() {
  const long first = INDEX(0) * LANES;
  if (first >= groups) return;
  const int lanes = groups - first < LANES ? (int)(groups - first) : LANES;
)" +
         (v.a_transposed ? R"(  const long part = INDEX(1) / rows;
  const long i = INDEX(1) - part * rows;
  const long from = part * length;
  const long end = from + length < inner ? from + length : inner;
  if (part * groups >= count) return;
)" + base_at("from") +
                               R"(  {
    const int tap_row = (int)QUOTIENT((uint)i, taps_row_q);
    const int tap_col = (int)(i - tap_row * taps_row);
    GLOBAL real* to = c + c_at + part * c_part + i * c_row + first;
    real sum[LANES];
    for (int l = 0; l < LANES; ++l) sum[l] = 0;
    long n = base_sample;
    int pixel_row = (int)QUOTIENT(base_at, grid_width_q);
    int pixel_col = (int)base_at - pixel_row * (int)grid_width;
    long k = from;
    while (k < end) {
      GLOBAL const real* image = a + a_at + n * a_sample + first;
      GLOBAL const real* y =
          b + b_at + n * b_sample + (pixel_row * grid_width + pixel_col) * b_row + first;
      const int u = pixel_row * (int)h_scale + tap_row * (int)h_step + (int)h_shift;
      for (; k < end && pixel_col < grid_width; ++k, ++pixel_col, y += b_row) {
        const int w = pixel_col * (int)w_scale + tap_col * (int)w_step + (int)w_shift;
)" + add + R"(      }
      pixel_col = 0;
      if (++pixel_row * grid_width == pixels) {
        pixel_row = 0;
        ++n;
      }
    }
)"
                         : base_at("INDEX(1) * ROWS") +
                               R"(  const int taps = (int)QUOTIENT((uint)inner, taps_row_q);
  for (long i = base; i < base + ROWS && i < rows; ++i) {
)" + pixel_at("i") +
                               R"(    const int pixel_row = (int)QUOTIENT(in_image, grid_width_q);
    const int pixel_col = (int)in_image - pixel_row * (int)grid_width;
    GLOBAL const real* image = a + a_at + (base_sample + sample) * a_sample + first;
    GLOBAL const real* y = b + b_at + first;
    GLOBAL real* to = c + c_at + first + )" +
                               row_of_c() + R"(;
    real sum[LANES];
    for (int l = 0; l < LANES; ++l) sum[l] = 0;
    for (int tap_row = 0; tap_row < taps; ++tap_row) {
      const int u = pixel_row * (int)h_scale + tap_row * (int)h_step + (int)h_shift;
      for (int tap_col = 0; tap_col < taps_row; ++tap_col, y += b_row) {
        const int w = pixel_col * (int)w_scale + tap_col * (int)w_step + (int)w_shift;
)" + add + "      }\n    }\n") +
         store;
}

}  // namespace convolution_detail

/// The kernel of a pass: c = epilogue(left b + beta c, operands...) for all groups and parts.
/// Its parameters: see convolution_detail::parameters.
template <std::floating_point T>
[[nodiscard]] std::string convolution_kernel(const gemm_variant& v, const trace& epilogue,
                                             std::size_t operands) {
  if (v.lanes == gemm_lanes::channels)
    return convolution_detail::depthwise_kernel<T>(v, epilogue, operands);
  return v.lanes == gemm_lanes::group ? convolution_detail::gpu_kernel<T>(v, epilogue, operands)
                                      : convolution_detail::cpu_kernel<T>(v, epilogue, operands);
}

/// target((tap, output), (group, channel)) = w((its tap, channel), (group, output)). Tap (k, l) of
/// the target, of `across` in a row, is tap first + k * down_step + l * across_step of w. Launched
/// over columns and rows of the target.
[[nodiscard]] inline std::string turned_weights_kernel() {
  return R"(KERNEL cr_main(long rows, long cols, long outputs, long channels,
            long across, long first, long down_step, long across_step,
            GLOBAL real* target, long target_at, long target_row,
            GLOBAL const real* w, long w_at, long w_row) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long seen = i / outputs;
    const long down = seen / across;
    const long tap = first + down * down_step + (seen - down * across) * across_step;
    const long group = j / channels;
    target[target_at + i * target_row + j] =
        w[w_at + (tap * channels + j - group * channels) * w_row + group * outputs + i -
          seen * outputs];
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_HPP

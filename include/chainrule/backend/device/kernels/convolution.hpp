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
[[nodiscard]] inline std::string left_of(const char* pixel, const char* tap) {
  return filled(R"(        const uint in_batch = base_at + (uint)($pixel - base);
        const uint sample = QUOTIENT(in_batch, pixels_q);
        const uint in_image = in_batch - sample * (uint)pixels;
        const uint pixel_row = QUOTIENT(in_image, grid_width_q);
        const uint tap_row = QUOTIENT($tap, taps_row_q);
        const uint in_row = (uint)$tap - tap_row * (uint)taps_row;
        const uint tap_col = QUOTIENT(in_row, channels_q);
        int u = (int)pixel_row * (int)h_scale + (int)tap_row * (int)h_step + (int)h_shift;
        int w = (int)(in_image - pixel_row * (uint)grid_width) * (int)w_scale +
                (int)tap_col * (int)w_step + (int)w_shift;
        int exists = u >= 0 && w >= 0;
        if (h_divisor > 1) {
          const int whole = u;
          u = (int)QUOTIENT(whole, h_divisor_q);
          exists = exists && u * (int)h_divisor == whole;
        }
        if (w_divisor > 1) {
          const int whole = w;
          w = (int)QUOTIENT(whole, w_divisor_q);
          exists = exists && w * (int)w_divisor == whole;
        }
        if (exists && u < (int)height && w < (int)width)
          value = a[a_at + (base_sample + sample) * a_sample +
                    ((long)u * width + w) * a_pixel + (in_row - tap_col * (uint)channels)];
)",
                {{"pixel", pixel}, {"tap", tap}});
}

/// The kernel for GPUs.
template <std::floating_point T>
[[nodiscard]] std::string gpu_kernel(const gemm_variant& v, const trace& epilogue,
                                     std::size_t operands) {
  const bool by_taps = v.a_transposed;
  return functions() +
         gemm_detail::gpu_kernel<T>(
             v, epilogue, operands,
             {parameters(operands),
              begin("GROUP(1)", operands) + base_at(by_taps ? "from" : "block * ROWS") +
                  "  const real alpha = 1;\n",
              by_taps ? left_of("k", "i") : left_of("i", "k"),
              "        value = b[b_at + " +
                  (by_taps ? row_of_pixel("k", "b") : std::string("k * b_row")) + " + j];\n",
              by_taps ? std::string("i * c_row") : row_of_pixel("i", "c")});
}

}  // namespace convolution_detail

/// The kernel of a pass: c = epilogue(left b + beta c, operands...) for all groups and parts.
/// Its parameters: see convolution_detail::parameters.
template <std::floating_point T>
[[nodiscard]] std::string convolution_kernel(const gemm_variant& v, const trace& epilogue,
                                             std::size_t operands) {
  return v.lanes == gemm_lanes::group ? convolution_detail::gpu_kernel<T>(v, epilogue, operands)
                                      : convolution_detail::cpu_kernel<T>(v, epilogue, operands);
}

/// target((tap, output), (group, channel)) = w((tap, channel), (group, output)). Launched over
/// columns and rows of the target.
[[nodiscard]] inline std::string turned_weights_kernel() {
  return R"(KERNEL cr_main(long rows, long cols, long outputs, long channels,
            GLOBAL real* target, long target_at, long target_row,
            GLOBAL const real* w, long w_at, long w_row) {
  const long j = INDEX(0);
  const long i = INDEX(1);
  if (i < rows && j < cols) {
    const long tap = i / outputs;
    const long group = j / channels;
    target[target_at + i * target_row + j] =
        w[w_at + (tap * channels + j - group * channels) * w_row + group * outputs + i -
          tap * outputs];
  }
}
)";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_HPP

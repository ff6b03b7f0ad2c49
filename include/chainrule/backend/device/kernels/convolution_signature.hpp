/// \file
/// The common parts of the texts of convolutions: the kernel's parameters, and index arithmetic.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_SIGNATURE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_SIGNATURE_HPP

#include <string>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/kernels/fold.hpp"

namespace chainrule::device::convolution_detail {

/// The parameters of every pass. The second line of c, a and b: the steps from one sample to the
/// next and within it; of c, also from one part to the next. The rest is
/// convolution_pass::numbers().
[[nodiscard]] inline std::string parameters(std::size_t operands) {
  return R"(long rows, long cols, long inner, long length, long count, long groups, long blocks,
            real beta,
            GLOBAL real* c, long c_at, long c_sample, long c_line, long c_row, long c_part,
            GLOBAL const real* a, long a_at, long a_sample, long a_pixel,
            GLOBAL const real* b, long b_at, long b_sample, long b_row,
            long pixels, long pixels_q, long grid_width, long grid_width_q,
            long taps_row, long taps_row_q, long channels, long channels_q,
            long h_scale, long h_step, long h_shift, long height,
            long w_scale, long w_step, long w_shift, long width)" +
         operand_parameters(operands);
}

/// n / d for a divisor of convolution_plan.hpp, the sample of a pixel, and the offset of the row of
/// a pixel in the result.
[[nodiscard]] inline std::string functions() {
  return R"(#define QUOTIENT(n, d) ((MULTIPLY_HIGH((n), (uint)(d)) + (uint)(n)) >> (uint)((d) >> 32))
FUNCTION long cr_sample(long pixel, long pixels, long pixels_q) {
  return pixel < 0x7fffffff ? (long)QUOTIENT((uint)pixel, pixels_q) : pixel / pixels;
}
FUNCTION long cr_place(uint in_image, long grid_width, long grid_width_q, long line, long row) {
  const uint down = QUOTIENT(in_image, grid_width_q);
  return down * line + (in_image - down * (uint)grid_width) * row;
}
)";
}

/// Declares block, from and end of the work item or group at `place`, and advances the matrices to
/// its group and part.
[[nodiscard]] inline std::string begin(const std::string& place, std::size_t operands) {
  return "  const long product = " + place + R"( / blocks;
  if (product >= count) return;
  const long block = )" +
         place + R"( - product * blocks;
  const long part = product / groups;
  const long group = product - part * groups;
  const long from = part * length;
  const long end = from + length < inner ? from + length : inner;
  a_at += group * channels;
  b_at += group * cols;
  c_at += group * cols + part * c_part;
)" + repeat(operands, [](const std::string& i) {
           return "  in" + i + "_at += group * cols * in" + i + "_col;\n";
         });
}

/// Declares a pixel `base` that others are counted from: its sample and its place there.
[[nodiscard]] inline std::string base_at(const std::string& pixel) {
  return "  const long base = " + pixel + R"(;
  const long base_sample = cr_sample(base, pixels, pixels_q);
  const uint base_at = (uint)(base - base_sample * pixels);
)";
}

/// Declares `sample`, counted from the base's, and `in_image` of a pixel.
[[nodiscard]] inline std::string pixel_at(const std::string& pixel) {
  return "        const uint in_batch = base_at + (uint)(" + pixel + R"( - base);
        const uint sample = QUOTIENT(in_batch, pixels_q);
        const uint in_image = in_batch - sample * (uint)pixels;
)";
}

/// The offset of the row of such a pixel in c.
[[nodiscard]] inline std::string row_of_c() {
  return "(base_sample + sample) * c_sample + "
         "cr_place(in_image, grid_width, grid_width_q, c_line, c_row)";
}

}  // namespace chainrule::device::convolution_detail

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_SIGNATURE_HPP

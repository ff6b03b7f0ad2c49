/// \file
/// The texts of `max_pool`, `unpool` and `resample`: a work item for each element of the result,
/// which gathers what contributes to it.
///
///     max_pool_kernel(true, false);      // the text for maxima without their places
///     pooling_items(window.channels, images * window.positions());  // its launch
///
/// Every kernel begins with the parameters images and channels and, for height and width, an axis
/// of the window: its size, kernel, stride, dilation, before and count (backend/window.hpp).
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_POOLING_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_POOLING_HPP

#include <string>

#include "chainrule/backend/device/kernels/fold.hpp"
#include "chainrule/backend/device/runtime.hpp"
#include "chainrule/backend/pooling.hpp"

namespace chainrule::device {

/// The work items for that many pixels of a result.
[[nodiscard]] inline work pooling_items(index_t channels, index_t pixels) {
  return {static_cast<std::size_t>(channels), static_cast<std::size_t>(pixels)};
}

/// A kernel with those parameters of matrices, whose body computes channel c of the pixel (p, q) of
/// an image of `height` x `width` pixels.
[[nodiscard]] inline std::string pixel_kernel(const std::string& matrices,
                                              const std::string& height, const std::string& width,
                                              const std::string& body) {
  return R"(FUNCTION long cr_first(long end, long span, long stride) {
  return end < span ? 0 : (end - span) / stride + 1;
}
KERNEL cr_main(long images, long channels, long h_size, long h_kernel, long h_stride,
            long h_dilation, long h_before, long h_count, long w_size, long w_kernel,
            long w_stride, long w_dilation, long w_before, long w_count)" +
         matrices + R"() {
  const long c = INDEX(0);
  const long pixel = INDEX(1);
  const long pixels = )" +
         height + " * " + width + R"(;
  if (c >= channels || pixel >= images * pixels) return;
  const long image = pixel / pixels;
  const long place = pixel - image * pixels;
  const long p = place / )" +
         width + R"(;
  const long q = place - p * )" +
         width + ";\n" + body + "}\n";
}
/// The parameters of a matrix.
[[nodiscard]] inline std::string image_parameter(const std::string& name, bool is_const = true) {
  return std::string(",\n            GLOBAL ") + (is_const ? "const " : "") + "real* " + name +
         ", long " + name + "_at, long " + name + "_row";
}

/// The maxima under a window and the numbers of their elements, as far as they are wanted.
[[nodiscard]] inline std::string max_pool_kernel(bool has_maxima, bool has_winners) {
  const auto store = [](const std::string& to, const std::string& value) {
    return "  " + to + "[" + to + "_at + image * " + to +
           "_row + place * channels + c] = " + value + ";\n";
  };
  return pixel_kernel((has_maxima ? image_parameter("y", false) : "") +
                          (has_winners ? image_parameter("winners", false) : "") +
                          image_parameter("x"),
                      "h_count", "w_count",
                      R"(  real best = -cr_infinity;
  long winner = -1;
  for (long k = h_kernel - 1; k >= 0; --k) {
    const long i = p * h_stride - h_before + k * h_dilation;
    if (i < 0 || i >= h_size) continue;
    for (long l = w_kernel - 1; l >= 0; --l) {
      const long j = q * w_stride - w_before + l * w_dilation;
      if (j < 0 || j >= w_size) continue;
      const real value = x[x_at + image * x_row + (i * w_size + j) * channels + c];
      if (value >= best || value != value) {
        best = value;
        winner = k * w_kernel + l;
      }
    }
  }
)" + (has_maxima ? store("y", "best") : "") +
                          (has_winners ? store("winners", "(real)winner") : ""));
}

/// dx = the sum of dy over the positions where an element is the winner.
[[nodiscard]] inline std::string unpool_kernel() {
  return pixel_kernel(
      image_parameter("dx", false) + image_parameter("dy") + image_parameter("winners"), "h_size",
      "w_size",
      R"(  const long h_span = (h_kernel - 1) * h_dilation + 1;
  const long w_span = (w_kernel - 1) * w_dilation + 1;
  const long row = p + h_before;
  const long column = q + w_before;
  real sum = 0;
  for (long i = cr_first(row, h_span, h_stride); i < h_count && i * h_stride <= row; ++i) {
    const long k = row - i * h_stride;
    if (k % h_dilation != 0) continue;
    for (long j = cr_first(column, w_span, w_stride); j < w_count && j * w_stride <= column; ++j) {
      const long l = column - j * w_stride;
      if (l % w_dilation != 0) continue;
      const long at = (i * w_count + j) * channels + c;
      if (winners[winners_at + image * winners_row + at] ==
          (real)(k / h_dilation * w_kernel + l / w_dilation))
        sum += dy[dy_at + image * dy_row + at];
    }
  }
  dx[dx_at + image * dx_row + place * channels + c] = sum;
)");
}

/// Weighted sums under a window, or their transpose.
[[nodiscard]] inline std::string resample_kernel(resampling::rule weights, bool spreads) {
  using rule = resampling::rule;
  const std::string weight =
      weights == rule::one    ? "  return 1;\n"
      : weights == rule::mean ? "  return (real)1 / kernel_size;\n"
      : weights == rule::mean_inside
          ? "  const long first = p * stride - before;\n"
            "  const long last = first + kernel_size;\n"
            "  return (real)1 / ((last < size ? last : size) - (first > 0 ? first : 0));\n"
          : "  const long unit = 2 * stride;\n"
            "  long s = 2 * i + 1 - stride;\n"
            "  s = s < 0 ? 0 : (s > 2 * size - unit ? 2 * size - unit : s);\n"
            "  const long distance = s < unit * p ? unit * p - s : s - unit * p;\n"
            "  return distance < unit ? (real)(unit - distance) / unit : (real)0;\n";
  // Along axis a, the loop over the sources i of element o, and the weight of each.
  const std::string loop = spreads
                               ? R"(for (long $i = cr_first($o + $a_before, $a_kernel, $a_stride);
       $i < $a_count && $i * $a_stride <= $o + $a_before; ++$i) {
    const real $a_weight = cr_weight($i, $o, $a_size, $a_kernel, $a_stride, $a_before);
)"
                               : R"(const long $a_from = $o * $a_stride - $a_before;
  for (long $i = $a_from > 0 ? $a_from : 0; $i < $a_size && $i < $a_from + $a_kernel; ++$i) {
    const real $a_weight = cr_weight($o, $i, $a_size, $a_kernel, $a_stride, $a_before);
)";
  return "FUNCTION real cr_weight(long p, long i, long size, long kernel_size, long stride, long "
         "before) {\n" +
         weight + "}\n" +
         pixel_kernel(image_parameter("y", false) + image_parameter("x"),
                      spreads ? "h_size" : "h_count", spreads ? "w_size" : "w_count",
                      "  real sum = 0;\n  " + filled(loop, {{"a", "h"}, {"o", "p"}, {"i", "i"}}) +
                          filled(loop, {{"a", "w"}, {"o", "q"}, {"i", "j"}}) +
                          "    sum += h_weight * w_weight * x[x_at + image * x_row + (i * " +
                          (spreads ? "w_count" : "w_size") +
                          " + j) * channels + c];\n  }\n  }\n"
                          "  y[y_at + image * y_row + place * channels + c] = sum;\n");
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_POOLING_HPP

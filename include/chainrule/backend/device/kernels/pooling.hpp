/// \file
/// The texts of `max_pool`, `unpool` and `resample`: a work item gathers what contributes to some
/// channels of a pixel of the result.
///
///     max_pool_kernel(16, true, false);      // the text for 16 channels an item, without places
///     pooling_items(16, window.channels, images * window.positions());  // its launch
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

/// The channels that a work item computes side by side: a vector on a processor.
[[nodiscard]] constexpr int pooling_lanes(bool on_cpu, std::size_t scalar_bytes) {
  return on_cpu ? lanes_of(scalar_bytes) : 1;
}
/// The work items for that many pixels of a result.
[[nodiscard]] inline work pooling_items(int lanes, index_t channels, index_t pixels) {
  return {static_cast<std::size_t>(pieces_of(channels, lanes)), static_cast<std::size_t>(pixels)};
}

/// The parameters of a matrix of images.
[[nodiscard]] inline std::string image_parameter(const std::string& name, bool is_const = true) {
  return std::string(",\n            GLOBAL ") + (is_const ? "const " : "") + "real* " + name +
         ", long " + name + "_at, long " + name + "_row";
}
/// The address of channel c of a pixel of a matrix of images.
[[nodiscard]] inline std::string pixel_address(const std::string& name, const std::string& pixel) {
  return name + " + (" + name + "_at + image * " + name + "_row + (" + pixel + ") * channels + c)";
}

/// A kernel with those parameters of matrices, whose body computes channels c ... c + $n - 1 of the
/// pixel (p, q) of an image of `height` x `width` pixels.
[[nodiscard]] inline std::string pixel_kernel(int lanes, const std::string& matrices,
                                              const std::string& height, const std::string& width,
                                              const std::string& body) {
  return "#define LANES " + std::to_string(lanes) + R"(
FUNCTION long cr_first(long end, long span, long stride) {
  return end < span ? 0 : (end - span) / stride + 1;
}
KERNEL cr_main(long images, long channels, long h_size, long h_kernel, long h_stride,
            long h_dilation, long h_before, long h_count, long w_size, long w_kernel,
            long w_stride, long w_dilation, long w_before, long w_count)" +
         matrices +
         filled(R"() {
  const long c = INDEX(0) * LANES;
  const long pixel = INDEX(1);
  if (c >= channels || pixel >= images * ($height * $width)) return;
  const long image = pixel / ($height * $width);
  const long place = pixel - image * ($height * $width);
  const long p = place / $width;
  const long q = place - p * $width;
  const int lanes = channels - c < LANES ? (int)(channels - c) : LANES;
  if (lanes == LANES) {
)",
                {{"height", height}, {"width", width}}) +
         filled(body, {{"n", "LANES"}}) + "  } else {\n" + filled(body, {{"n", "lanes"}}) +
         "  }\n}\n";
}

/// The maxima under a window and the numbers of their elements, as far as they are wanted.
[[nodiscard]] inline std::string max_pool_kernel(int lanes, bool has_maxima, bool has_argmax) {
  const auto store = [](const std::string& to, const std::string& value) {
    return "  for (int e = 0; e < $n; ++e) (" + pixel_address(to, "place") + ")[e] = " + value +
           "[e];\n";
  };
  return pixel_kernel(lanes,
                      (has_maxima ? image_parameter("y", false) : "") +
                          (has_argmax ? image_parameter("argmax", false) : "") +
                          image_parameter("x"),
                      "h_count", "w_count",
                      R"(  real best[LANES];
  real found[LANES];
  for (int e = 0; e < $n; ++e) {
    best[e] = -cr_infinity;
    found[e] = -1;
  }
  for (long k = h_kernel - 1; k >= 0; --k) {
    const long i = p * h_stride - h_before + k * h_dilation;
    if (i < 0 || i >= h_size) continue;
    for (long l = w_kernel - 1; l >= 0; --l) {
      const long j = q * w_stride - w_before + l * w_dilation;
      if (j < 0 || j >= w_size) continue;
      const real number = (real)(k * w_kernel + l);
      GLOBAL const real* from = )" +
                          pixel_address("x", "i * w_size + j") + R"(;
      for (int e = 0; e < $n; ++e) {
        const real value = from[e];
        const int is_better = value >= best[e] || value != value;
        best[e] = is_better ? value : best[e];
        found[e] = is_better ? number : found[e];
      }
    }
  }
)" + (has_maxima ? store("y", "best") : "") +
                          (has_argmax ? store("argmax", "found") : ""));
}

/// dx = the sum of dy over the positions where an element is the argmax.
[[nodiscard]] inline std::string unpool_kernel(int lanes, bool is_dilated) {
  // The number of the window's element at distance k from its first, where there is one.
  const auto element = [&](const std::string& k, const std::string& dilation) {
    return is_dilated ? "if (" + k + " % " + dilation + " != 0) continue;\n" + k +
                            " /= " + dilation + ";\n"
                      : "";
  };
  return pixel_kernel(
      lanes, image_parameter("dx", false) + image_parameter("dy") + image_parameter("argmax"),
      "h_size", "w_size",
      R"(  const long h_span = (h_kernel - 1) * h_dilation + 1;
  const long w_span = (w_kernel - 1) * w_dilation + 1;
  const long row = p + h_before;
  const long column = q + w_before;
  const long from = cr_first(column, w_span, w_stride);
  real sum[LANES];
  for (int e = 0; e < $n; ++e) sum[e] = 0;
  for (long i = cr_first(row, h_span, h_stride); i < h_count && i * h_stride <= row; ++i) {
    long k = row - i * h_stride;
)" + element("k", "h_dilation") +
          R"(    for (long j = from; j < w_count && j * w_stride <= column; ++j) {
      long l = column - j * w_stride;
)" + element("l", "w_dilation") +
          R"(      const real number = (real)(k * w_kernel + l);
      GLOBAL const real* gradient = )" +
          pixel_address("dy", "i * w_count + j") + R"(;
      GLOBAL const real* found = )" +
          pixel_address("argmax", "i * w_count + j") + R"(;
      for (int e = 0; e < $n; ++e) sum[e] = found[e] == number ? sum[e] + gradient[e] : sum[e];
    }
  }
  for (int e = 0; e < $n; ++e) ()" +
          pixel_address("dx", "place") + ")[e] = sum[e];\n");
}

/// Weighted sums under a window, or their transpose.
[[nodiscard]] inline std::string resample_kernel(int lanes, resampling::rule weights,
                                                 bool spreads) {
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
         pixel_kernel(lanes, image_parameter("y", false) + image_parameter("x"),
                      spreads ? "h_size" : "h_count", spreads ? "w_size" : "w_count",
                      R"(  real sum[LANES];
  for (int e = 0; e < $n; ++e) sum[e] = 0;
  )" + filled(loop, {{"a", "h"}, {"o", "p"}, {"i", "i"}}) +
                          filled(loop, {{"a", "w"}, {"o", "q"}, {"i", "j"}}) +
                          R"(    const real weight = h_weight * w_weight;
    GLOBAL const real* from = )" +
                          pixel_address("x", spreads ? "i * w_count + j" : "i * w_size + j") + R"(;
    for (int e = 0; e < $n; ++e) sum[e] += weight * from[e];
  }
  }
  for (int e = 0; e < $n; ++e) ()" +
                          pixel_address("y", "place") + ")[e] = sum[e];\n");
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_POOLING_HPP

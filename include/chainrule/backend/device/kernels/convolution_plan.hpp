/// \file
/// The plan of a convolution on a device: each of its three passes as an implicit product of
/// matrices, whose left factor is loaded from an image by index arithmetic.
///
///     const convolution_pass p = forward_pass(c, samples);
///     const gemm_variant v = convolution_variant_for(p, device, sizeof(float));
///     const gemm_geometry g = convolution_geometry_for(v, p);
///     const std::string text = convolution_kernel<float>(v, trace_of<1>(relu{}), 0);
///
/// The left factor has a row or a column for each pixel of a grid, and for each tap (kernel row,
/// kernel column, channel of a group). The passes, of each group:
///
///     y  = left(x)   w           pixels: positions of the window,  taps: kernel x channels of x
///     dx = left(dy)  turned w    pixels: elements of the image,    taps: kernel x channels of dy
///     dw = left(x)^T dy          as the first; the sum over pixels is cut into parts
///
/// See gemm_plan.hpp for variants, convolution.hpp for the texts.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "chainrule/backend/device/kernels/gemm_plan.hpp"
#include "chainrule/backend/window.hpp"
#include "chainrule/core/error.hpp"

namespace chainrule::device {

/// A divisor for QUOTIENT in kernels: a multiplier, and a shift in the bits from 32 on. It divides
/// 0 ... 2^31 - 1. Source: Granlund, Montgomery, Division by Invariant Integers using
/// Multiplication, PLDI 1994, figure 4.1.
[[nodiscard]] constexpr index_t divisor(index_t d) {
  index_t shift = 0;
  while ((index_t{1} << shift) < d) ++shift;
  const auto excess = static_cast<std::uint64_t>((index_t{1} << shift) - d) << 32;
  return shift << 32 | static_cast<index_t>(excess / static_cast<std::uint64_t>(d) + 1);
}

/// One axis of the left factor: at pixel p and tap k it is element u / divisor of the image, where
/// u = p * scale + k * step + shift; zero if there is no such element.
struct sampled_axis {
  index_t pixels = 1;  ///< of the grid
  index_t size = 1;    ///< of the image
  index_t scale = 1;
  index_t step = 1;
  index_t shift = 0;
  index_t divisor = 1;
};

/// A pass of a convolution: c (rows x cols) = left * b for each group, the sum over `inner` in
/// parts of `length`.
struct convolution_pass {
  sampled_axis height, width;
  index_t kernel_width = 1;
  index_t channels = 1;        ///< of the image, in a group
  index_t image_channels = 1;  ///< of all groups
  index_t groups = 1;
  index_t rows = 0;
  index_t cols = 0;
  index_t inner = 0;
  index_t length = 0;
  index_t parts = 1;
  bool by_taps = false;  ///< rows are taps, and the sum is over pixels

  [[nodiscard]] constexpr index_t pixels() const { return height.pixels * width.pixels; }
  /// The numbers that a kernel's text needs for the left factor, in the order of its parameters.
  [[nodiscard]] constexpr std::array<index_t, 20> numbers() const {
    const index_t row = kernel_width * channels;
    return {pixels(),
            device::divisor(pixels()),
            width.pixels,
            device::divisor(width.pixels),
            row,
            device::divisor(row),
            channels,
            device::divisor(channels),
            height.scale,
            height.step,
            height.shift,
            height.divisor,
            device::divisor(height.divisor),
            height.size,
            width.scale,
            width.step,
            width.shift,
            width.divisor,
            device::divisor(width.divisor),
            width.size};
  }
};

namespace convolution_detail {

/// Throws shape_error if 32 bits do not suffice to count within an image.
inline void require_countable(const convolution& c) {
  constexpr index_t most = index_t{1} << 30;
  const window_axis& h = c.window.height;
  const window_axis& w = c.window.width;
  for (const index_t n :
       {h.size + h.before + h.after, w.size + w.before + w.after, h.size * w.size,
        c.window.positions(), c.window.taps() * std::max(c.window.channels, c.outputs) / c.groups})
    if (n > most)
      throw shape_error(detail::concat("a convolution on a device has at most ", most,
                                       " elements of an image without its channels, positions, "
                                       "padded extents and elements under the window, got ",
                                       n, "; convolve parts of the image"));
}

[[nodiscard]] constexpr sampled_axis along(const window_axis& a) {
  return {a.count(), a.size, a.stride, a.dilation, -a.before, 1};
}
[[nodiscard]] constexpr sampled_axis against(const window_axis& a) {
  return {a.size, a.count(), 1, -a.dilation, a.before, a.stride};
}

}  // namespace convolution_detail

/// y = f(x * w) of n samples.
[[nodiscard]] inline convolution_pass forward_pass(const convolution& c, index_t n) {
  convolution_detail::require_countable(c);
  convolution_pass p;
  p.height = convolution_detail::along(c.window.height);
  p.width = convolution_detail::along(c.window.width);
  p.kernel_width = c.window.width.kernel;
  p.image_channels = c.window.channels;
  p.channels = c.window.channels / c.groups;
  p.groups = c.groups;
  p.rows = n * p.pixels();
  p.cols = c.outputs / c.groups;
  p.inner = p.length = c.window.taps() * p.channels;
  return p;
}

/// dx from dy and the turned weights, see turned_weights_kernel.
[[nodiscard]] inline convolution_pass input_pass(const convolution& c, index_t n) {
  convolution_detail::require_countable(c);
  convolution_pass p;
  p.height = convolution_detail::against(c.window.height);
  p.width = convolution_detail::against(c.window.width);
  p.kernel_width = c.window.width.kernel;
  p.image_channels = c.outputs;
  p.channels = c.outputs / c.groups;
  p.groups = c.groups;
  p.rows = n * p.pixels();
  p.cols = c.window.channels / c.groups;
  p.inner = p.length = c.window.taps() * p.channels;
  return p;
}

/// dw from x and dy. The number of parts depends on the shape and the kind of device only, and so
/// does the order of additions.
[[nodiscard]] inline convolution_pass weights_pass(const convolution& c, index_t n, bool on_cpu) {
  convolution_pass p = forward_pass(c, n);
  std::swap(p.rows, p.inner);
  p.by_taps = true;
  // So many tiles occupy a device, and shorter sums are not worth a launch that adds the parts.
  const index_t tile_rows = on_cpu ? 12 : 64;
  const index_t tile_cols = on_cpu ? 32 : 64;
  const index_t wanted = on_cpu ? 32 : 256;
  const index_t least = on_cpu ? 1024 : 256;
  const index_t tiles =
      p.groups * gemm_detail::pieces(p.rows, tile_rows) * gemm_detail::pieces(p.cols, tile_cols);
  const index_t parts = std::clamp<index_t>(wanted / tiles, 1, 1 + p.inner / least);
  constexpr index_t most = index_t{1} << 30;
  p.length = std::clamp<index_t>(gemm_detail::pieces(p.inner, parts), 1, most);
  p.parts = std::max<index_t>(1, gemm_detail::pieces(p.inner, p.length));
  return p;
}

/// The kernel for a pass whose result is not empty.
[[nodiscard]] constexpr gemm_variant convolution_variant_for(const convolution_pass& p,
                                                             const gemm_device& device,
                                                             std::size_t scalar_size) {
  gemm_variant v;
  if (!device.on_cpu) {
    v = gemm_detail::gpu_variant({p.rows, p.cols, p.length, p.by_taps, false, p.groups * p.parts},
                                 device, scalar_size);
    return v;
  }
  const index_t lanes = gemm_detail::lanes_of(device, static_cast<index_t>(scalar_size));
  const bool is_wide = p.cols >= 4 * lanes || p.cols % (2 * lanes) == 0;
  const bool many_registers = device.vector_bytes >= 64;
  const index_t most = is_wide ? (many_registers ? 12 : 6) : (many_registers ? 16 : 12);
  v.a_transposed = p.by_taps;
  v.width = static_cast<int>(lanes);
  v.cols = static_cast<int>(p.cols < lanes ? p.cols : (is_wide ? 2 : 1) * lanes);
  v.rows = static_cast<int>(gemm_detail::fitted(p.rows, most));
  v.depth = 256;
  // Strips of columns that share the loaded elements of the left factor.
  const index_t strips = gemm_detail::pieces(p.cols, v.cols);
  v.tiles = strips >= 4 ? 4 : (strips >= 2 ? 2 : 1);
  return v;
}

/// The launch of a pass: products of groups and parts follow each other along its height.
[[nodiscard]] constexpr gemm_geometry convolution_geometry_for(const gemm_variant& v,
                                                               const convolution_pass& p) {
  const auto size = [](index_t n) { return static_cast<std::size_t>(n); };
  const index_t products = p.groups * p.parts;
  const index_t down = gemm_detail::pieces(p.rows, v.rows);
  const index_t across = gemm_detail::pieces(p.cols, index_t{v.cols} * v.tiles);
  if (v.lanes != gemm_lanes::group) return {size(down), size(across * products), 1, 1};
  return {size(across * v.width), size(down * products * v.width), size(v.width), size(v.width)};
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP

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
/// With strides, dx is computed for each phase (row and column modulo the stride) of its own, since
/// different phases see different taps.
///
/// See gemm_plan.hpp for variants, convolution.hpp for the texts.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>

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

/// One axis of the left factor: at pixel p and tap k it is element p * scale + k * step + shift of
/// the image; zero if there is no such element.
struct sampled_axis {
  index_t pixels = 1;  ///< of the grid
  index_t taps = 1;
  index_t size = 1;  ///< of the image
  index_t scale = 1;
  index_t step = 1;
  index_t shift = 0;
};

/// A pass of a convolution: c (rows x cols) = left * b for each group, the sum over `inner` in
/// parts of `length`.
struct convolution_pass {
  sampled_axis height, width;
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
  /// Whether groups have one column and one channel each.
  [[nodiscard]] constexpr bool is_depthwise() const {
    return groups > 1 && cols == 1 && channels == 1;
  }
  /// The numbers that a kernel's text needs for the left factor, in the order of its parameters.
  [[nodiscard]] constexpr std::array<index_t, 16> numbers() const {
    const index_t row = std::max<index_t>(1, width.taps * channels);
    return {pixels(),     divisor(pixels()), width.pixels, divisor(width.pixels),
            row,          divisor(row),      channels,     divisor(channels),
            height.scale, height.step,       height.shift, height.size,
            width.scale,  width.step,        width.shift,  width.size};
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

/// A convolution's own axis.
[[nodiscard]] constexpr sampled_axis along(const window_axis& a) {
  return {a.count(), a.kernel, a.size, a.stride, a.dilation, -a.before};
}

}  // namespace convolution_detail

/// y = f(x * w) of n samples.
[[nodiscard]] inline convolution_pass forward_pass(const convolution& c, index_t n) {
  convolution_detail::require_countable(c);
  convolution_pass p;
  p.height = convolution_detail::along(c.window.height);
  p.width = convolution_detail::along(c.window.width);
  p.image_channels = c.window.channels;
  p.channels = c.window.channels / c.groups;
  p.groups = c.groups;
  p.rows = n * p.pixels();
  p.cols = c.outputs / c.groups;
  p.inner = p.length = c.window.taps() * p.channels;
  return p;
}

/// The elements phase, phase + stride, ... of an image's axis see taps first, first + between, ...
/// only, at consecutive positions.
struct phase_axis {
  sampled_axis seen;
  index_t first = 0;
  index_t between = 1;
};
[[nodiscard]] constexpr phase_axis phase_of(const window_axis& a, index_t phase) {
  phase_axis p;
  p.between = a.stride / std::gcd(a.stride, a.dilation);
  while (p.first < p.between && (phase + a.before - p.first * a.dilation) % a.stride != 0)
    ++p.first;
  p.seen.pixels = (a.size - phase + a.stride - 1) / a.stride;
  p.seen.taps = p.first < p.between && p.first < a.kernel
                    ? (a.kernel - p.first + p.between - 1) / p.between
                    : 0;
  p.seen.size = a.count();
  p.seen.step = -p.between * a.dilation / a.stride;
  p.seen.shift = (phase + a.before - p.first * a.dilation) / a.stride;
  return p;
}

/// The part of dx whose rows and columns are of those phases, from dy and the weights that these
/// see, see turned_weights_kernel.
[[nodiscard]] inline convolution_pass input_pass(const convolution& c, index_t n,
                                                 const phase_axis& height,
                                                 const phase_axis& width) {
  convolution_detail::require_countable(c);
  convolution_pass p;
  p.height = height.seen;
  p.width = width.seen;
  p.image_channels = c.outputs;
  p.channels = c.outputs / c.groups;
  p.groups = c.groups;
  p.rows = n * p.pixels();
  p.cols = c.window.channels / c.groups;
  p.inner = p.length = p.height.taps * p.width.taps * p.channels;
  return p;
}

/// dw from x and dy. The number of parts depends on the shape and the kind of device only, and so
/// does the order of additions.
[[nodiscard]] inline convolution_pass weights_pass(const convolution& c, index_t n, bool on_cpu) {
  convolution_pass p = forward_pass(c, n);
  std::swap(p.rows, p.inner);
  p.by_taps = true;
  // So many tiles occupy a device, and shorter sums are not worth a launch that adds the parts.
  const index_t tile_rows = p.is_depthwise() ? 1 : (on_cpu ? 12 : 64);
  const index_t tile_cols = on_cpu ? 32 : 64;
  const index_t wanted = on_cpu ? 32 : (p.is_depthwise() ? 1024 : 256);
  const index_t least = on_cpu ? 1024 : 256;
  const index_t columns = p.is_depthwise() ? p.groups : p.cols;
  const index_t tiles = p.groups * p.cols / columns * gemm_detail::pieces(p.rows, tile_rows) *
                        gemm_detail::pieces(columns, tile_cols);
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
  const index_t lanes = gemm_detail::lanes_of(device, static_cast<index_t>(scalar_size));
  gemm_variant v;
  if (p.is_depthwise()) {
    v.lanes = gemm_lanes::channels;
    v.a_transposed = p.by_taps;
    v.width = device.on_cpu ? static_cast<int>(lanes) : 1;
    v.rows = device.on_cpu && !p.by_taps ? 16 : 1;
    return v;
  }
  if (!device.on_cpu) {
    v = gemm_detail::gpu_variant({p.rows, p.cols, p.length, p.by_taps, false, p.groups * p.parts},
                                 device, scalar_size);
    return v;
  }
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
  if (v.lanes == gemm_lanes::channels) {
    const std::size_t local = v.width > 1 ? 1 : 0;  // 0: the runtime chooses
    return {size(gemm_detail::pieces(p.groups, v.width)), size(down * p.parts), local, local};
  }
  const index_t across = gemm_detail::pieces(p.cols, index_t{v.cols} * v.tiles);
  if (v.lanes != gemm_lanes::group) return {size(down), size(across * products), 1, 1};
  return {size(across * v.width), size(down * products * v.width), size(v.width), size(v.width)};
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_CONVOLUTION_PLAN_HPP

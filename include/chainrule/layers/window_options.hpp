/// \file
/// `extent2d`, `padding`, `same`: how specs of layers state the windows that slide over images.
///
///     max_pool{2};                               // 2 x 2
///     max_pool{{2, 3}, {.stride = 2, .pad = 1}};  // 2 x 3, stride 2 x 2, one element at each side
///     window_over(p.layer(), {28, 28, 1}, 5, 1, 1, same).height.count();  // 28
///
/// See also backend/window.hpp (the geometry).
#ifndef CHAINRULE_LAYERS_WINDOW_OPTIONS_HPP
#define CHAINRULE_LAYERS_WINDOW_OPTIONS_HPP

#include <concepts>
#include <string>
#include <string_view>

#include "chainrule/backend/window.hpp"

namespace chainrule {

/// A number for each axis of an image, {height, width}; one number stands for both.
struct extent2d {
  /// Extent along the height.
  index_t h = 1;
  /// Extent along the width.
  index_t w = 1;

  constexpr extent2d() = default;
  /// One number for each axis.
  constexpr extent2d(index_t height, index_t width) : h(height), w(width) {}
  /// One number for both axes.
  template <std::integral N>
  constexpr extent2d(N both)  // NOLINT: implicit by design
      : h(static_cast<index_t>(both)), w(static_cast<index_t>(both)) {}

  friend constexpr bool operator==(const extent2d&, const extent2d&) = default;
};

/// "2x3".
[[nodiscard]] inline std::string to_string(extent2d e) { return to_string(matrix_shape{e.h, e.w}); }

/// The padding of images: that many elements before and after the image along each axis, or `same`.
struct padding {
  extent2d each = 0;     // elements before, and as many after
  bool is_same = false;  // as many as keep the extents with a stride of 1

  constexpr padding() = default;
  /// Before and after the image, a number for each axis.
  constexpr padding(extent2d e) : each(e) {}  // NOLINT: implicit by design
  /// `height` elements above and below, `width` left and right.
  constexpr padding(index_t height, index_t width) : each(height, width) {}
  /// The same number at all four sides.
  template <std::integral N>
  constexpr padding(N both) : each(both) {}  // NOLINT: implicit by design

  friend constexpr bool operator==(const padding&, const padding&) = default;
};

namespace detail {
constexpr padding same_padding() {
  padding p;
  p.is_same = true;
  return p;
}
}  // namespace detail

/// Padding of dilation (kernel - 1) elements along each axis, half of them before the image
/// (rounded down) and the rest after it, as PyTorch's 'same': with a stride of 1 the extents stay.
inline constexpr padding same = detail::same_padding();

/// "1x2", or "same".
[[nodiscard]] inline std::string to_string(const padding& p) {
  return p.is_same ? "same" : to_string(p.each);
}

/// One axis of a window with `each` elements of padding at both sides, or `same` padding.
[[nodiscard]] constexpr window_axis window_axis_of(index_t size, index_t kernel, index_t stride,
                                                   index_t dilation, index_t each, bool is_same) {
  constexpr index_t most = index_t{1} << 30;  // larger ones are refused by window_axis::check
  if (dilation > most || kernel > most || each > most || dilation < 1 || kernel < 1 || each < 0)
    return {size, kernel, stride, dilation, each, each};
  const index_t total = is_same ? dilation * (kernel - 1) : 2 * each;
  return {size, kernel, stride, dilation, total / 2, total - total / 2};
}

/// The window over samples of {height, width, channels}, or of {time, channels}: images of height
/// 1, for which the width's numbers count. Throws, naming the layer, shape_error for other ranks or
/// if the window does not fit, value_error for an option out of range.
[[nodiscard]] inline window window_over(std::string_view layer, const shape& in, extent2d kernel,
                                        extent2d stride, extent2d dilation, const padding& pad) {
  if (in.rank() != 2 && in.rank() != 3)
    detail::fail<shape_error>(layer,
                              " expects samples of {height, width, channels} or {time, "
                              "channels}, got ",
                              to_string(in), "; use reshape_to");
  const bool image = in.rank() == 3;
  const index_t width = in[image ? 1 : 0];
  const window w{
      image ? window_axis_of(in[0], kernel.h, stride.h, dilation.h, pad.each.h, pad.is_same)
            : window_axis{},
      window_axis_of(width, kernel.w, stride.w, dilation.w, pad.each.w, pad.is_same), in.last()};
  try {
    w.check();
  } catch (const shape_error& e) {
    detail::fail<shape_error>(layer, ": ", e.what());
  } catch (const value_error& e) {
    detail::fail<value_error>(layer, ": ", e.what());
  }
  return w;
}

/// The shape of samples with a position of the window in place of each pixel: of `rank` 2 or 3,
/// with that many channels.
[[nodiscard]] inline shape shape_over(const window& w, index_t rank, index_t channels) {
  return rank == 3 ? shape{w.height.count(), w.width.count(), channels}
                   : shape{w.width.count(), channels};
}

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_WINDOW_OPTIONS_HPP

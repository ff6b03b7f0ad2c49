/// \file
/// `window` and `convolution`: the geometry of what slides over images, for ops and verbs.
///
///     const window w{{28, 5}, {28, 5}, 1};     // 28 x 28 x 1, kernel 5 x 5, stride 1, no padding
///     w.height.count();                        // 24 positions
///     const convolution c{w, 32};              // to 32 channels
///
/// Images are channels last: a row of a matrix is a sample of height x width x channels. Position p
/// of an axis covers the elements p * stride - before + k * dilation for k = 0 ... kernel - 1;
/// those outside are padding. Sequences are images of height 1, whose width is time.
#ifndef CHAINRULE_BACKEND_WINDOW_HPP
#define CHAINRULE_BACKEND_WINDOW_HPP

#include "chainrule/backend/contract.hpp"
#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// One axis of a window.
struct window_axis {
  index_t size = 1;      // of the image
  index_t kernel = 1;    // elements that the window covers
  index_t stride = 1;    // between two positions
  index_t dilation = 1;  // between two elements of the window
  /// Padding before the image, in elements.
  index_t before = 0;
  /// Padding after the image, in elements.
  index_t after = 0;

  /// The elements from the first of the window to its last, both included.
  [[nodiscard]] constexpr index_t span() const { return dilation * (kernel - 1) + 1; }
  /// The positions: floor((size + before + after - span) / stride) + 1.
  [[nodiscard]] constexpr index_t count() const {
    return (size + before + after - span()) / stride + 1;
  }
  /// The element of the image under element k of the window at position p; it may lie outside.
  [[nodiscard]] constexpr index_t at(index_t p, index_t k) const {
    return p * stride - before + k * dilation;
  }
  /// Positions [first, last) at which element k of the window lies within the image.
  struct range {
    /// The bounds; last is the one after the end.
    index_t first, last;
  };
  /// Positions at which tap k of the window lies within the image.
  [[nodiscard]] constexpr range inside(index_t k) const {
    const index_t offset = before - k * dilation;  // p * stride >= offset, < size + offset
    const index_t first = offset > 0 ? (offset + stride - 1) / stride : 0;
    const index_t end = size + offset > 0 ? (size + offset + stride - 1) / stride : 0;
    const index_t last = end < count() ? end : count();
    return {first < last ? first : last, last};
  }
  /// Throws value_error unless kernel, stride and dilation are at least 1 and padding at least 0,
  /// shape_error if the window does not fit into the padded image or an extent is too large.
  /// `axis` is its name, for the message.
  void check(const char* axis) const {
    if (kernel < 1 || stride < 1 || dilation < 1 || before < 0 || after < 0)
      detail::fail<value_error>(
          "a window has a kernel, a stride and a dilation of at least 1 and padding of at least 0; "
          "along the ",
          axis, " they are ", kernel, ", ", stride, ", ", dilation, " and ", before, " + ", after);
    constexpr index_t most = index_t{1} << 30;
    for (const index_t n : {size, kernel, stride, dilation, before, after})
      if (n > most)
        detail::fail<shape_error>("an extent of a window is at most ", most, ", along the ", axis,
                                  " one is ", n);
    if (span() > size + before + after)
      detail::fail<shape_error>("a window that spans ", span(), " does not fit into a ", axis,
                                " of ", size, " with padding of ", before, " + ", after);
  }

  friend constexpr bool operator==(const window_axis&, const window_axis&) = default;
};

/// A window over images of height x width x channels.
struct window {
  /// The two axes of the image.
  window_axis height, width;
  /// Channels, the last axis of a sample.
  index_t channels = 1;

  /// Elements of an image, and the positions of the window on it.
  [[nodiscard]] constexpr index_t image() const { return height.size * width.size * channels; }
  /// Number of positions of the window.
  [[nodiscard]] constexpr index_t positions() const { return height.count() * width.count(); }
  /// Elements under the window, those in padding included.
  [[nodiscard]] constexpr index_t taps() const { return height.kernel * width.kernel; }
  /// Throws as window_axis::check, shape_error if there are no channels or if a padded image, or as
  /// many results, have more elements than can be counted.
  void check() const {
    height.check("height");
    width.check("width");
    if (channels < 1) detail::fail<shape_error>("images have at least 1 channel, got ", channels);
    const auto padded = [](const window_axis& a) { return a.size + a.before + a.after; };
    (void)detail::elements_of(detail::elements_of(padded(height), padded(width)), channels);
  }

  friend constexpr bool operator==(const window&, const window&) = default;
};

/// A convolution of such images (cross-correlation) to `outputs` channels. With groups, output
/// channels of group i see the input channels of group i only. Its weights are a matrix of
/// (kernel height * kernel width * channels / groups) x outputs, rows in this order.
struct convolution {
  /// Extents of the image and of the window.
  chainrule::window window;
  /// Number of filters.
  index_t outputs = 1;
  /// Groups of channels that are convolved apart.
  index_t groups = 1;

  /// Shape of the weights: a row per tap and channel of a group, a column per filter.
  [[nodiscard]] constexpr matrix_shape weights() const {
    return {window.taps() * (window.channels / groups), outputs};
  }
  /// Elements of a sample of the output.
  [[nodiscard]] constexpr index_t result() const { return window.positions() * outputs; }
  /// Throws as window::check, value_error unless both numbers of channels are multiples of the
  /// groups, shape_error if results or weights have more elements than can be counted.
  void check() const {
    window.check();
    if (groups < 1 || outputs < 1 || window.channels % groups != 0 || outputs % groups != 0)
      detail::fail<value_error>("the ", window.channels, " input and ", outputs,
                                " output channels of a convolution must be multiples of its "
                                "number of groups, got ",
                                groups);
    (void)detail::elements_of(window.positions(), outputs);
    (void)detail::elements_of(detail::elements_of(window.taps(), window.channels / groups),
                              outputs);
  }

  friend constexpr bool operator==(const convolution&, const convolution&) = default;
};

namespace contract {

/// Throws shape_error, naming the verb, unless x (n x image), w and y (n x result) are of this
/// convolution.
inline void convolves(const char* verb, const convolution& c, matrix_shape x, matrix_shape w,
                      matrix_shape y) {
  if (x.cols != c.window.image() || w != c.weights() || y.cols != c.result() || x.rows != y.rows)
    detail::fail<shape_error>(verb, ": images of ", to_string(x), ", weights of ", to_string(w),
                              " and results of ", to_string(y), "; this convolution has n x ",
                              c.window.image(), ", ", to_string(c.weights()), " and n x ",
                              c.result());
}

}  // namespace contract

namespace detail {

/// y = f(y, operands...) with the results of a convolution, n x result with gaps between rows if
/// need be, as (n * positions) x outputs, to which the operands broadcast: a map for each sample.
template <class B, class F, class... In>
void map_positions(const B& be, const F& f, typename B::matrix y, const convolution& c,
                   const In&... in) {
  using const_matrix = typename B::const_matrix;
  const index_t count = c.window.positions();
  [[maybe_unused]] const matrix_shape whole{y.rows() * count, c.outputs};
  (contract::broadcasts("convolve", const_matrix(in).shape(), whole), ...);
  for (index_t i = 0; i < y.rows(); ++i) {
    const typename B::matrix pixels(y.data() + i * y.stride(), count, c.outputs);
    [[maybe_unused]] const auto own = [&](const const_matrix& m) {
      return m.rows() == 1 ? m : m.middle_rows(i * count, count);
    };
    be.map(f, pixels, const_matrix(pixels), own(in)...);
  }
}

}  // namespace detail

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_WINDOW_HPP

/// \file
/// `resampling`: weighted sums over windows, which averages, changes of size, padding and cropping
/// of images are; and what verbs of pooling check.
///
///     const window w{{28, 2, 2}, {28, 2, 2}, 8};            // 2 x 2, stride 2, 8 channels
///     const resampling mean{w, resampling::rule::mean};     // 28 x 28 to 14 x 14
///     const resampling back = mean.transposed();            // its gradient: 14 x 14 to 28 x 28
///
/// See also backend/window.hpp (the geometry), backend/concept.hpp (the verbs).
#ifndef CHAINRULE_BACKEND_POOLING_HPP
#define CHAINRULE_BACKEND_POOLING_HPP

#include <algorithm>

#include "chainrule/backend/window.hpp"

namespace chainrule {

/// Numbers [first, last).
struct index_range {
  /// The bounds; last is the one after the end.
  index_t first, last;
};

/// The elements k of the window that lie within the image at position p.
[[nodiscard]] constexpr index_range taps_inside(const window_axis& a, index_t p) {
  const index_t start = a.at(p, 0);
  if (start >= 0 && start + a.span() <= a.size) return {0, a.kernel};
  const index_t d = a.dilation;
  const index_t first = start < 0 ? (d - 1 - start) / d : 0;
  const index_t last = start < a.size ? std::min(a.kernel, (a.size - start + d - 1) / d) : 0;
  return {std::min(first, last), last};
}
/// The positions at which element i of the image lies between the first and the last element of the
/// window.
[[nodiscard]] constexpr index_range positions_over(const window_axis& a, index_t i) {
  const index_t end = i + a.before;  // p * stride <= end, > end - span
  const index_t last = end < 0 ? 0 : std::min(a.count(), end / a.stride + 1);
  const index_t first = end < a.span() ? 0 : (end - a.span()) / a.stride + 1;
  return {std::min(first, last), last};
}

/// positions_over for one element after another, without divisions.
class position_sweep {
 public:
  /// Begins at element 0 of the axis.
  constexpr explicit position_sweep(const window_axis& a)
      : count_(a.count()), stride_(a.stride), span_(a.span()), end_(a.before) {}

  /// That of the next element, from 0 on.
  constexpr index_range next() {
    while (now_.last < count_ && now_.last * stride_ <= end_) ++now_.last;
    while (now_.first < now_.last && now_.first * stride_ + span_ <= end_) ++now_.first;
    ++end_;
    return now_;
  }

 private:
  index_t count_, stride_, span_, end_;
  index_range now_{0, 0};
};

/// A linear map of images: to a coarse image, whose pixel at position p of a window is the sum of
/// weight * element over the elements of a fine image under the window, or (`spreads`) the
/// transposed map, from the coarse image to the fine one. Weights are products of one for each
/// axis; dilation is 1, and negative padding crops the fine image.
struct resampling {
  /// The weight along an axis: 1; 1 / kernel; 1 / (elements of the window that lie within the
  /// image); or that of linear interpolation between pixels `stride` apart in the fine image,
  /// whose centres are at i + 1/2 (PyTorch's interpolate with align_corners = false):
  /// 1 - |s - p|, s = (i + 1/2) / stride - 1/2 clamped to the coarse image.
  enum class rule { one, mean, mean_inside, linear };

  /// Extents of both images and the window over the fine one.
  chainrule::window window;
  /// Rule for the weight of an element under the window.
  rule weights = rule::one;
  /// Whether the map is the transposed one, from coarse to fine.
  bool spreads = false;

  /// Elements of a sample before and after the map.
  [[nodiscard]] constexpr index_t from() const { return spreads ? coarse() : window.image(); }
  /// Elements of a sample after the map.
  [[nodiscard]] constexpr index_t to() const { return spreads ? window.image() : coarse(); }
  /// The transposed map, as for gradients.
  [[nodiscard]] constexpr resampling transposed() const { return {window, weights, !spreads}; }

  /// Extents along an axis of the images before and after the map.
  [[nodiscard]] constexpr index_t from(const window_axis& a) const {
    return spreads ? a.count() : a.size;
  }
  /// Elements along an axis after the map.
  [[nodiscard]] constexpr index_t to(const window_axis& a) const {
    return spreads ? a.size : a.count();
  }
  /// The elements that element o of the result is the sum of, along an axis.
  [[nodiscard]] constexpr index_range sources(const window_axis& a, index_t o) const {
    if (spreads) return positions_over(a, o);
    const index_range k = taps_inside(a, o);
    return {a.at(o, k.first), a.at(o, k.last)};
  }
  /// The weight of element i in element o of the result, along an axis.
  template <class T>
  [[nodiscard]] constexpr T weight(const window_axis& a, index_t o, index_t i) const {
    const index_t position = spreads ? i : o;
    const index_t element = spreads ? o : i;
    if (weights == rule::one) return T(1);
    if (weights == rule::mean) return T(1) / static_cast<T>(a.kernel);
    if (weights == rule::mean_inside) {
      const index_range k = taps_inside(a, position);
      return k.first < k.last ? T(1) / static_cast<T>(k.last - k.first) : T(0);
    }
    // In units of half a fine pixel, so that the numbers are whole.
    const index_t unit = 2 * a.stride;
    const index_t s = std::clamp(2 * element + 1 - a.stride, index_t{0}, 2 * a.size - unit);
    const index_t distance = s < unit * position ? unit * position - s : s - unit * position;
    return distance >= unit ? T(0) : static_cast<T>(unit - distance) / static_cast<T>(unit);
  }

  friend constexpr bool operator==(const resampling&, const resampling&) = default;

 private:
  [[nodiscard]] constexpr index_t coarse() const { return window.positions() * window.channels; }
};

/// The enlargement of images by linear interpolation along an axis: to `size` * `factor` elements.
[[nodiscard]] constexpr window_axis interpolated_axis(index_t size, index_t factor) {
  const index_t kernel = 2 * factor - factor % 2;
  return {size * factor, kernel, factor, 1, (kernel - factor) / 2, (kernel - factor) / 2};
}

namespace contract {

/// Throws shape_error, naming the verb, unless `image` is n x elements of the image and `pooled` n
/// x positions * channels.
inline void pools(const char* verb, const window& w, matrix_shape image, matrix_shape pooled) {
  const index_t positions = w.positions() * w.channels;
  if (image.cols != w.image() || pooled.cols != positions || image.rows != pooled.rows)
    detail::fail<shape_error>(verb, ": images of ", to_string(image), " and results of ",
                              to_string(pooled), "; this window has n x ", w.image(), " and n x ",
                              positions);
}
/// As pools, for each result of max_pool that is wanted: those without columns are not, but one is.
inline void max_pools(const window& w, matrix_shape x, matrix_shape y, matrix_shape argmax) {
  if (y.cols != 0 || argmax.cols == 0) pools("max_pool", w, x, y);
  if (argmax.cols != 0) pools("max_pool", w, x, argmax);
}
/// Throws shape_error unless x is n x from() and y n x to().
inline void resamples(const resampling& r, matrix_shape y, matrix_shape x) {
  if (x.cols != r.from() || y.cols != r.to() || x.rows != y.rows)
    detail::fail<shape_error>("resample: images of ", to_string(x), " and results of ",
                              to_string(y), "; this resampling has n x ", r.from(), " and n x ",
                              r.to());
}

}  // namespace contract

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_POOLING_HPP

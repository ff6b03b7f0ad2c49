/// \file
/// Pooling and changes of the size of images: n × (height * width * channels), channels last.
///
///     const window w{{28, 2, 2}, {28, 2, 2}, 8};            // 2 × 2, stride 2
///     variable<B> y = apply(ops::max_pool_op{w}, x);        // n × (14 * 14 * 8)
///     variable<B> z = apply(ops::resample_op{{w, resampling::rule::mean}}, x);
///
/// A backend has verbs for these (backend/concept.hpp); without, they are maps, one for each
/// position of a window and each element under it. No result may overlap an operand.
#ifndef CHAINRULE_OPS_POOLING_HPP
#define CHAINRULE_OPS_POOLING_HPP

#include <limits>
#include <string_view>

#include "chainrule/backend/pooling.hpp"
#include "chainrule/ops/pointwise.hpp"

namespace chainrule::detail {

/// A pixel of all images, n × channels.
template <class View>
[[nodiscard]] View pixel(const View& images, index_t channels, index_t number) {
  return images.block(0, number * channels, images.rows(), channels);
}

/// visit(position, pixel, number) for each position of the window and each pixel of the image under
/// it, last to first; `number` counts the elements of the window.
template <class Visit>
void for_each_tap(const window& w, const Visit& visit) {
  const window_axis& h = w.height;
  const window_axis& v = w.width;
  for (index_t p = 0; p < h.count(); ++p)
    for (index_t q = 0; q < v.count(); ++q) {
      const index_range rows = taps_inside(h, p);
      const index_range cols = taps_inside(v, q);
      for (index_t k = rows.last; k-- > rows.first;)
        for (index_t l = cols.last; l-- > cols.first;)
          visit(p * v.count() + q, h.at(p, k) * v.size + v.at(q, l), k * v.kernel + l);
    }
}

}  // namespace chainrule::detail

namespace chainrule::ops {

namespace terms {
/// The number of an element of the window where x is the maximum y, else what was found so far.
struct number_if_largest {
  double number = 0;
  constexpr auto operator()(const auto& found, const auto& x, const auto& y) const {
    return math::where((x == y) | (x != x), number, found);
  }
};
/// to + x where this element of the window is the argmax, else `to`.
struct add_where_argmax {
  double number = 0;
  constexpr auto operator()(const auto& to, const auto& x, const auto& found) const {
    return math::where(found == number, to + x, to);
  }
};
/// to + weight x.
struct add_scaled {
  double weight = 1;
  constexpr auto operator()(const auto& to, const auto& x) const { return to + weight * x; }
};

/// to = the sum of `from` over the pairs of a position and the pixel that is its argmax; `to` has
/// pixels and `from` positions, or the other way round.
template <backend B>
void assign_where_argmax(const B& be, const window& w, matrix<B> to, const_matrix<B> from,
                         const_matrix<B> argmax, bool to_pixels) {
  be.map(fn::fill{0}, to);
  detail::for_each_tap(w, [&](index_t position, index_t pixel, index_t number) {
    const matrix<B> sum = detail::pixel(to, w.channels, to_pixels ? pixel : position);
    be.map(add_where_argmax{static_cast<double>(number)}, sum, sum,
           detail::pixel(from, w.channels, to_pixels ? position : pixel),
           detail::pixel(argmax, w.channels, position));
  });
}
}  // namespace terms

/// y = the maxima under a window, n × (positions * channels). Padding is -infinity; NaN is larger
/// than all numbers.
struct max_pool_op {
  static constexpr std::string_view name = "max_pool";
  chainrule::window window;

  /// Throws shape_error unless x is n × image, and as window::check.
  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    window.check();
    const matrix_shape y{x.rows, window.positions() * window.channels};
    contract::pools("max_pool", window, x, y);
    return y;
  }
  /// Assigns also, unless `argmax` is empty, where each maximum was: see max_pool_argmax_op.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, matrix<B> argmax = {}) const;
  void vjp(auto& step) const;
};

/// The numbers of the elements of the window, row by row from 0, that are the maxima: the first of
/// equal ones, the first NaN if there is one, and -1 where the whole window is in padding. A
/// constant function nearly everywhere: no gradient flows.
struct max_pool_argmax_op {
  static constexpr std::string_view name = "max_pool_argmax";
  chainrule::window window;

  /// From the images and the maxima.
  [[nodiscard]] matrix_shape shape(matrix_shape, matrix_shape y) const { return y; }
  template <backend B>
  void forward(const B& be, matrix<B> argmax, const_matrix<B> x, const_matrix<B> y) const {
    contract::pools("max_pool_argmax", window, x.shape(), argmax.shape());
    contract::pools("max_pool_argmax", window, x.shape(), y.shape());
    if constexpr (requires { be.max_pool(argmax, argmax, x, window); })
      return be.max_pool({}, argmax, x, window);
    fill(be, argmax, -1);
    const index_t c = window.channels;
    detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t number) {
      const matrix<B> to = detail::pixel(argmax, c, position);
      be.map(terms::number_if_largest{static_cast<double>(number)}, to, to,
             detail::pixel(x, c, pixel), detail::pixel(y, c, position));
    });
  }
  void vjp(auto&) const {}
};

template <backend B>
void max_pool_op::forward(const B& be, matrix<B> y, const_matrix<B> x, matrix<B> argmax) const {
  if constexpr (requires { be.max_pool(y, argmax, x, window); })
    return be.max_pool(y, argmax, x, window);
  contract::max_pools(window, x.shape(), y.shape(), argmax.shape());
  fill(be, y, -std::numeric_limits<double>::infinity());
  detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t) {
    const matrix<B> to = detail::pixel(y, window.channels, position);
    be.map(reduction::maximum{}, to, detail::pixel(x, window.channels, pixel), to);
  });
  if (!argmax.empty()) max_pool_argmax_op{window}.forward(be, argmax, x, const_matrix<B>(y));
}

/// y = the elements of x that named by argmax, which is max_pool of x for its own argmax; 0 where
/// there is none.
struct pick_argmax_op {
  static constexpr std::string_view name = "pick_argmax";
  chainrule::window window;

  [[nodiscard]] matrix_shape shape(matrix_shape, matrix_shape argmax) const { return argmax; }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> argmax) const {
    contract::pools("pick_argmax", window, x.shape(), y.shape());
    contract::pools("pick_argmax", window, x.shape(), argmax.shape());
    terms::assign_where_argmax(be, window, y, x, argmax, false);
  }
  void vjp(auto& step) const;
};

/// dx = the sum of dy over the positions at which an element is the argmax: the gradient of
/// max_pool.
struct unpool_op {
  static constexpr std::string_view name = "unpool";
  chainrule::window window;

  [[nodiscard]] matrix_shape shape(matrix_shape dy, matrix_shape) const {
    return {dy.rows, window.image()};
  }
  template <backend B>
  void forward(const B& be, matrix<B> dx, const_matrix<B> dy, const_matrix<B> argmax) const {
    if constexpr (requires { be.unpool(dx, dy, argmax, window); })
      return be.unpool(dx, dy, argmax, window);
    contract::pools("unpool", window, dx.shape(), dy.shape());
    contract::pools("unpool", window, dx.shape(), argmax.shape());
    terms::assign_where_argmax(be, window, dx, dy, argmax, true);
  }
  void vjp(auto& step) const { step.give(0, pick_argmax_op{window}, step.dy(), step.input(1)); }
};

void pick_argmax_op::vjp(auto& step) const {
  step.give(0, unpool_op{window}, step.dy(), step.input(1));
}

void max_pool_op::vjp(auto& step) const {
  const auto argmax = step.make(max_pool_argmax_op{window}, step.input(0), step.output());
  step.give(0, unpool_op{window}, step.dy(), argmax);
}

/// y = the resampled images x: averages under a window, interpolation, padding, cropping, and the
/// gradient of each.
struct resample_op {
  static constexpr std::string_view name = "resample";
  /// Window and weights.
  resampling by;

  /// Throws shape_error unless x is n × by.from().
  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    const matrix_shape y{x.rows, by.to()};
    contract::resamples(by, y, x);
    return y;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    if constexpr (requires { be.resample(y, x, by); }) return be.resample(y, x, by);
    contract::resamples(by, y.shape(), x.shape());
    fill(be, y, 0);
    const auto& [h, v, c] = by.window;
    for (index_t p = 0; p < by.to(h); ++p)
      for (index_t q = 0; q < by.to(v); ++q) {
        const matrix<B> to = detail::pixel(y, c, p * by.to(v) + q);
        const index_range rows = by.sources(h, p);
        const index_range cols = by.sources(v, q);
        for (index_t i = rows.first; i < rows.last; ++i)
          for (index_t j = cols.first; j < cols.last; ++j)
            be.map(terms::add_scaled{by.weight<double>(h, p, i) * by.weight<double>(v, q, j)}, to,
                   to, detail::pixel(x, c, i * by.from(v) + j));
      }
  }
  void vjp(auto& step) const { step.give(0, resample_op{by.transposed()}, step.dy()); }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_POOLING_HPP

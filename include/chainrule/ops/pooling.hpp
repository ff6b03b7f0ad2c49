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
  constexpr auto operator()(const auto& winner, const auto& x, const auto& y) const {
    return math::where((x == y) | (x != x), number, winner);
  }
};
/// to + x where this element of the window is the winner, else `to`.
struct add_if_won {
  double number = 0;
  constexpr auto operator()(const auto& to, const auto& x, const auto& winner) const {
    return math::where(winner == number, to + x, to);
  }
};
/// to + weight x.
struct add_scaled {
  double weight = 1;
  constexpr auto operator()(const auto& to, const auto& x) const { return to + weight * x; }
};
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
  /// Assigns also, unless `winners` is empty, where each maximum was: see max_winners_op.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, matrix<B> winners = {}) const;
  void vjp(auto& step) const;
};

/// The numbers of the elements of the window, row by row from 0, that are the maxima: the first of
/// equal ones, the first NaN if there is one, and -1 where the whole window is in padding. A
/// constant function nearly everywhere: no gradient flows.
struct max_winners_op {
  static constexpr std::string_view name = "max_winners";
  chainrule::window window;

  /// From the images and the maxima.
  [[nodiscard]] matrix_shape shape(matrix_shape, matrix_shape y) const { return y; }
  template <backend B>
  void forward(const B& be, matrix<B> winners, const_matrix<B> x, const_matrix<B> y) const {
    contract::pools("max_winners", window, x.shape(), winners.shape());
    contract::pools("max_winners", window, x.shape(), y.shape());
    if constexpr (requires { be.max_pool(winners, winners, x, window); })
      return be.max_pool({}, winners, x, window);
    fill(be, winners, -1);
    const index_t c = window.channels;
    detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t number) {
      const matrix<B> to = detail::pixel(winners, c, position);
      be.map(terms::number_if_largest{static_cast<double>(number)}, to, to,
             detail::pixel(x, c, pixel), detail::pixel(y, c, position));
    });
  }
  void vjp(auto&) const {}
};

template <backend B>
void max_pool_op::forward(const B& be, matrix<B> y, const_matrix<B> x, matrix<B> winners) const {
  if constexpr (requires { be.max_pool(y, winners, x, window); })
    return be.max_pool(y, winners, x, window);
  contract::max_pools(window, x.shape(), y.shape(), winners.shape());
  fill(be, y, -std::numeric_limits<double>::infinity());
  detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t) {
    const matrix<B> to = detail::pixel(y, window.channels, position);
    be.map(reduction::maximum{}, to, detail::pixel(x, window.channels, pixel), to);
  });
  if (!winners.empty()) max_winners_op{window}.forward(be, winners, x, const_matrix<B>(y));
}

/// y = the elements of x that are the winners, which is max_pool of x for its own winners; 0 where
/// there is none.
struct pick_winners_op {
  static constexpr std::string_view name = "pick_winners";
  chainrule::window window;

  [[nodiscard]] matrix_shape shape(matrix_shape, matrix_shape winners) const { return winners; }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> winners) const {
    contract::pools("pick_winners", window, x.shape(), y.shape());
    contract::pools("pick_winners", window, x.shape(), winners.shape());
    fill(be, y, 0);
    const index_t c = window.channels;
    detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t number) {
      const matrix<B> to = detail::pixel(y, c, position);
      be.map(terms::add_if_won{static_cast<double>(number)}, to, to, detail::pixel(x, c, pixel),
             detail::pixel(winners, c, position));
    });
  }
  void vjp(auto& step) const;
};

/// dx = the sum of dy over the positions at which an element is the winner: the gradient of
/// max_pool.
struct unpool_op {
  static constexpr std::string_view name = "unpool";
  chainrule::window window;

  [[nodiscard]] matrix_shape shape(matrix_shape dy, matrix_shape) const {
    return {dy.rows, window.image()};
  }
  template <backend B>
  void forward(const B& be, matrix<B> dx, const_matrix<B> dy, const_matrix<B> winners) const {
    if constexpr (requires { be.unpool(dx, dy, winners, window); })
      return be.unpool(dx, dy, winners, window);
    contract::pools("unpool", window, dx.shape(), dy.shape());
    contract::pools("unpool", window, dx.shape(), winners.shape());
    fill(be, dx, 0);
    const index_t c = window.channels;
    detail::for_each_tap(window, [&](index_t position, index_t pixel, index_t number) {
      const matrix<B> to = detail::pixel(dx, c, pixel);
      be.map(terms::add_if_won{static_cast<double>(number)}, to, to, detail::pixel(dy, c, position),
             detail::pixel(winners, c, position));
    });
  }
  void vjp(auto& step) const { step.give(0, pick_winners_op{window}, step.dy(), step.input(1)); }
};

void pick_winners_op::vjp(auto& step) const {
  step.give(0, unpool_op{window}, step.dy(), step.input(1));
}

void max_pool_op::vjp(auto& step) const {
  const auto winners = step.make(max_winners_op{window}, step.input(0), step.output());
  step.give(0, unpool_op{window}, step.dy(), winners);
}

/// y = the resampled images x: averages under a window, interpolation, padding, cropping, and the
/// gradient of each.
struct resample_op {
  static constexpr std::string_view name = "resample";
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

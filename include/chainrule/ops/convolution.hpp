/// \file
/// Convolutions of images or sequences, channels last: the op and its two gradients.
///
///     const convolution c{{{28, 5}, {28, 5}, 1}, 32};      // backend/window.hpp
///     ops::convolve_op{c}.forward(be, y, x, w);            // of matrices
///     const auto y = apply(ops::convolve_op{c}, x, w);     // of variables
///
/// y = x * w is linear in x and in w, and so are both gradients in their operands: each of the
/// three ops is a gradient of the two others, so that derivatives of any order exist. y(i, j, o) =
/// Σ x(i s - p + k d, j s - p + l d, c) w(k, l, c, o), the cross-correlation of signal processing.
/// Source: V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016.
#ifndef CHAINRULE_OPS_CONVOLUTION_HPP
#define CHAINRULE_OPS_CONVOLUTION_HPP

#include <string_view>

#include "chainrule/backend/window.hpp"
#include "chainrule/ops/reductions.hpp"

namespace chainrule::detail {

/// Convolutions by the verbs that all backends have: f(pixels of x, pixels of y, weights) for each
/// sample, output row, element of the window and group; pixels are rows of channels.
template <backend B, class X, class W, class Y, class F>
void each_product(const convolution& c, X x, W w, Y y, const F& f) {
  const window_axis& h = c.window.height;
  const window_axis& v = c.window.width;
  const index_t in = c.window.channels / c.groups;
  const index_t out = c.outputs / c.groups;
  for (index_t n = 0; n < x.rows(); ++n)
    for (index_t i = 0; i < h.count(); ++i)
      for (index_t k = 0; k < h.kernel; ++k) {
        const index_t row = h.at(i, k);
        if (row < 0 || row >= h.size) continue;
        for (index_t l = 0; l < v.kernel; ++l) {
          const window_axis::range inside = v.inside(l);
          const index_t count = inside.last - inside.first;
          if (count == 0) continue;
          const index_t at = (row * v.size + v.at(inside.first, l)) * c.window.channels;
          const index_t to = (i * v.count() + inside.first) * c.outputs;
          for (index_t g = 0; g < c.groups; ++g)
            f(X(x.data() + (n * x.stride() + at + g * in), count, in, v.stride * c.window.channels),
              Y(y.data() + (n * y.stride() + to + g * out), count, out, c.outputs),
              w.block((k * v.kernel + l) * in, g * out, in, out));
        }
      }
}

/// m *= beta; with beta = 0, m is not read.
template <backend B>
void scale(const B& be, const matrix<B>& m, double beta) {
  if (beta == 0)
    be.map(fn::fill{0}, m);
  else if (beta != 1)
    be.map(fn::affine{beta, 0}, m, const_matrix<B>(m));
}

}  // namespace chainrule::detail

namespace chainrule::ops {

/// y = x * w. x: n × image, w: c.weights(), y: n × result.
struct convolve_op {
  static constexpr std::string_view name = "convolve";
  convolution c;

  /// Throws shape_error unless the shapes are as above, and as convolution::check.
  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape w) const {
    c.check();
    const matrix_shape y{x.rows, c.result()};
    contract::convolves("convolve", c, x, w, y);
    return y;
  }
  /// y = f(x * w, operands...), where the operands broadcast to (n * positions) × outputs.
  template <backend B, class F = identity, class... In>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> w, const F& f = {},
               const In&... in) const {
    if constexpr (requires { be.convolve(y, x, w, c, f, in...); }) {
      be.convolve(y, x, w, c, f, in...);
    } else {
      contract::convolves("convolve", c, x.shape(), w.shape(), y.shape());
      fill(be, y, 0);
      chainrule::detail::each_product<B>(c, x, w, y, [&](auto from, auto to, auto weights) {
        be.gemm(to, from, weights, {1, 1});
      });
      if constexpr (!std::same_as<F, identity> || sizeof...(In) > 0)
        chainrule::detail::map_positions(be, f, y, c, in...);
    }
  }
  void vjp(auto& step) const;
};

/// dx from dy and w. It is the forward pass of a transposed convolution.
struct convolve_input_op {
  static constexpr std::string_view name = "convolve_input";
  convolution c;

  [[nodiscard]] matrix_shape shape(matrix_shape dy, matrix_shape w) const {
    c.check();
    const matrix_shape dx{dy.rows, c.window.image()};
    contract::convolves("convolve_input", c, dx, w, dy);
    return dx;
  }
  template <backend B>
  void forward(const B& be, matrix<B> dx, const_matrix<B> dy, const_matrix<B> w) const {
    accumulate(be, dx, 0, dy, w);
  }
  /// dx = the gradient + beta dx.
  template <backend B>
  void accumulate(const B& be, matrix<B> dx, double beta, const_matrix<B> dy,
                  const_matrix<B> w) const {
    if constexpr (requires { be.convolve_input(dx, dy, w, c, reduce_scalars{beta}); }) {
      be.convolve_input(dx, dy, w, c, reduce_scalars{beta});
    } else {
      contract::convolves("convolve_input", c, dx.shape(), w.shape(), dy.shape());
      chainrule::detail::scale(be, dx, beta);
      chainrule::detail::each_product<B>(c, dx, w, dy, [&](auto to, auto from, auto weights) {
        be.gemm(to, from, transposed(weights), {1, 1});
      });
    }
  }
  void vjp(auto& step) const;
};

/// dw from x and dy.
struct convolve_weights_op {
  static constexpr std::string_view name = "convolve_weights";
  convolution c;

  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape dy) const {
    c.check();
    contract::convolves("convolve_weights", c, x, c.weights(), dy);
    return c.weights();
  }
  template <backend B>
  void forward(const B& be, matrix<B> dw, const_matrix<B> x, const_matrix<B> dy) const {
    accumulate(be, dw, 0, x, dy);
  }
  /// dw = the gradient + beta dw.
  template <backend B>
  void accumulate(const B& be, matrix<B> dw, double beta, const_matrix<B> x,
                  const_matrix<B> dy) const {
    if constexpr (requires { be.convolve_weights(dw, x, dy, c, reduce_scalars{beta}); }) {
      be.convolve_weights(dw, x, dy, c, reduce_scalars{beta});
    } else {
      contract::convolves("convolve_weights", c, x.shape(), dw.shape(), dy.shape());
      chainrule::detail::scale(be, dw, beta);
      chainrule::detail::each_product<B>(c, x, dw, dy, [&](auto from, auto results, auto to) {
        be.gemm(to, transposed(from), results, {1, 1});
      });
    }
  }
  void vjp(auto& step) const {
    const auto d = step.dy();
    if (step.wants(0)) step.give(0, convolve_input_op{c}, step.input(1), d);
    if (step.wants(1)) step.give(1, convolve_op{c}, step.input(0), d);
  }
};

void convolve_op::vjp(auto& step) const {
  const auto dy = step.dy();
  if (step.wants(1)) step.give(1, convolve_weights_op{c}, step.input(0), dy);
  if (step.wants(0)) step.give(0, convolve_input_op{c}, dy, step.input(1));
}

void convolve_input_op::vjp(auto& step) const {
  const auto d = step.dy();
  if (step.wants(1)) step.give(1, convolve_weights_op{c}, d, step.input(0));
  if (step.wants(0)) step.give(0, convolve_op{c}, d, step.input(1));
}

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_CONVOLUTION_HPP

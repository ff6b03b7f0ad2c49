/// \file
/// `activation`: a pointwise function as a layer of its own.
///
///     network{cpu{}, dense{784, 128}, activation{relu{}}, dense{10}}
///
/// A dense layer that carries its activation (`dense{784, 128, relu{}}`) is faster.
#ifndef CHAINRULE_LAYERS_ACTIVATION_HPP
#define CHAINRULE_LAYERS_ACTIVATION_HPP

#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

template <class F>
class activation {
 public:
  static constexpr bool keeps_features = true;
  static constexpr const char* name = "activation";

  /// The layer y = f(x) for an activation or any functor of one number.
  constexpr explicit activation(F f = {}) : f_(f) {}

  /// The function f.
  [[nodiscard]] constexpr const F& function() const { return f_; }

  [[nodiscard]] shape bind(plan& p, const shape& in) const { return p.input(in); }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    op{f_}.forward(p.backend(), y, x);
  }
  using row_layer = activation;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return p.row().map(f_, y.cols(), y.data(), p.row().last());
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    ops::matrix_step<B, 1> step(p.backend(), dy, y, {x}, {dx});
    op{f_}.vjp(step);
  }
  void describe(archive& a) const { a.activation(f_); }

 private:
  using op = ops::pointwise_op<F, 1>;

  F f_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_ACTIVATION_HPP

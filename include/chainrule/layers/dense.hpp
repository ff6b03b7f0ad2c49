/// \file
/// `dense`: every output depends on every input, y = f(x W + b), on the last axis of the samples.
///
///     dense{784, 128, relu{}}       // both extents, which are checked
///     dense{128, relu{}}            // as many inputs as the layer before produces
///     dense<784, 128, relu>{}       // extents in the type: mismatches do not compile
///     dense{128, 10}.weights(init::normal(0, 0.01)).bias(init::zeros())
///
/// Samples of {F}, {T, F} and {H, W, C} are treated alike: the layer acts on each of their
/// positions (on images it is a 1 × 1 convolution). W is inputs × outputs, b is 1 × outputs. The
/// default initialization of W follows the activation: He for rectifiers, LeCun for selu, Glorot
/// otherwise; b begins at 0.
#ifndef CHAINRULE_LAYERS_DENSE_HPP
#define CHAINRULE_LAYERS_DENSE_HPP

#include <concepts>
#include <type_traits>

#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

template <index_t Inputs = dynamic, index_t Outputs = dynamic, class F = identity>
class dense {
  static_assert(Inputs >= dynamic && Outputs >= dynamic && Inputs != 0 && Outputs != 0,
                "chainrule: the extents of a dense layer are at least 1");
  static constexpr bool is_linear = std::same_as<F, identity>;
  /// The derivative needs only y, so the pre-activation z is not saved.
  static constexpr bool from_output = derivable_from_output<F>;

 public:
  /// Inputs where the type states them, else dynamic.
  static constexpr index_t static_inputs = Inputs;
  /// Outputs where the type states them, else dynamic.
  static constexpr index_t static_outputs = Outputs;
  static constexpr const char* name = "dense";

  /// Extents in the type.
  constexpr explicit dense(F f = {}) requires(Inputs != dynamic && Outputs != dynamic)
      : inputs_(Inputs), outputs_(Outputs), f_(f) {}
  /// Extents as values. Throws value_error if one is below 1.
  constexpr dense(index_t inputs, index_t outputs,
                  F f = {}) requires(Inputs == dynamic && Outputs == dynamic)
      : inputs_(inputs), outputs_(outputs), f_(f) {
    if (inputs < 1 || outputs < 1)
      detail::fail<value_error>("a dense layer needs at least one input and one output, got ",
                                inputs, " and ", outputs);
  }
  /// As many inputs as there are. Throws value_error if there are no outputs.
  constexpr explicit dense(index_t outputs,
                           std::type_identity_t<F> f = {}) requires(Inputs == dynamic &&
                                                                    Outputs == dynamic)
      : inputs_(dynamic), outputs_(outputs), f_(f) {
    if (outputs < 1)
      detail::fail<value_error>("a dense layer needs at least one output, got ", outputs);
  }

  /// Rule for the first weights.
  [[nodiscard]] constexpr initializer initial_weights() const { return weights_; }
  /// Rule for the first biases.
  [[nodiscard]] constexpr initializer initial_biases() const { return bias_; }
  /// The activation f.
  [[nodiscard]] constexpr const F& function() const { return f_; }
  /// This layer with another initialization of its weights, or biases.
  [[nodiscard]] constexpr dense weights(initializer rule) const {
    dense d = *this;
    d.weights_ = rule;
    return d;
  }
  /// The layer with this rule for the first biases.
  [[nodiscard]] constexpr dense bias(initializer rule) const {
    dense d = *this;
    d.bias_ = rule;
    return d;
  }

  [[nodiscard, gnu::cold]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in, inputs_);
    w_ = p.weight("weight", {x.last(), outputs_}, weights_);
    b_ = p.bias("bias", outputs_, bias_);
    const shape y = x.with_last(outputs_);
    if constexpr (!from_output) z_ = p.save(y.size());
    if constexpr (!is_linear) dz_ = p.scratch_in_dy(y.size());
    return y;
  }

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const const_matrix<B> w = p.value(w_);
    const const_matrix<B> b = p.value(b_);
    x = with_columns(x, w.rows());
    y = with_columns(y, outputs_);
    if (from_output || !p.training()) {
      ops::linear_op{}.forward(p.backend(), y, x, w, b, f_);
    } else {
      const matrix<B> z = with_columns(p.saved(z_), outputs_);
      ops::linear_op{}.forward(p.backend(), z, x, w, b);
      p.backend().map(f_, y, const_matrix<B>(z));
    }
  }

  using row_layer = dense;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    const auto& w = p.place_of(w_);
    return y.cols() == outputs_ &&
           p.row().multiply(f_, w.rows, w.cols, w.first, p.place_of(b_).first, y.data());
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    backward_link<B> alone;
    backward(p, x, y, dy, dx, alone);
  }
  /// The backward pass in a chain, whose links spare a map.
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy, matrix<B> dx,
                backward_link<B>& link) const {
    const_matrix<B> dz = dy;
    if constexpr (!is_linear) {
      if (!link.is_begun) {
        const matrix<B> to = p.scratch(dz_);
        const const_matrix<B> z = from_output ? const_matrix<B>{} : const_matrix<B>(p.saved(z_));
        ops::matrix_step<B, 1> step(p.backend(), dy, y, {z}, {to});
        ops::pointwise_op<F, 1>{f_}.vjp(step);
        dz = to;
      }
    }
    const const_matrix<B> w = p.value(w_);
    // A frozen layer has no targets for the gradients of its parameters.
    const bool trained = p.is_trained(w_);
    const auto [dw, beta_w] = trained ? p.gradient_to_add(w_) : gradient_sum<B>{};
    const auto [db, beta_b] = trained ? p.gradient_to_add(b_) : gradient_sum<B>{};
    if (!dx.empty()) dx = with_columns(dx, w.rows());
    bool begins_before = false;  // the backward pass of the layer before
    if constexpr (tracing_backend<B>)
      link.has_ended = begins_before = !dx.empty() && link.of_layer_before;
    const bool updates = link.updates != nullptr && trained && beta_w == 0;
    dz = with_columns(dz, outputs_);
    x = with_columns(x, w.rows());
    ops::matrix_step<B, 3> step(
        p.backend(), dz, {}, {x, w, {}},
        {begins_before ? matrix<B>{} : dx, {updates ? matrix<B>{} : dw, beta_w}, {db, beta_b}});
    ops::linear_op{}.vjp(step);
    if constexpr (tracing_backend<B>)
      if (begins_before) p.backend().gemm(dx, dz, transposed(w), {}, *link.of_layer_before, x);
    // At last, since dx is computed by the weights of the forward pass.
    if (updates && !link.updates->update(p.place_of(w_).first, dw, transposed(x), dz))
      p.backend().gemm(dw, transposed(x), dz);
  }
  /// (dy, y) -> dz, where that is what the backward pass begins with.
  [[nodiscard]] auto begin_of_backward() const requires(from_output && !is_linear) {
    return backward_of<F>{f_};
  }

  [[gnu::cold]] void describe(archive& a) const {
    a.extent("outputs", outputs_);
    a.activation(f_);
    if (inputs_ != dynamic) a.option("inputs", detail::concat(inputs_));
    if (weights_ != initializer_for<F>()) a.option("weights", weights_.in_words());
    if (bias_ != init::zeros()) a.option("bias", bias_.in_words());
  }

 private:
  index_t inputs_;
  index_t outputs_;
  F f_;
  initializer weights_ = initializer_for<F>();
  initializer bias_ = init::zeros();
  parameter_id w_, b_;
  saved_id z_;
  scratch_id dz_;
};

template <std::integral Inputs, std::integral Outputs>
dense(Inputs, Outputs) -> dense<dynamic, dynamic, identity>;
template <std::integral Inputs, std::integral Outputs, class F>
dense(Inputs, Outputs, F) -> dense<dynamic, dynamic, F>;
template <std::integral Outputs>
dense(Outputs) -> dense<dynamic, dynamic, identity>;
template <std::integral Outputs, class F>
requires(!std::integral<F>) dense(Outputs, F)
->dense<dynamic, dynamic, F>;

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DENSE_HPP

/// \file
/// `dense`: every output sees every input, y = f(x W + b).
///
///     dense{784, 128, relu{}}       // extents as values
///     dense<784, 128, relu>{}       // extents in the type: mismatches do not compile
///     dense{128, 10}.weights(init::normal(0, 0.01)).bias(init::zeros())
///
/// W is inputs × outputs, b is 1 × outputs. Without a word, weights begin by the rule that suits
/// the activation (He's for rectifiers, LeCun's for selu, Glorot's otherwise), biases at 0.
#ifndef CHAINRULE_LAYERS_DENSE_HPP
#define CHAINRULE_LAYERS_DENSE_HPP

#include "chainrule/layers/bound_activation.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/linear.hpp"

namespace chainrule {

template <backend B>
class dense_layer {
 public:
  dense_layer(index_t inputs, index_t outputs, const bound_activation<B>& f, slice weight,
              slice bias)
      : inputs_(inputs), outputs_(outputs), f_(f), weight_(weight), bias_(bias) {}

  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
  [[nodiscard]] index_t inputs() const { return inputs_; }
  [[nodiscard]] index_t outputs() const { return outputs_; }
  /// The pre-activation is kept only if the activation's derivative needs it.
  [[nodiscard]] index_t kept() const { return f_.from_output() ? 0 : outputs_; }
  [[nodiscard]] std::string name() const {
    return f_.is_identity() ? "dense" : "dense + " + f_.name();
  }

  void forward(const B& be, const arena<B>& parameters, const_matrix<B> x, matrix<B> y,
               matrix<B> kept, const phase& p) const {
    if (f_.from_output() || !p.training) {
      f_.linear(be, x, parameters[weight_], parameters[bias_], y);
    } else {
      ops::linear(be, x, parameters[weight_], parameters[bias_], kept);
      f_.apply(be, kept, y);
    }
  }

  void backward(const B& be, const arena<B>& parameters, arena<B>& gradients, const_matrix<B> x,
                const_matrix<B> y, const_matrix<B> kept, matrix<B> dy, matrix<B> dx) const {
    const matrix<B> dz = dy;  // in place
    if (!f_.is_identity()) f_.backward(be, dy, f_.from_output() ? y : kept, dz);
    ops::linear_vjp(be, x, parameters[weight_], const_matrix<B>(dz), gradients[weight_],
                    gradients[bias_], dx);
  }

 private:
  index_t inputs_;
  index_t outputs_;
  bound_activation<B> f_;
  slice weight_;
  slice bias_;
};

template <index_t Inputs = dynamic, index_t Outputs = dynamic, class F = identity>
class dense {
  static_assert(Inputs >= dynamic && Outputs >= dynamic && Inputs != 0 && Outputs != 0,
                "chainrule: the extents of a dense layer are at least 1");

 public:
  static constexpr index_t static_inputs = Inputs;
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
      throw value_error(detail::concat(
          "a dense layer needs at least one input and one output, got ", inputs, " and ", outputs));
  }

  /// The same layer with other first weights, or biases.
  [[nodiscard]] constexpr dense weights(initializer rule) const {
    dense d = *this;
    d.weights_ = rule;
    return d;
  }
  [[nodiscard]] constexpr dense bias(initializer rule) const {
    dense d = *this;
    d.bias_ = rule;
    return d;
  }

  [[nodiscard]] constexpr index_t inputs() const { return inputs_; }

  template <backend B>
  [[nodiscard]] dense_layer<B> bind(index_t inputs, parameter_plan& plan) const {
    const slice w = plan.add(role::weight, inputs, outputs_, weights_, inputs, outputs_);
    const slice b = plan.add(role::bias, 1, outputs_, bias_, inputs, outputs_);
    return {inputs, outputs_, bound_activation<B>(f_), w, b};
  }

 private:
  static constexpr initializer suitable() {
    switch (gain_of<F>()) {
      case gain_class::rectifier:
        return init::he_normal();
      case gain_class::self_normalizing:
        return init::lecun_normal();
      case gain_class::linear:
        break;
    }
    return init::glorot_uniform();
  }

  index_t inputs_;
  index_t outputs_;
  F f_;
  initializer weights_ = suitable();
  initializer bias_ = init::zeros();
};

template <class F = identity>
dense(index_t, index_t, F = {}) -> dense<dynamic, dynamic, F>;

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DENSE_HPP

/// \file
/// `activation`: a pointwise function as a layer of its own.
///
///     network{cpu{}, dense{784, 128}, activation{relu{}}, dense{128, 10}}
///
/// A dense layer that carries its activation (`dense{784, 128, relu{}}`) is faster; this one is for
/// places where no dense layer precedes.
#ifndef CHAINRULE_LAYERS_ACTIVATION_HPP
#define CHAINRULE_LAYERS_ACTIVATION_HPP

#include "chainrule/layers/bound_activation.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule {

template <backend B>
class activation_layer {
 public:
  activation_layer(index_t features, const bound_activation<B>& f) : features_(features), f_(f) {}

  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
  [[nodiscard]] index_t inputs() const { return features_; }
  [[nodiscard]] index_t outputs() const { return features_; }
  [[nodiscard]] index_t kept() const { return 0; }  // x and y are at hand anyway
  [[nodiscard]] std::string name() const { return f_.name(); }

  void forward(const B& be, const arena<B>&, const_matrix<B> x, matrix<B> y, matrix<B>,
               const phase&) const {
    f_.apply(be, x, y);
  }

  void backward(const B& be, const arena<B>&, arena<B>&, const_matrix<B> x, const_matrix<B> y,
                const_matrix<B>, matrix<B> dy, matrix<B> dx) const {
    if (!dx.empty()) f_.backward(be, dy, f_.from_output() ? y : x, dx);
  }

 private:
  index_t features_;
  bound_activation<B> f_;
};

template <class F>
class activation {
 public:
  static constexpr index_t static_inputs = dynamic;
  static constexpr index_t static_outputs = dynamic;
  static constexpr bool keeps_features = true;
  static constexpr const char* name = "activation";

  constexpr explicit activation(F f) : f_(f) {}

  [[nodiscard]] constexpr index_t inputs() const { return dynamic; }

  template <backend B>
  [[nodiscard]] activation_layer<B> bind(index_t inputs, parameter_plan&) const {
    return {inputs, bound_activation<B>(f_)};
  }

 private:
  F f_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_ACTIVATION_HPP

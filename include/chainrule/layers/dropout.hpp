/// \file
/// `dropout`: in training, sets each feature to 0 with probability p and scales the rest by
/// 1 / (1 - p); otherwise it passes its input on.
///
///     network{cpu{}, dense{784, 512, relu{}}, dropout{0.5}, dense{512, 10}}
#ifndef CHAINRULE_LAYERS_DROPOUT_HPP
#define CHAINRULE_LAYERS_DROPOUT_HPP

#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/dropout.hpp"

namespace chainrule {

template <backend B>
class dropout_layer {
 public:
  dropout_layer(index_t features, double p, index_t number)
      : features_(features), p_(p), number_(number) {}

  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
  [[nodiscard]] index_t inputs() const { return features_; }
  [[nodiscard]] index_t outputs() const { return features_; }
  [[nodiscard]] index_t kept() const { return features_; }  // the random numbers
  [[nodiscard]] std::string name() const { return detail::concat("dropout ", p_); }

  void forward(const B& be, const arena<B>&, const_matrix<B> x, matrix<B> y, matrix<B> kept,
               const layer_phase<B>& p) const {
    if (!p.training) return be.copy(y, x);
    p.draw(be, kept, number_);
    ops::dropout(be, p_, x, const_matrix<B>(kept), y);
  }

  void backward(const B& be, const arena<B>&, arena<B>&, const_matrix<B>, const_matrix<B>,
                const_matrix<B> kept, matrix<B> dy, matrix<B> dx) const {
    if (!dx.empty()) ops::dropout_vjp(be, p_, kept, const_matrix<B>(dy), dx);
  }

 private:
  index_t features_;
  double p_;
  index_t number_;  // the layer's place in the network: its stream of random numbers
};

class dropout {
 public:
  static constexpr index_t static_inputs = dynamic;
  static constexpr index_t static_outputs = dynamic;
  static constexpr bool keeps_features = true;
  static constexpr const char* name = "dropout";

  /// Throws value_error unless 0 <= p < 1.
  constexpr explicit dropout(double p) : p_(p) {
    if (!(p >= 0 && p < 1))
      throw value_error(
          detail::concat("the probability of dropout must be at least 0 and below 1, got ", p));
  }

  [[nodiscard]] constexpr index_t inputs() const { return dynamic; }

  template <backend B>
  [[nodiscard]] dropout_layer<B> bind(index_t inputs, parameter_plan& plan) const {
    return {inputs, p_, plan.layer()};
  }

 private:
  double p_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DROPOUT_HPP

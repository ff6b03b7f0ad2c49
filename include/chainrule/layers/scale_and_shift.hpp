/// \file
/// What the normalization layers share: the weight and the bias behind them, and eps.
#ifndef CHAINRULE_LAYERS_SCALE_AND_SHIFT_HPP
#define CHAINRULE_LAYERS_SCALE_AND_SHIFT_HPP

#include <limits>

#include "chainrule/layers/layer.hpp"

namespace chainrule {

namespace detail {

/// Throws value_error unless eps is positive and finite.
constexpr void require_eps(const char* layer, double eps) {
  if (!(eps > 0 && eps <= std::numeric_limits<double>::max()))
    detail::fail<value_error>(layer, ": eps must be a positive number such as 1e-5, got ", eps);
}

/// The weight and the bias (1 × channels) behind a normalization, which may be left out.
class scale_and_shift {
 public:
  bool used = true;

  void bind(plan& p, index_t channels) {
    if (!used) return;
    weight_ = p.bias("weight", channels, init::constant(1));
    bias_ = p.bias("bias", channels);
  }
  /// f(weight, bias), or f() without them.
  template <backend B, class F>
  void with_both(const pass<B>& p, const F& f) const {
    used ? f(p.value(weight_), p.value(bias_)) : f();
  }
  /// f(weight, bias), as operands of the plan for one sample, or f() without them.
  template <row_backend B, class F>
  [[nodiscard]] bool with_operands(const pass<B>& p, const F& f) const {
    using row = row_chain_t<B>;
    return used ? f(row::parameter(p.place_of(weight_).first),
                    row::parameter(p.place_of(bias_).first))
                : f();
  }
  /// f(weight), or f() without it.
  template <backend B, class F>
  void with_weight(const pass<B>& p, const F& f) const {
    used ? f(p.value(weight_)) : f();
  }
  /// f(target, beta) for the gradients of the weight and of the bias, if they are trained.
  template <backend B, class Weight, class Bias>
  void add_gradients(pass<B>& p, const Weight& weight, const Bias& bias) const {
    if (!used || !p.is_trained(weight_)) return;
    const auto [dw, beta_w] = p.gradient_to_add(weight_);
    weight(dw, reduce_scalars{beta_w});
    const auto [db, beta_b] = p.gradient_to_add(bias_);
    bias(db, reduce_scalars{beta_b});
  }
  /// States whether they are used, where that is not the default.
  void describe(archive& a, bool by_default) const {
    if (used != by_default) a.extent("affine", used ? 1 : 0);
  }

 private:
  parameter_id weight_, bias_;
};

/// The constants of a normalization.
class normalization_constants {
 protected:
  double eps_ = 1e-5;
  scale_and_shift affine_;
};

/// `Passes`, a normalization, with the options of the layer that derives from it.
template <class Layer, class Passes = normalization_constants>
class normalization_options : public Passes {
 public:
  /// This layer with another number added to the variance. Throws value_error unless it is
  /// positive.
  [[nodiscard]] constexpr Layer eps(double e) const {
    require_eps(Layer::name, e);
    auto layer = static_cast<const Layer&>(*this);
    layer.normalization_options::eps_ = e;
    return layer;
  }
  /// This layer with weight and bias, or without.
  [[nodiscard]] constexpr Layer affine(bool used) const {
    auto layer = static_cast<const Layer&>(*this);
    layer.normalization_options::affine_.used = used;
    return layer;
  }
};

}  // namespace detail

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_SCALE_AND_SHIFT_HPP

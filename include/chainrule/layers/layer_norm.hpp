/// \file
/// `layer_norm` and `rms_norm`: each position of a sample is normalized over its channels.
///
///     layer_norm{}                              // over the last axis
///     layer_norm{}.all_axes()                   // each sample, over all of its elements
///     rms_norm{1e-6}                            // divides by the root of the mean square
///
/// Names and defaults are PyTorch's. Weights begin at 1, biases at 0; weight decay applies to
/// neither. See also layers/batch_norm.hpp, layers/group_norm.hpp.
#ifndef CHAINRULE_LAYERS_LAYER_NORM_HPP
#define CHAINRULE_LAYERS_LAYER_NORM_HPP

#include <array>

#include "chainrule/layers/scale_and_shift.hpp"
#include "chainrule/ops/normalization.hpp"

namespace chainrule {

/// Layer normalization: each position of each sample is given mean 0 and variance 1 over its
/// channels (last axis), then y = weight x̂ + bias (1 × channels each). Source: J. Ba, J. Kiros,
/// G. Hinton, 2016, arXiv:1607.06450.
class layer_norm : public detail::normalization_options<layer_norm> {
 public:
  static constexpr const char* name = "layer_norm";
  static constexpr bool keeps_features = true;

  /// This layer over all elements of a sample, each with a weight and a bias of its own.
  [[nodiscard]] constexpr layer_norm all_axes(bool all = true) const {
    layer_norm l = *this;
    l.all_axes_ = all;
    return l;
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    features_ = all_axes_ ? x.size() : x.last();
    affine_.bind(p, features_);
    const index_t rows = x.size() / features_;
    mean_ = p.intermediate(rows);
    inverse_ = p.intermediate(rows);
    for (scratch_id& s : means_) s = p.scratch(rows);
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    x = with_columns(x, features_);
    const matrix<B> mean = with_columns(p.saved(mean_), 1);
    const matrix<B> inverse = with_columns(p.saved(inverse_), 1);
    ops::moments(be, x, mean, inverse);
    be.map(ops::terms::inverse_deviation{eps_}, inverse, inverse);
    affine_.with_both(p, [&](const auto&... affine) {
      be.map(ops::terms::standardized{}, with_columns(y, features_), x, mean, inverse, affine...);
    });
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    constexpr reduction::sum sum;
    constexpr ops::terms::times_standardized times_x;
    x = with_columns(x, features_);
    dy = with_columns(dy, features_);
    const const_matrix<B> mean = with_columns(p.saved(mean_), 1);
    const const_matrix<B> inverse = with_columns(p.saved(inverse_), 1);
    affine_.add_gradients(
        p,
        [&](matrix<B> to, reduce_scalars beta) {
          be.reduce(sum, to, beta, times_x, dy, x, mean, inverse);
        },
        [&](matrix<B> to, reduce_scalars beta) { be.reduce(sum, to, beta, identity{}, dy); });
    if (dx.empty()) return;
    const ops::terms::scaled_product product{1};
    const fn::affine average{1 / static_cast<double>(features_), 0};
    const matrix<B> mean_g = with_columns(p.scratch(means_[0]), 1);
    const matrix<B> mean_g_x = with_columns(p.scratch(means_[1]), 1);
    affine_.with_weight(p, [&](const auto&... weight) {
      be.reduce(sum, mean_g, product, dy, weight...);
      be.reduce(sum, mean_g_x, times_x, dy, x, mean, inverse, weight...);
      be.map(average, mean_g, mean_g);
      be.map(average, mean_g_x, mean_g_x);
      be.map(ops::terms::standardized_gradient{}, with_columns(dx, features_), dy, x, mean, inverse,
             mean_g, mean_g_x, weight...);
    });
  }
  void describe(archive& a) const {
    a.constant("eps", eps_);
    affine_.describe(a, true);
    if (all_axes_) a.extent("all_axes", 1);
  }

 private:
  bool all_axes_ = false;
  index_t features_ = 0;
  saved_id mean_, inverse_;
  std::array<scratch_id, 2> means_;
};

namespace detail {
/// dy x / root, times the weight if there is one.
struct times_root_scaled {
  constexpr auto operator()(const auto& dy, const auto& x, const auto& inverse,
                            const auto&... weight) const {
    return (dy * ... * weight) * (x * inverse);
  }
};
/// dx = (g - x̂ mean(g x̂)) / root, where g = dy weight and x̂ = x / root.
struct root_scaled_gradient {
  constexpr auto operator()(const auto& dy, const auto& x, const auto& inverse,
                            const auto& mean_g_x, const auto& weight) const {
    return inverse * (dy * weight - x * inverse * mean_g_x);
  }
};
}  // namespace detail

/// y = weight x / sqrt(mean(x²) + eps) at each position, over its channels (last axis); weight:
/// 1 × channels. Source: B. Zhang, R. Sennrich, NeurIPS 2019.
class rms_norm {
 public:
  static constexpr const char* name = "rms_norm";
  static constexpr bool keeps_features = true;

  /// Throws value_error unless eps is positive. It has no default: PyTorch's is the epsilon of the
  /// scalar, models state 1e-5 or 1e-6.
  constexpr explicit rms_norm(double eps) : eps_(eps) { detail::require_eps(name, eps); }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    features_ = x.last();
    weight_ = p.bias("weight", features_, init::constant(1));
    inverse_ = p.intermediate(x.positions());
    mean_g_x_ = p.scratch(x.positions());
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    x = with_columns(x, features_);
    const matrix<B> inverse = with_columns(p.saved(inverse_), 1);
    be.reduce(reduction::sum{}, inverse, fn::sqr{}, x);
    be.map(average(), inverse, inverse);
    be.map(ops::terms::inverse_deviation{eps_}, inverse, inverse);
    be.map(ops::terms::scaled_product{1}, with_columns(y, features_), x, inverse, p.value(weight_));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    x = with_columns(x, features_);
    dy = with_columns(dy, features_);
    const const_matrix<B> inverse = with_columns(p.saved(inverse_), 1);
    constexpr detail::times_root_scaled times_x;
    if (p.is_trained(weight_)) {
      const auto [dw, beta] = p.gradient_to_add(weight_);
      be.reduce(reduction::sum{}, dw, {beta}, times_x, dy, x, inverse);
    }
    if (dx.empty()) return;
    const const_matrix<B> weight = p.value(weight_);
    const matrix<B> mean_g_x = with_columns(p.scratch(mean_g_x_), 1);
    be.reduce(reduction::sum{}, mean_g_x, times_x, dy, x, inverse, weight);
    be.map(average(), mean_g_x, mean_g_x);
    be.map(detail::root_scaled_gradient{}, with_columns(dx, features_), dy, x, inverse, mean_g_x,
           weight);
  }
  void describe(archive& a) const { a.constant("eps", eps_); }

 private:
  [[nodiscard]] fn::affine average() const { return {1 / static_cast<double>(features_), 0}; }

  double eps_;
  index_t features_ = 0;
  parameter_id weight_;
  saved_id inverse_;
  scratch_id mean_g_x_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_LAYER_NORM_HPP

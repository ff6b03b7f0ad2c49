/// \file
/// Optimizer rules: small structs that turn a gradient into a step, composed by `chain`.
///
///     sgd{.rate = 0.1}
///     chain(clip_by_norm{1.0}, weight_decay{1e-4}, momentum{.rate = 0.1, .decay = 0.9})
///
/// Includes optim/adaptive.hpp (adam, rmsprop, ...) and optim/chain.hpp (what a rule is).
#ifndef CHAINRULE_OPTIM_RULES_HPP
#define CHAINRULE_OPTIM_RULES_HPP

#include <algorithm>
#include <array>
#include <initializer_list>
#include <tuple>

#include "chainrule/optim/adaptive.hpp"

namespace chainrule {

/// Plain gradient descent.
struct sgd {
  schedule rate = 0.01;

  static constexpr const char* name = "sgd";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& direction, const X&, std::array<X, 0>&,
                         const std::array<X, 0>&) const {
    return direction;
  }
};

/// Momentum as a part of a chain whose learning rate belongs to another rule: v = decay v + d, and
/// the direction is v, or with `nesterov` d + decay v.
struct heavy_ball {
  double decay = 0.9;
  bool nesterov = false;

  void check() const {
    detail::require_constant(decay >= 0 && decay <= 1, name, "the decay must be between 0 and 1",
                             decay);
  }
  static constexpr const char* name = "heavy ball";
  static constexpr std::size_t slots = 1;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& direction, const X&, std::array<X, 1>& state,
                         const std::array<X, 0>&) const {
    X& v = state[0];
    v = decay * v + direction;
    return nesterov ? direction + decay * v : v;
  }
};

/// Gradient descent with momentum: v = decay v + g, and the step is along v, or with `nesterov`
/// along g + decay v. Source: I. Sutskever et al., ICML 2013, section 2.
struct momentum {
  schedule rate = 0.01;
  double decay = 0.9;
  bool nesterov = false;

  void check() const {
    detail::require_constant(decay >= 0 && decay <= 1, name, "the decay must be between 0 and 1",
                             decay);
  }
  static constexpr const char* name = "momentum";
  static constexpr std::size_t slots = 1;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& direction, const X& w, std::array<X, 1>& state,
                         const std::array<X, 0>& s) const {
    return heavy_ball{decay, nesterov}(direction, w, state, s);
  }
};

/// Adds lambda w to the direction: before a rule it is L2 regularisation, after one it is decay
/// that the rule does not scale. Biases are left alone unless asked.
struct weight_decay {
  double lambda = 1e-4;
  bool biases = false;

  void check() const {
    detail::require_constant(lambda >= 0, "weight decay", "lambda must be at least 0", lambda);
  }
  static constexpr const char* name = "weight decay";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 1;
  using penalty = fn::sqr;  // lambda/2 Σ w²
  [[nodiscard]] double penalty_factor(const slot_tags& tags) const {
    return tags.decay || biases ? lambda / 2 : 0;
  }
  void prepare(const step_info& info, std::array<double, 1>& s) const {
    s[0] = info.tags.decay || biases ? lambda : 0;
  }
  template <class X>
  constexpr X operator()(const X& direction, const X& w, std::array<X, 0>&,
                         const std::array<X, 1>& s) const {
    return direction + s[0] * w;
  }
};

/// Adds lambda sign(w), the subgradient of the penalty lambda |w|, to the direction: L1
/// regularization. Biases are left alone unless asked.
struct l1_penalty {
  double lambda = 1e-4;
  bool biases = false;

  void check() const {
    detail::require_constant(lambda >= 0, "L1 penalty", "lambda must be at least 0", lambda);
  }
  static constexpr const char* name = "L1 penalty";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 1;
  using penalty = fn::abs;  // lambda Σ |w|
  [[nodiscard]] double penalty_factor(const slot_tags& tags) const {
    return tags.decay || biases ? lambda : 0;
  }
  void prepare(const step_info& info, std::array<double, 1>& s) const {
    s[0] = info.tags.decay || biases ? lambda : 0;
  }
  template <class X>
  constexpr X operator()(const X& direction, const X& w, std::array<X, 0>&,
                         const std::array<X, 1>& s) const {
    return direction + s[0] * math::sign(w);
  }
};

/// Multiplies the learning rate of each parameter group by a factor, in the order of the groups; 1
/// for those that are not listed. The last rule of its chain.
class group_rates {
 public:
  /// Greatest number of groups.
  static constexpr std::size_t most_groups = 8;
  static constexpr const char* name = "group rates";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 1;

  /// Throws value_error if there are more than `most_groups`.
  constexpr group_rates(std::initializer_list<double> factors) {
    if (factors.size() > most_groups)
      detail::fail<value_error>("group rates: there are at most ", most_groups, " groups, got ",
                                factors.size());
    factors_.fill(1);
    std::copy(factors.begin(), factors.end(), factors_.begin());
  }
  void check() const {
    for (const double f : factors_)
      detail::require_constant(f >= 0, "group rates", "a factor must be at least 0", f);
  }
  void prepare(const step_info& info, std::array<double, 1>& s) const {
    const auto group = static_cast<std::size_t>(info.tags.group);
    s[0] = group < most_groups ? factors_[group] : 1;
  }
  template <class X>
  constexpr X operator()(const X& direction, const X&, std::array<X, 0>&,
                         const std::array<X, 1>& s) const {
    return direction * s[0];
  }

 private:
  std::array<double, most_groups> factors_{};
};

/// Limits each component to [-limit, limit].
struct clip_by_value {
  double limit = 1;

  void check() const {
    detail::require_constant(limit > 0, "clip by value", "the limit must be above 0", limit);
  }
  static constexpr const char* name = "clip by value";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 0;
  template <class X>
  constexpr X operator()(const X& direction, const X&, std::array<X, 0>&,
                         const std::array<X, 0>&) const {
    return math::convert<X>(math::clamp(direction, -limit, limit));
  }
};

/// Scales the whole gradient, all layers together, to a norm of at most `limit`, however large it
/// is: where squares overflow, those of the gradient scaled down count, and an infinite element
/// counts as the largest number of the scalar. It measures the gradient itself and so must be the
/// first rule of its chain. Source: R. Pascanu et al., ICML 2013.
struct clip_by_norm {
  double limit = 1;

  void check() const {
    detail::require_constant(limit > 0, "clip by norm", "the limit must be above 0", limit);
  }
  static constexpr const char* name = "clip by norm";
  /// The rule reads the norm of all gradients before the step.
  static constexpr bool measures_whole_gradient = true;
  static constexpr std::size_t slots = 0;
  // Computed on the device: the largest number, and two powers to multiply by, one after the other.
  static constexpr std::size_t scalars = 3;
  static constexpr bool treats_tags_alike = true;
  void prepare(const step_info&, std::array<double, 3>& s) const { s = {}; }

  /// (scale g)²
  struct scaled_square {
    /// Greatest absolute value that is squared.
    double most;
    /// Factor of the gradient before it is squared.
    double scale;
    /// The square of the scaled gradient.
    constexpr auto operator()(const auto& g) const {
      return math::sqr(math::min(math::abs(g), most) * scale);
    }
  };
  /// From the sum of the squares, and of the scaled ones: the scalars.
  struct all_scalars {
    /// Greatest norm.
    double limit;
    /// Greatest absolute value of a gradient.
    double most;
    /// Factor of the gradients in the second sum.
    double scale;
    /// The scalars of the rule.
    template <class X>
    constexpr auto operator()(const X& squares, const X& scaled) const {
      const auto fits = squares <= most;
      const auto norm = math::sqrt(math::where(fits, squares, scaled));
      return std::tuple(math::convert<X>(most), math::convert<X>(math::where(fits, 1, scale)),
                        math::convert<X>(math::min(limit / norm, math::where(fits, 1, 1 / scale))));
    }
  };
  template <class X>
  constexpr X operator()(const X& direction, const X&, std::array<X, 0>&,
                         const std::array<X, 3>& s) const {
    return math::min(math::max(direction, -s[0]), s[0]) * s[1] * s[2];
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_RULES_HPP

/// \file
/// Optimizer rules: small structs that turn a gradient into a step, composed by `chain`.
///
///     sgd{.rate = 0.1}
///     chain(clip_by_norm{1.0}, weight_decay{1e-4}, momentum{.rate = 0.1, .decay = 0.9})
///     chain(adam{.rate = 1e-3}, weight_decay{0.01})    // decay beside Adam's scaling: AdamW
///
/// A rule is a pointwise functor with state. In a chain, `direction` begins as the gradient, each
/// rule changes it in turn, and the sum of it all is one map over the arena, w -= rate * direction:
///
///     static constexpr int slots;      // state per parameter, as arenas that begin at 0
///     static constexpr int scalars;    // numbers that change from step to step
///     X operator()(X direction, X w, std::array<X, slots>& state, std::array<X, scalars> s) const;
///     void prepare(const step_info&, std::array<double, scalars>&) const;   // if scalars > 0
///
/// A rule may have a `name`, which a saved training carries. One whose scalars do not depend on the
/// parameters' tags may say so (`static constexpr bool treats_tags_alike = true`); where all of
/// a chain do, or have no scalars, a step is one map over all parameters instead of two.
///
/// Exactly one rule of a chain has a `rate`. A rule whose constants have limits has a member
/// `void check() const` that throws value_error; it is called when the rule becomes part of a
/// chain.
#ifndef CHAINRULE_OPTIM_RULES_HPP
#define CHAINRULE_OPTIM_RULES_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <tuple>

#include "chainrule/memory/arena.hpp"
#include "chainrule/optim/schedule.hpp"

namespace chainrule {

/// What a rule may know of a step when it prepares its scalars.
struct step_info {
  std::int64_t step = 0;  // counts updates from 0
  slot_tags tags{};       // of the parameters that are being updated
};

namespace detail {
/// Throws value_error unless `holds`, and for NaN: "momentum: the decay must be at least 0 and
/// below 1, got 2".
inline void require_constant(bool holds, const char* rule, const char* what, double got) {
  if (!holds || is_nan(got)) throw value_error(concat(rule, ": ", what, ", got ", got));
}
}  // namespace detail

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

/// Gradient descent with momentum: v = decay v + g, and the step is along v, or with `nesterov`
/// along g + decay v. Source: I. Sutskever et al., ICML 2013, section 2.
struct momentum {
  schedule rate = 0.01;
  double decay = 0.9;
  bool nesterov = false;

  void check() const {
    detail::require_constant(decay >= 0 && decay <= 1, "momentum",
                             "the decay must be between 0 and 1", decay);
  }
  static constexpr const char* name = "momentum";
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

/// Adam. Source: D. Kingma, J. Ba, ICLR 2015, algorithm 1.
struct adam {
  schedule rate = 0.001;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  void check() const {
    detail::require_constant(beta1 >= 0 && beta1 < 1, "adam",
                             "beta1 must be at least 0 and below 1", beta1);
    detail::require_constant(beta2 >= 0 && beta2 < 1, "adam",
                             "beta2 must be at least 0 and below 1", beta2);
    detail::require_constant(epsilon > 0, "adam", "epsilon must be above 0", epsilon);
  }
  static constexpr const char* name = "adam";
  static constexpr std::size_t slots = 2;
  static constexpr std::size_t scalars = 2;
  static constexpr bool treats_tags_alike = true;
  /// The corrections 1 / (1 - betaᵗ), where t counts steps (not tensors) from 1.
  void prepare(const step_info& info, std::array<double, 2>& s) const {
    const auto t = static_cast<double>(info.step + 1);
    s = {1 / -std::expm1(t * std::log(beta1)), 1 / -std::expm1(t * std::log(beta2))};
  }
  template <class X>
  constexpr X operator()(const X& g, const X&, std::array<X, 2>& state,
                         const std::array<X, 2>& s) const {
    auto& [m, v] = state;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * (g * g);
    return m * s[0] / (math::sqrt(v * s[1]) + epsilon);
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
  void prepare(const step_info& info, std::array<double, 1>& s) const {
    s[0] = info.tags.decay || biases ? lambda : 0;
  }
  template <class X>
  constexpr X operator()(const X& direction, const X& w, std::array<X, 0>&,
                         const std::array<X, 1>& s) const {
    return direction + s[0] * w;
  }
};

/// Multiplies the learning rate of each parameter group by a factor, in the order of the groups; 1
/// for those that are not listed. The last rule of its chain.
class group_rates {
 public:
  static constexpr std::size_t most_groups = 8;
  static constexpr const char* name = "group rates";
  static constexpr std::size_t slots = 0;
  static constexpr std::size_t scalars = 1;

  /// Throws value_error if there are more than `most_groups`.
  constexpr group_rates(std::initializer_list<double> factors) {
    if (factors.size() > most_groups)
      throw value_error(detail::concat("group rates: there are at most ", most_groups,
                                       " groups, got ", factors.size()));
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
  static constexpr bool measures_whole_gradient = true;
  static constexpr std::size_t slots = 0;
  // Computed on the device: the largest number, and two powers to multiply by, one after the other.
  static constexpr std::size_t scalars = 3;
  static constexpr bool treats_tags_alike = true;
  void prepare(const step_info&, std::array<double, 3>& s) const { s = {}; }

  /// (scale g)²
  struct scaled_square {
    double most;
    double scale;
    constexpr auto operator()(const auto& g) const {
      return math::sqr(math::min(math::abs(g), most) * scale);
    }
  };
  /// From the sum of the squares, and of the scaled ones: the scalars.
  struct all_scalars {
    double limit;
    double most;
    double scale;
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

/// A rule that carries the learning rate.
template <class Rule>
concept has_rate = requires(const Rule& r) {
  r.rate(std::int64_t{});
};

/// A rule that looks at the whole gradient before the step.
template <class Rule>
concept measures_gradient = requires {
  requires Rule::measures_whole_gradient;
};

/// A rule whose scalars do not depend on the tags of the parameters.
template <class Rule>
inline constexpr bool treats_tags_alike = [] {
  if constexpr (requires { Rule::treats_tags_alike; })
    return Rule::treats_tags_alike;
  else
    return Rule::scalars == 0;
}();

/// Rules one after another, as one rule.
template <class... Rules>
class chained {
  static constexpr bool measures_first(std::initializer_list<bool> measures) {
    bool later = false;
    for (const bool* m = measures.begin() + 1; m < measures.end(); ++m) later = later || *m;
    return !later;
  }
  static constexpr int rates = (0 + ... + (has_rate<Rules> ? 1 : 0));

 public:
  static_assert(rates <= 1,
                "chainrule: an optimizer needs exactly one rule with a learning rate (sgd, "
                "momentum, adam), this chain has several");
  static_assert(
      measures_first({measures_gradient<Rules>...}),
      "chainrule: a rule that measures the whole gradient (clip_by_norm) must be the first "
      "of its chain");
  /// Whether a rule has a learning rate: a chain without one can only be a part of another.
  static constexpr bool is_complete = rates == 1;
  static constexpr std::size_t slots = (std::size_t{0} + ... + Rules::slots);
  static constexpr std::size_t scalars = (std::size_t{0} + ... + Rules::scalars);
  static constexpr bool treats_tags_alike = (chainrule::treats_tags_alike<Rules> && ...);

  /// Throws value_error if a constant of a rule is out of range.
  explicit chained(const Rules&... rules) : rules_(rules...) { (check(rules), ...); }

  [[nodiscard]] const std::tuple<Rules...>& rules() const { return rules_; }

  /// The learning rate at a step.
  [[nodiscard]] double rate(std::int64_t step) const {
    double r = 0;
    const auto look = [&]<class Rule>(const Rule& rule) {
      if constexpr (has_rate<Rule>) r = rule.rate(step);
    };
    std::apply([&](const auto&... rule) { (look(rule), ...); }, rules_);
    return r;
  }

  /// The scalars of all rules, in order.
  void prepare(const step_info& info, std::array<double, scalars>& all) const {
    std::size_t at = 0;
    const auto one = [&]<class Rule>(const Rule& rule) {
      if constexpr (Rule::scalars > 0) {
        std::array<double, Rule::scalars> s{};
        rule.prepare(info, s);
        for (const double x : s) all[at++] = x;
      }
    };
    std::apply([&](const auto&... rule) { (one(rule), ...); }, rules_);
  }

 private:
  template <class Rule>
  static void check(const Rule& rule) {
    if constexpr (requires { rule.check(); }) rule.check();
  }

  std::tuple<Rules...> rules_;
};

namespace detail {
template <class Rule>
std::tuple<Rule> rules_of(const Rule& rule) {
  return {rule};
}
template <class... Rules>
std::tuple<Rules...> rules_of(const chained<Rules...>& rules) {
  return rules.rules();
}
}  // namespace detail

/// The rules, and those of the chains among them, as one chain.
template <class... Parts>
[[nodiscard]] auto chain(const Parts&... parts) {
  return std::apply([](const auto&... rules) { return chained(rules...); },
                    std::tuple_cat(detail::rules_of(parts)...));
}

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_RULES_HPP

/// \file
/// What an optimizer rule is, and `chain`, which composes rules.
///
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
/// A rule that adds the gradient of a penalty factor · Σ f(w) names f, `using penalty = fn::sqr`,
/// and the factor, `double penalty_factor(const slot_tags&) const`, so that training can report it.
///
/// Exactly one rule of a chain has a `rate`. A rule whose constants have limits has a member
/// `void check() const` that throws value_error; it is called when the rule becomes part of a
/// chain.
#ifndef CHAINRULE_OPTIM_CHAIN_HPP
#define CHAINRULE_OPTIM_CHAIN_HPP

#include <array>
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
  if (!holds || is_nan(got)) detail::fail<value_error>(rule, ": ", what, ", got ", got);
}
}  // namespace detail

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

/// A rule that adds the gradient of a penalty on each parameter.
template <class Rule>
concept has_penalty = requires(const Rule& r) {
  typename Rule::penalty;
  r.penalty_factor(slot_tags{});
};

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

  /// The rules, in the order of their application.
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

#endif  // CHAINRULE_OPTIM_CHAIN_HPP

/// \file
/// Activation functions: one struct each, with one generic `operator()`.
///
/// Derivatives come from dual numbers; a functor states its own if that avoids saving the
/// pre-activation, or if the expression has a kink that the function does not have.
///
///     dense{784, 128, relu{}}
///     dense{784, 128, fn::tanh{}}  // a function of pointwise/functions.hpp is one too
///     be.map(gelu{}, y, x);
///
/// No type here has the name of a function of the vocabulary, so that a functor may call tanh(x).
/// An activation of your own is written the same way, anywhere:
///
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///
/// `name` (for summaries), `gain` (for the choice of the initial weights) and, where it has any,
/// `constants()` (for summaries and for files of weights, which must not be read into a function
/// with other constants) are optional.
#ifndef CHAINRULE_POINTWISE_ACTIVATIONS_HPP
#define CHAINRULE_POINTWISE_ACTIVATIONS_HPP

#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/pointwise/derivative.hpp"

namespace chainrule {

namespace detail {
/// x times a gate that is 0 for very negative x and 1 for very large x. At -infinity and infinity
/// it is 0 and x, with derivatives 0 and 1, where the product of infinity and 0 would be NaN.
constexpr auto gated(const auto& x, const auto& gate) {
  const auto finite = math::where(math::abs(x) < 1e30, x, 0);
  return math::where(x >= 1e30, x, finite * gate);
}
}  // namespace detail

/// The rule of initial weights that preserves the variance through layers of an activation.
enum class gain_class { linear, rectifier, self_normalizing };

using fn::identity;

/// max(x, 0); its derivative at 0 is 0.
struct relu {
  static constexpr std::string_view name = "relu";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const { return math::max(x, 0); }
  constexpr auto derivative_from_output(const auto& y) const { return math::where(y > 0, 1, 0); }
};

/// x if x > 0, else slope x; 0 < slope < 1.
struct leaky_relu {
  static constexpr std::string_view name = "leaky_relu";
  static constexpr gain_class gain = gain_class::rectifier;
  /// Slope for negative x.
  double slope = 0.01;
  constexpr auto operator()(const auto& x) const { return math::where(x > 0, x, slope * x); }
  constexpr auto derivative_from_output(const auto& y) const {
    return math::where(y > 0, 1, slope);
  }
  [[nodiscard]] constexpr std::array<double, 1> constants() const { return {slope}; }
};

/// x if x > 0, else alpha (e^x - 1). Source: D. Clevert et al., ICLR 2016, eq. 15.
struct elu {
  static constexpr std::string_view name = "elu";
  static constexpr gain_class gain = gain_class::rectifier;
  /// Factor of exp(x) - 1 for negative x.
  double alpha = 1;
  constexpr auto operator()(const auto& x) const {
    return math::where(x > 0, x, alpha * math::expm1(math::min(x, 0)));
  }
  // Stated because min(x, 0) has a kink at 0 where elu (with alpha 1) has none.
  constexpr auto derivative_from_output(const auto& y) const {
    return math::where(y > 0, 1, y + alpha);
  }
  [[nodiscard]] constexpr std::array<double, 1> constants() const { return {alpha}; }
};

/// lambda elu(x) with the fixed point mean 0, variance 1. Source: G. Klambauer et al., NIPS 2017,
/// eq. 2.
struct selu {
  static constexpr std::string_view name = "selu";
  static constexpr gain_class gain = gain_class::self_normalizing;
  /// Factor of the value.
  static constexpr double lambda = 1.0507009873554804934193349852946;
  /// Factor of exp(x) - 1 for negative x.
  static constexpr double alpha = 1.6732632423543772848170429916717;
  constexpr auto operator()(const auto& x) const { return lambda * elu{alpha}(x); }
  constexpr auto derivative_from_output(const auto& y) const {
    return math::where(y > 0, lambda, y + lambda * alpha);
  }
};

/// x / (1 + |x|)
struct softsign {
  static constexpr std::string_view name = "softsign";
  constexpr auto operator()(const auto& x) const {
    const auto finite = math::clamp(x, -1e30, 1e30);  // infinity / infinity is NaN
    return finite / (1 + math::abs(finite));
  }
  constexpr auto derivative(const auto& x, const auto&) const {
    return math::inv(math::sqr(1 + math::abs(x)));
  }
};

/// x sigmoid(x), also called swish. Source: S. Elfwing et al., 2017, eq. 11.
struct silu {
  static constexpr std::string_view name = "silu";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const { return detail::gated(x, math::sigmoid(x)); }
};

/// x times the normal distribution function. Source: D. Hendrycks, K. Gimpel, 2016, section 2.
struct gelu {
  static constexpr std::string_view name = "gelu";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const {
    return detail::gated(x, 0.5 * (1 + math::erf(x * 0.70710678118654752440)));
  }
};

/// gelu by its tanh approximation, the form of GPT-2. Source: as gelu.
struct gelu_tanh {
  static constexpr std::string_view name = "gelu_tanh";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const {
    // Beyond 10 the tanh is exactly 1, and the cube would overflow.
    const auto u = math::clamp(x, -10, 10);
    const auto t = math::tanh(0.79788456080286535588 * (u + 0.044715 * u * u * u));
    return detail::gated(x, 0.5 * (1 + t));
  }
};

/// x tanh(softplus(x)). Source: D. Misra, 2019, eq. 1.
struct mish {
  static constexpr std::string_view name = "mish";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const {
    return detail::gated(x, math::tanh(math::softplus(x)));
  }
};

/// x/6 + 1/2 limited to [0, 1]; its derivative at -3 and 3 is 0.
struct hard_sigmoid {
  static constexpr std::string_view name = "hard_sigmoid";
  constexpr auto operator()(const auto& x) const { return math::clamp(x / 6 + 0.5, 0, 1); }
};

/// x hard_sigmoid(x); its derivative is 0 at -3 and 1 at 3. Source: A. Howard et al., ICCV 2019,
/// section 5.2.
struct hard_swish {
  static constexpr std::string_view name = "hard_swish";
  static constexpr gain_class gain = gain_class::rectifier;
  constexpr auto operator()(const auto& x) const { return detail::gated(x, hard_sigmoid{}(x)); }
};

/// The gain class of F; linear if it states none.
template <class F>
[[nodiscard]] constexpr gain_class gain_of() {
  if constexpr (requires { F::gain; })
    return F::gain;
  else
    return std::same_as<F, fn::softplus> ? gain_class::rectifier : gain_class::linear;
}

/// The name of F for summaries; "custom" if it has none.
template <class F>
[[nodiscard]] constexpr std::string_view name_of() {
  if constexpr (requires { std::string_view(F::name); })
    return F::name;
  else
    return "custom";
}

namespace detail {
/// The name of f with the constants that it states: "leaky_relu(0.01)". Different doubles give
/// different texts.
template <class F>
[[nodiscard]] std::string name_with_constants(const F& f) {
  std::string words(name_of<F>());
  if constexpr (requires { f.constants(); }) {
    const char* before = "(";
    for (const double c : f.constants()) {
      char digits[32];
      words += before;
      words.append(digits, std::to_chars(digits, digits + sizeof digits, c).ptr);
      before = ", ";
    }
    words += ")";
  }
  return words;
}
}  // namespace detail

/// Calls `visit` with each activation in turn.
template <class Visitor>
constexpr void for_each_activation(Visitor&& visit) {
  visit(identity{}), visit(relu{}), visit(leaky_relu{}), visit(elu{}), visit(selu{});
  visit(fn::sigmoid{}), visit(fn::tanh{}), visit(fn::softplus{}), visit(softsign{}), visit(silu{});
  visit(gelu{}), visit(gelu_tanh{}), visit(mish{}), visit(hard_sigmoid{}), visit(hard_swish{});
  visit(fn::sign{});
}

/// Calls `visit` with the activation called `name`, for names from options or files. Throws
/// value_error, which lists the names.
template <class Visitor>
void with_activation(std::string_view name, Visitor&& visit) {
  bool found = false;
  std::string names;
  for_each_activation([&]<class F>(const F& f) {
    if (F::name == name) {
      found = true;
      visit(f);
    }
    names += (names.empty() ? "" : ", ");
    names += F::name;
  });
  if (!found)
    detail::fail<value_error>("there is no activation '", name, "'; choose one of ", names);
}

}  // namespace chainrule

#endif  // CHAINRULE_POINTWISE_ACTIVATIONS_HPP

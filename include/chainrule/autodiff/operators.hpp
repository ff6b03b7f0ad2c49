/// \file
/// Arithmetic, comparisons, `where` and the vocabulary on variables: what makes a variable a number
/// type.
///
///     y = 3 * x * x - 1;
///     y = where(x > 0, x, 0.1 * x);
///     y = exp(-x) + pow(x, 3) + max(x, z);
///
/// Operands of extent 1 are repeated. A constant beside a variable becomes a part of the functor,
/// and on a device of its kernel: a value that changes from step to step is a
/// `tape.constant(value)`. Kinks are those of pointwise/dual.hpp.
#ifndef CHAINRULE_AUTODIFF_OPERATORS_HPP
#define CHAINRULE_AUTODIFF_OPERATORS_HPP

#include "chainrule/autodiff/recording.hpp"

namespace chainrule {

namespace detail {

/// x^c
struct fixed_power {
  static constexpr std::string_view name = "pow";
  double c;
  constexpr auto operator()(const auto& x) const { return math::pow(x, c); }
  constexpr auto derivative(const auto& x, const auto&) const {
    // x^0 is 1 at 0 too, and its derivative 0.
    return c * math::pow(x, c == 0 ? 1 : c - 1);
  }
};

// Comparisons, as 1 and 0.
// clang-format off
struct less { constexpr auto operator()(const auto& a, const auto& b) const { return math::where(a < b, 1, 0); } };
struct less_equal { constexpr auto operator()(const auto& a, const auto& b) const { return math::where(a <= b, 1, 0); } };
struct equal { constexpr auto operator()(const auto& a, const auto& b) const { return math::where(a == b, 1, 0); } };
struct unequal { constexpr auto operator()(const auto& a, const auto& b) const { return math::where(a != b, 1, 0); } };
// clang-format on

/// a where the mask is not 0, else b.
struct choose {
  static constexpr std::string_view name = "where";
  constexpr auto operator()(const auto& a, const auto& mask, const auto& b) const {
    return math::where(mask != 0, a, b);
  }
};
/// a where the mask is not 0, else b, of two constants.
struct choose_constants {
  double a;
  double b;
  constexpr auto operator()(const auto& mask) const { return math::where(mask != 0, a, b); }
};

/// f(a) for a functor of one operand; a constant is not recorded.
template <class F, backend B>
[[nodiscard]] variable<B> apply_to(const F& f, const variable<B>& a) {
  if (!a.is_constant()) return apply_on(a.graph(), f, a);
  return variable<B>(ops::evaluate<double>(f, a.constant_value()));
}

/// f(a, b) for a comparison: nothing is recorded.
template <class F, backend B>
[[nodiscard]] math::variable_mask<B> compare(const F& f, const variable<B>& a,
                                             const variable<B>& b) {
  if (a.is_constant() && b.is_constant()) {
    const auto x = math::plain<double>(a.constant_value());
    return {variable<B>(f(x, math::plain<double>(b.constant_value())))};
  }
  graph<B>& g = graph_of(a, b);
  const no_grad<B> silent(g);
  if (b.is_constant()) return {apply_on(g, with_right<F>{b.constant_value()}, a)};
  if (a.is_constant()) return {apply_on(g, with_left<F>{a.constant_value()}, b)};
  return {apply_on(g, f, a, b)};
}

}  // namespace detail

namespace math {

// With a constant of no tape, what is known to change nothing is not done: derivatives of functors
// are full of 0 and 1.

template <backend B>
variable<B> operator-(const variable<B>& a) {
  return chainrule::detail::apply_to(fn::negate{}, a);
}
template <backend B>
[[nodiscard]] variable<B> operator+(const variable<B>& a, const variable<B>& b) {
  if (b.is_constant()) return b.constant_value() == 0 ? a : a + b.constant_value();
  if (a.is_constant()) return b + a;
  return chainrule::detail::apply_on(chainrule::detail::graph_of(a, b), fn::plus{}, a, b);
}
template <backend B>
[[nodiscard]] variable<B> operator-(const variable<B>& a, const variable<B>& b) {
  if (b.is_constant()) return a + variable<B>(-b.constant_value());
  if (a.is_constant()) return a.constant_value() == 0 ? -b : a.constant_value() - b;
  return chainrule::detail::apply_on(chainrule::detail::graph_of(a, b), fn::minus{}, a, b);
}
template <backend B>
variable<B> operator*(const variable<B>& a, const variable<B>& b) {
  if (b.is_constant()) {
    const double c = b.constant_value();
    return c == 1 ? a : (c == 0 ? variable<B>(0) : a * c);
  }
  if (a.is_constant()) return b * a;
  return chainrule::detail::apply_on(chainrule::detail::graph_of(a, b), fn::multiplies{}, a, b);
}
template <backend B>
[[nodiscard]] variable<B> operator/(const variable<B>& a, const variable<B>& b) {
  if (b.is_constant()) return b.constant_value() == 1 ? a : a / b.constant_value();
  if (a.is_constant()) return a.constant_value() == 0 ? a : a.constant_value() / b;
  return chainrule::detail::apply_on(chainrule::detail::graph_of(a, b), fn::divides{}, a, b);
}

// A number that is written into a formula is applied as it stands: 0 * x has the shape of x.
template <backend B, constant C>
[[nodiscard]] variable<B> operator+(const variable<B>& a, C c) {
  return chainrule::detail::apply_to(
      chainrule::detail::with_right<fn::plus>{static_cast<double>(c)}, a);
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator+(C c, const variable<B>& a) {
  return a + c;
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator-(const variable<B>& a, C c) {
  return a + -static_cast<double>(c);
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator-(C c, const variable<B>& a) {
  return chainrule::detail::apply_to(
      chainrule::detail::with_left<fn::minus>{static_cast<double>(c)}, a);
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator*(const variable<B>& a, C c) {
  return chainrule::detail::apply_to(
      chainrule::detail::with_right<fn::multiplies>{static_cast<double>(c)}, a);
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator*(C c, const variable<B>& a) {
  return a * c;
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator/(const variable<B>& a, C c) {
  return chainrule::detail::apply_to(
      chainrule::detail::with_right<fn::divides>{static_cast<double>(c)}, a);
}
template <backend B, constant C>
[[nodiscard]] variable<B> operator/(C c, const variable<B>& a) {
  return chainrule::detail::apply_to(
      chainrule::detail::with_left<fn::divides>{static_cast<double>(c)}, a);
}

// Comparisons, with a variable or a constant on either side.
#define CHAINRULE_VARIABLE_COMPARISON(op, functor, a, b)                                   \
  template <backend B>                                                                     \
  [[nodiscard]] variable_mask<B> operator op(const variable<B>& x, const variable<B>& y) { \
    return chainrule::detail::compare(chainrule::detail::functor{}, a, b);                 \
  }                                                                                        \
  template <backend B, constant C>                                                         \
  [[nodiscard]] variable_mask<B> operator op(const variable<B>& x, C c) {                  \
    return x op variable<B>(c);                                                            \
  }                                                                                        \
  template <backend B, constant C>                                                         \
  [[nodiscard]] variable_mask<B> operator op(C c, const variable<B>& y) {                  \
    return variable<B>(c) op y;                                                            \
  }
CHAINRULE_VARIABLE_COMPARISON(<, less, x, y)
CHAINRULE_VARIABLE_COMPARISON(>, less, y, x)
CHAINRULE_VARIABLE_COMPARISON(<=, less_equal, x, y)
CHAINRULE_VARIABLE_COMPARISON(>=, less_equal, y, x)
CHAINRULE_VARIABLE_COMPARISON(==, equal, x, y)
CHAINRULE_VARIABLE_COMPARISON(!=, unequal, x, y)
#undef CHAINRULE_VARIABLE_COMPARISON

template <backend B>
[[nodiscard]] variable_mask<B> operator&(const variable_mask<B>& a, const variable_mask<B>& b) {
  return {a.holds * b.holds};
}
template <backend B>
[[nodiscard]] variable_mask<B> operator|(const variable_mask<B>& a, const variable_mask<B>& b) {
  return {max(a.holds, b.holds)};
}
template <backend B>
[[nodiscard]] variable_mask<B> operator!(const variable_mask<B>& a) {
  return {variable<B>(1) - a.holds};
}

/// What `where(mask, a, b)` does: a where the mask holds, else b; all three broadcast.
template <backend B>
[[nodiscard]] variable<B> select(const variable_mask<B>& mask, const variable<B>& a,
                                 const variable<B>& b) {
  namespace d = chainrule::detail;
  const variable<B>& m = mask.holds;
  if (m.is_constant()) return m.constant_value() != 0 ? a : b;
  if (a.is_constant() && b.is_constant())
    return d::apply_to(d::choose_constants{a.constant_value(), b.constant_value()}, m);
  auto& g = d::graph_of(m, a, b);
  if (b.is_constant()) return d::apply_on(g, d::with_right<d::choose>{b.constant_value()}, a, m);
  if (a.is_constant()) return d::apply_on(g, d::with_left<d::choose>{a.constant_value()}, m, b);
  return d::apply_on(g, d::choose{}, a, m, b);
}

/// The functions of one argument.
template <class Op, backend B>
[[nodiscard]] variable<B> evaluate(const Op& op, const variable<B>& x) {
  return chainrule::detail::apply_to(op, x);
}

/// The functions of two arguments.
template <class Op, backend B>
[[nodiscard]] variable<B> evaluate(const Op& op, const variable<B>& a, const variable<B>& b) {
  namespace d = chainrule::detail;
  if (b.is_constant()) {
    const double c = b.constant_value();
    if constexpr (std::same_as<Op, fn::pow>)
      return c == 2 ? d::apply_to(fn::sqr{}, a) : d::apply_to(d::fixed_power{c}, a);
    else
      return d::apply_to(d::with_right<Op>{c}, a);
  }
  if (a.is_constant()) {
    // Where max and min equal a constant, the derivative is that of the constant: see dual.hpp.
    if constexpr (std::same_as<Op, fn::max> || std::same_as<Op, fn::min>)
      return evaluate(op, b, a);
    else
      return d::apply_to(d::with_left<Op>{a.constant_value()}, b);
  }
  return d::apply_on(d::graph_of(a, b), op, a, b);
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_OPERATORS_HPP

/// \file
/// `dual<S>`: a value with its derivative; the chain rule, written once for all number types.
///
///     using chainrule::math::dual;
///     dual<double> x{2.0, 1.0};        // the variable: dx/dx = 1
///     auto y = x * x + sin(x);         // y.value = f(2), y.derivative = f'(2)
///
/// S is any number type: `dual<double>` is the reference, `dual<lane<float>>` runs on the CPU,
/// `dual<dual<double>>` gives second derivatives. The table of pointwise/functions.hpp has the
/// derivatives of all functions.
///
/// At kinks: the derivatives of max(x, c) and min(x, c) with a constant c are 0 where x = c, so
/// that of relu at 0 is 0; where a = b, max(a, b) and min(a, b) have the derivative of b; that of
/// |x| at 0 is 0.
#ifndef CHAINRULE_POINTWISE_DUAL_HPP
#define CHAINRULE_POINTWISE_DUAL_HPP

#include "chainrule/pointwise/functions.hpp"

namespace chainrule::math {

/// A number with the derivative of that number with respect to one variable.
template <number S>
struct dual {
  S value{};
  S derivative{};

  dual() = default;
  /// A value with its derivative.
  constexpr dual(const S& v, const S& s) : value(v), derivative(s) {}
  /// A constant: its derivative is 0.
  constexpr explicit dual(const S& v) : value(v), derivative(convert<S>(0)) {}
  /// A constant, converted to S: its derivative is 0.
  template <constant C>
  requires(!std::same_as<C, S>) constexpr explicit dual(C c)
      : value(convert<S>(c)), derivative(convert<S>(0)) {}

  /// Compile-time error for std::exp(x), which takes plain numbers only.
  template <class Plain>
  requires std::same_as<Plain, double>
  operator Plain() const { return refuse_plain_number<Plain>(); }  // NOLINT: implicit, to be found
};

template <class S>
inline constexpr bool is_number<dual<S>> = true;

template <abstract_number S>
struct common<dual<S>, S> {
  using type = dual<S>;
};
template <abstract_number S>
struct common<S, dual<S>> {
  using type = dual<S>;
};

/// Operands that a dual combines with: constants, and numbers of type S.
template <class C, class S>
concept beside_dual = constant<C> || std::same_as<C, S>;

template <class S>
constexpr dual<S> operator-(const dual<S>& a) {
  return {-a.value, -a.derivative};
}
template <class S>
constexpr dual<S> operator+(const dual<S>& a, const dual<S>& b) {
  return {a.value + b.value, a.derivative + b.derivative};
}
template <class S>
constexpr dual<S> operator-(const dual<S>& a, const dual<S>& b) {
  return {a.value - b.value, a.derivative - b.derivative};
}
template <class S>
constexpr dual<S> operator*(const dual<S>& a, const dual<S>& b) {
  return {a.value * b.value, a.derivative * b.value + a.value * b.derivative};
}
template <class S>
constexpr dual<S> operator/(const dual<S>& a, const dual<S>& b) {
  const S y = a.value / b.value;
  return {y, (a.derivative - y * b.derivative) / b.value};
}

}  // namespace chainrule::math

namespace chainrule::detail {

/// Rounds a constant to S if that is a plain scalar; other number types take constants as they are.
template <class S, class C>
constexpr auto round_to(const C& c) {
  if constexpr (std::floating_point<S>)
    return static_cast<S>(c);
  else
    return c;
}

template <class X>
concept is_dual = requires(X x) {
  x.derivative;
};
template <class A, class B>
concept dual_comparison = math::number<A> && math::number<B> &&(is_dual<A> || is_dual<B>);

/// The operand of a comparison with an Other: the value of a dual, or a constant rounded as above.
template <class Other, class X>
constexpr auto comparand(const X& x) {
  if constexpr (is_dual<X>)
    return x.value;
  else
    return round_to<decltype(Other::value)>(x);
}

}  // namespace chainrule::detail

namespace chainrule::math {

// Constant operands have the derivative 0, with which nothing is computed.
template <class S, beside_dual<S> C>
constexpr dual<S> operator+(const dual<S>& a, const C& c) {
  return {a.value + detail::round_to<S>(c), a.derivative};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator+(const C& c, const dual<S>& a) {
  return a + c;
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator-(const dual<S>& a, const C& c) {
  return {a.value - detail::round_to<S>(c), a.derivative};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator-(const C& c, const dual<S>& a) {
  return {detail::round_to<S>(c) - a.value, -a.derivative};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator*(const dual<S>& a, const C& c) {
  return {a.value * detail::round_to<S>(c), a.derivative * detail::round_to<S>(c)};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator*(const C& c, const dual<S>& a) {
  return a * c;
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator/(const dual<S>& a, const C& c) {
  return {a.value / detail::round_to<S>(c), a.derivative / detail::round_to<S>(c)};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator/(const C& c, const dual<S>& a) {
  const S y = detail::round_to<S>(c) / a.value;
  return {y, -y * a.derivative / a.value};
}

// Comparisons compare the values only.
#define CHAINRULE_DUAL_COMPARISON(op)                                             \
  template <class A, class B>                                                     \
  requires chainrule::detail::dual_comparison<A, B>                               \
  constexpr auto operator op(const A& a, const B& b) {                            \
    return chainrule::detail::verdict(chainrule::detail::comparand<B>(a)          \
                                          op chainrule::detail::comparand<A>(b)); \
  }
CHAINRULE_DUAL_COMPARISON(<)
CHAINRULE_DUAL_COMPARISON(>)
CHAINRULE_DUAL_COMPARISON(<=)
CHAINRULE_DUAL_COMPARISON(>=)
CHAINRULE_DUAL_COMPARISON(==)
CHAINRULE_DUAL_COMPARISON(!=)
#undef CHAINRULE_DUAL_COMPARISON

template <class Mask, class S>
constexpr dual<S> select(const Mask& mask, const dual<S>& a, const dual<S>& b) {
  return {where(mask, a.value, b.value), where(mask, a.derivative, b.derivative)};
}

/// The chain rule for one argument.
template <class Op, class S>
constexpr dual<S> evaluate(const Op& op, const dual<S>& x) {
  const S y = convert<S>(op(x.value));
  if constexpr (requires { Op::derivative_from_output(y); })
    return {y, convert<S>(Op::derivative_from_output(y)) * x.derivative};
  else
    return {y, convert<S>(Op::derivative(x.value, y)) * x.derivative};
}

/// The chain rule for two arguments.
template <class Op, class S>
constexpr dual<S> evaluate(const Op& op, const dual<S>& a, const dual<S>& b) {
  const S y = convert<S>(op(a.value, b.value));
  return {y, convert<S>(Op::differential(a.value, b.value, y, a.derivative, b.derivative))};
}

}  // namespace chainrule::math

namespace chainrule {
using math::dual;
}

#endif  // CHAINRULE_POINTWISE_DUAL_HPP

/// \file
/// `dual<S>`: a value and its derivative, carried together. The chain rule, written once.
///
///     using chainrule::math::dual;
///     dual<double> x{2.0, 1.0};        // the variable: dx/dx = 1
///     auto y = x * x + sin(x);         // y.value = f(2), y.slope = f'(2)
///
/// S is any number type: `dual<double>` is the oracle, `dual<lane<float>>` what the CPU runs,
/// `dual<dual<double>>` gives second derivatives. The rules of all functions stand at the end of
/// this file, on one screen.
///
/// At kinks: the derivative of max(x, c) and min(x, c) with a constant c is 0 where x = c, so that
/// of relu at 0 is 0; where two variables tie in max(a, b), all of it goes to b; that of |x| at 0
/// is 0.
#ifndef CHAINRULE_POINTWISE_DUAL_HPP
#define CHAINRULE_POINTWISE_DUAL_HPP

#include "chainrule/pointwise/functions.hpp"

namespace chainrule::math {

/// A number with the derivative of that number with respect to one variable.
template <number S>
struct dual {
  S value{};
  S slope{};

  dual() = default;
  constexpr dual(const S& v, const S& s) : value(v), slope(s) {}
  /// A constant: slope 0.
  constexpr explicit dual(const S& v) : value(v), slope(convert<S>(0)) {}
  template <constant C>
  requires(!std::same_as<C, S>) constexpr explicit dual(C c)
      : value(convert<S>(c)), slope(convert<S>(0)) {}

  /// Not a plain number, which std::exp(x) would take.
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

/// What a dual may be combined with: constants, and the number it is made of.
template <class C, class S>
concept beside_dual = constant<C> || std::same_as<C, S>;

template <class S>
constexpr dual<S> operator-(const dual<S>& a) {
  return {-a.value, -a.slope};
}
template <class S>
constexpr dual<S> operator+(const dual<S>& a, const dual<S>& b) {
  return {a.value + b.value, a.slope + b.slope};
}
template <class S>
constexpr dual<S> operator-(const dual<S>& a, const dual<S>& b) {
  return {a.value - b.value, a.slope - b.slope};
}
template <class S>
constexpr dual<S> operator*(const dual<S>& a, const dual<S>& b) {
  return {a.value * b.value, a.slope * b.value + a.value * b.slope};
}
template <class S>
constexpr dual<S> operator/(const dual<S>& a, const dual<S>& b) {
  const S y = a.value / b.value;
  return {y, (a.slope - y * b.slope) / b.value};
}

namespace detail {
/// A constant beside a plain scalar is rounded to it; beside other numbers it stays a constant.
template <class S, beside_dual<S> C>
constexpr auto round_to(const C& c) {
  if constexpr (std::floating_point<S>)
    return static_cast<S>(c);
  else
    return c;
}
}  // namespace detail

// With a constant on one side: no arithmetic on a slope that is known to be 0.
template <class S, beside_dual<S> C>
constexpr dual<S> operator+(const dual<S>& a, const C& c) {
  return {a.value + detail::round_to<S>(c), a.slope};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator+(const C& c, const dual<S>& a) {
  return a + c;
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator-(const dual<S>& a, const C& c) {
  return {a.value - detail::round_to<S>(c), a.slope};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator-(const C& c, const dual<S>& a) {
  return {detail::round_to<S>(c) - a.value, -a.slope};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator*(const dual<S>& a, const C& c) {
  return {a.value * detail::round_to<S>(c), a.slope * detail::round_to<S>(c)};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator*(const C& c, const dual<S>& a) {
  return a * c;
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator/(const dual<S>& a, const C& c) {
  return {a.value / detail::round_to<S>(c), a.slope / detail::round_to<S>(c)};
}
template <class S, beside_dual<S> C>
constexpr dual<S> operator/(const C& c, const dual<S>& a) {
  const S y = detail::round_to<S>(c) / a.value;
  return {y, -y * a.slope / a.value};
}

template <class S, class B>
constexpr dual<S>& operator+=(dual<S>& a, const B& b) {
  return a = a + b;
}
template <class S, class B>
constexpr dual<S>& operator-=(dual<S>& a, const B& b) {
  return a = a - b;
}
template <class S, class B>
constexpr dual<S>& operator*=(dual<S>& a, const B& b) {
  return a = a * b;
}
template <class S, class B>
constexpr dual<S>& operator/=(dual<S>& a, const B& b) {
  return a = a / b;
}

namespace detail {
/// What takes part in a comparison with an Other: the value of a dual, a constant rounded as above.
template <class Other, class X>
constexpr auto comparand(const X& x) {
  if constexpr (requires { x.slope; })
    return x.value;
  else
    return round_to<decltype(Other::value)>(x);
}
/// A bool as a truth value that & and | join; masks do that themselves.
template <class Result>
constexpr auto verdict(const Result& result) {
  if constexpr (std::same_as<Result, bool>)
    return truth{result};
  else
    return result;
}
template <class A, class B>
concept dual_comparison = number<A> && number<B> &&(
    requires(A a) { a.slope; } || requires(B b) { b.slope; });
}  // namespace detail

// Comparisons look at the values only.
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator<(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) < detail::comparand<A>(b));
}
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator>(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) > detail::comparand<A>(b));
}
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator<=(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) <= detail::comparand<A>(b));
}
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator>=(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) >= detail::comparand<A>(b));
}
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator==(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) == detail::comparand<A>(b));
}
template <class A, class B>
requires detail::dual_comparison<A, B>
constexpr auto operator!=(const A& a, const B& b) {
  return detail::verdict(detail::comparand<B>(a) != detail::comparand<A>(b));
}

template <class Mask, class S>
constexpr dual<S> select(const Mask& mask, const dual<S>& a, const dual<S>& b) {
  return {where(mask, a.value, b.value), where(mask, a.slope, b.slope)};
}

// max and min with a constant: where they meet, the constant wins (and so the derivative is 0).
template <class S, beside_dual<S> C>
constexpr dual<S> max(const dual<S>& a, const C& c) {
  const auto limit = detail::round_to<S>(c);
  return {convert<S>(max(a.value, limit)), convert<S>(where(a.value > limit, a.slope, 0))};
}
template <class S, beside_dual<S> C>
constexpr dual<S> max(const C& c, const dual<S>& a) {
  return max(a, c);
}
template <class S, beside_dual<S> C>
constexpr dual<S> min(const dual<S>& a, const C& c) {
  const auto limit = detail::round_to<S>(c);
  return {convert<S>(min(a.value, limit)), convert<S>(where(a.value < limit, a.slope, 0))};
}
template <class S, beside_dual<S> C>
constexpr dual<S> min(const C& c, const dual<S>& a) {
  return min(a, c);
}

namespace detail {
/// Whether x is 0 and, for a dual, does not vary either.
template <number X>
constexpr auto vanishes(const X& x) {
  if constexpr (requires { x.slope; })
    return vanishes(x.value) & vanishes(x.slope);
  else
    return verdict(x == 0);
}
}  // namespace detail

// ------------------------------------------------------------------ the rules of derivation
// rule(op, x, y) is the derivative of y = op(x) at x. Accurate forms are preferred to short ones.
// clang-format off
constexpr auto rule(fn::exp, const auto&, const auto& y) { return y; }
constexpr auto rule(fn::exp2, const auto&, const auto& y) { return y * 0.69314718055994530942; }
constexpr auto rule(fn::expm1, const auto& x, const auto&) { return exp(x); }
constexpr auto rule(fn::log, const auto& x, const auto&) { return 1 / x; }
constexpr auto rule(fn::log2, const auto& x, const auto&) { return 1.44269504088896340736 / x; }
constexpr auto rule(fn::log10, const auto& x, const auto&) { return 0.43429448190325182765 / x; }
constexpr auto rule(fn::log1p, const auto& x, const auto&) { return 1 / (1 + x); }
constexpr auto rule(fn::sqrt, const auto&, const auto& y) { return 0.5 / y; }
constexpr auto rule(fn::cbrt, const auto&, const auto& y) { return 1 / (3 * y * y); }
constexpr auto rule(fn::sin, const auto& x, const auto&) { return cos(x); }
constexpr auto rule(fn::cos, const auto& x, const auto&) { return -sin(x); }
constexpr auto rule(fn::tan, const auto&, const auto& y) { return 1 + y * y; }
constexpr auto rule(fn::asin, const auto& x, const auto&) { return 1 / sqrt((1 - x) * (1 + x)); }
constexpr auto rule(fn::acos, const auto& x, const auto&) { return -1 / sqrt((1 - x) * (1 + x)); }
constexpr auto rule(fn::atan, const auto& x, const auto&) { return 1 / (1 + x * x); }
constexpr auto rule(fn::sinh, const auto& x, const auto&) { return cosh(x); }
constexpr auto rule(fn::cosh, const auto& x, const auto&) { return sinh(x); }
constexpr auto rule(fn::tanh, const auto&, const auto& y) { return 1 - y * y; }
constexpr auto rule(fn::asinh, const auto& x, const auto&) { return 1 / sqrt(x * x + 1); }
constexpr auto rule(fn::acosh, const auto& x, const auto&) { return 1 / (sqrt(x - 1) * sqrt(x + 1)); }
constexpr auto rule(fn::atanh, const auto& x, const auto&) { return 1 / ((1 - x) * (1 + x)); }
constexpr auto rule(fn::erf, const auto& x, const auto&) { return 1.12837916709551257390 * exp(-(x * x)); }
constexpr auto rule(fn::erfc, const auto& x, const auto&) { return -1.12837916709551257390 * exp(-(x * x)); }
constexpr auto rule(fn::floor, const auto&, const auto&) { return 0; }
constexpr auto rule(fn::ceil, const auto&, const auto&) { return 0; }
constexpr auto rule(fn::trunc, const auto&, const auto&) { return 0; }
constexpr auto rule(fn::round, const auto&, const auto&) { return 0; }
constexpr auto rule(fn::abs, const auto& x, const auto&) { return sign(x); }
constexpr auto rule(fn::sign, const auto&, const auto&) { return 0; }
constexpr auto rule(fn::sqr, const auto& x, const auto&) { return 2 * x; }
constexpr auto rule(fn::inv, const auto&, const auto& y) { return -(y * y); }
constexpr auto rule(fn::inv_sqrt, const auto& x, const auto& y) { return -0.5 * y / x; }
constexpr auto rule(fn::sigmoid, const auto&, const auto& y) { return y * (1 - y); }
constexpr auto rule(fn::softplus, const auto& x, const auto&) { return sigmoid(x); }
constexpr auto rule(fn::relu, const auto&, const auto& y) { return where(y > 0, 1, 0); }

// rule(op, a, b, y, da, db) is the derivative of y = op(a, b) along (da, db).
constexpr auto rule(fn::pow, const auto& a, const auto& b, const auto& y, const auto& da, const auto& db) {
  // A term with a factor that is 0 throughout is 0, even if another factor is not finite (log of a
  // base that is not positive).
  using detail::vanishes;
  return where(vanishes(da) | vanishes(b), 0, b * pow(a, b - 1) * da) + where(vanishes(db) | vanishes(y), 0, y * log(a) * db);
}
constexpr auto rule(fn::atan2, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return (b * da - a * db) / (a * a + b * b);
}
constexpr auto rule(fn::fmod, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return da - trunc(a / b) * db;
}
constexpr auto rule(fn::fmin, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return where((a < b) | (b != b), da, db);
}
constexpr auto rule(fn::fmax, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return where((a > b) | (b != b), da, db);
}
constexpr auto rule(fn::copysign, const auto& a, const auto& b, const auto&, const auto& da, const auto&) {
  return da * sign(a) * copysign(1, b);
}
constexpr auto rule(fn::max, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return where((a > b) | (a != a), da, db);
}
constexpr auto rule(fn::min, const auto& a, const auto& b, const auto&, const auto& da, const auto& db) {
  return where((a < b) | (a != a), da, db);
}
// clang-format on

/// The chain rule for one argument.
template <class Op, class S>
constexpr dual<S> evaluate(const Op& op, const dual<S>& x) {
  const S y = convert<S>(op(x.value));
  return {y, convert<S>(rule(op, x.value, y)) * x.slope};
}

/// The chain rule for two arguments.
template <class Op, class S>
constexpr dual<S> evaluate(const Op& op, const dual<S>& a, const dual<S>& b) {
  const S y = convert<S>(op(a.value, b.value));
  return {y, convert<S>(rule(op, a.value, b.value, y, a.slope, b.slope))};
}

}  // namespace chainrule::math

namespace chainrule {
using math::dual;
}

#endif  // CHAINRULE_POINTWISE_DUAL_HPP

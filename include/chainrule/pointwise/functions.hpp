/// \file
/// The vocabulary as functions: what the body of a pointwise functor writes.
///
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///
/// For lanes, dual numbers and symbols they are found by argument-dependent lookup; a call with a
/// plain float is spelled `chainrule::math::exp(x)`.
#ifndef CHAINRULE_POINTWISE_FUNCTIONS_HPP
#define CHAINRULE_POINTWISE_FUNCTIONS_HPP

#include "chainrule/pointwise/functional.hpp"

namespace chainrule::math {

template <number X>
[[nodiscard]] constexpr auto exp(const X& x) {
  return fn::exp{}(x);
}
template <number X>
[[nodiscard]] constexpr auto exp2(const X& x) {
  return fn::exp2{}(x);
}
template <number X>
[[nodiscard]] constexpr auto expm1(const X& x) {
  return fn::expm1{}(x);
}
template <number X>
[[nodiscard]] constexpr auto log(const X& x) {
  return fn::log{}(x);
}
template <number X>
[[nodiscard]] constexpr auto log2(const X& x) {
  return fn::log2{}(x);
}
template <number X>
[[nodiscard]] constexpr auto log10(const X& x) {
  return fn::log10{}(x);
}
template <number X>
[[nodiscard]] constexpr auto log1p(const X& x) {
  return fn::log1p{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sqrt(const X& x) {
  return fn::sqrt{}(x);
}
template <number X>
[[nodiscard]] constexpr auto cbrt(const X& x) {
  return fn::cbrt{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sin(const X& x) {
  return fn::sin{}(x);
}
template <number X>
[[nodiscard]] constexpr auto cos(const X& x) {
  return fn::cos{}(x);
}
template <number X>
[[nodiscard]] constexpr auto tan(const X& x) {
  return fn::tan{}(x);
}
template <number X>
[[nodiscard]] constexpr auto asin(const X& x) {
  return fn::asin{}(x);
}
template <number X>
[[nodiscard]] constexpr auto acos(const X& x) {
  return fn::acos{}(x);
}
template <number X>
[[nodiscard]] constexpr auto atan(const X& x) {
  return fn::atan{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sinh(const X& x) {
  return fn::sinh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto cosh(const X& x) {
  return fn::cosh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto tanh(const X& x) {
  return fn::tanh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto asinh(const X& x) {
  return fn::asinh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto acosh(const X& x) {
  return fn::acosh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto atanh(const X& x) {
  return fn::atanh{}(x);
}
template <number X>
[[nodiscard]] constexpr auto erf(const X& x) {
  return fn::erf{}(x);
}
template <number X>
[[nodiscard]] constexpr auto erfc(const X& x) {
  return fn::erfc{}(x);
}
template <number X>
[[nodiscard]] constexpr auto floor(const X& x) {
  return fn::floor{}(x);
}
template <number X>
[[nodiscard]] constexpr auto ceil(const X& x) {
  return fn::ceil{}(x);
}
template <number X>
[[nodiscard]] constexpr auto trunc(const X& x) {
  return fn::trunc{}(x);
}
template <number X>
[[nodiscard]] constexpr auto round(const X& x) {
  return fn::round{}(x);
}
template <number X>
[[nodiscard]] constexpr auto abs(const X& x) {
  return fn::abs{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sign(const X& x) {
  return fn::sign{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sqr(const X& x) {
  return fn::sqr{}(x);
}
template <number X>
[[nodiscard]] constexpr auto inv(const X& x) {
  return fn::inv{}(x);
}
template <number X>
[[nodiscard]] constexpr auto inv_sqrt(const X& x) {
  return fn::inv_sqrt{}(x);
}
template <number X>
[[nodiscard]] constexpr auto sigmoid(const X& x) {
  return fn::sigmoid{}(x);
}
template <number X>
[[nodiscard]] constexpr auto softplus(const X& x) {
  return fn::softplus{}(x);
}
template <number X>
[[nodiscard]] constexpr auto relu(const X& x) {
  return fn::relu{}(x);
}
template <number A, number B>
[[nodiscard]] constexpr auto pow(const A& a, const B& b) {
  return fn::pow{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto atan2(const A& a, const B& b) {
  return fn::atan2{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto fmod(const A& a, const B& b) {
  return fn::fmod{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto fmin(const A& a, const B& b) {
  return fn::fmin{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto fmax(const A& a, const B& b) {
  return fn::fmax{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto copysign(const A& a, const B& b) {
  return fn::copysign{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto max(const A& a, const B& b) {
  return fn::max{}(a, b);
}
template <number A, number B>
[[nodiscard]] constexpr auto min(const A& a, const B& b) {
  return fn::min{}(a, b);
}
/// x limited to [low, high]; its derivative at the limits is 0.
template <number X>
[[nodiscard]] constexpr auto clamp(const X& x, double low, double high) {
  return min(max(x, low), high);
}

}  // namespace chainrule::math

#endif  // CHAINRULE_POINTWISE_FUNCTIONS_HPP

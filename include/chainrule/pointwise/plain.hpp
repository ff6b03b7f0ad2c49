/// \file
/// `plain<T>`: one float or double as a number type, so that a functor over it finds `exp`, `where`
/// and the others as it does over lanes, dual numbers and symbols.
///
///     const math::plain<double> y = silu{}(math::plain<double>{2.0});  // y.value
///
/// Scalar nodes of a graph are computed with it: a packet would cost more than one element.
#ifndef CHAINRULE_POINTWISE_PLAIN_HPP
#define CHAINRULE_POINTWISE_PLAIN_HPP

#include "chainrule/pointwise/functions.hpp"

namespace chainrule::math {

/// A number of type T.
template <std::floating_point T>
struct plain {
  T value{};

  plain() = default;
  /// The constant, rounded to T.
  template <constant C>
  constexpr plain(C c)  // NOLINT: implicit, so that operators take constants
      : value(static_cast<T>(c)) {}

  friend constexpr plain operator-(plain a) { return plain(-a.value); }
  friend constexpr plain operator+(plain a, plain b) { return plain(a.value + b.value); }
  friend constexpr plain operator-(plain a, plain b) { return plain(a.value - b.value); }
  friend constexpr plain operator*(plain a, plain b) { return plain(a.value * b.value); }
  friend constexpr plain operator/(plain a, plain b) { return plain(a.value / b.value); }
  friend constexpr plain& operator+=(plain& a, plain b) { return a = a + b; }
  friend constexpr plain& operator-=(plain& a, plain b) { return a = a - b; }
  friend constexpr plain& operator*=(plain& a, plain b) { return a = a * b; }
  friend constexpr plain& operator/=(plain& a, plain b) { return a = a / b; }
  friend constexpr truth operator<(plain a, plain b) { return {a.value < b.value}; }
  friend constexpr truth operator>(plain a, plain b) { return {a.value > b.value}; }
  friend constexpr truth operator<=(plain a, plain b) { return {a.value <= b.value}; }
  friend constexpr truth operator>=(plain a, plain b) { return {a.value >= b.value}; }
  friend constexpr truth operator==(plain a, plain b) { return {a.value == b.value}; }
  friend constexpr truth operator!=(plain a, plain b) { return {a.value != b.value}; }
};

template <class T>
inline constexpr bool is_number<plain<T>> = true;

template <class Op, class T>
constexpr plain<T> evaluate(const Op&, plain<T> x) {
  return plain<T>(Op::value(x.value));
}
template <class Op, class T>
constexpr plain<T> evaluate(const Op&, plain<T> a, plain<T> b) {
  return plain<T>(Op::value(a.value, b.value));
}

}  // namespace chainrule::math

#endif  // CHAINRULE_POINTWISE_PLAIN_HPP

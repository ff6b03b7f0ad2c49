/// \file
/// The number types over which pointwise functors are evaluated, and what they have in common.
///
/// A pointwise functor (an activation, a loss term, an optimizer rule) is one struct with one
/// generic `operator()`, which the library evaluates over different number types:
///
///     float, double   the reference value                        (here)
///     lane<T>         a SIMD packet, the CPU backend's unit      (backend/cpu/lane.hpp)
///     dual<S>         value and derivative, over any of these    (pointwise/dual.hpp)
///     symbol          the text of a kernel, for GPU backends     (pointwise/symbol.hpp)
///
/// A number type lives in `chainrule::math`, so that `exp(x)` finds the right function without a
/// using-directive; it specialises `is_number`, overloads the operators and `evaluate(op, x...)`.
///
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///
/// Functions are called by their plain names: exp(x), not std::exp(x), which takes only plain
/// numbers. A functor cannot branch on a value: write `where(x > 0, a, b)`, max, min, abs or clamp.
/// Constants are `double` (or int) and are rounded to the scalar of the other operand. See also
/// pointwise/functions.hpp (every function there is), pointwise/activations.hpp.
#ifndef CHAINRULE_POINTWISE_MATH_HPP
#define CHAINRULE_POINTWISE_MATH_HPP

#include <cmath>
#include <concepts>
#include <type_traits>

#include "chainrule/core/compiler.hpp"

namespace chainrule::math {

/// Specialised to true by lane, dual, symbol and variable.
template <class X>
inline constexpr bool is_number = false;

/// A plain arithmetic value: the reference number type, and the type of constants.
template <class X>
concept constant = std::is_arithmetic_v<X>;

/// A number type other than the plain ones.
template <class X>
concept abstract_number = is_number<std::remove_cvref_t<X>>;

/// An argument of the functions below.
template <class X>
concept number = constant<X> || abstract_number<X>;

/// The number type to which operands of types A and B are converted: that of the operand that is
/// not a constant; `dual<S>` for `dual<S>` and S.
template <class A, class B>
struct common;
template <class A, class B>
requires(constant<A>&& constant<B>) struct common<A, B> {
  /// The resulting type.
  using type = std::common_type_t<A, B>;
};
template <abstract_number A, constant B>
struct common<A, B> {
  using type = A;
};
template <constant A, abstract_number B>
struct common<A, B> {
  using type = B;
};
template <abstract_number A>
struct common<A, A> {
  using type = A;
};
/// The number type to which operands of types A and B are converted.
template <class A, class B>
using common_number = typename common<A, B>::type;

/// `x` as an X: the same number, a constant rounded to X's scalar, or a number lifted to a dual.
template <number X, number Y>
[[nodiscard]] constexpr X convert(const Y& x) {
  if constexpr (std::same_as<X, Y>)
    return x;
  else if constexpr (constant<X>)
    return static_cast<X>(x);
  else
    return X(x);
}

/// The result of comparing duals of plain numbers: a bool with & and |, like masks, without the
/// compiler's warning that && was meant.
struct truth {
  /// Whether the comparison holds.
  bool holds = false;
  /// Whether the comparison holds, for `if` and `?:`.
  constexpr operator bool() const { return holds; }  // NOLINT: implicit by design
  friend constexpr truth operator&(truth a, truth b) { return {a.holds && b.holds}; }
  friend constexpr truth operator|(truth a, truth b) { return {a.holds || b.holds}; }
};

/// a where the condition holds, b elsewhere; both are evaluated. The condition is the result of a
/// comparison: bool, or a mask with one truth value per lane.
template <class Condition, number A, number B>
[[nodiscard]] constexpr auto where(const Condition& condition, const A& a, const B& b) {
  // bool, or int, the result of | of two bools
  if constexpr (constant<Condition> || std::same_as<Condition, truth>) {
    using X = common_number<A, B>;
    return condition ? convert<X>(a) : convert<X>(b);
  } else if constexpr (constant<A> && constant<B>) {
    using X = typename Condition::number_type;
    return select(condition, convert<X>(a), convert<X>(b));
  } else {
    using X = common_number<A, B>;
    return select(condition, convert<X>(a), convert<X>(b));
  }
}

// Compound assignment for every number type.
#define CHAINRULE_ASSIGNMENT(op)                  \
  template <abstract_number A, class B>           \
  constexpr A& operator op##=(A& a, const B& b) { \
    return a = a op b;                            \
  }
CHAINRULE_ASSIGNMENT(+)
CHAINRULE_ASSIGNMENT(-)
CHAINRULE_ASSIGNMENT(*)
CHAINRULE_ASSIGNMENT(/)
#undef CHAINRULE_ASSIGNMENT

/// The conversion of masks to bool: a compile-time error.
template <class Bool>
bool refuse_to_branch() {
  static_assert(!std::same_as<Bool, bool>,
                "chainrule: a pointwise functor cannot branch on a value (if, ?:, &&, ||); write "
                "where(condition, a, b), max, min, abs or clamp, and join conditions with & or |");
  return false;
}

/// The conversion of numbers to plain ones, which std::exp(x) and functors of doubles require: a
/// compile-time error.
template <class Plain>
Plain refuse_plain_number() {
  static_assert(!std::same_as<Plain, double>,
                "chainrule: a pointwise functor takes numbers of any type; write auto "
                "operator()(auto x) const, and functions by their plain names: write exp(x), not "
                "std::exp(x)");
  return Plain{};
}

/// An operation of one argument: `Op::value` of a constant, `evaluate` of any other number type.
template <class Op>
struct unary {
  template <number X>
  [[nodiscard]] constexpr auto operator()(const X& x) const {
    if constexpr (std::floating_point<X>)
      return Op::value(x);
    else if constexpr (constant<X>)
      return Op::value(static_cast<double>(x));
    else
      return evaluate(static_cast<const Op&>(*this), x);
  }
};

/// An operation of one argument whose `Op::value` is one expression for every number type.
template <class Op>
struct composite : unary<Op> {};

/// An operation of two arguments, which are converted to their common number type.
template <class Op>
struct binary {
  template <number A, number B>
  [[nodiscard]] constexpr auto operator()(const A& a, const B& b) const {
    using X = common_number<A, B>;
    if constexpr (std::floating_point<X>)
      return Op::value(static_cast<X>(a), static_cast<X>(b));
    else if constexpr (constant<X>)
      return Op::value(static_cast<double>(a), static_cast<double>(b));
    else
      return evaluate(static_cast<const Op&>(*this), convert<X>(a), convert<X>(b));
  }
};

}  // namespace chainrule::math

#endif  // CHAINRULE_POINTWISE_MATH_HPP

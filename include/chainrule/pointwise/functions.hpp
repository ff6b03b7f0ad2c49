/// \file
/// The vocabulary: every function of numbers, each a row of one table.
///
/// A row gives the functor `fn::exp{}`, which verbs and layers take, and the function `exp(x)`,
/// which the body of a functor calls. Both take every number type and have a derivative.
///
///     be.map(fn::exp{}, a, a);            // in place
///     be.map(fn::multiplies{}, c, a, b);  // element by element: Hadamard's product
///     dense{128, fn::tanh{}}
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///
/// Lanes, dual numbers, symbols and variables find the functions by argument-dependent lookup; a
/// call with a plain float is spelled `chainrule::math::exp(x)`. See also pointwise/math.hpp (the
/// number types), pointwise/dual.hpp (how derivatives are used).
#ifndef CHAINRULE_POINTWISE_FUNCTIONS_HPP
#define CHAINRULE_POINTWISE_FUNCTIONS_HPP

#include <cmath>
#include <string_view>

#include "chainrule/pointwise/math.hpp"

namespace chainrule::detail {

/// Converts bool to math::truth, which has & and |; masks have them already.
template <class Result>
constexpr auto verdict(const Result& result) {
  if constexpr (std::same_as<Result, bool>)
    return math::truth{result};
  else
    return result;
}

/// Whether x is 0 and, for a dual, its derivative is 0 as well.
template <math::number X>
constexpr auto vanishes(const X& x) {
  if constexpr (requires { x.derivative; })
    return vanishes(x.value) & vanishes(x.derivative);
  else
    return verdict(x == 0);
}

/// 1 / (1 + e^-x) from t = e^-|x|, without overflow, and accurate where the result is small.
template <math::number X>
constexpr auto logistic(const X& x, const X& t) {
  return math::where(x < 0, t, 1) / (1 + t);
}

}  // namespace chainrule::detail

// clang-format off

// f(kind, name, value, of, derivative). A `unary` function has the value for plain numbers, and its
// name is C's name in kernels; a `composite` one is one expression for every number type. The
// derivative is an expression of the output y where `of` is of_y, so that layers need to save the
// output only, and of the argument x where it is of_x. Accurate forms are preferred to short ones.
#define CHAINRULE_FUNCTIONS(f)                                                                     \
  f(unary, exp, std::exp(x), of_y, y)                                                              \
  f(unary, exp2, std::exp2(x), of_y, y * 0.69314718055994530942)                                   \
  f(unary, expm1, std::expm1(x), of_x, math::exp(x))          /* e^x - 1, accurate near 0 */       \
  f(unary, log, std::log(x), of_x, 1 / x)                                                          \
  f(unary, log2, std::log2(x), of_x, 1.44269504088896340736 / x)                                   \
  f(unary, log10, std::log10(x), of_x, 0.43429448190325182765 / x)                                 \
  f(unary, log1p, std::log1p(x), of_x, 1 / (1 + x))           /* log(1 + x), accurate near 0 */    \
  f(unary, sqrt, std::sqrt(x), of_y, 0.5 / y)                                                      \
  f(unary, cbrt, std::cbrt(x), of_y, 1 / (3 * y * y))                                              \
  f(unary, sin, std::sin(x), of_x, math::cos(x))              /* angles are in radians */          \
  f(unary, cos, std::cos(x), of_x, -math::sin(x))                                                  \
  f(unary, tan, std::tan(x), of_y, 1 + y * y)                                                      \
  f(unary, asin, std::asin(x), of_x, 1 / math::sqrt((1 - x) * (1 + x)))                            \
  f(unary, acos, std::acos(x), of_x, -1 / math::sqrt((1 - x) * (1 + x)))                           \
  f(unary, atan, std::atan(x), of_x, 1 / (1 + x * x))                                              \
  f(unary, sinh, std::sinh(x), of_x, math::cosh(x))                                                \
  f(unary, cosh, std::cosh(x), of_x, math::sinh(x))                                                \
  f(unary, tanh, std::tanh(x), of_y, 1 - y * y)                                                    \
  f(unary, asinh, std::asinh(x), of_x, 1 / math::sqrt(x * x + 1))                                  \
  f(unary, acosh, std::acosh(x), of_x, 1 / (math::sqrt(x - 1) * math::sqrt(x + 1)))                \
  f(unary, atanh, std::atanh(x), of_x, 1 / ((1 - x) * (1 + x)))                                    \
  f(unary, erf, std::erf(x), of_x, 1.12837916709551257390 * math::exp(-(x * x)))                   \
  f(unary, erfc, std::erfc(x), of_x, -1.12837916709551257390 * math::exp(-(x * x)))                \
  f(unary, floor, std::floor(x), of_y, 0)                                                          \
  f(unary, ceil, std::ceil(x), of_y, 0)                                                            \
  f(unary, trunc, std::trunc(x), of_y, 0)                     /* x without its fraction */         \
  f(unary, round, std::round(x), of_y, 0)                     /* halves away from 0 */             \
  f(unary, abs, std::abs(x), of_x, math::sign(x))                                                  \
  f(unary, sign, x > 0 ? X(1) : (x < 0 ? X(-1) : x), of_y, 0)  /* -1, 0 or 1, NaN for NaN */       \
  f(composite, sqr, x * x, of_x, 2 * x)                                                            \
  f(composite, inv, 1 / x, of_y, -(y * y))                                                         \
  f(composite, inv_sqrt, 1 / math::sqrt(x), of_y, -0.5 * y * y * y)                                \
  f(composite, sigmoid, detail::logistic(x, math::convert<X>(math::exp(-math::abs(x)))), of_y,     \
    y * (1 - y))                                              /* 1 / (1 + e^-x) */                 \
  f(composite, softplus, math::max(x, 0) + math::log1p(math::exp(-math::abs(x))), of_y,            \
    -math::expm1(-y))                                        /* log(1 + e^x) */

// f(kind, name, value, differential): the differential of y = f(a, b) is for the changes da, db of
// the arguments. Of a power, a term with a factor that is 0 throughout is 0, even if another factor
// is not finite (the logarithm of a base that is not positive). max and min are NaN if an argument
// is; where their arguments are equal, the differential is that of b.
#define CHAINRULE_FUNCTIONS_OF_TWO(f)                                                              \
  f(binary, pow, std::pow(a, b),                                                                   \
    math::where(detail::vanishes(da) | detail::vanishes(b), 0, b * math::pow(a, b - 1) * da) +     \
        math::where(detail::vanishes(db) | detail::vanishes(y), 0, y * math::log(a) * db))         \
  f(binary, atan2, std::atan2(a, b),                          /* the angle of the point (b, a) */  \
    (b * da - a * db) / (a * a + b * b))                                                           \
  f(binary, fmod, std::fmod(a, b),                            /* has the sign of a */              \
    da - math::trunc(a / b) * db)                                                                  \
  f(binary, max, a > b || a != a ? a : b, math::where((a > b) | (a != a), da, db))                 \
  f(binary, min, a < b || a != a ? a : b, math::where((a < b) | (a != a), da, db))

namespace chainrule::math {
// Derivatives call functions of other rows, so all are declared first.
#define CHAINRULE_DECLARE(kind, name, ...)                                                         \
  template <number X> [[nodiscard]] constexpr auto name(const X& x);
#define CHAINRULE_DECLARE_OF_TWO(kind, name, ...)                                                  \
  template <number A, number B> [[nodiscard]] constexpr auto name(const A& a, const B& b);
CHAINRULE_FUNCTIONS(CHAINRULE_DECLARE)
CHAINRULE_FUNCTIONS_OF_TWO(CHAINRULE_DECLARE_OF_TWO)
#undef CHAINRULE_DECLARE
#undef CHAINRULE_DECLARE_OF_TWO
}  // namespace chainrule::math

namespace chainrule::fn {
#define CHAINRULE_DERIVATIVE_of_y derivative_from_output([[maybe_unused]] const X& y)
#define CHAINRULE_DERIVATIVE_of_x derivative(const X& x, const X&)
#define CHAINRULE_FUNCTOR(kind, function, expression, of, slope)                                   \
  struct function : math::kind<function> {                                                         \
    static constexpr std::string_view name = #function;                                            \
    template <class X> static constexpr X value(const X& x) {                                      \
      return math::convert<X>(expression);                                                         \
    }                                                                                              \
    template <class X> static constexpr auto CHAINRULE_DERIVATIVE_##of { return slope; }           \
  };
#define CHAINRULE_FUNCTOR_OF_TWO(kind, function, expression, change)                               \
  struct function : math::kind<function> {                                                         \
    static constexpr std::string_view name = #function;                                            \
    template <class X> static constexpr X value(const X& a, const X& b) { return expression; }     \
    template <class X> static constexpr auto differential(                                         \
        [[maybe_unused]] const X& a, [[maybe_unused]] const X& b, [[maybe_unused]] const X& y,     \
        const X& da, const X& db) {                                                                \
      return change;                                                                               \
    }                                                                                              \
  };
CHAINRULE_FUNCTIONS(CHAINRULE_FUNCTOR)
CHAINRULE_FUNCTIONS_OF_TWO(CHAINRULE_FUNCTOR_OF_TWO)
#undef CHAINRULE_FUNCTOR
#undef CHAINRULE_FUNCTOR_OF_TWO
#undef CHAINRULE_DERIVATIVE_of_x
#undef CHAINRULE_DERIVATIVE_of_y
}  // namespace chainrule::fn

namespace chainrule::math {
#define CHAINRULE_DEFINE(kind, name, ...)                                                          \
  template <number X> constexpr auto name(const X& x) { return fn::name{}(x); }
#define CHAINRULE_DEFINE_OF_TWO(kind, name, ...)                                                   \
  template <number A, number B> constexpr auto name(const A& a, const B& b) {                      \
    return fn::name{}(a, b);                                                                       \
  }
CHAINRULE_FUNCTIONS(CHAINRULE_DEFINE)
CHAINRULE_FUNCTIONS_OF_TWO(CHAINRULE_DEFINE_OF_TWO)
#undef CHAINRULE_DEFINE
#undef CHAINRULE_DEFINE_OF_TWO
#undef CHAINRULE_FUNCTIONS
#undef CHAINRULE_FUNCTIONS_OF_TWO
// clang-format on

// Where a number equals a constant limit, the derivative of max and min is that of the limit, 0, on
// whichever side the limit stands.
/// The larger of a constant and x, as max(x, limit).
template <constant C, abstract_number X>
[[nodiscard]] constexpr auto max(const C& limit, const X& x) {
  return fn::max{}(x, limit);
}
/// The smaller of a constant and x, as min(x, limit).
template <constant C, abstract_number X>
[[nodiscard]] constexpr auto min(const C& limit, const X& x) {
  return fn::min{}(x, limit);
}
/// x limited to [low, high]; its derivative at the limits is 0.
template <number X>
[[nodiscard]] constexpr auto clamp(const X& x, double low, double high) {
  return min(max(x, low), high);
}

}  // namespace chainrule::math

// Functors of arithmetic.
namespace chainrule::fn {

/// x
struct identity {
  static constexpr std::string_view name = "identity";
  constexpr auto operator()(const auto& x) const { return x; }
  static constexpr auto derivative_from_output(const auto&) { return 1; }
};

/// a + b
struct plus {
  constexpr auto operator()(const auto& a, const auto& b) const { return a + b; }
};

/// a - b
struct minus {
  constexpr auto operator()(const auto& a, const auto& b) const { return a - b; }
};

/// a * b: Hadamard's product
struct multiplies {
  constexpr auto operator()(const auto& a, const auto& b) const { return a * b; }
};

/// a / b
struct divides {
  constexpr auto operator()(const auto& a, const auto& b) const { return a / b; }
};

/// -x
struct negate {
  constexpr auto operator()(const auto& x) const { return -x; }
};

/// The same value everywhere: `map(fn::fill{0}, a)`.
struct fill {
  double value = 0;
  constexpr auto operator()() const { return value; }
};

/// scale x + shift
struct affine {
  /// Factor of x.
  double scale = 1;
  /// Added to the scaled x.
  double shift = 0;
  constexpr auto operator()(const auto& x) const { return scale * x + shift; }
};

}  // namespace chainrule::fn

#endif  // CHAINRULE_POINTWISE_FUNCTIONS_HPP

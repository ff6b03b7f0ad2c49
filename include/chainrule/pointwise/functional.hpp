/// \file
/// The vocabulary: every function of numbers, as a functor for `map` and as a function for
/// functors.
///
/// `fn::exp{}` is what a verb takes; `exp(x)` (found by argument-dependent lookup, or spelled
/// `chainrule::math::exp(x)` for plain floats) is what a functor's body writes. Both work over
/// every number type, and both have a derivative (pointwise/dual.hpp).
///
///     be.map(fn::multiplies{}, c, a, b);  // Hadamard's product of two matrices
///     be.map(fn::exp{}, a, a);            // in place
///
/// See also pointwise/math.hpp (the number types), pointwise/functions.hpp (the functions).
#ifndef CHAINRULE_POINTWISE_FUNCTIONAL_HPP
#define CHAINRULE_POINTWISE_FUNCTIONAL_HPP

#include <cmath>

#include "chainrule/pointwise/math.hpp"

namespace chainrule::fn {

// Functions of the scalar's mathematical library. `name` is C's name for the function.

/// e^x
struct exp : math::unary<exp> {
  static constexpr const char* name = "exp";
  template <class T>
  static T value(T x) {
    return std::exp(x);
  }
};

/// 2^x
struct exp2 : math::unary<exp2> {
  static constexpr const char* name = "exp2";
  template <class T>
  static T value(T x) {
    return std::exp2(x);
  }
};

/// e^x - 1, accurate near 0
struct expm1 : math::unary<expm1> {
  static constexpr const char* name = "expm1";
  template <class T>
  static T value(T x) {
    return std::expm1(x);
  }
};

/// natural logarithm
struct log : math::unary<log> {
  static constexpr const char* name = "log";
  template <class T>
  static T value(T x) {
    return std::log(x);
  }
};

/// logarithm to base 2
struct log2 : math::unary<log2> {
  static constexpr const char* name = "log2";
  template <class T>
  static T value(T x) {
    return std::log2(x);
  }
};

/// logarithm to base 10
struct log10 : math::unary<log10> {
  static constexpr const char* name = "log10";
  template <class T>
  static T value(T x) {
    return std::log10(x);
  }
};

/// log(1 + x), accurate near 0
struct log1p : math::unary<log1p> {
  static constexpr const char* name = "log1p";
  template <class T>
  static T value(T x) {
    return std::log1p(x);
  }
};

/// square root
struct sqrt : math::unary<sqrt> {
  static constexpr const char* name = "sqrt";
  template <class T>
  static T value(T x) {
    return std::sqrt(x);
  }
};

/// cube root
struct cbrt : math::unary<cbrt> {
  static constexpr const char* name = "cbrt";
  template <class T>
  static T value(T x) {
    return std::cbrt(x);
  }
};

/// sine, radians
struct sin : math::unary<sin> {
  static constexpr const char* name = "sin";
  template <class T>
  static T value(T x) {
    return std::sin(x);
  }
};

/// cosine, radians
struct cos : math::unary<cos> {
  static constexpr const char* name = "cos";
  template <class T>
  static T value(T x) {
    return std::cos(x);
  }
};

/// tangent, radians
struct tan : math::unary<tan> {
  static constexpr const char* name = "tan";
  template <class T>
  static T value(T x) {
    return std::tan(x);
  }
};

/// inverse sine
struct asin : math::unary<asin> {
  static constexpr const char* name = "asin";
  template <class T>
  static T value(T x) {
    return std::asin(x);
  }
};

/// inverse cosine
struct acos : math::unary<acos> {
  static constexpr const char* name = "acos";
  template <class T>
  static T value(T x) {
    return std::acos(x);
  }
};

/// inverse tangent
struct atan : math::unary<atan> {
  static constexpr const char* name = "atan";
  template <class T>
  static T value(T x) {
    return std::atan(x);
  }
};

/// hyperbolic sine
struct sinh : math::unary<sinh> {
  static constexpr const char* name = "sinh";
  template <class T>
  static T value(T x) {
    return std::sinh(x);
  }
};

/// hyperbolic cosine
struct cosh : math::unary<cosh> {
  static constexpr const char* name = "cosh";
  template <class T>
  static T value(T x) {
    return std::cosh(x);
  }
};

/// hyperbolic tangent
struct tanh : math::unary<tanh> {
  static constexpr const char* name = "tanh";
  template <class T>
  static T value(T x) {
    return std::tanh(x);
  }
};

/// inverse hyperbolic sine
struct asinh : math::unary<asinh> {
  static constexpr const char* name = "asinh";
  template <class T>
  static T value(T x) {
    return std::asinh(x);
  }
};

/// inverse hyperbolic cosine
struct acosh : math::unary<acosh> {
  static constexpr const char* name = "acosh";
  template <class T>
  static T value(T x) {
    return std::acosh(x);
  }
};

/// inverse hyperbolic tangent
struct atanh : math::unary<atanh> {
  static constexpr const char* name = "atanh";
  template <class T>
  static T value(T x) {
    return std::atanh(x);
  }
};

/// error function
struct erf : math::unary<erf> {
  static constexpr const char* name = "erf";
  template <class T>
  static T value(T x) {
    return std::erf(x);
  }
};

/// 1 - erf(x), accurate for large x
struct erfc : math::unary<erfc> {
  static constexpr const char* name = "erfc";
  template <class T>
  static T value(T x) {
    return std::erfc(x);
  }
};

/// largest integer not above x
struct floor : math::unary<floor> {
  static constexpr const char* name = "floor";
  template <class T>
  static T value(T x) {
    return std::floor(x);
  }
};

/// smallest integer not below x
struct ceil : math::unary<ceil> {
  static constexpr const char* name = "ceil";
  template <class T>
  static T value(T x) {
    return std::ceil(x);
  }
};

/// x without its fraction
struct trunc : math::unary<trunc> {
  static constexpr const char* name = "trunc";
  template <class T>
  static T value(T x) {
    return std::trunc(x);
  }
};

/// nearest integer, halves away from 0
struct round : math::unary<round> {
  static constexpr const char* name = "round";
  template <class T>
  static T value(T x) {
    return std::round(x);
  }
};

/// |x|
struct abs : math::unary<abs> {
  static constexpr const char* name = "abs";
  template <class T>
  static T value(T x) {
    return std::abs(x);
  }
};

/// -1, 0 or 1 (NaN for NaN)
struct sign : math::unary<sign> {
  static constexpr const char* name = "sign";
  template <class T>
  static T value(T x) {
    return x > 0 ? T(1) : (x < 0 ? T(-1) : x);
  }
};

// Functions of two arguments.

/// a^b
struct pow : math::binary<pow> {
  static constexpr const char* name = "pow";
  template <class T>
  static T value(T a, T b) {
    return std::pow(a, b);
  }
};

/// angle of the point (b, a)
struct atan2 : math::binary<atan2> {
  static constexpr const char* name = "atan2";
  template <class T>
  static T value(T a, T b) {
    return std::atan2(a, b);
  }
};

/// remainder of a / b with the sign of a
struct fmod : math::binary<fmod> {
  static constexpr const char* name = "fmod";
  template <class T>
  static T value(T a, T b) {
    return std::fmod(a, b);
  }
};

/// the smaller; a NaN loses against a number, as in C
struct fmin : math::binary<fmin> {
  static constexpr const char* name = "fmin";
  template <class T>
  static T value(T a, T b) {
    return std::fmin(a, b);
  }
};

/// the larger; a NaN loses against a number, as in C
struct fmax : math::binary<fmax> {
  static constexpr const char* name = "fmax";
  template <class T>
  static T value(T a, T b) {
    return std::fmax(a, b);
  }
};

/// |a| with the sign of b
struct copysign : math::binary<copysign> {
  static constexpr const char* name = "copysign";
  template <class T>
  static T value(T a, T b) {
    return std::copysign(a, b);
  }
};

/// the larger; NaN if one is NaN
struct max : math::binary<max> {
  static constexpr const char* name = "max";
  template <class T>
  static T value(T a, T b) {
    return a > b || a != a ? a : b;
  }
};

/// the smaller; NaN if one is NaN
struct min : math::binary<min> {
  static constexpr const char* name = "min";
  template <class T>
  static T value(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

// Composites: one expression for every number type. They are operations of their own (and not just
// functions) because their derivative is simpler, or smoother, than that of the expression.

/// x^2
struct sqr : math::composite<sqr> {
  template <class X>
  static constexpr X value(const X& x) {
    return math::convert<X>(x * x);
  }
};

/// 1 / x
struct inv : math::composite<inv> {
  template <class X>
  static constexpr X value(const X& x) {
    return math::convert<X>(1 / x);
  }
};

/// 1 / sqrt(x)
struct inv_sqrt : math::composite<inv_sqrt> {
  template <class X>
  static constexpr X value(const X& x) {
    return math::convert<X>(1 / fn::sqrt{}(x));
  }
};

/// 1 / (1 + e^-x), without overflow and without cancellation: where it is small it is e^x to the
/// last digits.
struct sigmoid : math::composite<sigmoid> {
  template <class X>
  static constexpr X value(const X& x) {
    const X t = fn::exp{}(-fn::abs{}(x));
    return math::convert<X>(math::where(x < 0, t, 1) / (1 + t));
  }
};

/// log(1 + e^x), without overflow
struct softplus : math::composite<softplus> {
  template <class X>
  static constexpr X value(const X& x) {
    return math::convert<X>(fn::max{}(x, 0) + fn::log1p{}(fn::exp{}(-fn::abs{}(x))));
  }
};

/// max(x, 0)
struct relu : math::composite<relu> {
  template <class X>
  static constexpr X value(const X& x) {
    return math::convert<X>(fn::max{}(x, 0));
  }
};

// Arithmetic, and what is built from it.

/// x
struct identity {
  constexpr auto operator()(const auto& x) const { return x; }
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

/// (scale_a a + shift_a) / (scale_b b + shift_b)
struct linear_frac {
  double scale_a = 1;
  double shift_a = 0;
  double scale_b = 1;
  double shift_b = 0;
  constexpr auto operator()(const auto& a, const auto& b) const {
    return (scale_a * a + shift_a) / (scale_b * b + shift_b);
  }
};

/// scale x + shift: the affine function of one argument.
struct affine {
  double scale = 1;
  double shift = 0;
  constexpr auto operator()(const auto& x) const { return scale * x + shift; }
};

/// x if x > 0, else alpha (e^x - 1). Source: D. Clevert et al., ICLR 2016, eq. 15.
struct elu {
  double alpha = 1;
  constexpr auto operator()(const auto& x) const {
    return math::where(x > 0, x, alpha * fn::expm1{}(fn::min{}(x, 0)));
  }
  // Stated because min(x, 0) has a kink at 0 where elu (with alpha 1) has none.
  constexpr auto derivative_from_output(const auto& y) const {
    return math::where(y > 0, 1, y + alpha);
  }
};

/// max(x, 0), the name that vector libraries use.
struct ramp : relu {};

}  // namespace chainrule::fn

#endif  // CHAINRULE_POINTWISE_FUNCTIONAL_HPP

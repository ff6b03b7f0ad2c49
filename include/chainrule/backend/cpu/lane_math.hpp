/// \file
/// The vocabulary over lanes: what cpu/lane.hpp includes.
///
/// All of it is vectors' work but atan2 and fmod, and of doubles pow, cbrt and log10: these call
/// the scalar function lane by lane, as do sin, cos and tan for the lanes in which |x| is above 1e5
/// (floats) or 1e6 (doubles), and, without wide vectors, the few that gain nothing there.
///
/// Each is within a few units in the last place over its whole range, denormal numbers, infinities
/// and NaN included (docs/activations.md states the bounds, tests/cpu checks them); expm1, log1p,
/// sin and tan of -0 are +0.
/// Nothing here needs a fused multiplication and addition to be precise, and gains where there is
/// one.
///
/// What networks use most is compiled into each kernel. The longer functions are compiled once for
/// each instruction set, and called.
#ifndef CHAINRULE_BACKEND_CPU_LANE_MATH_HPP
#define CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

#include <concepts>

#include "chainrule/backend/cpu/lane_error_function.hpp"
#include "chainrule/backend/cpu/lane_exponential.hpp"
#include "chainrule/backend/cpu/lane_logarithm.hpp"
#include "chainrule/backend/cpu/lane_power.hpp"
#include "chainrule/backend/cpu/lane_rounding.hpp"
#include "chainrule/backend/cpu/lane_scalar.hpp"
#include "chainrule/backend/cpu/lane_trigonometry.hpp"

namespace chainrule::math {

namespace lanes {
CHAINRULE_CPU_BEGIN

// long_function(op, x...): the functions that are called.
#define CHAINRULE_LONG_FUNCTION(T, name)                                                         \
  template <int Bytes, class... X>                                                               \
  [[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> long_function(fn::name, const lane<T, Bytes>& x, \
                                                              const X&... more) {                \
    return name(x, more...);                                                                     \
  }
CHAINRULE_LONG_FUNCTION(float, exp2)
CHAINRULE_LONG_FUNCTION(double, exp2)
CHAINRULE_LONG_FUNCTION(float, log2)
CHAINRULE_LONG_FUNCTION(double, log2)
CHAINRULE_LONG_FUNCTION(float, sinh)
CHAINRULE_LONG_FUNCTION(double, sinh)
CHAINRULE_LONG_FUNCTION(float, cosh)
CHAINRULE_LONG_FUNCTION(double, cosh)
CHAINRULE_LONG_FUNCTION(float, sin)
CHAINRULE_LONG_FUNCTION(double, sin)
CHAINRULE_LONG_FUNCTION(float, cos)
CHAINRULE_LONG_FUNCTION(double, cos)
CHAINRULE_LONG_FUNCTION(float, tan)
CHAINRULE_LONG_FUNCTION(double, tan)
CHAINRULE_LONG_FUNCTION(float, atan)
CHAINRULE_LONG_FUNCTION(double, atan)
CHAINRULE_LONG_FUNCTION(float, pow)
CHAINRULE_LONG_FUNCTION(float, cbrt)
CHAINRULE_LONG_FUNCTION(float, log10)
// A float takes these of doubles.
CHAINRULE_LONG_FUNCTION(double, erf)
CHAINRULE_LONG_FUNCTION(double, erfc)
CHAINRULE_LONG_FUNCTION(double, asin)
CHAINRULE_LONG_FUNCTION(double, acos)
CHAINRULE_LONG_FUNCTION(double, asinh)
CHAINRULE_LONG_FUNCTION(double, acosh)
CHAINRULE_LONG_FUNCTION(double, atanh)
#undef CHAINRULE_LONG_FUNCTION

template <class Op, class X>
concept has_long_function = requires(const X& x) {
  long_function(Op{}, x);
}
|| requires(const X& x) { long_function(Op{}, x, x); };

template <class Op, class T, int Bytes, class... X>
CHAINRULE_INLINE void apply_long(lane<T, Bytes>& y, const X&... x) {
  if constexpr (has_long_function<Op, lane<T, Bytes>>)
    y = long_function(Op{}, x...);
  else
    y = in_doubles(
        [](const auto&... d) __attribute__((always_inline)) { return long_function(Op{}, d...); },
        x...);
}

#define CHAINRULE_CALLED(bytes, attribute)                                                \
  template <class Op, class T, class... X>                                                \
  attribute [[gnu::noinline, gnu::flatten]] void call(lane<T, bytes>& y, const X&... x) { \
    apply_long<Op>(y, x...);                                                              \
  }
CHAINRULE_CALLED(16, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_CALLED(32, CHAINRULE_TARGET_AVX2)
CHAINRULE_CALLED(64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_CALLED

/// Whether so few lanes at once cost more than as many calls of a scalar function as precise.
template <class Op, class T, int Bytes>
inline constexpr bool is_scalar_faster =
    Bytes == portable_bytes &&
    (std::same_as<Op, fn::pow> ||
     (std::same_as<T, double> && (std::same_as<Op, fn::exp2> || std::same_as<Op, fn::log2> ||
                                  std::same_as<Op, fn::asinh> || std::same_as<Op, fn::acosh>)));

/// Op of lanes by the function that is called, or lane by lane.
template <class Op, class T, int Bytes, class... X>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> apply_elsewhere(const lane<T, Bytes>& x,
                                                              const X&... more) {
  if constexpr (!is_scalar_faster<Op, T, Bytes> &&
                (has_long_function<Op, lane<T, Bytes>> ||
                 (std::same_as<T, float> && has_long_function<Op, lane<double, Bytes>>))) {
    lane<T, Bytes> y;
    call<Op>(y, x, more...);
    return y;
  } else {
    return one_by_one<Op>(x, more...);
  }
}

template <class Op, class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> apply(const lane<T, Bytes>& x) {
  using X = lane<T, Bytes>;
  if constexpr (std::same_as<Op, fn::abs>)
    return magnitude(x);
  else if constexpr (std::same_as<Op, fn::sign>)
    return select(x > 0, X(1), select(x < 0, X(-1), x));
  else if constexpr (std::same_as<Op, fn::sqrt>) {
    X y;
    chainrule::detail::square_root(y.bits, x.bits);
    return y;
  } else if constexpr (std::same_as<Op, fn::exp>)
    return exp(x);
  else if constexpr (std::same_as<Op, fn::expm1>)
    return expm1(x);
  else if constexpr (std::same_as<Op, fn::log>)
    return log(x);
  else if constexpr (std::same_as<Op, fn::log1p>)
    return log1p(x);
  else if constexpr (std::same_as<Op, fn::tanh>)
    return tanh(x);
  else if constexpr (std::same_as<Op, fn::erf> && std::same_as<T, float>)
    return erf(x);
  else if constexpr (std::same_as<Op, fn::floor>)
    return floor(x);
  else if constexpr (std::same_as<Op, fn::ceil>)
    return -floor(-x);
  else if constexpr (std::same_as<Op, fn::trunc>)
    return trunc(x);
  else if constexpr (std::same_as<Op, fn::round>)
    return round(x);
  else
    return apply_elsewhere<Op>(x);
}

CHAINRULE_CPU_END
}  // namespace lanes

CHAINRULE_CPU_BEGIN

template <class Op, class T, int Bytes>
[[nodiscard]] inline lane<T, Bytes> evaluate(const Op&, const lane<T, Bytes>& x) {
  if constexpr (std::derived_from<Op, composite<Op>>)
    return Op::value(x);
  else
    return lanes::apply<Op>(x);
}

template <class Op, class T, int Bytes>
[[nodiscard]] inline lane<T, Bytes> evaluate(const Op&, const lane<T, Bytes>& a,
                                             const lane<T, Bytes>& b) {
  if constexpr (std::same_as<Op, fn::max>)
    return select((a > b) | (a != a), a, b);
  else if constexpr (std::same_as<Op, fn::min>)
    return select((a < b) | (a != a), a, b);
  else if constexpr (std::same_as<Op, fn::fmax>)
    return select((a > b) | (b != b), a, b);
  else if constexpr (std::same_as<Op, fn::fmin>)
    return select((a < b) | (b != b), a, b);
  else if constexpr (std::same_as<Op, fn::copysign>)
    return lanes::with_sign_of(b, a);
  else
    return lanes::apply_elsewhere<Op>(a, b);
}

CHAINRULE_CPU_END
}  // namespace chainrule::math

#endif  // CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

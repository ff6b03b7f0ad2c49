/// \file
/// The vocabulary over lanes: what cpu/lane.hpp includes.
///
/// Vector code exists for the functions of which activations, losses, rules and most formulas are
/// made: exp, expm1, log, log1p, sqrt, sin, cos, tanh, erf, pow of floats, and those that are a few
/// instructions. The others call the scalar function lane by lane, as do sin and cos for the lanes
/// in which |x| is above 1e5 (floats) or 1e6 (doubles), and pow without wide vectors.
///
/// Each is within a few units in the last place over its whole range, denormal numbers, infinities
/// and NaN included (docs/activations.md states the bounds, tests/cpu checks them); expm1, log1p
/// and sin of -0 are +0. No function needs a fused multiplication and addition to be precise; all
/// are faster where there is one.
///
/// The functions that networks use most are compiled into each kernel. The longer ones are compiled
/// once for each instruction set, and called.
#ifndef CHAINRULE_BACKEND_CPU_LANE_MATH_HPP
#define CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

#include <concepts>

#include "chainrule/backend/cpu/lane_error_function.hpp"
#include "chainrule/backend/cpu/lane_exponential.hpp"
#include "chainrule/backend/cpu/lane_logarithm.hpp"
#include "chainrule/backend/cpu/lane_power.hpp"
#include "chainrule/backend/cpu/lane_scalar.hpp"
#include "chainrule/backend/cpu/lane_trigonometry.hpp"

namespace chainrule::math {

namespace lanes {
CHAINRULE_CPU_BEGIN

/// Whether the function of lanes is long, and so called.
template <class Op, class T>
inline constexpr bool is_long = std::same_as<Op, fn::sin> || std::same_as<Op, fn::cos> ||
                                (std::same_as<Op, fn::erf> && sizeof(T) == 8) ||
                                (std::same_as<Op, fn::pow> && sizeof(T) == 4);

template <class Op, class T, int Bytes, class... X>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> long_function(const lane<T, Bytes>& x,
                                                            const X&... more) {
  if constexpr (std::same_as<Op, fn::sin>)
    return sin(x);
  else if constexpr (std::same_as<Op, fn::cos>)
    return cos(x);
  else if constexpr (std::same_as<Op, fn::erf>)
    return erf(x);
  else
    return pow(x, more...);
}

#define CHAINRULE_CALLED(bytes, attribute)                                                \
  template <class Op, class T, class... X>                                                \
  attribute [[gnu::noinline, gnu::flatten]] void call(lane<T, bytes>& y, const X&... x) { \
    y = long_function<Op>(x...);                                                          \
  }
CHAINRULE_CALLED(16, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_CALLED(32, CHAINRULE_TARGET_AVX2)
CHAINRULE_CALLED(64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_CALLED

/// Op of lanes by the function that is called, or lane by lane. The scalar pow is faster than that
/// of two or four lanes.
template <class Op, class T, int Bytes, class... X>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> apply_elsewhere(const lane<T, Bytes>& x,
                                                              const X&... more) {
  if constexpr (is_long<Op, T> && !(std::same_as<Op, fn::pow> && Bytes == portable_bytes)) {
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
  else
    return lanes::apply_elsewhere<Op>(a, b);
}

CHAINRULE_CPU_END
}  // namespace chainrule::math

#endif  // CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

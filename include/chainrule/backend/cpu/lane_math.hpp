/// \file
/// The vocabulary over lanes: what cpu/lane.hpp includes.
///
/// Vectors' work is: exp, expm1, log, log1p, tanh, erf, erfc, sqrt, floor, ceil, trunc and round.
/// All other functions call the scalar function lane by lane.
///
/// Each is within a few units of the last place over its whole range, denormal numbers, infinities
/// and NaN included (tests/cpu states and checks the bounds); only the sign of a zero may be lost.
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
#include "chainrule/backend/cpu/lane_rounding.hpp"

namespace chainrule::math {

namespace lanes {

// long_function(op, x): a function that is called.

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE auto long_function(fn::erf, const lane<double, Bytes>& x) {
  return erf(x);
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE auto long_function(fn::erfc, const lane<double, Bytes>& x) {
  return erfc(x);
}

template <class Op, class X>
concept has_long_function = requires(const X& x) {
  long_function(Op{}, x);
};

/// That function where a float has none of its own: the one for doubles.
template <class Op, class T, int Bytes>
CHAINRULE_INLINE void apply_long(lane<T, Bytes>& y, const lane<T, Bytes>& x) {
  if constexpr (has_long_function<Op, lane<T, Bytes>>)
    y = long_function(Op{}, x);
  else
    y = in_doubles(
        [](const lane<double, Bytes>& d)
            __attribute__((always_inline)) { return long_function(Op{}, d); },
        x);
}

#define CHAINRULE_CALLED(bytes, attribute)                                       \
  template <class Op, class T>                                                   \
  attribute [[gnu::noinline, gnu::flatten]] void call(lane<T, bytes>& y,         \
                                                      const lane<T, bytes>& x) { \
    apply_long<Op>(y, x);                                                        \
  }
CHAINRULE_CALLED(16, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_CALLED(32, CHAINRULE_TARGET_AVX2)
CHAINRULE_CALLED(64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_CALLED

/// Op of each number in turn.
template <class Op, class T>
[[gnu::noinline]] void apply_to_each(T* values, index_t count) {
  for (index_t i = 0; i < count; ++i) values[i] = Op::value(values[i]);
}
template <class Op, class T>
[[gnu::noinline]] void apply_to_pairs(T* a, const T* b, index_t count) {
  for (index_t i = 0; i < count; ++i) a[i] = Op::value(a[i], b[i]);
}
template <class Op, class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> one_by_one(const lane<T, Bytes>& x) {
  T values[static_cast<std::size_t>(lane<T, Bytes>::width)];
  x.store(values);
  apply_to_each<Op>(values, lane<T, Bytes>::width);
  return lane<T, Bytes>::load(values);
}

template <class Op, class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> apply(const lane<T, Bytes>& x) {
  using X = lane<T, Bytes>;
  if constexpr (std::same_as<Op, fn::abs>)
    return select(x < 0, -x, x);
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
  else if constexpr (has_long_function<Op, lane<double, Bytes>>) {
    X y;
    call<Op>(y, x);
    return y;
  } else
    return one_by_one<Op>(x);
}

}  // namespace lanes

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
  if constexpr (std::same_as<Op, fn::max>) {
    return select((a > b) | (a != a), a, b);
  } else if constexpr (std::same_as<Op, fn::min>) {
    return select((a < b) | (a != a), a, b);
  } else {
    constexpr index_t width = lane<T, Bytes>::width;
    T left[static_cast<std::size_t>(width)];
    T right[static_cast<std::size_t>(width)];
    a.store(left);
    b.store(right);
    lanes::apply_to_pairs<Op>(left, right, width);
    return lane<T, Bytes>::load(left);
  }
}

}  // namespace chainrule::math

#endif  // CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

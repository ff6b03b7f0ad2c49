/// \file
/// The vocabulary over lanes: what cpu/lane.hpp includes.
///
/// Of floats, exp, expm1, log, log1p, tanh, erf, sqrt, floor and ceil are vectors' work; all other
/// functions, and those of doubles but sqrt, call the scalar function lane by lane.
///
/// Each is within a few units of the last place over its whole range, denormal numbers, infinities
/// and NaN included (tests/cpu states and checks the bounds); only the sign of a zero may be lost.
/// Nothing here needs a fused multiplication and addition to be precise, and gains where there is
/// one.
#ifndef CHAINRULE_BACKEND_CPU_LANE_MATH_HPP
#define CHAINRULE_BACKEND_CPU_LANE_MATH_HPP

#include <concepts>
#include <limits>

#include "chainrule/backend/cpu/lane.hpp"

namespace chainrule::math {

namespace lanes {

template <int Bytes>
using floats = lane<float, Bytes>;
template <int Bytes>
using integers = typename lane_mask<float, Bytes>::vector;
/// Integers that wrap around: those of a NaN's bits may.
template <int Bytes>
using words = typename chainrule::detail::simd<std::uint32_t, Bytes>::vector;

template <int Bytes>
CHAINRULE_INLINE void to_bits(const floats<Bytes>& x, words<Bytes>& i) {
  i = reinterpret_cast<words<Bytes>>(x.bits);
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> from_bits(const words<Bytes>& i) {
  return floats<Bytes>(reinterpret_cast<typename floats<Bytes>::vector>(i));
}
/// 2^n for -127 < n < 128.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> power_of_2(const integers<Bytes>& n) {
  const words<Bytes> shifted = (reinterpret_cast<words<Bytes>>(n) + 127U) << 23;
  return from_bits<Bytes>(shifted);
}
/// |size| with the sign of x.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> with_sign_of(const floats<Bytes>& x,
                                                          const floats<Bytes>& size) {
  words<Bytes> sign;
  words<Bytes> rest;
  to_bits(x, sign);
  to_bits(size, rest);
  const words<Bytes> both = (sign & 0x80000000U) | (rest & 0x7fffffffU);
  return from_bits<Bytes>(both);
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> magnitude(const floats<Bytes>& x) {
  words<Bytes> i;
  to_bits(x, i);
  const words<Bytes> rest = i & 0x7fffffffU;
  return from_bits<Bytes>(rest);
}

/// The polynomial with these coefficients, that of the highest power first.
template <int Bytes, class... C>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> polynomial(const floats<Bytes>& x, float first,
                                                        C... rest) {
  floats<Bytes> y(first);
  ((y = y * x + rest), ...);
  return y;
}

/// x = n ln 2 + r with |r| <= ln(2) / 2, and p = e^r - 1, for x in [-104, 89] (or NaN).
template <int Bytes>
struct reduced {
  integers<Bytes> n;
  floats<Bytes> p;

  CHAINRULE_INLINE explicit reduced(const floats<Bytes>& x) {
    // Added to a number whose unit is 1, x / ln 2 is rounded, and its low bits are n.
    const floats<Bytes> large(12582912.0F);  // 1.5 x 2^23
    const floats<Bytes> sum = x * 1.44269504088896341F + large;
    words<Bytes> offset;
    words<Bytes> shifted;
    to_bits(large, offset);
    to_bits(sum, shifted);
    n = reinterpret_cast<integers<Bytes>>(shifted - offset);
    const floats<Bytes> rounded = sum - large;
    // ln 2 in two parts, the first so short that its multiple is exact.
    const floats<Bytes> r = (x - rounded * 0.693359375F) - rounded * -2.12194440e-4F;
    // Source: S. Moshier, Cephes 2.2, expf.
    p = polynomial(r, 1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                   1.6666665459e-1F, 5.0000001201e-1F) *
            (r * r) +
        r;
  }
};

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> exp(const floats<Bytes>& x) {
  // Beyond these it is 0 and infinity. A NaN passes, as it is neither.
  const floats<Bytes> low = select(x < -104, floats<Bytes>(-104), x);
  const reduced<Bytes> e(select(low > 89, floats<Bytes>(89), low));
  // In two steps, for 2^n may be out of the range where the result is not.
  const integers<Bytes> half = e.n >> 1;
  const integers<Bytes> other = e.n - half;
  return (e.p + 1) * power_of_2<Bytes>(half) * power_of_2<Bytes>(other);
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> expm1(const floats<Bytes>& x) {
  const floats<Bytes> low = select(x < -30, floats<Bytes>(-30), x);
  const reduced<Bytes> e(select(low > 89, floats<Bytes>(89), low));
  // 2^n (p + 1) - 1, and by half of 2^n, which does not overflow where the result does not.
  const integers<Bytes> before = e.n - 1;
  const floats<Bytes> scale = power_of_2<Bytes>(before);
  return 2 * (scale * e.p + (scale - 0.5F));
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> log(const floats<Bytes>& x) {
  using limits = std::numeric_limits<float>;
  // A denormal number is made a normal one.
  const auto is_denormal = x < limits::min();
  const floats<Bytes> normal = select(is_denormal, x * 8388608, x);
  // x = 2^e (1 + f) with 1 + f between sqrt(1/2), whose bits these are, and sqrt(2).
  words<Bytes> i;
  to_bits(normal, i);
  const integers<Bytes> e = reinterpret_cast<integers<Bytes>>(i - 0x3f3504f3U) >> 23;
  const words<Bytes> mantissa = i - (reinterpret_cast<words<Bytes>>(e) << 23);
  const floats<Bytes> f = from_bits<Bytes>(mantissa) - 1;
  const floats<Bytes> exponent =
      floats<Bytes>(__builtin_convertvector(e, typename floats<Bytes>::vector)) -
      select(is_denormal, floats<Bytes>(23), floats<Bytes>(0));
  // Source: S. Moshier, Cephes 2.2, logf.
  const floats<Bytes> square = f * f;
  floats<Bytes> y = polynomial(f, 7.0376836292e-2F, -1.1514610310e-1F, 1.1676998740e-1F,
                               -1.2420140846e-1F, 1.4249322787e-1F, -1.6668057665e-1F,
                               2.0000714765e-1F, -2.4999993993e-1F, 3.3333331174e-1F) *
                    f * square;
  y += exponent * -2.12194440e-4F;
  y -= 0.5F * square;
  y = (f + y) + exponent * 0.693359375F;
  const floats<Bytes> otherwise =
      select(x == 0, floats<Bytes>(-limits::infinity()), floats<Bytes>(limits::quiet_NaN()));
  return select(x > 0, select(x < limits::infinity(), y, x), otherwise);
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> log1p(const floats<Bytes>& x) {
  // log(u) + (1 + x - u) / u, where u is 1 + x rounded. Source: musl, log1pf.
  const floats<Bytes> u = 1 + x;
  const floats<Bytes> lost = select(magnitude(x) < 1, x - (u - 1), 1 - (u - x));
  const floats<Bytes> correction = lost / u;
  return log(u) + select(correction == correction, correction, floats<Bytes>(0));
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> tanh(const floats<Bytes>& x) {
  const floats<Bytes> t = expm1(-2 * magnitude(x));
  return with_sign_of(x, t / (t + 2));
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> erf(const floats<Bytes>& x) {
  // Source of both approximations: N. Juffa, 2017, each within 1 ulp.
  const floats<Bytes> square = x * x;
  const floats<Bytes> near_0 = polynomial(square, -5.96761703e-4F, 4.99119423e-3F, -2.67681349e-2F,
                                          1.12819925e-1F, -3.76125336e-1F, 1.28379166e-1F) *
                                   x +
                               x;
  // 1 - e^q(t). From 4 on it is 1.
  const floats<Bytes> size = magnitude(x);
  const floats<Bytes> t = select(size > 4, floats<Bytes>(4), size);
  const floats<Bytes> q =
      polynomial(t, -1.72853470e-5F, 3.83197126e-4F, -3.88396438e-3F, 2.42546219e-2F,
                 -1.06777877e-1F, -6.34846687e-1F, -1.28717512e-1F) *
          t -
      t;
  return select(size > 0.927734375F, with_sign_of(x, 1 - exp(q)), near_0);
}

/// x without its fraction where that is below 2^23; elsewhere there is none.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> whole_part(const floats<Bytes>& x) {
  const integers<Bytes> i = __builtin_convertvector(x.bits, integers<Bytes>);
  const floats<Bytes> whole(__builtin_convertvector(i, typename floats<Bytes>::vector));
  return select(magnitude(x) < 8388608, whole, x);
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE floats<Bytes> floor(const floats<Bytes>& x) {
  const floats<Bytes> whole = whole_part(x);
  return whole - select(whole > x, floats<Bytes>(1), floats<Bytes>(0));
}

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
  constexpr bool is_float = std::same_as<T, float>;
  if constexpr (std::same_as<Op, fn::abs>)
    return select(x < 0, -x, x);
  else if constexpr (std::same_as<Op, fn::sign>)
    return select(x > 0, X(1), select(x < 0, X(-1), x));
  else if constexpr (std::same_as<Op, fn::sqrt>) {
    X y;
    chainrule::detail::square_root(y.bits, x.bits);
    return y;
  } else if constexpr (is_float && std::same_as<Op, fn::exp>)
    return exp(x);
  else if constexpr (is_float && std::same_as<Op, fn::expm1>)
    return expm1(x);
  else if constexpr (is_float && std::same_as<Op, fn::log>)
    return log(x);
  else if constexpr (is_float && std::same_as<Op, fn::log1p>)
    return log1p(x);
  else if constexpr (is_float && std::same_as<Op, fn::tanh>)
    return tanh(x);
  else if constexpr (is_float && std::same_as<Op, fn::erf>)
    return erf(x);
  else if constexpr (is_float && std::same_as<Op, fn::floor>)
    return floor(x);
  else if constexpr (is_float && std::same_as<Op, fn::ceil>)
    return -floor(-x);
  else
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

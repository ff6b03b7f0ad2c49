/// \file
/// exp, expm1 and tanh over lanes of floats and doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_EXPONENTIAL_HPP
#define CHAINRULE_BACKEND_CPU_LANE_EXPONENTIAL_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// Constants of exp.
template <class T>
struct exponential;

template <>
struct exponential<float> {
  // Beyond these e^x is 0 and infinity, and below the third e^x - 1 is -1.
  static constexpr float lowest = -104, highest = 89, lowest_minus_1 = -30;
  // ln 2 in two parts, the first so short that its multiples are exact.
  static constexpr float ln2 = 0.693359375F, ln2_rest = -2.12194440e-4F;
  /// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2. Source: S. Moshier, Cephes 2.2, expf.
  template <int Bytes>
  [[nodiscard]] CHAINRULE_INLINE static lane<float, Bytes> curve(const lane<float, Bytes>& r) {
    return polynomial(r, 1.9875691500e-4F, 1.3981999507e-3F, 8.3334519073e-3F, 4.1665795894e-2F,
                      1.6666665459e-1F, 5.0000001201e-1F);
  }
};

template <>
struct exponential<double> {
  static constexpr double lowest = -746, highest = 710, lowest_minus_1 = -40;
  static constexpr double ln2 = 0x1.62e42fefa38p-1, ln2_rest = 0x1.ef35793c7673p-45;
  /// By Remez' algorithm; e^r - 1 with it is right to 2^-55.
  template <int Bytes>
  [[nodiscard]] CHAINRULE_INLINE static lane<double, Bytes> curve(const lane<double, Bytes>& r) {
    return polynomial(r, 2.5113943268458884e-08, 2.762553027760244e-07, 2.7557229739751144e-06,
                      2.480150672697801e-05, 0.00019841269900886346, 0.0013888888930143506,
                      0.008333333333315658, 0.041666666666582135, 0.16666666666666685,
                      0.5000000000000004);
  }
};

/// e^x = 2^n (1 + p) with p = e^r - 1, |r| <= ln(2) / 2; between the limits above (or NaN).
template <class T, int Bytes>
struct reduced {
  words<T, Bytes> n;
  lane<T, Bytes> p;

  CHAINRULE_INLINE explicit reduced(const lane<T, Bytes>& x) {
    const nearest<T, Bytes> multiple(x * 1.44269504088896340736);
    n = multiple.n;
    const lane<T, Bytes> r =
        (x - multiple.whole * exponential<T>::ln2) - multiple.whole * exponential<T>::ln2_rest;
    p = multiply_add(exponential<T>::curve(r), r * r, r);
  }
  /// factor 2^n, rounded once, also where 2^n is out of range.
  [[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> times(const lane<T, Bytes>& factor) const {
    constexpr word<T> even =
        2 * (exponent_bias<T> + 1);  // unsigned: a negative number would not be halved
    const words<T, Bytes> half = ((n + even) >> 1) - even / 2;
    const words<T, Bytes> other = n - half;
    return factor * power_of_2<T, Bytes>(half) * power_of_2<T, Bytes>(other);
  }
};

/// x limited to [low, high]; NaN is kept.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> limited(const lane<T, Bytes>& x, T low, T high) {
  using X = lane<T, Bytes>;
  const X above = select(x < low, X(low), x);
  return select(above > high, X(high), above);
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> exp(const lane<T, Bytes>& x) {
  using constants = exponential<T>;
  const reduced<T, Bytes> e(limited(x, constants::lowest, constants::highest));
  return e.times(e.p + 1);
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> expm1(const lane<T, Bytes>& x) {
  using constants = exponential<T>;
  const reduced<T, Bytes> e(limited(x, constants::lowest_minus_1, constants::highest));
  // Half of the result does not overflow where the result does not.
  const words<T, Bytes> before = e.n - 1;
  const lane<T, Bytes> scale = power_of_2<T, Bytes>(before);
  return 2 * multiply_add(scale, e.p, scale - 0.5F);
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> tanh(const lane<T, Bytes>& x) {
  const lane<T, Bytes> t = expm1(-2 * magnitude(x));
  return with_sign_of(x, t / (t + 2));
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_EXPONENTIAL_HPP

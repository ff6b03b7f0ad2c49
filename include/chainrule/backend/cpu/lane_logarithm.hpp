/// \file
/// log and log1p over lanes of floats and doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP
#define CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// x = 2^exponent (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), for x that are finite and above
/// 0, and not denormal if that is excluded.
template <class T, int Bytes, bool MayBeDenormal = true>
struct parts {
  lane<T, Bytes> exponent;
  lane<T, Bytes> f;

  CHAINRULE_INLINE explicit parts(const lane<T, Bytes>& x) {
    using X = lane<T, Bytes>;
    words<T, Bytes> i;
    X added(0);
    if constexpr (MayBeDenormal) {
      // A denormal number is scaled to a normal one.
      const auto is_denormal = x < std::numeric_limits<T>::min();
      to_bits(select(is_denormal, x * all_whole<T>, x), i);
      added = select(is_denormal, X(fraction_bits<T>), X(0));
    } else {
      to_bits(x, i);
    }
    // The exponent and a number that makes it positive, for bits are shifted in as zeros; read as
    // the fraction of all_whole it becomes a number.
    constexpr word<T> root = sizeof(T) == 4 ? static_cast<word<T>>(0x3f3504f3U)
                                            : static_cast<word<T>>(0x3fe6a09e667f3bcdU);
    constexpr word<T> shift = exponent_bias<T> + 1;
    constexpr word<T> whole = (exponent_bias<T> + fraction_bits<T>) << fraction_bits<T>;
    const words<T, Bytes> e = (i - root + (shift << fraction_bits<T>)) >> fraction_bits<T>;
    const words<T, Bytes> mantissa = i - ((e - shift) << fraction_bits<T>);
    const words<T, Bytes> number = e | whole;
    f = from_bits<T, Bytes>(mantissa) - 1;
    exponent = from_bits<T, Bytes>(number) - (all_whole<T> + static_cast<T>(shift)) - added;
  }
};

/// y where x is finite and above 0, else the logarithm of x there: infinite or NaN.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> defined_above_0(const lane<T, Bytes>& x,
                                                              const lane<T, Bytes>& y) {
  using X = lane<T, Bytes>;
  using limits = std::numeric_limits<T>;
  const X otherwise = select(x == 0, X(-limits::infinity()), X(limits::quiet_NaN()));
  return select(x > 0, select(x < limits::infinity(), y, x), otherwise);
}

/// log(2^exponent (1 + f)), with ln 2 in two parts, the first so short that its multiples are
/// exact.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> log_of(const lane<float, Bytes>& exponent,
                                                         const lane<float, Bytes>& f) {
  // Source: S. Moshier, Cephes 2.2, logf.
  const lane<float, Bytes> square = f * f;
  lane<float, Bytes> y = polynomial(f, 7.0376836292e-2F, -1.1514610310e-1F, 1.1676998740e-1F,
                                    -1.2420140846e-1F, 1.4249322787e-1F, -1.6668057665e-1F,
                                    2.0000714765e-1F, -2.4999993993e-1F, 3.3333331174e-1F) *
                         f * square;
  y += exponent * -2.12194440e-4F;
  y -= 0.5F * square;
  return (f + y) + exponent * 0.693359375F;
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> log_of(const lane<double, Bytes>& exponent,
                                                          const lane<double, Bytes>& f) {
  // log(1 + f) is 2 artanh(s) with s = f / (2 + f), which is s (2 + c). By Remez' algorithm; with
  // this c it is right to 2^-58.
  const lane<double, Bytes> s = f / (f + 2);
  const lane<double, Bytes> square = s * s;
  const lane<double, Bytes> c =
      square * polynomial(square, 0.14733912117729767, 0.15320565300385924, 0.18183294995064428,
                          0.2222220410207861, 0.28571428684229155, 0.3999999999970175,
                          0.6666666666666685);
  // s (2 + c) = f - (h - s (h + c)) with h = f^2 / 2: most of it is exact. Source of that form:
  // Sun, FDLIBM 5.3, log.
  const lane<double, Bytes> half = 0.5 * f * f;
  const lane<double, Bytes> rest = s * (half + c) + exponent * 0x1.ef35793c7673p-45;
  return exponent * 0x1.62e42fefa38p-1 - ((half - rest) - f);
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> log(const lane<T, Bytes>& x) {
  const parts<T, Bytes> of(x);
  return defined_above_0(x, log_of(of.exponent, of.f));
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> log1p(const lane<T, Bytes>& x) {
  // log(u) + (1 + x - u) / u, where u is 1 + x rounded. Source: musl, log1pf.
  const lane<T, Bytes> u = 1 + x;
  const lane<T, Bytes> lost = select(magnitude(x) < 1, x - (u - 1), 1 - (u - x));
  const lane<T, Bytes> correction = lost / u;
  return log(u) + select(correction == correction, correction, lane<T, Bytes>(0));
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP

/// \file
/// log and log1p over lanes of floats and doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP
#define CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"

namespace chainrule::math::lanes {

/// x = 2^exponent (1 + f) with 1 + f between sqrt(1/2) and sqrt(2), for x that are finite and above
/// 0.
template <class T, int Bytes>
struct parts {
  lane<T, Bytes> exponent;
  lane<T, Bytes> f;

  CHAINRULE_INLINE explicit parts(const lane<T, Bytes>& x) {
    using X = lane<T, Bytes>;
    // A denormal number is made a normal one.
    const auto is_denormal = x < std::numeric_limits<T>::min();
    const X normal = select(is_denormal, x * all_whole<T>, x);
    words<T, Bytes> i;
    to_bits(normal, i);
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
    exponent = from_bits<T, Bytes>(number) - (all_whole<T> + static_cast<T>(shift)) -
               select(is_denormal, X(fraction_bits<T>), X(0));
  }
};

/// y where x is finite and above 0; else what a logarithm is there.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> defined_above_0(const lane<T, Bytes>& x,
                                                              const lane<T, Bytes>& y) {
  using X = lane<T, Bytes>;
  using limits = std::numeric_limits<T>;
  const X otherwise = select(x == 0, X(-limits::infinity()), X(limits::quiet_NaN()));
  return select(x > 0, select(x < limits::infinity(), y, x), otherwise);
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> log(const lane<float, Bytes>& x) {
  const parts<float, Bytes> of(x);
  const lane<float, Bytes>& f = of.f;
  // Source: S. Moshier, Cephes 2.2, logf.
  const lane<float, Bytes> square = f * f;
  lane<float, Bytes> y = polynomial(f, 7.0376836292e-2F, -1.1514610310e-1F, 1.1676998740e-1F,
                                    -1.2420140846e-1F, 1.4249322787e-1F, -1.6668057665e-1F,
                                    2.0000714765e-1F, -2.4999993993e-1F, 3.3333331174e-1F) *
                         f * square;
  y += of.exponent * -2.12194440e-4F;
  y -= 0.5F * square;
  return defined_above_0(x, (f + y) + of.exponent * 0.693359375F);
}

/// log(1 + f) is 2 artanh(s) with s = f / (2 + f), which is s (2 + c) and c as follows, for
/// |f| < 0.42. By Remez' algorithm; the logarithm with it is right to 2^-58.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> artanh_curve(const lane<double, Bytes>& s) {
  const lane<double, Bytes> square = s * s;
  return square * polynomial(square, 0.14733912117729767, 0.15320565300385924, 0.18183294995064428,
                             0.2222220410207861, 0.28571428684229155, 0.3999999999970175,
                             0.6666666666666685);
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> log(const lane<double, Bytes>& x) {
  const parts<double, Bytes> of(x);
  const lane<double, Bytes>& f = of.f;
  const lane<double, Bytes> s = f / (f + 2);
  // s (2 + c) = f - (h - s (h + c)) with h = f^2 / 2: most of it is exact. Source of that form:
  // Sun, FDLIBM 5.3, log.
  const lane<double, Bytes> half = 0.5 * f * f;
  const lane<double, Bytes> rest =
      s * (half + artanh_curve(s)) + of.exponent * 0x1.ef35793c7673p-45;
  return defined_above_0(x, of.exponent * 0x1.62e42fefa38p-1 - ((half - rest) - f));
}

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> log1p(const lane<T, Bytes>& x) {
  // log(u) + (1 + x - u) / u, where u is 1 + x rounded. Source: musl, log1pf.
  const lane<T, Bytes> u = 1 + x;
  const lane<T, Bytes> lost = select(magnitude(x) < 1, x - (u - 1), 1 - (u - x));
  const lane<T, Bytes> correction = lost / u;
  return log(u) + select(correction == correction, correction, lane<T, Bytes>(0));
}

}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_LOGARITHM_HPP

/// \file
/// sin and cos over lanes of floats and doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP
#define CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"
#include "chainrule/backend/cpu/lane_scalar.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// The rounded difference a - b and its rounding error. Source: D. Knuth, TAOCP 2, 4.2.2.
template <class T, int Bytes>
struct exact_difference {
  lane<T, Bytes> rounded;
  lane<T, Bytes> lost;

  CHAINRULE_INLINE exact_difference(const lane<T, Bytes>& a, const lane<T, Bytes>& b)
      : rounded(a - b) {
    const lane<T, Bytes> of_b = rounded - a;
    lost = (a - (rounded - of_b)) - (b + of_b);
  }
};

/// An angle less the nearest multiple of a right angle: x = quadrant pi / 2 + r + lost, for |x| up
/// to a limit.
template <class T, int Bytes>
struct turned;

template <int Bytes>
struct turned<float, Bytes> {
  static constexpr float limit = 1e5F;

  words<float, Bytes> quadrant;
  lane<float, Bytes> r;
  lane<float, Bytes> lost;

  CHAINRULE_INLINE explicit turned(const lane<float, Bytes>& x) : lost(0) {
    const nearest<float, Bytes> multiple(x * 0.63661977236758134308);
    quadrant = multiple.n;
    // Exact in double as far as a float shows.
    r = in_doubles(
        [](const auto& a, const auto& n) __attribute__((always_inline)) {
          return (a - n * 0x1.921fb544p0) - n * 0x1.0b4611a626331p-34;
        },
        x, multiple.whole);
  }
  /// (sin(r) / r - 1) / r^2 and (cos(r) - 1 + r^2 / 2) / r^4 over r^2, by Remez' algorithm, to
  /// 2^-28 of sin(r) and 2^-33 of cos(r).
  [[nodiscard]] CHAINRULE_INLINE static auto sine_curve(const lane<float, Bytes>& square) {
    return polynomial(square, -0.000195178742F, 0.00833218358F, -0.166666552F);
  }
  [[nodiscard]] CHAINRULE_INLINE static auto cosine_curve(const lane<float, Bytes>& square) {
    return polynomial(square, 2.44405401e-05F, -0.00138873886F, 0.0416666456F);
  }
};

template <int Bytes>
struct turned<double, Bytes> {
  static constexpr double limit = 1e6;

  words<double, Bytes> quadrant;
  lane<double, Bytes> r;
  lane<double, Bytes> lost;

  CHAINRULE_INLINE explicit turned(const lane<double, Bytes>& x) {
    using X = lane<double, Bytes>;
    const nearest<double, Bytes> multiple(x * 0.63661977236758134308);
    quadrant = multiple.n;
    // pi / 2 in four parts, of which the first three have 33 bits: their multiples are exact, since
    // those of 1e6 have 20. Method: W. Cody, W. Waite, 1980, with what each difference loses.
    const X& n = multiple.whole;
    const exact_difference<double, Bytes> second(x - n * 0x1.921fb544p0, n * 0x1.0b4611a6p-34);
    const exact_difference<double, Bytes> third(second.rounded, n * 0x1.3198a2ep-69);
    const X rest = (second.lost + third.lost) - n * 0x1.b839a252049c1p-104;
    r = third.rounded + rest;
    lost = (third.rounded - r) + rest;
  }
  /// As for floats, to 2^-58 of sin(r) and 2^-63 of cos(r).
  [[nodiscard]] CHAINRULE_INLINE static auto sine_curve(const lane<double, Bytes>& square) {
    return polynomial(square, 1.5897201226538965e-10, -2.5050765864570634e-08,
                      2.7557313747869586e-06, -0.0001984126982999559, 0.0083333333333227,
                      -0.16666666666666632);
  }
  [[nodiscard]] CHAINRULE_INLINE static auto cosine_curve(const lane<double, Bytes>& square) {
    return polynomial(square, -1.1364049646188324e-11, 2.0875815086354314e-09,
                      -2.7557315089754996e-07, 2.4801587292309092e-05, -0.0013888888888879236,
                      0.04166666666666664);
  }
};

/// The sine and the cosine of the reduced angle, with its quadrant.
template <class T, int Bytes>
struct sine_and_cosine {
  lane<T, Bytes> sine;
  lane<T, Bytes> cosine;
  words<T, Bytes> quadrant;

  CHAINRULE_INLINE explicit sine_and_cosine(const turned<T, Bytes>& a) : quadrant(a.quadrant) {
    using X = lane<T, Bytes>;
    const X square = a.r * a.r;
    const X half = 0.5F * square;
    const X curve = a.sine_curve(square);
    sine = a.r + (a.r * square * curve + (a.lost - half * a.lost));
    const X first = 1 - half;
    cosine =
        first + (((1 - first) - half) + (square * square * a.cosine_curve(square) - a.r * a.lost));
  }
  /// `even` where the quadrant is even, else `odd`.
  [[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> choose(const lane<T, Bytes>& even,
                                                       const lane<T, Bytes>& odd) const {
    const integers<T, Bytes> is_odd = -reinterpret_cast<integers<T, Bytes>>(quadrant & 1);
    return select(lane_mask<T, Bytes>(is_odd), odd, even);
  }
};

/// x, negated where this bit of a number is set.
template <int Bit, class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> negated_by(const words<T, Bytes>& n,
                                                         const lane<T, Bytes>& x) {
  words<T, Bytes> bits;
  to_bits(x, bits);
  const words<T, Bytes> turned_over = bits ^ ((n << (8 * sizeof(T) - 1 - Bit)) & sign_bit<T>);
  return from_bits<T, Bytes>(turned_over);
}

/// f of |x| up to the limit, and the scalar function where x is beyond it.
template <class Op, class T, int Bytes, class F>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> of_angle(const lane<T, Bytes>& x, const F& f) {
  lane<T, Bytes> y = f(sine_and_cosine<T, Bytes>(turned<T, Bytes>(x)));
  const auto beyond = !(magnitude(x) <= turned<T, Bytes>::limit);
  if (chainrule::detail::any(beyond.bits)) replace_some<Op>(y, beyond, x);
  return y;
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> sin(const lane<T, Bytes>& x) {
  return of_angle<fn::sin>(
      x, [](const auto& a) __attribute__((always_inline)) {
        return negated_by<1>(a.quadrant, a.choose(a.sine, a.cosine));
      });
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> cos(const lane<T, Bytes>& x) {
  return of_angle<fn::cos>(
      x, [](const auto& a) __attribute__((always_inline)) {
        const words<T, Bytes> next = a.quadrant + 1;
        return negated_by<1>(next, a.choose(a.cosine, a.sine));
      });
}
CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP

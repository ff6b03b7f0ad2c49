/// \file
/// sin, cos, tan and atan over lanes of floats and doubles; asin and acos over doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP
#define CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"
#include "chainrule/backend/cpu/lane_scalar.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// a - b and, to be added to it, what it lost. Source: D. Knuth, TAOCP 2, 4.2.2.
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
    // A double holds all of the difference that a float shows.
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

/// The sine and the cosine of an angle, for the right angle that it lies in.
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
  /// `even` or `odd`, as is the number of right angles.
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
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> tan(const lane<T, Bytes>& x) {
  return of_angle<fn::tan>(
      x, [](const auto& a) __attribute__((always_inline)) {
        return negated_by<0>(a.quadrant, a.choose(a.sine, a.cosine) / a.choose(a.cosine, a.sine));
      });
}

/// pi in parts of a half and a quarter, and what the type loses of them.
template <class T>
inline constexpr T half_pi = static_cast<T>(1.57079632679489661923);
template <class T>
inline constexpr T half_pi_lost = sizeof(T) == 4
                                      ? static_cast<T>(1.57079632679489661923 -
                                                       static_cast<double>(half_pi<float>))
                                      : static_cast<T>(6.123233995736766e-17);

/// (atan(t) / t - 1) / t^2 over t^2 for |t| up to tan(pi / 8), by Remez' algorithm, to 2^-30 and
/// 2^-59 of atan(t).
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> arc_curve(const lane<float, Bytes>& square) {
  return polynomial(square, -0.0610360019F, 0.106049307F, -0.142452404F, 0.199985772F,
                    -0.333333164F);
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> arc_curve(const lane<double, Bytes>& square) {
  return polynomial(square, -0.018080533493484038, 0.03823168664361664, -0.05046284982790302,
                    0.05849542942417227, -0.06663348390565849, 0.07692083534109208,
                    -0.09090899196475444, 0.11111110839231905, -0.14285714281467635,
                    0.19999999999968457, -0.3333333333333326);
}

/// atan(a / b) for a, b >= 0 in two parts: a multiple of pi / 4, and what is to be added to it.
template <class T, int Bytes>
struct arc {
  lane<T, Bytes> multiple;
  lane<T, Bytes> rest;

  CHAINRULE_INLINE arc(const lane<T, Bytes>& a, const lane<T, Bytes>& b) {
    using X = lane<T, Bytes>;
    // By the tangents of 3 pi / 8 and pi / 8: pi / 2 - atan(b / a), pi / 4 + atan((a - b) / (a +
    // b)).
    const auto is_steep = a > b * 2.41421356237309504880;
    const auto is_diagonal = a > b * 0.41421356237309504880;
    const X above = select(is_steep, -b, select(is_diagonal, a - b, a));
    const X below = select(is_steep, a, select(is_diagonal, a + b, b));
    const X t = above / below;
    const X square = t * t;
    const X share = select(is_steep, X(1), select(is_diagonal, X(0.5), X(0)));
    multiple = share * half_pi<T>;
    rest = t + (t * square * arc_curve(square) + share * half_pi_lost<T>);
  }
};

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> atan(const lane<T, Bytes>& x) {
  const arc<T, Bytes> a(magnitude(x), lane<T, Bytes>(1));
  return with_sign_of(x, a.multiple + a.rest);
}

/// asin(|x|) is p, or pi / 2 - 2 p where `is_far`.
template <int Bytes>
struct arc_of_sine {
  lane_mask<double, Bytes> is_far;
  lane<double, Bytes> p;

  CHAINRULE_INLINE explicit arc_of_sine(const lane<double, Bytes>& x) : is_far(magnitude(x) > 0.5) {
    using X = lane<double, Bytes>;
    const X size = magnitude(x);
    const X square = select(is_far, 0.5 * (1 - size), x * x);
    X root;
    chainrule::detail::square_root(root.bits, square.bits);
    const X s = select(is_far, root, size);
    // (asin(s) / s - 1) / s^2 over s^2 up to 1/4, by Remez' algorithm, to 2^-55 of asin(s).
    const X curve =
        polynomial(square, 0.03162185174623008, -0.015773210016883872, 0.019220598086240593,
                   0.0066490889844819405, 0.012138811996377693, 0.01389030829718928,
                   0.0173591355994369, 0.022371800489835274, 0.030381957108120618,
                   0.04464285688625643, 0.07500000000250992, 0.16666666666665886);
    p = s + s * square * curve;
  }
};
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> asin(const lane<double, Bytes>& x) {
  const arc_of_sine<Bytes> a(x);
  const lane<double, Bytes> far = half_pi<double> - (2 * a.p - half_pi_lost<double>);
  return with_sign_of(x, select(a.is_far, far, a.p));
}
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> acos(const lane<double, Bytes>& x) {
  using X = lane<double, Bytes>;
  const arc_of_sine<Bytes> a(x);
  const X twice = 2 * a.p;
  const X left = 2 * half_pi<double> - (twice - 2 * half_pi_lost<double>);
  const X near_0 = half_pi<double> - (with_sign_of(x, a.p) - half_pi_lost<double>);
  return select(a.is_far, select(x < 0, left, twice), near_0);
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_TRIGONOMETRY_HPP

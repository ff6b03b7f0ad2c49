/// \file
/// erf over lanes of floats and doubles, and erfc over doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_ERROR_FUNCTION_HPP
#define CHAINRULE_BACKEND_CPU_LANE_ERROR_FUNCTION_HPP

#include "chainrule/backend/cpu/lane_exponential.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> erf(const lane<float, Bytes>& x) {
  using X = lane<float, Bytes>;
  // Source of both approximations: N. Juffa, 2017, each within 1 ulp.
  const X square = x * x;
  const X near_0 = polynomial(square, -5.96761703e-4F, 4.99119423e-3F, -2.67681349e-2F,
                              1.12819925e-1F, -3.76125336e-1F, 1.28379166e-1F) *
                       x +
                   x;
  // 1 - e^q(t). From 4 on it is 1.
  const X size = magnitude(x);
  const X t = select(size > 4, X(4), size);
  const X q = polynomial(t, -1.72853470e-5F, 3.83197126e-4F, -3.88396438e-3F, 2.42546219e-2F,
                         -1.06777877e-1F, -6.34846687e-1F, -1.28717512e-1F) *
                  t -
              t;
  return select(size > 0.927734375F, with_sign_of(x, 1 - exp(q)), near_0);
}

/// erf(x) for |x| up to 1. erf(x) / x - 1 is by Remez' algorithm, to 2^-57.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> erf_near_0(const lane<double, Bytes>& x) {
  const lane<double, Bytes> square = x * x;
  return polynomial(square, -7.80118885292119e-10, 1.3722976164874732e-08, -1.620917586426794e-07,
                    1.6447517667939757e-06, -1.4924744662163543e-05, 0.00012055295320409406,
                    -0.000854832598969288, 0.005223977607423357, -0.026866170643276198,
                    0.11283791670945253, -0.3761263890318355, 0.12837916709551256) *
             x +
         x;
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> erf(const lane<double, Bytes>& x) {
  using X = lane<double, Bytes>;
  // Above 1, e^(t^2) erfc(t) over (t - 3) / (t + 3), by Remez' algorithm, to 2^-55 of erf. From 6
  // on it is 1.
  const X size = magnitude(x);
  const X t = select(size > 6, X(6), size);
  const X u = (t - 3) / (t + 3);
  const X scaled = polynomial(u, 3.5668047448184234e-08, -8.629996856663982e-06,
                              -1.238058402262283e-05, 6.435306217108557e-05, 4.523497405593498e-05,
                              -0.0005971017106730028, 0.0007077436516416042, 0.004269138682527839,
                              -0.024392499036521097, 0.07166583713550242, -0.15011593650880525,
                              0.24560380171296478, -0.32623356004297743, 0.17900115118138865);
  const reduced<double, Bytes> e(-t * t);
  const X complement = (e.p + 1) * power_of_2<double, Bytes>(e.n) * scaled;
  return select(size > 1, with_sign_of(x, 1 - complement), erf_near_0(x));
}

/// erfc(x) for any x.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> erfc(const lane<double, Bytes>& x) {
  using X = lane<double, Bytes>;
  const X size = magnitude(x);
  const X t = select(size > 28, X(28), size);  // where it is 0
  // (1 + 2 t) e^(t^2) erfc(t) over (t - 4) / (t + 4), to 2^-56 up to 28: the variable and the
  // factor are those of M. Shepherd and J. Laframboise, 1981, the coefficients by Remez' algorithm.
  // The constant stands apart, for what is lost in adding to it, and in 1 + 2 t, is made up for
  // below.
  const X u = (t - 4) / (t + 4);
  const X varying =
      u * polynomial(u, -1.7162965635105025e-09, -1.3399095808407173e-08, -7.817549521625998e-09,
                     1.1457589000650274e-07, 6.249236750823015e-08, -8.342232318409688e-07,
                     3.018337326397983e-07, 5.717252317227516e-06, -1.1225200601090298e-05,
                     -2.4402906443376997e-05, 0.00015062243737109764, -0.00019925557643807584,
                     -0.0007577733958509233, 0.005031969767356861, -0.01619773404991596,
                     0.037167515561311835, -0.0663303658124169, 0.09373283499686474,
                     -0.10103906603630879, 0.06809705425473522, 0.015379652102619924,
                     -0.1396211168405629);
  constexpr double constant = 1.2329951186255526;
  const X above = constant + varying;  // 1.14 to 1.29
  const X below = 1 + 2 * t;
  const X scaled = above / below;
  const X lost =
      0.82 * (((constant - above) + varying) - ((1 - (below - 2 * t)) * scaled));  // of scaled
  // t^2 = a^2 + (t - a) (t + a), where a is t to 26 bits, so that its square is exact.
  words<double, Bytes> bits;
  to_bits(t, bits);
  const words<double, Bytes> upper = bits & ~((word<double>{1} << 27) - 1);
  const X a = from_bits<double, Bytes>(upper);
  const X rest = (a - t) * (a + t);  // up to 2e-5
  const reduced<double, Bytes> e(-a * a);
  const X correction = rest * (1 + rest * (0.5 + rest * (1.0 / 6))) + lost;
  const X power = (e.p + correction * (e.p + 1)) + 1;
  const X tail = e.times(power * scaled);
  return select(size < 0.5, 1 - erf_near_0(x), select(x < 0, 2 - tail, tail));
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_ERROR_FUNCTION_HPP

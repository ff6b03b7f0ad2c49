/// \file
/// erf over lanes of floats and doubles.
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

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_ERROR_FUNCTION_HPP

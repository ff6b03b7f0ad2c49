/// \file
/// pow of floats, by logarithms and powers of 2 of doubles, which are precise enough for a float
/// and not for a double.
#ifndef CHAINRULE_BACKEND_CPU_LANE_POWER_HPP
#define CHAINRULE_BACKEND_CPU_LANE_POWER_HPP

#include "chainrule/backend/cpu/lane_exponential.hpp"
#include "chainrule/backend/cpu/lane_logarithm.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// log2(x) to 2^-37 for doubles x >= 0 converted from floats, none of which is denormal.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> short_log2(const lane<double, Bytes>& x) {
  using X = lane<double, Bytes>;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const parts<double, Bytes, false> of(x);
  const X s = of.f / (of.f + 2);
  // 2 artanh(s) / s / ln 2, by Remez' algorithm.
  const X y =
      of.exponent + s * polynomial(s * s, 0.34076132513737445, 0.41167103312226727,
                                   0.577083613179207, 0.961796673192218, 2.8853900817902085);
  return select(x < infinity, select(x == 0, X(-infinity), y), x);
}
/// 2^x to 2^-32; rounded to float it is 0 or infinite where it should be.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> short_exp2(const lane<double, Bytes>& x) {
  const lane<double, Bytes> within = limited(x, -200.0, 200.0);
  const nearest<double, Bytes> multiple(within);
  // 2^r for |r| <= 1/2, by Remez' algorithm.
  return power_of_2<double, Bytes>(multiple.n) *
         polynomial(within - multiple.whole, 1.5201719226740836e-05, 0.00015469549728034027,
                    0.0013333925457601535, 0.009618026453079758, 0.05550410347330077,
                    0.24022651204069354, 0.6931471807311304, 0.9999999999610838);
}

/// a^b for doubles converted from floats.
template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<double, Bytes> float_power(const lane<double, Bytes>& a,
                                                               const lane<double, Bytes>& b) {
  using X = lane<double, Bytes>;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const X size = short_exp2(b * short_log2(magnitude(a)));
  // Negative numbers have integer powers only; odd powers are negative. Infinite exponents are
  // even.
  const X half = 0.5 * b;
  const auto is_whole = whole_near(b) == b;
  const auto is_odd = is_whole & (whole_near(half) != half);
  const X with_sign = select(is_odd, with_sign_of(a, size), size);
  const auto has_none = (a < 0) & (a > -infinity) & !is_whole;
  // a^0 is 1 even for NaN, 1^b is 1 even for NaN, and (-1)^b is 1 for infinite b.
  const auto is_1 = (b == 0) | (a == 1) | ((a == -1) & (magnitude(b) == infinity));
  const X other = select(has_none, X(std::numeric_limits<double>::quiet_NaN()), with_sign);
  return select(is_1, X(1), other);
}

template <int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> pow(const lane<float, Bytes>& a,
                                                      const lane<float, Bytes>& b) {
  return in_doubles(
      [](const auto& x, const auto& y) __attribute__((always_inline)) { return float_power(x, y); },
      a, b);
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_POWER_HPP

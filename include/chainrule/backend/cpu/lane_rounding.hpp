/// \file
/// floor, trunc and round over lanes of floats and doubles.
#ifndef CHAINRULE_BACKEND_CPU_LANE_ROUNDING_HPP
#define CHAINRULE_BACKEND_CPU_LANE_ROUNDING_HPP

#include "chainrule/backend/cpu/lane_bits.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// A whole number less than 1 from x, with its sign; x where all numbers are whole, or NaN.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> whole_near(const lane<T, Bytes>& x) {
  const lane<T, Bytes> size = magnitude(x);
  const lane<T, Bytes> whole = (size + all_whole<T>)-all_whole<T>;
  return select(size < all_whole<T>, with_sign_of(x, whole), x);
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> floor(const lane<T, Bytes>& x) {
  using X = lane<T, Bytes>;
  const X whole = whole_near(x);
  return whole - select(whole > x, X(1), X(0));
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> trunc(const lane<T, Bytes>& x) {
  return with_sign_of(x, floor(magnitude(x)));
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> round(const lane<T, Bytes>& x) {
  // Half and more away from the whole part, whose difference is exact, is a step further.
  using X = lane<T, Bytes>;
  const X size = magnitude(x);
  const X whole = floor(size);
  return with_sign_of(x, whole + select(size - whole >= 0.5F, X(1), X(0)));
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_ROUNDING_HPP

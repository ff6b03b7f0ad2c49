/// \file
/// Scalar functions applied lane by lane: to all lanes, or to those that a vector function
/// excludes.
#ifndef CHAINRULE_BACKEND_CPU_LANE_SCALAR_HPP
#define CHAINRULE_BACKEND_CPU_LANE_SCALAR_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "chainrule/backend/cpu/lane_type.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// x[i] = Op of the i-th of x and of each other.
template <class Op, class T, class... X>
[[gnu::noinline]] void apply_to_each(T* x, index_t count, const X*... more) {
  for (index_t i = 0; i < count; ++i) x[i] = Op::value(x[i], more[i]...);
}
/// y[i] = Op of the i-th of each x, where `chosen[i]` is not 0.
template <class Op, class T, class I, class... X>
[[gnu::noinline]] void apply_to_some(T* y, index_t count, const I* chosen, const X*... x) {
  for (index_t i = 0; i < count; ++i)
    if (chosen[i] != 0) y[i] = Op::value(x[i]...);
}

/// The lanes of a vector in memory.
template <class T, int Bytes>
struct stored {
  T values[static_cast<std::size_t>(lane<T, Bytes>::width)];

  CHAINRULE_INLINE explicit stored(const lane<T, Bytes>& x) { x.store(values); }
};

template <class Op, class T, int Bytes, class... X>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> one_by_one(const lane<T, Bytes>& x,
                                                         const X&... more) {
  using X1 = lane<T, Bytes>;
  stored<T, Bytes> y(x);
  apply_to_each<Op>(y.values, X1::width, static_cast<const T*>(stored<T, Bytes>(more).values)...);
  return X1::load(y.values);
}

/// Assigns Op(x...) to the lanes of y for which the mask holds.
template <class Op, class T, int Bytes, class... X>
CHAINRULE_INLINE void replace_some(lane<T, Bytes>& y, const lane_mask<T, Bytes>& m, const X&... x) {
  using X1 = lane<T, Bytes>;
  using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  stored<T, Bytes> all(y);
  integer chosen[static_cast<std::size_t>(X1::width)];
  chainrule::detail::simd<integer, Bytes>::store(chosen, m.bits);
  apply_to_some<Op>(all.values, X1::width, static_cast<const integer*>(chosen),
                    static_cast<const T*>(stored<T, Bytes>(x).values)...);
  y = X1::load(all.values);
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_SCALAR_HPP

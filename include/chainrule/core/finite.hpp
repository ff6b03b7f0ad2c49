/// \file
/// Tests for finite numbers and NaN by their bits: with -ffast-math compilers assume that
/// std::isfinite(x) is true and x != x is false.
///
///     detail::is_finite(loss);
#ifndef CHAINRULE_CORE_FINITE_HPP
#define CHAINRULE_CORE_FINITE_HPP

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// The bits of x without its sign; larger than those of infinity if x is NaN.
template <std::floating_point T>
[[nodiscard]] constexpr auto magnitude_bits(T x) {
  static_assert(std::numeric_limits<T>::is_iec559 && sizeof(T) <= 8);
  using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  return static_cast<word>(std::bit_cast<word>(x) << 1U);
}

template <std::floating_point T>
[[nodiscard]] constexpr bool is_finite(T x) {
  return magnitude_bits(x) < magnitude_bits(std::numeric_limits<T>::infinity());
}
template <std::floating_point T>
[[nodiscard]] constexpr bool is_nan(T x) {
  return magnitude_bits(x) > magnitude_bits(std::numeric_limits<T>::infinity());
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_FINITE_HPP

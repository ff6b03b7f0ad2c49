/// \file
/// Parts of the functions over lanes: bits of numbers, powers of 2, whole numbers, polynomials, and
/// computation of floats in double.
#ifndef CHAINRULE_BACKEND_CPU_LANE_BITS_HPP
#define CHAINRULE_BACKEND_CPU_LANE_BITS_HPP

#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/lane_type.hpp"

namespace chainrule::math::lanes {
CHAINRULE_CPU_BEGIN

/// The unsigned integer type of a number's bits, whose arithmetic wraps around.
template <class T>
using word = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
template <class T, int Bytes>
using words = typename chainrule::detail::simd<word<T>, Bytes>::vector;
template <class T, int Bytes>
using integers = typename lane_mask<T, Bytes>::vector;

/// The number of fraction bits, the bias of the exponent, and the sign bit.
template <class T>
inline constexpr int fraction_bits = std::numeric_limits<T>::digits - 1;
template <class T>
inline constexpr word<T> exponent_bias = std::numeric_limits<T>::max_exponent - 1;
template <class T>
inline constexpr word<T> sign_bit = word<T>{1} << (8 * sizeof(T) - 1);
/// 2^fraction_bits: all numbers from there on are whole.
template <class T>
inline constexpr T all_whole = static_cast<T>(word<T>{1} << fraction_bits<T>);

template <class T, int Bytes>
CHAINRULE_INLINE void to_bits(const lane<T, Bytes>& x, words<T, Bytes>& i) {
  i = reinterpret_cast<words<T, Bytes>>(x.bits);
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> from_bits(const words<T, Bytes>& i) {
  return lane<T, Bytes>(reinterpret_cast<typename lane<T, Bytes>::vector>(i));
}
/// 2^n for a normal result.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> power_of_2(const words<T, Bytes>& n) {
  const words<T, Bytes> shifted = (n + exponent_bias<T>) << fraction_bits<T>;
  return from_bits<T, Bytes>(shifted);
}
/// |size| with the sign of x.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> with_sign_of(const lane<T, Bytes>& x,
                                                           const lane<T, Bytes>& size) {
  words<T, Bytes> sign;
  words<T, Bytes> rest;
  to_bits(x, sign);
  to_bits(size, rest);
  const words<T, Bytes> both = (sign & sign_bit<T>) | (rest & ~sign_bit<T>);
  return from_bits<T, Bytes>(both);
}
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> magnitude(const lane<T, Bytes>& x) {
  words<T, Bytes> i;
  to_bits(x, i);
  const words<T, Bytes> rest = i & ~sign_bit<T>;
  return from_bits<T, Bytes>(rest);
}

/// x to the nearest whole number, and that number in the low bits of a word; for |x| below a
/// quarter of all_whole.
template <class T, int Bytes>
struct nearest {
  words<T, Bytes> n;
  lane<T, Bytes> whole;

  CHAINRULE_INLINE explicit nearest(const lane<T, Bytes>& x) {
    // Added to a number whose unit is 1, x is rounded, and the low bits are the sum.
    const lane<T, Bytes> large(1.5F * all_whole<T>);
    const lane<T, Bytes> sum = x + large;
    words<T, Bytes> offset;
    to_bits(large, offset);
    to_bits(sum, n);
    n -= offset;
    whole = sum - large;
  }
};

/// A whole number that differs from x by less than 1 and has its sign; x itself if it is NaN or so
/// large that all numbers are whole.
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
/// a b + c in one expression, which compiles to a fused instruction where there is one.
template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> multiply_add(const lane<T, Bytes>& a,
                                                           const lane<T, Bytes>& b,
                                                           const lane<T, Bytes>& c) {
  return lane<T, Bytes>(a.bits * b.bits + c.bits);
}

/// The polynomial with these coefficients, highest power first. Long ones are split into even and
/// odd powers, each by Horner's rule over x^2, to shorten the chain of dependent operations.
template <class T, int Bytes, class... C>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> polynomial(const lane<T, Bytes>& x, T first, T second,
                                                         C... rest) {
  using X = lane<T, Bytes>;
  if constexpr (sizeof...(C) < 6) {
    X y = multiply_add(X(first), x, X(second));
    ((y = multiply_add(y, x, X(rest))), ...);
    return y;
  } else {
    X last_but_one(first);
    X last(second);
    const X square = x * x;
    const auto add = [&](T c) __attribute__((always_inline)) {
      const X next = multiply_add(last_but_one, square, X(c));
      last_but_one = last;
      last = next;
    };
    (add(rest), ...);
    return multiply_add(last_but_one, x, last);
  }
}

/// f applied in double to both halves of a vector of floats. A double that is some units off rounds
/// to a float that is off by little more than half a unit.
template <int Bytes, class F, class... X>
[[nodiscard]] CHAINRULE_INLINE lane<float, Bytes> in_doubles(const F& f,
                                                             const lane<float, Bytes>& x,
                                                             const X&... more) {
  using doubles = lane<double, Bytes>;
  constexpr auto width = static_cast<std::size_t>(doubles::width);
  typedef float half __attribute__((vector_size(Bytes / 2)));
  return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
    const auto convert = [](const half& h) __attribute__((always_inline)) {
      return doubles(__builtin_convertvector(h, typename doubles::vector));
    };
    const auto low = [&](const lane<float, Bytes>& v) __attribute__((always_inline)) {
      const half h = __builtin_shufflevector(v.bits, v.bits, static_cast<int>(I)...);
      return convert(h);
    };
    const auto high = [&](const lane<float, Bytes>& v) __attribute__((always_inline)) {
      const half h = __builtin_shufflevector(v.bits, v.bits, static_cast<int>(width + I)...);
      return convert(h);
    };
    const doubles first = f(low(x), low(more)...);
    const doubles second = f(high(x), high(more)...);
    const half a = __builtin_convertvector(first.bits, half);
    const half b = __builtin_convertvector(second.bits, half);
    return lane<float, Bytes>(
        __builtin_shufflevector(a, b, static_cast<int>(I)..., static_cast<int>(width + I)...));
  }
  (std::make_index_sequence<width>{});
}

CHAINRULE_CPU_END
}  // namespace chainrule::math::lanes

#endif  // CHAINRULE_BACKEND_CPU_LANE_BITS_HPP

/// \file
/// Compact copies of parts of a product's factors.
///
/// A part of a large matrix occupies as many pages as it has rows and, if the stride is a power of
/// two, few sets of the cache. Parts that several tiles read are therefore copied once; columns of
/// b that do not fill a vector are padded with zeros, so that register tiles process whole vectors
/// only. A transposed b is transposed by the copy.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_PANEL_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_PANEL_HPP

#include <utility>

#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// to(i, j) = from(i, j) for rows x cols elements; zeros up to a whole vector.
template <class T, int Bytes>
CHAINRULE_INLINE void copy_panel(T* to, index_t to_step, const T* from, index_t from_step,
                                 index_t rows, index_t cols) {
  using S = simd<T, Bytes>;
  const index_t whole = cols / S::width * S::width;
  for (index_t i = 0; i < rows; ++i, to += to_step, from += from_step) {
    typename S::vector v;
    for (index_t j = 0; j < whole; j += S::width) {
      S::load(v, from + j);
      S::store(to + j, v);
    }
    if (whole < cols) {
      v = typename S::vector{};
      S::store(to + whole, v);
      copy_few<S::width / 2>(to + whole, from + whole, cols - whole);
    }
  }
}

/// Evens, then odds: the elements of two neighbours parted, one round of `transpose`.
template <class Vector, int... I>
CHAINRULE_INLINE void part(const Vector* from, Vector* to, std::integer_sequence<int, I...>) {
  constexpr int width = sizeof...(I);
  // The pairs are expanded by the inner pack, the places by the outer one.
  const auto pair = [&](auto at) __attribute__((always_inline)) {
    constexpr int first = 2 * decltype(at)::value;
    constexpr int target = decltype(at)::value;
    to[target] = __builtin_shufflevector(from[first], from[first + 1], (2 * I)...);
    to[target + width / 2] = __builtin_shufflevector(from[first], from[first + 1], (2 * I + 1)...);
  };
  [&]<int... P>(std::integer_sequence<int, P...>) __attribute__((always_inline)) {
    (pair(std::integral_constant<int, P>{}), ...);
  }
  (std::make_integer_sequence<int, width / 2>{});
}

/// Turns a block of as many rows as a vector is wide: v[i] becomes what was in place i of each.
/// Evens and odds of neighbours are parted as often as the width can be halved: each round moves
/// one bit of a place's number into the number of its row.
template <class T, int Bytes>
CHAINRULE_INLINE void transpose(typename simd<T, Bytes>::vector* v) {
  constexpr int width = static_cast<int>(simd<T, Bytes>::width);
  constexpr auto places = std::make_integer_sequence<int, width>{};
  typename simd<T, Bytes>::vector w[static_cast<std::size_t>(width)];
  static_assert(width == 4 || width == 8 || width == 16, "an even number of rounds, or one more");
  part(v, w, places);
  part(w, v, places);
  if constexpr (width >= 8) part(v, w, places);
  if constexpr (width == 16) part(w, v, places);
  if constexpr (width == 8)
    for (int i = 0; i < width; ++i) v[i] = w[i];
}

/// to(p, j) = from(j, p) for rows p, columns j; zeros up to a whole vector of columns. `adjoins`:
/// the rows of `from` are contiguous, so that reading beyond the end of one is allowed.
template <class T, int Bytes>
CHAINRULE_INLINE void copy_panel_transposed(T* to, index_t to_step, const T* from,
                                            index_t from_step, index_t rows, index_t cols,
                                            bool adjoins) {
  using S = simd<T, Bytes>;
  constexpr index_t width = S::width;
  for (index_t j = 0; j < cols; j += width) {
    const index_t count = cols - j < width ? cols - j : width;
    for (index_t p = 0; p < rows; p += width) {
      const index_t length = rows - p < width ? rows - p : width;
      typename S::vector v[static_cast<std::size_t>(width)];
      for (index_t i = 0; i < width; ++i) {
        const T* const row = from + (j + i) * from_step + p;
        v[i] = typename S::vector{};
        if (length == width && i < count)
          S::load(v[i], row);
        else if (i < count && adjoins && (cols - j - i - 1) * from_step + length >= width)
          S::load(v[i], row);
        else if (i < count)
          copy_few<width / 2>(reinterpret_cast<T*>(&v[i]), row, length);
      }
      transpose<T, Bytes>(v);
      for (index_t i = 0; i < length; ++i) S::store(to + (p + i) * to_step + j, v[i]);
    }
  }
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_PANEL_HPP

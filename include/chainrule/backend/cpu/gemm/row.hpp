/// \file
/// Products of one row, for networks that see one sample at a time: c = alpha a b + beta c, where a
/// is 1 x k and b is k x n as it lies. Each number of b is used once, so that reading it is all the
/// work: nothing is copied, and rows of b are read side by side.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP

#include <utility>

#include "chainrule/backend/cpu/gemm/plan.hpp"
#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// Whether a product is one of a row, and too small to be divided among threads.
template <class T>
[[nodiscard]] constexpr bool is_row(const gemm_problem<T>& g) {
  constexpr index_t most = 1 << 18;
  return g.m == 1 && !g.b.is_transposed && g.k * g.n <= most;
}

/// Columns [j, j + sizeof...(V) vectors) of c, as far as they exist. As in tile.hpp, each sum adds
/// up k in order.
template <class T, int Bytes, int... V>
CHAINRULE_INLINE void multiply_row_part(const gemm_problem<T>& g, index_t j,
                                        std::integer_sequence<int, V...>) {
  using S = simd<T, Bytes>;
  using vector = typename S::vector;
  constexpr index_t strip = sizeof...(V) * S::width;
  const index_t count = g.n - j < strip ? g.n - j : strip;
  const index_t step = g.a.is_transposed ? g.a.stride : 1;
  const T* a = g.a.data;
  const T* b = g.b.data + j;
  vector sum[] = {(void(V), vector{})...};
  vector v[sizeof...(V)];
  // Vectors that exceed a row read from those behind it, as long as there are enough.
  const index_t beyond = strip - count;
  index_t whole = g.k;
  while (whole > 0 && (g.k - whole) * g.b.stride < beyond) --whole;
  for (index_t left = whole; left > 0; --left, a += step, b += g.b.stride) {
    (S::load(v[V], b + V * S::width), ...);
    ((sum[V] += *a * v[V]), ...);
  }
  for (index_t left = g.k - whole; left > 0; --left, a += step, b += g.b.stride) {
    ((v[V] = vector{}), ...);
    for (index_t e = 0; e < count; ++e) reinterpret_cast<T*>(v)[e] = b[e];
    ((sum[V] += *a * v[V]), ...);
  }
  T* const c = g.c + j;
  // A loop over a copy: unrolled, it would be most of the code, and the sums would not stay in
  // registers above if they were indexed here.
  const vector values[] = {sum[V]...};
  for (index_t first = 0; first < count; first += S::width) {
    vector value = g.alpha * values[first / S::width];
    const index_t n = count - first < S::width ? count - first : S::width;
    if (g.beta != T(0)) {
      vector old{};
      for (index_t e = 0; e < n; ++e) reinterpret_cast<T*>(&old)[e] = c[first + e];
      value += g.beta * old;
    }
    if (n == S::width)
      S::store(c + first, value);
    else
      for (index_t e = 0; e < n; ++e) c[first + e] = reinterpret_cast<const T*>(&value)[e];
  }
}

/// Computes g, which is a row.
template <class T, int Bytes>
CHAINRULE_INLINE void multiply_row(const gemm_problem<T>& g) {
  constexpr index_t width = simd<T, Bytes>::width;
  index_t j = 0;
  for (; g.n - j > 4 * width; j += 8 * width)
    multiply_row_part<T, Bytes>(g, j, std::make_integer_sequence<int, 8>{});
  for (; g.n - j > width; j += 4 * width)
    multiply_row_part<T, Bytes>(g, j, std::make_integer_sequence<int, 4>{});
  if (j < g.n) multiply_row_part<T, Bytes>(g, j, std::make_integer_sequence<int, 1>{});
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP

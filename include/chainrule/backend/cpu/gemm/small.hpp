/// \file
/// Products of a few hundred or thousand multiplications, for which a plan would take as long as
/// the work: no blocks, no threads, no sums kept beside c.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_SMALL_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_SMALL_HPP

#include <utility>

#include "chainrule/backend/cpu/gemm/plan.hpp"
#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The steps of k that fit the copy of b, 2 KiB on the stack, which stays in the L1 cache.
inline constexpr index_t most_small_depth = 32;

/// Whether a product is small, for vectors of `lanes`: one strip of b, and so few rows that tiles
/// would not be faster.
template <class T>
[[nodiscard]] constexpr bool is_small(const gemm_problem<T>& g, index_t lanes) {
  constexpr index_t most_rows = 32;
  return g.n <= lanes && g.k <= most_small_depth && g.m <= most_rows;
}

/// to(p, j) = op(b)(p, j), with some number in the places up to a whole vector.
template <class T, int Bytes>
CHAINRULE_INLINE void copy_small(const gemm_problem<T>& g, T* to) {
  using S = simd<T, Bytes>;
  typename S::vector v{};
  const bool is_transposed = g.b.is_transposed;
  // Contiguous rows may be read beyond their ends, into the next row.
  const index_t readable = !is_transposed && g.b.stride == g.n ? g.k * g.n - S::width : -1;
  const T* from = g.b.data;
  index_t p = 0;
  for (; p * g.n <= readable; ++p, from += g.n) {
    S::load(v, from);
    S::store(to + p * S::width, v);
  }
  v = typename S::vector{};
  for (index_t rest = p; rest < g.k; ++rest) S::store(to + rest * S::width, v);
  if (is_transposed) {
    for (index_t j = 0; j < g.n; ++j, from += g.b.stride)
      for (index_t q = 0; q < g.k; ++q) to[q * S::width + j] = from[q];
  } else {
    for (; p < g.k; ++p, from += g.b.stride) copy_few<S::width>(to + p * S::width, from, g.n);
  }
}

/// Rows [i, i + sizeof...(R)) of c = alpha op(a) b + beta c. As in tile.hpp, each sum adds up k in
/// order.
template <class T, int Bytes, int... R>
CHAINRULE_INLINE void multiply_small_rows(const gemm_problem<T>& g, const T* b, index_t i,
                                          std::integer_sequence<int, R...>) {
  using S = simd<T, Bytes>;
  const index_t row = g.a.is_transposed ? 1 : g.a.stride;
  const index_t step = g.a.is_transposed ? g.a.stride : 1;
  const T* a[] = {g.a.data + (i + R) * row...};
  typename S::vector sums[] = {(void(R), typename S::vector{})...};
  for (index_t p = 0; p < g.k; ++p, b += S::width) {
    typename S::vector v;
    S::load(v, b);
    ((sums[R] += *a[R] * v), ...);
    ((a[R] += step), ...);
  }
  // Elements written beyond the end of a contiguous row are overwritten by the next row.
  const index_t writable = g.beta == T(0) && g.c_stride == g.n ? g.m * g.n - S::width : -1;
  const auto finish = [&](index_t at, typename S::vector & sum) __attribute__((always_inline)) {
    T* const c = g.c + at * g.c_stride;
    sum = g.alpha * sum;
    if (g.beta != T(0)) {
      typename S::vector old{};
      copy_few<S::width>(reinterpret_cast<T*>(&old), c, g.n);
      sum += g.beta * old;
    }
    if (at * g.n <= writable)
      S::store(c, sum);
    else
      copy_few<S::width>(c, reinterpret_cast<const T*>(&sum), g.n);
  };
  (finish(i + R, sums[R]), ...);
}

/// Computes g, which is small.
template <class T, int Bytes>
CHAINRULE_INLINE void multiply_small(const gemm_problem<T>& g) {
  alignas(64) T b[static_cast<std::size_t>(most_small_depth * simd<T, Bytes>::width)];
  copy_small<T, Bytes>(g, b);
  index_t i = 0;
  for (; i + 4 <= g.m; i += 4)
    multiply_small_rows<T, Bytes>(g, b, i, std::make_integer_sequence<int, 4>{});
  for (; i < g.m; ++i) multiply_small_rows<T, Bytes>(g, b, i, std::make_integer_sequence<int, 1>{});
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_SMALL_HPP

/// \file
/// Products of one row, for networks that see one sample at a time: c = alpha a b + beta c, where a
/// is 1 x k and b is k x n as it lies. Each number of b is used once, so that reading it is all the
/// work: nothing is copied, and rows of b are read side by side.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP

#include <utility>

#include "chainrule/backend/cpu/gemm/plan.hpp"
#include "chainrule/backend/cpu/kernel.hpp"
#include "chainrule/backend/cpu/vector.hpp"
#include "chainrule/core/compiled.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// Whether a product is one of a row, and too small to be divided among threads.
template <class T>
[[nodiscard]] constexpr bool is_row(const gemm_problem<T>& g) {
  constexpr index_t most = 1 << 18;
  return g.m == 1 && !g.b.is_transposed && g.k * g.n <= most;
}

/// What follows a product with alpha = 1 and beta = 0: c = f(product, operand), by the kernel of f.
template <class T>
struct row_end {
  lane_kernel<T> kernel = nullptr;  // nothing follows
  const void* functor = nullptr;
  const T* operand = nullptr;  // 1 x n
};

/// Assigns the columns [j, j + count) of a b, which sizeof...(V) vectors hold, to whole vectors.
/// `padding` elements may be read behind b. As in tile.hpp, each sum adds up k in order. Sums have
/// no meaning behind the last column.
template <class T, int Bytes, int... V>
CHAINRULE_INLINE void row_sums(const gemm_problem<T>& g, index_t j, index_t count, index_t padding,
                               T* to, std::integer_sequence<int, V...>) {
  using S = simd<T, Bytes>;
  using vector = typename S::vector;
  const index_t step = g.a.is_transposed ? g.a.stride : 1;
  const T* a = g.a.data;
  const T* b = g.b.data + j;
  vector sum[] = {(void(V), vector{})...};
  vector v[sizeof...(V)];
  // Vectors that exceed a row read from those behind it, as long as there are enough.
  const index_t beyond = static_cast<index_t>(sizeof...(V)) * S::width - count;
  index_t whole = g.k;
  while (whole > 0 && (g.k - whole) * g.b.stride + padding < beyond) --whole;
  for (index_t left = whole; left > 0; --left, a += step, b += g.b.stride) {
    (S::load(v[V], b + V * S::width), ...);
    ((sum[V] += *a * v[V]), ...);
  }
  for (index_t left = g.k - whole; left > 0; --left, a += step, b += g.b.stride) {
    ((v[V] = vector{}), ...);
    for (index_t e = 0; e < count; ++e) reinterpret_cast<T*>(v)[e] = b[e];
    ((sum[V] += *a * v[V]), ...);
  }
  ((V * S::width < count ? S::store(to + V * S::width, sum[V]) : void()), ...);
}

/// Assigns the next columns of a b, from column j on, to at most 8 whole vectors, and returns how
/// many columns they are.
template <class T, int Bytes>
CHAINRULE_INLINE index_t next_sums(const gemm_problem<T>& g, index_t j, index_t padding, T* to) {
  constexpr index_t width = simd<T, Bytes>::width;
  const index_t left = g.n - j;
  const index_t count = left < 8 * width ? left : 8 * width;
  if (count > 4 * width)
    row_sums<T, Bytes>(g, j, count, padding, to, std::make_integer_sequence<int, 8>{});
  else if (count > width)
    row_sums<T, Bytes>(g, j, count, padding, to, std::make_integer_sequence<int, 4>{});
  else
    row_sums<T, Bytes>(g, j, count, padding, to, std::make_integer_sequence<int, 1>{});
  return count;
}

/// next_sums by an instruction set.
template <class T>
using next_sums_kernel = index_t (*)(const gemm_problem<T>&, index_t j, index_t padding, T* to);
#if CHAINRULE_HAS_X86_TARGETS
template <class T>
CHAINRULE_TARGET_AVX512 [[gnu::noinline]] index_t next_sums_avx512(const gemm_problem<T>& g,
                                                                   index_t j, index_t padding,
                                                                   T* to) {
  return next_sums<T, 64>(g, j, padding, to);
}
template <class T>
CHAINRULE_TARGET_AVX2 [[gnu::noinline]] index_t next_sums_avx2(const gemm_problem<T>& g, index_t j,
                                                               index_t padding, T* to) {
  return next_sums<T, 32>(g, j, padding, to);
}
#if !CHAINRULE_DEFINITIONS
// Those of chainrule::compiled have the bits of its other products; without optimization a product
// and a sum are not fused.
extern template index_t next_sums_avx2(const gemm_problem<float>&, index_t, index_t, float*);
extern template index_t next_sums_avx2(const gemm_problem<double>&, index_t, index_t, double*);
extern template index_t next_sums_avx512(const gemm_problem<float>&, index_t, index_t, float*);
extern template index_t next_sums_avx512(const gemm_problem<double>&, index_t, index_t, double*);
#endif
#endif

/// Assigns columns [j, j + count) of c, from their sums.
template <class T, int Bytes>
CHAINRULE_INLINE void end_row(const gemm_problem<T>& g, index_t j, index_t count, T* sums,
                              const row_end<T>& end) {
  using S = simd<T, Bytes>;
  T* const c = g.c + j;
  const index_t rest = count & (S::width - 1);
  const index_t whole = count - rest;
  if (end.kernel == nullptr) {
    for (index_t e = 0; e < count; e += S::width) {
      typename S::vector value, old{};
      S::load(value, sums + e);
      value = g.alpha * value;
      if (g.beta != T(0)) {
        if (e < whole)
          S::load(old, c + e);
        else
          copy_few<S::width / 2>(reinterpret_cast<T*>(&old), c + e, rest);
        value += g.beta * old;
      }
      if (e < whole)
        S::store(c + e, value);
      else
        copy_few<S::width / 2>(c + e, reinterpret_cast<const T*>(&value), rest);
    }
    return;
  }
  const T* const operand = end.operand + j;
  if (whole > 0) {
    const lane_operand<T> in[] = {{sums, S::width}, {operand, S::width}};
    end.kernel(end.functor, in, &c, whole / S::width);
  }
  if (rest > 0) {
    alignas(64) T last[static_cast<std::size_t>(S::width)];
    S::store(last, typename S::vector{});
    copy_few<S::width / 2>(last, operand + whole, rest);
    T* const out = sums + whole;
    const lane_operand<T> in[] = {{out, 0}, {last, 0}};
    end.kernel(end.functor, in, &out, 1);
    copy_few<S::width / 2>(c + whole, out, rest);
  }
}

/// Computes g, which is a row, and what follows it.
template <class T, int Bytes>
CHAINRULE_INLINE void multiply_row(const gemm_problem<T>& g, const row_end<T>& end,
                                   next_sums_kernel<T> next) {
  alignas(64) T sums[static_cast<std::size_t>(8 * simd<T, Bytes>::width)];
  index_t count = 0;
  for (index_t j = 0; j < g.n; j += count) {
    count = next(g, j, 0, sums);
    end_row<T, Bytes>(g, j, count, sums, end);
  }
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_ROW_HPP

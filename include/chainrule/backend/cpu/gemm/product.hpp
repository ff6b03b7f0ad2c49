/// \file
/// The CPU's matrix product by kernels for an instruction set that is chosen at run time; gemm.hpp
/// has the portable one.
///
///     gemm_problem<float> g{m, n, k, 1, {a, k, false}, {b, n, false}, 0, c, n};
///     multiply_by_tiles(isa::avx512, pool, g, [](index_t, index_t, index_t, index_t) {});
///
/// plan.hpp cuts c into blocks, which threads take in any order; block.hpp processes a block strip
/// by strip (two vectors of columns) and tile by tile (as many rows as registers allow) and copies
/// reused parts by panel.hpp; tile.hpp is the innermost loop. Edges need no separate code: the last
/// tile is moved up to end with the block, and columns that do not fill a vector are padded with
/// zeros. small.hpp computes products that are too small for this, row.hpp those of one row.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_PRODUCT_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_PRODUCT_HPP

#include "chainrule/backend/cpu/gemm/block.hpp"
#include "chainrule/backend/cpu/gemm/row.hpp"
#include "chainrule/backend/cpu/gemm/small.hpp"
#include "chainrule/backend/cpu/parallel.hpp"

#if CHAINRULE_HAS_X86_TARGETS

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

// Tiles are not inlined: in one large function their sums would not stay in registers.

struct gemm_tiles_avx512 {
  static constexpr int bytes = 64;
  template <class T, int Rows, int Vecs, bool SideBySide>
  CHAINRULE_TARGET_AVX512 [[gnu::noinline]] static void run(const gemm_tile<T>& t) {
    multiply_tile<T, bytes, Rows, Vecs, SideBySide>(t);
  }
};

struct gemm_tiles_avx2 {
  static constexpr int bytes = 32;
  template <class T, int Rows, int Vecs, bool SideBySide>
  CHAINRULE_TARGET_AVX2 [[gnu::noinline]] static void run(const gemm_tile<T>& t) {
    multiply_tile<T, bytes, Rows, Vecs, SideBySide>(t);
  }
};

// A block's workspace is on the stack of the thread that computes it, at most 0.7 MiB.

template <class T>
CHAINRULE_TARGET_AVX512 [[gnu::noinline]] void multiply_block_avx512(const gemm_problem<T>& g,
                                                                     const gemm_plan& plan,
                                                                     index_t i, index_t j) {
  const std::size_t bytes = static_cast<std::size_t>(plan.workspace()) * sizeof(T);
  multiply_block<gemm_tiles_avx512>(g, plan, i, j,
                                    static_cast<T*>(__builtin_alloca_with_align(bytes, 512)));
}

template <class T>
CHAINRULE_TARGET_AVX2 [[gnu::noinline]] void multiply_block_avx2(const gemm_problem<T>& g,
                                                                 const gemm_plan& plan, index_t i,
                                                                 index_t j) {
  const std::size_t bytes = static_cast<std::size_t>(plan.workspace()) * sizeof(T);
  multiply_block<gemm_tiles_avx2>(g, plan, i, j,
                                  static_cast<T*>(__builtin_alloca_with_align(bytes, 512)));
}

template <class T>
CHAINRULE_TARGET_AVX512 [[gnu::noinline]] void multiply_small_avx512(const gemm_problem<T>& g) {
  multiply_small<T, 64>(g);
}
template <class T>
CHAINRULE_TARGET_AVX2 [[gnu::noinline]] void multiply_small_avx2(const gemm_problem<T>& g) {
  multiply_small<T, 32>(g);
}

template <class T>
CHAINRULE_TARGET_AVX512 [[gnu::noinline]] void multiply_row_avx512(const gemm_problem<T>& g,
                                                                   const row_end<T>& end) {
  multiply_row<T, 64>(g, end, next_sums_avx512<T>);
}
template <class T>
CHAINRULE_TARGET_AVX2 [[gnu::noinline]] void multiply_row_avx2(const gemm_problem<T>& g,
                                                               const row_end<T>& end) {
  multiply_row<T, 32>(g, end, next_sums_avx2<T>);
}
/// Computes g, which is a row, and what follows it, by the kernels of `set`, which is not portable.
template <class T>
void multiply_row(isa set, const gemm_problem<T>& g, const row_end<T>& end) {
  set == isa::avx512 ? multiply_row_avx512(g, end) : multiply_row_avx2(g, end);
}

/// Whether the kernels of `set` can compute g with a map: their tiles are whole strips wide, and no
/// block is lower than a tile.
template <class T>
[[nodiscard]] bool suits_map(isa set, const gemm_problem<T>& g) {
  const bool is_wide = set == isa::avx512;
  const index_t lanes = is_wide ? simd<T, 64>::width : simd<T, 32>::width;
  const index_t tall = is_wide ? gemm_tile_sizes<64>::rows : gemm_tile_sizes<32>::rows;
  if (!g.a.is_transposed || g.k == 0 || g.n % (2 * lanes) != 0 || g.m < tall) return false;
  const index_t last = g.m % plan_gemm(g, lanes, tall).rows;
  return last == 0 || last >= tall;
}

/// Computes g by the kernels of `set`, which is not portable, on a pool's threads. For each block
/// of c, `end(first_row, last_row, first_column, last_column)` is called when it is done, on the
/// thread that computed it.
template <class T, class End>
void multiply_by_tiles(isa set, thread_pool& pool, const gemm_problem<T>& g, const End& end) {
  const bool is_wide = set == isa::avx512;
  if (is_small(g, is_wide ? simd<T, 64>::width : simd<T, 32>::width)) {
    is_wide ? multiply_small_avx512(g) : multiply_small_avx2(g);
    return end(0, g.m, 0, g.n);
  }
  if (is_row(g)) {
    multiply_row(set, g, {});
    return end(0, g.m, 0, g.n);
  }
  const auto block = is_wide ? multiply_block_avx512<T> : multiply_block_avx2<T>;
  const gemm_plan plan = is_wide ? plan_gemm(g, simd<T, 64>::width, gemm_tile_sizes<64>::rows)
                                 : plan_gemm(g, simd<T, 32>::width, gemm_tile_sizes<32>::rows);
  const auto compute = [&](index_t i, index_t j) {
    block(g, plan, i, j);
    end(i, i + plan.rows < g.m ? i + plan.rows : g.m, j, j + plan.cols < g.n ? j + plan.cols : g.n);
  };
  if (plan.rows >= g.m && plan.cols >= g.n) return compute(0, 0);
  // Column by column: the last row of blocks is often lower than the others, and the threads, which
  // begin at both ends, then have equal shares of it.
  const index_t down = pieces_of(g.m, plan.rows);
  pool.for_each(down * pieces_of(g.n, plan.cols), [&](index_t piece) {
    compute(piece % down * plan.rows, piece / down * plan.cols);
  });
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif

#endif  // CHAINRULE_BACKEND_CPU_GEMM_PRODUCT_HPP

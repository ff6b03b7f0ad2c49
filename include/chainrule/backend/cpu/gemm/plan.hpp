/// \file
/// The division of a matrix product into blocks on the CPU, and the parts of the factors to copy.
///
/// The division depends on the shapes only, never on the number of threads, so that the bits are
/// the same for any number. The constants were measured; blocks of twice or half the size cost a
/// few per cent.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_PLAN_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_PLAN_HPP

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

template <class T>
struct gemm_map;

template <class T>
struct gemm_factor {
  const T* data;
  index_t stride;
  bool is_transposed;
};

/// c = alpha op(a) op(b) + beta c, row-major: c is m x n, op(a) m x k, op(b) k x n; none is 0.
template <class T>
struct gemm_problem {
  index_t m, n, k;
  T alpha;
  gemm_factor<T> a, b;
  T beta;
  T* c;
  index_t c_stride;
  const gemm_map<T>* map = nullptr;  ///< takes the sums, which are not all stored in c
};

struct gemm_plan {
  index_t rows = 0;   ///< of a block of c
  index_t cols = 0;   ///< likewise
  index_t depth = 0;  ///< how much of k at a time
  bool copies_a = false;
  bool copies_b = false;    ///< whole strips too; strips that do not fill a
                            ///< vector are always copied
  bool keeps_sums = false;  ///< all sums of a block beside c, until k is done
  // Elements of the workspace of a block.
  index_t panel_size = 0;  ///< a strip of b
  index_t a_step = 0;      ///< from row to row of the copy of a
  index_t a_size = 0;
  index_t sums_size = 0;

  [[nodiscard]] index_t workspace() const { return panel_size + a_size + sums_size; }
};

[[nodiscard]] constexpr index_t pieces_of(index_t whole, index_t size) {
  return (whole + size - 1) / size;
}
/// The multiple of `of`, a power of two, at or above x.
[[nodiscard]] constexpr index_t up_to_multiple(index_t x, index_t of) { return (x + of - 1) & -of; }

/// `lanes`: of a vector; `tall`: rows of a register tile.
template <class T>
[[nodiscard]] gemm_plan plan_gemm(const gemm_problem<T>& g, index_t lanes, index_t tall) {
  constexpr auto size = static_cast<index_t>(sizeof(T));
  const index_t strip = 2 * lanes;
  // A strip of b of this depth (32 KiB of floats, twice that of doubles) stays in the L1 or L2
  // cache while the tiles of a block read it repeatedly.
  constexpr index_t most_depth = 272;
  // The more rows a block has, the more often each copied strip is reused; but their part of a has
  // to stay in the L2 cache: 192 x 272 floats are 204 KiB.
  constexpr index_t most_rows = 192 * 4 / size;
  // Rows of c that are still in the L2 cache when the epilogue reads them.
  constexpr index_t most_cols = 256;
  // A fork (3 us) pays from 0.5 million multiplications on. Eight blocks balance the threads of
  // small machines; larger products have more blocks.
  constexpr index_t work_per_block = 1 << 19;
  constexpr index_t most_small_blocks = 8;
  constexpr index_t tiny_work = 1 << 15;

  // A transposed a that exceeds the caches is read once for each block, a part of each of its rows:
  // few blocks read it, in pieces of k that the L2 cache holds for all tiles of the block.
  const bool is_long = g.a.is_transposed && g.k * g.m * size > index_t{1} << 21 && g.k > 8 * g.m;

  gemm_plan plan;
  const index_t work = g.m * g.n * g.k;
  if (work <= tiny_work && g.m <= most_rows && g.n <= most_cols) {
    // The divisions below would take longer than the product.
    plan.rows = g.m;
    plan.cols = up_to_multiple(g.n, strip);
  } else {
    const index_t tiles = pieces_of(g.m, tall);
    const index_t strips = pieces_of(g.n, strip);
    index_t down = pieces_of(g.m, most_rows);
    index_t across = pieces_of(g.n, most_cols);
    const auto split = [&](index_t& count, index_t other, index_t most) {
      const index_t wanted = work / work_per_block;
      const index_t useful = is_long ? 2 : most_small_blocks;
      const index_t pieces = pieces_of(wanted < useful ? wanted : useful, other);
      if (count < pieces) count = pieces < most ? pieces : most;
    };
    // Columns first: each block copies its own strips of b, but all of them
    // share a.
    split(across, down, strips);
    split(down, across, tiles);
    plan.rows = pieces_of(tiles, down) * tall;
    plan.cols = pieces_of(strips, across) * strip;

    // Rows a multiple of 4 KiB apart map to the same L1 set, and a tile has more rows than the set
    // has ways. A transposed a has a row for each step of k: a copy pays if four strips read it, or
    // eight tiles of a long one.
    constexpr index_t crowded = 4096;
    plan.copies_a = g.a.is_transposed ? plan.cols >= 4 * strip || (is_long && plan.rows >= 8 * tall)
                                      : plan.cols >= 2 * strip && g.a.stride * size % crowded == 0;
    // If b fits into the L2 cache together with the rest, reading it in place is as fast; a copy
    // pays only if several tiles use it.
    plan.copies_b =
        !g.b.is_transposed && plan.rows >= 4 * tall && g.k * g.n * size >= index_t{1} << 18;
  }

  const bool has_panel = plan.copies_b || g.b.is_transposed || g.n % lanes != 0;
  // A transposed a that is not copied takes a page per step of k: they should still be in the TLB
  // for the next tile, which has at least 64 entries.
  const bool is_paged = g.a.is_transposed && !plan.copies_a && g.a.stride * size >= 1024;
  const index_t limit = is_paged ? 64 : (has_panel || plan.copies_a || is_long ? most_depth : g.k);
  plan.depth = g.k <= limit ? g.k : up_to_multiple(pieces_of(g.k, pieces_of(g.k, limit)), 8);
  if (has_panel) plan.panel_size = plan.depth * strip;
  if (plan.copies_a) {
    // Padded by a vector, so that rows of the copy map to different sets.
    plan.a_step = up_to_multiple(g.a.is_transposed ? plan.rows : plan.depth, lanes) + lanes;
    plan.a_size = plan.a_step * (g.a.is_transposed ? plan.depth : plan.rows);
  }
  const bool is_bare = g.alpha == T(1) && g.beta == T(0);
  plan.keeps_sums = !is_bare && plan.depth < g.k;
  if (!is_bare || g.n % lanes != 0)
    plan.sums_size = plan.rows * (plan.keeps_sums ? plan.cols : strip);
  return plan;
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_PLAN_HPP

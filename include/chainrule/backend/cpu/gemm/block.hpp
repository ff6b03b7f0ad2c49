/// \file
/// A block of a matrix product, which one thread computes from register tiles.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_BLOCK_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_BLOCK_HPP

#include "chainrule/backend/cpu/gemm/map_tile.hpp"
#include "chainrule/backend/cpu/gemm/panel.hpp"
#include "chainrule/backend/cpu/gemm/plan.hpp"
#include "chainrule/backend/cpu/gemm/tile.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The tiles of a strip, by their number of rows: pointers, so that all strips share one loop.
template <class T>
struct gemm_strip_tiles {
  void (*tall)(const gemm_tile<T>&);
  void (*few)(const gemm_tile<T>&);
  void (*one)(const gemm_tile<T>&);
};
template <class Tiles, class T, int Vecs, bool SideBySide>
inline constexpr gemm_strip_tiles<T> strip_tiles = {
    Tiles::template run<T, gemm_tile_sizes<Tiles::bytes>::rows, Vecs, SideBySide>,
    Tiles::template run<T, gemm_tile_sizes<Tiles::bytes>::few_rows, Vecs, SideBySide>,
    Tiles::template run<T, 1, Vecs, SideBySide>};

/// All rows of one strip of columns, tile by tile; t is at the first row. Without small tiles,
/// there are enough rows for a tall one.
template <int Bytes, class T>
CHAINRULE_INLINE void multiply_strip(const gemm_strip_tiles<T>& tiles, gemm_tile<T> t,
                                     index_t rows) {
  constexpr index_t tall = gemm_tile_sizes<Bytes>::rows;
  constexpr index_t few = gemm_tile_sizes<Bytes>::few_rows;
  const T* const x = t.x;
  T* const sums = t.sums;
  for (index_t i = 0; i < rows;) {
    const index_t left = rows - i;
    // A tile that would extend below the block is moved up and stores only the remaining rows. For
    // few rows a smaller tile is cheaper.
    const bool is_tall =
        tiles.few == nullptr || (rows >= tall && left > (tall > 2 * few ? 2 * few : few));
    const index_t height = is_tall ? tall : (rows >= few ? few : 1);
    const index_t first = left < height ? rows - height : i;
    t.x = x + first * t.x_row;
    t.sums = sums + first * t.sums_row;
    t.skip = static_cast<int>(i - first);
    (is_tall ? tiles.tall : (rows >= few ? tiles.few : tiles.one))(t);
    i = first + height;
  }
}

/// c = alpha sums + beta c for rows x cols elements; with beta = 0, c is not read.
template <class T, int Bytes>
CHAINRULE_INLINE void scale_sums(const T* sums, index_t sums_row, T alpha, T beta, T* c,
                                 index_t c_row, index_t rows, index_t cols) {
  using S = simd<T, Bytes>;
  for (index_t i = 0; i < rows; ++i, sums += sums_row, c += c_row)
    for (index_t j = 0; j < cols; j += S::width) {
      const index_t count = cols - j < S::width ? cols - j : S::width;
      typename S::vector value;
      typename S::vector old{};
      S::load(value, sums + j);
      value = alpha * value;
      if (beta != T(0)) {
        if (count == S::width)
          S::load(old, c + j);
        else
          copy_few<S::width / 2>(reinterpret_cast<T*>(&old), c + j, count);
        value += beta * old;
      }
      if (count == S::width)
        S::store(c + j, value);
      else
        copy_few<S::width / 2>(c + j, reinterpret_cast<const T*>(&value), count);
    }
}

/// Computes the block of c whose first element is (first_row, first_col).
/// `workspace` has plan.workspace() elements.
template <class Tiles, class T>
CHAINRULE_INLINE void multiply_block(const gemm_problem<T>& g, const gemm_plan& plan, index_t i,
                                     index_t j, T* workspace) {
  constexpr int Bytes = Tiles::bytes;
  using S = simd<T, Bytes>;
  constexpr index_t strip = gemm_tile_sizes<Bytes>::vecs * S::width;
  const index_t rows = g.m - i < plan.rows ? g.m - i : plan.rows;
  const index_t cols = g.n - j < plan.cols ? g.n - j : plan.cols;
  T* const panel = workspace;
  T* const a_copy = panel + plan.panel_size;
  T* const all_sums = a_copy + plan.a_size;
  const bool is_bare = g.alpha == T(1) && g.beta == T(0);

  for (index_t p = 0; p < g.k; p += plan.depth) {
    const index_t depth = g.k - p < plan.depth ? g.k - p : plan.depth;
    gemm_tile<T> t{};
    t.k = depth;
    t.resumes = p > 0;
    t.map = g.map;
    t.x = g.a.is_transposed ? g.a.data + p * g.a.stride + i : g.a.data + i * g.a.stride + p;
    t.x_row = g.a.is_transposed ? 1 : g.a.stride;
    t.x_step = g.a.is_transposed ? g.a.stride : 1;
    if (plan.copies_a) {
      copy_panel<T, Bytes>(a_copy, plan.a_step, t.x, g.a.stride, g.a.is_transposed ? depth : rows,
                           g.a.is_transposed ? rows : depth);
      t.x = a_copy;
      (g.a.is_transposed ? t.x_step : t.x_row) = plan.a_step;
    }
    for (index_t s = 0; s < cols; s += strip) {
      const index_t width = cols - s < strip ? cols - s : strip;
      const index_t vecs = (width + S::width - 1) / S::width;
      const bool is_whole = width == vecs * S::width;
      if (g.b.is_transposed) {
        copy_panel_transposed<T, Bytes>(panel, vecs * S::width, g.b.data + (j + s) * g.b.stride + p,
                                        g.b.stride, depth, width, g.b.stride == g.k);
        t.y = panel;
        t.y_step = vecs * S::width;
      } else {
        t.y = g.b.data + p * g.b.stride + (j + s);
        t.y_step = g.b.stride;
        if (plan.copies_b || !is_whole) {
          copy_panel<T, Bytes>(panel, vecs * S::width, t.y, g.b.stride, depth, width);
          t.y = panel;
          t.y_step = vecs * S::width;
        }
      }
      // Sums are accumulated in c itself where its rows are whole vectors and alpha, beta allow it.
      T* const c = g.c + i * g.c_stride + (j + s);
      const bool in_place = is_bare && is_whole;
      t.sums = in_place ? c : all_sums + (plan.keeps_sums ? s * plan.rows : 0);
      t.sums_row = in_place ? g.c_stride : strip;
      const gemm_strip_tiles<T>& tiles =
          vecs == 2 ? (g.a.is_transposed ? strip_tiles<Tiles, T, 2, true>
                                         : strip_tiles<Tiles, T, 2, false>)
                    : (g.a.is_transposed ? strip_tiles<Tiles, T, 1, true>
                                         : strip_tiles<Tiles, T, 1, false>);
      if (g.map != nullptr && p + depth == g.k)
        multiply_strip<Bytes>(gemm_strip_tiles<T>{g.map->tile, nullptr, nullptr}, t, rows);
      else
        multiply_strip<Bytes>(tiles, t, rows);
      if (!in_place && p + depth == g.k)
        scale_sums<T, Bytes>(t.sums, t.sums_row, g.alpha, g.beta, c, g.c_stride, rows, width);
    }
  }
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_BLOCK_HPP

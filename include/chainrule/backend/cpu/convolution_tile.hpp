/// \file
/// The register tile of the CPU's convolutions, and its kernels for an instruction set.
///
/// A tile is the product of the matrix product (gemm/tile.hpp) summed over segments. The pixels of
/// one output row are the rows of a matrix whose elements overlap in memory: each begins
/// stride * channels after the one before it, and the elements under one row of the window are its
/// columns. A convolution is therefore a product of such matrices, one for each row of the window,
/// and nothing is copied; the gradient of the weights has the pixels of an output row as steps.
/// Sums stay in registers over all segments.
#ifndef CHAINRULE_BACKEND_CPU_CONVOLUTION_TILE_HPP
#define CHAINRULE_BACKEND_CPU_CONVOLUTION_TILE_HPP

#include <array>
#include <utility>

#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The addresses of a tile: sums(i, :) (+)= Σ over o, s, p of x(o, s, p, i) y(o, s, p, :).
template <class T>
struct convolution_tile {
  const T* x;       // x(o, s, p, i) is x[o * x_outer + s * x_segment + p * x_step + i * x_row]
  index_t x_row;    // 1 if rows are side by side
  index_t x_group;  // from a group of rows side by side to the next
  index_t x_step;   // 1 if they are not
  const T* y;  // the vectors of y(o, s, p, :) begin at o * y_outer + s * y_segment + p * y_step
  index_t y_step;
  T* sums;  // the sums of row i begin at sums + i * sums_row
  index_t sums_row;
  index_t outer, segments, steps;  // extents of o, s and p
  index_t x_outer, x_segment, y_outer, y_segment;
  bool resumes;  // adds to what is in `sums`
};

/// SideBySide: the rows' numbers of one step are neighbours, else the steps of one row. Of rows
/// side by side, Group are neighbours; the next ones begin x_group behind them.
template <class T, int Bytes, int Rows, int Vecs, bool SideBySide, int Group = Rows>
CHAINRULE_INLINE void run_convolution_tile(const convolution_tile<T>& t) {
  using S = simd<T, Bytes>;
  using vector = typename S::vector;
  // Rows share pointers in threes, which an address reaches with the stride once or twice.
  constexpr int rows_per_pointer = SideBySide ? Group : 3;
  constexpr int pointers = (Rows + rows_per_pointer - 1) / rows_per_pointer;
  // The results that the gradient of the weights streams are prefetched: 24 steps ahead, three to
  // five times faster on wide images than without.
  [[maybe_unused]] constexpr index_t ahead = 24;
  const index_t row = SideBySide ? 1 : t.x_row;
  const index_t pointer = SideBySide ? t.x_group : rows_per_pointer * row;
  const index_t step = SideBySide ? t.x_step : 1;

  [&]<int... P, int... V, int... I>(
      std::integer_sequence<int, P...>, std::integer_sequence<int, V...>,
      std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    vector sum[static_cast<std::size_t>(Rows * Vecs)];
    if (t.resumes)
      (S::load(sum[I], t.sums + I / Vecs * t.sums_row + I % Vecs * S::width), ...);
    else
      ((sum[I] = vector{}), ...);
    for (index_t o = 0; o < t.outer; ++o)
      for (index_t s = 0; s < t.segments; ++s) {
        const T* const first = t.x + o * t.x_outer + s * t.x_segment;
        const T* x[] = {first + P * pointer...};
        const T* y = t.y + o * t.y_outer + s * t.y_segment;
        for (index_t left = t.steps; left > 0; --left) {
          vector b[static_cast<std::size_t>(Vecs)];
          (S::load(b[V], y + V * S::width), ...);
          if constexpr (SideBySide) (__builtin_prefetch(y + ahead * t.y_step + V * S::width), ...);
          ((sum[I] +=
            x[I / Vecs / rows_per_pointer][I / Vecs % rows_per_pointer * row] * b[I % Vecs]),
           ...);
          ((x[P] += step), ...);
          y += t.y_step;
        }
      }
    (S::store(t.sums + I / Vecs * t.sums_row + I % Vecs * S::width, sum[I]), ...);
  }
  (std::make_integer_sequence<int, pointers>{}, std::make_integer_sequence<int, Vecs>{},
   std::make_integer_sequence<int, Rows * Vecs>{});
}

/// The tiles of an instruction set: run[side by side][vectors - 1][rows], null where there is none.
template <class T>
struct convolution_kernels {
  static constexpr index_t most_rows = 12;
  using kernel = void (*)(const convolution_tile<T>&);

  index_t width;  // elements of a vector
  std::array<std::array<std::array<kernel, most_rows + 1>, 2>, 2> run;
  /// Rows side by side in groups of 3 and of 5: run_groups[vectors - 1][size of a group].
  std::array<std::array<kernel, 6>, 2> run_groups;
  /// The groups of such a tile, 0 where there is none.
  [[nodiscard]] static constexpr index_t groups(index_t size) {
    return size == 3 ? 3 : (size == 5 ? 2 : 0);
  }

  /// The rows of the next tile where `left` are left: about equal tiles, no taller than
  /// registers allow.
  [[nodiscard]] index_t rows(bool side_by_side, index_t vecs, index_t left) const {
    const auto& of = run[side_by_side ? 1 : 0][static_cast<std::size_t>(vecs - 1)];
    index_t most = most_rows;
    while (of[static_cast<std::size_t>(most)] == nullptr) --most;
    const index_t pieces = (left + most - 1) / most;
    index_t height = (left + pieces - 1) / pieces;
    for (index_t h = height; h <= left && h <= most; ++h)
      if (of[static_cast<std::size_t>(h)] != nullptr) return h;
    while (of[static_cast<std::size_t>(height)] == nullptr) --height;
    return height;
  }
};

#if CHAINRULE_HAS_X86_TARGETS

// Tiles are not inlined: in one large function their sums would not stay in registers.
#define CHAINRULE_CONVOLUTION_TILES(name, bytes_of_vector, attribute)           \
  struct convolution_tiles_##name {                                             \
    static constexpr int bytes = bytes_of_vector;                               \
    template <class T, int Rows, int Vecs, bool SideBySide, int Group = Rows>   \
    attribute [[gnu::noinline]] static void run(const convolution_tile<T>& t) { \
      run_convolution_tile<T, bytes, Rows, Vecs, SideBySide, Group>(t);         \
    }                                                                           \
  };
CHAINRULE_CONVOLUTION_TILES(avx512, 64, CHAINRULE_TARGET_AVX512)
CHAINRULE_CONVOLUTION_TILES(avx2, 32, CHAINRULE_TARGET_AVX2)
#undef CHAINRULE_CONVOLUTION_TILES

template <class Tiles, class T>
[[nodiscard]] constexpr convolution_kernels<T> kernels_of_tiles() {
  convolution_kernels<T> k{Tiles::bytes / static_cast<index_t>(sizeof(T)), {}, {}};
  const auto add = [&]<int Vecs, int... Rows>(std::integral_constant<int, Vecs>,
                                              std::integer_sequence<int, Rows...>) {
    ((k.run[0][Vecs - 1][Rows] = Tiles::template run<T, Rows, Vecs, false>,
      k.run[1][Vecs - 1][Rows] = Tiles::template run<T, Rows, Vecs, true>),
     ...);
  };
  // The sums and two vectors of y fit into 32 registers, or 16.
  add(std::integral_constant<int, 1>{}, std::integer_sequence<int, 1, 2, 3, 4, 5, 8, 12>{});
  k.run_groups[0][3] = Tiles::template run<T, 9, 1, true, 3>;
  k.run_groups[0][5] = Tiles::template run<T, 10, 1, true, 5>;
  if constexpr (Tiles::bytes == 64) {
    add(std::integral_constant<int, 2>{},
        std::integer_sequence<int, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12>{});
    k.run_groups[1][3] = Tiles::template run<T, 9, 2, true, 3>;
    k.run_groups[1][5] = Tiles::template run<T, 10, 2, true, 5>;
  } else {
    add(std::integral_constant<int, 2>{}, std::integer_sequence<int, 1, 2, 3, 4, 5, 6>{});
  }
  return k;
}

#endif

/// The kernels of an instruction set, null for the portable one.
template <class T>
[[nodiscard]] const convolution_kernels<T>* convolution_kernels_for([[maybe_unused]] isa set) {
#if CHAINRULE_HAS_X86_TARGETS
  static constexpr convolution_kernels<T> avx512 = kernels_of_tiles<convolution_tiles_avx512, T>();
  static constexpr convolution_kernels<T> avx2 = kernels_of_tiles<convolution_tiles_avx2, T>();
  if (set == isa::avx512) return &avx512;
  if (set == isa::avx2) return &avx2;
#endif
  return nullptr;
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_CONVOLUTION_TILE_HPP

/// \file
/// The register tile: the innermost loop of the CPU's matrix product.
///
/// A tile is `Rows` rows of c, each of `Vecs` vectors. Every step of k loads Vecs vectors of b and
/// adds to each row its number of a times them. All sums stay in registers; each adds up k in order
/// (one fused multiplication and addition a step), whatever the tile, so that the bits of a product
/// do not depend on how it is cut.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_TILE_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_TILE_HPP

#include <utility>

#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The sizes of tiles, from the number of registers and the latency of fused multiplications.
template <int Bytes>
struct gemm_tile_sizes {
  /// A row of two vectors uses each number of a twice, so that the two loads a cycle that
  /// processors do keep up with the two multiplications.
  static constexpr int vecs = 2;
  /// AVX-512 has 32 registers: 24 sums, two vectors of b, the rest for numbers of a on their way.
  /// AVX2 has 16: 12 sums, two vectors, one number.
  static constexpr int rows = Bytes == 64 ? 12 : 6;
  /// For what is left below the tall tiles, and for small batches: 4 x 2 sums are the fewest that
  /// keep two units with a latency of four cycles busy.
  static constexpr int few_rows = 4;
};

template <class T>
struct gemm_map;

/// The addresses of a tile's factors and sums.
template <class T>
struct gemm_tile {
  const T* x;      // of a: the number of row i, step p is x[i * x_row + p * x_step]
  index_t x_row;   // 1 if a is `side by side`
  index_t x_step;  // 1 if it is not
  const T* y;      // of b: the vectors of step p begin at y + p * y_step
  index_t y_step;
  T* sums;  // the sums of row i begin at sums + i * sums_row
  index_t sums_row;
  index_t k;
  bool resumes;            // adds to what is in `sums`
  int skip;                // rows at the top that another tile stores
  const gemm_map<T>* map;  // what takes the sums in place of a store: see map_tile.hpp
};

/// sums (+)= x y. SideBySide: the rows' numbers of one step are neighbours (a is transposed), else
/// the steps of one row. With `kept`, the sums are assigned to it, row by row, and not stored.
template <class T, int Bytes, int Rows, int Vecs, bool SideBySide>
CHAINRULE_INLINE void multiply_tile(const gemm_tile<T>& t,
                                    typename simd<T, Bytes>::vector* kept = nullptr) {
  using S = simd<T, Bytes>;
  using vector = typename S::vector;
  // Rows share pointers in threes, which an address reaches with the stride once or twice: twelve
  // pointers and the rest would not fit the integer registers.
  constexpr int rows_per_pointer = SideBySide ? Rows : 3;
  constexpr int pointers = (Rows + rows_per_pointer - 1) / rows_per_pointer;
  const index_t row = SideBySide ? 1 : t.x_row;
  const index_t step = SideBySide ? t.x_step : 1;

  [&]<int... P, int... V, int... I>(
      std::integer_sequence<int, P...>, std::integer_sequence<int, V...>,
      std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    vector sum[static_cast<std::size_t>(Rows * Vecs)];
    if (t.resumes)
      (S::load(sum[I], t.sums + I / Vecs * t.sums_row + I % Vecs * S::width), ...);
    else
      ((sum[I] = vector{}), ...);
    const T* x[] = {t.x + P * rows_per_pointer * row...};
    const T* y = t.y;
    for (index_t left = t.k; left > 0; --left) {
      vector b[static_cast<std::size_t>(Vecs)];
      (S::load(b[V], y + V * S::width), ...);
      ((sum[I] += x[I / Vecs / rows_per_pointer][I / Vecs % rows_per_pointer * row] * b[I % Vecs]),
       ...);
      ((x[P] += step), ...);
      y += t.y_step;
    }
    if (kept != nullptr)
      ((kept[I] = sum[I]), ...);
    else
      ((I / Vecs >= t.skip ? S::store(t.sums + I / Vecs * t.sums_row + I % Vecs * S::width, sum[I])
                           : void()),
       ...);
  }
  (std::make_integer_sequence<int, pointers>{}, std::make_integer_sequence<int, Vecs>{},
   std::make_integer_sequence<int, Rows * Vecs>{});
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_TILE_HPP

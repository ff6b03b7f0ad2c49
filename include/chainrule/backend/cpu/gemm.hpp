/// \file
/// The CPU's matrix product: Eigen's kernel on blocks of rows, with the epilogue applied to each
/// block while it is in the cache.
///
/// Eigen's own driver packs both factors for each product, so that each block of rows would pack
/// all of b. Here b is packed once, in pieces, and every block of rows packs its part of a and
/// multiplies. The cuts follow from the shapes alone, so the bits do not depend on the number of
/// threads. The packed factors are on the stack of the calling thread or, if they are large, in a
/// thread-local buffer, so a call allocates nothing once that is large enough. Eigen's product
/// kernels are named in this file only.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_HPP

#include "chainrule/core/compiled.hpp"
#if CHAINRULE_DEFINITIONS
#include <Eigen/Core>
#endif
#include <type_traits>

#include "chainrule/backend/cpu/gemm/plan.hpp"
#include "chainrule/backend/cpu/parallel.hpp"
#include "chainrule/backend/cpu/storage.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

#if CHAINRULE_DEFINITIONS
/// The number of rows in a block of c: enough work for a fork (a quarter of a million
/// multiplications) and for a pass over the packed b, but few enough for many threads and the
/// cache.
[[nodiscard]] inline index_t gemm_rows_per_block(index_t m, index_t n, index_t k) {
  constexpr index_t work_per_block = 1 << 18;
  constexpr index_t least = 16;
  constexpr index_t most = 128;
  constexpr index_t most_blocks = 16;
  const index_t by_work = work_per_block / n / k + 1;
  const index_t by_blocks = (m + most_blocks - 1) / most_blocks;
  index_t rows = by_work > by_blocks ? by_work : by_blocks;
  rows = rows < least ? least : (rows > most ? most : rows);
  return rows < m ? rows : m;
}

/// A thread-local buffer of at least `size` elements, valid until the next call on this thread.
template <class T>
[[nodiscard]] T* gemm_buffer(index_t size) {
  thread_local cpu_storage<T> buffer;
  if (buffer.size() < size) buffer = cpu_storage<T>(size);
  return buffer.data();
}

/// c += alpha op(a) op(b) for row-major matrices, on a pool's threads. For each block of c, `begin`
/// is called before anything is added to it and `end` when it is done, as begin(first_row,
/// last_row, first_column, last_column); both on the thread that computes the block.
template <class T, class Begin, class End>
void gemm_add(thread_pool& pool, index_t m, index_t n, index_t k, T alpha, const gemm_factor<T>& a,
              const gemm_factor<T>& b, T* c, index_t c_stride, const Begin& begin, const End& end) {
  // Eigen's kernel is column-major: c' = op(b)' op(a)', where row-major storage is a transpose
  // already. So Eigen's left factor is b, its rows are the columns of c. Only the packing depends
  // on the order of a factor: all else is compiled once.
  namespace eigen = Eigen::internal;
  using traits = eigen::gebp_traits<T, T>;
  const auto pack_left = [&b](T* to, index_t i, index_t p, index_t length, index_t count) {
    const auto pack = [&]<int Order>(std::integral_constant<int, Order>) {
      using mapper = eigen::const_blas_data_mapper<T, index_t, Order>;
      eigen::gemm_pack_lhs<T, index_t, mapper, traits::mr, traits::LhsProgress,
                           typename traits::LhsPacket4Packing, Order>
          packing;
      packing(to, mapper(b.data, b.stride).getSubMapper(i, p), length, count);
    };
    b.is_transposed ? pack(std::integral_constant<int, Eigen::RowMajor>{})
                    : pack(std::integral_constant<int, Eigen::ColMajor>{});
  };
  const auto pack_right = [&a](T* to, index_t p, index_t j, index_t length, index_t count) {
    const auto pack = [&]<int Order>(std::integral_constant<int, Order>) {
      using mapper = eigen::const_blas_data_mapper<T, index_t, Order>;
      eigen::gemm_pack_rhs<T, index_t, mapper, traits::nr, Order> packing;
      packing(to, mapper(a.data, a.stride).getSubMapper(p, j), length, count);
    };
    a.is_transposed ? pack(std::integral_constant<int, Eigen::RowMajor>{})
                    : pack(std::integral_constant<int, Eigen::ColMajor>{});
  };
  using result_mapper = eigen::blas_data_mapper<T, index_t, Eigen::ColMajor>;
  eigen::gebp_kernel<T, T, index_t, result_mapper, traits::mr, traits::nr, false, false> multiply;
  const result_mapper result(c, c_stride);

  // The cut: `depth` of k at a time, as the L1 cache wants it; of that, `columns` of b, packed,
  // fill half of the L2 cache; `rows` of a are packed at a time and multiplied in blocks.
  const auto up_to_multiple = [](index_t x, index_t of) { return (x + of - 1) / of * of; };
  index_t depth = k;
  index_t columns = n;
  index_t rows = m;
  eigen::computeProductBlockingSizes<T, T, 1>(depth, columns, rows, index_t{1});
  const index_t half_cache = Eigen::l2CacheSize() / static_cast<index_t>(2 * sizeof(T));
  columns = up_to_multiple(half_cache / depth + 1, traits::mr);
  if (columns > n) columns = n;
  constexpr index_t tile = 2 * traits::nr;  // the kernel takes so many rows at a time, or half
  const index_t rows_per_block = up_to_multiple(gemm_rows_per_block(m, n, k), tile);
  rows = up_to_multiple(half_cache / depth + 1, rows_per_block);
  if (rows > m) rows = up_to_multiple(m, rows_per_block);
  constexpr index_t elements_per_piece = 1 << 15;
  const index_t columns_per_piece = up_to_multiple(elements_per_piece / depth + 1, traits::mr);

  const index_t left_size = up_to_multiple(columns * depth, 32);  // the rest begins a cache line
  // Small products may run on any thread at any time and must not allocate.
  constexpr std::size_t most_on_stack = 1 << 20;
  const index_t elements = left_size + rows * depth;
  const auto bytes = static_cast<std::size_t>(elements) * sizeof(T);
  T* const packed_left = bytes <= most_on_stack
                             ? static_cast<T*>(__builtin_alloca_with_align(bytes, 512))
                             : gemm_buffer<T>(elements);
  T* const packed_right = packed_left + left_size;

  for (index_t i = 0; i < m; i += rows) {
    const index_t height = m - i < rows ? m - i : rows;
    for (index_t p = 0; p < k; p += depth) {
      const index_t length = k - p < depth ? k - p : depth;
      for (index_t j = 0; j < n; j += columns) {
        const index_t width = n - j < columns ? n - j : columns;
        pool.for_each((width + columns_per_piece - 1) / columns_per_piece, [&](index_t piece) {
          const index_t first = piece * columns_per_piece;
          const index_t count =
              width - first < columns_per_piece ? width - first : columns_per_piece;
          pack_left(packed_left + first * length, j + first, p, length, count);
        });
        pool.for_each((height + rows_per_block - 1) / rows_per_block, [&](index_t block) {
          const index_t offset = block * rows_per_block;
          const index_t count = height - offset < rows_per_block ? height - offset : rows_per_block;
          const index_t first = i + offset;
          T* const packed = packed_right + offset * depth;
          if (p == 0) begin(first, first + count, j, j + width);
          if (j == 0) pack_right(packed, p, first, length, count);
          multiply(result.getSubMapper(j, first), packed_left, packed, width, length, count, alpha);
          if (p + depth >= k) end(first, first + count, j, j + width);
        });
      }
    }
  }
}
#endif

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_HPP

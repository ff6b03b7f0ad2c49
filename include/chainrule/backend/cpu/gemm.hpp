/// \file
/// The CPU's matrix product: Eigen's kernel on blocks of rows, with the epilogue applied to each
/// block while it is in the cache.
///
/// The cut into blocks follows from the shapes alone, so the bits do not depend on the number of
/// threads; packing buffers are kept per thread, so that a call allocates nothing once they are
/// large enough. Eigen's product kernels are named in this file only.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_HPP

#include <Eigen/Core>

#include "chainrule/backend/cpu/storage.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule::detail {

/// Eigen's plan of cache blocks for one product, with buffers of ours instead of its own.
template <class T>
class gemm_blocking : public Eigen::internal::level3_blocking<T, T> {
 public:
  /// For a column-major product of m x k by k x n.
  gemm_blocking(index_t m, index_t n, index_t k) {
    this->m_mc = m;
    this->m_nc = n;
    this->m_kc = k;
    Eigen::internal::computeProductBlockingSizes<T, T, 1>(this->m_kc, this->m_mc, this->m_nc,
                                                          index_t{1});
    const index_t left = this->m_mc * this->m_kc;
    const index_t right = this->m_kc * this->m_nc;
    // Both halves begin on a cache line.
    const index_t start = (left + 31) / 32 * 32;
    thread_local cpu_storage<T> buffer;
    if (buffer.size() < start + right) buffer = cpu_storage<T>(start + right);
    this->m_blockA = buffer.data();
    this->m_blockB = buffer.data() + start;
  }
};

/// c += alpha op(a) op(b) for row-major matrices, on the calling thread; a and b are given by their
/// first element, stride and whether they are transposed.
template <class T, bool TransposedA, bool TransposedB>
void gemm_add(index_t m, index_t n, index_t k, T alpha, const T* a, index_t a_stride, const T* b,
              index_t b_stride, T* c, index_t c_stride) {
  // Eigen's kernel is column-major: c' = op(b)' op(a)', where row-major storage is a transpose
  // already.
  constexpr int left_order = TransposedB ? Eigen::RowMajor : Eigen::ColMajor;
  constexpr int right_order = TransposedA ? Eigen::RowMajor : Eigen::ColMajor;
  gemm_blocking<T> blocking(n, m, k);
  Eigen::internal::general_matrix_matrix_product<index_t, T, left_order, false, T, right_order,
                                                 false, Eigen::ColMajor, 1>::run(n, m, k, b,
                                                                                 b_stride, a,
                                                                                 a_stride, c, 1,
                                                                                 c_stride, alpha,
                                                                                 blocking, nullptr);
}

/// How many blocks the m rows of a product are cut into: as many as give each about a quarter of a
/// million multiplications, so that a fork pays, but none lower than a few register tiles.
[[nodiscard]] inline index_t gemm_row_blocks(index_t m, index_t n, index_t k) {
  constexpr index_t work_per_block = 1 << 18;
  constexpr index_t least_rows = 16;
  constexpr index_t most_blocks = 16;
  const index_t by_work = m * n / work_per_block * k + m * n % work_per_block * k / work_per_block;
  const index_t by_rows = m / least_rows;
  const index_t blocks = by_work < by_rows ? by_work : by_rows;
  return blocks < 1 ? 1 : (blocks > most_blocks ? most_blocks : blocks);
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_HPP

/// \file
/// `gemm_batch`: several matrix products in one call, on any backend.
///
///     // Scores of 8 heads, side by side in q and k (T x 512), one below the other in `scores`:
///     gemm_batch(be, 8, {scores, T * T}, {q_head, 64}, {transposed(k_head), 64}, {0.125});
///
/// See also backend/concept.hpp (strided_batch).
#ifndef CHAINRULE_BACKEND_GEMM_BATCH_HPP
#define CHAINRULE_BACKEND_GEMM_BATCH_HPP

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"

namespace chainrule {

/// c[i] = alpha a[i] b[i] + beta c[i] for i = 0 ... count - 1, where a[i] is m x k, b[i] is k x n
/// (both may be `transposed`) and c[i] is m x n. A step of 0 shares a factor; results may not
/// overlap each other or a factor. With beta = 0, c is not read. One call of the backend's own verb
/// where it has one, `count` products elsewhere. Throws shape_error before anything is written.
template <backend B>
void gemm_batch(const B& be, index_t count, strided_batch<matrix<B>> c,
                strided_batch<gemm_operand<const_matrix<B>>> a,
                strided_batch<gemm_operand<const_matrix<B>>> b, gemm_scalars scalars = {}) {
  if constexpr (requires { be.gemm_batch(count, c, a, b, scalars); }) {
    be.gemm_batch(count, c, a, b, scalars);
  } else {
    contract::products(count, c.first.shape(), c.first.stride(), c.step,
                       {a.first.rows(), a.first.cols()}, a.step, {b.first.rows(), b.first.cols()},
                       b.step);
    for (index_t i = 0; i < count; ++i) be.gemm(c[i], a[i], b[i], scalars);
  }
}

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_GEMM_BATCH_HPP

/// \file
/// The affine map with an activation, y = f(x W + b), and its vector-Jacobian product.
///
/// Shapes: x: n × in, W: in × out, b: 1 × out, y: n × out.
#ifndef CHAINRULE_OPS_LINEAR_HPP
#define CHAINRULE_OPS_LINEAR_HPP

#include "chainrule/backend/concept.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule::ops {

/// y = f(x W + b), assigned.
template <backend B, class F = identity>
void linear(const B& be, const_matrix<B> x, const_matrix<B> w, const_matrix<B> b, matrix<B> y,
            const F& f = {}) {
  be.gemm(y, x, w, {}, add_bias_then<F>{f}, b);
}

/// From dz, the gradient with respect to z = x W + b: dW = xᵀ dz + beta_w dW, db = the column sums
/// of dz + beta_b db, where a beta of 0 assigns, and dx = dz Wᵀ, assigned. An empty dx is not
/// wanted and not computed.
template <backend B>
void linear_vjp(const B& be, const_matrix<B> x, const_matrix<B> w, const_matrix<B> dz, matrix<B> dw,
                double beta_w, matrix<B> db, double beta_b, matrix<B> dx) {
  be.gemm(dw, transposed(x), dz, {1, beta_w});
  be.reduce(reduction::sum{}, db, {beta_b}, identity{}, dz);
  if (!dx.empty()) be.gemm(dx, dz, transposed(w));
}

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_LINEAR_HPP

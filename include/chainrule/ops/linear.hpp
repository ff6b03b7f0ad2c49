/// \file
/// Products, transposes, and the affine map with an activation, y = f(x W + b).
#ifndef CHAINRULE_OPS_LINEAR_HPP
#define CHAINRULE_OPS_LINEAR_HPP

#include <algorithm>
#include <string_view>

#include "chainrule/ops/reductions.hpp"

namespace chainrule::ops {

/// c = A B, where A is a or aᵀ and B is b or bᵀ.
struct product_op {
  static constexpr std::string_view name = "matmul";
  /// Whether the transpose of a is multiplied.
  bool a_transposed = false;
  /// Whether the transpose of b is multiplied.
  bool b_transposed = false;

  /// Throws shape_error unless the inner extents agree.
  [[nodiscard]] matrix_shape shape(matrix_shape a, matrix_shape b) const {
    if (a_transposed) a = {a.cols, a.rows};
    if (b_transposed) b = {b.cols, b.rows};
    if (a.cols != b.rows)
      detail::fail<shape_error>(
          "matmul: ", to_string(a), " by ", to_string(b),
          "; the columns of the left factor must be as many as the rows of the right one");
    return {a.rows, b.cols};
  }
  template <backend B>
  void forward(const B& be, matrix<B> c, const_matrix<B> a, const_matrix<B> b) const {
    accumulate(be, c, 0, a, b);
  }
  /// c = A B + beta c.
  template <backend B>
  void accumulate(const B& be, matrix<B> c, double beta, const_matrix<B> a,
                  const_matrix<B> b) const {
    using factor = gemm_operand<const_matrix<B>>;
    be.gemm(c, factor(a, a_transposed), factor(b, b_transposed), {1, beta});
  }
  /// dA = dC Bᵀ and dB = Aᵀ dC, transposed once more where the factor was.
  void vjp(auto& step) const {
    const auto dc = step.dy();
    if (step.wants(0)) {
      const auto b = step.input(1);
      a_transposed ? step.give(0, product_op{b_transposed, true}, b, dc)
                   : step.give(0, product_op{false, !b_transposed}, dc, b);
    }
    if (step.wants(1)) {
      const auto a = step.input(0);
      b_transposed ? step.give(1, product_op{true, a_transposed}, dc, a)
                   : step.give(1, product_op{!a_transposed, false}, a, dc);
    }
  }
};

/// y = xᵀ.
struct transpose_op {
  static constexpr std::string_view name = "transpose";

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return {x.cols, x.rows}; }
  /// By a verb, or a loop where the host sees the memory; else by copies of rows or columns,
  /// whichever are fewer.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    if (x.empty()) return;
    if constexpr (requires { be.transpose(y, x); }) {
      be.transpose(y, x);
    } else if constexpr (requires { requires B::host_memory; }) {
      constexpr index_t tile = 16;
      for (index_t i = 0; i < x.rows(); i += tile)
        for (index_t j = 0; j < x.cols(); j += tile)
          for (index_t k = i; k < std::min(i + tile, x.rows()); ++k)
            for (index_t l = j; l < std::min(j + tile, x.cols()); ++l) y(l, k) = x(k, l);
    } else if (x.cols() <= x.rows()) {
      // A column, as n × 1 with gaps, becomes a row, as n × 1 without.
      for (index_t j = 0; j < x.cols(); ++j)
        be.copy(matrix<B>(y.data() + j * y.stride(), x.rows(), 1, 1), x.block(0, j, x.rows(), 1));
    } else {
      for (index_t i = 0; i < x.rows(); ++i)
        be.copy(y.block(0, i, x.cols(), 1),
                const_matrix<B>(x.data() + i * x.stride(), x.cols(), 1, 1));
    }
  }
  void vjp(auto& step) const { step.give(0, transpose_op{}, step.dy()); }
};

/// y = x W + b. x: n × in, W: in × out, b: 1 × out, y: n × out.
struct linear_op {
  static constexpr std::string_view name = "linear";

  /// Throws shape_error unless the shapes are as above.
  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape w, matrix_shape b) const {
    const matrix_shape y = product_op{}.shape(x, w);
    contract::same_shape("linear", {1, y.cols}, b);
    return y;
  }
  /// y = f(x W + b), by one call of gemm.
  template <backend B, class F = identity>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> w, const_matrix<B> b,
               const F& f = {}) const {
    be.gemm(y, x, w, {}, add_bias_then<F>{f}, b);
  }
  /// From dy, the gradient with respect to x W + b.
  void vjp(auto& step) const {
    const auto dy = step.dy();
    if (!give_both(step)) {
      if (step.wants(1)) step.give(1, product_op{true, false}, step.input(0), dy);
      if (step.wants(2)) step.give(2, sum_op{step.shape_of(2)}, dy);
    }
    if (step.wants(0)) step.give(0, product_op{false, true}, dy, step.input(1));
  }

 private:
  /// Gives the gradients of W and b by one verb; false if the backend has none or one is not
  /// wanted.
  static bool give_both([[maybe_unused]] auto& step) {
    if constexpr (requires { step.target(1); }) {
      const auto& be = step.backend();
      const auto w = step.target(1);
      const auto b = step.target(2);
      const auto x = transposed(step.input(0));
      const auto dy = step.dy();
      if constexpr (requires { be.gemm_and_sum(w.to, x, dy, {1, w.beta}, b.to, b.beta); }) {
        if (w.to.empty() || b.to.empty()) return false;
        be.gemm_and_sum(w.to, x, dy, {1, w.beta}, b.to, b.beta);
        return true;
      }
    }
    return false;
  }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_LINEAR_HPP

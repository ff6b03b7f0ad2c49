/// \file
/// The functions of matrices on variables, beside the pointwise ones of autodiff/operators.hpp.
///
///     y = matmul(x, w) + b;                       // x: n x in, w: in x out, b: 1 x out
///     y = math::linear(x, w, b);                  // one operation
///     g = matmul(transposed(x), x);               // no transpose is made
///     loss = mean(log_sum_exp(scores) - sum(scores * one_hot, over::cols));
///     concatenate_rows({a, b}); gather(table, {4, 0, 4});
///
/// Their forward passes and derivatives are the ops of the folder ops/. Reshaped matrices and
/// blocks share the memory of what they were made from.
#ifndef CHAINRULE_AUTODIFF_FUNCTIONS_HPP
#define CHAINRULE_AUTODIFF_FUNCTIONS_HPP

#include <initializer_list>

#include "chainrule/autodiff/operators.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/normalization.hpp"
#include "chainrule/ops/softmax.hpp"
#include "chainrule/ops/structure.hpp"

namespace chainrule {

/// What a reduction goes over: everything (1 x 1), the rows (1 x cols), the columns (rows x 1).
enum class over { all, rows, cols };

namespace detail {

[[nodiscard]] inline matrix_shape reduced(matrix_shape s, over what) {
  return {what == over::cols ? s.rows : 1, what == over::rows ? s.cols : 1};
}

/// The parts below or beside each other; constants may be among them.
template <backend B>
[[nodiscard]] variable<B> concatenate(const std::vector<variable<B>>& parts, bool by_rows) {
  const ops::concatenate_op op{by_rows};
  std::vector<matrix_shape> shapes;
  for (const variable<B>& p : parts) shapes.push_back(p.shape());
  const matrix_shape whole = op.shape(shapes);
  const variable<B>* anchor = &parts.front();
  for (const variable<B>& p : parts)
    if (!p.is_constant()) anchor = &p;
  graph<B>& g = anchor->graph();
  std::vector<variable<B>> operands;
  std::vector<const_matrix<B>> views;
  std::vector<node<B>*> inputs;
  for (const variable<B>& p : parts) {
    (void)graph_of(*anchor, p);
    operands.push_back(on_graph(g, p));
    views.push_back(operands.back().view());
    inputs.push_back(&operands.back().node());
  }
  variable<B> result = variable<B>::adopt(g, g.make(whole));
  op.forward(g.backend(), g.writable(&result.node()), std::span<const const_matrix<B>>(views));
  record(result, op_operation<B, ops::concatenate_op>::instance, op, inputs.data(), inputs.size());
  return result;
}

}  // namespace detail

namespace math {

// Products.

/// A factor of a product, as it is or transposed.
template <backend B>
struct variable_factor {
  /// The factor as a node.
  const variable<B>& x;
  /// Whether the transpose of x is multiplied.
  bool is_transposed = false;

  /// x, or its transpose if t; x must live until the product is computed.
  // NOLINTNEXTLINE: implicit by design, a variable is a factor
  variable_factor(const variable<B>& v, bool t = false) : x(v), is_transposed(t) {}
};

/// The transpose of x, as a factor of a product. x must live until then.
template <backend B>
[[nodiscard]] variable_factor<B> transposed(const variable<B>& x) {
  return {x, true};
}

/// a b, where each is a variable or transposed(variable). Throws shape_error unless the inner
/// extents agree.
template <template <class> class Left, template <class> class Right, backend B>
requires std::convertible_to < const Left<B>
&, variable_factor < B >>
       &&std::convertible_to<const Right<B>&, variable_factor<B>> [[nodiscard]] variable<B> matmul(
           const Left<B>& left, const Right<B>& right) {
  const variable_factor<B> a = left;
  const variable_factor<B> b = right;
  return apply(ops::product_op{a.is_transposed, b.is_transposed}, a.x, b.x);
}

/// x w + b as one operation; x: n × in, w: in × out, b: 1 × out. Throws shape_error.
template <backend B>
[[nodiscard]] variable<B> linear(const variable<B>& x, const variable<B>& w, const variable<B>& b) {
  return apply(ops::linear_op{}, x, w, b);
}

/// xᵀ. Within a product, `transposed(x)` costs nothing.
template <backend B>
[[nodiscard]] variable<B> transpose(const variable<B>& x) {
  return apply(ops::transpose_op{}, x);
}

// Reductions.

/// x repeated to the shape s. Throws shape_error unless each of x's extents is 1 or that of s.
template <backend B>
[[nodiscard]] variable<B> broadcast_to(const variable<B>& x, chainrule::matrix_shape s) {
  return x.shape() == s ? x : apply(ops::broadcast_op{s}, x);
}

/// x summed to the shape s, whose extents are those of x or 1: the inverse of a broadcast's shape.
template <backend B>
variable<B> sum_to(const variable<B>& x, chainrule::matrix_shape s) {
  return x.shape() == s ? x : apply(ops::sum_op{s}, x);
}

/// The sum of the elements.
template <backend B>
[[nodiscard]] variable<B> sum(const variable<B>& x, over what = over::all) {
  return sum_to(x, chainrule::detail::reduced(x.shape(), what));
}

/// The mean of the elements. Throws shape_error if there are none.
template <backend B>
[[nodiscard]] variable<B> mean(const variable<B>& x, over what = over::all) {
  ops::require_elements("mean", x.shape());
  const variable<B> total = sum(x, what);
  return total /
         (static_cast<double>(x.shape().size()) / static_cast<double>(total.shape().size()));
}

/// The largest element; NaN if one is NaN. Equal largest elements share the gradient. Throws
/// shape_error if there are none.
template <backend B>
[[nodiscard]] variable<B> max(const variable<B>& x, over what = over::all) {
  return apply(ops::extremum_op<reduction::maximum>{chainrule::detail::reduced(x.shape(), what)},
               x);
}
/// The smallest element; NaN if one is NaN. Equal smallest elements share the gradient. Throws
/// shape_error if there are none.
template <backend B>
[[nodiscard]] variable<B> min(const variable<B>& x, over what = over::all) {
  return apply(ops::extremum_op<reduction::minimum>{chainrule::detail::reduced(x.shape(), what)},
               x);
}

/// The Euclidean norm, sqrt(Σ x²). Its gradient at 0 is 0, as is its second derivative there.
template <backend B>
[[nodiscard]] variable<B> norm(const variable<B>& x, over what = over::all) {
  return chainrule::detail::apply_op(x.graph(),
                                     ops::norm_op{chainrule::detail::reduced(x.shape(), what)}, x);
}

/// e^x / Σ e^x in each row, with the maximum shifted out.
template <backend B>
[[nodiscard]] variable<B> softmax(const variable<B>& x) {
  return apply(ops::softmax_op{}, x);
}

/// (x - mean) / sqrt(variance + eps), with the mean and the biased variance of each column
/// (over::rows), of each row (over::cols) or of everything. Throws shape_error if x is empty.
template <backend B>
[[nodiscard]] variable<B> normalize(const variable<B>& x, over what, double eps = 1e-5) {
  return apply(ops::normalize_op{chainrule::detail::reduced(x.shape(), what), eps}, x);
}
/// y(i, j) = Σ x(i, j + d) over d = -left ... right, with zeros beyond the row. Throws value_error
/// if an extent is negative.
template <backend B>
[[nodiscard]] variable<B> window_sum(const variable<B>& x, index_t left, index_t right) {
  if (left < 0 || right < 0)
    throw value_error(chainrule::detail::concat(
        "window_sum: the extents of a window are at least 0, got ", left, " and ", right));
  return apply(ops::window_sum_op{left, right}, x);
}

/// log Σ e^x of each row (rows x 1), with the maximum shifted out.
template <backend B>
[[nodiscard]] variable<B> log_sum_exp(const variable<B>& x) {
  return apply(ops::log_sum_exp_op{}, x);
}

// Functions that move elements and change none.

/// The elements of x, row by row, as a matrix of rows x cols. Throws shape_error if x has another
/// number of elements.
template <backend B>
[[nodiscard]] variable<B> reshape(const variable<B>& x, index_t rows, index_t cols) {
  return apply(ops::reshape_op{{rows, cols}}, x);
}

/// The block of rows x cols whose first element is (i, j). Throws shape_error if it does not lie
/// within x.
template <backend B>
[[nodiscard]] variable<B> block(const variable<B>& x, index_t i, index_t j, index_t rows,
                                index_t cols) {
  return apply(ops::block_op{{rows, cols}, i, j}, x);
}
/// The rows [first, first + count).
template <backend B>
[[nodiscard]] variable<B> middle_rows(const variable<B>& x, index_t first, index_t count) {
  return block(x, first, 0, count, x.cols());
}
/// The columns [first, first + count).
template <backend B>
[[nodiscard]] variable<B> middle_cols(const variable<B>& x, index_t first, index_t count) {
  return block(x, 0, first, x.rows(), count);
}

/// A matrix of shape s that is x from (i, j) on and 0 elsewhere. Throws shape_error if x does not
/// fit.
template <backend B>
[[nodiscard]] variable<B> pad(const variable<B>& x, chainrule::matrix_shape s, index_t i,
                              index_t j) {
  return apply(ops::pad_op{s, i, j}, x);
}
template <backend B>
[[deprecated("chainrule: now pad")]] variable<B> embed(const variable<B>& x,
                                                       chainrule::matrix_shape s, index_t i,
                                                       index_t j) {
  return pad(x, s, i, j);
}

/// The parts below each other. Throws shape_error if there are none, or if they have different
/// numbers of columns.
template <backend B>
[[nodiscard]] variable<B> concatenate_rows(const std::vector<variable<B>>& parts) {
  return chainrule::detail::concatenate(parts, true);
}
/// The parts beside each other. Throws shape_error if there are none, or if they have different
/// numbers of rows.
template <backend B>
[[nodiscard]] variable<B> concatenate_cols(const std::vector<variable<B>>& parts) {
  return chainrule::detail::concatenate(parts, false);
}
/// All rows of the parts, one part below the other; throws shape_error if their columns differ.
template <backend B>
[[nodiscard]] variable<B> concatenate_rows(std::initializer_list<variable<B>> parts) {
  return chainrule::detail::concatenate<B>(parts, true);
}
/// All columns of the parts, side by side; throws shape_error if their rows differ.
template <backend B>
[[nodiscard]] variable<B> concatenate_cols(std::initializer_list<variable<B>> parts) {
  return chainrule::detail::concatenate<B>(parts, false);
}

/// The rows of x by number, which may repeat. Throws value_error if one does not exist.
template <backend B>
[[nodiscard]] variable<B> gather(const variable<B>& x, const std::vector<std::int32_t>& rows) {
  for (const std::int32_t r : rows)
    if (r < 0 || r >= x.rows())
      throw value_error(
          chainrule::detail::concat("gather: row ", r, " of a variable of ", x.rows(), " rows"));
  auto& g = x.graph();
  return apply(ops::gather_op<B>{ops::upload_rows(g.backend(), std::span(rows))}, x);
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_FUNCTIONS_HPP

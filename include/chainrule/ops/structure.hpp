/// \file
/// Ops that move elements and change none: reshape, block, pad, concatenate, gather, scatter.
///
/// Reshaped matrices and blocks are views where the elements lie suitably: `view(x)` is the result
/// if it needs no memory of its own.
#ifndef CHAINRULE_OPS_STRUCTURE_HPP
#define CHAINRULE_OPS_STRUCTURE_HPP

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "chainrule/ops/reductions.hpp"

namespace chainrule::ops {

/// The elements of x, row by row, as a matrix of another shape.
struct reshape_op {
  static constexpr std::string_view name = "reshape";
  matrix_shape to;

  /// Throws shape_error unless x has as many elements.
  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    if (to.size() != x.size())
      detail::fail<shape_error>("reshape: ", to_string(x), " has ", x.size(), " elements, ",
                                to_string(to), " has others");
    return to;
  }
  template <class View>
  [[nodiscard]] std::optional<View> view(const View& x) const {
    if (!x.contiguous()) return {};
    return View(x.data(), to.rows, to.cols);
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    if (!y.contiguous())
      detail::fail<shape_error>(
          "reshape: the result must have rows without gaps; use a matrix of its own");
    be.copy(matrix<B>(y.data(), x.rows(), x.cols()), x);
  }
  void vjp(auto& step) const { step.give(0, reshape_op{step.shape_of(0)}, step.dy()); }
};

/// x, whose first element becomes element (i, j) of a matrix of shape `to` that is 0 elsewhere.
struct pad_op {
  static constexpr std::string_view name = "pad";
  matrix_shape to;
  index_t i = 0;
  index_t j = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape) const { return to; }
  /// Throws shape_error, and changes nothing, if x does not fit.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    const matrix<B> place = y.block(i, j, x.rows(), x.cols());
    fill(be, y, 0);
    if (!place.empty()) be.copy(place, x);
  }
  void vjp(auto& step) const;
};

/// The block of x of shape `of` whose first element is (i, j).
struct block_op {
  static constexpr std::string_view name = "block";
  /// Shape of the matrix that the block is cut from.
  matrix_shape of;
  index_t i = 0;
  index_t j = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape) const { return of; }
  /// Throws shape_error if the block does not lie within x.
  template <class View>
  [[nodiscard]] std::optional<View> view(const View& x) const {
    return x.block(i, j, of.rows, of.cols);
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.copy(y, *view(x));
  }
  void vjp(auto& step) const { step.give(0, pad_op{step.shape_of(0), i, j}, step.dy()); }
};

void pad_op::vjp(auto& step) const { step.give(0, block_op{step.shape_of(0), i, j}, step.dy()); }

/// Matrices below each other (by rows) or beside each other.
struct concatenate_op {
  static constexpr std::string_view name = "concatenate";
  /// Whether the operands lie one below the other rather than side by side.
  bool by_rows = false;

  /// Throws shape_error if there are none, or if they do not fit.
  [[nodiscard]] matrix_shape shape(std::span<const matrix_shape> parts) const {
    const char* const function = by_rows ? "concatenate_rows" : "concatenate_cols";
    if (parts.empty()) detail::fail<shape_error>(function, ": there is nothing to put together");
    matrix_shape whole = parts.front();
    for (const matrix_shape s : parts.subspan(1)) {
      if (by_rows ? s.cols != whole.cols : s.rows != whole.rows)
        detail::fail<shape_error>(function, ": ", to_string(parts.front()), " and ", to_string(s),
                                  " cannot be put together; they need as many ",
                                  by_rows ? "columns" : "rows");
      (by_rows ? whole.rows : whole.cols) += by_rows ? s.rows : s.cols;
    }
    return whole;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, std::span<const const_matrix<B>> parts) const {
    index_t at = 0;
    for (const const_matrix<B>& part : parts) {
      const block_op place = place_of(part.shape(), at);
      if (!part.empty()) be.copy(*place.view(y), part);
    }
  }
  void vjp(auto& step) const {
    index_t at = 0;
    for (std::size_t i = 0; i < step.inputs(); ++i) {
      const block_op place = place_of(step.shape_of(i), at);
      if (step.wants(i)) step.give(i, place, step.dy());
    }
  }

 private:
  /// Where the next part lies; moves `at` behind it.
  [[nodiscard]] block_op place_of(matrix_shape part, index_t& at) const {
    const block_op place{part, by_rows ? at : 0, by_rows ? 0 : at};
    at += by_rows ? part.rows : part.cols;
    return place;
  }
};

/// Row numbers (1 × n) in B's memory, which `owner` keeps alive unless it is null.
template <backend B>
struct row_numbers {
  typename B::template view<const std::int32_t> view{};
  /// Keeps the memory of the view.
  std::shared_ptr<const void> owner{};
};

/// Row numbers that are copied to B's memory.
template <backend B>
[[nodiscard]] row_numbers<B> upload_rows(const B& be, std::span<const std::int32_t> rows) {
  const auto count = static_cast<index_t>(rows.size());
  auto own = std::make_shared<typename B::template storage<std::int32_t>>(
      be.template allocate<std::int32_t>(count));
  if (count > 0) {
    be.template upload<std::int32_t>(own->view(),
                                     matrix_view<const std::int32_t>(rows.data(), 1, count));
    be.synchronize();  // `rows` may go before it is read
  }
  const typename B::template view<const std::int32_t> view = own->view();
  return {view, std::move(own)};
}

/// y(rows(i), :) = Σ x(i, :) over the i of that row number, in a matrix of `count` rows.
template <backend B>
struct scatter_op {
  static constexpr std::string_view name = "scatter";
  row_numbers<B> rows;
  /// Rows of the result.
  index_t count = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return {count, x.cols}; }
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const { accumulate(be, y, 0, x); }
  /// Adds to y for a beta of 1.
  void accumulate(const B& be, matrix<B> y, double beta, const_matrix<B> x) const {
    if (beta == 0) fill(be, y, 0);
    if (!x.empty()) be.scatter_add(y, rows.view, x);
  }
  void vjp(auto& step) const;
};

/// y(i, :) = x(rows(i), :).
template <backend B>
struct gather_op {
  static constexpr std::string_view name = "gather";
  row_numbers<B> rows;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return {rows.view.cols(), x.cols}; }
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    if (!y.empty()) be.gather(y, x, rows.view);
  }
  void vjp(auto& step) const {
    step.give(0, scatter_op<B>{rows, step.shape_of(0).rows}, step.dy());
  }
};

template <backend B>
void scatter_op<B>::vjp(auto& step) const {
  step.give(0, gather_op<B>{rows}, step.dy());
}

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_STRUCTURE_HPP

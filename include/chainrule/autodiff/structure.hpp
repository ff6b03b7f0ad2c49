/// \file
/// Operations that move elements and change none: reshape, blocks, concatenation, rows by index.
///
///     reshape(x, 1, 12);
///     block(x, i, j, rows, cols); middle_rows(x, first, count); middle_cols(x, first, count);
///     concatenate_rows({a, b}); concatenate_cols({a, b, c});
///     gather(embeddings, {4, 0, 4});
///
/// Reshaped matrices and blocks share the memory of what they were made from.
#ifndef CHAINRULE_AUTODIFF_STRUCTURE_HPP
#define CHAINRULE_AUTODIFF_STRUCTURE_HPP

#include <cstdint>
#include <memory>

#include "chainrule/autodiff/vjp_step.hpp"

namespace chainrule {

namespace math {
template <backend B>
[[nodiscard]] variable<B> reshape(const variable<B>& x, index_t rows, index_t cols);
template <backend B>
[[nodiscard]] variable<B> block(const variable<B>& x, index_t i, index_t j, index_t rows,
                                index_t cols);
template <backend B>
[[nodiscard]] variable<B> embed(const variable<B>& x, chainrule::matrix_shape s, index_t i,
                                index_t j);
}  // namespace math

namespace detail {

/// A node for `view`, which looks at x's elements. A number within a node is copied.
template <backend B>
[[nodiscard]] variable<B> look_at(const variable<B>& x, const_matrix<B> view) {
  graph<B>& g = x.graph();
  if constexpr (in_host_memory<B>)
    if (x.node().memory == nullptr && x.node().is_whole && !view.empty())
      return variable<B>::adopt(g, make_number(g, static_cast<double>(*x.view().data())));
  return variable<B>::adopt(g, g.make_view(view, &x.node()));
}

template <backend B>
struct reshape_operation {
  static void vjp(vjp_step<B>& step) {
    const matrix_shape s = step.input_shape(0);
    step.give(0, math::reshape(step.dy(), s.rows, s.cols));
  }
  static constexpr operation<B> instance{"reshape", &vjp};
};

/// Where a block begins.
struct corner {
  index_t i = 0;
  index_t j = 0;
};

template <backend B>
struct block_operation {
  static void vjp(vjp_step<B>& step) {
    const auto [i, j] = step.template kept<corner>();
    step.give(0, math::embed(step.dy(), step.input_shape(0), i, j));
  }
  static constexpr operation<B> instance{"block", &vjp};
};

template <backend B>
struct embed_operation {
  static void vjp(vjp_step<B>& step) {
    const auto [i, j] = step.template kept<corner>();
    const matrix_shape s = step.input_shape(0);
    step.give(0, math::block(step.dy(), i, j, s.rows, s.cols));
  }
  static constexpr operation<B> instance{"embed", &vjp};
};

template <backend B>
struct concatenate_operation {
  static void vjp(vjp_step<B>& step) {
    const bool by_rows = step.template kept<bool>();
    index_t at = 0;
    for (std::size_t i = 0; i < step.inputs(); ++i) {
      const matrix_shape s = step.input_shape(i);
      if (step.wants(i))
        step.give(i, math::block(step.dy(), by_rows ? at : 0, by_rows ? 0 : at, s.rows, s.cols));
      at += by_rows ? s.rows : s.cols;
    }
  }
  static constexpr operation<B> instance{"concatenate", &vjp};
};

/// Numbers of rows, on the host and in the backend's memory.
template <backend B>
struct row_list {
  row_list(const B& be, const std::vector<std::int32_t>& list)
      : host(list), rows(be.template allocate<std::int32_t>(static_cast<index_t>(list.size()))) {
    if (host.empty()) return;
    be.template upload<std::int32_t>(
        rows.view(),
        matrix_view<const std::int32_t>(host.data(), 1, static_cast<index_t>(host.size())));
    be.synchronize();  // `host` may go before it is read
  }
  std::vector<std::int32_t> host;
  typename B::template storage<std::int32_t> rows;
};
template <backend B>
using shared_rows = std::shared_ptr<const row_list<B>>;

/// out(rows(i), :) += x(i, :), where out begins at 0.
template <backend B>
void scatter_rows(const B& be, matrix<B> out, const row_list<B>& list, const_matrix<B> x) {
  be.map(fn::fill{0}, out);
  be.scatter_add(out, list.rows.view(), x);
}

template <backend B>
[[nodiscard]] variable<B> scatter(const variable<B>& x, const shared_rows<B>& list, index_t rows);
template <backend B>
[[nodiscard]] variable<B> gather(const variable<B>& x, const shared_rows<B>& list);

template <backend B>
struct gather_operation {
  static void vjp(vjp_step<B>& step) {
    step.give(0,
              scatter(step.dy(), step.template kept<shared_rows<B>>(), step.input_shape(0).rows));
  }
  static constexpr operation<B> instance{"gather", &vjp,
                                         node<B>::template end_of<shared_rows<B>>()};
};
template <backend B>
struct scatter_operation {
  static void vjp(vjp_step<B>& step) {
    step.give(0, gather(step.dy(), step.template kept<shared_rows<B>>()));
  }
  static constexpr operation<B> instance{"scatter", &vjp,
                                         node<B>::template end_of<shared_rows<B>>()};
};

template <backend B>
variable<B> gather(const variable<B>& x, const shared_rows<B>& list) {
  graph<B>& g = x.graph();
  variable<B> result =
      variable<B>::adopt(g, g.make({static_cast<index_t>(list->host.size()), x.cols()}));
  const typename B::template view<const std::int32_t> rows = list->rows.view();
  g.backend().gather(g.writable(&result.node()), x.view(), rows);
  record_made_from(result, gather_operation<B>::instance, list, x);
  return result;
}

template <backend B>
variable<B> scatter(const variable<B>& x, const shared_rows<B>& list, index_t rows) {
  graph<B>& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make({rows, x.cols()}));
  scatter_rows(g.backend(), g.writable(&result.node()), *list, x.view());
  record_made_from(result, scatter_operation<B>::instance, list, x);
  return result;
}

/// The parts beside or below each other.
template <backend B>
[[nodiscard]] variable<B> concatenate(const std::vector<variable<B>>& parts, bool by_rows) {
  const char* const name = by_rows ? "concatenate_rows" : "concatenate_cols";
  if (parts.empty()) throw shape_error(concat(name, ": there is nothing to put together"));
  const variable<B>* anchor = &parts.front();
  for (const variable<B>& p : parts)
    if (!p.is_constant()) anchor = &p;
  for (const variable<B>& p : parts) (void)graph_of(*anchor, p);
  graph<B>& g = anchor->graph();
  std::vector<variable<B>> operands;
  std::vector<node<B>*> inputs;
  const matrix_shape first = parts.front().shape();
  matrix_shape whole = by_rows ? matrix_shape{0, first.cols} : matrix_shape{first.rows, 0};
  for (const variable<B>& p : parts) {
    const matrix_shape s = p.shape();
    if (by_rows ? s.cols != first.cols : s.rows != first.rows)
      throw shape_error(concat(name, ": ", to_string(first), " and ", to_string(s),
                               " cannot be put together; they need as many ",
                               by_rows ? "columns" : "rows"));
    (by_rows ? whole.rows : whole.cols) += by_rows ? s.rows : s.cols;
    operands.push_back(on_graph(g, p));
    inputs.push_back(&operands.back().node());
  }
  variable<B> result = variable<B>::adopt(g, g.make(whole));
  const matrix<B> out = g.writable(&result.node());
  index_t at = 0;
  for (const variable<B>& p : operands) {
    const matrix_shape s = p.shape();
    if (s.size() > 0)
      g.backend().copy(out.block(by_rows ? at : 0, by_rows ? 0 : at, s.rows, s.cols), p.view());
    at += by_rows ? s.rows : s.cols;
  }
  record(result, concatenate_operation<B>::instance, by_rows, inputs.data(), inputs.size());
  return result;
}

}  // namespace detail

namespace math {

/// The elements of x, row by row, as a matrix of rows x cols. Throws shape_error if it has others.
template <backend B>
variable<B> reshape(const variable<B>& x, index_t rows, index_t cols) {
  namespace d = chainrule::detail;
  if (matrix_shape{rows, cols}.size() != x.shape().size())
    throw shape_error(d::concat("reshape: ", to_string(x.shape()), " has ", x.shape().size(),
                                " elements, ", rows, "x", cols, " has others"));
  auto& g = x.graph();
  variable<B> result;
  if (x.view().contiguous()) {
    result = d::look_at(x, const_matrix<B>(x.view().data(), rows, cols));
  } else {
    result = variable<B>::adopt(g, g.make({rows, cols}));
    const matrix<B> out = g.writable(&result.node());
    g.backend().copy(matrix<B>(out.data(), x.rows(), x.cols()), x.view());
  }
  d::record_made_from(result, d::reshape_operation<B>::instance, d::nothing{}, x);
  return result;
}

/// The block of rows x cols whose first element is (i, j). Throws shape_error if it does not lie
/// within x.
template <backend B>
variable<B> block(const variable<B>& x, index_t i, index_t j, index_t rows, index_t cols) {
  namespace d = chainrule::detail;
  variable<B> result = d::look_at(x, x.view().block(i, j, rows, cols));
  d::record_made_from(result, d::block_operation<B>::instance, d::corner{i, j}, x);
  return result;
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
variable<B> embed(const variable<B>& x, chainrule::matrix_shape s, index_t i, index_t j) {
  namespace d = chainrule::detail;
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make(s));
  const matrix<B> out = g.writable(&result.node());
  const matrix<B> place = out.block(i, j, x.rows(), x.cols());
  g.backend().map(fn::fill{0}, out);
  if (!place.empty()) g.backend().copy(place, x.view());
  d::record_made_from(result, d::embed_operation<B>::instance, d::corner{i, j}, x);
  return result;
}

/// The parts below each other. Throws shape_error if there are none, or if they have different
/// numbers of columns.
template <backend B>
[[nodiscard]] variable<B> concatenate_rows(const std::vector<variable<B>>& parts) {
  return chainrule::detail::concatenate(parts, true);
}
/// The parts beside each other.
template <backend B>
[[nodiscard]] variable<B> concatenate_cols(const std::vector<variable<B>>& parts) {
  return chainrule::detail::concatenate(parts, false);
}
template <backend B>
[[nodiscard]] variable<B> concatenate_rows(std::initializer_list<variable<B>> parts) {
  return chainrule::detail::concatenate<B>(parts, true);
}
template <backend B>
[[nodiscard]] variable<B> concatenate_cols(std::initializer_list<variable<B>> parts) {
  return chainrule::detail::concatenate<B>(parts, false);
}

/// The rows of x by number, which may repeat. Throws value_error if one does not exist.
template <backend B>
[[nodiscard]] variable<B> gather(const variable<B>& x, const std::vector<std::int32_t>& rows) {
  namespace d = chainrule::detail;
  for (const std::int32_t r : rows)
    if (r < 0 || r >= x.rows())
      throw value_error(d::concat("gather: row ", r, " of a variable of ", x.rows(), " rows"));
  return d::gather(
      x, d::shared_rows<B>(std::make_shared<const d::row_list<B>>(x.graph().backend(), rows)));
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_STRUCTURE_HPP

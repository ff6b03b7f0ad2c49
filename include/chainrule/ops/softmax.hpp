/// \file
/// Row-wise operations on scores: softmax, log-sum-exp and argmax, with the maximum shifted out so
/// that nothing overflows.
///
/// Shapes: x: n × c; columns of results per row: n × 1.
#ifndef CHAINRULE_OPS_SOFTMAX_HPP
#define CHAINRULE_OPS_SOFTMAX_HPP

#include "chainrule/memory/tensor.hpp"
#include "chainrule/ops/reductions.hpp"

namespace chainrule::ops {

namespace terms {
/// e^(x - max)
struct shifted_exp {
  constexpr auto operator()(const auto& x, const auto& max) const { return math::exp(x - max); }
};
/// e^(x - max) / sum
struct normalized_exp {
  constexpr auto operator()(const auto& x, const auto& max, const auto& sum) const {
    return math::exp(x - max) / sum;
  }
};
/// max + log(sum), and max itself where it is infinite: the sum is NaN there.
struct shifted_log {
  constexpr auto operator()(const auto& max, const auto& sum) const {
    return math::where(max - max == 0, max + math::log(sum), max);
  }
};
/// y (dy - Σ dy y)
struct softmax_gradient {
  constexpr auto operator()(const auto& dy, const auto& y, const auto& along) const {
    return y * (dy - along);
  }
};
/// The column's number where x is the row's maximum, else infinity.
struct column_of_maximum {
  constexpr auto operator()(const auto& x, const auto& max, const auto& column) const {
    return math::where(x == max, column, std::numeric_limits<double>::infinity());
  }
};
}  // namespace terms

/// max = the largest x of each row; sum = Σ e^(x - max), at least 1. Both assigned.
template <backend B>
void softmax_sums(const B& be, const_matrix<B> x, matrix<B> max, matrix<B> sum) {
  be.reduce(reduction::maximum{}, max, identity{}, x);
  be.reduce(reduction::sum{}, sum, terms::shifted_exp{}, x, max);
}

/// y = e^x / Σ e^x in each row, assigned; y may be x. `max` and `sum` are n × 1 scratch.
template <backend B>
void softmax(const B& be, const_matrix<B> x, matrix<B> max, matrix<B> sum, matrix<B> y) {
  if constexpr (requires { be.softmax_rows(x, y); }) {
    be.softmax_rows(x, y);
  } else {
    softmax_sums(be, x, max, sum);
    be.map(terms::normalized_exp{}, y, x, max, sum);
  }
}

/// out = log Σ e^x of each row (n × 1), assigned; infinite where the maximum is. `sum` is n × 1
/// scratch.
template <backend B>
void log_sum_exp(const B& be, const_matrix<B> x, matrix<B> sum, matrix<B> out) {
  if constexpr (requires { be.log_sum_exp_rows(x, out); }) {
    be.log_sum_exp_rows(x, out);
  } else {
    softmax_sums(be, x, out, sum);
    be.map(terms::shifted_log{}, out, out, sum);
  }
}

/// y = e^x / Σ e^x in each row.
struct softmax_op {
  static constexpr std::string_view name = "softmax";

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return x; }
  /// Allocates scratch memory where the backend has no softmax of its own.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    tensor<B> max(be, x.rows(), 1);
    tensor<B> sum(be, x.rows(), 1);
    softmax(be, x, max.view(), sum.view(), y);
  }
  /// Makes one intermediate result, n × 1.
  void vjp(auto& step) const {
    const auto y = step.output();
    const auto along = step.make_sum({y.rows(), 1}, fn::multiplies{}, step.dy(), y);
    step.give(0, terms::softmax_gradient{}, step.dy(), y, along);
  }
};

/// y = log Σ e^x of each row, n × 1.
struct log_sum_exp_op {
  static constexpr std::string_view name = "log_sum_exp";

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return {x.rows, 1}; }
  /// Allocates scratch memory.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    tensor<B> sum(be, x.rows(), 1);
    log_sum_exp(be, x, sum.view(), y);
  }
  /// Makes one intermediate result, n × c.
  void vjp(auto& step) const {
    step.give(0, fn::multiplies{}, step.dy(), step.make(softmax_op{}, step.input(0)));
  }
};

/// The number of the first largest element of each row, assigned to `argmax` (n × 1, as scalars);
/// infinity in a row with NaN. `columns` is the row 0, 1, ..., c - 1; `max` is n × 1 scratch.
template <backend B>
[[gnu::noinline]] void argmax(const B& be, const_matrix<B> x, const_matrix<B> columns,
                              matrix<B> max, matrix<B> argmax) {
  if constexpr (requires { be.argmax_rows(x, argmax); }) {
    be.argmax_rows(x, argmax);
  } else {
    be.reduce(reduction::maximum{}, max, identity{}, x);
    be.reduce(reduction::minimum{}, argmax, terms::column_of_maximum{}, x, max, columns);
  }
}

/// The row 0, 1, ..., count - 1.
template <backend B>
[[nodiscard]] tensor<B> counting_row(const B& be, index_t count) {
  auto host = detail::host_vector<scalar_t<B>>(count);
  for (index_t j = 0; j < count; ++j)
    host[static_cast<std::size_t>(j)] = static_cast<scalar_t<B>>(j);
  return from_host(be, matrix_view<const scalar_t<B>>(host.data(), 1, count));
}

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_SOFTMAX_HPP

/// \file
/// `tape<B>`: records the graph of a computation while it runs.
///
///     tape<cpu> t{cpu{}};
///     const auto w = t.variable(weights.view());   // requires a gradient
///     const auto x = t.constant(samples.view());   // does not
///     const auto loss = mean(sqr(matmul(x, w) - y));
///     backward(loss);
///     be.map(step{}, weights.view(), weights.view(), w.gradient().view());
///
/// Loops and branches are those of the program: what runs is what is recorded. A value is freed
/// with the last variable or result that needs it. Values are allocated as they are computed, from
/// pools. A tape serves one thread at a time. See also autodiff/variable.hpp,
/// autodiff/backward.hpp.
#ifndef CHAINRULE_AUTODIFF_TAPE_HPP
#define CHAINRULE_AUTODIFF_TAPE_HPP

#include <memory>
#include <vector>

#include "chainrule/autodiff/variable.hpp"

namespace chainrule {

namespace detail {

/// A node of one number, with one user.
template <backend B>
[[nodiscard]] node<B>* make_number(graph<B>& g, double value) {
  node<B>* const n = g.make({1, 1});
  if constexpr (in_host_memory<B>) {
    n->scalar = static_cast<scalar_t<B>>(value);
  } else if (value == 0 || value == 1) {
    ops::fill(g.backend(), g.writable(n), value);  // unlike an upload, it waits for nothing
  } else {
    const auto rounded = static_cast<scalar_t<B>>(value);
    g.backend().upload(g.writable(n), matrix_view<const scalar_t<B>>(&rounded, 1, 1));
    g.backend().synchronize();  // `rounded` must live until it is read
  }
  return n;
}

/// A node whose elements are all `value`, with one user.
template <backend B>
[[nodiscard]] node<B>* make_filled(graph<B>& g, matrix_shape s, double value) {
  if (s == matrix_shape{1, 1}) return make_number(g, value);
  node<B>* const n = g.make(s);
  ops::fill(g.backend(), g.writable(n), value);
  return n;
}

}  // namespace detail

template <backend B>
class tape {
  using T = scalar_t<B>;

 public:
  using backend_type = B;

  /// An empty tape, which computes on this backend.
  explicit tape(const B& be = B{}) : graph_(std::make_unique<detail::graph<B>>(be)) {}

  [[nodiscard]] const B& backend() const { return graph().backend(); }
  /// How many values there are on the tape.
  [[nodiscard]] index_t size() const { return graph().size(); }

  /// A variable that requires a gradient, with a copy of these elements.
  [[nodiscard]] chainrule::variable<B> variable(const_matrix<B> elements) {
    return wanted(copy_of(elements));
  }
  /// A variable of 1 x 1 that requires a gradient.
  [[nodiscard]] chainrule::variable<B> variable(double value) {
    return wanted(detail::make_number(graph(), value));
  }
  /// A variable of rows x cols that requires a gradient, with the elements row by row. Throws
  /// shape_error if there are others.
  [[nodiscard]] chainrule::variable<B> variable(index_t rows, index_t cols,
                                                const std::vector<double>& elements) {
    return wanted(listed(rows, cols, elements));
  }
  /// A variable that requires a gradient, in the caller's memory, which must outlive its use.
  /// Change it only when all that was computed from it is no longer used.
  [[nodiscard]] chainrule::variable<B> borrow(const_matrix<B> elements) {
    return wanted(graph().make_view(elements, nullptr));
  }
  /// A parameter: a variable in the caller's memory whose gradient is in the caller's memory too.
  /// Backward passes add to `gradient`, which is not set to 0 here. Throws shape_error if the
  /// shapes differ.
  [[nodiscard]] chainrule::variable<B> borrow(const_matrix<B> elements, matrix<B> gradient) {
    contract::same_shape("the gradient of a variable", elements.shape(), gradient.shape());
    const chainrule::variable<B> x = borrow(elements);
    x.node().gradient = graph().make_external(gradient);
    return x;
  }

  /// A constant, which requires no gradient, with a copy of these elements.
  [[nodiscard]] chainrule::variable<B> constant(const_matrix<B> elements) {
    return adopt(copy_of(elements));
  }
  /// A constant of 1 x 1.
  [[nodiscard]] chainrule::variable<B> constant(double value) {
    return adopt(detail::make_number(graph(), value));
  }
  /// A constant of rows x cols, with the elements row by row. Throws shape_error if there are
  /// others.
  [[nodiscard]] chainrule::variable<B> constant(index_t rows, index_t cols,
                                                const std::vector<double>& elements) {
    return adopt(listed(rows, cols, elements));
  }
  /// A constant in the caller's memory, which must outlive its use.
  [[nodiscard]] chainrule::variable<B> borrow_constant(const_matrix<B> elements) {
    return adopt(graph().make_view(elements, nullptr));
  }
  /// A constant of rows x cols whose elements are all `value`.
  [[nodiscard]] chainrule::variable<B> filled(index_t rows, index_t cols, double value) {
    return adopt(detail::make_filled(graph(), {rows, cols}, value));
  }

  /// Discards all values. Using a variable made before throws value_error.
  void clear() { graph().clear(); }
  /// Discards all gradients, or sets them to 0 where they are in the caller's memory.
  void clear_gradients() {
    graph().each([&](detail::node<B>& n) {
      if (n.gradient != nullptr) graph_->clear_gradient(n);
    });
  }

  // For operations.
  /// Throws value_error, as all members do, if the tape was moved from.
  [[nodiscard]] detail::graph<B>& graph() const {
    if (!graph_) throw value_error("this tape was moved from; use the one that it was moved to");
    return *graph_;
  }

 private:
  using node_type = detail::node<B>;

  chainrule::variable<B> adopt(node_type* n) { return chainrule::variable<B>::adopt(graph(), n); }
  chainrule::variable<B> wanted(node_type* n) {
    n->wants_gradient = n->keeps_gradient = true;
    return adopt(n);
  }
  node_type* copy_of(const_matrix<B> elements) {
    node_type* const n = graph().make(elements.shape());
    backend().copy(graph().writable(n), elements);
    return n;
  }
  node_type* listed(index_t rows, index_t cols, const std::vector<double>& elements) {
    if (static_cast<index_t>(elements.size()) != detail::elements_of(rows, cols))
      throw shape_error(detail::concat("a matrix of ", rows, "x", cols, " has ", rows * cols,
                                       " elements, ", elements.size(), " were given"));
    const std::vector<T> host(elements.begin(), elements.end());
    node_type* const n = graph().make({rows, cols});
    backend().upload(graph().writable(n), matrix_view<const T>(host.data(), rows, cols));
    backend().synchronize();  // `host` must live until it is read
    return n;
  }

  std::unique_ptr<detail::graph<B>> graph_;
};

/// Disables recording on a tape for its scope: values are computed and freed without a history.
template <backend B>
class no_grad {
 public:
  /// Recording on the tape ends here.
  explicit no_grad(const tape<B>& t) : no_grad(t.graph()) {}
  /// Recording in the graph ends here.
  explicit no_grad(detail::graph<B>& g) : graph_(g) { graph_.pause_recording(); }
  /// Recording goes on, unless an outer no_grad ends it.
  ~no_grad() { graph_.resume_recording(); }
  no_grad(const no_grad&) = delete;
  no_grad& operator=(const no_grad&) = delete;

 private:
  detail::graph<B>& graph_;
};

namespace math {

/// The value of x, through which no gradient flows.
template <backend B>
[[nodiscard]] variable<B> detach(const variable<B>& x) {
  if (x.is_constant()) return x;
  auto& g = x.graph();
  if (x.node().memory == nullptr && x.node().is_whole)
    return variable<B>::adopt(g, chainrule::detail::make_number(g, static_cast<double>(x.item())));
  return variable<B>::adopt(g, g.make_view(x.view(), &x.node()));
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_TAPE_HPP

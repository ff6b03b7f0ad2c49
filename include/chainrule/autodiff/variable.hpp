/// \file
/// `variable<B>`: a matrix in a graph, which formulas use like a number.
///
///     tape<cpu> t{cpu{}};
///     const auto x = t.variable(2.0), w = t.variable(-1.0);
///     const auto y = tanh(w * x + 1);      // computed at once, and recorded
///     backward(y);
///     x.gradient().item();                 // dy/dx
///
/// A variable is a number type (pointwise/math.hpp) like lanes and dual numbers: all functions of
/// the vocabulary take it, and so do user-defined pointwise functors. The functions live in
/// `chainrule::math`, where argument-dependent lookup finds them.
///
/// Copies are cheap and name the same immutable value. A variable made of a number (`variable<B>
/// total = 0;`) is a constant of no tape, 1 x 1; an operation takes it to the tape of its other
/// operands.
/// See also autodiff/tape.hpp, autodiff/backward.hpp.
#ifndef CHAINRULE_AUTODIFF_VARIABLE_HPP
#define CHAINRULE_AUTODIFF_VARIABLE_HPP

#include <utility>
#include <vector>

#include "chainrule/autodiff/graph.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule::math {

template <backend B>
class variable {
  using node_type = chainrule::detail::node<B>;
  using graph_type = chainrule::detail::graph<B>;

 public:
  using backend_type = B;

  /// The constant 0.
  variable() = default;
  /// A constant of no tape, 1 x 1.
  template <constant C>
  variable(C c) : constant_(static_cast<double>(c)) {}  // NOLINT: implicit by design

  /// Another handle of the value in the graph, which lives as long as one of them.
  variable(const variable& other)
      : node_(other.node_),
        handle_(other.handle_),
        generation_(other.generation_),
        constant_(other.constant_) {
    if (alive()) graph_type::retain(node_);
  }
  variable(variable&& other) noexcept
      : node_(std::exchange(other.node_, nullptr)),
        handle_(other.handle_),
        generation_(other.generation_),
        constant_(std::exchange(other.constant_, 0)) {}
  /// Becomes a handle of the value of the other; nothing is computed or copied.
  variable& operator=(variable other) noexcept {
    std::swap(node_, other.node_);
    std::swap(handle_, other.handle_);
    std::swap(generation_, other.generation_);
    std::swap(constant_, other.constant_);
    return *this;
  }
  /// Releases the value if no other handle and no later value needs it.
  ~variable() {
    if (alive()) owner().release(node_);
  }

  /// Whether this is a constant of no tape.
  [[nodiscard]] bool is_constant() const { return node_ == nullptr; }
  /// The value of such a constant.
  [[nodiscard]] double constant_value() const { return constant_; }

  [[nodiscard]] chainrule::matrix_shape shape() const {
    return is_constant() ? chainrule::matrix_shape{1, 1} : node().value.shape();
  }
  [[nodiscard]] index_t rows() const { return shape().rows; }
  [[nodiscard]] index_t cols() const { return shape().cols; }

  /// The value, valid while a variable names it. Throws value_error for a constant of no tape, and
  /// if the tape was destroyed or cleared.
  [[nodiscard]] const_matrix<B> view() const { return node().value; }

  /// The value of a 1 x 1, on the host. Throws shape_error for others.
  [[nodiscard]] scalar_t<B> item() const {
    if (is_constant()) return static_cast<scalar_t<B>>(constant_);
    const const_matrix<B> v = view();
    if (v.rows() != 1 || v.cols() != 1) refuse_item(v.shape());
    if constexpr (chainrule::detail::in_host_memory<B>)
      return *v.data();
    else
      return to_host(graph().backend(), v).front();
  }

  /// Whether gradients flow to it: it is a variable of the tape, or computed from one.
  [[nodiscard]] bool requires_gradient() const { return !is_constant() && node().wants_gradient; }
  /// Whether a backward pass has reached this node.
  [[nodiscard]] bool has_gradient() const { return !is_constant() && node().gradient != nullptr; }
  /// The sum of the gradients of all backward passes. Throws value_error if there was none.
  [[nodiscard]] variable gradient() const {
    if (!has_gradient())
      throw value_error(
          "this variable has no gradient; call backward on what was computed from it (an "
          "intermediate result keeps its own after retain_gradient)");
    return {graph(), *node().gradient};
  }
  /// Discards the gradient, or sets it to 0 where it is in the caller's memory (tape::borrow).
  void clear_gradient() const {
    if (node().gradient != nullptr) graph().clear_gradient(node());
  }

  // For operations.

  /// Adds a user to the node.
  variable(graph_type& g, node_type& n)
      : node_(&n),
        handle_(g.handle()),
        generation_(g.handle()->generation.load(std::memory_order_relaxed)) {
    graph_type::retain(node_);
  }
  /// Takes over the one user that a new node has.
  [[nodiscard]] static variable adopt(graph_type& g, node_type* n) {
    variable v(g, *n);
    --n->users;
    return v;
  }
  /// Throws value_error for a constant of no tape, and if the tape was destroyed or cleared.
  [[nodiscard]] graph_type& graph() const {
    if (!alive()) refuse_node();
    return owner();
  }
  /// The node of the graph; for the library's own operations.
  [[nodiscard]] node_type& node() const {
    if (!alive()) refuse_node();
    return *node_;
  }

 private:
  [[nodiscard]] bool alive() const { return node_ != nullptr && handle_->is(generation_); }
  [[nodiscard]] graph_type& owner() const { return *static_cast<graph_type*>(handle_->graph); }

  [[noreturn, gnu::cold, gnu::noinline]] void refuse_node() const {
    if (node_ == nullptr)
      throw value_error(
          "a constant stands where a variable of a tape is needed; make it one with "
          "tape.constant(value)");
    throw value_error(
        "this variable's tape was destroyed or cleared, and its value with it; keep the tape for "
        "as "
        "long as its variables are used");
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_item(chainrule::matrix_shape s) {
    throw shape_error(chainrule::detail::concat(
        "item() gives the value of a 1x1, this variable is ", to_string(s), "; use to_host(x)"));
  }

  node_type* node_ = nullptr;
  chainrule::detail::weak_handle* handle_ = nullptr;
  std::uint64_t generation_ = 0;
  double constant_ = 0;
};

template <backend B>
inline constexpr bool is_number<variable<B>> = true;

/// The result of a comparison of variables: 1 where it holds, 0 elsewhere. No gradient flows
/// through it.
template <backend B>
struct variable_mask {
  using number_type = variable<B>;
  /// 1 where the comparison holds, 0 elsewhere.
  variable<B> holds;

  /// Refused at compile time: elements may differ. A program branches on x.item().
  template <class Bool>
  requires std::same_as<Bool, bool>
  explicit operator Bool() const { return refuse_to_branch<Bool>(); }
};

/// The elements on the host, row by row.
template <backend B>
[[nodiscard]] std::vector<scalar_t<B>> to_host(const variable<B>& x) {
  if (x.is_constant()) return {x.item()};
  return chainrule::to_host(x.graph().backend(), x.view());
}

/// Makes backward passes store the gradient of an intermediate result too. Returns x.
template <backend B>
const variable<B>& retain_gradient(const variable<B>& x) {
  x.node().keeps_gradient = true;
  return x;
}

}  // namespace chainrule::math

namespace chainrule {
using math::variable;

namespace detail {

template <class V>
inline constexpr bool is_variable = false;
template <backend B>
inline constexpr bool is_variable<variable<B>> = true;

/// The graph that all variables among the operands belong to. Throws value_error if they belong to
/// several, or if there is none.
template <backend B, class... V>
[[nodiscard]] graph<B>& graph_of(const variable<B>& first, const V&... more) {
  graph<B>* common = nullptr;
  const auto meet = [&](const variable<B>& x) {
    if (x.is_constant()) return;
    graph<B>* const g = &x.graph();
    if (common != nullptr && common != g)
      throw value_error(
          "the operands of an operation belong to two tapes; make all of them on one, or take a "
          "value over with tape.constant(x.view())");
    common = g;
  };
  (meet(first), ..., meet(more));
  return common == nullptr ? first.graph() : *common;
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_VARIABLE_HPP

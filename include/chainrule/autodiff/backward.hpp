/// \file
/// The backward pass: `backward(y)` stores gradients in the variables, `gradient(y, {x, w})`
/// returns them.
///
///     backward(loss);                              // w.gradient() += dloss/dw for every variable
///     auto d = gradient(loss, {x, w});             // d[0], d[1]; stores nothing
///     auto g = gradient(y, x, {.create_graph = true});
///     auto h = gradient(g, x);                     // d2y/dx2, of a scalar
///
/// Each result is visited once, last to first; gradients of a value that was used several times are
/// added in the same order every time. Unless the graph is kept, each node releases what it was
/// made from once it has been visited, and its memory with it.
#ifndef CHAINRULE_AUTODIFF_BACKWARD_HPP
#define CHAINRULE_AUTODIFF_BACKWARD_HPP

#include <array>

#include "chainrule/autodiff/functions.hpp"

namespace chainrule {

struct gradient_options {
  /// Records the gradients, so that they can be differentiated again. Keeps the graph.
  bool create_graph = false;
  /// A further backward pass may go through the same graph.
  bool keep_graph = false;
};

namespace detail {

template <backend B>
void vjp_step<B>::give(std::size_t i, variable<B> g) const {
  node<B>* const input = node_.inputs[i];
  if (!input->is_needed) return;
  if (g.is_constant()) {
    if (g.constant_value() == 0) return;
    g = variable<B>::adopt(graph_, make_filled(graph_, input->value.shape(), g.constant_value()));
  }
  if (const matrix_shape s = input->value.shape(); g.shape() != s) g = sum_to(g, s);
  add_gradient(graph_, input->delta, g, differentiable_);
}

/// sum += more, where `sum` is a field of a node: in place if the value is external or has no other
/// user.
template <backend B>
void add_gradient(graph<B>& g, node<B>*& sum, const variable<B>& more, bool differentiable) {
  if (sum == nullptr) {
    sum = &more.node();
    g.retain(sum);
    return;
  }
  if (!differentiable && (sum->is_external || g.is_private(sum))) {
    if constexpr (in_host_memory<B>)
      if (sum->memory == nullptr) {
        sum->scalar += *more.node().value.data();
        return;
      }
    ops::add(g.backend(), g.writable(sum), more.view());
    return;
  }
  const variable<B> total = variable<B>(g, *sum) + more;
  g.release(std::exchange(sum, &total.node()));
  g.retain(sum);
}

/// A pass from one node to the variables, or to targets.
template <backend B>
class backward_pass {
 public:
  backward_pass(graph<B>& g, gradient_options options)
      : graph_(g), options_(options), order_(std::move(g.order)) {
    options_.keep_graph = options_.keep_graph || options_.create_graph;
    if (!options_.create_graph) graph_.pause_recording();
  }
  backward_pass(const backward_pass&) = delete;
  backward_pass& operator=(const backward_pass&) = delete;
  ~backward_pass() {
    // After an exception some nodes are not finished.
    for (node<B>* n : order_)
      if (n != nullptr) finish(n);
    if (!options_.create_graph) graph_.resume_recording();
    order_.clear();
    graph_.order = std::move(order_);
  }

  /// Without targets, gradients are added to those stored in the variables. With targets,
  /// results[i] is the gradient of targets[i], a constant 0 if y does not depend on it.
  void run(const variable<B>& y, const variable<B>& seed, const std::vector<variable<B>>* targets,
           std::vector<variable<B>>* results) {
    for_targets_ = targets != nullptr;
    {
      const marked_targets marks(targets);
      collect(&y.node());
    }
    if (y.node().is_needed) {
      y.node().delta = &seed.node();
      graph_.retain(y.node().delta);
    }
    for (std::size_t i = order_.size(); i-- > 0;) {
      node<B>* const n = order_[i];
      if (n->is_needed && n->delta != nullptr) {
        if (n->made_by != nullptr) {
          vjp_step<B> step(graph_, *n, options_.create_graph, for_targets_);
          n->made_by->vjp(step);
          if (!options_.keep_graph) {
            graph_.forget_inputs(n);
            n->is_released = true;
          }
        }
        if (!for_targets_ && n->keeps_gradient)
          add_gradient(graph_, n->gradient, variable<B>(graph_, *n->delta), false);
      }
      if (for_targets_)
        for (std::size_t t = 0; t < targets->size(); ++t)
          if (&(*targets)[t].node() == n && n->delta != nullptr)
            (*results)[t] = variable<B>(graph_, *n->delta);
      order_[i] = nullptr;
      finish(n);
    }
  }

 private:
  /// Marks the nodes of the targets for its scope.
  struct marked_targets {
    explicit marked_targets(const std::vector<variable<B>>* t) : targets(t) { mark(true); }
    ~marked_targets() { mark(false); }
    marked_targets(const marked_targets&) = delete;
    marked_targets& operator=(const marked_targets&) = delete;
    void mark(bool is) const {
      if (targets != nullptr)
        for (const variable<B>& x : *targets) x.node().is_target = is;
    }
    const std::vector<variable<B>>* targets;
  };

  /// Fills order_ with what y was made from, inputs before results, and retains each node.
  void collect(node<B>* y) {
    const auto wants = [](const node<B>* n) { return n->wants_gradient; };
    graph_.walk(y, wants, [&](node<B>* n) {
      if (n->is_released) refuse_released();
      bool needed = !for_targets_ || n->is_target;
      for (std::uint32_t i = 0; i < n->input_count; ++i) needed = needed || n->inputs[i]->is_needed;
      n->is_needed = needed;
      graph_.retain(n);
      order_.push_back(n);
    });
  }

  void finish(node<B>* n) {
    n->is_needed = false;
    if (n->delta != nullptr) graph_.release(std::exchange(n->delta, nullptr));
    graph_.release(n);
  }

  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_released() {
    throw value_error(
        "a backward pass went through this graph before and freed it; give that pass "
        "{.keep_graph = true} if another is to follow");
  }

  graph<B>& graph_;
  gradient_options options_;
  std::vector<node<B>*> order_;
  bool for_targets_ = false;
};

/// The seed of a pass: 1 if there is none. Throws shape_error if y is not a scalar then, or the
/// seed has another shape than y; value_error if nothing can come of it.
template <backend B>
[[nodiscard]] variable<B> checked_seed(const variable<B>& y, const variable<B>* seed) {
  graph<B>& g = y.graph();
  if (seed == nullptr) {
    if (y.shape() != matrix_shape{1, 1})
      throw shape_error(concat("a gradient is that of a scalar, this variable is ",
                               to_string(y.shape()),
                               "; reduce it to a 1x1 (sum, mean), or give a seed of its shape"));
    return variable<B>::adopt(g, make_number(g, 1));
  }
  if (seed->shape() != y.shape())
    throw shape_error(concat("a seed of ", to_string(seed->shape()), " does not fit a variable of ",
                             to_string(y.shape()), "; it needs the same shape"));
  (void)graph_of(y, *seed);
  return on_graph(g, *seed);
}

/// Throws value_error if y was not recorded, for instance for want of create_graph; its gradient
/// would silently be 0.
template <backend B>
void require_history(const variable<B>& y) {
  if (!y.requires_gradient())
    throw value_error(
        "the result does not depend on any variable of the tape; make what gradients are wanted "
        "for "
        "with tape.variable, not under no_grad, and gradients that are differentiated again with "
        "{.create_graph = true}");
}

/// x, or where no gradient flows to it, a variable of the same value to which one does.
template <backend B>
[[nodiscard]] variable<B> differentiable(const variable<B>& x) {
  if (x.requires_gradient()) return x;
  variable<B> other = look_at(x, x.view());
  other.node().wants_gradient = true;
  return other;
}

template <backend B>
void backward_from(const variable<B>& y, const variable<B>* seed, bool keep_graph) {
  const variable<B> start = checked_seed(y, seed);
  require_history(y);
  backward_pass<B>(y.graph(), {.create_graph = false, .keep_graph = keep_graph})
      .run(y, start, nullptr, nullptr);
}

template <backend B>
[[nodiscard]] std::vector<variable<B>> gradient_from(const variable<B>& y,
                                                     const std::vector<variable<B>>& x,
                                                     const variable<B>* seed,
                                                     gradient_options options) {
  const variable<B> start = checked_seed(y, seed);
  for (const variable<B>& target : x) {
    (void)graph_of(y, target);
    (void)target.node();
  }
  require_history(y);
  graph<B>& g = y.graph();
  std::vector<variable<B>> results(x.size());
  backward_pass<B>(g, options).run(y, start, &x, &results);
  for (std::size_t i = 0; i < x.size(); ++i) {
    variable<B>& r = results[i];
    if (r.is_constant()) r = variable<B>::adopt(g, make_filled(g, x[i].shape(), 0));
    if (options.create_graph) r = differentiable(r);
  }
  return results;
}

}  // namespace detail

namespace math {

/// Adds dy/dx to x.gradient() for every variable x of the tape that y was made from, and for
/// intermediate results after retain_gradient. y is 1 x 1. Throws shape_error if it is not,
/// value_error if y depends on no variable, or if an earlier pass freed the graph.
template <backend B>
void backward(const variable<B>& y, gradient_options options = {}) {
  chainrule::detail::backward_from<B>(y, nullptr, options.keep_graph);
}
/// Adds the gradients of the sum of y * seed, for a y of any shape and a seed of that shape.
template <backend B>
void backward(const variable<B>& y, const variable<B>& seed, gradient_options options = {}) {
  chainrule::detail::backward_from<B>(y, &seed, options.keep_graph);
}

/// dy/dx for each x, of the shape of x; 0 where y depends on other variables only. An x may be an
/// intermediate result. y is 1 x 1. Throws as backward does.
template <backend B>
[[nodiscard]] std::vector<variable<B>> gradient(const variable<B>& y,
                                                const std::vector<variable<B>>& x,
                                                gradient_options options = {}) {
  return chainrule::detail::gradient_from<B>(y, x, nullptr, options);
}
/// dy/dx for one x.
template <backend B>
[[nodiscard]] variable<B> gradient(const variable<B>& y, const variable<B>& x,
                                   gradient_options options = {}) {
  return chainrule::detail::gradient_from<B>(y, {x}, nullptr, options).front();
}

/// seedᵀ dy/dx for each x, where y has any shape and the seed has it too.
template <backend B>
[[nodiscard]] std::vector<variable<B>> vjp(const variable<B>& y, const std::vector<variable<B>>& x,
                                           const variable<B>& seed, gradient_options options = {}) {
  return chainrule::detail::gradient_from<B>(y, x, &seed, options);
}
/// seedᵀ dy/dx for one x.
template <backend B>
[[nodiscard]] variable<B> vjp(const variable<B>& y, const variable<B>& x, const variable<B>& seed,
                              gradient_options options = {}) {
  return chainrule::detail::gradient_from<B>(y, {x}, &seed, options).front();
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_BACKWARD_HPP

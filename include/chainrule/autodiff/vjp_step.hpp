/// \file
/// `vjp_step<B>`: what an operation sees of a backward pass; and how an operation is recorded.
///
/// The vector-Jacobian product of an operation is written once, over variables. In a pass that is
/// to be differentiated again it runs with the tape recording; else nothing is recorded, and
/// pointwise parts run fused.
#ifndef CHAINRULE_AUTODIFF_VJP_STEP_HPP
#define CHAINRULE_AUTODIFF_VJP_STEP_HPP

#include <algorithm>

#include "chainrule/autodiff/tape.hpp"

namespace chainrule::detail {

/// One node's turn in a backward pass.
template <backend B>
class vjp_step {
 public:
  vjp_step(detail::graph<B>& g, node<B>& n, bool differentiable)
      : graph_(g), node_(n), differentiable_(differentiable) {}

  [[nodiscard]] detail::graph<B>& graph() const { return graph_; }
  /// Whether the gradients are to be differentiated again.
  [[nodiscard]] bool differentiable() const { return differentiable_; }
  /// The gradient with respect to the output.
  [[nodiscard]] variable<B> dy() const { return {graph_, *node_.delta}; }
  [[nodiscard]] variable<B> output() const { return {graph_, node_}; }
  [[nodiscard]] std::size_t inputs() const { return node_.input_count; }
  [[nodiscard]] variable<B> input(std::size_t i) const { return {graph_, *node_.inputs[i]}; }
  [[nodiscard]] matrix_shape input_shape(std::size_t i) const {
    return node_.inputs[i]->value.shape();
  }
  /// Whether a gradient with respect to input i is wanted.
  [[nodiscard]] bool wants(std::size_t i) const { return node_.inputs[i]->is_needed; }
  /// What the operation kept.
  template <class C>
  [[nodiscard]] C& kept() const {
    return node_.template kept<C>();
  }

  /// Adds g, of the shape of input i, to its gradient. A constant 0 is nothing.
  void give(std::size_t i, variable<B> g) const;

 private:
  detail::graph<B>& graph_;
  node<B>& node_;
  bool differentiable_;
};

/// Makes `result` remember that `op` made it from these inputs (keeping `context` for it), if that
/// is wanted.
template <backend B, class Context>
void record(variable<B>& result, const operation<B>& op, Context&& context, node<B>* const* inputs,
            std::size_t count, bool always = false) {
  graph<B>& g = result.graph();
  if (!g.records()) return;
  bool wanted = always;
  for (std::size_t i = 0; i < count; ++i) wanted = wanted || inputs[i]->wants_gradient;
  if (!wanted) return;
  node<B>& n = result.node();
  if (count > node<B>::few_inputs) n.inputs = new node<B>*[count];
  n.keep(std::forward<Context>(context));
  n.made_by = &op;
  n.wants_gradient = true;
  for (std::size_t i = 0; i < count; ++i) {
    n.inputs[i] = inputs[i];
    g.retain(inputs[i]);
  }
  n.input_count = static_cast<std::uint32_t>(count);
}

/// The same for a fixed number of inputs.
template <backend B, class Context, class... V>
void record_made_from(variable<B>& result, const operation<B>& op, Context&& context,
                      const V&... inputs) {
  const std::array<node<B>*, sizeof...(V)> list{&inputs.node()...};
  record(result, op, std::forward<Context>(context), list.data(), list.size());
}

/// For operations that keep nothing.
struct nothing {};

/// x as a variable of the graph g: a constant of no tape becomes one of g's.
template <backend B>
[[nodiscard]] variable<B> on_graph(graph<B>& g, const variable<B>& x) {
  if (!x.is_constant()) return x;
  return variable<B>::adopt(g, make_number(g, x.constant_value()));
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_AUTODIFF_VJP_STEP_HPP

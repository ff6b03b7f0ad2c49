/// \file
/// `apply`: any op or pointwise functor as an operation on variables, recorded with its derivative.
///
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///     y = apply(swish{}, x);                 // one kernel forward, one backward
///     y = swish{}(x);                        // the same values, operation by operation
///     y = apply([](auto a, auto b) { return a * exp(-b * b); }, x, z);
///     y = apply(ops::dropout_op{0.5}, x, u); // an op: ops/vjp.hpp
///
/// Operands of extent 1 are broadcast; their gradients are summed over the repeats. In a backward
/// pass that is to be differentiated again the vector-Jacobian product of an op runs with the tape
/// recording; otherwise nothing is recorded, and pointwise parts run fused.
#ifndef CHAINRULE_AUTODIFF_RECORDING_HPP
#define CHAINRULE_AUTODIFF_RECORDING_HPP

#include "chainrule/autodiff/tape.hpp"

namespace chainrule {

namespace math {
template <backend B>
[[nodiscard]] variable<B> sum_to(const variable<B>& x, chainrule::matrix_shape s);
}  // namespace math

namespace detail {

template <class F, backend B, class... V>
[[nodiscard]] variable<B> evaluate_to(graph<B>& g, matrix_shape s, const F& f,
                                      const variable<B>& first, const V&... more);
template <class Op, backend B, class... V>
[[nodiscard]] variable<B> apply_op(graph<B>& g, const Op& op, const variable<B>& first,
                                   const V&... more);

/// The step of one node in a backward pass, as ops/vjp.hpp describes it.
template <backend B>
class vjp_step {
 public:
  vjp_step(detail::graph<B>& g, node<B>& n, bool differentiable, bool for_targets)
      : graph_(g), node_(n), differentiable_(differentiable), for_targets_(for_targets) {}

  [[nodiscard]] detail::graph<B>& graph() const { return graph_; }
  /// Whether the gradients are to be differentiated again.
  [[nodiscard]] bool differentiable() const { return differentiable_; }
  /// Whether only gradients with respect to chosen variables are wanted, and none are stored.
  [[nodiscard]] bool for_targets() const { return for_targets_; }
  [[nodiscard]] variable<B> dy() const { return {graph_, *node_.delta}; }
  [[nodiscard]] variable<B> output() const { return {graph_, node_}; }
  [[nodiscard]] std::size_t inputs() const { return node_.input_count; }
  [[nodiscard]] variable<B> input(std::size_t i) const { return {graph_, *node_.inputs[i]}; }
  [[nodiscard]] matrix_shape shape_of(std::size_t i) const {
    return node_.inputs[i]->value.shape();
  }
  [[nodiscard]] bool wants(std::size_t i) const { return node_.inputs[i]->is_needed; }
  /// What the operation saved.
  template <class C>
  [[nodiscard]] C& saved() const {
    return node_.template saved<C>();
  }

  /// Adds g, summed to the shape of input i, to its gradient. A constant 0 is not added.
  void give(std::size_t i, variable<B> g) const;
  template <class F, class... V>
  requires(sizeof...(V) > 0) void give(std::size_t i, const F& f, const V&... operands) const {
    if constexpr (ops::op<F, V...>)
      give(i, apply_op(graph_, f, operands...));
    else if (differentiable_)
      give(i, f(operands...));  // may be the constant 0
    else
      give(i, evaluate_to(graph_, shape_of(i), f, operands...));
  }
  template <class Op, class... V>
  [[nodiscard]] variable<B> make(const Op& op, const V&... operands) const {
    return apply_op(graph_, op, operands...);
  }
  template <class F, class... V>
  [[nodiscard]] variable<B> make_sum(matrix_shape s, const F& f, const V&... operands) const {
    return differentiable_ ? math::sum_to<B>(f(operands...), s)
                           : evaluate_to(graph_, s, f, operands...);
  }

 private:
  detail::graph<B>& graph_;
  node<B>& node_;
  bool differentiable_;
  bool for_targets_;
};

/// Makes `result` refer to the inputs that `op` made it from, with `context` saved, if it or an
/// input wants a gradient.
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
  n.save(std::forward<Context>(context));
  n.made_by = &op;
  n.wants_gradient = true;
  for (std::size_t i = 0; i < count; ++i) {
    n.inputs[i] = inputs[i];
    g.retain(inputs[i]);
  }
  n.input_count = static_cast<std::uint32_t>(count);
}

/// Records a fixed number of inputs.
template <backend B, class Context, class... V>
void record_made_from(variable<B>& result, const operation<B>& op, Context&& context,
                      const V&... inputs) {
  const std::array<node<B>*, sizeof...(V)> list{&inputs.node()...};
  record(result, op, std::forward<Context>(context), list.data(), list.size());
}

/// The operation that an op is on a tape over B; a node saves the op.
template <backend B, class Op>
struct op_operation {
  static void vjp(vjp_step<B>& step) {
    const Op& op = step.template saved<Op>();
    if constexpr (requires { op.vjp(step); })
      op.vjp(step);
    else
      throw value_error(concat("the op ", Op::name,
                               " cannot be differentiated: it has no vjp; compose it of ops that "
                               "have one"));
  }
  static constexpr auto details() -> std::string (*)(const node<B>&) {
    if constexpr (requires(const Op& op) { op.details(); })
      return [](const node<B>& n) { return n.template saved<Op>().details(); };
    else
      return nullptr;
  }
  static constexpr operation<B> instance{Op::name, &vjp, node<B>::template end_of<Op>(), details()};
};

/// x as a variable of the graph g: a constant of no tape becomes one of g's.
template <backend B>
[[nodiscard]] variable<B> on_graph(graph<B>& g, const variable<B>& x) {
  if (!x.is_constant()) return x;
  return variable<B>::adopt(g, make_number(g, x.constant_value()));
}

/// A node whose value is `view`, a part of x. A number that is stored in its node is copied.
template <backend B>
[[nodiscard]] variable<B> look_at(const variable<B>& x, const_matrix<B> view) {
  graph<B>& g = x.graph();
  if constexpr (in_host_memory<B>)
    if (x.node().memory == nullptr && x.node().is_whole && !view.empty())
      return variable<B>::adopt(g, make_number(g, static_cast<double>(*x.view().data())));
  return variable<B>::adopt(g, g.make_view(view, &x.node()));
}

/// op(x...), recorded. The operands are on the graph g.
template <class Op, backend B, class... V>
variable<B> apply_op(graph<B>& g, const Op& op, const variable<B>& first, const V&... more) {
  const matrix_shape s = op.shape(first.shape(), more.shape()...);
  variable<B> result;
  if constexpr (requires { op.view(first.view(), more.view()...); })
    if (const auto view = op.view(first.view(), more.view()...)) result = look_at(first, *view);
  if (result.is_constant()) {
    result = variable<B>::adopt(g, g.make(s));
    op.forward(g.backend(), g.writable(&result.node()), first.view(), more.view()...);
  }
  record_made_from(result, op_operation<B, Op>::instance, op, first, more...);
  return result;
}

/// f(x...) for a pointwise f, summed to the shape `s` where it is smaller than the operands', not
/// recorded.
template <class F, backend B, class... V>
variable<B> evaluate_to(graph<B>& g, matrix_shape s, const F& f, const variable<B>& first,
                        const V&... more) {
  variable<B> result = variable<B>::adopt(g, g.make(s));
  node<B>& n = result.node();
  if constexpr (in_host_memory<B>) {
    const auto is_one = [](const variable<B>& x) { return x.node().value.size() == 1; };
    if (s == matrix_shape{1, 1} && is_one(first) && (is_one(more) && ...)) {
      const auto value = [](const variable<B>& x) { return *x.node().value.data(); };
      n.scalar = ops::evaluate<scalar_t<B>>(f, value(first), value(more)...);
      return result;
    }
  }
  ops::map_to(g.backend(), f, g.writable(&n), first.view(), more.view()...);
  return result;
}

/// f(x...) for a pointwise f, recorded. The operands are on the graph g.
template <class F, backend B, class... V>
[[nodiscard]] variable<B> apply_on(graph<B>& g, const F& f, const variable<B>& first,
                                   const V&... more) {
  using op = ops::pointwise_op<F, 1 + sizeof...(V)>;
  const matrix_shape whole = ops::broadcast_shape(op::name, first.shape(), more.shape()...);
  variable<B> result = evaluate_to(g, whole, f, first, more...);
  record_made_from(result, op_operation<B, op>::instance, op{f}, first, more...);
  return result;
}

template <class First, class... More>
struct backend_among : backend_among<More...> {};
template <backend B, class... More>
struct backend_among<variable<B>, More...> {
  using type = B;
};

}  // namespace detail

namespace math {

/// f(x...) for an op, or for a pointwise functor of one to four operands; constants may be among
/// them. Throws shape_error if the shapes do not fit, value_error if operands are on several tapes.
template <class F, class... V>
requires((chainrule::detail::is_variable<V> || constant<V>)&&...) &&
    (chainrule::detail::is_variable<V> || ...) &&
    (sizeof...(V) <= 4)  //
    [[nodiscard]] auto apply(const F& f, const V&... x) {
  namespace d = chainrule::detail;
  using B = typename d::backend_among<V...>::type;
  const auto run = [&](const auto&... operands) {
    if constexpr (ops::op<F, std::remove_cvref_t<decltype(operands)>...>) {
      auto& g = d::graph_of(operands...);
      return d::apply_op(g, f, d::on_graph(g, operands)...);
    } else {
      if ((operands.is_constant() && ...))
        return variable<B>(ops::evaluate<double>(f, operands.constant_value()...));
      auto& g = d::graph_of(operands...);
      return d::apply_on(g, f, d::on_graph(g, operands)...);
    }
  };
  return run(static_cast<const variable<B>&>(variable<B>(x))...);
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_RECORDING_HPP

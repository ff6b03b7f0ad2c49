/// \file
/// `call`: a network, or a loss, as a node of a graph.
///
///     network encoder{be, dense{784, 64, relu{}}};
///     optimizer opt{encoder, adam{1e-3}};
///     const auto code = call(encoder, x, opt.gradients());     // x: n x 784
///     const auto loss = mean(call(softmax_cross_entropy{}, scores(code), labels.view()));
///     backward(loss);                                          // adds to opt.gradients()
///     opt.update();
///
/// A layer is called as a network of one layer. Networks and losses run their own forward and
/// backward code, which can be differentiated once: for second derivatives, write the function with
/// operations of the tape.
#ifndef CHAINRULE_AUTODIFF_CALL_HPP
#define CHAINRULE_AUTODIFF_CALL_HPP

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"

namespace chainrule {

namespace detail {

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_second(std::string_view what) {
  throw value_error(concat("call: the backward pass of a ", what,
                           " cannot be differentiated again; write it with operations of the tape, "
                           "or do without create_graph"));
}

/// What the node of a called network saves.
template <backend B>
struct network_call {
  const network<B>* net;
  pass<B> memory;
  arena<B>* total;  // null: the parameters are constants
};

template <backend B>
struct network_operation {
  using state = network_call<B>;

  static void vjp(vjp_step<B>& step) {
    if (step.differentiable()) refuse_second("network");
    state& s = step.template saved<state>();
    graph<B>& g = step.graph();
    const variable<B> x = step.input(0);
    variable<B> dx;
    if (step.wants(0)) dx = variable<B>::adopt(g, g.make(x.shape()));
    const matrix<B> to = step.wants(0) ? g.writable(&dx.node()) : matrix<B>{};
    g.backend().copy(s.net->output_gradient(s.memory), step.dy().view());
    if (s.total != nullptr && !step.for_targets()) {
      s.net->add_backward(x.view(), s.memory, *s.total, to);
    } else {
      arena<B> unused = s.net->make_gradients();
      s.net->backward(x.view(), s.memory, unused, to);
    }
    if (step.wants(0)) step.give(0, dx);
  }
  static constexpr operation<B> instance{"network", &vjp, node<B>::template end_of<state>()};
};

template <backend B>
[[nodiscard]] variable<B> call_network(const network<B>& net, const variable<B>& x, arena<B>* total,
                                       const phase& p) {
  graph<B>& g = x.graph();
  if (total != nullptr) net.require_gradients(*total);
  phase training = p;
  if (!p.training && net.declared().draws())
    throw value_error(
        "call: a layer of the network draws random numbers; give the call its phase, such as "
        "phase::train(seed, step)");
  training.training = true;
  network_call<B> state{&net, net.make_pass(std::max<index_t>(x.rows(), 1), true), total};
  const const_matrix<B> y = net.forward(x.view(), state.memory, training);
  variable<B> result = variable<B>::adopt(g, g.make(y.shape()));
  g.backend().copy(g.writable(&result.node()), y);
  node<B>* const input = &x.node();
  record(result, network_operation<B>::instance, std::move(state), &input, 1, total != nullptr);
  return result;
}

template <backend B>
struct loss_operation {
  static void vjp(vjp_step<B>& step) {
    if (step.differentiable()) refuse_second("loss");
    step.give(0, fn::multiplies{}, step.dy(), step.input(1));
  }
  static constexpr operation<B> instance{"loss", &vjp};
};

}  // namespace detail

namespace math {

/// net(x), n x outputs. A backward pass adds the gradients of the parameters to `gradients`, which
/// is net.make_gradients() and not set to 0 here, and gives x its own. `net` and `gradients` must
/// outlive the graph, and the parameters stay as they are until then. Layers such as dropout act as
/// in training, with the phase's random numbers. Throws shape_error, and value_error for a network
/// that draws random numbers without a phase: each call would draw the same.
template <backend B>
[[nodiscard]] variable<B> call(const network<B>& net, const variable<B>& x, arena<B>& gradients,
                               const phase& p = phase{}) {
  return chainrule::detail::call_network(net, x, &gradients, p);
}
/// net(x) with parameters that are constants: only x gets a gradient.
template <backend B>
[[nodiscard]] variable<B> call(const network<B>& net, const variable<B>& x,
                               const phase& p = phase{}) {
  return chainrule::detail::call_network<B>(net, x, nullptr, p);
}

/// The loss of each sample, n x 1, for outputs of n x c and targets as losses/loss.hpp says. Throws
/// shape_error.
template <backend B, loss<B> Loss>
[[nodiscard]] variable<B> call(const Loss& loss, const variable<B>& y,
                               std::type_identity_t<const_matrix<B>> targets) {
  namespace d = chainrule::detail;
  auto& g = y.graph();
  const B& be = g.backend();
  variable<B> result = variable<B>::adopt(g, g.make({y.rows(), 1}));
  variable<B> gradient = variable<B>::adopt(g, g.make(y.shape()));
  const variable<B> one = variable<B>::adopt(g, d::make_number(g, 1));
  loss_scratch<B> scratch(be, y.rows(), y.cols());
  loss(be, y.view(), targets, one.view(), g.writable(&result.node()),
       y.requires_gradient() ? g.writable(&gradient.node()) : matrix<B>{}, scratch);
  d::record_made_from(result, d::loss_operation<B>::instance, char{}, y, gradient);
  return result;
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_CALL_HPP

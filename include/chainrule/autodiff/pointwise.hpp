/// \file
/// `apply`: any pointwise functor as an operation on variables, its derivative by dual numbers.
///
///     struct swish {
///       auto operator()(auto x) const { return x / (1 + exp(-x)); }
///     };
///     y = apply(swish{}, x);                 // one kernel forward, one backward
///     y = swish{}(x);                        // the same, operation by operation
///     y = apply([](auto a, auto b) { return a * exp(-b * b); }, x, z);
///
/// Operands of extent 1 are repeated, as everywhere; their gradients are summed over the repeats.
/// The backward pass maps one functor, (dy, x...) -> dy * df/dx_i. Where the gradient is to be
/// differentiated again, the same functor runs over variables, which records it.
#ifndef CHAINRULE_AUTODIFF_POINTWISE_HPP
#define CHAINRULE_AUTODIFF_POINTWISE_HPP

#include "chainrule/autodiff/plain.hpp"
#include "chainrule/autodiff/vjp_step.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule {

namespace math {
template <backend B>
[[nodiscard]] variable<B> sum_to(const variable<B>& x, chainrule::matrix_shape s);
template <backend B>
[[nodiscard]] variable<B> operator*(const variable<B>& a, const variable<B>& b);
template <backend B>
[[nodiscard]] variable<B> operator-(const variable<B>& a);
}  // namespace math

namespace detail {

// Arithmetic with a constant, which is a part of the functor.

/// x + c
struct shifted {
  double c;
  constexpr auto operator()(const auto& x) const { return x + c; }
};
/// c - x
struct subtracted {
  double c;
  constexpr auto operator()(const auto& x) const { return c - x; }
};
/// c x
struct scaled {
  double c;
  constexpr auto operator()(const auto& x) const { return x * c; }
};
/// x / c
struct divided {
  double c;
  constexpr auto operator()(const auto& x) const { return x / c; }
};
/// c / x
struct divides_into {
  double c;
  constexpr auto operator()(const auto& x) const { return c / x; }
};

// The functors of the backward pass.

/// dy f'(x), from the output alone.
template <class F>
struct slope_from_output {
  [[no_unique_address]] F f;
  template <math::number X>
  constexpr X operator()(const X& dy, const X& y) const {
    return dy * math::convert<X>(f.derivative_from_output(y));
  }
};
/// dy f'(x), as f states it.
template <class F>
struct slope_stated {
  [[no_unique_address]] F f;
  template <math::number X>
  constexpr X operator()(const X& dy, const X& x, const X& y) const {
    return dy * math::convert<X>(f.derivative(x, y));
  }
};
/// dy df/dx_I by dual numbers.
template <class F, std::size_t I>
struct slope_by_dual {
  [[no_unique_address]] F f;
  template <math::number X, class... More>
  constexpr X operator()(const X& dy, const More&... x) const {
    return dy * dual_derivative<I>(f, x...);
  }
};

/// The name of F in pictures of graphs.
template <class F>
[[nodiscard]] constexpr std::string_view operation_name() {
  if constexpr (requires { std::string_view(F::name); }) return F::name;
  // clang-format off
  else if constexpr (std::same_as<F, fn::plus> || std::same_as<F, shifted>) return "+";
  else if constexpr (std::same_as<F, fn::minus> || std::same_as<F, fn::negate> ||
                     std::same_as<F, subtracted>) return "-";
  else if constexpr (std::same_as<F, fn::multiplies> || std::same_as<F, scaled>) return "*";
  else if constexpr (std::same_as<F, fn::divides> || std::same_as<F, divided> ||
                     std::same_as<F, divides_into>) return "/";
  else return "apply";
  // clang-format on
}

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_broadcast(std::string_view name,
                                                                    matrix_shape a,
                                                                    matrix_shape b) {
  throw shape_error(concat(name, ": the shapes ", to_string(a), " and ", to_string(b),
                           " do not broadcast; extents must be equal, or one of them 1"));
}

/// The shape that operands are broadcast to. Throws shape_error, naming the operation, if they do
/// not broadcast.
template <class... Shapes>
[[nodiscard]] matrix_shape broadcast_shape(std::string_view name, matrix_shape whole,
                                           Shapes... more) {
  [[maybe_unused]] const auto widen = [&](matrix_shape s) {
    const bool fits = (s.rows == whole.rows || s.rows == 1 || whole.rows == 1) &&
                      (s.cols == whole.cols || s.cols == 1 || whole.cols == 1);
    if (!fits) refuse_broadcast(name, whole, s);
    if (whole.rows == 1) whole.rows = s.rows;
    if (whole.cols == 1) whole.cols = s.cols;
  };
  (widen(more), ...);
  return whole;
}

/// f(x...), summed to the shape `s` where it is smaller than the operands', without a history.
template <class F, backend B, class... V>
[[nodiscard]] variable<B> evaluate_to(graph<B>& g, matrix_shape s, const F& f,
                                      const variable<B>& first, const V&... more) {
  variable<B> result = variable<B>::adopt(g, g.make(s));
  node<B>& n = result.node();
  if constexpr (in_host_memory<B>) {
    using number = math::plain<scalar_t<B>>;
    const auto is_one = [](const variable<B>& x) { return x.node().value.size() == 1; };
    if (s == matrix_shape{1, 1} && is_one(first) && (is_one(more) && ...)) {
      const auto value = [](const variable<B>& x) { return number(*x.node().value.data()); };
      n.scalar = math::convert<number>(f(value(first), value(more)...)).value;
      return result;
    }
  }
  const matrix_shape whole = contract::broadcast(first.shape(), more.shape()...);
  const matrix<B> out = g.writable(&n);
  if (whole == s)
    g.backend().map(f, out, first.view(), more.view()...);
  else
    g.backend().reduce(reduction::sum{}, out, f, first.view(), more.view()...);
  return result;
}

/// The functor of a gradient, (operands...) -> dy * slope, summed to the shape of input i: fused,
/// or recorded if it is to be differentiated again.
template <class P, backend B, class... V>
void pull(vjp_step<B>& step, std::size_t i, const P& p, const variable<B>& first,
          const V&... more) {
  if (step.differentiable())
    step.give(i, p(first, more...));
  else
    step.give(i, evaluate_to(step.graph(), step.input_shape(i), p, first, more...));
}

/// The operation that a pointwise functor of N operands is.
template <backend B, class F, std::size_t N>
struct pointwise_operation {
  /// The constant of a functor that has one.
  static constexpr auto describe() -> std::string (*)(const node<B>&) {
    if constexpr (requires(const F& f) {
                    { f.c } -> std::same_as<const double&>;
                  })
      return [](const node<B>& n) { return concat(' ', n.template kept<F>().c); };
    else
      return nullptr;
  }

  static void vjp(vjp_step<B>& step) {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      ((step.wants(I) ? give<I>(step) : void()), ...);
    }
    (std::make_index_sequence<N>{});
  }

  static constexpr operation<B> instance{operation_name<F>(), &vjp, node<B>::template end_of<F>(),
                                         describe()};

 private:
  template <std::size_t I>
  static void give(vjp_step<B>& step) {
    const F& f = step.template kept<F>();
    const variable<B> dy = step.dy();
    if constexpr (std::same_as<F, fn::plus> || std::same_as<F, shifted> ||
                  (std::same_as<F, fn::minus> && I == 0))
      step.give(I, dy);
    else if constexpr (std::same_as<F, fn::minus> || std::same_as<F, fn::negate> ||
                       std::same_as<F, subtracted>)
      pull_by(step, I, fn::negate{}, dy);
    else if constexpr (std::same_as<F, fn::multiplies>)
      pull_by(step, I, fn::multiplies{}, dy, step.input(1 - I));
    else if constexpr (std::same_as<F, scaled> || std::same_as<F, divided>)
      pull_by(step, I, f, dy);
    else if constexpr (N == 1 && derivable_from_output<F>)
      pull(step, I, slope_from_output<F>{f}, dy, step.output());
    else if constexpr (N == 1 && states_derivative<F>)
      pull(step, I, slope_stated<F>{f}, dy, step.input(0), step.output());
    else
      [&]<std::size_t... J>(std::index_sequence<J...>) {
        pull(step, I, slope_by_dual<F, I>{f}, dy, step.input(J)...);
      }
    (std::make_index_sequence<N>{});
  }

  /// The same for functors that are operations themselves.
  template <class P, class... V>
  static void pull_by(vjp_step<B>& step, std::size_t i, const P& p, const V&... operands);
};

/// f(x...), remembered. The operands are on one graph.
template <class F, backend B, class... V>
[[nodiscard]] variable<B> apply_on(graph<B>& g, const F& f, const variable<B>& first,
                                   const V&... more) {
  using kind = pointwise_operation<B, F, 1 + sizeof...(V)>;
  const matrix_shape whole = broadcast_shape(kind::instance.name, first.shape(), more.shape()...);
  variable<B> result = evaluate_to(g, whole, f, first, more...);
  record_made_from(result, kind::instance, f, first, more...);
  return result;
}

template <backend B, class F, std::size_t N>
template <class P, class... V>
void pointwise_operation<B, F, N>::pull_by(vjp_step<B>& step, std::size_t i, const P& p,
                                           const V&... operands) {
  if (step.differentiable())
    step.give(i, apply_on(step.graph(), p, operands...));
  else
    step.give(i, evaluate_to(step.graph(), step.input_shape(i), p, operands...));
}

template <class First, class... More>
struct backend_among : backend_among<More...> {};
template <backend B, class... More>
struct backend_among<variable<B>, More...> {
  using type = B;
};

}  // namespace detail

namespace math {

/// f(x...) for any pointwise functor of one to four operands; constants may be among them. Throws
/// shape_error if their shapes do not broadcast, value_error if they are on several tapes.
template <class F, class... V>
requires((chainrule::detail::is_variable<V> || constant<V>)&&...) &&
    (chainrule::detail::is_variable<V> || ...) &&
    (sizeof...(V) <= 4)  //
    [[nodiscard]] auto apply(const F& f, const V&... x) {
  using B = typename chainrule::detail::backend_among<V...>::type;
  const auto run = [&](const auto&... operands) {
    using plain_number = plain<double>;
    if ((operands.is_constant() && ...))
      return variable<B>(
          math::convert<plain_number>(f(plain_number(operands.constant_value())...)).value);
    auto& g = chainrule::detail::graph_of(operands...);
    return chainrule::detail::apply_on(g, f, chainrule::detail::on_graph(g, operands)...);
  };
  return run(static_cast<const variable<B>&>(variable<B>(x))...);
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_POINTWISE_HPP

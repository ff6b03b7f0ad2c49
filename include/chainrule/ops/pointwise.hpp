/// \file
/// Pointwise functors as ops, y = f(x...), with the functors of their gradients.
///
/// Operands of extent 1 are broadcast; their gradients are summed over the repeats. The gradient of
/// an operand is one fused functor, (dy, x...) -> dy df/dx_i, from f's stated derivative or by dual
/// numbers. Over variables the same functor
/// records its operations.
#ifndef CHAINRULE_OPS_POINTWISE_HPP
#define CHAINRULE_OPS_POINTWISE_HPP

#include <string>
#include <string_view>
#include <utility>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "chainrule/pointwise/plain.hpp"

namespace chainrule {

namespace detail {

/// dy f'(x) where y = f(x), as f states it.
template <class F>
struct stated_gradient {
  [[no_unique_address]] F f;
  template <math::number X>
  constexpr X operator()(const X& dy, const X& x, const X& y) const {
    return dy * math::convert<X>(f.derivative(x, y));
  }
};
/// dy df/dx_I by dual numbers.
template <class F, std::size_t I>
struct dual_gradient {
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
  else if constexpr (std::same_as<F, fn::plus>) return "+";
  else if constexpr (std::same_as<F, fn::minus> || std::same_as<F, fn::negate>) return "-";
  else if constexpr (std::same_as<F, fn::multiplies>) return "*";
  else if constexpr (std::same_as<F, fn::divides>) return "/";
  else return "apply";
  // clang-format on
}

// Functors with a constant, which on a device is a part of the kernel.

/// op(x..., c)
template <class Op>
struct with_right {
  static constexpr std::string_view name = operation_name<Op>();
  double c;
  constexpr auto operator()(const auto&... x) const { return Op{}(x..., c); }
};
/// op(c, x...)
template <class Op>
struct with_left {
  static constexpr std::string_view name = operation_name<Op>();
  double c;
  constexpr auto operator()(const auto&... x) const { return Op{}(c, x...); }
};

[[noreturn, gnu::cold, gnu::noinline]] inline void refuse_broadcast(std::string_view name,
                                                                    matrix_shape a,
                                                                    matrix_shape b) {
  detail::fail<shape_error>(name, ": the shapes ", to_string(a), " and ", to_string(b),
                            " do not broadcast; extents must be equal, or one of them 1");
}

}  // namespace detail

namespace ops {

/// Whether F is an op that is called with these operands (matrices or variables), and not a
/// pointwise functor.
template <class F, class... V>
concept op = requires(const F& f, const V&... x) {
  { f.shape(x.shape()...) } -> std::same_as<matrix_shape>;
};

/// The shape that operands are broadcast to. Throws shape_error, naming the op, if they do not
/// broadcast.
template <class... Shapes>
[[nodiscard]] matrix_shape broadcast_shape(std::string_view name, matrix_shape whole,
                                           Shapes... more) {
  [[maybe_unused]] const auto widen = [&](matrix_shape s) {
    const bool fits = (s.rows == whole.rows || s.rows == 1 || whole.rows == 1) &&
                      (s.cols == whole.cols || s.cols == 1 || whole.cols == 1);
    if (!fits) detail::refuse_broadcast(name, whole, s);
    if (whole.rows == 1) whole.rows = s.rows;
    if (whole.cols == 1) whole.cols = s.cols;
  };
  (widen(more), ...);
  return whole;
}

/// f of plain numbers, without a kernel.
template <std::floating_point T, class F, class... X>
[[nodiscard]] T evaluate(const F& f, X... x) {
  using number = math::plain<T>;
  return math::convert<number>(f(number(x)...)).value;
}

/// out = value throughout.
template <backend B>
void fill(const B& be, matrix<B> out, double value) {
  be.map(fn::fill{value}, out);
}

/// out = f(in...), summed where an extent of out is 1 and that of an operand is not.
template <backend B, class F, class... In>
void map_to(const B& be, const F& f, matrix<B> out, const In&... in) {
  if (contract::broadcast(in.shape()...) == out.shape())
    be.map(f, out, in...);
  else
    be.reduce(reduction::sum{}, out, f, in...);
}

/// y = f(x...) of N operands.
template <class F, std::size_t N>
struct pointwise_op {
  static constexpr std::string_view name = detail::operation_name<F>();
  /// The functor.
  [[no_unique_address]] F f;

  template <class... Shapes>
  [[nodiscard]] matrix_shape shape(Shapes... s) const {
    return broadcast_shape(name, s...);
  }
  template <backend B, class... In>
  void forward(const B& be, matrix<B> y, const In&... x) const {
    be.map(f, y, x...);
  }

  template <class Step>
  void vjp(Step& step) const {
    [&]<std::size_t... I>(std::index_sequence<I...> all) {
      ((step.wants(I) ? give<I>(step, all) : void()), ...);
    }
    (std::make_index_sequence<N>{});
  }
  /// What pictures of graphs show beside the name: the constant of a functor that has one.
  [[nodiscard]] std::string details() const {
    if constexpr (requires {
                    { f.c } -> std::same_as<const double&>;
                  })
      return detail::concat(' ', f.c);
    else
      return {};
  }

 private:
  template <std::size_t I, class Step, std::size_t... J>
  void give(Step& step, std::index_sequence<J...>) const {
    using namespace chainrule::detail;
    const auto dy = step.dy();
    if constexpr (std::same_as<F, fn::plus> || std::same_as<F, with_right<fn::plus>> ||
                  (std::same_as<F, fn::minus> && I == 0))
      step.give(I, dy);
    else if constexpr (std::same_as<F, fn::minus> || std::same_as<F, fn::negate> ||
                       std::same_as<F, with_left<fn::minus>>)
      step.give(I, fn::negate{}, dy);
    else if constexpr (std::same_as<F, fn::multiplies>)
      step.give(I, fn::multiplies{}, dy, step.input(1 - I));
    else if constexpr (std::same_as<F, with_right<fn::multiplies>> ||
                       std::same_as<F, with_right<fn::divides>>)
      step.give(I, f, dy);
    else if constexpr (N == 1 && derivable_from_output<F>)
      step.give(I, backward_of<F>{f}, dy, step.output());
    else if constexpr (N == 1 && states_derivative<F>)
      step.give(I, stated_gradient<F>{f}, dy, step.input(0), step.output());
    else
      step.give(I, dual_gradient<F, I>{f}, dy, step.input(J)...);
  }
};

}  // namespace ops
}  // namespace chainrule

#endif  // CHAINRULE_OPS_POINTWISE_HPP

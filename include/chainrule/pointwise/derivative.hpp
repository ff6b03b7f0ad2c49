/// \file
/// The derivative of a pointwise functor: its own if it states one, else by dual numbers.
///
///     struct swish {
///       auto operator()(auto x) const { return x * sigmoid(x); }
///     };
///     derivative_of<swish>{}(2.0);  // swish'(2)
///
/// A functor may state its derivative as a member, where that is cheaper or has no kink:
///
///     auto derivative_from_output(auto y) const;  // from y = f(x) alone, or
///     auto derivative(auto x, auto y) const;      // from x and y
///
/// With the first, layers save only the output (that of sigmoid is y(1 - y)).
#ifndef CHAINRULE_POINTWISE_DERIVATIVE_HPP
#define CHAINRULE_POINTWISE_DERIVATIVE_HPP

#include <cstddef>
#include <utility>

#include "chainrule/pointwise/dual.hpp"

namespace chainrule {

/// f states a derivative that needs only its output.
template <class F>
concept derivable_from_output = requires(const F& f, double y) {
  f.derivative_from_output(y);
};

/// f states a derivative from its argument and its output.
template <class F>
concept states_derivative = requires(const F& f, double x, double y) {
  f.derivative(x, y);
};

/// The partial derivative of `f` with respect to its `I`-th argument at `arguments`, by dual
/// numbers whatever f states.
template <std::size_t I = 0, class F, class X, class... More>
[[nodiscard]] constexpr auto dual_derivative(const F& f, const X& x, const More&... more) {
  // All arguments are converted to the number type of the first.
  using S = X;
  const auto lift = [&]<std::size_t... Is>(std::index_sequence<Is...>) {
    return f(math::dual<S>(math::convert<S>(x), math::convert<S>(I == 0 ? 1 : 0)),
             math::dual<S>(math::convert<S>(more), math::convert<S>(I == Is + 1 ? 1 : 0))...);
  };
  const auto y = lift(std::index_sequence_for<More...>{});
  if constexpr (requires { y.derivative; })
    return y.derivative;
  else
    return math::convert<S>(0);  // f does not depend on its arguments, or is a step
}

/// The derivative of a function of one argument at x, where y = f(x) is known.
template <class F, class X>
[[nodiscard]] constexpr X derivative_at(const F& f, const X& x, const X& y) {
  if constexpr (derivable_from_output<F>)
    return math::convert<X>(f.derivative_from_output(y));
  else if constexpr (states_derivative<F>)
    return math::convert<X>(f.derivative(x, y));
  else
    return dual_derivative(f, x);
}

/// The functor x -> f'(x).
template <class F>
struct derivative_of {
  /// The functor that is differentiated.
  F f{};

  template <math::number X>
  [[nodiscard]] constexpr X operator()(const X& x) const {
    if constexpr (derivable_from_output<F> || states_derivative<F>)
      return derivative_at(f, x, math::convert<X>(f(x)));
    else
      return dual_derivative(f, x);
  }
};

/// The functor that a layer's backward pass maps: (dy, saved) -> dx = dy * f'(x), where `saved` is
/// the output y if f states its derivative from it, else the argument x.
template <class F>
struct backward_of {
  /// The functor that is differentiated.
  [[no_unique_address]] F f{};

  template <math::number X>
  [[nodiscard]] constexpr X operator()(const X& dy, const X& saved) const {
    if constexpr (derivable_from_output<F>)
      return dy * math::convert<X>(f.derivative_from_output(saved));
    else
      return dy * derivative_of<F>{f}(saved);
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_POINTWISE_DERIVATIVE_HPP

/// \file
/// Jacobians, Jacobian-vector products, Hessians and their products with a vector, of functions of
/// variables.
///
///     const auto f = [&](const auto& x) { return math::tanh(matmul(x, w)); };
///     jacobian(f, x);              // (elements of f(x)) x (elements of x)
///     jvp(f, x, u);                // J u, of the shape of f(x)
///     vjp(f(x), x, v);             // vᵀ J, of the shape of x: see autodiff/backward.hpp
///     hessian_vector(loss, x, u);  // H u, of the shape of x, for a loss of 1 x 1
///
/// x may be a constant of the tape; no gradient is stored in it. Elements are counted row by row.
#ifndef CHAINRULE_AUTODIFF_JACOBIAN_HPP
#define CHAINRULE_AUTODIFF_JACOBIAN_HPP

#include "chainrule/autodiff/backward.hpp"

namespace chainrule {

namespace detail {

inline void require_direction(const char* what, matrix_shape x, matrix_shape u) {
  if (x != u)
    throw shape_error(concat(what, ": a direction of ", to_string(u), " for a variable of ",
                             to_string(x), "; it needs the same shape"));
}

}  // namespace detail

namespace math {

/// dy_i/dx_j for y = f(x): one row per element of y, one column per element of x; one backward pass
/// per row.
template <class F, backend B>
[[nodiscard]] variable<B> jacobian(const F& f, const variable<B>& x,
                                   gradient_options options = {}) {
  namespace d = chainrule::detail;
  const variable<B> at = d::differentiable(x);
  const variable<B> y = f(at);
  auto& g = x.graph();
  const index_t count = y.shape().size();
  auto identity = d::host_vector<scalar_t<B>>(d::elements_of(count, count));
  for (index_t i = 0; i < count; ++i) identity[static_cast<std::size_t>(i * count + i)] = 1;
  variable<B> seeds = variable<B>::adopt(g, g.make({count, count}));
  g.backend().upload(g.writable(&seeds.node()),
                     matrix_view<const scalar_t<B>>(identity.data(), count, count));
  g.backend().synchronize();  // `identity` must live until it is read
  std::vector<variable<B>> lines;
  for (index_t i = 0; i < count; ++i) {
    const variable<B> seed = reshape(middle_rows(seeds, i, 1), y.rows(), y.cols());
    const gradient_options keep{.create_graph = options.create_graph,
                                .keep_graph = options.keep_graph || i + 1 < count};
    lines.push_back(reshape(vjp(y, at, seed, keep), 1, x.shape().size()));
  }
  if (lines.empty()) return variable<B>::adopt(g, g.make({0, x.shape().size()}));
  return concatenate_rows(lines);
}

/// J u, the derivative of f at x in the direction u, of the shape of f(x): by two backward passes,
/// the second through the first, which is linear in its seed. Throws shape_error if u has another
/// shape than x.
template <class F, backend B>
[[nodiscard]] variable<B> jvp(const F& f, const variable<B>& x, const variable<B>& u,
                              gradient_options options = {}) {
  namespace d = chainrule::detail;
  d::require_direction("jvp", x.shape(), u.shape());
  const variable<B> at = d::differentiable(x);
  const variable<B> y = f(at);
  auto& g = x.graph();
  variable<B> seed = variable<B>::adopt(g, d::make_filled(g, y.shape(), 0));
  seed.node().wants_gradient = true;
  const variable<B> back = vjp(y, at, seed, {.create_graph = true});
  return gradient(sum(back * u), seed, options);
}

/// J u for a pointwise f (`[](auto x) { return x * exp(-x); }`) in forward mode: f runs once over
/// dual numbers of variables, without a backward pass.
template <class F, backend B>
[[nodiscard]] variable<B> pointwise_jvp(const F& f, const variable<B>& x, const variable<B>& u) {
  chainrule::detail::require_direction("pointwise_jvp", x.shape(), u.shape());
  return f(dual<variable<B>>(x, u)).derivative;
}

/// H u for the matrix H of second derivatives of the scalar f(x): the gradient of the gradient's
/// product with u. Throws shape_error if u has another shape than x, or f(x) is not 1 x 1.
template <class F, backend B>
[[nodiscard]] variable<B> hessian_vector(const F& f, const variable<B>& x, const variable<B>& u,
                                         gradient_options options = {}) {
  namespace d = chainrule::detail;
  d::require_direction("hessian_vector", x.shape(), u.shape());
  const variable<B> at = d::differentiable(x);
  const variable<B> first = gradient(f(at), at, {.create_graph = true});
  return gradient(sum(first * u), at, options);
}

/// The matrix of second derivatives of the scalar f(x), elements x elements.
template <class F, backend B>
[[nodiscard]] variable<B> hessian(const F& f, const variable<B>& x, gradient_options options = {}) {
  return jacobian(
      [&](const variable<B>& at) { return gradient(f(at), at, {.create_graph = true}); }, x,
      options);
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_JACOBIAN_HPP

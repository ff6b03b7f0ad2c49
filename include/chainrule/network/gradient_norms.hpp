/// \file
/// `gradient_norms`: the norm of the gradient of each layer.
///
///     t.fit(train, {.epochs = 1});
///     for (const double norm : gradient_norms(net, t.gradients())) std::printf("%g\n", norm);
///
/// Norms that fall by many powers of ten from the last layer to the first show a vanishing
/// gradient, norms that grow an exploding one: change the initialization (layers/initializers.hpp)
/// or the activation. See also network/dead_units.hpp, train/gradient_statistics.hpp.
#ifndef CHAINRULE_NETWORK_GRADIENT_NORMS_HPP
#define CHAINRULE_NETWORK_GRADIENT_NORMS_HPP

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/core/finite.hpp"
#include "chainrule/network/network.hpp"

namespace chainrule {

namespace detail {
struct square_of_ratio {
  constexpr auto operator()(const auto& x, const auto& largest) const {
    return math::sqr(x / largest);
  }
};

/// The size of a matrix.
struct magnitude {
  double largest = 0;  // absolute value
  double norm = 0;     // Euclidean
};

/// The size of each matrix of `values`, an arena of the network's parameters, in the order of the
/// parameters. No square overflows, and none vanishes. Infinite or NaN where an element is. Waits
/// for the backend.
template <backend B>
[[nodiscard]] std::vector<magnitude> magnitudes(const network<B>& net, const arena<B>& values) {
  const B& be = net.backend();
  const auto& list = net.parameter_list();
  std::vector<magnitude> sizes(list.size());
  if (list.empty()) return sizes;
  // norm = m sqrt(sum of (x / m)²), where m is the largest magnitude: one row of them, one of sums.
  tensor<B> both(be, 2, static_cast<index_t>(list.size()));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const const_matrix<B> x = values[list[i].place];
    const matrix<B> largest = both.view().block(0, static_cast<index_t>(i), 1, 1);
    be.reduce(reduction::maximum{}, largest, fn::abs{}, x);
    be.reduce(reduction::sum{}, both.view().block(1, static_cast<index_t>(i), 1, 1),
              square_of_ratio{}, x, const_matrix<B>(largest));
  }
  const std::vector<scalar_t<B>> host = to_host(be, const_matrix<B>(both.view()));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto largest = static_cast<double>(host[i]);
    // 0 and what is not finite are no divisors, and are their own norms.
    const bool divides = largest != 0 && is_finite(largest);
    const double root = std::sqrt(static_cast<double>(host[list.size() + i]));
    sizes[i] = {largest, divides ? largest * root : largest};
  }
  return sizes;
}
}  // namespace detail

/// For each layer, the Euclidean norm of the gradient of all its parameters; 0 for a layer without
/// parameters. `gradients` is what the network's backward pass assigned. No square overflows, and
/// none vanishes. Infinite or NaN where an element is. Throws shape_error if `gradients` is not of
/// this network.
template <backend B>
[[nodiscard]] std::vector<double> gradient_norms(const network<B>& net, const arena<B>& gradients) {
  net.require_gradients(gradients);
  const auto& list = net.parameter_list();
  const std::vector<detail::magnitude> sizes = detail::magnitudes(net, gradients);
  std::vector<double> norms(static_cast<std::size_t>(net.depth()), 0.0);
  for (std::size_t i = 0; i < list.size(); ++i) {
    // Parameters are named by their layer: "3.weight".
    double& total = norms[static_cast<std::size_t>(std::stoll(list[i].name))];
    total = std::hypot(total, sizes[i].norm);
  }
  return norms;
}

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_GRADIENT_NORMS_HPP

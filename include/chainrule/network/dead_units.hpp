/// \file
/// `dead_units`: the number of outputs of each layer that are 0 for every sample.
///
///     network net{be, dense{784, 128, relu{}}, dense{128, 10}};
///     const std::vector<index_t> dead = dead_units(net, images.view());
///     if (2 * dead[0] > 128) ...;  // try a smaller rate, or leaky_relu
///
/// A ReLU that is 0 for every sample gets no gradient, and stays so: it is dead. One step that is
/// too large can do this to many units. See also network/gradient_norms.hpp.
#ifndef CHAINRULE_NETWORK_DEAD_UNITS_HPP
#define CHAINRULE_NETWORK_DEAD_UNITS_HPP

#include <vector>

#include "chainrule/network/network.hpp"

namespace chainrule {

namespace detail {
struct is_not_zero {
  constexpr auto operator()(const auto& x) const { return math::where(x == 0, 0, 1); }
};
struct is_zero {
  constexpr auto operator()(const auto& x) const { return math::where(x == 0, 1, 0); }
};
}  // namespace detail

/// For each layer, the number of its outputs that are 0 for all rows of x (n × inputs), as the
/// network predicts: dropout drops nothing. NaN is not 0. Throws shape_error if x does not fit,
/// value_error if it has no rows.
template <backend B>
[[nodiscard]] std::vector<index_t> dead_units(const network<B>& net,
                                              std::type_identity_t<const_matrix<B>> x) {
  if (x.rows() < 1)
    detail::fail<value_error>("dead units are counted over samples, and there are no samples");
  const B& be = net.backend();
  pass<B> p = net.make_pass(x.rows());
  net.forward(x, p);
  tensor<B> counts(be, 1, net.depth());
  for (index_t i = 0; i < net.depth(); ++i) {
    const const_matrix<B> y = net.output_of(p, i);  // n × outputs
    tensor<B> alive(be, 1, y.cols());               // 1 where a row is not 0
    be.reduce(reduction::maximum{}, alive.view(), detail::is_not_zero{}, y);
    be.reduce(reduction::sum{}, counts.view().block(0, i, 1, 1), detail::is_zero{},
              const_matrix<B>(alive.view()));
  }
  std::vector<index_t> dead;
  for (const scalar_t<B> count : to_host(be, const_matrix<B>(counts.view())))
    dead.push_back(static_cast<index_t>(count));
  return dead;
}

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_DEAD_UNITS_HPP

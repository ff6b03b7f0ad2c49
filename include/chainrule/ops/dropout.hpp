/// \file
/// Inverted dropout: y = x / (1 - p) where a random number u in [0, 1) is at least p, else 0; so
/// the mean of y is x, and nothing is done outside of training. All matrices are n × features.
/// Source: N. Srivastava et al., JMLR 15 (2014), section 10 for the scaling.
#ifndef CHAINRULE_OPS_DROPOUT_HPP
#define CHAINRULE_OPS_DROPOUT_HPP

#include "chainrule/ops/pointwise.hpp"

namespace chainrule::ops {

/// What dropout does to a value, and to a gradient, beside its random number.
struct keep_above {
  double p = 0;
  constexpr auto operator()(const auto& x, const auto& u) const {
    return math::where(u >= p, x * (1 / (1 - p)), 0);
  }
};

/// y from x and as many uniform random numbers u, through which no gradient flows. y may be x.
struct dropout_op {
  static constexpr std::string_view name = "dropout";
  double p = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape u) const {
    contract::same_shape("dropout", x, u);
    return x;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> u) const {
    be.map(keep_above{p}, y, x, u);
  }
  void vjp(auto& step) const { step.give(0, dropout_op{p}, step.dy(), step.input(1)); }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_DROPOUT_HPP

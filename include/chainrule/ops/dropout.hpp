/// \file
/// Inverted dropout: y = x / (1 - p) where a random number u in [0, 1) is at least p, else 0; so
/// the mean of y is x, and nothing is done outside of training. All matrices are n × features.
/// Source: N. Srivastava et al., JMLR 15 (2014), section 10 for the scaling.
#ifndef CHAINRULE_OPS_DROPOUT_HPP
#define CHAINRULE_OPS_DROPOUT_HPP

#include "chainrule/backend/concept.hpp"

namespace chainrule::ops {

/// What dropout does to a value, and to a gradient, beside its random number.
struct keep_above {
  double p = 0;
  constexpr auto operator()(const auto& x, const auto& u) const {
    return math::where(u >= p, x * (1 / (1 - p)), 0);
  }
};

/// y from x and as many random numbers u, assigned. y may be x.
template <backend B>
void dropout(const B& be, double p, const_matrix<B> x, const_matrix<B> u, matrix<B> y) {
  be.map(keep_above{p}, y, x, u);
}

/// dx from dy and the numbers that the forward pass drew, assigned. dx may be dy.
template <backend B>
void dropout_vjp(const B& be, double p, const_matrix<B> u, const_matrix<B> dy, matrix<B> dx) {
  be.map(keep_above{p}, dx, dy, u);
}

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_DROPOUT_HPP

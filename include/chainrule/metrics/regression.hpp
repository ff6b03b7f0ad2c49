/// \file
/// Metrics of values: `r_squared`, `root_mean_squared_error`.
///
///     trainer t{net, huber_loss{}, adam{}, {r_squared{}, mean_absolute_error{}}};
///
/// mean_absolute_error, as every loss, is a metric (losses/pointwise.hpp).
#ifndef CHAINRULE_METRICS_REGRESSION_HPP
#define CHAINRULE_METRICS_REGRESSION_HPP

#include <cmath>
#include <limits>
#include <span>

#include "chainrule/losses/pointwise.hpp"
#include "chainrule/metrics/metric.hpp"

namespace chainrule {

/// The coefficient of determination, 1 - Σ (t - y)² / Σ (t - mean t)², for one output; NaN where
/// all targets are equal. Squares of targets are added up: targets whose mean is far larger than
/// their spread lose digits and should be standardized. Throws shape_error for several outputs.
struct r_squared {
  static constexpr const char* name = "R2";
  /// Sums that are accumulated per sample.
  static constexpr index_t columns = 3;

  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    if (in.outputs.cols() != 1)
      detail::fail<shape_error>("r_squared needs one output per sample, got ", in.outputs.cols());
    const auto column = [&](index_t j) { return out.block(0, j, out.rows(), 1); };
    be.map(terms::squared_error{}, column(0), in.outputs, in.targets);
    be.map(fn::identity{}, column(1), in.targets);
    be.map(fn::sqr{}, column(2), in.targets);
  }
  static double result(std::span<const double> means) {
    const double spread = means[2] - means[1] * means[1];
    return spread > 0 ? 1 - means[0] / spread : std::numeric_limits<double>::quiet_NaN();
  }
};

/// The root of the mean over samples and outputs of (y - t)².
struct root_mean_squared_error {
  static constexpr const char* name = "root mean squared error";
  static constexpr bool lower_is_better = true;

  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    mean_squared_error{}(be, in.outputs, in.targets, const_matrix<B>(in.scratch.one.view()), out,
                         matrix<B>{}, in.scratch);
  }
  static double result(std::span<const double> means) { return std::sqrt(means[0]); }
};

}  // namespace chainrule

#endif  // CHAINRULE_METRICS_REGRESSION_HPP

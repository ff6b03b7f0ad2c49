/// \file
/// Normalization to mean 0 and variance 1, sums over windows of columns, dropout of whole channels.
///
/// Statistics have the shape of a reduction (ops/reductions.hpp): 1 × cols over the rows (batch
/// normalization), rows × 1 over the columns (layer normalization). The variance is the mean of
/// (x - mean)², so nothing cancels where the mean is large, and is divided by the number of
/// elements.
#ifndef CHAINRULE_OPS_NORMALIZATION_HPP
#define CHAINRULE_OPS_NORMALIZATION_HPP

#include <algorithm>

#include "chainrule/memory/tensor.hpp"
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/reductions.hpp"

namespace chainrule::ops {

namespace terms {
/// (x - mean)²
struct squared_difference {
  constexpr auto operator()(const auto& x, const auto& mean) const { return math::sqr(x - mean); }
};
/// 1 / sqrt(variance + eps)
struct inverse_deviation {
  double eps;
  constexpr auto operator()(const auto& variance) const { return math::inv_sqrt(variance + eps); }
};
/// The standardized x, x̂ = (x - mean) / deviation; with a weight and a bias, weight x̂ + bias.
struct standardized {
  constexpr auto operator()(const auto& x, const auto& mean, const auto& inverse) const {
    return (x - mean) * inverse;
  }
  constexpr auto operator()(const auto& x, const auto& mean, const auto& inverse,
                            const auto& weight, const auto& bias) const {
    return (x - mean) * inverse * weight + bias;
  }
};
/// dy x̂, times the weight if there is one.
struct times_standardized {
  constexpr auto operator()(const auto& dy, const auto& x, const auto& mean, const auto& inverse,
                            const auto&... weight) const {
    return (dy * ... * weight) * ((x - mean) * inverse);
  }
};
/// dx from g = dy, times the weight if there is one, and the means of g and of g x̂.
struct standardized_gradient {
  constexpr auto operator()(const auto& dy, const auto& x, const auto& mean, const auto& inverse,
                            const auto& mean_g, const auto& mean_g_x, const auto&... weight) const {
    return inverse * ((dy * ... * weight) - mean_g - (x - mean) * inverse * mean_g_x);
  }
};
/// The product of all operands, times a constant.
struct scaled_product {
  double scale;
  constexpr auto operator()(const auto& x, const auto&... more) const {
    return scale * (x * ... * more);
  }
};
}  // namespace terms

/// Assigns the mean and the variance of x to matrices of the shape of a reduction. fold(m), called
/// for the means and then for the variances, may join those of several columns.
template <backend B, class Fold>
void moments(const B& be, const_matrix<B> x, matrix<B> mean, matrix<B> variance, const Fold& fold) {
  // The factor stands in kernels of their own, on few elements: those over x serve any extents.
  const fn::affine average{static_cast<double>(mean.size()) / static_cast<double>(x.size()), 0};
  be.reduce(reduction::sum{}, mean, identity{}, x);
  be.map(average, mean, mean);
  fold(mean);
  be.reduce(reduction::sum{}, variance, terms::squared_difference{}, x, mean);
  be.map(average, variance, variance);
  fold(variance);
}
/// Assigns the mean and the biased variance of the elements of x.
template <backend B>
void moments(const B& be, const_matrix<B> x, matrix<B> mean, matrix<B> variance) {
  moments(be, x, mean, variance, [](matrix<B>) {});
}

/// y = (x - mean) / sqrt(variance + eps), with statistics of the shape `to`.
struct normalize_op {
  static constexpr std::string_view name = "normalize";
  matrix_shape to;
  /// Added to the variance.
  double eps = 1e-5;

  /// Throws shape_error if x has no elements or cannot be reduced to `to`.
  [[nodiscard]] matrix_shape shape(matrix_shape x) const {
    require_elements(name, x);
    contract::reduces(to, x);
    return x;
  }
  /// Allocates scratch memory.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    tensor<B> mean(be, to.rows, to.cols);
    tensor<B> inverse(be, to.rows, to.cols);
    moments(be, x, mean.view(), inverse.view());
    be.map(terms::inverse_deviation{eps}, inverse.view(), inverse.view());
    be.map(terms::standardized{}, y, x, mean.view(), inverse.view());
  }
  /// Makes five intermediate results of the shape `to`.
  void vjp(auto& step) const {
    const auto dy = step.dy();
    const auto x = step.input(0);
    const double share = static_cast<double>(to.size()) / static_cast<double>(x.shape().size());
    const auto mean = step.make_sum(to, fn::affine{share, 0}, x);
    const auto difference = step.make_sum(to, scaled_difference{share}, x, mean);
    const auto inverse = step.make_sum(to, terms::inverse_deviation{eps}, difference);
    const auto mean_dy = step.make_sum(to, fn::affine{share, 0}, dy);
    const auto mean_dy_x = step.make_sum(to, terms::scaled_product{share}, dy, step.output());
    step.give(0, terms::standardized_gradient{}, dy, x, mean, inverse, mean_dy, mean_dy_x);
  }

 private:
  struct scaled_difference {
    double scale;
    constexpr auto operator()(const auto& x, const auto& mean) const {
      return scale * math::sqr(x - mean);
    }
  };
};

/// y(i, j) = Σ x(i, j + d) over d = -left ... right, where elements beyond the row are 0.
struct window_sum_op {
  static constexpr std::string_view name = "window_sum";
  /// Columns of the window before its centre.
  index_t left = 0;
  /// Columns of the window after its centre.
  index_t right = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return x; }
  /// y may not be x.
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.copy(y, x);
    const index_t n = x.rows();
    for (index_t d = 1; d <= std::min(std::max(left, right), x.cols() - 1); ++d) {
      const index_t cols = x.cols() - d;
      if (d <= right) add(be, y.block(0, 0, n, cols), x.block(0, d, n, cols));
      if (d <= left) add(be, y.block(0, d, n, cols), x.block(0, 0, n, cols));
    }
  }
  void vjp(auto& step) const { step.give(0, window_sum_op{right, left}, step.dy()); }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_NORMALIZATION_HPP

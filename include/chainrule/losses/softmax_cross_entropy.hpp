/// \file
/// Softmax with cross-entropy, from logits, as one loss: -Σ_j t_j log softmax(y)_j.
///
/// The maximum is shifted out: finite logits give finite gradients, and finite losses unless two
/// logits of a sample differ by more than the largest finite number. Targets are class numbers
/// (n × 1) or distributions (n × c). With one output per sample there is nothing to choose from:
/// use sigmoid_cross_entropy.
#ifndef CHAINRULE_LOSSES_SOFTMAX_CROSS_ENTROPY_HPP
#define CHAINRULE_LOSSES_SOFTMAX_CROSS_ENTROPY_HPP

#include "chainrule/losses/loss.hpp"

namespace chainrule {

namespace terms {
/// log softmax(y), kept as two differences: near saturation log_sum is small and must not drown in
/// the maximum.
constexpr auto minus_log_softmax(const auto& y, const auto& max, const auto& log_sum) {
  return log_sum - (y - max);
}
/// The target of a column: t itself or, of a class number t, 1 at the class's own column.
struct target_of_column {
  bool classes;  // targets are class numbers
  constexpr auto operator()(const auto& t, const auto& column) const {
    return math::where(classes, math::where(t == column, 1, 0), t);
  }
  /// The sum over a row's columns, from that of the given values.
  constexpr auto total(const auto& mass) const { return math::where(classes, 1, mass); }
};
/// (1 - smoothing) times that target, and an equal share for each column; without smoothing, the
/// bits of the target.
struct smoothed_target {
  target_of_column given;
  double smoothing;
  double columns;
  template <class X>
  constexpr auto operator()(const X& t, const X& column) const {
    return (1 - smoothing) * math::convert<X>(given(t, column)) + smoothing / columns;
  }
  template <class X>
  constexpr auto total(const X& mass) const {
    return (1 - smoothing) * math::convert<X>(given.total(mass)) + smoothing;
  }
};
/// -t log softmax(y), and 0 where t is 0.
struct cross_entropy_term {
  smoothed_target target;
  constexpr auto operator()(const auto& y, const auto& max, const auto& log_sum, const auto& given,
                            const auto& column) const {
    const auto t = target(given, column);
    return math::where(t == 0, 0, t * minus_log_softmax(y, max, log_sum));
  }
};
/// scale (softmax(y) Σ t - t)
struct cross_entropy_gradient {
  smoothed_target target;
  constexpr auto operator()(const auto& y, const auto& max, const auto& sum, const auto& given,
                            const auto& mass, const auto& column, const auto& scale) const {
    return scale * (math::exp(y - max) / sum * target.total(mass) - target(given, column));
  }
};
}  // namespace terms

/// With `smoothing` s, from 0 to 1, targets are (1 - s) t + s / c: label smoothing. Source: C.
/// Szegedy et al., CVPR 2016, section 7.
struct softmax_cross_entropy {
  /// Share of the target that is spread over all classes, in [0, 1).
  double smoothing = 0;

  static constexpr const char* name = "softmax cross-entropy";
  using extras_taker = softmax_cross_entropy;
  static constexpr const char* targets = "of at least 0";  // of distributions
  static constexpr bool takes(double target) { return target >= 0; }
  /// Throws value_error unless the smoothing is from 0 to 1.
  void require_constants() const {
    if (!(smoothing >= 0 && smoothing <= 1) || detail::is_nan(smoothing))
      detail::fail<value_error>(name, ": the smoothing must be from 0 to 1, got ", smoothing);
  }
  static constexpr output_link link = output_link::softmax;
  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }

  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    const target_kind kind = kind_of_targets(name, y.shape(), t.shape());
    if (y.cols() < 2)
      detail::fail<shape_error>(
          "softmax cross-entropy needs at least 2 outputs per sample, got 1; use "
          "sigmoid cross-entropy for one");
    require_constants();
    const terms::target_of_column given{kind == target_kind::classes};
    if constexpr (requires {
                    be.softmax_cross_entropy_rows(y, t, scale, losses, gradient, scratch.extras);
                  }) {
      if (smoothing == 0)
        return be.softmax_cross_entropy_rows(y, t, scale, losses, gradient, scratch.extras);
    } else if constexpr (requires { be.softmax_cross_entropy_rows(y, t, scale, losses, gradient); })
      if (smoothing == 0) return be.softmax_cross_entropy_rows(y, t, scale, losses, gradient);
    with_verbs(be, {given, smoothing, static_cast<double>(y.cols())}, y, t, scale, losses, gradient,
               scratch);
  }

 private:
  /// Computes losses and gradient by map and reduce.
  template <backend B>
  static void with_verbs(const B& be, const terms::smoothed_target& target, const_matrix<B> y,
                         const_matrix<B> t, const_matrix<B> scale, matrix<B> losses,
                         matrix<B> gradient, loss_scratch<B>& scratch) {
    const bool classes = target.given.classes;
    const matrix<B> max = scratch.first.top_rows(y.rows());
    const matrix<B> total = scratch.second.top_rows(y.rows());
    const matrix<B> third = scratch.third.top_rows(y.rows());
    ops::softmax_sums(be, y, max, total);
    be.map(fn::log{}, third, total);
    const const_matrix<B> columns = scratch.columns.view();
    be.reduce(reduction::sum{}, losses, terms::cross_entropy_term{target}, y, max, third, t,
              columns);
    if (classes) reject_unknown_classes(be, t, columns, losses);
    if (gradient.empty()) return;
    if (!classes) be.reduce(reduction::sum{}, third, identity{}, t);
    be.map(terms::cross_entropy_gradient{target}, gradient, y, max, total, t, third, columns,
           scale);
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_LOSSES_SOFTMAX_CROSS_ENTROPY_HPP

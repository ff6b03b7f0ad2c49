/// \file
/// Metrics of classes: `top_k`; `precision`, `recall`, `f1` of class 1 of two; their means over
/// several classes, `macro_precision`, `macro_recall`, `macro_f1`; `log_loss`.
///
///     trainer t{net, softmax_cross_entropy{}, adam{}, {accuracy{}, top_k{3}, macro_f1<10>{}}};
///
/// Answers are those of `accuracy`; one with NaN is of no class. A quotient of 0 by 0 counts as 0.
/// See also metrics/confusion_matrix.hpp (micro averages, counts of each pair of classes),
/// metrics/roc_auc.hpp.
#ifndef CHAINRULE_METRICS_CLASSIFICATION_HPP
#define CHAINRULE_METRICS_CLASSIFICATION_HPP

#include <array>
#include <limits>
#include <span>
#include <string>
#include <tuple>

#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/metric.hpp"

namespace chainrule {

namespace detail {

/// Class 1 above the threshold, else class 0; infinity, which is no class, for NaN.
struct class_of_side {
  double threshold;
  constexpr auto operator()(const auto& x) const {
    return math::where(x > threshold, 1,
                       math::where(x <= threshold, 0, std::numeric_limits<double>::infinity()));
  }
};
/// Whether answer and label are both the class, whether the answer is, whether the label is.
struct counts_of_class {
  template <class X>
  constexpr auto operator()(const X& answer, const X& label, const X& c) const {
    const X predicted = math::convert<X>(math::where(answer == c, 1, 0));
    const X actual = math::convert<X>(math::where(label == c, 1, 0));
    return std::tuple(predicted * actual, predicted, actual);
  }
};
/// 1 for an output that comes before the label's own, largest first, else 0; NaN for NaN.
struct comes_before {
  template <class X>
  constexpr X operator()(const X& y, const X& own, const X& label, const X& column) const {
    const auto before = (y > own) | ((y == own) & (column < label));
    return math::convert<X>(math::where(y == y, math::where(before, 1, 0), y));
  }
};
/// 1 if fewer than k come before, else 0.
struct is_below {
  double k;
  constexpr auto operator()(const auto& rank) const { return math::where(rank < k, 1, 0); }
};

inline double ratio_or_zero(double part, double whole) { return whole == 0 ? 0 : part / whole; }

/// Three columns for each class of First, ..., First + Count - 1: counts_of_class.
template <int First, int Count>
struct class_counts {
  static_assert(Count >= 1, "chainrule: a macro average needs at least 1 class");
  static constexpr index_t columns = 3 * Count;

  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    const const_matrix<B> y = in.outputs;
    const_matrix<B> label = in.targets;
    const matrix<B> answer = in.scratch.second.top_rows(y.rows());
    const matrix<B> third = in.scratch.third.top_rows(y.rows());
    const_matrix<B> classes = in.scratch.one.view();
    if (y.cols() == 1 && First == 1 && Count == 1) {
      be.map(class_of_side{in.loss.threshold}, answer, y);
      be.map(class_of_side{in.loss.target_threshold}, third, label);
      label = third;
    } else if (y.cols() < First + Count) {
      detail::fail<shape_error>("a metric of ", First + Count,
                                " classes does not fit a network of ", y.cols(), " outputs");
    } else {
      const const_matrix<B> all = in.scratch.columns.view();
      const matrix<B> max = in.scratch.first.top_rows(y.rows());
      ops::argmax(be, y, all, max, answer);
      if (label.cols() > 1) {
        ops::argmax(be, label, all, max, third);
        label = third;
      }
      classes = all.block(0, First, 1, Count);
    }
    const auto part = [&](index_t i) { return out.block(0, i * Count, out.rows(), Count); };
    be.map(counts_of_class{}, std::array<matrix<B>, 3>{part(0), part(1), part(2)},
           const_matrix<B>(answer), label, classes);
  }

 protected:
  /// The mean of f(true positives, predicted, actual) over the classes that are predicted or
  /// actual.
  template <class F>
  static double over_classes(std::span<const double> means, const F& f) {
    double sum = 0;
    double present = 0;
    for (std::size_t c = 0; c < Count; ++c) {
      const double predicted = means[Count + c];
      const double actual = means[2 * Count + c];
      if (predicted + actual == 0) continue;
      sum += f(means[c], predicted, actual);
      ++present;
    }
    return ratio_or_zero(sum, present);
  }
  static double precision_of(std::span<const double> means) {
    return over_classes(means, [](double hits, double predicted, double) {
      return ratio_or_zero(hits, predicted);
    });
  }
  static double recall_of(std::span<const double> means) {
    return over_classes(
        means, [](double hits, double, double actual) { return ratio_or_zero(hits, actual); });
  }
  static double f1_of(std::span<const double> means) {
    return over_classes(means, [](double hits, double predicted, double actual) {
      return 2 * hits / (predicted + actual);
    });
  }
};
}  // namespace detail

/// Precision of class 1 of two, TP / (TP + FP). With several outputs, of class 1 against the rest.
struct precision : detail::class_counts<1, 1> {
  static constexpr const char* name = "precision";
  static double result(std::span<const double> means) { return precision_of(means); }
};
/// Recall of class 1 of two, TP / (TP + FN).
struct recall : detail::class_counts<1, 1> {
  static constexpr const char* name = "recall";
  static double result(std::span<const double> means) { return recall_of(means); }
};
/// F1 of class 1 of two, 2 TP / (2 TP + FP + FN).
struct f1 : detail::class_counts<1, 1> {
  static constexpr const char* name = "F1";
  static double result(std::span<const double> means) { return f1_of(means); }
};

/// The mean of the precisions of the classes that are among labels or answers.
template <int Classes>
struct macro_precision : detail::class_counts<0, Classes> {
  static constexpr const char* name = "macro precision";
  static double result(std::span<const double> means) {
    return macro_precision::precision_of(means);
  }
};
/// The mean of the recalls of the classes that are among labels or answers.
template <int Classes>
struct macro_recall : detail::class_counts<0, Classes> {
  static constexpr const char* name = "macro recall";
  static double result(std::span<const double> means) { return macro_recall::recall_of(means); }
};
/// The mean of the F1 of the classes that are among labels or answers.
template <int Classes>
struct macro_f1 : detail::class_counts<0, Classes> {
  static constexpr const char* name = "macro F1";
  static double result(std::span<const double> means) { return macro_f1::f1_of(means); }
};

/// The fraction of samples whose label is among the k largest outputs; of equal outputs, the first
/// come first. A sample with NaN is wrong. Throws shape_error for a single output.
struct top_k {
  /// Number of best outputs of which one must be the class.
  int k = 5;

  [[nodiscard]] std::string name() const { return detail::concat("top-", k, " accuracy"); }
  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    const const_matrix<B> y = in.outputs;
    if (y.cols() < 2)
      detail::fail<shape_error>("top_k needs at least 2 outputs per sample, got 1; use accuracy");
    const const_matrix<B> columns = in.scratch.columns.view();
    const matrix<B> first = in.scratch.first.top_rows(y.rows());
    const matrix<B> rank = in.scratch.second.top_rows(y.rows());
    const matrix<B> expected = in.scratch.third.top_rows(y.rows());
    const_matrix<B> label = in.targets;
    if (label.cols() > 1) {
      ops::argmax(be, label, columns, first, expected);
      label = expected;
    }
    be.reduce(reduction::sum{}, first, terms::score_of_class{}, y, label, columns);
    be.reduce(reduction::sum{}, rank, detail::comes_before{}, y, const_matrix<B>(first), label,
              columns);
    be.map(detail::is_below{static_cast<double>(k)}, out, const_matrix<B>(rank));
  }
};

/// The mean negative log-likelihood of the targets by the probabilities that the loss's link makes
/// of the outputs, without smoothing or other terms of the loss. Throws value_error if the loss has
/// no link.
struct log_loss {
  static constexpr const char* name = "log loss";
  static constexpr bool lower_is_better = true;

  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    if (in.loss.link == output_link::none)
      detail::fail<value_error>("log_loss needs probabilities, and ", in.loss.name,
                                " does not say how outputs become some; use a "
                                "cross-entropy");
    const auto by = [&](const auto& loss) {
      loss(be, in.outputs, in.targets, const_matrix<B>(in.scratch.one.view()), out, matrix<B>{},
           in.scratch);
    };
    in.loss.link == output_link::softmax ? by(softmax_cross_entropy{})
                                         : by(sigmoid_cross_entropy{});
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_METRICS_CLASSIFICATION_HPP

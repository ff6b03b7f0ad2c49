/// \file
/// What a metric is, and `accuracy`.
///
///     trainer t{net, softmax_cross_entropy{}, adam{1e-3}, {accuracy{}, mean_absolute_error{}}};
///
/// A metric is a small struct that assigns numbers to each sample; its value is the mean of those
/// over all samples, which training takes without waiting for the device:
///
///     struct within_one {
///       static constexpr const char* name = "within one";
///       template <backend B>
///       void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
///         be.map(at_most_one{}, out, in.outputs, in.targets);     // out: n × 1, assigned
///       }
///     };
///
/// Metrics of micro-batches are computed by several threads at the same time. A metric that is a
/// function of several means (R², F1) has `static constexpr index_t columns`: out is then n ×
/// columns, and `static double result(std::span<const double> means)` makes the value of the
/// columns' means. A name may also be a member function. Every loss is a metric. Callbacks that
/// follow a metric (early_stopping) take larger values for better ones, except those of a loss and
/// of a metric with `static constexpr bool lower_is_better = true`.
#ifndef CHAINRULE_METRICS_METRIC_HPP
#define CHAINRULE_METRICS_METRIC_HPP

#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/core/finite.hpp"
#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/losses/loss.hpp"

namespace chainrule {

/// What a metric sees of a batch.
template <backend B>
struct metric_input {
  const_matrix<B> outputs;  // of the network, n × c
  const_matrix<B> targets;  // n × c values, or n × 1 class numbers
  const loss_traits& loss;  // of the training
  /// Memory for intermediate results.
  loss_scratch<B>& scratch;
};

namespace detail {
/// 1 where two finite numbers are equal, else 0.
struct equals {
  constexpr auto operator()(const auto& a, const auto& b) const {
    return math::where((a == b) & (a - a == 0), 1, 0);
  }
};
/// 1 where output and target lie on the same side of their thresholds, else 0; 0 for NaN.
struct same_side {
  double threshold;
  double target_threshold;
  constexpr auto operator()(const auto& y, const auto& t) const {
    return math::where(
        ((t > target_threshold) & (y > threshold)) | ((t <= target_threshold) & (y <= threshold)),
        1, 0);
  }
};
}  // namespace detail

/// The fraction of samples whose answer is right. With several outputs, the first largest must be
/// that of the class number or, where targets are as many values (one-hot), of the largest target.
/// A single output must lie on the target's side of 0.5; logits, where the loss applies the sigmoid
/// to them, of 0. An answer with NaN is wrong.
struct accuracy {
  static constexpr const char* name = "accuracy";

  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    const const_matrix<B> y = in.outputs;
    const const_matrix<B> t = in.targets;
    if (y.cols() == 1) {
      be.map(detail::same_side{in.loss.threshold, in.loss.target_threshold}, out, y, t);
      return;
    }
    if constexpr (requires { be.argmax_matches_rows(y, t, out); })
      if (t.cols() == 1) return be.argmax_matches_rows(y, t, out);
    const const_matrix<B> columns = in.scratch.columns.view();
    const matrix<B> max = in.scratch.first.top_rows(y.rows());
    const matrix<B> answer = in.scratch.second.top_rows(y.rows());
    const matrix<B> expected = in.scratch.third.top_rows(y.rows());
    ops::argmax(be, y, columns, max, answer);
    if (t.cols() > 1) ops::argmax(be, t, columns, max, expected);
    be.map(detail::equals{}, out, answer, t.cols() > 1 ? const_matrix<B>(expected) : t);
  }
};

/// Any metric over backend B.
template <backend B>
class any_metric {
 public:
  /// Holds a copy of the metric.
  template <class Metric>
  requires(!std::same_as<Metric, any_metric>)
      any_metric(const Metric& m)  // NOLINT: implicit, so that lists of metrics read well
      : held_(detail::make_shared<holder<Metric>>(m)) {
    if constexpr (requires { m.name(); })
      name_ = m.name();
    else
      name_ = Metric::name;
    is_accuracy_ = std::same_as<Metric, accuracy>;
    if constexpr (requires { Metric::columns; }) columns_ = Metric::columns;
    if constexpr (requires { Metric::lower_is_better; })
      lower_is_better_ = Metric::lower_is_better;
    else
      lower_is_better_ = loss<Metric, B>;
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  /// Whether it is `accuracy`, which a loss may assign in its own launch.
  [[nodiscard]] bool is_accuracy() const { return is_accuracy_; }
  /// The numbers for each sample.
  [[nodiscard]] index_t columns() const { return columns_; }
  /// Whether smaller values are better ones, as those of a loss.
  [[nodiscard]] bool lower_is_better() const { return lower_is_better_; }
  /// Assigns the numbers of each sample to `out`, n × columns.
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    held_->apply(be, in, out);
  }
  /// The value, from the means of the columns over all samples.
  [[nodiscard]] double result(std::span<const double> means) const { return held_->result(means); }

 private:
  struct interface {
    virtual ~interface() = default;
    virtual void apply(const B&, const metric_input<B>&, matrix<B>) const = 0;
    [[nodiscard]] virtual double result(std::span<const double> means) const = 0;
  };
  template <class Metric>
  struct holder final : interface {
    explicit holder(const Metric& m) : held(m) {}
    void apply(const B& be, const metric_input<B>& in, matrix<B> out) const override {
      if constexpr (requires { held(be, in, out); }) {
        held(be, in, out);
      } else {
        static_assert(loss<Metric, B>,
                      "chainrule: this is neither a metric (metrics/metric.hpp) nor a loss");
        held(be, in.outputs, in.targets, const_matrix<B>(in.scratch.one.view()), out, matrix<B>{},
             in.scratch);
      }
    }
    [[nodiscard]] double result(std::span<const double> means) const override {
      if constexpr (requires { held.result(means); })
        return held.result(means);
      else
        return means.front();
    }
    Metric held;
  };

  detail::shared<const interface> held_;
  std::string name_;
  index_t columns_ = 1;
  bool lower_is_better_ = false;
  bool is_accuracy_ = false;
};

/// The value of one metric.
struct metric_value {
  std::string name;
  /// Value of the metric; NaN of no samples.
  double value = std::numeric_limits<double>::quiet_NaN();
  bool lower_is_better = false;
};

/// What was measured on samples: the mean loss, and the metrics by name.
struct metrics {
  /// Mean loss; NaN of no samples.
  double loss = std::numeric_limits<double>::quiet_NaN();
  double accuracy = std::numeric_limits<double>::quiet_NaN();  // NaN unless it was measured
  detail::plain_vector<metric_value> values;                   // all of them, accuracy too

  /// Whether the accuracy was measured.
  [[nodiscard]] bool has_accuracy() const { return !detail::is_nan(accuracy); }
  /// The value of a metric. Throws value_error if there is none of that name.
  [[nodiscard]] double operator[](std::string_view name) const {
    if (name == "loss") return loss;
    for (const metric_value& v : values)
      if (v.name == name) return v.value;
    detail::fail<value_error>("the metric '", name,
                              "' was not measured; give it to the trainer's constructor");
  }
};

using figures [[deprecated("chainrule: now metrics")]] = metrics;

}  // namespace chainrule

#endif  // CHAINRULE_METRICS_METRIC_HPP

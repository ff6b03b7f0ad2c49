/// \file
/// `early_stopping`: ends a training that no longer improves.
///
///     early_stopping patience{3};
///     early_stopping best{{.patience = 5, .min_delta = 1e-3, .monitor = "accuracy"}, net};
///     t.fit(train, {.epochs = 100, .validation = &held_out, .callbacks = {&best}});
///     best.best_epoch(), best.best();   // of whose end net has the parameters and states
///
/// See also train/callback.hpp, train/model_checkpoint.hpp.
#ifndef CHAINRULE_TRAIN_EARLY_STOPPING_HPP
#define CHAINRULE_TRAIN_EARLY_STOPPING_HPP

#include <limits>
#include <memory>
#include <string>

#include "chainrule/train/callback.hpp"
#include "chainrule/train/snapshot.hpp"

namespace chainrule {

namespace detail {

/// The value of an epoch that a callback follows.
struct monitored {
  double value;
  bool lower_is_better;

  /// Whether it is finite and better than `best` by more than `min_delta`. The first finite value
  /// is better than a best one of NaN.
  [[nodiscard]] bool is_better_than(double best, double min_delta) const {
    if (!is_finite(value)) return false;
    return is_nan(best) || (lower_is_better ? value < best - min_delta : value > best + min_delta);
  }
};

/// The loss ("loss" or ""), or the metric of that name: on the validation data, else on the
/// training data. Throws value_error, listing the names, if it was not measured.
[[nodiscard]] inline monitored monitored_in(const epoch_record& r, const std::string& name,
                                            const char* who) {
  const metrics& m = r.validated ? r.validation : r.training;
  if (name.empty() || name == "loss") return {m.loss, true};
  std::string known = "'loss'";
  for (const metric_value& v : m.values) {
    if (v.name == name) return {v.value, v.lower_is_better};
    known += ", '" + v.name + "'";
  }
  detail::fail<value_error>(who, " monitors '", name, "', which was not measured; there are ",
                            known, ", and further metrics are given to the trainer's constructor");
}

}  // namespace detail

/// Options of `early_stopping`.
struct early_stopping_options {
  int patience = 10;      // epochs without an improvement
  double min_delta = 0;   // an improvement is larger than this
  std::string monitor{};  // "loss", or the name of a metric
};

/// Stops when the validation loss, or the metric that is monitored, has not improved for `patience`
/// epochs. Without validation data that of the training counts. An epoch whose loss or value is not
/// finite is no improvement. Each call of fit counts anew.
class early_stopping final : public callback {
 public:
  /// Throws value_error if patience is below 1.
  explicit early_stopping(int patience)
      : early_stopping(early_stopping_options{.patience = patience}) {}
  /// Throws value_error if patience is below 1 or min_delta below 0.
  explicit early_stopping(early_stopping_options options) : options_(std::move(options)) {
    if (options_.patience < 1)
      detail::fail<value_error>("early stopping needs a patience of at least 1 epoch, got ",
                                options_.patience);
    if (!(options_.min_delta >= 0))
      detail::fail<value_error>("early stopping needs a min_delta of at least 0, got ",
                                options_.min_delta);
  }
  /// Keeps the parameters and states of the best epoch, if they are finite, in the backend's
  /// memory, and restores them when fit returns, for whatever reason. `net` must outlive it. The
  /// optimizer's state stays that of the last step.
  template <class Net>
  early_stopping(early_stopping_options options, Net& net) : early_stopping(std::move(options)) {
    kept_ = std::make_unique<detail::network_snapshot<typename Net::backend_type>>(net);
  }

  [[nodiscard]] bool needs_gradients() const override { return false; }
  void on_fit_begin(const fit_record&) override {
    best_ = std::numeric_limits<double>::quiet_NaN();
    best_epoch_ = waited_ = 0;
  }
  void on_epoch_end(const epoch_record& r) override {
    const detail::monitored now = detail::monitored_in(r, options_.monitor, "early stopping");
    // The loss of the training is that before the last step: parameters are looked at as well.
    if (!detail::is_finite(r.training.loss) || !now.is_better_than(best_, options_.min_delta) ||
        (kept_ && !kept_->take())) {
      ++waited_;
      return;
    }
    best_ = now.value;
    best_epoch_ = r.epoch;
    waited_ = 0;
  }
  void on_fit_end(const history&) override {
    if (kept_ && best_epoch_ > 0) kept_->restore();
  }
  [[nodiscard]] std::string_view should_stop() const override {
    if (waited_ < options_.patience) return {};
    return options_.monitor.empty() || options_.monitor == "loss"
               ? "the loss stopped falling"
               : "the monitored metric stopped improving";
  }

  /// The best epoch of the last fit, from 1; 0 if there was none.
  [[nodiscard]] int best_epoch() const { return best_epoch_; }
  /// The value that is monitored at the end of that epoch; NaN if there was none.
  [[nodiscard]] double best() const { return best_; }

 private:
  early_stopping_options options_;
  std::unique_ptr<detail::snapshot> kept_;
  int waited_ = 0;
  int best_epoch_ = 0;
  double best_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_EARLY_STOPPING_HPP

/// \file
/// `learning_rate_finder`: measures which learning rates suit a training.
///
///     learning_rate_finder finder{t, {.first = 1e-5, .last = 1, .steps = 100}};
///     t.fit(train, {.epochs = 100, .callbacks = {&finder}});
///     for (const rate_point& p : finder.points()) std::printf("%g %g\n", p.rate, p.loss);
///     trainer trained{net, softmax_cross_entropy{}, momentum{.rate = finder.suggestion()}};
///
/// The rate grows from step to step by a constant factor, until all steps are done or the loss
/// exceeds 4 times its best. After that the training is what it was before. Source: L. Smith,
/// Cyclical Learning Rates for Training Neural Networks, WACV 2017, section 3.3.
#ifndef CHAINRULE_TRAIN_LEARNING_RATE_FINDER_HPP
#define CHAINRULE_TRAIN_LEARNING_RATE_FINDER_HPP

#include <cmath>
#include <memory>
#include <vector>

#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/snapshot.hpp"

namespace chainrule {

namespace detail {
/// A copy of what a training changes: network, optimizer, counters.
template <class Trainer>
class training_snapshot final : public network_snapshot<typename Trainer::backend_type> {
  using base = network_snapshot<typename Trainer::backend_type>;

 public:
  explicit training_snapshot(Trainer& t) : base(t.net(), t.optimizer().state()), trainer_(&t) {}
  bool take() override {
    progress_ = trainer_->progress();
    factor_ = trainer_->optimizer().rate_factor();
    return base::take();
  }
  void restore() override {
    base::restore();
    trainer_->optimizer().set_whole();
    trainer_->set_progress(progress_);
    trainer_->optimizer().set_rate_factor(factor_);
  }

 private:
  Trainer* trainer_;
  training_progress progress_;
  double factor_ = 1;
};
}  // namespace detail

/// A step of a range test.
struct rate_point {
  /// Learning rate of the step.
  double rate;
  double loss;  // smoothed
};

/// Options of `learning_rate_finder`.
struct rate_finder_options {
  double first = 1e-7;      // the rate of the first step
  double last = 10;         // of the last
  int steps = 100;          // give fit enough epochs for them
  double smoothing = 0.95;  // of the losses: the factor of an exponential average, below 1
};

/// Raises the learning rate of a fit and records the loss, stops it, and restores parameters,
/// states, the optimizer's state and the counters. Reads the loss of each batch, and so waits for
/// the device. Memory for the copies is allocated when it is made.
class learning_rate_finder final : public callback {
 public:
  /// Of a trainer, which must outlive it. Throws value_error if an option is out of range.
  template <class Trainer>
  explicit learning_rate_finder(Trainer& t, rate_finder_options options = {})
      : rate_(t), before_(check(options, t)), options_(options) {}

  /// Throws value_error if a parameter is not finite.
  void on_fit_begin(const fit_record&) override {
    is_restorable_ = before_->take();
    if (!is_restorable_) throw value_error("a range test needs finite parameters to begin with");
    points_.clear();
    points_.reserve(static_cast<std::size_t>(options_.steps));
    average_ = 0;
    is_done_ = false;
    set_rate();
  }
  void on_batch_end(const batch_record& r) override {
    const double loss = r.loss();
    average_ = options_.smoothing * average_ + (1 - options_.smoothing) * loss;
    // The average begins at 0: this divides by the sum of the weights.
    const double count = static_cast<double>(points_.size() + 1);
    const double smoothed = average_ / (1 - std::pow(options_.smoothing, count));
    is_done_ = !detail::is_finite(smoothed);
    if (is_done_) return;
    points_.push_back({r.rate, smoothed});
    best_ = points_.size() == 1 ? smoothed : std::fmin(best_, smoothed);
    is_done_ = smoothed > best_ + 3 * std::fabs(best_) ||
               points_.size() == static_cast<std::size_t>(options_.steps);
    if (!is_done_) set_rate();
  }
  void on_fit_end(const history&) override { before_->restore(); }
  void on_fit_failed() override {
    if (is_restorable_) before_->restore();
  }
  [[nodiscard]] std::string_view should_stop() const override {
    return is_done_ ? "the range test is done" : std::string_view{};
  }

  /// Rates and losses of the last fit, in the order of the steps.
  [[nodiscard]] const std::vector<rate_point>& points() const { return points_; }
  /// The rate at which the loss fell most steeply over the logarithm of the rate, the first tenth
  /// of the points left out, whose average is of few losses. Throws value_error if it never fell.
  [[nodiscard]] double suggestion() const {
    double steepest = 0;
    double rate = 0;
    for (std::size_t i = 1 + points_.size() / 10; i + 1 < points_.size(); ++i)
      if (const double rise = points_[i + 1].loss - points_[i - 1].loss; rise < steepest)
        steepest = rise, rate = points_[i].rate;
    if (rate == 0)
      throw value_error(detail::concat("the loss did not fall in the ", points_.size(),
                                       " steps of the range test; try other rates or more steps"));
    return rate;
  }

 private:
  template <class Trainer>
  [[nodiscard]] static std::unique_ptr<detail::snapshot> check(const rate_finder_options& o,
                                                               Trainer& t) {
    if (!(o.first > 0 && o.first < o.last) || !detail::is_finite(o.last))
      throw value_error(detail::concat(
          "a range test needs finite rates with 0 < first < last, got ", o.first, " and ", o.last));
    if (o.steps < 3 || !(o.smoothing >= 0 && o.smoothing < 1))
      throw value_error(detail::concat(
          "a range test needs at least 3 steps and a smoothing of at least 0 and below 1, got ",
          o.steps, " and ", o.smoothing));
    return std::make_unique<detail::training_snapshot<Trainer>>(t);
  }
  /// Sets the rate of the next step.
  void set_rate() {
    const double done = static_cast<double>(points_.size()) / (options_.steps - 1);
    const double now = rate_.rate();
    if (!(now > 0))
      throw value_error("a range test multiplies the schedule's rate, which is 0 for this step");
    rate_.scale(options_.first * std::pow(options_.last / options_.first, done) / now);
  }

  detail::rate_handle rate_;
  std::unique_ptr<detail::snapshot> before_;
  rate_finder_options options_;
  std::vector<rate_point> points_;
  double average_ = 0;
  double best_ = 0;
  bool is_done_ = false;
  bool is_restorable_ = false;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_LEARNING_RATE_FINDER_HPP

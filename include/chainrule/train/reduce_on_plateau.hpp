/// \file
/// `reduce_on_plateau`: lowers the learning rate when a training no longer improves.
///
///     reduce_on_plateau slower{t, {.factor = 0.5, .patience = 5}};
///     t.fit(train, {.epochs = 100, .validation = &held_out, .callbacks = {&slower}});
///
/// The rate is that of the optimizer's schedule times its rate_factor(), which a saved training
/// carries. See also train/early_stopping.hpp.
#ifndef CHAINRULE_TRAIN_REDUCE_ON_PLATEAU_HPP
#define CHAINRULE_TRAIN_REDUCE_ON_PLATEAU_HPP

#include <algorithm>
#include <limits>
#include <string>

#include "chainrule/train/early_stopping.hpp"

namespace chainrule {

namespace detail {
/// The learning rate of a trainer or an optimizer, whatever its backend is.
class rate_handle {
 public:
  template <class T>
  explicit rate_handle(T& of) {
    if constexpr (requires { of.optimizer(); }) {
      *this = rate_handle(of.optimizer());
    } else {
      optimizer_ = &of;
      rate_ = [](const void* o) { return static_cast<const T*>(o)->rate(); };
      scale_ = [](void* o, double factor) { static_cast<T*>(o)->scale_rate(factor); };
    }
  }
  /// The rate of the next step.
  [[nodiscard]] double rate() const { return rate_(optimizer_); }
  void scale(double factor) const { scale_(optimizer_, factor); }

 private:
  void* optimizer_ = nullptr;
  double (*rate_)(const void*) = nullptr;
  void (*scale_)(void*, double) = nullptr;
};
}  // namespace detail

/// Options of `reduce_on_plateau`. Defaults are PyTorch's.
struct plateau_options {
  double factor = 0.1;      // of the rate, at each reduction
  int patience = 10;        // epochs without an improvement before a reduction
  double min_delta = 1e-4;  // an improvement is larger than this part of the best value
  int cooldown = 0;         // epochs after a reduction that do not count
  double min_rate = 0;      // the rate is not lowered below
  std::string monitor{};    // "loss", or the name of a metric
};

/// Multiplies the learning rate by `factor` after more than `patience` epochs without an
/// improvement of the validation loss, or of the metric that is monitored; without validation data
/// that of the training counts. Decides as torch.optim.lr_scheduler.ReduceLROnPlateau with the
/// threshold mode "rel", and as that counts on over calls of fit.
class reduce_on_plateau final : public callback {
 public:
  /// Of a trainer or an optimizer, which must outlive it. Throws value_error unless 0 < factor < 1
  /// and the other options are at least 0.
  template <class Trainer>
  explicit reduce_on_plateau(Trainer& of, plateau_options options = {})
      : rate_(of), options_(std::move(options)) {
    check(options_);
  }

  [[nodiscard]] bool needs_gradients() const override { return false; }
  void on_epoch_end(const epoch_record& r) override {
    const detail::monitored now = detail::monitored_in(r, options_.monitor, "reduce_on_plateau");
    const double margin = detail::is_nan(best_) ? 0 : options_.min_delta * best_;
    if (now.is_better_than(best_, margin))
      best_ = now.value, waited_ = 0;
    else
      ++waited_;
    if (cooldown_ > 0) --cooldown_, waited_ = 0;
    if (waited_ <= options_.patience) return;
    const double old = rate_.rate();
    const double next = std::max(options_.factor * old, options_.min_rate);
    if (old - next > smallest_change) {
      rate_.scale(next / old);
      ++reductions_;
    }
    cooldown_ = options_.cooldown;
    waited_ = 0;
  }

  /// The reductions so far.
  [[nodiscard]] int reductions() const { return reductions_; }

 private:
  static constexpr double smallest_change = 1e-8;  // PyTorch's eps

  static void check(const plateau_options& o) {
    if (!(o.factor > 0 && o.factor < 1))
      throw value_error(
          detail::concat("reduce_on_plateau needs a factor above 0 and below 1, got ", o.factor));
    if (o.patience < 0 || o.cooldown < 0 || !(o.min_delta >= 0) || !(o.min_rate >= 0))
      throw value_error(detail::concat(
          "reduce_on_plateau needs patience, cooldown, min_delta and min_rate of at least 0, got ",
          o.patience, ", ", o.cooldown, ", ", o.min_delta, " and ", o.min_rate));
  }

  detail::rate_handle rate_;
  plateau_options options_;
  int waited_ = 0;
  int cooldown_ = 0;
  int reductions_ = 0;
  double best_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_REDUCE_ON_PLATEAU_HPP

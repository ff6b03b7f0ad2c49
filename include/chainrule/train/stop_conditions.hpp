/// \file
/// Callbacks that end a training within an epoch: `terminate_on_nan`, `time_limit`.
///
///     terminate_on_nan broken{10};     // reads the losses of ten batches at a time
///     time_limit hour{3600};
///     t.fit(train, {.epochs = 1000, .callbacks = {&broken, &hour}});
///
/// What is left of the epoch is the first epoch of the next fit. See also train/early_stopping.hpp,
/// train/anomaly.hpp, train/interrupt.hpp.
#ifndef CHAINRULE_TRAIN_STOP_CONDITIONS_HPP
#define CHAINRULE_TRAIN_STOP_CONDITIONS_HPP

#include <chrono>
#include <string>

#include "chainrule/train/callback.hpp"

namespace chainrule {

/// Stops when the loss of a batch is not finite. Reading losses waits for the device.
class terminate_on_nan final : public callback {
 public:
  /// Reads the losses of all batches after every `every` of them. Throws value_error if that is
  /// below 1.
  explicit terminate_on_nan(int every = 1) : every_(every) {
    if (every < 1)
      throw value_error(
          detail::concat("terminate_on_nan looks every 1 or more batches, got ", every));
  }
  void on_fit_begin(const fit_record&) override { found_ = false; }
  void on_epoch_begin(int) override { seen_ = 0; }
  void on_batch_end(const batch_record& r) override {
    if (r.step % every_ != 0) return;
    found_ = !detail::is_finite(r.mean_loss(r.source, seen_, r.samples_done - seen_));
    seen_ = r.samples_done;
  }
  [[nodiscard]] std::string_view should_stop() const override {
    return found_ ? "the loss is no longer finite" : std::string_view{};
  }

 private:
  int every_;
  index_t seen_ = 0;  // samples of the epoch whose losses were read
  bool found_ = false;
};

/// Stops a training after the batch under way once `seconds` have passed since fit began.
class time_limit final : public callback {
  using clock = std::chrono::steady_clock;

 public:
  /// Throws value_error unless the limit is above 0.
  explicit time_limit(double seconds)
      : seconds_(seconds), reason_(detail::concat("the time limit of ", seconds, " s is over")) {
    if (!(seconds > 0))
      throw value_error(detail::concat("a time limit is above 0 seconds, got ", seconds));
  }
  void on_fit_begin(const fit_record&) override { begin_ = clock::now(); }
  [[nodiscard]] std::string_view should_stop() const override {
    const std::chrono::duration<double> passed = clock::now() - begin_;
    return passed.count() >= seconds_ ? std::string_view(reason_) : std::string_view{};
  }

 private:
  double seconds_;
  std::string reason_;
  clock::time_point begin_ = clock::now();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_STOP_CONDITIONS_HPP

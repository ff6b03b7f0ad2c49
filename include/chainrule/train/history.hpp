/// \file
/// What `fit` reports: figures per epoch, and why it stopped. And who may listen while it runs.
#ifndef CHAINRULE_TRAIN_HISTORY_HPP
#define CHAINRULE_TRAIN_HISTORY_HPP

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// A loss and, for classes, the fraction that was right. NaN where it does not apply.
struct figures {
  double loss = std::numeric_limits<double>::quiet_NaN();
  double accuracy = std::numeric_limits<double>::quiet_NaN();

  [[nodiscard]] bool has_accuracy() const { return !detail::is_nan(accuracy); }
};

/// One epoch. The training figures are means over the epoch while the weights moved.
struct epoch_record {
  int epoch = 0;  // from 1
  figures training;
  figures validation;      // NaN without validation data
  double seconds = 0;      // of training, validation not counted
  double rate = 0;         // the learning rate of the last step
  index_t samples = 0;     // that were trained on
  bool validated = false;  // there were samples to validate on; their loss may still be NaN
};

/// Why `fit` came back.
enum class stop_reason {
  finished,  // all epochs were run
  diverged,  // the loss was no longer finite
  asked,     // an observer asked for it: see history::message
};

/// All epochs of one call of fit.
struct history {
  std::vector<epoch_record> epochs;
  stop_reason reason = stop_reason::finished;
  std::string message;  // in words
};

/// The state of an epoch under way.
struct batch_report {
  int epoch = 0;
  int epochs = 0;
  index_t samples_done = 0;
  index_t samples = 0;
  double seconds = 0;  // since the epoch began

  /// Means over the samples so far. Reads the device's memory: ask now and then, not per batch.
  [[nodiscard]] figures so_far() const { return measure(source, samples_done); }

  figures (*measure)(const void*, index_t) = nullptr;
  const void* source = nullptr;
};

/// Somebody who follows a training: progress lines, logs, early stopping.
class fit_observer {
 public:
  fit_observer() = default;
  fit_observer(const fit_observer&) = delete;
  fit_observer& operator=(const fit_observer&) = delete;
  virtual ~fit_observer() = default;

  /// Called once by each call of fit, before its first batch.
  virtual void on_begin() {}
  virtual void on_batch(const batch_report&) {}
  virtual void on_epoch(const epoch_record&) {}
  /// Asked after each batch and each epoch: a reason in words stops the training.
  [[nodiscard]] virtual std::string_view reason_to_stop() const { return {}; }
};

/// Stops when the validation loss (without validation data, the training loss) has not fallen for
/// `patience` epochs. A loss that is not finite has not fallen. Each call of fit counts anew.
class early_stopping final : public fit_observer {
 public:
  /// Throws value_error if patience is below 1.
  explicit early_stopping(int patience) : patience_(patience) {
    if (patience < 1)
      throw value_error(
          detail::concat("early stopping needs a patience of at least 1 epoch, got ", patience));
  }
  void on_begin() override {
    best_ = std::numeric_limits<double>::max();
    waited_ = 0;
  }
  void on_epoch(const epoch_record& r) override {
    const double loss = r.validated ? r.validation.loss : r.training.loss;
    if (detail::is_finite(loss) && loss < best_)
      best_ = loss, waited_ = 0;
    else
      ++waited_;
  }
  [[nodiscard]] std::string_view reason_to_stop() const override {
    return waited_ >= patience_ ? "the loss stopped falling" : std::string_view{};
  }

 private:
  int patience_;
  int waited_ = 0;
  double best_ = std::numeric_limits<double>::max();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_HISTORY_HPP

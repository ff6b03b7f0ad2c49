/// \file
/// What `fit` reports: figures per epoch, and why it stopped. And who may listen while it runs.
#ifndef CHAINRULE_TRAIN_HISTORY_HPP
#define CHAINRULE_TRAIN_HISTORY_HPP

#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/core/shape.hpp"

namespace chainrule {

/// A loss and, for classes, the fraction that was right. NaN where it does not apply.
struct figures {
  double loss = std::numeric_limits<double>::quiet_NaN();
  double accuracy = std::numeric_limits<double>::quiet_NaN();

  [[nodiscard]] bool has_accuracy() const { return !std::isnan(accuracy); }
};

/// One epoch. The training figures are means over the epoch while the weights moved.
struct epoch_record {
  int epoch = 0;  // from 1
  figures training;
  figures validation;   // NaN without validation data
  double seconds = 0;   // of training, validation not counted
  double rate = 0;      // the learning rate of the last step
  index_t samples = 0;  // that were trained on
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

  virtual void on_batch(const batch_report&) {}
  virtual void on_epoch(const epoch_record&) {}
  /// Asked after each batch and each epoch: a reason in words stops the training.
  [[nodiscard]] virtual std::string_view reason_to_stop() const { return {}; }
};

/// Stops when the validation loss has not fallen for `patience` epochs.
class early_stopping final : public fit_observer {
 public:
  explicit early_stopping(int patience) : patience_(patience) {}
  void on_epoch(const epoch_record& r) override {
    const double loss = std::isnan(r.validation.loss) ? r.training.loss : r.validation.loss;
    if (loss < best_)
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
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_HISTORY_HPP

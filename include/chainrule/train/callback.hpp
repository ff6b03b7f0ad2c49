/// \file
/// `callback`: follows a training.
///
///     struct slow_down final : callback {
///       void on_batch_end(const batch_record& r) override { ... }
///     };
///     slow_down mine;
///     t.fit(train, {.validation = &held_out, .callbacks = {&mine}});
///
/// A callback is not owned by the training, and one object serves many fits. See also
/// train/early_stopping.hpp, train/stop_conditions.hpp, train/model_checkpoint.hpp,
/// train/reduce_on_plateau.hpp, train/learning_rate_finder.hpp, train/anomaly.hpp,
/// train/progress.hpp, train/interrupt.hpp, train/csv_log.hpp.
#ifndef CHAINRULE_TRAIN_CALLBACK_HPP
#define CHAINRULE_TRAIN_CALLBACK_HPP

#include <string>
#include <string_view>

#include "chainrule/memory/arena.hpp"
#include "chainrule/train/history.hpp"

namespace chainrule {

/// A training that begins.
struct fit_record {
  int epochs = 0;                           // asked for
  index_t samples = 0;                      // of the data
  index_t batch = 0;                        // samples of a step on full batches
  std::int64_t steps_done = 0;              // by earlier calls of fit
  std::int64_t epochs_done = 0;             // by them: an epoch that is continued does not count
  detail::plain_vector<std::string> metric_names{};  // of the training data
};

/// A step that was taken.
struct batch_record {
  int epoch = 0;  // from 1
  /// Epochs asked for.
  int epochs = 0;
  index_t samples_done = 0;  // of this epoch, this batch included
  index_t samples = 0;       // of this epoch
  double seconds = 0;        // since the epoch began
  index_t size = 0;          // samples of this batch, or of all that the step accumulated
  std::int64_t step = 0;     // its number, from 1, over all calls of fit
  double rate = 0;           // its learning rate

  /// The mean loss of the batch. Reads the device's memory, and waits for it, when it is called.
  [[nodiscard]] double loss() const { return mean_loss(source, samples_done - size, size); }
  /// Means over the samples of the epoch so far. Reads the device's memory when it is called.
  [[nodiscard]] metrics so_far() const { return measure(source, 0, samples_done); }

  /// Computes the metrics of a range of the epoch's samples; so_far() calls it.
  metrics (*measure)(const void* source, index_t first, index_t count) = nullptr;
  /// Computes the mean loss of a range of the epoch's samples.
  double (*mean_loss)(const void* source, index_t first, index_t count) = nullptr;
  /// First argument of the two functions.
  const void* source = nullptr;
};

/// Follows a training: progress lines, logs, early stopping. Callbacks are called in the order in
/// which fit was given them.
class callback {
 public:
  callback() = default;
  callback(const callback&) = delete;
  callback& operator=(const callback&) = delete;
  virtual ~callback() = default;

  /// Called before the first epoch of a call of fit.
  virtual void on_fit_begin(const fit_record&) {}
  /// Called before an epoch, with its number from 1.
  virtual void on_epoch_begin(int /*epoch, from 1*/) {}
  /// Called after an update.
  virtual void on_batch_end(const batch_record&) {}
  /// Called after an epoch and its validation.
  virtual void on_epoch_end(const epoch_record&) {}
  /// Called after the last epoch, with the history of the call.
  virtual void on_fit_end(const history&) {}
  /// In place of on_fit_end, where fit ends by an exception, which is then thrown again.
  virtual void on_fit_failed() {}
  /// Whether only the first of several ranks calls it: because it prints, logs or saves.
  [[nodiscard]] virtual bool is_for_first_rank() const { return false; }
  /// Whether the trainer's gradients must be those of the last step after each step: because the
  /// callback reads them, or may stop the training within an epoch. Without one, steps are faster:
  /// gradients of large weights are not assigned, except in the last step of an epoch.
  [[nodiscard]] virtual bool needs_gradients() const { return true; }
  /// The reason to stop in words, or nothing. Read after each batch and each epoch.
  [[nodiscard]] virtual std::string_view should_stop() const { return {}; }
  /// The penalty on the parameters as they are, of a callback that acts as one. Read at the end of
  /// an epoch if fit reports penalties.
  [[nodiscard]] virtual double penalty() const { return 0; }
};

namespace detail {
/// A gradient_callback of any backend: so that one of another backend is not taken for a callback
/// that leaves gradients alone.
class any_gradient_callback : public callback {};
}  // namespace detail

/// A callback that reads or changes the gradients of a batch before each update: clipping by a rule
/// that the user defines, logging of norms. Ranks that train together all need it.
template <backend B>
class gradient_callback : public detail::any_gradient_callback {
 public:
  /// `gradients` are those of the whole batch, in the places of the network's parameters.
  virtual void before_update(const B& be, arena<B>& gradients) = 0;
};

// clang-format off
/// A callback of version 0.1.
class [[deprecated("chainrule: now callback")]] fit_observer : public callback {
 public:
  virtual void on_begin() {}
  virtual void on_batch(const batch_record&) {}
  virtual void on_epoch(const epoch_record&) {}
  [[nodiscard]] virtual std::string_view reason_to_stop() const { return {}; }

 private:
  void on_fit_begin(const fit_record&) final { on_begin(); }
  void on_batch_end(const batch_record& r) final { on_batch(r); }
  void on_epoch_end(const epoch_record& r) final { on_epoch(r); }
  [[nodiscard]] std::string_view should_stop() const final { return reason_to_stop(); }
};
// clang-format on
using batch_report [[deprecated("chainrule: now batch_record")]] = batch_record;

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_CALLBACK_HPP

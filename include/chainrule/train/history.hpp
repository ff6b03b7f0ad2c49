/// \file
/// `history`: what a call of `fit` returns.
#ifndef CHAINRULE_TRAIN_HISTORY_HPP
#define CHAINRULE_TRAIN_HISTORY_HPP

#include <string>

#include "chainrule/metrics/metric.hpp"

namespace chainrule {

/// Where a training was stopped within an epoch.
struct epoch_place {
  index_t done = 0;        // samples trained on; 0 at an epoch boundary
  index_t samples = 0;     // samples in the epoch
  std::uint64_t seed = 0;  // the seed of its order
  friend constexpr bool operator==(const epoch_place&, const epoch_place&) = default;
};

/// How far a training is, over all calls of fit.
struct training_progress {
  std::int64_t steps = 0;    // updates
  std::uint64_t epochs = 0;  // passes over the data that were begun
  epoch_place place{};       // in the last of them
  std::uint64_t passes = 0;  // batches
  /// Epochs of fit that ended; they may be shorter than a pass (steps_per_epoch).
  std::int64_t epochs_done = 0;

  /// Of a training whose steps took one batch each and whose epochs were whole, but for the last
  /// one where a place is given.
  [[nodiscard]] static constexpr training_progress of_batches(std::int64_t steps,
                                                              std::uint64_t epochs,
                                                              const epoch_place& place) {
    const bool is_within = place.done > 0 && epochs > 0;
    return {steps, epochs, place, static_cast<std::uint64_t>(steps),
            static_cast<std::int64_t>(epochs) - (is_within ? 1 : 0)};
  }
};

/// One epoch. The metrics of training are means over the epoch, while the parameters changed.
struct epoch_record {
  int epoch = 0;  // from 1
  /// Loss and metrics of the training samples, as the epoch saw them.
  metrics training;
  metrics validation;      // NaN without validation data
  double seconds = 0;      // of training, validation not counted
  double rate = 0;         // the learning rate of the last step
  index_t samples = 0;     // that were trained on
  bool validated = false;  // there were samples to validate on; their loss may still be NaN
  double penalty = 0;      // that both losses contain: see fit_options::report_penalties
};

/// Why `fit` returned.
enum class stop_reason {
  finished,  // all epochs were run
  diverged,  // the loss was no longer finite
  asked,     // a callback asked for it: see history::message
};

/// All epochs of one call of fit.
struct history {
  /// A record per epoch.
  detail::plain_vector<epoch_record> epochs;
  /// Why the training ended.
  stop_reason reason = stop_reason::finished;
  std::string message;  // the reason in words
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_HISTORY_HPP

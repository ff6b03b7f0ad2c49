/// \file
/// `model_checkpoint`: saves a training as it goes, so that one that was killed can be resumed.
///
///     model_checkpoint last{t, {.file = "run.safetensors"}};
///     model_checkpoint best{t, {.file = "best.safetensors", .best_only = true}};
///     model_checkpoint three{t, {.file = "run.safetensors", .every = 10, .keep = 3}};  // run-10,
///     ... t.fit(train, {.epochs = 100, .validation = &held_out, .callbacks = {&last, &best}});
///
/// Each file is one of save_training (io/checkpoint.hpp): load_training resumes the training from
/// it, load_weights reads the network. See also train/early_stopping.hpp.
#ifndef CHAINRULE_TRAIN_MODEL_CHECKPOINT_HPP
#define CHAINRULE_TRAIN_MODEL_CHECKPOINT_HPP

#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/io/checkpoint.hpp"
#include "chainrule/train/early_stopping.hpp"

namespace chainrule {

/// Options of `model_checkpoint`.
struct model_checkpoint_options {
  std::string file{};      // "run.safetensors"; where several are kept, "run-12.safetensors"
  bool best_only = false;  // only epochs that are better than all before them, else every one
  int every = 1;           // saves after each of so many epochs
  int keep = 1;            // the files that are kept, the oldest goes first; 0: all
  std::string monitor{};   // "loss", or the name of a metric, on validation data if there is some
};

/// Saves the training at the end of epochs. A file is written beside the old one and then takes its
/// place, so that there is a whole one at any time. An epoch whose loss, or a parameter at its end,
/// is not finite is not saved. What is best counts over all calls of fit. Epochs are numbered over
/// all of them too.
class model_checkpoint final : public callback {
 public:
  /// `t` must outlive it. Throws value_error if an option is out of range, io_error if no file can
  /// be written there.
  template <class Trainer>
  model_checkpoint(Trainer& t, model_checkpoint_options options)
      : options_(std::move(options)), trainer_(&t), save_([](void* self, const std::string& path) {
          auto& of = *static_cast<Trainer*>(self);
          const bool is_finite = of.parameters_are_finite();
          if (is_finite) save_training(of, path);
          return is_finite;
        }) {
    if (options_.file.empty()) throw value_error("model_checkpoint needs the name of a file");
    if (options_.every < 1 || options_.keep < 0)
      throw value_error(detail::concat(
          "model_checkpoint saves every 1 or more epochs and keeps 0 or more files, got ",
          options_.every, " and ", options_.keep));
    require_can_save(options_.file);
  }

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  [[nodiscard]] bool needs_gradients() const override { return false; }
  void on_fit_begin(const fit_record& r) override { epochs_done_ = r.epochs_done; }
  /// Throws io_error if the file cannot be written; the old one is then untouched.
  void on_epoch_end(const epoch_record& r) override {
    const detail::monitored now = detail::monitored_in(r, options_.monitor, "model_checkpoint");
    if (!detail::is_finite(r.training.loss)) return;
    if (r.validated && !detail::is_finite(r.validation.loss)) return;
    const std::int64_t epoch = epochs_done_ + r.epoch;
    if (epoch % options_.every != 0) return;
    if (options_.best_only && !now.is_better_than(best_, 0)) return;
    const std::string path = path_of(epoch);
    if (!save_(trainer_, path)) return;
    if (options_.best_only) best_ = now.value;
    std::erase(files_, path);  // of the part of this epoch before it was stopped
    files_.push_back(path);
    if (options_.keep == 0 || files_.size() <= static_cast<std::size_t>(options_.keep)) return;
    std::remove(files_.front().c_str());
    files_.erase(files_.begin());
  }

  /// The files that this object has written and that are kept, the newest last.
  [[nodiscard]] const std::vector<std::string>& files() const { return files_; }
  /// The value that is monitored of the best epoch that was saved, where only those are; else NaN.
  [[nodiscard]] double best() const { return best_; }

 private:
  [[nodiscard]] std::string path_of(std::int64_t epoch) const {
    if (options_.keep == 1) return options_.file;
    const auto name = options_.file.rfind('/') + 1;  // npos + 1 is 0
    const auto dot = options_.file.rfind('.');
    std::string path = options_.file;
    return path.insert(dot == std::string::npos || dot <= name ? path.size() : dot,
                       detail::concat('-', epoch));
  }

  model_checkpoint_options options_;
  void* trainer_;
  bool (*save_)(void*, const std::string&);  // false, and no file, unless parameters are finite
  std::int64_t epochs_done_ = 0;
  std::vector<std::string> files_;
  double best_ = std::numeric_limits<double>::quiet_NaN();
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_MODEL_CHECKPOINT_HPP

/// \file
/// `tensorboard_log`: writes a training to files that TensorBoard shows.
///
///     tensorboard_log log{"logs/first", t};
///     t.fit(train, {.validation = &held_out, .callbacks = {&log}});
///     // tensorboard --logdir logs
///
/// See also io/event_file.hpp, train/csv_log.hpp.
#ifndef CHAINRULE_TRAIN_TENSORBOARD_LOG_HPP
#define CHAINRULE_TRAIN_TENSORBOARD_LOG_HPP

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "chainrule/io/event_file.hpp"
#include "chainrule/train/trainer.hpp"

namespace chainrule {

/// Options of `tensorboard_log`.
struct tensorboard_log_options {
  /// Write histograms after each epoch whose number is a multiple of it; 0: never.
  int histograms_every = 1;
};

/// Writes after each epoch the scalars "loss", "rate" and the metrics by name, and the histograms
/// "weights/<parameter>" and "gradients/<parameter>". The step is the number of the epoch, counted
/// over all calls of fit. Training and validation are two runs, the folders "training" and
/// "validation", so that TensorBoard draws both into one chart. Each log makes new files: a resumed
/// training logs to the folder of the training that it continues. Scalars are stored as floats.
///
/// For histograms, all parameters and all gradients are copied to the host.
class tensorboard_log final : public callback {
 public:
  /// Without histograms. The folder and its files are made when a training begins, on its first
  /// rank. Throws value_error if the folder has no name.
  explicit tensorboard_log(const std::string& folder) : folder_(folder) {
    if (folder.empty()) throw value_error("tensorboard_log needs the name of a folder, got none");
  }
  /// With histograms of the parameters of `net`, which must outlive the log. Throws
  /// value_error if an option is negative.
  template <backend B>
  tensorboard_log(const std::string& folder, const network<B>& net,
                  const tensorboard_log_options& options = {})
      : tensorboard_log(folder) {
    add_histograms_ = [](const void* source, event_summary& to) {
      const auto& of = *static_cast<const network<B>*>(source);
      add(to, "weights/", of, of.parameters());
    };
    set(&net, options);
  }
  /// With histograms of the parameters and of the gradients of the last batch of the epoch, as the
  /// loss gave them to the optimizer. `t` must outlive the log. Throws value_error if an option is
  /// negative.
  template <backend B>
  tensorboard_log(const std::string& folder, const trainer<B>& t,
                  const tensorboard_log_options& options = {})
      : tensorboard_log(folder) {
    add_histograms_ = [](const void* source, event_summary& to) {
      const auto& of = *static_cast<const trainer<B>*>(source);
      add(to, "weights/", of.net(), of.net().parameters());
      add(to, "gradients/", of.net(), of.gradients());
    };
    set(&t, options);
  }

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  /// Throws io_error if there can be no file in the folder.
  void on_fit_begin(const fit_record& r) override {
    (void)opened(training_, "/training");
    epochs_done_ = r.epochs_done;
  }
  /// Throws io_error, out_of_memory.
  void on_epoch_end(const epoch_record& r) override {
    const std::int64_t epoch = epochs_done_ + r.epoch;
    event_summary values;
    add(values, r.training);
    values.scalar("rate", r.rate);
    if (every_ > 0 && epoch % every_ == 0) add_histograms_(source_, values);
    opened(training_, "/training").write(epoch, values);
    if (!r.validated) return;
    event_summary of_validation;
    add(of_validation, r.validation);
    opened(validation_, "/validation").write(epoch, of_validation);
  }

 private:
  event_file& opened(std::optional<event_file>& file, const char* name) {
    if (!file) file.emplace(folder_ + name);
    return *file;
  }
  void set(const void* source, const tensorboard_log_options& options) {
    if (options.histograms_every < 0)
      throw value_error(detail::concat("the log '", folder_, "' is to have histograms every ",
                                       options.histograms_every,
                                       " epochs; give at least 1, or 0 for none"));
    source_ = source;
    every_ = options.histograms_every;
  }

  static void add(event_summary& to, const metrics& m) {
    to.scalar("loss", m.loss);
    for (const metric_value& v : m.values) to.scalar(v.name, v.value);
  }
  /// A histogram of each parameter in an arena of the network's parameters.
  template <backend B>
  static void add(event_summary& to, const std::string& prefix, const network<B>& net,
                  const arena<B>& values) {
    const std::vector<scalar_t<B>> host = to_host(net.backend(), values.all());
    for (const parameter& p : net.parameter_list()) {
      const index_t first = values.plan().begin(p.place.region) + p.place.offset;
      to.histogram(prefix + p.name,
                   std::span(host).subspan(static_cast<std::size_t>(first),
                                           static_cast<std::size_t>(p.place.rows * p.place.cols)));
    }
  }

  std::string folder_;
  std::optional<event_file> training_;    // from the first training
  std::optional<event_file> validation_;  // from the first epoch that was validated
  const void* source_ = nullptr;
  void (*add_histograms_)(const void* source, event_summary& to) = nullptr;
  int every_ = 0;
  std::int64_t epochs_done_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_TENSORBOARD_LOG_HPP

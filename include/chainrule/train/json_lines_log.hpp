/// \file
/// `json_lines_log`: writes a JSON object per epoch, and per n batches if asked, each on a line.
///
///     json_lines_log log{"log.jsonl", {.every = 100}};
///     t.fit(train, {.validation = &held_out, .callbacks = {&log}});
///
/// Format: https://jsonlines.org. See also train/csv_log.hpp, train/tensorboard_log.hpp.
#ifndef CHAINRULE_TRAIN_JSON_LINES_LOG_HPP
#define CHAINRULE_TRAIN_JSON_LINES_LOG_HPP

#include <string>
#include <string_view>

#include "chainrule/core/text.hpp"
#include "chainrule/io/json_cursor.hpp"
#include "chainrule/io/log_file.hpp"
#include "chainrule/train/callback.hpp"

namespace chainrule {

/// Options of `json_lines_log`.
struct json_lines_log_options {
  /// Log each step whose number is a multiple of it; 0: none. Each logged step waits for the
  /// device and reads its loss.
  std::int64_t every = 0;
  /// Keep the lines of the file, such as those of the training that is resumed.
  bool append = false;
};

/// Writes `{"kind":"epoch","epoch":,"seconds":,"rate":,"samples":,"loss":,<metrics>,
/// "validation_loss":,"validation_<metric>":}`, the last ones with validation data only, and
/// `{"kind":"batch","epoch":,"step":,"seconds":,"rate":,"samples":,"loss":}`, where samples and
/// seconds are those since the epoch began and the loss is that of the batch. Epochs are counted
/// over all calls of fit. Numbers are written with the digits that give the same double again, NaN
/// and infinity as null. Each line is in the file when the next batch begins.
class json_lines_log final : public callback {
 public:
  /// The file is opened when a training begins, on its first rank. Throws value_error if
  /// options.every is negative.
  explicit json_lines_log(const std::string& path, const json_lines_log_options& options = {})
      : file_(path, options.append), every_(options.every) {
    if (every_ < 0)
      throw value_error(detail::concat("the log '", path, "' is to have every ", every_,
                                       "th step; give at least 1, or 0 for none"));
  }

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  [[nodiscard]] bool needs_gradients() const override { return false; }
  /// Opens the file. Throws io_error if it cannot be written, format_error if it is appended to and
  /// its last line has no end.
  void on_fit_begin(const fit_record& r) override {
    file_.open();
    epochs_done_ = r.epochs_done;
  }
  /// Throws io_error.
  void on_batch_end(const batch_record& r) override {
    if (every_ == 0 || r.step % every_ != 0) return;
    line_ = detail::concat("{\"kind\":\"batch\",\"epoch\":", epochs_done_ + r.epoch,
                           ",\"step\":", r.step);
    append(r.seconds, r.rate, r.samples_done);
    append("loss", r.loss());
    file_.write(line_ + "}\n");
  }
  /// Throws io_error.
  void on_epoch_end(const epoch_record& r) override {
    line_ = detail::concat("{\"kind\":\"epoch\",\"epoch\":", epochs_done_ + r.epoch);
    append(r.seconds, r.rate, r.samples);
    append("", r.training);
    if (r.validated) append("validation_", r.validation);
    file_.write(line_ + "}\n");
  }

 private:
  void append(double seconds, double rate, index_t samples) {
    append("seconds", seconds);
    append("rate", rate);
    line_ += detail::concat(",\"samples\":", samples);
  }
  void append(const std::string& prefix, const metrics& m) {
    append(prefix + "loss", m.loss);
    for (const metric_value& v : m.values) append(prefix + v.name, v.value);
  }
  void append(const std::string& name, double value) {
    line_ += ',';
    detail::append_json_string(line_, name);
    line_ += ':';
    line_ += detail::is_finite(value) ? detail::digits_of(value) : "null";
  }

  log_file file_;
  std::int64_t every_;
  std::string line_;
  std::int64_t epochs_done_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_JSON_LINES_LOG_HPP

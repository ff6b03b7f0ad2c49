/// \file
/// `csv_log`: writes a line per epoch to a CSV file.
///
///     csv_log log{"log.csv"};
///     t.fit(train, {.validation = &held_out, .callbacks = {&log}});
///     const table epochs = read_csv("log.csv", {.missing = missing_values::as_nan});
///
/// See also train/json_lines_log.hpp, train/tensorboard_log.hpp.
#ifndef CHAINRULE_TRAIN_CSV_LOG_HPP
#define CHAINRULE_TRAIN_CSV_LOG_HPP

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/io/log_file.hpp"
#include "chainrule/train/callback.hpp"

namespace chainrule {

/// Options of `csv_log`.
struct csv_log_options {
  /// Keep the lines of the file, such as those of the training that is resumed.
  bool append = false;
};

/// Writes epoch, seconds, rate, samples, loss, the metrics, validation_loss and validation_<metric>
/// under these names. Epochs are counted over all calls of fit. Numbers are written with the digits
/// that give the same double again; NaN and infinity are nan and inf, and without validation data
/// there is no text between the commas. Each line is in the file when the next epoch begins.
class csv_log final : public callback {
 public:
  /// The file is opened when a training begins, on its first rank.
  explicit csv_log(std::string path, const csv_log_options& options = {})
      : file_(std::move(path), options.append) {}

  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  [[nodiscard]] bool needs_gradients() const override { return false; }
  /// Opens the file and writes the header if it is empty. Throws io_error if it cannot be written,
  /// format_error if it is appended to and has another header or a last line without an end.
  void on_fit_begin(const fit_record& r) override {
    file_.open();
    if (header_.empty()) header_ = file_.first_line();
    epochs_done_ = r.epochs_done;
    names_ = r.metric_names;
    std::string header = "epoch,seconds,rate,samples,loss";
    for (const std::string& name : names_) header += "," + field(name);
    header += ",validation_loss";
    for (const std::string& name : names_) header += "," + field("validation_" + name);
    if (header_.empty())
      file_.write(header + "\n");
    else if (header_ != header)
      throw format_error(detail::concat("cannot append to '", file_.path(), "': its columns are ",
                                        detail::name_text(header_, 400),
                                        ", those of this training are ",
                                        detail::name_text(header, 400), "; write another file"));
    header_ = header;
  }
  /// Throws io_error.
  void on_epoch_end(const epoch_record& r) override {
    std::string line = detail::concat(epochs_done_ + r.epoch, ",", detail::digits_of(r.seconds),
                                      ",", detail::digits_of(r.rate), ",", r.samples);
    append(line, r.training);
    if (r.validated)
      append(line, r.validation);
    else
      line.append(names_.size() + 1, ',');
    file_.write(line + "\n");
  }

 private:
  /// A name as RFC 4180 has it: in quotes if it holds a quote, a comma or a line break.
  [[nodiscard]] static std::string field(const std::string& name) {
    if (name.find_first_of("\",\r\n") == std::string::npos) return name;
    std::string quoted = "\"";
    for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
    return quoted + '"';
  }
  void append(std::string& line, const metrics& m) const {
    line += "," + detail::digits_of(m.loss);
    for (const std::string& name : names_) {
      line += ',';
      // The metrics that are measured by default depend on the data.
      for (const metric_value& v : m.values)
        if (v.name == name) {
          line += detail::digits_of(v.value);
          break;
        }
    }
  }

  log_file file_;
  std::string header_;  // of the file, empty before there is one
  std::vector<std::string> names_;
  std::int64_t epochs_done_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_CSV_LOG_HPP

/// \file
/// `write_report`: a training as one HTML page without references to other files.
///
///     const history h = t.fit(train, {.epochs = 20, .validation = &held_out});
///     write_report("report.html", h, {.summary = summary(net), .confusion = &confusion});
///
/// `loss_chart`, `metric_chart` and `confusion_chart` are its pictures. See also io/chart.hpp.
#ifndef CHAINRULE_TRAIN_REPORT_HPP
#define CHAINRULE_TRAIN_REPORT_HPP

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/io/chart.hpp"
#include "chainrule/io/matrix_chart.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/train/history.hpp"

namespace chainrule {
namespace detail {

/// The value of "loss" or of a metric, NaN where it was not measured.
[[nodiscard]] inline double value_in(const metrics& m, std::string_view name) {
  if (name == "loss") return m.loss;
  for (const metric_value& v : m.values)
    if (v.name == name) return v.value;
  return std::numeric_limits<double>::quiet_NaN();
}
[[nodiscard]] inline std::vector<std::string> metrics_of(const history& h) {
  std::vector<std::string> names{"loss"};
  if (!h.epochs.empty())
    for (const metric_value& v : h.epochs.front().training.values) names.push_back(v.name);
  return names;
}
[[nodiscard]] inline bool was_validated(const history& h) {
  return std::any_of(h.epochs.begin(), h.epochs.end(),
                     [](const epoch_record& r) { return r.validated; });
}

}  // namespace detail

/// A metric, "loss" included, over the epochs, on the training and on the validation data.
[[nodiscard]] inline std::string metric_chart(const history& h, const std::string& name,
                                              chart_options options = {.x = "epoch"}) {
  std::vector<double> epochs, training, validation;
  for (const epoch_record& r : h.epochs) {
    epochs.push_back(r.epoch);
    training.push_back(detail::value_in(r.training, name));
    validation.push_back(detail::value_in(r.validation, name));
  }
  if (options.y.empty()) options.y = name;
  chart c(std::move(options));
  c.line("training", epochs, training);
  if (detail::was_validated(h)) c.line("validation", epochs, validation);
  return c.svg();
}
/// The losses over the epochs, on a logarithmic axis.
[[nodiscard]] inline std::string loss_chart(const history& h, const std::string& title = "") {
  return metric_chart(h, "loss", {.title = title, .x = "epoch", .log_y = true});
}

/// The counts of each pair of classes, a row per label. `names` replace the numbers of the classes;
/// predictions of no class are not shown.
[[nodiscard]] inline std::string confusion_chart(const confusion_matrix& m,
                                                 const std::vector<std::string>& names = {},
                                                 const std::string& title = "") {
  std::vector<double> counts;
  for (int label = 0; label < m.classes(); ++label)
    for (int p = 0; p < m.classes(); ++p) counts.push_back(static_cast<double>(m.count(label, p)));
  return matrix_chart(counts, m.classes(),
                      {.title = title,
                       .x = "predicted class",
                       .y = "true class",
                       .row_names = names,
                       .column_names = names,
                       .shade_by_row = true});
}

/// What a report shows beside the history; what is not given is left out.
struct report_options {
  /// Title of the page.
  std::string title = "Training";
  std::string summary{};                                        // of the network
  std::vector<std::pair<std::string, std::string>> settings{};  // names and values
  /// Confusion matrix to draw; may be null.
  const confusion_matrix* confusion = nullptr;
  std::vector<std::string> classes{};  // their names
  std::vector<std::string> charts{};   // SVG documents, such as an image_grid of the worst samples
};

/// The page as text: settings, outcome, curves of the loss, of each metric and of the learning rate
/// if it changed, the charts given, and a table of the epochs in which the one of the least loss
/// (of validation, where there is one) is bold.
[[nodiscard]] inline std::string report_html(const history& h, const report_options& options = {}) {
  const bool validated = detail::was_validated(h);
  const std::vector<std::string> names = detail::metrics_of(h);
  const auto loss = [&](const epoch_record& r) {
    return validated ? r.validation.loss : r.training.loss;
  };
  const epoch_record* best = nullptr;
  double seconds = 0;
  std::vector<double> epochs, rates;
  for (const epoch_record& r : h.epochs) {
    if (detail::is_finite(loss(r)) && (best == nullptr || loss(r) < loss(*best))) best = &r;
    seconds += r.seconds;
    epochs.push_back(r.epoch);
    rates.push_back(r.rate);
  }
  const auto number = [](double v) {
    return detail::is_finite(v) ? detail::number_text(v, 4) : std::string("-");
  };
  const auto cell = [](const char* tag, const std::string& text) {
    return detail::concat("<", tag, ">", detail::xml_text(text), "</", tag, ">");
  };

  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>" +
      cell("title", options.title) +
      "<style>body{font-family:sans-serif;max-width:72em;margin:2em auto;padding:0 1em;"
      "color:#222}svg{max-width:100%;height:auto;margin:0 1em 1em 0}table{border-collapse:collapse}"
      "th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
      ".settings td,.settings th{text-align:left}.best{font-weight:bold}</style></head>\n<body>\n" +
      cell("h1", options.title) + "\n<table class=\"settings\">\n";
  const auto setting = [&](const std::string& name, const std::string& value) {
    page += "<tr>" + cell("th", name) + cell("td", value) + "</tr>\n";
  };
  for (const auto& [name, value] : options.settings) setting(name, value);
  setting("epochs", detail::concat(h.epochs.size(), " in ", number(seconds), " s of training"));
  if (best != nullptr)
    setting(validated ? "least validation loss" : "least training loss",
            detail::concat(number(loss(*best)), ", epoch ", best->epoch));
  if (!h.message.empty()) setting("ended because", h.message);
  page += "</table>\n<h2>Curves</h2>\n";
  for (const std::string& name : names)
    page += name == "loss" ? loss_chart(h, name) : metric_chart(h, name, {name, "epoch"});
  if (std::any_of(rates.begin(), rates.end(), [&](double r) { return r != rates.front(); }))
    page += chart({.title = "learning rate", .x = "epoch", .y = "rate of the last step"})
                .line("", epochs, rates)
                .svg();
  if (options.confusion != nullptr)
    page += "<h2>Confusion matrix</h2>\n" + confusion_chart(*options.confusion, options.classes);
  if (!options.charts.empty()) page += "<h2>Charts</h2>\n";
  for (const std::string& svg : options.charts) page += svg;
  if (!options.summary.empty()) page += "<h2>Network</h2>\n" + cell("pre", options.summary) + "\n";

  page += "<h2>Epochs</h2>\n<table>\n<tr><th>epoch</th>";
  for (const std::string& name : names) page += cell("th", name);
  for (const std::string& name : names)
    if (validated) page += cell("th", "validation " + name);
  page += "<th>rate</th><th>samples</th><th>seconds</th></tr>\n";
  for (const epoch_record& r : h.epochs) {
    page += (&r == best ? "<tr class=\"best\">" : "<tr>") + cell("td", std::to_string(r.epoch));
    for (const std::string& name : names)
      page += cell("td", number(detail::value_in(r.training, name)));
    for (const std::string& name : names)
      if (validated) page += cell("td", number(detail::value_in(r.validation, name)));
    page += cell("td", number(r.rate)) + cell("td", std::to_string(r.samples)) +
            cell("td", number(r.seconds)) + "</tr>\n";
  }
  return page + "</table>\n</body></html>\n";
}

/// Writes report_html as a file. Throws io_error.
inline void write_report(const std::string& path, const history& h,
                         const report_options& options = {}) {
  write_svg(path, report_html(h, options));
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_REPORT_HPP

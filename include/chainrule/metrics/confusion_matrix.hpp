/// \file
/// `confusion_matrix`: counts of each pair of true and predicted class.
///
///     confusion_matrix confusion(labels, t.classify(test), 10);
///     std::fputs(to_string(confusion).c_str(), stdout);
///     confusion.recall(3);
///     confusion.f1(averaging::macro);
#ifndef CHAINRULE_METRICS_CONFUSION_MATRIX_HPP
#define CHAINRULE_METRICS_CONFUSION_MATRIX_HPP

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/core/class_number.hpp"
#include "chainrule/core/host_vector.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/core/text.hpp"

namespace chainrule {

/// How the precisions, recalls or F1 of several classes become one number: as the mean over the
/// classes that are among labels or predictions, where 0 / 0 counts as 0, or from the counts of all
/// classes together.
enum class averaging { macro, micro };

class confusion_matrix {
 public:
  /// Counts predictions against labels. A prediction outside 0, ..., classes - 1 (of an
  /// output with NaN) counts as no class: it lowers recall and accuracy. Throws shape_error if the
  /// counts differ, value_error for a label outside the classes, or if there are none.
  template <class Labels>
  confusion_matrix(const Labels& labels, const std::vector<int>& predictions, int classes)
      : classes_(classes) {
    if (classes < 1)
      throw value_error(detail::concat("a confusion matrix needs at least 1 class, got ", classes));
    if (labels.size() != predictions.size())
      throw shape_error(
          detail::concat(predictions.size(), " predictions do not fit ", labels.size(), " labels"));
    counts_ = detail::host_vector<index_t>(
        detail::elements_of(classes, static_cast<index_t>(classes) + 1));
    for (std::size_t i = 0; i < predictions.size(); ++i) {
      const int label = detail::class_number(labels[i], i, classes);
      const bool none = predictions[i] < 0 || predictions[i] >= classes;
      ++counts_[place(label, none ? classes : predictions[i])];
    }
  }

  /// Number of classes.
  [[nodiscard]] int classes() const { return classes_; }
  /// How often `prediction` was made for `label`; prediction = classes(): no class.
  [[nodiscard]] index_t count(int label, int prediction) const {
    return counts_[place(label, prediction)];
  }
  /// Precision of class c: TP / (TP + FP); NaN if c was never predicted.
  [[nodiscard]] double precision(int c) const { return ratio(count(c, c), predicted(c)); }
  /// Recall of class c: TP / (TP + FN); NaN if there is no sample of c.
  [[nodiscard]] double recall(int c) const { return ratio(count(c, c), actual(c)); }
  /// F1 of class c: 2 TP / (2 TP + FP + FN); NaN if c is neither among labels nor predictions.
  [[nodiscard]] double f1(int c) const { return ratio(2 * count(c, c), predicted(c) + actual(c)); }

  /// Precision, recall and F1 of all classes; NaN of nothing. A prediction of no class is a false
  /// negative and no false positive.
  [[nodiscard]] double precision(averaging a) const {
    if (a == averaging::macro) return mean([this](int c) { return precision(c); });
    return ratio(right(), predictions());
  }
  [[nodiscard]] double recall(averaging a) const {
    return a == averaging::macro ? mean([this](int c) { return recall(c); }) : accuracy();
  }
  [[nodiscard]] double f1(averaging a) const {
    if (a == averaging::macro) return mean([this](int c) { return f1(c); });
    return ratio(2 * right(), predictions() + samples());
  }
  /// The fraction that was right; NaN of nothing.
  [[nodiscard]] double accuracy() const { return ratio(right(), samples()); }

 private:
  [[nodiscard]] std::size_t cols() const { return static_cast<std::size_t>(classes_) + 1; }
  [[nodiscard]] std::size_t place(int label, int prediction) const {
    return static_cast<std::size_t>(label) * cols() + static_cast<std::size_t>(prediction);
  }
  [[nodiscard]] index_t predicted(int c) const {
    index_t n = 0;
    for (int label = 0; label < classes_; ++label) n += count(label, c);
    return n;
  }
  [[nodiscard]] index_t actual(int c) const {
    index_t n = 0;
    for (int p = 0; p <= classes_; ++p) n += count(c, p);
    return n;
  }
  [[nodiscard]] index_t right() const {
    index_t n = 0;
    for (int c = 0; c < classes_; ++c) n += count(c, c);
    return n;
  }
  [[nodiscard]] index_t samples() const {
    index_t n = 0;
    for (const index_t k : counts_) n += k;
    return n;
  }
  /// Those of a class.
  [[nodiscard]] index_t predictions() const { return samples() - predicted(classes_); }
  template <class F>
  [[nodiscard]] double mean(const F& f) const {
    double sum = 0;
    int present = 0;
    for (int c = 0; c < classes_; ++c) {
      if (predicted(c) + actual(c) == 0) continue;
      const double value = f(c);
      sum += detail::is_nan(value) ? 0 : value;
      ++present;
    }
    return present == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / present;
  }
  static double ratio(index_t part, index_t whole) {
    return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                      : static_cast<double>(part) / static_cast<double>(whole);
  }

  int classes_;
  std::vector<index_t> counts_;  // label by prediction; the last column: none
};

/// A table: a row per label with its recall, a column per prediction with its precision; "-" where
/// there is nothing to count. Predictions of no class are not shown.
[[nodiscard]] inline std::string to_string(const confusion_matrix& m) {
  index_t largest = 0;
  for (int l = 0; l < m.classes(); ++l)
    for (int p = 0; p < m.classes(); ++p) largest = std::max(largest, m.count(l, p));
  const std::size_t width = std::max<std::size_t>(5, std::to_string(largest).size() + 1);
  const auto cell = [&](const std::string& text) { return detail::padded_left(text, width); };
  const auto fraction = [](const char* pattern, double x) {
    return detail::is_finite(x) ? detail::format(pattern, x) : std::string("-");
  };
  const auto margin = [&](double x) {
    return "   " + detail::padded_left(fraction("%6.4f", x), 6);
  };

  std::string table = "label \\ predicted\n     ";
  for (int p = 0; p < m.classes(); ++p) table += cell(std::to_string(p));
  table += "   recall\n";
  for (int l = 0; l < m.classes(); ++l) {
    table += detail::padded_left(std::to_string(l), 5);
    for (int p = 0; p < m.classes(); ++p)
      table += cell(m.count(l, p) == 0 ? "." : std::to_string(m.count(l, p)));
    table += margin(m.recall(l)) + "\n";
  }
  table += "prec.";
  for (int p = 0; p < m.classes(); ++p) table += cell(fraction("%.2f", m.precision(p)));
  return table + margin(m.accuracy()) + " accuracy\n";
}

}  // namespace chainrule

#endif  // CHAINRULE_METRICS_CONFUSION_MATRIX_HPP

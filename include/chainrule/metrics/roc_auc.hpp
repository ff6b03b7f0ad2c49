/// \file
/// `roc_auc`: the area under the receiver operating characteristic.
///
///     const tensor<cpu> p = t.predict_proba(test);            // n × 1
///     roc_auc(labels, to_host(be, p.view()));
#ifndef CHAINRULE_METRICS_ROC_AUC_HPP
#define CHAINRULE_METRICS_ROC_AUC_HPP

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "chainrule/core/class_number.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/text.hpp"

namespace chainrule {

/// The probability that a sample of class 1 has a larger score than one of class 0; equal scores
/// count one half. NaN unless both classes are there. Throws shape_error if the counts differ,
/// value_error for another label or a score of NaN. Source: J. Hanley, B. McNeil, Radiology 143,
/// 1982.
template <class Labels, class Scores>
[[nodiscard]] double roc_auc(const Labels& labels, const Scores& scores) {
  if (labels.size() != scores.size())
    throw shape_error(
        detail::concat(scores.size(), " scores do not fit ", labels.size(), " labels"));
  std::vector<std::pair<double, int>> sorted;
  sorted.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto score = static_cast<double>(scores[i]);
    if (detail::is_nan(score))
      throw value_error(detail::concat("roc_auc: the score of sample ", i, " is NaN"));
    sorted.emplace_back(score, detail::class_number(labels[i], i, 2));
  }
  std::sort(sorted.begin(), sorted.end());
  double pairs = 0;  // of one sample of each class, in the right order
  double negatives = 0;
  double positives = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    double equal[2] = {0, 0};
    const double score = sorted[i].first;
    for (; i < sorted.size() && sorted[i].first == score; ++i) ++equal[sorted[i].second];
    pairs += equal[1] * (negatives + equal[0] / 2);
    negatives += equal[0];
    positives += equal[1];
  }
  if (negatives == 0 || positives == 0) return std::numeric_limits<double>::quiet_NaN();
  return pairs / (negatives * positives);
}

}  // namespace chainrule

#endif  // CHAINRULE_METRICS_ROC_AUC_HPP

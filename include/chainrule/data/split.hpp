/// \file
/// Numbers of samples for training, validation and test: `split_samples`, `k_fold`.
///
///     const sample_split s = split_samples(y.rows(), {.validation = 0.1, .test = 0.2, .seed = 7});
///     const scaler scale = scaler::standard(x.select(s.train));
///     const dataset<cpu> data(be, scale.transform(x), y);
///     const dataset<cpu> train = data.subset(s.train), test = data.subset(s.test);  // not copied
///
///     for (const fold& f : k_fold(labels, 5)) ...              // f.train, f.validation
///
/// With labels (class numbers), each part has the same share of each class, to within one sample.
/// Numbers are drawn from the seed, each is in exactly one part, and parts are sorted.
#ifndef CHAINRULE_DATA_SPLIT_HPP
#define CHAINRULE_DATA_SPLIT_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "chainrule/core/finite.hpp"
#include "chainrule/data/sampler.hpp"

namespace chainrule {

/// Fractions of the samples, in [0, 1]; the rest is for training.
struct split_options {
  /// Fraction of the samples for validation.
  double validation = 0.2;
  /// Fraction of the samples for testing.
  double test = 0;
  std::uint64_t seed = 0;
};

/// Numbers of samples.
struct sample_split {
  /// Indices of the samples of each part.
  std::vector<std::int32_t> train, validation, test;
};

/// One part of the samples, and all the others.
struct fold {
  /// Indices of the samples to train on, and of those held out.
  std::vector<std::int32_t> train, validation;
};

namespace detail {

/// The samples of each class, each class in a random order.
using class_members = std::vector<std::vector<std::int32_t>>;

/// All samples as one class. Throws value_error unless 0 <= count <= 2^31 - 1.
[[nodiscard]] inline class_members members_of(index_t count, std::uint64_t seed) {
  (void)sampler(count, seed);  // checks the count
  class_members members(1, std::vector<std::int32_t>(static_cast<std::size_t>(count)));
  random_order(random_stream{seed, stream_of(data_stream::split, 0)}, members[0]);
  return members;
}
[[nodiscard]] inline class_members members_of(std::span<const int> labels, std::uint64_t seed) {
  std::map<int, std::vector<std::int32_t>> by_label;
  const class_members all = members_of(static_cast<index_t>(labels.size()), seed);
  for (const std::int32_t sample : all[0])
    by_label[labels[static_cast<std::size_t>(sample)]].push_back(sample);
  class_members members;
  for (auto& [label, samples] : by_label) members.push_back(std::move(samples));
  return members;
}

[[nodiscard]] inline sample_split split_members(const class_members& members,
                                                const split_options& options) {
  const double fractions[] = {options.validation, options.test, options.validation + options.test};
  for (const double f : fractions)
    if (is_nan(f) || f < 0 || f > 1)
      throw value_error(concat("the fractions for validation and test lie in 0 to 1, and so does ",
                               "their sum, got ", options.validation, " and ", options.test));
  sample_split result;
  for (const auto& samples : members) {
    const auto part = [&](double fraction) {
      return static_cast<std::ptrdiff_t>(
          std::floor(fraction * static_cast<double>(samples.size()) + 0.5));
    };
    const auto tested = samples.begin() + part(options.test);
    const auto validated = samples.begin() + part(fractions[2]);
    result.test.insert(result.test.end(), samples.begin(), tested);
    result.validation.insert(result.validation.end(), tested, validated);
    result.train.insert(result.train.end(), validated, samples.end());
  }
  for (auto* const numbers : {&result.train, &result.validation, &result.test})
    std::sort(numbers->begin(), numbers->end());
  return result;
}

[[nodiscard]] inline std::vector<fold> folds_of(const class_members& members, int k) {
  std::size_t count = 0;
  for (const auto& samples : members) count += samples.size();
  if (k < 2 || static_cast<std::size_t>(k) > count)
    throw value_error(
        concat("the number of folds lies in 2 to the number of samples, ", count, ", got ", k));
  const auto folds = static_cast<std::size_t>(k);
  std::vector<std::size_t> fold_of(count);
  std::size_t next = 0;  // goes on from class to class, so that folds differ by one sample at most
  for (const auto& samples : members)
    for (const std::int32_t s : samples) fold_of[static_cast<std::size_t>(s)] = next++ % folds;
  std::vector<fold> result(folds);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t f = 0; f < folds; ++f)
      (fold_of[i] == f ? result[f].validation : result[f].train)
          .push_back(static_cast<std::int32_t>(i));
  return result;
}

}  // namespace detail

/// The numbers 0, ..., count - 1 in three parts, whose sizes are rounded. Throws value_error if a
/// fraction, or the sum of both, is not in [0, 1], or if there are more than 2^31 - 1 samples.
[[nodiscard]] inline sample_split split_samples(index_t count, const split_options& options = {}) {
  return detail::split_members(detail::members_of(count, options.seed), options);
}
/// A split of each class by itself, one label per sample. Throws as above.
[[nodiscard]] inline sample_split split_samples(std::span<const int> labels,
                                                const split_options& options = {}) {
  return detail::split_members(detail::members_of(labels, options.seed), options);
}

/// The numbers 0, ..., count - 1 in k folds: each is for validation in exactly one. Throws
/// value_error unless 2 <= k <= count <= 2^31 - 1.
[[nodiscard]] inline std::vector<fold> k_fold(index_t count, int k, std::uint64_t seed = 0) {
  return detail::folds_of(detail::members_of(count, seed), k);
}
/// Folds that all have the same share of each class, one label per sample. Throws as above.
[[nodiscard]] inline std::vector<fold> k_fold(std::span<const int> labels, int k,
                                              std::uint64_t seed = 0) {
  return detail::folds_of(detail::members_of(labels, seed), k);
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_SPLIT_HPP

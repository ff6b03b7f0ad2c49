/// \file
/// Options chosen by experiment: `random_search`, `cross_validate`.
///
///     const auto accuracy_of = [&](double rate, const fold& f) {
///       const cpu be{1};                            // a backend of its own: it runs beside others
///       network net{be, dense{4, 16, relu{}}, dense{16, 3}};
///       trainer t{net, softmax_cross_entropy{}, adam{rate}};
///       t.fit(data.subset(f.train), {.epochs = 50});
///       return t.evaluate(data.subset(f.validation)).accuracy;
///     };
///     const std::vector<fold> folds = k_fold(labels, 5);
///     const auto found = random_search(
///         [](random_stream& r) { return log_uniform(r, 1e-4, 1e-1); },
///         [&](double rate) {
///           return cross_validate(folds, [&](const fold& f) { return accuracy_of(rate, f);
///           }).mean();
///         },
///         {.trials = 20, .seed = 1, .threads = 2});
///     found.best().options, found.best().score, found.trials[7].score
///
/// Results do not depend on the number of threads, as long as a trial depends on its options only.
#ifndef CHAINRULE_TRAIN_SEARCH_HPP
#define CHAINRULE_TRAIN_SEARCH_HPP

#include <chrono>
#include <cmath>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/backend/cpu/parallel.hpp"
#include "chainrule/data/split.hpp"

namespace chainrule {

/// The scores of the folds, in their order.
struct fold_scores {
  std::vector<double> values;

  /// Mean of the scores.
  [[nodiscard]] double mean() const {
    double sum = 0;
    for (const double v : values) sum += v;
    return sum / static_cast<double>(values.size());
  }
  /// The standard deviation of one fold's score, from n - 1; NaN of a single score.
  [[nodiscard]] double deviation() const {
    double squares = 0;
    for (const double v : values) squares += (v - mean()) * (v - mean());
    return std::sqrt(squares / (static_cast<double>(values.size()) - 1));
  }
  /// The standard error of the mean, as if the folds were independent.
  [[nodiscard]] double standard_error() const {
    return deviation() / std::sqrt(static_cast<double>(values.size()));
  }
};

/// score(fold) of each fold, on several threads at a time. Throws value_error if there are no folds
/// or no threads, and what `score` throws, once all folds are done.
template <class Score>
[[nodiscard]] fold_scores cross_validate(const std::vector<fold>& folds, const Score& score,
                                         int threads = 1) {
  if (folds.empty()) throw value_error("cross-validation needs folds; k_fold gives them, got none");
  fold_scores result{std::vector<double>(folds.size())};
  thread_pool(threads).for_each(static_cast<index_t>(folds.size()), [&](index_t i) {
    const auto at = static_cast<std::size_t>(i);
    result.values[at] = score(folds[at]);
  });
  return result;
}

/// Uniform in its logarithm, in [low, high): for rates and penalties. Throws value_error unless
/// 0 < low <= high.
[[nodiscard]] inline double log_uniform(random_stream& random, double low, double high) {
  if (!(low > 0) || !(low <= high) || !detail::is_finite(high))
    throw value_error(
        detail::concat("log_uniform draws between two numbers above 0, the smaller one first, got ",
                       low, " and ", high));
  return std::exp(random.uniform(std::log(low), std::log(high)));
}
/// One of the values, each equally likely. Throws value_error if there is none.
template <class T>
[[nodiscard]] T choice(random_stream& random, std::initializer_list<T> values) {
  if (values.size() == 0) throw value_error("choice needs at least one value to choose from");
  return values.begin()[random.below(static_cast<std::uint32_t>(values.size()))];
}

/// Whether the highest or the lowest score is the best.
enum class goal { highest, lowest };

struct search_options {
  /// Number of trials.
  int trials = 20;
  std::uint64_t seed = 0;  // of the options drawn: trial i has the same ones in longer searches
  /// Number of trials that run at the same time.
  int threads = 1;
  /// Which scores are the better ones.
  goal score = goal::highest;
};

/// A trial of a search.
template <class Options>
struct search_trial {
  /// What was tried.
  Options options;
  /// Its score; NaN if it failed.
  double score = std::numeric_limits<double>::quiet_NaN();
  /// How long it took.
  double seconds = 0;
  std::string failure;  // what an exception said, in place of a score
};

/// All trials of a search, in the order in which options were drawn.
template <class Options>
struct search_result {
  /// All trials, in the order of their numbers.
  std::vector<search_trial<Options>> trials;
  /// Which scores are the better ones.
  goal wanted = goal::highest;

  /// The first trial with the best score. Throws value_error if no score is a finite number.
  [[nodiscard]] const search_trial<Options>& best() const {
    const search_trial<Options>* found = nullptr;
    const std::string* failure = nullptr;
    for (const auto& t : trials) {
      if (failure == nullptr && !t.failure.empty()) failure = &t.failure;
      if (!detail::is_finite(t.score)) continue;
      if (found == nullptr ||
          (wanted == goal::highest ? t.score > found->score : t.score < found->score))
        found = &t;
    }
    if (found == nullptr)
      throw value_error(detail::concat("none of the ", trials.size(),
                                       " trials of the search has a finite score",
                                       failure == nullptr ? "" : "; the first failure: ",
                                       failure == nullptr ? std::string() : *failure));
    return *found;
  }
};

/// Draws the options of each trial, draw(random_stream&), and computes its score, score(options),
/// on several threads at a time. A trial that throws a std::exception has its text in place of a
/// score. Source: J. Bergstra, Y. Bengio, JMLR 13, 2012. Throws value_error if there are no trials
/// or no threads.
template <class Draw, class Score>
[[nodiscard]] auto random_search(const Draw& draw, const Score& score,
                                 const search_options& o = {}) {
  using options = std::remove_cvref_t<std::invoke_result_t<const Draw&, random_stream&>>;
  if (o.trials < 1)
    throw value_error(detail::concat("a search needs at least 1 trial, got ", o.trials));
  search_result<options> result{{}, o.score};
  for (int i = 0; i < o.trials; ++i) {
    random_stream random(
        o.seed, detail::stream_of(detail::data_stream::search, static_cast<std::uint64_t>(i)));
    result.trials.push_back({draw(random), std::numeric_limits<double>::quiet_NaN(), 0, {}});
  }
  thread_pool(o.threads).for_each(o.trials, [&](index_t i) {
    search_trial<options>& trial = result.trials[static_cast<std::size_t>(i)];
    const auto start = std::chrono::steady_clock::now();
    try {
      trial.score = score(std::as_const(trial.options));
    } catch (const std::exception& e) {
      trial.failure = e.what();
    }
    trial.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  });
  return result;
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_SEARCH_HPP

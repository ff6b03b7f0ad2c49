// Search over options and cross-validation: draws, threads, failures, and figures by hand.
#include "chainrule/train/search.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"

namespace search_test {

using namespace chainrule;

namespace {

struct options {
  double rate = 0;
  index_t hidden = 0;
  friend bool operator==(const options&, const options&) = default;
};

options draw(random_stream& random) {
  const double rate = log_uniform(random, 1e-4, 1e-1);
  return {rate, choice<index_t>(random, {8, 16, 32})};
}

/// Highest, 0, at a rate of 0.01.
double closeness(const options& o) { return -std::abs(std::log10(o.rate) + 2); }

}  // namespace

TEST_CASE("a search draws its options by the seed and finds the best", "[search]") {
  const auto found = random_search(draw, closeness, {.trials = 200, .seed = 3});
  REQUIRE(found.trials.size() == 200);
  std::set<index_t> widths;
  double lowest = 1, highest = 0, best = -10;
  int small = 0;
  for (const auto& t : found.trials) {
    widths.insert(t.options.hidden);
    lowest = std::min(lowest, t.options.rate);
    highest = std::max(highest, t.options.rate);
    best = std::max(best, t.score);
    small += t.options.rate < std::sqrt(1e-5) ? 1 : 0;
    CHECK(t.score == closeness(t.options));
    CHECK(t.seconds >= 0);
  }
  CHECK(widths == std::set<index_t>{8, 16, 32});
  CHECK(lowest >= 1e-4);
  CHECK(highest < 1e-1);
  // Half of 200 rates are below the middle of the logarithms, to five standard deviations.
  CHECK(std::abs(small - 100) < 36);
  CHECK(found.best().score == best);
  CHECK(std::abs(std::log10(found.best().options.rate) + 2) < 0.1);

  const auto longer = random_search(draw, closeness, {.trials = 250, .seed = 3});
  for (std::size_t i = 0; i < 200; ++i) CHECK(longer.trials[i].options == found.trials[i].options);
  const auto other = random_search(draw, closeness, {.trials = 1, .seed = 4});
  CHECK(!(other.trials[0].options == found.trials[0].options));
}

TEST_CASE("the lowest score is the best where that is the goal", "[search]") {
  const auto score = [](const options& o) { return -closeness(o); };
  const auto found = random_search(draw, score, {.trials = 20, .score = goal::lowest});
  for (const auto& t : found.trials) CHECK(found.best().score <= t.score);
}

TEST_CASE("trials that run beside each other train the same networks", "[search][threads]") {
  const auto loss = [](const options& o) {
    const basic_cpu<double> be{1};
    std::vector<double> x, y;
    for (int i = 0; i < 64; ++i) x.push_back(i / 32.0 - 1), y.push_back(x.back() * x.back());
    const dataset<basic_cpu<double>> data(be, host_matrix(x), host_matrix(y));
    network net{be, dense{1, o.hidden, fn::tanh{}}, dense{o.hidden, 1}};
    trainer t{net, mean_squared_error{}, momentum{o.rate, 0.9}};
    return t.fit(data, {.epochs = 3, .batch = 8}).epochs.back().training.loss;
  };
  const search_options alone{.trials = 8, .seed = 5, .score = goal::lowest};
  search_options beside = alone;
  beside.threads = 3;
  const auto one = random_search(draw, loss, alone);
  const auto three = random_search(draw, loss, beside);
  for (std::size_t i = 0; i < 8; ++i) CHECK(one.trials[i].score == three.trials[i].score);
  CHECK(one.best().score < 0.2);
}

TEST_CASE("a trial that fails does not end the search", "[search]") {
  std::atomic<int> calls{0};
  const auto score = [&](const double& x) -> double {
    ++calls;
    if (x < 0.3) throw value_error("too small");
    return x < 0.6 ? std::nan("") : x;
  };
  const auto uniform = [](random_stream& r) { return r.uniform(); };
  const auto found = random_search(uniform, score, {.trials = 40, .threads = 2});
  CHECK(calls == 40);
  int failures = 0;
  for (const auto& t : found.trials) {
    failures += t.failure == "too small" ? 1 : 0;
    CHECK((t.options < 0.3) == (t.failure == "too small"));
  }
  CHECK(failures > 0);
  CHECK(found.best().options >= 0.6);

  const auto never = [](double) -> double { throw value_error("no data"); };
  const auto none = random_search(uniform, never, {.trials = 2});
  CHECK_THROWS_WITH(none.best(),
                    "none of the 2 trials of the search has a finite score; the first failure: "
                    "no data");
}

TEST_CASE("cross-validation scores each fold once", "[search]") {
  const std::vector<fold> folds = k_fold(10, 5, 1);
  const auto first = [](const fold& f) { return static_cast<double>(f.validation[0]); };
  const fold_scores scores = cross_validate(folds, first, 2);
  REQUIRE(scores.values.size() == 5);
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(scores.values[i] == static_cast<double>(folds[i].validation[0]));

  const fold_scores known{{2, 4, 4, 6}};  // mean 4, squares 8, deviation sqrt(8/3)
  CHECK(known.mean() == 4);
  CHECK(known.deviation() == Approx(std::sqrt(8.0 / 3)).epsilon(1e-15));
  CHECK(known.standard_error() == Approx(std::sqrt(8.0 / 3) / 2).epsilon(1e-15));

  const auto fails = [](const fold&) -> double { throw value_error("not these"); };
  CHECK_THROWS_WITH(cross_validate(folds, fails), "not these");
  CHECK_THROWS_WITH(cross_validate({}, first),
                    "cross-validation needs folds; k_fold gives them, got none");
}

TEST_CASE("a search says which options of its own are wrong", "[search]") {
  CHECK_THROWS_WITH(random_search(draw, closeness, {.trials = 0}),
                    "a search needs at least 1 trial, got 0");
  random_stream random{1};
  CHECK_THROWS_WITH(log_uniform(random, 0, 1),
                    "log_uniform draws between two numbers above 0, the smaller one first, got 0 "
                    "and 1");
  CHECK_THROWS_WITH(log_uniform(random, 2, 1),
                    "log_uniform draws between two numbers above 0, the smaller one first, got 2 "
                    "and 1");
  CHECK_THROWS_AS(log_uniform(random, std::nan(""), 1), value_error);
  CHECK_THROWS_WITH(choice<int>(random, {}), "choice needs at least one value to choose from");
}

}  // namespace search_test

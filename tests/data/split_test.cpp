// Splits and folds: every sample is in exactly one part, and classes are shared out.
#include "chainrule/data/split.hpp"

#include <numeric>

#include "support/catch.hpp"

namespace split_test {

using namespace chainrule;

namespace {

using numbers = std::vector<std::int32_t>;

/// Whether the parts together are 0, ..., count - 1, each once, each part sorted.
bool is_partition(const std::vector<numbers>& parts, std::size_t count) {
  numbers all;
  for (const numbers& p : parts) {
    if (!std::is_sorted(p.begin(), p.end())) return false;
    all.insert(all.end(), p.begin(), p.end());
  }
  std::sort(all.begin(), all.end());
  numbers expected(count);
  std::iota(expected.begin(), expected.end(), 0);
  return all == expected;
}

/// 70 of class 0, 20 of class 3, 10 of class 7, mixed.
std::vector<int> make_labels() {
  std::vector<int> labels;
  for (int i = 0; i < 100; ++i) labels.push_back(i % 10 == 9 ? 7 : i % 5 == 2 ? 3 : 0);
  return labels;
}

std::size_t count_of(int label, const numbers& part, const std::vector<int>& labels) {
  std::size_t n = 0;
  for (const std::int32_t i : part) n += labels[static_cast<std::size_t>(i)] == label ? 1U : 0U;
  return n;
}

}  // namespace

TEST_CASE("split: sizes, all samples once, drawn from the seed") {
  const sample_split s = split_samples(101, {.validation = 0.1, .test = 0.25, .seed = 3});
  CHECK(s.test.size() == 25);                        // 25.25
  CHECK(s.validation.size() + s.test.size() == 35);  // 35.35
  CHECK(is_partition({s.train, s.validation, s.test}, 101));
  CHECK(split_samples(101, {.validation = 0.1, .test = 0.25, .seed = 3}).test == s.test);
  CHECK(split_samples(101, {.validation = 0.1, .test = 0.25, .seed = 4}).test != s.test);
  numbers first(25);
  std::iota(first.begin(), first.end(), 0);
  CHECK(s.test != first);
  CHECK(split_samples(10, {.validation = 0, .test = 0}).train.size() == 10);
  CHECK(split_samples(10, {.validation = 1}).validation.size() == 10);
  CHECK(split_samples(index_t{0}).train.empty());
  CHECK_THROWS_AS(split_samples(10, {.validation = 0.6, .test = 0.5}), value_error);
  CHECK_THROWS_AS(split_samples(10, {.validation = -0.1}), value_error);
  CHECK_THROWS_AS(split_samples(index_t{-1}), value_error);
}

TEST_CASE("split: each class is split by itself") {
  const std::vector<int> labels = make_labels();
  const sample_split s = split_samples(labels, {.validation = 0.2, .test = 0.1, .seed = 3});
  CHECK(is_partition({s.train, s.validation, s.test}, 100));
  CHECK(count_of(0, s.test, labels) == 7);
  CHECK(count_of(3, s.test, labels) == 2);
  CHECK(count_of(7, s.test, labels) == 1);
  CHECK(count_of(0, s.validation, labels) == 14);
  CHECK(count_of(3, s.validation, labels) == 4);
  CHECK(count_of(7, s.validation, labels) == 2);
}

TEST_CASE("k-fold: each sample is held out once, with equal shares of the classes") {
  std::vector<numbers> held_out;
  for (const fold& f : k_fold(23, 5, 1)) {
    CHECK(is_partition({f.train, f.validation}, 23));
    CHECK((f.validation.size() == 4 || f.validation.size() == 5));
    held_out.push_back(f.validation);
  }
  CHECK(held_out.size() == 5);
  CHECK(is_partition(held_out, 23));
  CHECK(k_fold(23, 5, 2)[0].validation != held_out[0]);

  const std::vector<int> labels = make_labels();
  held_out.clear();
  for (const fold& f : k_fold(labels, 4, 1)) {
    CHECK(f.validation.size() == 25);
    CHECK((count_of(0, f.validation, labels) == 17 || count_of(0, f.validation, labels) == 18));
    CHECK(count_of(3, f.validation, labels) == 5);
    CHECK((count_of(7, f.validation, labels) == 2 || count_of(7, f.validation, labels) == 3));
    held_out.push_back(f.validation);
  }
  CHECK(is_partition(held_out, 100));
  CHECK(k_fold(3, 3)[2].validation.size() == 1);
  CHECK_THROWS_AS(k_fold(3, 4), value_error);
  CHECK_THROWS_AS(k_fold(3, 1), value_error);
}

}  // namespace split_test

// The confusion matrix, by hand.
#include "chainrule/metrics/confusion_matrix.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

#include "support/catch.hpp"

namespace confusion_matrix_test {

using chainrule::averaging;
using chainrule::confusion_matrix;

namespace {
/// Class 0: 3 right, 1 taken for 1. Class 1: 1 right, 1 taken for 0, 2 for 2. Class 2: never there.
/// Class 3: one for nothing (NaN), one for a class that does not exist.
const std::vector<int> labels = {0, 0, 0, 0, 1, 1, 1, 1, 3, 3};
const std::vector<int> predictions = {0, 0, 0, 1, 1, 0, 2, 2, -1, 9};
}  // namespace

TEST_CASE("counts, precision, recall and accuracy") {
  const confusion_matrix m(labels, predictions, 4);
  CHECK(m.classes() == 4);
  CHECK(m.count(0, 0) == 3);
  CHECK(m.count(0, 1) == 1);
  CHECK(m.count(1, 0) == 1);
  CHECK(m.count(1, 1) == 1);
  CHECK(m.count(1, 2) == 2);
  CHECK(m.count(3, 3) == 0);
  CHECK(m.count(3, 4) == 2);  // taken for nothing
  CHECK(m.precision(0) == 3.0 / 4);
  CHECK(m.precision(1) == 1.0 / 2);
  CHECK(m.precision(2) == 0);
  CHECK(std::isnan(m.precision(3)));  // nothing was taken for it
  CHECK(m.recall(0) == 3.0 / 4);
  CHECK(m.recall(1) == 1.0 / 4);
  CHECK(std::isnan(m.recall(2)));  // it was not there
  CHECK(m.recall(3) == 0);
  CHECK(m.accuracy() == 4.0 / 10);
}

TEST_CASE("averages over classes") {
  // scikit-learn 1.9.1, for predictions that are all classes.
  const confusion_matrix all(labels, {0, 0, 0, 1, 1, 0, 2, 2, 1, 0}, 4);
  const double tolerance = 4 * std::numeric_limits<double>::epsilon();
  CHECK(std::fabs(all.f1(0) - 0.66666667) <= 1e-8);
  CHECK(std::fabs(all.f1(1) - 0.28571429) <= 1e-8);
  CHECK(std::fabs(all.precision(averaging::macro) - 0.23333333333333334) <= tolerance);
  CHECK(std::fabs(all.recall(averaging::macro) - 0.25) <= tolerance);
  CHECK(std::fabs(all.f1(averaging::macro) - 0.23809523809523808) <= tolerance);
  CHECK(all.precision(averaging::micro) == 0.4);
  CHECK(all.recall(averaging::micro) == 0.4);
  CHECK(all.f1(averaging::micro) == 0.4);

  // Two of ten predictions are of no class: 4 of 8 are right, F1 is 8 / 18.
  const confusion_matrix m(labels, predictions, 4);
  CHECK(m.precision(averaging::micro) == 4.0 / 8);
  CHECK(m.recall(averaging::micro) == 4.0 / 10);
  CHECK(m.f1(averaging::micro) == 8.0 / 18);
  CHECK(m.f1(0) == 6.0 / 8);
  CHECK(m.f1(3) == 0);
  // A class that is neither labelled nor predicted does not count.
  const confusion_matrix absent(std::vector<int>{0, 1}, {0, 0}, 3);
  CHECK(std::isnan(absent.f1(2)));
  CHECK(absent.precision(averaging::macro) == 0.25);
  CHECK(std::isnan(confusion_matrix(std::vector<int>{}, {}, 3).f1(averaging::macro)));
}

TEST_CASE("labels as bytes; nothing at all") {
  const std::vector<std::uint8_t> bytes(labels.begin(), labels.end());
  CHECK(confusion_matrix(bytes, predictions, 4).accuracy() == 0.4);
  CHECK(std::isnan(confusion_matrix(std::vector<int>{}, {}, 3).accuracy()));
}

TEST_CASE("as a table") {
  const confusion_matrix m(labels, predictions, 4);
  CHECK(to_string(m) ==
        "label \\ predicted\n"
        "         0    1    2    3   recall\n"
        "    0    3    1    .    .   0.7500\n"
        "    1    1    1    2    .   0.2500\n"
        "    2    .    .    .    .        -\n"
        "    3    .    .    .    .   0.0000\n"
        "prec. 0.75 0.50 0.00    -   0.4000 accuracy\n");
}

TEST_CASE("large counts keep the columns apart") {
  const std::vector<int> many(123456, 1);
  const std::string table = to_string(confusion_matrix(many, many, 2));
  CHECK(table ==
        "label \\ predicted\n"
        "           0      1   recall\n"
        "    0      .      .        -\n"
        "    1      . 123456   1.0000\n"
        "prec.      -   1.00   1.0000 accuracy\n");
}

TEST_CASE("labels that do not fit are refused") {
  const auto message = [](const auto& l, const std::vector<int>& p, int classes = 3) {
    try {
      const confusion_matrix m(l, p, classes);
    } catch (const chainrule::error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  using ints = std::vector<int>;
  CHECK(message(ints{0, 1}, {0}) == "1 predictions do not fit 2 labels");
  CHECK(message(ints{0, 3}, {0, 0}) == "the label of sample 1 is 3, expected 0 to 2");
  CHECK(message(ints{-1}, {0}) == "the label of sample 0 is -1, expected 0 to 2");
  CHECK(message(std::vector<std::size_t>{(std::size_t{1} << 32U) + 1}, {0}) ==
        "the label of sample 0 is 4294967297, expected 0 to 2");
  CHECK(message(std::vector<float>{1, 1.9F}, {0, 0}) ==
        "the label of sample 1 is 1.9, expected a whole number from 0 to 2");
  for (const int classes : {0, -1})
    CHECK(message(ints{0}, {0}, classes) ==
          "a confusion matrix needs at least 1 class, got " + std::to_string(classes));
}

}  // namespace confusion_matrix_test

// Iris and digits of 8 x 8 pixels, as a user would train on them: at least as accurate on unseen
// samples as scikit-learn's MLPClassifier of equal size, to one standard error. The sets and the
// figures are made by small_sets.py.
#include <cmath>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/data/csv.hpp"
#include "chainrule/data/npy.hpp"
#include "chainrule/data/scaler.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/optim/adaptive.hpp"
#include "chainrule/train/search.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"

namespace small_sets_test {

using namespace chainrule;

namespace {

const std::string folder = std::string(CHAINRULE_TESTS_FOLDER) + "/train/sets/";

struct setting {
  index_t hidden;
  int epochs;
  double rate;
};

/// The accuracy over five folds, mean of five seeds.
double accuracy_of(const host_matrix& x, const std::vector<int>& labels, const setting& s) {
  const int classes = *std::max_element(labels.begin(), labels.end()) + 1;
  double sum = 0;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    const auto score = [&](const fold& f) {
      const cpu be{1};
      const scaler scale = scaler::standard(x.select(f.train));
      const dataset data(be, scale.transform(x), labels, classes);
      network net{be, dense{x.cols(), s.hidden, relu{}}, dense{s.hidden, classes}};
      net.initialize(seed);
      trainer t{net, softmax_cross_entropy{}, adam{s.rate}};
      t.fit(data.subset(f.train), {.epochs = s.epochs, .batch = 32, .seed = seed});
      return t.evaluate(data.subset(f.validation)).accuracy;
    };
    sum += cross_validate(k_fold(labels, 5, seed), score, 2).mean();
  }
  return sum / 5;
}

}  // namespace

// scikit-learn 1.9.1: 0.958667, standard error over the seeds 0.005735.
TEST_CASE("iris is learned as well as by scikit-learn", "[sets]") {
  const table flowers = read_csv(folder + "iris.csv");
  const class_column kind = flowers.classes("kind");
  REQUIRE(flowers.rows() == 150);
  REQUIRE(kind.count() == 3);
  const double accuracy =
      accuracy_of(flowers.values(flowers.names_without({"kind"})), kind.numbers, {16, 200, 0.005});
  CAPTURE(accuracy);
  CHECK(accuracy >= 0.958667 - 0.005735);
}

#ifdef CHAINRULE_WITH_ZLIB
// scikit-learn 1.9.1: 0.977740, standard error over the seeds 0.001231.
TEST_CASE("the digits of 8 x 8 pixels are learned as well as by scikit-learn", "[sets]") {
  const std::map<std::string, npy_array> arrays = read_npz(folder + "digits.npz");
  std::vector<int> labels;
  for (const std::uint8_t l : arrays.at("labels").elements<std::uint8_t>()) labels.push_back(l);
  REQUIRE(labels.size() == 1797);
  const double accuracy = accuracy_of(arrays.at("x").matrix(), labels, {64, 40, 0.002});
  CAPTURE(accuracy);
  CHECK(accuracy >= 0.977740 - 0.001231);
}
#endif

}  // namespace small_sets_test

// Training learns, and gives the same bits for the same seed.
#include "../../examples/support/synthetic_digits.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"
#include "train/two_epochs.hpp"

namespace learning_test {

using namespace batches;

TEMPLATE_LIST_TEST_CASE("the same seed gives the same bits", "", backends) {
  const labelled_images images = synthetic_digits(300, 3);
  const outcome first = two_epochs(TestType(), images, 7);
  for (const double f : first.figures) CHECK(std::isfinite(f));
  CHECK(first.figures[4] < first.figures[0]);  // the loss of the second epoch
  const outcome again = two_epochs(TestType(), images, 7);
  CHECK(same_bits(again.figures, first.figures));
  CHECK(same_bits(again.parameters, first.parameters));
  const outcome other = two_epochs(TestType(), images, 8);
  CHECK(!same_bits(other.figures, first.figures));
}

TEST_CASE("a network with a hidden layer learns exclusive or") {
  const std::vector<float> x = {0, 0, 0, 1, 1, 0, 1, 1};
  const std::vector<float> t = {0, 1, 1, 0};
  using B = tested<float>;
  const B be;
  const dataset<B> data(be, matrix_view<const float>(x.data(), 4, 2),
                        matrix_view<const float>(t.data(), 4, 1));
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    network net{be, dense{2, 8, fn::tanh{}}, dense{8, 1}};
    net.initialize(seed);
    trainer trainer{net, quadratic_cost{}, momentum{.rate = 0.1}};
    const double before = trainer.evaluate(data).loss;
    const history h = trainer.fit(data, {.epochs = 500, .batch = 4, .seed = seed});
    CAPTURE(seed, before);
    CHECK(h.epochs.front().training.loss > 0.01);
    CHECK(trainer.evaluate(data).loss < 1e-4);
    const tensor<B> four = from_host(be, matrix_view<const float>(x.data(), 4, 2));
    const std::vector<double> y = doubles(be, net.predict(four.view()));
    for (std::size_t i = 0; i < 4; ++i) CHECK((y[i] > 0.5) == (t[i] > 0.5F));
  }
}

TEST_CASE("regression: a network learns a sine from its values") {
  using B = tested<double>;
  std::vector<double> x;
  std::vector<double> t;
  for (int i = 0; i < 200; ++i) {
    x.push_back(-3 + 6 * i / 199.0);
    t.push_back(std::sin(x.back()));
  }
  const B be;
  const auto view = [](const std::vector<double>& v) {
    return matrix_view<const double>(v.data(), static_cast<index_t>(v.size()), 1);
  };
  const dataset<B> data(be, view(x), view(t));
  network net{be, dense{1, 20, fn::tanh{}}, dense{20, 1}};
  net.initialize(4);
  trainer trainer{net, mean_squared_error{}, adam{.rate = cosine(0.05, 400 * 10)}};
  const history h = trainer.fit(data, {.epochs = 400, .batch = 20, .seed = 4});
  CHECK(h.epochs.front().training.loss > 0.05);
  const metrics f = trainer.evaluate(data);
  CHECK(f.loss < 1e-3);  // the targets have a variance of a half
  CHECK(!f.has_accuracy());
  CHECK(h.epochs.back().rate < 1e-6);
}

TEST_CASE("classes that can be told apart are learned from bytes, and told apart elsewhere") {
  const labelled_images learned = synthetic_digits(600, 1);
  const labelled_images unseen = synthetic_digits(200, 2);
  using B = tested<float>;
  const B be;
  const dataset<B> train(be, learned);
  const dataset<B> test(be, unseen);
  network net{be, dense{784, 32, relu{}}, dense{32, 10}};
  net.initialize(1);
  trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.05}};
  const metrics before = t.evaluate(test);
  const history h = t.fit(train, {.epochs = 8, .batch = 32, .seed = 1});
  CHECK(before.accuracy < 0.4);
  CHECK(h.epochs.back().training.loss < 0.5 * h.epochs.front().training.loss);
  CHECK(h.epochs.back().training.accuracy > 0.9);
  CHECK(t.evaluate(test).accuracy > 0.7);

  // What classify says is what evaluate counts.
  const std::vector<int> classes = t.classify(test);
  int right = 0;
  for (std::size_t i = 0; i < classes.size(); ++i) right += classes[i] == unseen.labels[i] ? 1 : 0;
  CHECK(t.evaluate(test).accuracy == right / 200.0);
}

}  // namespace learning_test

// Weights of samples and of classes beside PyTorch's losses (2.15.0) and scikit-learn's balanced
// weights, which reference.py prints, and beside repeated samples.
#include <cstdint>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/classification.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace sample_weights_test {

using namespace batches;

namespace {

/// Six samples of two features in three classes, and the network that reference.py begins with.
template <class B>
struct six_samples {
  B be;
  std::vector<scalar_t<B>> x, t = std::vector<scalar_t<B>>(18, scalar_t<B>(0.5));
  std::vector<int> labels{0, 2, 1, 0, 0, 2};

  six_samples() {
    for (int i = 0; i < 6; ++i)
      for (int j = 0; j < 2; ++j)
        x.push_back(static_cast<scalar_t<B>>((i * 7 + j * 3) % 11 - 5) / 4);
  }
  [[nodiscard]] matrix_view<const scalar_t<B>> inputs() const { return {x.data(), 6, 2}; }
  [[nodiscard]] dataset<B> classes() const { return {be, inputs(), labels, 3}; }
  [[nodiscard]] dataset<B> values() const {
    return {be, inputs(), matrix_view<const scalar_t<B>>(t.data(), 6, 3)};
  }
  [[nodiscard]] auto net() const {
    network n{be, dense{2, 3}};
    std::vector<double> w;
    for (int i = 0; i < 2; ++i)
      for (int j = 0; j < 3; ++j) w.push_back((3 * i - 2 * j + 1) / 8.0);
    be.copy(n.values("0.weight"), numbers(be, 2, 3, w).view());
    return n;
  }
};

const std::vector<double> samples_weights{0.5, 2, 0, 1.25, 3, 0.75};

/// Three steps on full batches beside those of PyTorch.
template <class B, class Loss>
void agree(const Loss& loss, const dataset<B>& data, const std::vector<double>& losses,
           const std::vector<double>& weights, const std::vector<double>& biases) {
  auto net = six_samples<B>().net();
  trainer t{net, loss, sgd{0.5}};
  CHECK(std::abs(t.evaluate(data).loss - losses[0]) <= 100 * epsilon<B>);
  std::vector<double> got;
  for (const epoch_record& r : t.fit(data, {.epochs = 3, .validation = &data}).epochs)
    got.push_back(r.training.loss);
  // Each step rounds some 50 times numbers of up to 4.
  CHECK(distance(got, losses) <= 200 * epsilon<B>);
  CHECK(distance(doubles<B>(net.backend(), net.values("0.weight")), weights) <= 200 * epsilon<B>);
  CHECK(distance(doubles<B>(net.backend(), net.values("0.bias")), biases) <= 200 * epsilon<B>);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("balanced class weights are scikit-learn's, and train as PyTorch's do",
                        "[train][weights]", backends) {
  const six_samples<TestType> six;
  const auto data = six.classes();
  const std::vector<double> balanced = balanced_class_weights(data);
  CHECK(distance(balanced, std::vector<double>{0.6666666666666666, 2.0, 1.0}) <= 1e-15);
  agree<TestType>(softmax_cross_entropy{}, data.weighted_by_class(balanced),
                  {1.1642737822410545, 1.1306261282077734, 1.102447200166828},
                  {0.17769707093934162, -0.2713885062046449, -0.28130856473469684,
                   0.27762119674632396, 0.24756543033133122, 0.22481337292234474},
                  {-0.0025580337432388536, 0.002516968969076293, 4.106477416263368e-05});
}

TEMPLATE_LIST_TEST_CASE("sample weights multiply loss and gradient before the mean over the batch",
                        "[train][weights]", backends) {
  const six_samples<TestType> six;
  agree<TestType>(softmax_cross_entropy{}, six.classes().weighted(samples_weights),
                  {1.3946890460804073, 1.2154342364911135, 1.1085939150285105},
                  {0.22673641858892613, -0.2475056387577901, -0.35423077983113604,
                   0.38520354114760225, 0.010361692429797592, 0.3544347664226002},
                  {0.3399189468367241, -0.47006406949212226, 0.13014512265539818});
  agree<TestType>(mean_squared_error{}, six.values().weighted(samples_weights),
                  {0.3384602864583333, 0.12860779751434576, 0.07804998272179793},
                  {0.11711735056588023, -0.00272397568196428, -0.1225653019298088,
                   0.2948814099054114, 0.22056291803247483, 0.1462444261595382},
                  {0.18919595965632682, 0.29091651645707495, 0.39263707325782304});
}

TEMPLATE_LIST_TEST_CASE("metrics are without weights, losses of training and validation with them",
                        "[train][weights]", backends) {
  const six_samples<TestType> six;
  const auto data = six.classes();
  const auto weighted = data.weighted({1, 0, 0, 0, 0, 0});
  auto net = six.net();
  trainer t{net, softmax_cross_entropy{}, sgd{0}, {accuracy{}, log_loss{}}};
  const metrics plain = t.evaluate(data);
  const metrics m = t.evaluate(weighted);
  CHECK(m.accuracy == plain.accuracy);
  CHECK(m["log loss"] == plain["log loss"]);
  const double first = t.evaluate(data.subset(std::vector<std::int32_t>{0})).loss;
  CHECK(std::abs(m.loss - first / 6) <= 10 * epsilon<TestType>);
  const history h = t.fit(weighted, {.epochs = 1, .batch = 4, .validation = &weighted});
  CHECK(std::abs(h.epochs[0].training.loss - first / 6) <= 10 * epsilon<TestType>);
  CHECK(h.epochs[0].validation.loss == m.loss);
  CHECK(h.epochs[0].training.accuracy == plain.accuracy);
}

TEMPLATE_LIST_TEST_CASE("a sample of weight w counts as w samples", "[train][weights]", backends) {
  using B = TestType;
  // Enough samples for micro-batches; weights of 0, 1 and 2, whose mean is 1.
  constexpr index_t count = 96;
  random_stream random(3);
  std::vector<scalar_t<B>> x;
  std::vector<int> labels;
  std::vector<double> weights;
  std::vector<std::int32_t> repeated;
  for (index_t i = 0; i < count; ++i) {
    for (int j = 0; j < 5; ++j) x.push_back(static_cast<scalar_t<B>>(random.uniform(-1, 1)));
    labels.push_back(static_cast<int>(i % 3));
    weights.push_back(static_cast<double>((i + i / 7) % 2 == 0 ? i % 4 == 0 ? 1 : 2 : 0));
  }
  double sum = 0;
  for (const double w : weights) sum += w;
  for (std::size_t i = 0; sum != count; i = (i + 5) % count) {  // the mean is to be 1
    const double w = sum < count ? std::min(weights[i] + 1, 2.0) : std::max(weights[i] - 1, 0.0);
    sum += w - weights[i];
    weights[i] = w;
  }
  for (std::int32_t i = 0; i < count; ++i)
    for (double n = 0; n < weights[static_cast<std::size_t>(i)]; ++n) repeated.push_back(i);
  REQUIRE(repeated.size() == count);

  const B be;
  const matrix_view<const scalar_t<B>> inputs(x.data(), count, 5);
  const dataset<B> data(be, inputs, labels, 3);
  const auto train = [&](const dataset<B>& d, index_t parts) {
    network net{be, dense{5, 7, fn::tanh{}}, dense{7, 3}};
    net.initialize(1);
    trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.3}};
    t.fit(d, {.epochs = 5, .batch = count, .micro_batches = parts});
    return doubles(be, const_matrix<B>(net.parameters().all()));
  };
  const auto expected = train(data.subset(repeated), 1);
  // Sums of 96 products of numbers below 1, in another order, in five steps.
  constexpr double bound = 500 * epsilon<B>;
  CHECK(distance(train(data.weighted(weights), 1), expected) <= bound);
  CHECK(distance(train(data, 1), expected) > 1e-3);
  if constexpr (parallel_backend<B>)
    CHECK(distance(train(data.weighted(weights), 3), expected) <= bound);
  if constexpr (dataset<B>::can_stream) {
    const dataset<B> sent(be, inputs, labels, 3, {}, {.inputs = residence::streamed});
    CHECK(same_bits(train(sent.weighted(weights), 1), train(data.weighted(weights), 1)));
  }
}

TEMPLATE_LIST_TEST_CASE("weights of 1 change no bit, and a sample of weight 0 may lack its target",
                        "[train][weights]", backends) {
  using B = TestType;
  six_samples<B> six;
  const auto train = [&](const dataset<B>& data) {
    auto net = six.net();
    trainer t{net, mean_squared_error{}, momentum{.rate = 0.1}};
    t.fit(data, {.epochs = 3, .batch = 4});
    return doubles<B>(six.be, net.values("0.weight"));
  };
  CHECK(same_bits(train(six.values().weighted(std::vector<double>(6, 1))), train(six.values())));
  const auto without = train(six.values().weighted({1, 1, 0, 1, 1, 1}));
  six.t[7] = static_cast<scalar_t<B>>(not_a_number);
  CHECK(same_bits(train(six.values().weighted({1, 1, 0, 1, 1, 1})), without));
  CHECK(largest(without) > 0);
}

TEST_CASE("subsets keep the weights of their samples, and may be given their own",
          "[train][weights]") {
  using B = tested<double>;
  const six_samples<B> six;
  const auto loss = [&](const dataset<B>& data) {
    auto net = six.net();
    return evaluate(net, softmax_cross_entropy{}, data).loss;
  };
  const auto of = [&](std::int32_t i) { return loss(six.classes().subset(std::vector{i})); };
  const std::vector<std::int32_t> numbers{4, 1, 4};
  const auto near = [](double a, double b) { return std::abs(a - b) <= 1e-14 * b; };
  CHECK(near(loss(six.classes().weighted(samples_weights).subset(numbers)),
             (3 * of(4) + 2 * of(1) + 3 * of(4)) / 3));
  const auto part = six.classes().subset(numbers);
  CHECK(near(loss(part.weighted({2, 5, 2})), (2 * of(4) + 5 * of(1) + 2 * of(4)) / 3));
  CHECK(near(loss(part.weighted_by_class({0, 0, 7})), 7 * of(1) / 3));
  CHECK(balanced_class_weights(part) == std::vector<double>{0.75, 1, 1.5});  // of two classes
  CHECK(complaint<value_error>([&] {
          (void)part.weighted({2, 5, 3});
        }) == "a sample that a subset names twice has one weight, sample 2 has 3 and before it 2");
  CHECK_FALSE(part.is_weighted());
  CHECK(part.weighted({1, 1, 1}).subset(std::vector<std::int32_t>{0}).is_weighted());
}

TEST_CASE("weights that are none are refused", "[train][weights]") {
  const six_samples<tested<float>> six;
  const auto data = six.classes();
  CHECK(complaint<shape_error>([&] {
          (void)data.weighted({1, 2});
        }) == "a data set needs one weight per sample, got 2 weights for 6 samples");
  CHECK(complaint<shape_error>([&] {
          (void)data.weighted_by_class({1, 2});
        }) == "a data set needs one weight per class, got 2 weights for 3 classes");
  for (const double bad : {-1.0, inf, not_a_number, 1e300}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(data.weighted({1, 1, bad, 1, 1, 1}), value_error);
    CHECK_THROWS_AS(data.weighted_by_class({1, bad, 1}), value_error);
  }
  CHECK(complaint<value_error>([&] {
          (void)data.weighted({1, 1, -1, 1, 1, 1});
        }) == "the weight of a sample must be finite and at least 0, that of sample 2 is -1");
  const std::string values =
      "the targets of this data set are values, not classes; make it of labels and the number of "
      "classes";
  CHECK(complaint<value_error>([&] { (void)six.values().weighted_by_class({}); }) == values);
  CHECK(complaint<value_error>([&] { (void)balanced_class_weights(six.values()); }) == values);
}

}  // namespace sample_weights_test

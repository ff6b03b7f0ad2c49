// Dropout: rate, mean, masks as a function of (seed, step, layer), nothing outside of training.
#include "chainrule/layers/dropout.hpp"

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace dropout_test {

using namespace batches;

namespace {

/// dense that passes its input on, then dropout: the outputs are x, dropped.
template <class B>
network<B> identity_then(const B& be, index_t features, std::vector<double> rates) {
  std::vector<any_layer<B>> specs{dense{features, features}.weights(init::zeros())};
  for (const double p : rates) specs.emplace_back(dropout{p});
  network<B> net{be, specs};
  std::vector<double> one(static_cast<std::size_t>(features * features), 0);
  for (index_t i = 0; i < features; ++i) one[static_cast<std::size_t>(i * features + i)] = 1;
  be.copy(net.values("0.weight"), numbers(be, features, features, one).view());
  return net;
}

template <class B>
std::vector<double> outputs(const network<B>& net, const tensor<B>& x, const phase& p) {
  pass<B> memory = net.make_pass(x.rows(), p.training);
  return doubles(net.backend(), net.forward(x.view(), memory, p));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("dropout drops at its rate and keeps the mean", "[layers][dropout]",
                        backends) {
  const TestType be;
  constexpr index_t rows = 400;
  constexpr index_t features = 25;
  const double count = rows * features;
  const tensor<TestType> ones = numbers(
      be, rows, features, std::vector<double>(static_cast<std::size_t>(rows * features), 1));
  for (const double p : {0.1, 0.5, 0.8}) {
    const auto net = identity_then(be, features, {p});
    double total = 0;
    double dropped = 0;
    bool scaled = true;
    for (const double y : outputs(net, ones, phase::train(1, 2))) {
      total += y;
      dropped += y == 0 ? 1 : 0;
      scaled = scaled && (y == 0 || std::fabs(y - 1 / (1 - p)) <= 4 * epsilon<TestType> / (1 - p));
    }
    CAPTURE(p, dropped, total);
    CHECK(scaled);
    // Binomial: within five standard deviations. The numbers are fixed by the seed.
    const double deviation = std::sqrt(count * p * (1 - p));
    CHECK(std::fabs(dropped - count * p) <= 5 * deviation);
    CHECK(std::fabs(total - count) <= 5 * deviation / (1 - p));
  }
}

TEMPLATE_LIST_TEST_CASE("dropout draws by seed, step and layer", "[layers][dropout]", backends) {
  const TestType be;
  const tensor<TestType> x = uniform(be, 9, 21, 4, 1, 2);
  const auto net = identity_then(be, 21, {0.5});
  const auto mask = outputs(net, x, phase::train(3, 5));
  CHECK(same_bits(mask, outputs(net, x, phase::train(3, 5))));
  CHECK_FALSE(same_bits(mask, outputs(net, x, phase::train(3, 6))));
  CHECK_FALSE(same_bits(mask, outputs(net, x, phase::train(4, 5))));

  // Two dropouts in one network do not drop the same elements: a quarter is left, not a half.
  const auto twice = outputs(identity_then(be, 21, {0.5, 0.5}), x, phase::train(3, 5));
  const auto left = [](const std::vector<double>& y) {
    return static_cast<double>(std::count_if(y.begin(), y.end(), [](double v) { return v != 0; }));
  };
  const double n = 9 * 21;
  CHECK(std::fabs(left(mask) - n / 2) <= 5 * std::sqrt(n * 0.25));
  CHECK(std::fabs(left(twice) - n / 4) <= 5 * std::sqrt(n * 0.1875));

  // Neighbouring steps are not shifted copies of each other.
  const auto next = outputs(net, x, phase::train(3, 6));
  double agree = 0;
  for (std::size_t i = 0; i < mask.size(); ++i) agree += (mask[i] == 0) == (next[i] == 0) ? 1 : 0;
  CHECK(std::fabs(agree - n / 2) <= 5 * std::sqrt(n * 0.25));
}

TEMPLATE_LIST_TEST_CASE("dropout passes its input on outside of training", "[layers][dropout]",
                        backends) {
  const TestType be;
  const tensor<TestType> x = uniform(be, 9, 5, 4);
  const auto net = identity_then(be, 5, {0.9, 0.5});
  CHECK(same_bits(outputs(net, x, phase{}), doubles(be, x)));
  CHECK(same_bits(doubles(be, net.predict(x.view())), doubles(be, x)));
  // A pass made for training changes nothing: it is the phase that counts.
  pass<TestType> memory = net.make_pass(9, true);
  CHECK(same_bits(doubles(be, net.forward(x.view(), memory)), doubles(be, x)));
}

TEMPLATE_LIST_TEST_CASE("dropout of probability 0 changes nothing", "[layers][dropout]", backends) {
  const TestType be;
  const tensor<TestType> x = uniform(be, 9, 5, 4);
  CHECK(same_bits(outputs(identity_then(be, 5, {0.0}), x, phase::train(1, 1)), doubles(be, x)));
}

TEMPLATE_LIST_TEST_CASE("a sample's mask does not depend on the size of its batch",
                        "[layers][dropout]", backends) {
  const TestType be;
  const tensor<TestType> x = uniform(be, 9, 5, 4);
  const auto net = identity_then(be, 5, {0.5});
  pass<TestType> memory = net.make_pass(9, true);
  const auto all = doubles(be, net.forward(x.view(), memory, phase::train(1, 1)));
  const auto some =
      doubles(be, net.forward(x.view().middle_rows(0, 4), memory, phase::train(1, 1)));
  CHECK(same_bits(some, {all.begin(), all.begin() + 20}));
}

TEMPLATE_LIST_TEST_CASE("dropout2d drops whole channels of samples", "[layers][dropout]",
                        backends) {
  using B = TestType;
  const B be;
  constexpr index_t rows = 60;
  constexpr index_t positions = 5;  // not a power of 2
  constexpr index_t channels = 7;
  constexpr double p = 0.25;
  network<B> net{be, {input{positions, channels}, dropout2d{p}}};
  const tensor<B> x = uniform(be, rows, positions * channels, 4, 1, 2);
  const auto values = doubles(be, x);
  auto memory = net.make_pass(rows, true);
  const auto y = doubles(be, net.forward(x.view(), memory, phase::train(3, 5)));
  be.copy(net.output_gradient(memory), x.view());
  auto gradients = net.make_gradients();
  tensor<B> dx =
      numbers(be, rows, positions * channels, std::vector<double>(values.size(), not_a_number));
  net.backward(x.view(), memory, gradients, dx.view());
  CHECK(same_bits(doubles(be, dx), y));  // the gradient of x itself is masked as x is

  double dropped = 0;
  bool whole = true;
  bool scaled = true;
  for (index_t s = 0; s < rows; ++s)
    for (index_t c = 0; c < channels; ++c) {
      const auto at = [&](index_t i) {
        return static_cast<std::size_t>((s * positions + i) * channels + c);
      };
      const bool is_zero = y[at(0)] == 0;
      dropped += is_zero ? 1 : 0;
      for (index_t i = 0; i < positions; ++i) {
        whole = whole && (y[at(i)] == 0) == is_zero;
        const double expected = values[at(i)] / (1 - p);
        scaled = scaled && (is_zero || std::fabs(y[at(i)] - expected) <= 4 * epsilon<B> * expected);
      }
    }
  CHECK(whole);
  CHECK(scaled);
  const double count = rows * channels;
  CHECK(std::fabs(dropped - count * p) <= 5 * std::sqrt(count * p * (1 - p)));
  CHECK(same_bits(doubles(be, net.predict(x.view())), values));

  const auto some =
      doubles(be, net.forward(x.view().middle_rows(0, 4), memory, phase::train(3, 5)));
  CHECK(same_bits(some, {y.begin(), y.begin() + 4 * positions * channels}));
}

TEST_CASE("probabilities of dropout are checked", "[layers][dropout]") {
  for (const double p : {-0.1, 1.0, std::nan("")}) {
    CHECK_THROWS_AS(dropout{p}, value_error);
    CHECK_THROWS_AS(dropout2d{p}, value_error);
  }
}

}  // namespace dropout_test

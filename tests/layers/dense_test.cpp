// What a dense layer and an activation layer compute; float beside double; samples do not see each
// other.
#include "chainrule/layers/dense.hpp"

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace dense_test {

using namespace batches;

namespace {

/// The largest slope of the activations below: gelu's, 1.13.
constexpr double steepest = 1.13;

/// How far the outputs of a chain of dense layers in precision `eps` may be from exact ones: each
/// layer passes on what it is given times its steepest row and slope, and adds the rounding of
/// sums of inputs + 1 products and of a function of a few ulps.
template <class Network>
double forward_bound(const Network& net, double input, double eps) {
  double magnitude = input;
  double error = 0;
  for (index_t l = 0; l < net.depth(); ++l) {
    const auto& be = net.backend();
    const auto w = net.values(detail::concat(l, ".weight"));
    const std::vector<double> weights = doubles(be, w);
    const std::vector<double> biases = doubles(be, net.values(detail::concat(l, ".bias")));
    double row = 0;  // the largest sum of the magnitudes of one output's weights
    for (index_t j = 0; j < w.cols(); ++j) {
      double total = 0;
      for (index_t i = 0; i < w.rows(); ++i)
        total += std::fabs(weights[static_cast<std::size_t>(i * w.cols() + j)]);
      row = std::max(row, total);
    }
    const double reach = row * magnitude + largest(biases);
    error = steepest * (row * error + static_cast<double>(w.rows() + 2) * eps * reach) +
            16 * eps * std::max(1.0, reach);
    magnitude = reach;  // |f(z)| <= |z| for all of them
  }
  return error;
}

template <class B>
network<B> deep(const B& be) {
  network<B> net{be,
                 {dense{13, 9, gelu{}}.bias(init::uniform(-1, 1)),
                  dense{9, 7, fn::tanh{}}.bias(init::uniform(-1, 1)), dense{7, 3}}};
  net.initialize(21);
  return net;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("dense is x W + b, samples in rows", "[layers]", backends) {
  const TestType be;
  network<TestType> net{be, {dense{3, 2}}};
  // Small integers: every sum is exact.
  be.copy(net.values("0.weight"), numbers(be, 3, 2, {1, -2, 3, 4, -5, 6}).view());
  be.copy(net.values("0.bias"), numbers(be, 1, 2, {10, -20}).view());
  const tensor<TestType> x = numbers(be, 2, 3, {1, 2, 3, -1, 0, 4});
  CHECK(doubles(be, net.predict(x.view())) == std::vector<double>{2, 4, -11, 6});
}

TEMPLATE_LIST_TEST_CASE("dense applies its activation after the bias", "[layers]", backends) {
  const TestType be;
  network<TestType> net{be, {dense{1, 4, relu{}}, activation{leaky_relu{0.5}}}};
  be.copy(net.values("0.weight"), numbers(be, 1, 4, {1, 1, 1, 1}).view());
  be.copy(net.values("0.bias"), numbers(be, 1, 4, {-3, -2, -1, 5}).view());
  const tensor<TestType> x = numbers(be, 1, 1, {2});
  CHECK(doubles(be, net.predict(x.view())) == std::vector<double>{0, 0, 1, 7});
}

TEMPLATE_LIST_TEST_CASE("training and inference compute the same outputs", "[layers]", backends) {
  // gelu keeps its pre-activation in training and not otherwise: two ways to one result.
  const TestType be;
  const network<TestType> net = deep(be);
  const tensor<TestType> x = uniform(be, 19, 13, 1);
  pass<TestType> training = net.make_pass(19, true);
  const auto trained = doubles(be, net.forward(x.view(), training, phase::train(0, 0)));
  const auto predicted = doubles(be, net.predict(x.view()));
  CHECK(distance(trained, predicted) <= 2 * forward_bound(net, 1, epsilon<TestType>));
}

TEST_CASE("float agrees with double within the rounding of its sums", "[layers]") {
  const tested<float> single;
  const tested<double> twice;
  const network<tested<float>> f = deep(single);
  const network<tested<double>> d = deep(twice);
  const auto outputs = doubles(single, f.predict(uniform(single, 23, 13, 1).view()));
  const auto exact = doubles(twice, d.predict(uniform(twice, 23, 13, 1).view()));
  // Weights and input are rounded too: one more half ulp per product, within the bound's + 2.
  const double bound = forward_bound(d, 1, epsilon<tested<float>>);
  CAPTURE(bound, distance(outputs, exact), largest(exact));
  CHECK(distance(outputs, exact) <= bound);
  CHECK(bound < 1e-3 * largest(exact));  // a bound that says something
}

TEMPLATE_LIST_TEST_CASE("a sample's outputs do not depend on its batch", "[layers]", backends) {
  const TestType be;
  const network<TestType> net = deep(be);
  const double bound = 2 * forward_bound(net, 1, epsilon<TestType>);
  const tensor<TestType> x = uniform(be, 67, 13, 1);
  const auto together = doubles(be, net.predict(x.view()));
  double worst = 0;
  for (index_t i = 0; i < x.rows(); ++i) {
    const auto alone = doubles(be, net.predict(x.view().middle_rows(i, 1)));
    REQUIRE(alone.size() == 3);
    for (std::size_t j = 0; j < 3; ++j)
      worst = std::max(worst, std::fabs(alone[j] - together[static_cast<std::size_t>(i) * 3 + j]));
  }
  CHECK(worst <= bound);
}

TEST_CASE("a lambda that captures by value is an activation", "[layers]") {
  const tested<double> be;
  const double slope = 0.25;
  const auto leaky = [slope](auto x) { return where(x > 0, x, slope * x); };
  network<tested<double>> by_lambda{be, {dense{3, 5, leaky}}};
  network<tested<double>> by_name{be, {dense{3, 5, leaky_relu{slope}}}};
  by_name.assign(by_lambda);
  const tensor<tested<double>> x = uniform(be, 7, 3, 1);
  CHECK(
      same_bits(doubles(be, by_lambda.predict(x.view())), doubles(be, by_name.predict(x.view()))));
}

TEST_CASE("dense saves the pre-activation only where the derivative needs it", "[layers]") {
  const tested<double> be;
  const auto saved = [&](any_layer<tested<double>> spec) {
    const network<tested<double>> net{be, {std::move(spec)}};
    index_t count = 0;
    for (const plan::saved_matrix& m : net.declared().saved())
      count += m.in_inference ? 0 : m.per_sample;
    return count;
  };
  CHECK(saved(dense{3, 5}) == 0);
  CHECK(saved(dense{3, 5, fn::sigmoid{}}) == 0);
  CHECK(saved(dense{3, 5, relu{}}) == 0);
  CHECK(saved(dense{3, 5, gelu{}}) == 5);
  CHECK(saved(dense{3, 5, silu{}}) == 5);
}

TEST_CASE("dense refuses extents below 1", "[layers]") {
  CHECK(complaint<value_error>([] {
          dense{0, 4};
        }) == "a dense layer needs at least one input and one output, got 0 and 4");
  CHECK(complaint<value_error>([] {
          dense{3, -1};
        }) == "a dense layer needs at least one input and one output, got 3 and -1");
}

TEST_CASE("dropout refuses probabilities outside of [0, 1)", "[layers]") {
  for (const double p : {-0.1, 1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(dropout{p}, value_error);
  CHECK(complaint<value_error>([] { dropout{1}; }) ==
        "the probability of dropout must be at least 0 and below 1, got 1");
}

}  // namespace dense_test

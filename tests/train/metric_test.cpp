// Metrics: accuracy for each kind of target, losses and metrics of a user's own, means and results.
#include "chainrule/metrics/metric.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace metric_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class B>
std::vector<scalar_t<B>> scalars(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

/// What a metric assigns to outputs (n × c) and targets.
template <class B, class Metric, class Loss>
std::vector<double> values_of(const B& be, const Metric& m, const Loss& l, index_t cols,
                              const std::vector<double>& outputs, index_t target_cols,
                              const std::vector<double>& targets) {
  const auto rows = static_cast<index_t>(outputs.size()) / cols;
  const auto y_host = scalars<B>(outputs);
  const auto t_host = scalars<B>(targets);
  const auto y = from_host(be, matrix_view<const scalar_t<B>>(y_host.data(), rows, cols));
  const auto t = from_host(be, matrix_view<const scalar_t<B>>(t_host.data(), rows, target_cols));
  const any_metric<B> metric = m;
  tensor<B> out(be, rows, metric.columns());
  be.map(fn::fill{not_a_number}, out.view());
  loss_scratch<B> scratch(be, rows, cols);
  const loss_traits traits = traits_of(l);
  metric(be, {y.view(), t.view(), traits, scratch}, out.view());
  const auto found = to_host(be, const_matrix<B>(out.view()));
  return {found.begin(), found.end()};
}

/// The coefficient of determination, which is no mean: 1 - Σ(t - y)²/Σ(t - mean t)².
struct explained_variance {
  [[nodiscard]] std::string name() const { return "R2"; }
  static constexpr index_t columns = 3;

  struct error {
    constexpr auto operator()(const auto& y, const auto& t) const { return math::sqr(y - t); }
  };
  template <backend B>
  void operator()(const B& be, const metric_input<B>& in, matrix<B> out) const {
    for (index_t j = 0; j < 3; ++j) {
      const matrix<B> column = out.block(0, j, out.rows(), 1);
      if (j == 0) be.map(error{}, column, in.outputs, in.targets);
      if (j == 1) be.map(fn::identity{}, column, in.targets);
      if (j == 2) be.map(fn::sqr{}, column, in.targets);
    }
  }
  static double result(std::span<const double> means) {
    return 1 - means[0] / (means[2] - means[1] * means[1]);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("accuracy knows class numbers, one-hot targets and a single output",
                        "[metrics]", backends) {
  using B = TestType;
  const B be;
  const std::vector<double> y{1, 3, 2, /**/ 5, 5, 1, /**/ 0, not_a_number, 9, /**/ -3, -1, -2};
  CHECK(values_of(be, accuracy{}, softmax_cross_entropy{}, 3, y, 1, {1, 1, 2, 1}) ==
        std::vector<double>{1, 0, 0, 1});
  CHECK(values_of(be, accuracy{}, softmax_cross_entropy{}, 3, y, 3,
                  {0, 1, 0, /**/ 1, 0, 0, /**/ 0, 0, 1, /**/ 0.2, 0.3, 0.5}) ==
        std::vector<double>{1, 1, 0, 0});
  // A target with NaN has no answer, not even that of an output with NaN.
  CHECK(values_of(be, accuracy{}, softmax_cross_entropy{}, 2, {not_a_number, 1}, 2,
                  {not_a_number, 0}) == std::vector<double>{0});
  // One output: a logit of the sigmoid's loss, a probability of another, a side of a hinge.
  const std::vector<double> one{0.4, -0.4, 0.6, not_a_number, 0.4};
  CHECK(values_of(be, accuracy{}, sigmoid_cross_entropy{}, 1, one, 1, {1, 0, 0, 1, 0}) ==
        std::vector<double>{1, 1, 0, 0, 0});
  CHECK(values_of(be, accuracy{}, mean_squared_error{}, 1, one, 1, {1, 0, 1, 0, 0}) ==
        std::vector<double>{0, 1, 1, 0, 1});
  CHECK(values_of(be, accuracy{}, hinge{}, 1, one, 1, {1, -1, -1, -1, 1}) ==
        std::vector<double>{1, 1, 0, 0, 1});
}

TEMPLATE_LIST_TEST_CASE("metrics of the user's choice stand in the history by their names",
                        "[metrics]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  // y = x with targets x + 1, + 1, - 1, - 1, + 3: errors 1, 1, 1, 1, 9; targets 1, 2, 1, 2, 7.
  const std::vector<T> x{0, 1, 2, 3, 4};
  const std::vector<T> t{1, 2, 1, 2, 7};
  const dataset<B> data(be, matrix_view<const T>(x.data(), 5, 1),
                        matrix_view<const T>(t.data(), 5, 1));
  network net{be, dense{1, 1}};
  be.map(fn::fill{1}, net.values("0.weight"));
  trainer training{
      net, mean_squared_error{}, sgd{0}, {mean_absolute_error{}, explained_variance{}}};
  const history h =
      training.fit(data, {.epochs = 2, .batch = 2, .validation = &data});  // a last batch of one
  // Targets: Σ(t - 2.6)² = 59 - 5 * 6.76 = 25.2.
  const double r2 = 1 - 13.0 / 25.2;
  for (const metrics& m : {h.epochs[1].training, h.epochs[1].validation, training.evaluate(data)}) {
    CHECK(m.loss == 13.0 / 5);
    REQUIRE(m.values.size() == 2);
    CHECK(m["mean absolute error"] == 7.0 / 5);
    // Means of at most 5 numbers up to 49 that are exact; their difference is 5 times smaller.
    CHECK(std::fabs(m["R2"] - r2) <= 20 * std::numeric_limits<double>::epsilon());
    CHECK(m["loss"] == m.loss);
    CHECK_FALSE(m.has_accuracy());
    CHECK(complaint<value_error>([&] { (void)m["accuracy"]; }) ==
          "the metric 'accuracy' was not measured; give it to the trainer's constructor");
  }
}

TEST_CASE("accuracy is measured without being asked for where targets are classes", "[metrics]") {
  using B = support::tested<double>;
  const B be;
  const std::vector<double> x{1, -1, 2, -2};
  const std::vector<int> labels{1, 0, 0, 0};
  const dataset<B> two(be, matrix_view<const double>(x.data(), 4, 1), labels, 2);
  const dataset<B> many(be, matrix_view<const double>(x.data(), 4, 1), labels, 5);
  network net{be, dense{1, 1}};
  be.map(fn::fill{1}, net.values("0.weight"));
  trainer t{net, sigmoid_cross_entropy{}, sgd{0}};
  CHECK(t.evaluate(two).accuracy == 0.75);
  CHECK(t.fit(two, {.epochs = 1}).epochs[0].training["accuracy"] == 0.75);
  trainer number{net, mean_squared_error{}, sgd{0}};
  CHECK(number.evaluate(many).values.empty());  // a number that one output predicts
}

}  // namespace metric_test

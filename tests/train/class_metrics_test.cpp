// Metrics of classes and of values beside those of scikit-learn 1.9.1, and cases by hand.
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/metrics/classification.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/metrics/regression.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace class_metrics_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// The value of a metric for outputs (n × cols) and targets.
template <class B, class Metric, class Loss>
double value_of(const B& be, const Metric& m, const Loss& l, index_t cols,
                const std::vector<double>& outputs, index_t target_cols,
                const std::vector<double>& targets) {
  const auto upload = [&](const std::vector<double>& values, index_t c) {
    const std::vector<scalar_t<B>> host(values.begin(), values.end());
    return from_host(be, matrix_view<const scalar_t<B>>(
                             host.data(), static_cast<index_t>(values.size()) / c, c));
  };
  const tensor<B> y = upload(outputs, cols);
  const tensor<B> t = upload(targets, target_cols);
  const any_metric<B> metric = m;
  tensor<B> out(be, y.rows(), metric.columns());
  be.map(fn::fill{not_a_number}, out.view());
  loss_scratch<B> scratch(be, y.rows(), cols);
  const loss_traits traits = traits_of(l);
  metric(be, {y.view(), t.view(), traits, scratch}, out.view());
  const auto host = to_host(be, const_matrix<B>(out.view()));
  std::vector<double> means(static_cast<std::size_t>(metric.columns()), 0.0);
  for (std::size_t i = 0; i < host.size(); ++i)
    means[i % means.size()] += static_cast<double>(host[i]) / static_cast<double>(y.rows());
  return metric.result(means);
}

/// Sums of ten numbers of which each is rounded a few times.
template <class B>
bool near(double got, double expected) {
  CAPTURE(got, expected);
  return std::fabs(got - expected) <=
         64 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
}

const std::vector<double> logits{0.5, -1.25, 2, 0.25, -0.5, 1.5, -2, 0.75, -0.25, 0.125};
const std::vector<double> yes{1, 0, 1, 0, 1, 1, 0, 1, 0, 0};

// Four outputs; class 3 is neither among labels nor among answers.
const std::vector<double> scores{2,   1,  0,    -1,  /**/ 0, 1,      2,      -1,  /**/ 1, 2,      0,
                                 -1,  2,  1,    0.5, 0,      /**/ 0, 3,      1,   -2,     /**/ 1, 0,
                                 0.5, -3, 0.25, 0,   1,      -1,     /**/ 1, 0.5, 0,      -1};
const std::vector<double> labels{0, 2, 1, 2, 2, 0, 2, 0};

std::vector<double> one_hot(const std::vector<double>& classes, std::size_t count) {
  std::vector<double> t(classes.size() * count, 0.0);
  for (std::size_t i = 0; i < classes.size(); ++i)
    t[i * count + static_cast<std::size_t>(classes[i])] = 1;
  return t;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("precision, recall and F1 of two classes", "[metrics]", backends) {
  using B = TestType;
  const B be;
  const auto check = [&](const auto& loss, index_t cols, const std::vector<double>& y,
                         const std::vector<double>& t) {
    CHECK(near<B>(value_of(be, precision{}, loss, cols, y, 1, t), 0.6666666666666666));
    CHECK(near<B>(value_of(be, recall{}, loss, cols, y, 1, t), 0.8));
    CHECK(near<B>(value_of(be, f1{}, loss, cols, y, 1, t), 0.7272727272727273));
  };
  check(sigmoid_cross_entropy{}, 1, logits, yes);
  std::vector<double> signs;
  for (const double t : yes) signs.push_back(2 * t - 1);
  check(hinge{}, 1, logits, signs);
  std::vector<double> pairs;  // softmax of (0, y) is the sigmoid of y
  for (const double y : logits) pairs.insert(pairs.end(), {0, y});
  check(softmax_cross_entropy{}, 2, pairs, yes);

  // NaN is of no class: a positive that is missed, and no answer. Nothing predicted counts as 0.
  const std::vector<double> y{1, not_a_number, -1, not_a_number};
  CHECK(value_of(be, precision{}, sigmoid_cross_entropy{}, 1, y, 1, {1, 1, 0, 0}) == 1);
  CHECK(value_of(be, recall{}, sigmoid_cross_entropy{}, 1, y, 1, {1, 1, 0, 0}) == 0.5);
  CHECK(value_of(be, precision{}, sigmoid_cross_entropy{}, 1, {-1, -1}, 1, {1, 0}) == 0);
  CHECK(value_of(be, f1{}, sigmoid_cross_entropy{}, 1, {-1, -1}, 1, {0, 0}) == 0);
}

TEMPLATE_LIST_TEST_CASE("macro averages", "[metrics]", backends) {
  using B = TestType;
  const B be;
  const auto check = [&](index_t cols, const std::vector<double>& t) {
    const softmax_cross_entropy loss;
    CHECK(near<B>(value_of(be, macro_precision<4>{}, loss, 4, scores, cols, t), 0.75));
    CHECK(near<B>(value_of(be, macro_recall<4>{}, loss, 4, scores, cols, t), 0.8333333333333334));
    CHECK(near<B>(value_of(be, macro_f1<4>{}, loss, 4, scores, cols, t), 0.7301587301587301));
  };
  check(1, labels);
  check(4, one_hot(labels, 4));
  CHECK(complaint<shape_error>([&] {
          value_of(be, macro_f1<5>{}, softmax_cross_entropy{}, 4, scores, 1, labels);
        }) == "a metric of 5 classes does not fit a network of 4 outputs");
}

TEMPLATE_LIST_TEST_CASE("top-k accuracy", "[metrics]", backends) {
  using B = TestType;
  const B be;
  const softmax_cross_entropy loss;
  CHECK(any_metric<B>(top_k{3}).name() == "top-3 accuracy");
  const auto top = [&](int k, index_t cols, const std::vector<double>& t) {
    return value_of(be, top_k{k}, loss, 4, scores, cols, t);
  };
  CHECK(top(1, 1, labels) == 0.75);
  CHECK(top(2, 1, labels) == 0.875);
  CHECK(top(3, 1, labels) == 1);
  CHECK(top(2, 4, one_hot(labels, 4)) == 0.875);
  // Of equal outputs the first comes first; a sample with NaN is wrong for every k.
  const auto one = [&](int k, const std::vector<double>& y, double label) {
    return value_of(be, top_k{k}, loss, 3, y, 1, {label});
  };
  CHECK(one(1, {5, 5, 1}, 0) == 1);
  CHECK(one(1, {5, 5, 1}, 1) == 0);
  CHECK(one(2, {5, 5, 1}, 1) == 1);
  CHECK(one(3, {not_a_number, 5, 1}, 1) == 0);
  CHECK(one(3, {not_a_number, 5, 1}, 0) == 0);
  CHECK(complaint<shape_error>([&] { value_of(be, top_k{1}, loss, 1, {1}, 1, {1}); }) ==
        "top_k needs at least 2 outputs per sample, got 1; use accuracy");
}

TEMPLATE_LIST_TEST_CASE("log loss by the link of the loss", "[metrics]", backends) {
  using B = TestType;
  const B be;
  CHECK(near<B>(value_of(be, log_loss{}, sigmoid_cross_entropy{}, 1, logits, 1, yes),
                0.470170123096404));
  CHECK(near<B>(value_of(be, log_loss{}, softmax_cross_entropy{}, 4, scores, 1, labels),
                0.957378026251903));
  CHECK(complaint<value_error>([&] { value_of(be, log_loss{}, hinge{}, 1, {1}, 1, {1}); }) ==
        "log_loss needs probabilities, and hinge does not say how outputs become some; use a "
        "cross-entropy");
}

TEMPLATE_LIST_TEST_CASE("metrics of values", "[metrics]", backends) {
  using B = TestType;
  const B be;
  const mean_squared_error loss;
  const std::vector<double> t{3, -0.5, 2, 7, 4.25};
  const std::vector<double> y{2.5, 0, 2, 8, 4};
  CHECK(near<B>(value_of(be, r_squared{}, loss, 1, y, 1, t), 0.9491042345276873));
  CHECK(near<B>(value_of(be, root_mean_squared_error{}, loss, 1, y, 1, t), 0.5590169943749475));
  CHECK(near<B>(value_of(be, mean_absolute_error{}, loss, 1, y, 1, t), 0.45));
  CHECK(std::isnan(value_of(be, r_squared{}, loss, 1, {1, 2}, 1, {3, 3})));
  CHECK(complaint<shape_error>([&] {
          value_of(be, r_squared{}, loss, 2, {1, 2}, 2, {1, 2});
        }) == "r_squared needs one output per sample, got 2");
}

TEMPLATE_LIST_TEST_CASE("metrics of a training agree with the confusion matrix of its answers",
                        "[metrics]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  std::vector<T> x;
  std::vector<int> classes;
  for (int i = 0; i < 50; ++i) {
    classes.push_back(i * i % 3);
    for (int j = 0; j < 4; ++j) x.push_back(static_cast<T>((i * 7 + j * 5) % 11) / 8);
  }
  const dataset<B> data(be, matrix_view<const T>(x.data(), 50, 4), classes, 3);
  network net{be, dense{4, 8, relu{}}, dense{3}};
  trainer t{net,
            softmax_cross_entropy{.smoothing = 0.1},
            adamw{.rate = 0.05},
            {accuracy{}, precision{}, macro_precision<3>{}, macro_recall<3>{}, macro_f1<3>{},
             top_k{3}, log_loss{}}};
  const history h = t.fit(data, {.epochs = 3, .batch = 16, .validation = &data});
  const confusion_matrix m(classes, t.classify(data), 3);
  const metrics& got = h.epochs.back().validation;
  CHECK(near<support::tested<double>>(got.accuracy, m.accuracy()));
  CHECK(near<support::tested<double>>(got["macro precision"], m.precision(averaging::macro)));
  CHECK(near<support::tested<double>>(got["macro recall"], m.recall(averaging::macro)));
  CHECK(near<support::tested<double>>(got["macro F1"], m.f1(averaging::macro)));
  const double one = m.precision(1);
  CHECK(near<support::tested<double>>(got["precision"], std::isnan(one) ? 0 : one));
  CHECK(got["top-3 accuracy"] == 1);
  // Smoothing adds to the loss and not to the metric.
  CHECK(got["log loss"] < got.loss);
}

}  // namespace class_metrics_test

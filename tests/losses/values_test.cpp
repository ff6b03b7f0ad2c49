// Every loss beside a plain loop in double written from its formula: values, gradients (a central
// difference of the same loop), targets as values, classes and distributions.
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace values_test {

using namespace batches;

namespace {

// The loss of one sample from its outputs and targets.

template <class Term>
double total(const std::vector<double>& y, const std::vector<double>& t, Term&& term) {
  double sum = 0;
  for (std::size_t j = 0; j < y.size(); ++j) sum += term(y[j], t[j]);
  return sum;
}
double count(const std::vector<double>& y) { return static_cast<double>(y.size()); }

double reference(const mean_squared_error&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t, [](double a, double b) { return (a - b) * (a - b); }) / count(y);
}
double reference(const quadratic_cost&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t, [](double a, double b) { return (a - b) * (a - b); }) / 2;
}
double reference(const sum_of_squares&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t, [](double a, double b) { return (a - b) * (a - b); });
}
double reference(const mean_absolute_error&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t, [](double a, double b) { return std::fabs(a - b); }) / count(y);
}
double reference(const huber_loss& loss, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t,
               [&](double a, double b) {
                 const double d = std::fabs(a - b);
                 return d <= loss.delta ? d * d / 2 : loss.delta * (d - loss.delta / 2);
               }) /
         count(y);
}
double reference(const sigmoid_cross_entropy&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  return total(y, t,
               [](double a, double b) {
                 const double s = 1 / (1 + std::exp(-a));
                 return -b * std::log(s) - (1 - b) * std::log(1 - s);
               }) /
         count(y);
}
double reference(const hinge&, const std::vector<double>& y, const std::vector<double>& t) {
  return total(y, t, [](double a, double b) { return std::max(0.0, 1 - a * b); });
}
double reference(const squared_hinge&, const std::vector<double>& y, const std::vector<double>& t) {
  return total(y, t, [](double a, double b) {
    const double gap = std::max(0.0, 1 - a * b);
    return gap * gap;
  });
}
double reference(const softmax_cross_entropy&, const std::vector<double>& y,
                 const std::vector<double>& t) {
  const double sum = total(y, t, [](double a, double) { return std::exp(a); });
  return total(y, t, [&](double a, double b) { return -b * std::log(std::exp(a) / sum); });
}
double reference(const multiclass_hinge& loss, const std::vector<double>& y,
                 const std::vector<double>& one_hot) {
  const double own = total(y, one_hot, [](double a, double b) { return a * b; });
  return total(y, one_hot, [&](double a, double b) {
    return b == 1 ? 0 : std::max(0.0, a - own + loss.margin);
  });
}

std::vector<double> row(const std::vector<double>& m, index_t i, index_t cols) {
  return {m.begin() + i * cols, m.begin() + (i + 1) * cols};
}

/// Checks losses and gradients of n samples against the reference, with `full` (n × c) as what the
/// reference takes for targets.
template <class B, class Loss>
void check(const B& be, const Loss& loss, const tensor<B>& y, const tensor<B>& given,
           const std::vector<double>& full, double factor) {
  const index_t n = y.rows();
  const index_t c = y.cols();
  const auto outputs = doubles(be, y);
  const evaluated<B> got = evaluate(be, loss, y, given, factor);
  INFO(Loss::name << ", " << n << " x " << c);
  for (index_t i = 0; i < n; ++i) {
    auto sample = row(outputs, i, c);
    const auto target = row(full, i, c);
    const double wanted = reference(loss, sample, target);
    // Sums of c terms, each of a few operations; arguments up to 3 in size.
    const double bound = 16 * static_cast<double>(c + 4) * epsilon<B> * std::max(1.0, wanted);
    REQUIRE(std::fabs(got.losses[static_cast<std::size_t>(i)] - wanted) <= bound);
    for (index_t j = 0; j < c; ++j) {
      double& v = sample[static_cast<std::size_t>(j)];
      const double at = v;
      const double h = 1e-5;
      v = at + h;
      const double right = reference(loss, sample, target);
      v = at - h;
      const double left = reference(loss, sample, target);
      v = at;
      // The difference itself is good to about h² and eps/h.
      const double slope = factor * (right - left) / (2 * h);
      const double off = std::fabs(got.gradient[static_cast<std::size_t>(i * c + j)] - slope);
      REQUIRE(off <= 16 * static_cast<double>(c + 4) * epsilon<B> + 1e-8 * std::max(1.0, wanted));
    }
  }
}

/// One-hot rows with `hit` at the class and `miss` elsewhere.
std::vector<double> spread(const std::vector<double>& classes, index_t c, double hit, double miss) {
  std::vector<double> full;
  for (const double k : classes)
    for (index_t j = 0; j < c; ++j) full.push_back(static_cast<double>(j) == k ? hit : miss);
  return full;
}

constexpr index_t extents[] = {1, 2, 7, 17};

}  // namespace

TEMPLATE_LIST_TEST_CASE("losses of values", "[losses]", backends) {
  const TestType be;
  for (const index_t c : extents)
    for (const index_t n : {1, 5}) {
      const tensor<TestType> y = uniform(be, n, c, 1, -3, 3);
      const auto look = [&](const auto& loss, const tensor<TestType>& t) {
        check(be, loss, y, t, doubles(be, t), 0.25);
      };
      const tensor<TestType> t = uniform(be, n, c, 2, -3, 3);
      look(mean_squared_error{}, t);
      look(quadratic_cost{}, t);
      look(sum_of_squares{}, t);
      look(mean_absolute_error{}, t);
      look(huber_loss{}, t);
      look(huber_loss{2.5}, t);
      look(sigmoid_cross_entropy{}, uniform(be, n, c, 3, 0, 1));
      std::vector<double> signs(static_cast<std::size_t>(n * c));
      for (std::size_t i = 0; i < signs.size(); ++i) signs[i] = i % 3 == 0 ? -1 : 1;
      look(hinge{}, numbers(be, n, c, signs));
      look(squared_hinge{}, numbers(be, n, c, signs));
    }
}

TEMPLATE_LIST_TEST_CASE("losses of classes", "[losses]", backends) {
  const TestType be;
  for (const index_t c : {2, 7, 17})
    for (const index_t n : {1, 5}) {
      const tensor<TestType> y = uniform(be, n, c, 4, -3, 3);
      const tensor<TestType> classes = labels(be, n, c);
      const auto look = [&](const auto& loss, double hit, double miss) {
        check(be, loss, y, classes, spread(doubles(be, classes), c, hit, miss), 0.5);
      };
      look(mean_squared_error{}, 1, 0);
      look(quadratic_cost{}, 1, 0);
      look(sum_of_squares{}, 1, 0);
      look(mean_absolute_error{}, 1, 0);
      look(huber_loss{0.7}, 1, 0);
      look(sigmoid_cross_entropy{}, 1, 0);
      look(hinge{}, 1, -1);
      look(squared_hinge{}, 1, -1);
      look(softmax_cross_entropy{}, 1, 0);
      look(multiclass_hinge{}, 1, 0);
      look(multiclass_hinge{0.3}, 1, 0);
    }
}

TEMPLATE_LIST_TEST_CASE("softmax cross-entropy of distributions", "[losses]", backends) {
  const TestType be;
  for (const index_t c : {2, 7, 17}) {
    const tensor<TestType> y = uniform(be, 5, c, 5, -3, 3);
    // Also masses other than 1: the formula holds for any weights.
    const tensor<TestType> t = uniform(be, 5, c, 6, 0, 1);
    check(be, softmax_cross_entropy{}, y, t, doubles(be, t), 0.5);

    // One-hot distributions are classes.
    const tensor<TestType> classes = labels(be, 5, c);
    const auto by_class = evaluate(be, softmax_cross_entropy{}, y, classes);
    const auto by_distribution = evaluate(be, softmax_cross_entropy{}, y,
                                          numbers(be, 5, c, spread(doubles(be, classes), c, 1, 0)));
    CHECK(distance(by_class.losses, by_distribution.losses) <= 8 * epsilon<TestType>);
    CHECK(distance(by_class.gradient, by_distribution.gradient) <= 8 * epsilon<TestType>);
  }
}

TEMPLATE_LIST_TEST_CASE("label smoothing agrees with PyTorch", "[losses]", backends) {
  // torch.nn.functional.cross_entropy(..., label_smoothing=0.1) of PyTorch 2.15.0 in float64.
  const TestType be;
  const tensor<TestType> y = numbers(be, 3, 4,
                                     {0.5, -1, 2, 0.25,  //
                                      1.5, 0, -0.75, 3,  //
                                      -2, 1.25, 0.125, 1});
  const softmax_cross_entropy smooth{.smoothing = 0.1};
  const auto look = [&](const tensor<TestType>& t, const std::vector<double>& losses,
                        const std::vector<double>& gradient) {
    const auto got = evaluate(be, smooth, y, t, 1.0 / 3);
    CAPTURE(got.losses, got.gradient);
    CHECK(distance(got.losses, losses) <= 64 * epsilon<TestType>);
    CHECK(distance(got.gradient, gradient) <= 16 * epsilon<TestType>);
  };
  look(numbers(be, 3, 1, {2, 0, 3}), {0.5255289984482534, 1.8158681699931702, 1.1024711560523885},
       {0.043078275094720744, 0.003138147088706737, -0.07792248975282305, 0.03170606756939562,
        -0.2509631439140856, 0.00446768621952917, -0.002286559855577347, 0.24878201755013382,
        -0.00230001698587301, 0.14726794609562605, 0.04218300595739435, -0.18715093506714733});
  // The second row adds up to 0.8.
  look(numbers(be, 3, 4, {0.25, 0, 0.5, 0.25, 0, 0.8, 0, 0, 0.1, 0.2, 0.3, 0.4}),
       {1.2567789984482536, 2.5791368993944, 1.563721156052389},
       {-0.03192172490527926, 0.003138147088706735, 0.07207751024717693, -0.043293932430604386,
        0.038710221990449836, -0.2378364972999861, -0.003374979081573424, 0.20250125439110975,
        -0.032300016985873016, 0.08726794609562603, -0.047816994042605664, -0.007150935067147336});
  // Whatever the label, complete smoothing compares with equal targets.
  const softmax_cross_entropy even{.smoothing = 1};
  CHECK(distance(evaluate(be, even, y, numbers(be, 3, 1, {2, 0, 3})).losses,
                 evaluate(be, softmax_cross_entropy{}, y,
                          numbers(be, 3, 4, std::vector<double>(12, 0.25)))
                     .losses) <= 64 * epsilon<TestType>);
  // A class that does not exist makes the loss NaN.
  CHECK(std::isnan(evaluate(be, smooth, y, numbers(be, 3, 1, {4, 0, 3})).losses[0]));
  for (const double wrong : {-0.1, 1.5, not_a_number})
    CHECK(complaint<value_error>([&] {
            (void)evaluate(be, softmax_cross_entropy{wrong}, y, numbers(be, 3, 1, {2, 0, 3}));
          }).find("softmax cross-entropy: the smoothing must be from 0 to 1, got ") == 0);
}

TEMPLATE_LIST_TEST_CASE("a loss without a gradient is the same loss", "[losses]", backends) {
  const TestType be;
  const tensor<TestType> y = uniform(be, 5, 7, 1);
  const tensor<TestType> t = labels(be, 5, 7);
  const auto look = [&](const auto& loss) {
    tensor<TestType> losses(be, 5, 1);
    const tensor<TestType> scale = numbers(be, 1, 1, {1});
    loss_scratch<TestType> scratch(be, 5, 7);
    loss(be, y.view(), t.view(), scale.view(), losses.view(), {}, scratch);
    CHECK(same_bits(doubles(be, losses), evaluate(be, loss, y, t).losses));
  };
  look(mean_squared_error{});
  look(softmax_cross_entropy{});
  look(softmax_cross_entropy{.smoothing = 0.2});
  look(multiclass_hinge{});
}

TEMPLATE_LIST_TEST_CASE("the quadratic cost is 1/(2n) of the squared distances", "[losses]",
                        backends) {
  const TestType be;
  // |a - y|² is 1 + 4 and 0 + 9: C = 14 / 4.
  const tensor<TestType> a = numbers(be, 2, 2, {1, 2, 3, 4});
  const tensor<TestType> y = numbers(be, 2, 2, {0, 4, 3, 1});
  const auto got = evaluate(be, quadratic_cost{}, a, y, 0.5);
  CHECK(got.mean() == 3.5);
  CHECK(got.gradient == std::vector<double>{0.5, -1, 0, 1.5});  // (a - y) / n
}

TEST_CASE("losses name themselves where shapes do not fit", "[losses]") {
  const tested<float> be;
  const auto says = [&](const auto& loss, matrix_shape outputs, matrix_shape targets) {
    return complaint<shape_error>([&] {
      (void)evaluate(be, loss, uniform(be, outputs.rows, outputs.cols, 1),
                     uniform(be, targets.rows, targets.cols, 1));
    });
  };
  CHECK(says(mean_squared_error{}, {5, 3}, {5, 2}) ==
        "mean squared error: targets of 5x2 do not fit outputs of 5x3; give as many values, or one "
        "class number per sample");
  CHECK(says(hinge{}, {5, 3}, {4, 3}).find("hinge: targets of 4x3") == 0);
  CHECK(says(softmax_cross_entropy{}, {5, 3}, {4, 1}).find("softmax cross-entropy: targets") == 0);
  CHECK(says(softmax_cross_entropy{}, {5, 1}, {5, 1}) ==
        "softmax cross-entropy needs at least 2 outputs per sample, got 1; use sigmoid "
        "cross-entropy for one");
  CHECK(says(multiclass_hinge{}, {5, 3}, {5, 3}).find("multiclass hinge: ") == 0);
  CHECK(says(multiclass_hinge{}, {5, 1}, {5, 1}).find("multiclass hinge: ") == 0);
  CHECK(complaint<value_error>([] { huber_loss{0}; }) ==
        "Huber loss: delta must be above 0, got 0");
}

}  // namespace values_test

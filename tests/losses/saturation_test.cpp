// Logits of ±1e5: losses and gradients are finite and right, in float too. NaN is not silent.
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace saturation_test {

using namespace batches;

namespace {

constexpr double big = 1e5;

/// Relative to the largest: the values below are what exact arithmetic gives, up to e^-1e5.
template <class B>
void agree(const std::vector<double>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i, got[i], wanted[i]);
    CHECK(std::fabs(got[i] - wanted[i]) <= 4 * epsilon<B> * std::fabs(wanted[i]));
  }
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("saturated softmax cross-entropy", "[losses][saturation]", backends) {
  const TestType be;
  const tensor<TestType> y = numbers(be, 4, 3,
                                     {big, -big, 0,      //
                                      big, -big, 0,      //
                                      big, -big, 0,      //
                                      big, big, -big});  // two that tie
  const std::vector<double> losses{0, 2 * big, big, std::log(2.0)};
  const std::vector<double> gradient{0, 0, 0, 1, -1, 0, 1, 0, -1, -0.5, 0.5, 0};

  const auto by_class = evaluate(be, softmax_cross_entropy{}, y, numbers(be, 4, 1, {0, 1, 2, 0}));
  agree<TestType>(by_class.losses, losses);
  agree<TestType>(by_class.gradient, gradient);

  const auto by_distribution = evaluate(be, softmax_cross_entropy{}, y,
                                        numbers(be, 4, 3, {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0}));
  agree<TestType>(by_distribution.losses, losses);
  agree<TestType>(by_distribution.gradient, gradient);
}

TEMPLATE_LIST_TEST_CASE("nearly saturated softmax cross-entropy keeps its digits",
                        "[losses][saturation]", backends) {
  // -log softmax = log(1 + e^-d), which is e^-d for large d: it must not drown in the maximum.
  const TestType be;
  for (const double d : {5.0, 10.0}) {
    const auto got = evaluate(be, softmax_cross_entropy{}, numbers(be, 1, 2, {1000 + d, 1000}),
                              numbers(be, 1, 1, {0}));
    const double wanted = std::log1p(std::exp(-d));
    CAPTURE(d, got.losses[0], wanted);
    // The sum 1 + e^-d is rounded before its logarithm: an absolute error of one epsilon.
    CHECK(std::fabs(got.losses[0] - wanted) <= 2 * epsilon<TestType>);
  }
}

TEMPLATE_LIST_TEST_CASE("saturated sigmoid cross-entropy", "[losses][saturation]", backends) {
  const TestType be;
  const tensor<TestType> y = numbers(be, 6, 1, {big, big, -big, -big, big, -big});
  const tensor<TestType> t = numbers(be, 6, 1, {1, 0, 0, 1, 0.5, 0.5});
  const auto got = evaluate(be, sigmoid_cross_entropy{}, y, t);
  agree<TestType>(got.losses, {0, big, 0, big, big / 2, big / 2});
  agree<TestType>(got.gradient, {0, 1, 0, -1, 0.5, -0.5});
}

TEMPLATE_LIST_TEST_CASE("nearly saturated sigmoid cross-entropy keeps the digits of its gradient",
                        "[losses][saturation]", backends) {
  // The gradient s(y) - t of a confident "no" is e^y, not 0: outputs that are nearly right go on
  // moving, however little.
  const TestType be;
  const std::vector<double> logits{-17, -38, -60, -80};
  const auto got = evaluate(be, sigmoid_cross_entropy{}, numbers(be, 4, 1, logits),
                            numbers(be, 4, 1, {0, 0, 0, 0}));
  std::vector<double> losses, gradient;
  for (const double y : logits) {
    losses.push_back(std::log1p(std::exp(y)));
    gradient.push_back(1 / (1 + std::exp(-y)));
  }
  agree<TestType>(got.losses, losses);
  agree<TestType>(got.gradient, gradient);
}

TEMPLATE_LIST_TEST_CASE("the largest logits there are", "[losses][saturation]", backends) {
  using B = TestType;
  const B be;
  const double most = std::numeric_limits<scalar_t<B>>::max();
  // Cross-entropy is finite where the logits of a sample lie less than `most` apart; gradients are
  // wherever logits are.
  const tensor<B> y =
      numbers(be, 4, 2, {most, most / 2, -most, -most / 2, most / 2, -most / 4, most, -most});
  const auto got = evaluate(be, softmax_cross_entropy{}, y, numbers(be, 4, 1, {1, 0, 1, 1}));
  agree<B>({got.losses.begin(), got.losses.begin() + 3}, {most / 2, most / 2, 0.75 * most});
  CHECK(got.losses[3] == inf);
  agree<B>(got.gradient, {1, -1, -1, 1, 1, -1, 1, -1});
  // The sigmoid's is finite wherever logits are, if targets lie in [0, 1].
  const auto single =
      evaluate(be, sigmoid_cross_entropy{}, numbers(be, 4, 1, {most, most, -most, -most}),
               numbers(be, 4, 1, {1, 0, 0, 1}));
  agree<B>(single.losses, {0, most, 0, most});
  agree<B>(single.gradient, {0, 1, 0, -1});
}

TEMPLATE_LIST_TEST_CASE("saturated margins and errors", "[losses][saturation]", backends) {
  const TestType be;
  const tensor<TestType> y = numbers(be, 4, 1, {big, big, -big, -big});
  const tensor<TestType> t = numbers(be, 4, 1, {1, -1, -1, 1});
  const auto look = [&](const auto& loss, const std::vector<double>& losses,
                        const std::vector<double>& gradient) {
    const auto got = evaluate(be, loss, y, t);
    agree<TestType>(got.losses, losses);
    agree<TestType>(got.gradient, gradient);
  };
  const double near = big - 1;
  const double far = big + 1;
  look(hinge{}, {0, far, 0, far}, {0, 1, 0, -1});
  look(squared_hinge{}, {0, far * far, 0, far * far}, {0, 2 * far, 0, -2 * far});
  look(mean_absolute_error{}, {near, far, near, far}, {1, 1, -1, -1});
  look(huber_loss{}, {near - 0.5, far - 0.5, near - 0.5, far - 0.5}, {1, 1, -1, -1});
  look(mean_squared_error{}, {near * near, far * far, near * near, far * far},
       {2 * near, 2 * far, -2 * near, -2 * far});

  const auto svm = evaluate(be, multiclass_hinge{}, numbers(be, 2, 3, {big, -big, 0, big, -big, 0}),
                            numbers(be, 2, 1, {0, 1}));
  agree<TestType>(svm.losses, {0, 2 * big + 1 + big + 1});
  agree<TestType>(svm.gradient, {0, 0, 0, 1, -2, 1});
}

TEMPLATE_LIST_TEST_CASE("a NaN among the outputs makes the loss of its sample NaN, of no other",
                        "[losses][saturation]", backends) {
  const TestType be;
  const auto look = [&](const auto& loss, bool by_class) {
    for (std::size_t where = 0; where < 9; ++where) {
      std::vector<double> y(27, 0.5);
      y[9 + where] = not_a_number;
      const tensor<TestType> outputs = numbers(be, 3, 9, y);
      const auto got = by_class ? evaluate(be, loss, outputs, numbers(be, 3, 1, {1, 4, 8}))
                                : evaluate(be, loss, outputs, uniform(be, 3, 9, 1, 0, 1));
      INFO(std::remove_cvref_t<decltype(loss)>::name << ", column " << where);
      CHECK(std::isfinite(got.losses[0]));
      CHECK(std::isnan(got.losses[1]));
      CHECK(std::isfinite(got.losses[2]));
    }
  };
  for (const bool by_class : {false, true}) {
    look(mean_squared_error{}, by_class);
    look(quadratic_cost{}, by_class);
    look(sum_of_squares{}, by_class);
    look(mean_absolute_error{}, by_class);
    look(huber_loss{}, by_class);
    look(sigmoid_cross_entropy{}, by_class);
    look(hinge{}, by_class);
    look(squared_hinge{}, by_class);
    look(softmax_cross_entropy{}, by_class);
  }
  look(multiclass_hinge{}, true);
}

TEMPLATE_LIST_TEST_CASE("a class number that names no class makes the loss of its sample NaN",
                        "[losses][saturation]", backends) {
  const TestType be;
  const tensor<TestType> y = uniform(be, 6, 3, 1);
  const tensor<TestType> classes = numbers(be, 6, 1, {0, 2, 3, -1, 0.5, not_a_number});
  const auto look = [&](const auto& loss) {
    const auto got = evaluate(be, loss, y, classes);
    INFO(std::remove_cvref_t<decltype(loss)>::name);
    CHECK(std::isfinite(got.losses[0]));
    CHECK(std::isfinite(got.losses[1]));
    for (std::size_t i = 2; i < 6; ++i) CHECK(std::isnan(got.losses[i]));
  };
  look(mean_squared_error{});
  look(huber_loss{});
  look(sigmoid_cross_entropy{});
  look(hinge{});
  look(softmax_cross_entropy{});
  look(multiclass_hinge{});
}

}  // namespace saturation_test

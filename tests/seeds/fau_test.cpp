// The numbers of "Feedforward Networks", part 3 (FAU): f = (2 x1 + 3 x2)^2 + 3 at (1, 3), slopes of
// the sigmoid, and rates of descent.
#include "chainrule/autodiff/autodiff.hpp"
#include "seeds/row.hpp"

namespace fau_test {

using namespace chainrule;
using seeds::backends;
using seeds::row;

namespace {

/// f(x1, 3)
constexpr auto f = [](auto x1) { return sqr(2 * x1 + 9) + 3; };

/// By differences, in scalars of type T; h is the distance of the two points, as in the text.
template <class T>
T central(T h) {
  const auto at = [](T x) -> T {
    const T s = 2 * x + 9;
    const T square = s * s;
    return square + 3;
  };
  const T right = at(1 + h / 2);
  const T left = at(1 - h / 2);
  return (right - left) / h;
}

/// The error before each of `count` steps down a^2 + b^2 from (10, 10), and after the last.
template <class B>
std::vector<double> descend(double rate, int count) {
  tape<B> t;
  auto p = t.variable(1, 2, {10, 10});
  std::vector<double> errors;
  for (int i = 0; i <= count; ++i) {
    const auto error = math::sum(sqr(p));
    errors.push_back(error.item());
    p = t.variable((p - t.constant(rate) * gradient(error, p)).view());
  }
  return errors;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("F1, F2, F3: a derivative by differences and by backward", "[seeds]",
                        backends) {
  tape<TestType> t;
  {
    row f1("F1");
    const double right = f(t.variable(1.01)).item();
    const double left = f(t.variable(.99)).item();
    f1.rounded({right, left}, {124.4404, 123.5604});
    f1.digits((right - left) / .02, 44, 2e-9);
    f1.note("the text's 43.9999 is cut off");
  }
  row("F2").digits((f(t.variable(1.02)) - f(t.variable(1.0))).item() / .02, 44.08, 2e-9);
  row f3("F3");
  const auto x1 = t.variable(1.0);
  const auto x2 = t.variable(3.0);
  backward(sqr(2 * x1 + 3 * x2) + 3);
  f3.exact(x1.gradient().item(), 44);
  f3.exact(x2.gradient().item(), 66);
}

TEMPLATE_LIST_TEST_CASE("F4, F5: forward and backward, gate by gate", "[seeds]", backends) {
  using B = TestType;
  tape<B> t;
  const auto x1 = t.variable(1.0);
  const auto x2 = t.variable(3.0);
  const auto a = 2 * x1;
  const auto b = 3 * x2;
  const auto s = a + b;
  const auto square = sqr(s);
  const auto y = square + 3;
  row("F4").exact({a.item(), b.item(), s.item(), square.item(), y.item()}, {2, 9, 11, 121, 124});
  const auto slope = [](const variable<B>& of, const variable<B>& by) -> double {
    return gradient(of, by, {.keep_graph = true}).item();
  };
  row f5("F5");
  f5.exact({slope(y, square), slope(square, s), slope(s, a), slope(a, x1)}, {1, 22, 1, 2});
  f5.exact(slope(y, x1), 44);
}

TEST_CASE("F6: the best step of a difference depends on the type", "[seeds]") {
  row f6("F6");
  f6.digits(static_cast<double>(central(1e-5F)), 41.96, 1e-2);
  f6.digits(static_cast<double>(central(1e-2F)), 44.001, 1e-3);
  const double best = central(1e-5);
  f6.digits(best, 43.99999999, 2e-8);
  CHECK(std::fabs(best - 44) < 1e-8);
}

TEMPLATE_LIST_TEST_CASE("F8: the sigmoid's slope vanishes far out", "[seeds]", backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 4, {0, 3, -3, 5});
  row("F8").digits(to_host(gradient(math::sum(math::sigmoid(x)), x)),
                   {.25, .045177, .045177, .006648}, 1e-6);
}

TEMPLATE_LIST_TEST_CASE("F9: four rates of descent", "[seeds]", backends) {
  using B = TestType;
  row f9("F9");
  f9.exact(descend<B>(.5, 1)[1], 0);
  f9.exact(descend<B>(1, 7), std::vector<double>(8, 200));
  f9.digits(descend<B>(1.1, 7)[7], 2567.8, .1);
  f9.digits(descend<B>(.001, 7)[7], 194.5, .1);
}

}  // namespace fau_test

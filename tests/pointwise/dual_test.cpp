// Dual numbers: arithmetic with constants of all kinds, kinks, ties, powers.
#include <limits>
#include <type_traits>

#include "chainrule/pointwise/activations.hpp"
#include "pointwise/numeric.hpp"
#include "support/catch.hpp"

namespace dual_test {

using chainrule::dual;
using chainrule::dual_derivative;
namespace fn = chainrule::fn;
namespace math = chainrule::math;

namespace {

/// f'(x) by dual numbers.
template <class F>
double derivative(const F& f, double x) {
  return dual_derivative(f, x);
}

}  // namespace

TEST_CASE("dual numbers and constants meet on either side") {
  const dual<double> x{3, 1};
  const auto is = [](const dual<double>& y, double value, double derivative) {
    return y.value == value && y.derivative == derivative;
  };
  CHECK(is(x + 2, 5, 1));
  CHECK(is(2 + x, 5, 1));
  CHECK(is(x - 0.5, 2.5, 1));
  CHECK(is(0.5 - x, -2.5, -1));
  CHECK(is(x * 4, 12, 4));
  CHECK(is(4.0F * x, 12, 4));
  CHECK(is(x / 2, 1.5, 0.5));
  CHECK(is(9 / x, 3, -1));
  CHECK(is(-x, -3, -1));
  CHECK(is(x * x, 9, 6));
  CHECK(is(x / x, 1, 0));
  CHECK(is(x - x, 0, 0));
  dual<double> y = x;
  y += 1;
  y *= x;
  y -= x;
  y /= 3;
  CHECK(is(y, 3, 2));  // (x (x + 1) - x) / 3 = x^2 / 3
  CHECK((x > 2 && 2 < x && x >= 3 && x <= 3 && x == 3 && x != 4 && x == x));
  CHECK(is(math::where(x > 2, x, 0), 3, 1));
  CHECK(is(math::where(x < 2, x, 7), 7, 0));
  CHECK(is(math::where((x > 2) & (x < 4), x, 7), 3, 1));
  CHECK(is(math::where((x > 4) | (x < 3), x, 7), 7, 0));
  CHECK(is(math::where(!(x > 4), x, 7), 3, 1));
}

TEST_CASE("a float's dual stays a float's") {
  const dual<float> x{0.1F, 1};
  static_assert(std::is_same_v<decltype(x * 0.3), dual<float>>);
  static_assert(std::is_same_v<decltype(math::exp(2 * x)), dual<float>>);
  CHECK((x * 0.3).value == 0.1F * 0.3F);  // the constant is rounded before it is used
  CHECK((0.3 / x).value == 0.3F / 0.1F);
}

TEST_CASE("the derivative of max(x, 0) at 0 is 0, however it is written") {
  for (const double x : {0.0, -0.0}) {
    CHECK(derivative([](auto v) { return math::max(v, 0); }, x) == 0);
    CHECK(derivative([](auto v) { return math::max(0, v); }, x) == 0);
    CHECK(derivative([](auto v) { return math::min(v, 0); }, x) == 0);
    CHECK(derivative([](auto v) { return math::min(0, v); }, x) == 0);
    CHECK(derivative([](auto v) { return math::abs(v); }, x) == 0);
    CHECK(derivative(chainrule::relu{}, x) == 0);
  }
  CHECK(derivative([](auto v) { return math::max(v, 2.5); }, 2.5) == 0);
  for (const double limit : {-1.0, 1.0})
    CHECK(derivative([](auto v) { return math::clamp(v, -1, 1); }, limit) == 0);
  CHECK(derivative([](auto v) { return math::clamp(v, -1, 1); }, 0.5) == 1);
  CHECK(derivative([](auto v) { return math::clamp(v, -1, 1); }, 1.5) == 0);
}

TEST_CASE("ties send the gradient to one side only") {
  const auto partials_sum = [](const auto& f, double x) {
    const double first = dual_derivative<0>(f, x, x);
    const double second = dual_derivative<1>(f, x, x);
    CHECK((first == 0 || second == 0));
    return first + second;
  };
  for (const double x : {-2.0, 0.0, 3.0}) {
    CHECK(partials_sum(fn::max{}, x) == 1);
    CHECK(partials_sum(fn::min{}, x) == 1);
    // Both arguments are the variable: the derivative of x itself.
    CHECK(derivative([](auto v) { return math::max(v, v); }, x) == 1);
    CHECK(derivative([](auto v) { return math::min(v, v); }, x) == 1);
  }
}

TEST_CASE("NaN passes through max and min of dual numbers") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const dual<double> x{nan, 1};
  const dual<double> one{1, 0};
  for (const double v : {math::max(x, 0).value, math::min(0, x).value, math::max(x, one).value,
                         math::max(one, x).value, math::min(one, x).value})
    CHECK(v != v);
}

TEST_CASE("powers with a constant exponent have derivatives everywhere") {
  const auto square = [](auto v) { return math::pow(v, 2); };
  const auto cube = [](auto v) { return math::pow(v, 3); };
  for (const double x : {-2.0, 0.0, 1.5}) {
    CHECK(derivative(square, x) == 2 * x);
    CHECK(derivative(cube, x) == 3 * x * x);
    CHECK(numeric::second_derivative(square, x) == 2);
    CHECK(numeric::second_derivative(cube, x) == 6 * x);
    CHECK(derivative([](auto v) { return math::pow(v, 0); }, x) == 0);
    CHECK(derivative([](auto v) { return math::pow(v, 1); }, x) == 1);
  }
  CHECK(derivative([](auto v) { return math::pow(2, v); }, 0.0) == std::log(2.0));
  CHECK(derivative([](auto v) { return math::pow(0, v); }, 2.0) == 0);
  // Where the base stands still for a moment, but is not constant: (cos^3)'' = -3 at 0.
  CHECK(numeric::second_derivative([](auto v) { return math::pow(math::cos(v), 3); }, 0) == -3);
  // x^x
  CHECK(std::fabs(derivative([](auto v) { return math::pow(v, v); }, 2.0) -
                  4 * (1 + std::log(2.0))) <= 16 * numeric::epsilon);
}

TEST_CASE("what does not depend on its argument has the derivative 0") {
  CHECK(derivative([](auto) { return 7; }, 2.0) == 0);
  CHECK(dual_derivative<1>([](auto a, auto) { return a * a; }, 2.0, 3.0) == 0);
  CHECK(derivative([](auto v) { return math::where(v > 0, 1, -1); }, 2.0) == 0);
}

TEST_CASE("functions of plain numbers are those of the standard library") {
  CHECK(math::exp(1.0) == std::exp(1.0));
  CHECK(math::exp(1.0F) == std::exp(1.0F));
  static_assert(std::is_same_v<decltype(math::exp(1.0F)), float>);
  static_assert(std::is_same_v<decltype(math::exp(1)), double>);
  static_assert(std::is_same_v<decltype(math::pow(1.0F, 2)), float>);
  CHECK(math::exp(1) == std::exp(1.0));
  CHECK(math::where(true, 1, 2.5) == 1);
  CHECK(math::where(false, 1, 2.5) == 2.5);
  CHECK(math::round(-2.5) == -3);  // halves away from 0
  CHECK(math::sign(-0.5) == -1);
  CHECK(math::clamp(7, 0, 1) == 1);
}

}  // namespace dual_test

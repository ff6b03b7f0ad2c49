// The derivative of every function of the vocabulary, against central differences.
#include <cmath>
#include <vector>

#include "chainrule/pointwise/functions.hpp"
#include "pointwise/numeric.hpp"
#include "support/catch.hpp"

namespace vocabulary_derivative_test {

namespace fn = chainrule::fn;
using chainrule::dual_derivative;

namespace {

struct case_of_one {
  numeric::function f;
  double low, high;    // no kink and no pole within
  bool smooth = true;  // has a second derivative that is worth a test
};

const std::vector<case_of_one> unary_cases{
    {numeric::of<fn::exp>("exp"), -3, 3},
    {numeric::of<fn::exp2>("exp2"), -3, 3},
    {numeric::of<fn::expm1>("expm1"), -3, 3},
    {numeric::of<fn::log>("log"), 0.4, 20},
    {numeric::of<fn::log2>("log2"), 0.4, 20},
    {numeric::of<fn::log10>("log10"), 0.4, 20},
    {numeric::of<fn::log1p>("log1p"), -0.6, 20},
    {numeric::of<fn::sqrt>("sqrt"), 0.3, 20},
    {numeric::of<fn::cbrt>("cbrt"), 0.5, 20},
    {numeric::of<fn::cbrt>("cbrt"), -20, -0.5},
    {numeric::of<fn::sin>("sin"), -7, 7},
    {numeric::of<fn::cos>("cos"), -7, 7},
    {numeric::of<fn::tan>("tan"), -1, 1},
    {numeric::of<fn::asin>("asin"), -0.7, 0.7},
    {numeric::of<fn::acos>("acos"), -0.7, 0.7},
    {numeric::of<fn::atan>("atan"), -7, 7},
    {numeric::of<fn::sinh>("sinh"), -3, 3},
    {numeric::of<fn::cosh>("cosh"), -3, 3},
    {numeric::of<fn::tanh>("tanh"), -5, 5},
    {numeric::of<fn::asinh>("asinh"), -7, 7},
    {numeric::of<fn::acosh>("acosh"), 1.4, 9},
    {numeric::of<fn::atanh>("atanh"), -0.6, 0.6},
    {numeric::of<fn::erf>("erf"), -3, 3},
    {numeric::of<fn::erfc>("erfc"), -3, 3},
    {numeric::of<fn::floor>("floor"), 1.1, 1.9, false},
    {numeric::of<fn::ceil>("ceil"), -1.9, -1.1, false},
    {numeric::of<fn::trunc>("trunc"), -0.9, 0.9, false},
    {numeric::of<fn::round>("round"), -0.4, 0.4, false},
    {numeric::of<fn::abs>("abs"), 0.1, 5},
    {numeric::of<fn::abs>("abs"), -5, -0.1},
    {numeric::of<fn::sign>("sign"), 0.1, 5},
    {numeric::of<fn::sign>("sign"), -5, -0.1},
    {numeric::of<fn::sqr>("sqr"), -5, 5},
    {numeric::of<fn::inv>("inv"), 0.5, 5},
    {numeric::of<fn::inv>("inv"), -5, -0.5},
    {numeric::of<fn::inv_sqrt>("inv_sqrt"), 0.5, 5},
    {numeric::of<fn::sigmoid>("sigmoid"), -9, 9},
    {numeric::of<fn::softplus>("softplus"), 0.1, 9},
    {numeric::of<fn::softplus>("softplus"), -9, -0.1},
    {numeric::of<fn::negate>("negate"), -5, 5},
    {numeric::of<fn::identity>("identity"), -5, 5},
};

struct case_of_two {
  const char* name;
  double (*value)(double, double);
  double (*first)(double, double);
  double (*second)(double, double);
  double low_a, high_a, low_b, high_b;
};

template <class F>
case_of_two two(const char* name, double low_a, double high_a, double low_b, double high_b) {
  return {name,
          [](double a, double b) { return static_cast<double>(F{}(a, b)); },
          [](double a, double b) { return dual_derivative<0>(F{}, a, b); },
          [](double a, double b) { return dual_derivative<1>(F{}, a, b); },
          low_a,
          high_a,
          low_b,
          high_b};
}

const std::vector<case_of_two> binary_cases{
    two<fn::pow>("pow", 0.5, 3, -2, 2),          two<fn::atan2>("atan2", 0.5, 3, -3, 3),
    two<fn::atan2>("atan2", -3, -0.5, -3, 3),    two<fn::fmod>("fmod", 7.1, 7.9, 3.1, 3.5),
    two<fn::fmod>("fmod", -7.9, -7.1, 3.1, 3.5), two<fn::min>("min", -3, -0.1, 0.1, 3),
    two<fn::min>("min", 0.1, 3, -3, -0.1),       two<fn::max>("max", -3, -0.1, 0.1, 3),
    two<fn::max>("max", 0.1, 3, -3, -0.1),       two<fn::plus>("plus", -3, 3, -3, 3),
    two<fn::minus>("minus", -3, 3, -3, 3),       two<fn::multiplies>("multiplies", -3, 3, -3, 3),
    two<fn::divides>("divides", -3, 3, 0.7, 3),  two<fn::divides>("divides", -3, 3, -3, -0.7),
};

}  // namespace

TEST_CASE("derivatives of the vocabulary are those of differences") {
  constexpr int n = 200;
  for (const case_of_one& c : unary_cases) {
    const numeric::function& f = c.f;
    double worst = 0;
    double at = c.low;
    const auto compare = [&](double x, double got, double want) {
      const double used = std::fabs(got - want) / numeric::allowed(x, f.value(x), f.slope(x));
      if (!(used <= worst)) worst = used, at = x;
    };
    for (int i = 0; i <= n; ++i) {
      const double x = numeric::point(c.low, c.high, i, n);
      const double want = numeric::central_difference(f.value, x);
      compare(x, f.slope(x), want);
      compare(x, f.stated(x), want);
    }
    INFO(f.name << " on [" << c.low << ", " << c.high << "] uses " << worst << " of its bound at "
                << at);
    CHECK(worst <= 1);
  }
}

TEST_CASE("second derivatives of the vocabulary are differences of the first") {
  constexpr int n = 100;
  for (const auto& [f, low, high, smooth] : unary_cases) {
    if (!smooth) continue;
    double worst = 0;
    double at = low;
    for (int i = 0; i <= n; ++i) {
      const double x = numeric::point(low, high, i, n);
      const double want = numeric::central_difference(f.slope, x);
      // The scale of f' takes the place of that of f.
      const double used =
          std::fabs(f.second(x) - want) / numeric::allowed(x, 10 * f.slope(x), 10 * want);
      if (!(used <= worst)) worst = used, at = x;
    }
    INFO(f.name << " on [" << low << ", " << high << "] uses " << worst << " of its bound at "
                << at);
    CHECK(worst <= 1);
  }
}

TEST_CASE("partial derivatives of functions of two arguments are those of differences") {
  constexpr int n = 20;
  for (const auto& c : binary_cases) {
    double worst = 0;
    double at_a = 0;
    double at_b = 0;
    for (int i = 0; i <= n; ++i)
      for (int j = 0; j <= n; ++j) {
        const double a = numeric::point(c.low_a, c.high_a, i, n);
        const double b = numeric::point(c.low_b, c.high_b, j, n);
        const double da = numeric::central_difference([&](double x) { return c.value(x, b); }, a);
        const double db = numeric::central_difference([&](double x) { return c.value(a, x); }, b);
        const double used =
            std::fmax(std::fabs(c.first(a, b) - da) / numeric::allowed(a, c.value(a, b), da),
                      std::fabs(c.second(a, b) - db) / numeric::allowed(b, c.value(a, b), db));
        if (!(used <= worst)) worst = used, at_a = a, at_b = b;
      }
    INFO(c.name << " uses " << worst << " of its bound at (" << at_a << ", " << at_b << ")");
    CHECK(worst <= 1);
  }
}

}  // namespace vocabulary_derivative_test

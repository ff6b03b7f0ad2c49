// Activations: derivatives against differences, from the output, and where they have a kink.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "chainrule/pointwise/activations.hpp"
#include "pointwise/numeric.hpp"
#include "support/catch.hpp"

namespace activation_derivative_test {

using namespace chainrule;

namespace {

/// Where the first or the second derivative jumps.
std::vector<double> kinks_of(std::string_view name) {
  if (name == "hard_sigmoid" || name == "hard_swish") return {-3, 3};
  for (const std::string_view at_zero : {"relu", "leaky_relu", "elu", "selu", "softsign", "sign"})
    if (name == at_zero) return {0};
  return {};
}

/// 400 points in [-9, 9], 0 among them, further from kinks than the step of a difference.
std::vector<double> points_for(std::string_view name) {
  const std::vector<double> kinks = kinks_of(name);
  std::vector<double> points;
  for (int i = 0; i <= 400; ++i) {
    const double x = numeric::point(-9, 9, i, 400);
    if (std::none_of(kinks.begin(), kinks.end(), [&](double k) { return std::fabs(x - k) < 1e-3; }))
      points.push_back(x);
  }
  return points;
}

template <class F>
void compare_with_differences(const F& f) {
  const auto value = [&](double x) { return static_cast<double>(f(x)); };
  const auto first = [&](double x) { return dual_derivative(f, x); };
  double worst = 0;
  double at = 0;
  const auto compare = [&](double x, double got, double want, double scale) {
    const double used = std::fabs(got - want) / numeric::allowed(x, scale, want);
    if (!(used <= worst)) worst = used, at = x;
  };
  for (const double x : points_for(F::name)) {
    const double want = numeric::central_difference(value, x);
    compare(x, first(x), want, value(x));
    compare(x, derivative_of<F>{f}(x), want, value(x));
    if constexpr (derivable_from_output<F>)
      compare(x, static_cast<double>(f.derivative_from_output(value(x))), want, value(x));
    compare(x, numeric::second_derivative(f, x), numeric::central_difference(first, x), 10);
  }
  INFO(F::name << " uses " << worst << " of its bound at " << at);
  CHECK(worst <= 1);
}

}  // namespace

TEST_CASE("derivatives of activations are those of differences") {
  for_each_activation([](const auto& f) { compare_with_differences(f); });
  compare_with_differences(leaky_relu{0.3});
  compare_with_differences(elu{2.5});
}

TEST_CASE("the derivative from the output is that of the expression") {
  int derivable = 0;
  for_each_activation([&]<class F>(const F& f) {
    if constexpr (derivable_from_output<F>) {
      ++derivable;
      double worst = 0;
      for (const double x : points_for(F::name)) {
        const double y = f(x);
        const double stated = f.derivative_from_output(y);
        // y carries the rounding of f, at most a few units of its size.
        const double off = std::fabs(stated - dual_derivative(f, x));
        worst = std::fmax(worst, off / (8 * numeric::epsilon * (1 + std::fabs(y))));
      }
      INFO(F::name);
      CHECK(worst <= 1);
    }
  });
  CHECK(derivable == 9);
  static_assert(derivable_from_output<fn::sigmoid> && derivable_from_output<fn::tanh> &&
                derivable_from_output<relu> && derivable_from_output<fn::softplus>);
  static_assert(!derivable_from_output<gelu> && !derivable_from_output<silu>);
  static_assert(states_derivative<softsign> && !states_derivative<mish>);
}

TEST_CASE("activations at their kinks") {
  const auto at = [](const auto& f, double x) {
    return derivative_of<std::remove_cvref_t<decltype(f)>>{f}(x);
  };
  CHECK(at(relu{}, 0) == 0);
  CHECK(dual_derivative(relu{}, 0.0) == 0);
  CHECK(at(leaky_relu{0.2}, 0) == 0.2);
  CHECK(dual_derivative(leaky_relu{0.2}, 0.0) == 0.2);
  CHECK(at(elu{}, 0) == 1);
  CHECK(std::fabs(at(selu{}, 0) - selu::lambda * selu::alpha) <= 4 * numeric::epsilon);
  CHECK(at(softsign{}, 0) == 1);
  CHECK(at(fn::softplus{}, 0) == 0.5);
  CHECK(at(hard_sigmoid{}, 3) == 0);
  CHECK(at(hard_sigmoid{}, -3) == 0);
  CHECK(at(hard_swish{}, -3) == 0);
  CHECK(at(hard_swish{}, 3) == 1);
  CHECK(at(fn::sign{}, 0) == 0);
}

TEST_CASE("backward multiplies by the derivative, from what is kept") {
  for_each_activation([]<class F>(const F& f) {
    for (const double x : {-1.5, 0.25, 2.0}) {
      const double kept = derivable_from_output<F> ? static_cast<double>(f(x)) : x;
      const double want = 3 * derivative_of<F>{f}(x);
      INFO(F::name << " at " << x);
      CHECK(std::fabs(backward_of<F>{f}(3.0, kept) - want) <= 4 * numeric::epsilon);
    }
  });
}

}  // namespace activation_derivative_test

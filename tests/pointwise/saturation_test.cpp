// Activations far out: values and derivatives at +-1e5, +-1e30, infinity and NaN, over scalars,
// duals and lanes.
#include <cmath>
#include <limits>
#include <string>

#include "chainrule/backend/cpu/lane.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

namespace saturation_test {

using namespace chainrule;
using chainrule::math::lane;

namespace {

/// How an activation ends on either side: the slope, and the value if the slope is 0.
struct ends {
  std::string name;
  double slope_below, value_below;
  double slope_above, value_above;
};
const ends table[] = {
    {"identity", 1, 0, 1, 0},
    {"relu", 0, 0, 1, 0},
    {"leaky_relu", 0.01, 0, 1, 0},
    {"elu", 0, -1, 1, 0},
    {"selu", 0, -selu::lambda* selu::alpha, selu::lambda, 0},
    {"sigmoid", 0, 0, 0, 1},
    {"tanh", 0, -1, 0, 1},
    {"softplus", 0, 0, 1, 0},
    {"softsign", 0, -1, 0, 1},
    {"silu", 0, 0, 1, 0},
    {"gelu", 0, 0, 1, 0},
    {"gelu_tanh", 0, 0, 1, 0},
    {"mish", 0, 0, 1, 0},
    {"hard_sigmoid", 0, 0, 0, 1},
    {"hard_swish", 0, 0, 1, 0},
    {"sign", 0, -1, 0, 1},
};

ends ends_of(std::string_view name) {
  for (const ends& e : table)
    if (e.name == name) return e;
  FAIL("no line for " << std::string(name));
  return {};
}

double first_of(float x) { return static_cast<double>(x); }
double first_of(double x) { return x; }
template <class T>
double first_of(const lane<T>& x) {
  T all[static_cast<std::size_t>(lane<T>::width)];
  x.store(all);
  return static_cast<double>(all[0]);
}

/// An activation at one point: its value, its derivative as the library takes it, and by duals.
struct outcome {
  double value, stated, by_duals;
};

/// X: the number type; T: its scalar.
template <class X, class T, class F>
outcome evaluate(double x) {
  const X at(static_cast<T>(x));
  return {first_of(math::convert<X>(F{}(at))), first_of(derivative_of<F>{}(at)),
          first_of(math::convert<X>(dual_derivative(F{}, at)))};
}

void check(const ends& e, outcome (*f)(double), double epsilon) {
  const auto close = [&](double got, double want) {
    return std::fabs(got - want) <= 8 * epsilon * std::fmax(1, std::fabs(want));
  };
  for (const double x : {-1e30, -1e5, 1e5, 1e30}) {
    const double slope = x < 0 ? e.slope_below : e.slope_above;
    const double limit = x < 0 ? e.value_below : e.value_above;
    const outcome y = f(x);
    INFO(e.name << " at " << x << " is " << y.value << " with slopes " << y.stated << " and "
                << y.by_duals);
    // softsign comes close as 1 / |x| only.
    const double slow = e.name == "softsign" ? 2 / std::fabs(x) : 0;
    const double want = slope == 0 ? limit : slope * x;
    CHECK((close(y.value, want) || std::fabs(y.value - want) <= slow));
    CHECK((close(y.stated, slope) || std::fabs(y.stated - slope) <= slow));
    CHECK((close(y.by_duals, slope) || std::fabs(y.by_duals - slope) <= slow));
  }

  const double infinity = std::numeric_limits<double>::infinity();
  for (const double x : {-infinity, infinity}) {
    const double slope = x < 0 ? e.slope_below : e.slope_above;
    const outcome y = f(x);
    INFO(e.name << " at " << x << " is " << y.value << " with slopes " << y.stated << " and "
                << y.by_duals);
    if (slope == 0)
      CHECK(close(y.value, x < 0 ? e.value_below : e.value_above));
    else
      CHECK(y.value == x);
    CHECK(close(y.stated, slope));
    CHECK(close(y.by_duals, slope));
  }

  INFO(e.name << " of NaN");
  CHECK(std::isnan(f(std::nan("")).value));
}

template <class X, class T>
void check_ends() {
  for_each_activation([]<class F>(const F&) {
    check(ends_of(F::name), evaluate<X, T, F>,
          static_cast<double>(std::numeric_limits<T>::epsilon()));
  });
}

}  // namespace

TEST_CASE("activations saturate as they should: scalars") {
  check_ends<float, float>();
  check_ends<double, double>();
}

TEST_CASE("activations saturate as they should: lanes") {
  check_ends<lane<float>, float>();
  check_ends<lane<double>, double>();
}

}  // namespace saturation_test

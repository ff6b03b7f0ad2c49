// Activations far out: values and derivatives at +-1e5, +-1e30, infinity and NaN, over scalars,
// duals and lanes.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/backend/cpu/lane.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

using namespace chainrule;
using chainrule::math::lane;

namespace {

/// How an activation ends on either side: the slope, and the value if the slope is 0.
struct ends {
  std::string_view name;
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

template <class T>
T first_of(const T& x) {
  return x;
}
template <class T>
T first_of(const lane<T>& x) {
  std::vector<T> all(static_cast<std::size_t>(lane<T>::width));
  x.store(all.data());
  for (const T v : all) CHECK((v == all[0] || (v != v && all[0] != all[0])));
  return all[0];
}

/// X: the number type; T: its scalar.
template <class X, class T>
void check_ends() {
  for_each_activation([]<class F>(const F& f) {
    const ends e = ends_of(F::name);
    const auto value = [&](T x) { return static_cast<T>(first_of(math::convert<X>(f(X(x))))); };
    const auto close = [](T got, double want) {
      return std::fabs(static_cast<double>(got) - want) <=
             8 * static_cast<double>(std::numeric_limits<T>::epsilon()) *
                 std::fmax(1, std::fabs(want));
    };
    for (const double x : {-1e30, -1e5, 1e5, 1e30}) {
      const double slope = x < 0 ? e.slope_below : e.slope_above;
      const double limit = x < 0 ? e.value_below : e.value_above;
      const X at(static_cast<T>(x));
      const T got = value(static_cast<T>(x));
      const T stated = first_of(derivative_of<F>{f}(at));
      const T by_duals = first_of(dual_derivative(f, at));
      INFO(std::string(F::name) << " at " << x << " is " << got << " with slopes " << stated
                                << " and " << by_duals);
      // softsign comes close as 1 / |x| only.
      const double slow = F::name == "softsign" ? 2 / std::fabs(x) : 0;
      if (slope == 0)
        CHECK((close(got, limit) || std::fabs(static_cast<double>(got) - limit) <= slow));
      else
        CHECK(close(got, slope * x));
      CHECK((close(stated, slope) || std::fabs(static_cast<double>(stated) - slope) <= slow));
      CHECK((close(by_duals, slope) || std::fabs(static_cast<double>(by_duals) - slope) <= slow));
    }

    constexpr T infinity = std::numeric_limits<T>::infinity();
    INFO(std::string(F::name) << " at infinity is " << value(infinity) << ", at -infinity "
                              << value(-infinity));
    if (e.slope_above == 0)
      CHECK(close(value(infinity), e.value_above));
    else
      CHECK(value(infinity) == infinity);
    if (e.slope_below == 0)
      CHECK(close(value(-infinity), e.value_below));
    else
      CHECK(value(-infinity) == -infinity);

    const T undefined = value(std::numeric_limits<T>::quiet_NaN());
    CHECK(undefined != undefined);
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

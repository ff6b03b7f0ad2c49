// Activations by name and by value, and functors of one's own.
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/backend/cpu/lane.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

namespace activation_test {

namespace {

// As a user writes them, in a namespace of their own and without a qualified name.
struct swish {
  auto operator()(auto x) const { return x / (1 + exp(-x)); }
};
struct everything {
  auto operator()(auto x) const {
    auto y = where(x > 0, log1p(x), expm1(min(x, 0)));
    y += 0.5 * tanh(x) * sqrt(1 + x * x);
    return clamp(y, -3, 3) - abs(x) / 4 + max(x, 1) * 2;
  }
};
struct states_its_own {
  auto operator()(auto x) const { return x * x; }
  auto derivative(auto x, auto y) const { return 100 * x + y; }  // wrong, so that use is seen
};
struct from_its_output {
  auto operator()(auto x) const { return x * x; }
  auto derivative_from_output(auto y) const { return 1000 + y; }
};

using chainrule::dual;
using chainrule::math::lane;

template <class T>
std::vector<T> elements(const lane<T>& x) {
  std::vector<T> v(static_cast<std::size_t>(lane<T>::width));
  x.store(v.data());
  return v;
}

double swish_slope(double x) {
  const double s = 1 / (1 + std::exp(-x));
  return s + x * s * (1 - s);
}

}  // namespace

TEST_CASE("activations have the values of their definitions") {
  using namespace chainrule;
  const double eps = 4 * std::numeric_limits<double>::epsilon();
  const auto close = [&](double got, double want) { return std::fabs(got - want) <= eps; };
  for (const double x : {-4.0, -1.0, -0.1, 0.0, 0.3, 1.0, 2.5}) {
    CAPTURE(x);
    const double s = 1 / (1 + std::exp(-x));
    const double plus = std::log(1 + std::exp(x));
    CHECK(identity{}(x) == x);
    CHECK(relu{}(x) == (x > 0 ? x : 0));
    CHECK(close(leaky_relu{}(x), x > 0 ? x : 0.01 * x));
    CHECK(close(elu{}(x), x > 0 ? x : std::exp(x) - 1));
    CHECK(close(elu{0.5}(x), x > 0 ? x : 0.5 * (std::exp(x) - 1)));
    CHECK(
        close(selu{}(x), x > 0 ? 1.0507009873554805 * x : 1.7580993408473766 * (std::exp(x) - 1)));
    CHECK(close(fn::sigmoid{}(x), s));
    CHECK(close(fn::tanh{}(x), std::tanh(x)));
    CHECK(close(fn::softplus{}(x), plus));
    CHECK(close(softsign{}(x), x / (1 + std::fabs(x))));
    CHECK(close(silu{}(x), x * s));
    CHECK(close(gelu{}(x), x * 0.5 * std::erfc(-x / std::sqrt(2.0))));
    CHECK(close(gelu_tanh{}(x), x / 2 *
                                    (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) *
                                                   (x + 0.044715 * std::pow(x, 3))))));
    CHECK(close(mish{}(x), x * std::tanh(plus)));
    const double hard = std::fmin(1, std::fmax(0, x / 6 + 0.5));
    CHECK(close(hard_sigmoid{}(x), hard));
    CHECK(close(hard_swish{}(x), x * hard));
    CHECK(fn::sign{}(x) == (x > 0) - (x < 0));
  }
}

TEST_CASE("activations are found by name") {
  int visited = 0;
  chainrule::for_each_activation([&]<class F>(const F&) {
    chainrule::with_activation(F::name, [&]<class Found>(const Found&) {
      CHECK(std::is_same_v<F, Found>);
      ++visited;
    });
  });
  CHECK(visited == 16);
  double y = 0;
  chainrule::with_activation("tanh", [&](const auto& f) { y = f(0.5); });
  CHECK(y == std::tanh(0.5));
}

TEST_CASE("an unknown name is refused with the list of those there are") {
  for (const char* name : {"rellu", "", "ReLU", "relu "}) {
    std::string said;
    bool visited = false;
    try {
      chainrule::with_activation(name, [&](const auto&) { visited = true; });
    } catch (const chainrule::value_error& e) {
      said = e.what();
    }
    CAPTURE(said);
    CHECK(!visited);
    CHECK(said.find("'" + std::string(name) + "'") != std::string::npos);
    chainrule::for_each_activation(
        [&]<class F>(const F&) { CHECK(said.find(std::string(F::name)) != std::string::npos); });
  }
}

TEST_CASE("names and gains of functors with and without them") {
  CHECK(chainrule::name_of<chainrule::gelu>() == "gelu");
  CHECK(chainrule::name_of<swish>() == "custom");
  CHECK(chainrule::gain_of<chainrule::relu>() == chainrule::gain_class::rectifier);
  CHECK(chainrule::gain_of<chainrule::selu>() == chainrule::gain_class::self_normalizing);
  CHECK(chainrule::gain_of<chainrule::fn::tanh>() == chainrule::gain_class::linear);
  CHECK(chainrule::gain_of<swish>() == chainrule::gain_class::linear);
}

TEST_CASE("a functor of one's own runs over every number type") {
  const double eps = std::numeric_limits<double>::epsilon();
  const float eps_f = std::numeric_limits<float>::epsilon();
  for (const double x : {-4.0, -0.5, 0.0, 1.25, 6.0}) {
    CAPTURE(x);
    const double y = x / (1 + std::exp(-x));
    CHECK(std::fabs(swish{}(x)-y) <= 4 * eps);
    for (const double v : elements(swish{}(lane<double>(x)))) CHECK(std::fabs(v - y) <= 8 * eps);
    for (const float v : elements(swish{}(lane<float>(x))))
      CHECK(std::fabs(v - static_cast<float>(y)) <= 16 * eps_f);

    const double slope = swish_slope(x);
    CHECK(std::fabs(swish{}(dual<double>(x, 1)).derivative - slope) <= 16 * eps);
    CHECK(std::fabs(chainrule::derivative_of<swish>{}(x)-slope) <= 16 * eps);
    const dual<lane<float>> in_lanes(lane<float>(x), lane<float>(1));
    for (const float v : elements(swish{}(in_lanes).derivative))
      CHECK(std::fabs(v - static_cast<float>(slope)) <= 32 * eps_f);
    for (const double v : elements(chainrule::derivative_of<swish>{}(lane<double>(x))))
      CHECK(std::fabs(v - slope) <= 32 * eps);
  }
}

TEST_CASE("a functor over duals of lanes agrees with itself over duals of scalars") {
  for (const double x : {-4.0, -0.5, 0.25, 1.25, 6.0}) {
    const auto want = everything{}(dual<double>(x, 1));
    const auto got = everything{}(dual<lane<double>>(lane<double>(x), lane<double>(1)));
    for (const double v : elements(got.value))
      CHECK(std::fabs(v - want.value) <= 64 * std::numeric_limits<double>::epsilon());
    for (const double v : elements(got.derivative))
      CHECK(std::fabs(v - want.derivative) <= 64 * std::numeric_limits<double>::epsilon());
  }
}

TEST_CASE("a derivative that a functor states is the one that is used") {
  CHECK(chainrule::derivative_of<states_its_own>{}(3.0) == 309);
  CHECK(chainrule::dual_derivative(states_its_own{}, 3.0) == 6);
  CHECK(chainrule::derivative_of<from_its_output>{}(3.0) == 1009);
  CHECK(chainrule::derivative_at(from_its_output{}, 3.0, 5.0) == 1005);
  CHECK(chainrule::backward_of<states_its_own>{}(2.0, 3.0) == 618);    // from the argument
  CHECK(chainrule::backward_of<from_its_output>{}(2.0, 5.0) == 2010);  // from the output
  CHECK(chainrule::backward_of<swish>{}(2.0, 0.0) == 1);
}

}  // namespace activation_test

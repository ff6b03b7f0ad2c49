// Every activation on variables: value, first and second derivative, fused and not. (Functions
// stand in the table of gradients, tests/gradients/functions_test.cpp.) And that number types nest:
// duals of duals over plain numbers, lanes and symbols.
#include "autodiff/differences.hpp"
#include "chainrule/pointwise/symbol.hpp"
#include "support/catch.hpp"

namespace vocabulary_test {

using namespace differences;

namespace {

using B = basic_cpu<double>;
using list = std::vector<variable<B>>;

/// (x² sin x)''
struct second {
  auto operator()(auto u) const {
    return dual_derivative(
        [](auto v) { return dual_derivative([](auto w) { return w * w * sin(w); }, v); }, u);
  }
};

}  // namespace

TEST_CASE("activations as functors, fused and operation by operation", "[autodiff][gradient]") {
  for_each_activation([]<class F>(const F& f) {
    INFO(name_of<F>());
    const auto x = spread(3, 5, 3, -2.9, 2.9);
    const auto fused = [&](const list& in) { return math::apply(f, in[0]) + in[0]; };
    const auto taped = [&](const list& in) { return f(in[0]) + in[0]; };
    check_gradient<B>(fused, {x});
    check_gradient<B>(taped, {x});
    check_second<B>([&](const list& in) { return math::apply(f, in[0]) + sqr(in[0]); }, {x});
  });
}

TEST_CASE("gradients of activations at the infinities are those far out", "[autodiff][gradient]") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for_each_activation([]<class F>(const F& f) {
    tape<B> t;
    const B be;
    const auto x = t.variable(numbers(be, 1, 4, {-infinity, -1e5, 1e5, infinity}).view());
    for (const auto& y : {math::apply(f, x), f(x)}) {
      const auto slope = values(gradient(math::sum(y), x));
      INFO(name_of<F>() << ": " << slope[0] << ", " << slope[1] << "; " << slope[2] << ", "
                        << slope[3]);
      CHECK(std::fabs(slope[0] - slope[1]) <= 1e-9);  // softsign's is 1 / x^2
      CHECK(std::fabs(slope[3] - slope[2]) <= 1e-9);
    }
  });
}

TEST_CASE("the gradient of softplus on tapes keeps the digits of its tail", "[autodiff]") {
  tape<B> t;
  const B be;
  const std::vector<double> at{-17, -30, -300, -700};
  const auto x = t.variable(numbers(be, 1, 4, at).view());
  const auto slope = values(gradient(math::sum(math::softplus(x)), x));
  for (std::size_t i = 0; i < 4; ++i) {
    const double want = 1 / (1 + std::exp(-at[i]));
    CAPTURE(at[i], slope[i], want);
    CHECK(std::fabs(slope[i] - want) <= 4 * std::numeric_limits<double>::epsilon() * want);
  }
}

TEST_CASE("duals nest over plain numbers, lanes and symbols", "[autodiff]") {
  const auto f = [](auto x) { return exp(x) * sin(x) + x / (1 + x * x) + pow(x, 3); };
  const auto first = [&](auto x) { return dual_derivative(f, x); };
  const double x = 0.7;
  const double q = 1 + x * x;
  const double expected =
      2 * std::exp(x) * std::cos(x) + (2 * x * x * x - 6 * x) / (q * q * q) + 6 * x;
  using number = math::plain<double>;
  CHECK(std::fabs(dual_derivative(first, number(x)).value - expected) <= 1e-14);

  using lanes = math::lane<double>;
  double out[static_cast<std::size_t>(lanes::width)];
  dual_derivative(first, lanes(x)).store(out);
  CHECK(std::fabs(out[0] - expected) <= 1e-14);

  // As a kernel: the trace exists and is of one operand. Values are the devices' tests.
  CHECK(trace_of<1>(second{}).results() == 1);
  const B be;
  const tensor<B> in = numbers(be, 1, 5, {-1, 0, 0.5, 1, 2});
  tensor<B> result(be, 1, 5);
  be.map(second{}, result.view(), in.view());
  const auto got = doubles(be, result);
  for (std::size_t i = 0; i < 5; ++i) {
    const double u = doubles(be, in)[i];
    CHECK(std::fabs(got[i] - ((2 - u * u) * std::sin(u) + 4 * u * std::cos(u))) <= 1e-14);
  }
}

TEST_CASE("functors without constants have kernels without them", "[autodiff]") {
  // A device knows such a kernel by its type alone.
  STATIC_REQUIRE(std::is_empty_v<chainrule::detail::stated_gradient<fn::exp>>);
  STATIC_REQUIRE(std::is_empty_v<backward_of<relu>>);
  STATIC_REQUIRE(std::is_empty_v<chainrule::detail::dual_gradient<fn::pow, 1>>);
}

}  // namespace vocabulary_test

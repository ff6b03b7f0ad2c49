// Every function of the vocabulary and every activation on variables: value, first and second
// derivative; on matrices and on scalars, which are computed without the backend's verbs. And that
// number types nest: duals of duals over plain numbers, lanes and symbols.
#include "autodiff/differences.hpp"
#include "chainrule/pointwise/symbol.hpp"
#include "support/catch.hpp"

using namespace differences;

namespace {

using B = basic_cpu<double>;
using list = std::vector<variable<B>>;

template <class F>
void check(const char* what, const F& f, double low, double high, bool is_step = false,
           bool is_linear = false) {
  INFO(what);
  for (const auto& [rows, cols] : {std::pair<index_t, index_t>{3, 5}, {1, 1}}) {
    const auto x = spread(rows, cols, 3, low, high);
    const auto of_list = [&](const list& in) { return f(in[0]); };
    if (is_step) {
      // 0 everywhere, which a difference confirms and a gradient of zeros shows as "all zero".
      check_gradient<B>([&](const list& in) { return f(in[0]) + in[0]; }, {x});
      continue;
    }
    check_gradient<B>(of_list, {x});
    if (!is_linear) check_second<B>(of_list, {x});
  }
}

#define CHECK_FUNCTION(name, low, high) \
  check(                                \
      #name, [](const auto& x) { return math::name(x); }, low, high)
#define CHECK_STEP(name, low, high) \
  check(                            \
      #name, [](const auto& x) { return math::name(x); }, low, high, true)

/// (x² sin x)''
struct second {
  auto operator()(auto u) const {
    return dual_derivative(
        [](auto v) { return dual_derivative([](auto w) { return w * w * sin(w); }, v); }, u);
  }
};

}  // namespace

TEST_CASE("the vocabulary's derivatives on variables", "[autodiff][gradient]") {
  CHECK_FUNCTION(exp, -2, 2);
  CHECK_FUNCTION(exp2, -2, 2);
  CHECK_FUNCTION(expm1, -2, 2);
  CHECK_FUNCTION(log, 0.3, 3);
  CHECK_FUNCTION(log2, 0.3, 3);
  CHECK_FUNCTION(log10, 0.3, 3);
  CHECK_FUNCTION(log1p, -0.5, 3);
  CHECK_FUNCTION(sqrt, 0.3, 3);
  CHECK_FUNCTION(cbrt, 0.3, 3);
  CHECK_FUNCTION(sin, -3, 3);
  CHECK_FUNCTION(cos, -3, 3);
  CHECK_FUNCTION(tan, -1, 1);
  CHECK_FUNCTION(asin, -0.8, 0.8);
  CHECK_FUNCTION(acos, -0.8, 0.8);
  CHECK_FUNCTION(atan, -3, 3);
  CHECK_FUNCTION(sinh, -2, 2);
  CHECK_FUNCTION(cosh, -2, 2);
  CHECK_FUNCTION(tanh, -2, 2);
  CHECK_FUNCTION(asinh, -2, 2);
  CHECK_FUNCTION(acosh, 1.3, 3);
  CHECK_FUNCTION(atanh, -0.8, 0.8);
  CHECK_FUNCTION(erf, -2, 2);
  CHECK_FUNCTION(erfc, -2, 2);
  CHECK_FUNCTION(sqr, -2, 2);
  CHECK_FUNCTION(inv, 0.3, 3);
  CHECK_FUNCTION(inv_sqrt, 0.3, 3);
  CHECK_FUNCTION(sigmoid, -3, 3);
  CHECK_FUNCTION(softplus, -3, 3);
  CHECK_STEP(floor, -3, 3);
  CHECK_STEP(ceil, -3, 3);
  CHECK_STEP(trunc, -3, 3);
  CHECK_STEP(round, -3.3, 3.2);
  CHECK_STEP(sign, -3, 3);
  check(
      "abs", [](const auto& x) { return math::abs(x); }, -2, 2, false, true);
  check(
      "relu", [](const auto& x) { return math::relu(x); }, -0.4, 8, false, true);
}

TEST_CASE("the vocabulary's functions of two arguments on variables", "[autodiff][gradient]") {
  const auto look = [](const char* what, const auto& f) {
    INFO(what);
    const auto of_list = [&](const list& in) { return f(in[0], in[1]); };
    for (const auto& [rows, cols] : {std::pair<index_t, index_t>{3, 4}, {1, 1}}) {
      const std::vector<host_matrix> x{spread(3, 4, 1, 0.6, 2), spread(rows, cols, 2, 0.7, 3)};
      check_gradient<B>(of_list, x);
      check_second<B>(of_list, x);
      // And with a constant on either side.
      check_gradient<B>([&](const list& in) { return f(in[0], 1.3); }, {x[0]});
      check_gradient<B>([&](const list& in) { return f(1.3, in[0]); }, {x[0]});
    }
  };
  look("pow", [](const auto& a, const auto& b) { return math::pow(a, b); });
  look("atan2", [](const auto& a, const auto& b) { return math::atan2(a, b); });
  look("max", [](const auto& a, const auto& b) { return math::sqr(math::max(a, b)); });
  look("min", [](const auto& a, const auto& b) { return math::sqr(math::min(a, b)); });
  look("fmax", [](const auto& a, const auto& b) { return math::sqr(math::fmax(a, b)); });
  look("fmin", [](const auto& a, const auto& b) { return math::sqr(math::fmin(a, b)); });
  look("copysign",
       [](const auto& a, const auto& b) { return math::sqr(math::copysign(a, b) + a) + b * b; });
  look("fmod", [](const auto& a, const auto& b) { return math::sqr(math::fmod(a, b) + b); });
}

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
  STATIC_REQUIRE(std::is_empty_v<chainrule::detail::slope_by_rule<fn::exp>>);
  STATIC_REQUIRE(std::is_empty_v<chainrule::detail::slope_from_output<relu>>);
  STATIC_REQUIRE(std::is_empty_v<chainrule::detail::slope_by_dual<fn::pow, 1>>);
}

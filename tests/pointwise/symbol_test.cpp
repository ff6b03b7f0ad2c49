// The trace of a functor, carried out by an interpreter, gives what the functor gives.

#include "chainrule/pointwise/symbol.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

namespace symbol_test {

namespace {

using chainrule::trace;

double call(const std::string& name, double a, double b) {
  static const std::map<std::string, double (*)(double)> unary{
      {"exp", std::exp},      {"expm1", std::expm1}, {"log", std::log},   {"log1p", std::log1p},
      {"cr_tanh", std::tanh}, {"erf", std::erf},     {"fabs", std::fabs}, {"sin", std::sin},
      {"cos", std::cos},      {"sqrt", std::sqrt}};
  if (const auto found = unary.find(name); found != unary.end()) return found->second(a);
  if (name == "cr_sign") return chainrule::fn::sign{}(a);
  if (name == "cr_max") return chainrule::fn::max{}(a, b);
  if (name == "cr_min") return chainrule::fn::min{}(a, b);
  if (name == "pow") return std::pow(a, b);
  FAIL("the interpreter does not know the function " << name);
  return 0;
}

/// The results of a trace for given operands.
std::vector<double> carry_out(const trace& t, const std::vector<double>& operands) {
  std::vector<double> values;
  const auto at = [&](int i) { return i < 0 ? 0 : values[static_cast<std::size_t>(i)]; };
  for (const trace::operation& o : t.operations()) {
    const double a = at(o.a);
    const double b = at(o.b);
    switch (o.what) {
      case trace::kind::operand:
        values.push_back(operands.at(std::stoul(o.text.substr(1))));
        break;
      case trace::kind::constant:
        values.push_back(o.value);
        break;
      case trace::kind::prefix:
        values.push_back(o.text == "!" ? (a == 0 ? 1 : 0) : -a);
        break;
      case trace::kind::call:
        values.push_back(call(o.text, a, b));
        break;
      case trace::kind::choice:
        values.push_back(a != 0 ? b : at(o.c));
        break;
      case trace::kind::infix: {
        const std::map<std::string, double> results{{"+", a + b},
                                                    {"-", a - b},
                                                    {"*", a * b},
                                                    {"/", a / b},
                                                    {"<", a < b},
                                                    {"<=", a <= b},
                                                    {">", a > b},
                                                    {">=", a >= b},
                                                    {"==", a == b},
                                                    {"!=", a != b},
                                                    {"&&", a != 0 && b != 0},
                                                    {"||", a != 0 || b != 0}};
        values.push_back(results.at(o.text));
      }
    }
  }
  std::vector<double> results;
  for (std::size_t i = 0; i < t.results(); ++i)
    results.push_back(values.at(std::stoul(t.result(i).substr(1))));
  return results;
}

constexpr double points[] = {-1e5, -20, -3, -1, -0.3, -1e-9, 0, 1e-9, 0.2, 1, 2.5, 7, 50, 1e5};

struct swish {
  auto operator()(auto x) const { return x / (1 + exp(-x)); }
};

struct two_results {
  auto operator()(auto a, auto b) const { return std::tuple(a + b, where(a < b, a * b, 0)); }
};

TEST_CASE("the trace of every activation and of its derivative computes what the functor does") {
  chainrule::for_each_activation([]<class F>(const F& f) {
    const trace value = chainrule::trace_of<1>(f);
    const trace slope = chainrule::trace_of<2>(chainrule::backward_of<F>{f});
    for (const double x : points) {
      INFO(F::name << " at " << x);
      // The same operations in the same order, so the same numbers; 4 ulp for compilers that
      // contract a product and a sum.
      const double eps = 4 * std::numeric_limits<double>::epsilon();
      const double y = f(x);
      CHECK(std::abs(carry_out(value, {x})[0] - y) <= eps * std::abs(y));
      const double kept = chainrule::derivable_from_output<F> ? y : x;
      const double dx = chainrule::backward_of<F>{f}(1.5, kept);
      CHECK(std::abs(carry_out(slope, {1.5, kept})[0] - dx) <= eps * std::abs(dx));
    }
  });
}

TEST_CASE("a functor with several results and conditions is traced") {
  const trace t = chainrule::trace_of<2>(two_results{});
  REQUIRE(t.results() == 2);
  CHECK(carry_out(t, {2, 3}) == std::vector<double>{5, 6});
  CHECK(carry_out(t, {3, 2}) == std::vector<double>{5, 0});
}

TEST_CASE("equal operations are written down once, unneeded ones are not printed") {
  const trace t = chainrule::trace_of<1>([](auto x) {
    const auto unused = x * 17;
    (void)unused;
    return exp(x) * exp(x) + exp(x);
  });
  std::size_t calls = 0;
  for (const trace::operation& o : t.operations()) calls += o.what == trace::kind::call;
  CHECK(calls == 1);
  CHECK(t.print<double>().find("17") == std::string::npos);
  CHECK(t.print<double>().find("0x1.1p+4") == std::string::npos);  // 17 in hexadecimal
}

TEST_CASE("constants are rounded to the scalar only when they are printed") {
  const trace t = chainrule::trace_of<1>([](auto x) { return 0.1 * x; });
  CHECK(t.print<double>().find("(0x1.999999999999ap-4)") != std::string::npos);
  CHECK(t.print<float>().find("(0x1.99999ap-4f)") != std::string::npos);
  const trace limits = chainrule::trace_of<1>([](auto x) {
    return where(x > 0, std::numeric_limits<double>::infinity(),
                 std::numeric_limits<double>::quiet_NaN());
  });
  CHECK(limits.print<float>().find("cr_infinity") != std::string::npos);
  CHECK(limits.print<float>().find("cr_nan") != std::string::npos);
}

TEST_CASE("a functor of constants only, or without operands, is traced") {
  CHECK(carry_out(chainrule::trace_of<0>(chainrule::fn::fill{2.5}), {}) ==
        std::vector<double>{2.5});
  CHECK(carry_out(chainrule::trace_of<1>([](auto) { return 3; }), {9}) == std::vector<double>{3});
}

TEST_CASE("a symbol outside of a trace is refused") {
  CHECK_THROWS_AS(chainrule::math::symbol(1.0), chainrule::value_error);
}

}  // namespace

}  // namespace symbol_test

// After `using namespace chainrule;` every function of the vocabulary is called by its plain name,
// by functors of any namespace, beside <cmath>: no type of the library has such a name. A program
// that adds a type or a function that breaks this makes the file fail to compile.
#include <cmath>

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/chainrule.hpp"
#include "chainrule/pointwise/symbol.hpp"
#include "pointwise/numeric.hpp"
#include "support/catch.hpp"

namespace names_test {

using namespace chainrule;

struct x_tanh_x {
  auto operator()(auto x) const { return x * tanh(x); }
};

namespace users {

/// Functions of the whole line. Each part is small beside 1 / epsilon and none is constant.
struct smooth {
  auto operator()(auto x) const {
    const auto a = exp(x) + exp2(x) + expm1(x) + sin(x) + cos(x) + atan(x) + sinh(x) + cosh(x);
    const auto b = tanh(x) + asinh(x) + erf(x) + erfc(x) + sqr(x) + sigmoid(x) + softplus(x);
    return a + b;
  }
};
/// Functions of numbers in (0, 1).
struct of_fractions {
  auto operator()(auto x) const {
    const auto a = log(x) + log2(x) + log10(x) + log1p(x) + sqrt(x) + cbrt(x) + tan(x) + asin(x);
    const auto b = acos(x) + acosh(x + 1) + atanh(x) + inv(x) + inv_sqrt(x) + pow(x, 1.5);
    return a + b + atan2(x, 2) + fmod(x, 2);
  }
};
/// Functions with steps and kinks.
struct steps {
  auto operator()(auto x) const {
    const auto a = floor(x) + ceil(x) + trunc(x) + round(x) + abs(x) + sign(x);
    return a + max(x, 0) + min(x, 1) + clamp(x, -1, 1) + where(x > 0, x, -x) + relu{}(x);
  }
};

template <class F>
void works_over_every_number_type(const F& f, double x) {
  const double want = derivative_of<F>{f}(math::plain<double>(x)).value;
  // The sum of 20 terms whose derivatives are below 100.
  constexpr double allowed = 2000 * numeric::epsilon;
  CHECK(std::fabs(want) > 0.1);
  CHECK(std::fabs(f(dual<math::plain<double>>(math::plain<double>(x), math::plain<double>(1)))
                      .derivative.value -
                  want) <= allowed);
  CHECK(trace_of<1>(f).results() == 1);

  using lanes = math::lane<double>;
  double out[static_cast<std::size_t>(lanes::width)];
  derivative_of<F>{f}(lanes(x)).store(out);
  CHECK(std::fabs(out[0] - want) <= allowed);

  tape<basic_cpu<double>> t;
  const auto v = t.variable(1, 2, {x, x});
  CHECK(std::fabs(mean(gradient(sum(f(v)), v)).item() - want) <= allowed);
}

}  // namespace users

TEST_CASE("functors call the vocabulary by plain names beside using-directives") {
  users::works_over_every_number_type(x_tanh_x{}, 0.7);
  users::works_over_every_number_type(users::smooth{}, 0.7);
  users::works_over_every_number_type(users::of_fractions{}, 0.6);
  users::works_over_every_number_type(users::steps{}, 0.3);
}

TEST_CASE("functions of variables have plain names beside using-directives") {
  tape<basic_cpu<double>> t;
  const auto x = t.variable(2, 2, {1, 2, 3, 4});
  CHECK(sum(x).item() == 10);
  CHECK(mean(x).item() == 2.5);
  CHECK(max(x).item() == 4);
  CHECK(min(x).item() == 1);
  CHECK(sum(softmax(x)).item() == Approx(2).epsilon(4 * numeric::epsilon));
  CHECK(norm(x).item() == Approx(std::sqrt(30.0)).epsilon(4 * numeric::epsilon));
}

TEST_CASE("functions of the vocabulary are activations, by their names in files") {
  const basic_cpu<double> be;
  network net{be, dense{3, 4, fn::tanh{}}, dense{4, 4, fn::softplus{}}, activation{fn::sigmoid{}}};
  const std::string text = summary(net);
  for (const char* name : {"dense + tanh", "dense + softplus", "sigmoid"}) {
    INFO(name);
    CHECK(text.find(name) != std::string::npos);
  }
}

}  // namespace names_test

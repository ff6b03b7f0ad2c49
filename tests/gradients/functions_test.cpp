// Rows of the table of gradients: every function of the vocabulary, on matrices of variables and on
// single ones, which a backend in host memory computes without its verbs.
#include "gradients/function_row.hpp"

namespace functions_test {

using namespace gradients;

namespace {

/// Where every operation is a kernel to be compiled, second derivatives of all functions would take
/// minutes; those of operations stand for them there.
template <class B>
constexpr bool compiles_kernels = requires(const B& be) {
  be.device_name();
};

template <class F>
void row(const char* name, const F& f, const std::vector<inputs>& points) {
  function_row(
      "functions", name, f, points,
      compiles_kernels<support::tested<double>> ? orders::first : orders::first_and_second);
}

std::vector<inputs> points(double low, double high) {
  return {{spread(3, 5, 3, low, high)}, {spread(1, 1, 3, low, high)}};
}
std::vector<inputs> pairs() {
  const plain_matrix left = spread(3, 4, 1, 0.6, 2);
  return {{left, spread(3, 4, 2, 0.7, 3)}, {left, spread(1, 1, 2, 0.7, 3)}};
}

#define ROW(name, low, high) \
  row(                       \
      #name, [](const auto& x) { return math::name(x[0]); }, points(low, high))
// With x itself: a gradient of nothing but zeros proves little.
#define ROW_OF_STEPS(name, low, high) \
  row(                                \
      #name, [](const auto& x) { return math::name(x[0]) + sqr(x[0]); }, points(low, high))
// Also with a constant on either side.
#define ROW_OF_TWO(name)                                                                  \
  row(                                                                                    \
      #name,                                                                              \
      [](const auto& x) {                                                                 \
        return sqr(math::name(x[0], x[1])) + x[1] * x[1] + math::name(x[0], 1.3) * x[0] + \
               math::name(1.3, x[0]);                                                     \
      },                                                                                  \
      pairs())

}  // namespace

TEST_CASE("functions of one argument", "[gradients]") {
  ROW(exp, -2, 2);
  ROW(exp2, -2, 2);
  ROW(expm1, -2, 2);
  ROW(log, 0.3, 3);
  ROW(log2, 0.3, 3);
  ROW(log10, 0.3, 3);
  ROW(log1p, -0.5, 3);
  ROW(sqrt, 0.3, 3);
  ROW(cbrt, 0.3, 3);
  ROW(sin, -3, 3);
  ROW(cos, -3, 3);
  ROW(tan, -1, 1);
  ROW(asin, -0.8, 0.8);
  ROW(acos, -0.8, 0.8);
  ROW(atan, -3, 3);
  ROW(sinh, -2, 2);
  ROW(cosh, -2, 2);
  ROW(tanh, -2, 2);
  ROW(asinh, -2, 2);
  ROW(acosh, 1.3, 3);
  ROW(atanh, -0.8, 0.8);
  ROW(erf, -2, 2);
  ROW(erfc, -2, 2);
  ROW(sqr, -2, 2);
  ROW(inv, 0.3, 3);
  ROW(inv_sqrt, 0.3, 3);
  ROW(sigmoid, -3, 3);
  ROW(softplus, -3, 3);
  ROW_OF_STEPS(floor, -3, 3);
  ROW_OF_STEPS(ceil, -3, 3);
  ROW_OF_STEPS(trunc, -3, 3);
  ROW_OF_STEPS(round, -3.3, 3.2);
  ROW_OF_STEPS(sign, -3, 3);
  ROW_OF_STEPS(abs, -2, 2);
}

TEST_CASE("functions of several arguments", "[gradients]") {
  ROW_OF_TWO(pow);
  ROW_OF_TWO(atan2);
  ROW_OF_TWO(fmod);
  ROW_OF_TWO(min);
  ROW_OF_TWO(max);
  row("clamp", [](const auto& x) { return sqr(math::clamp(x[0], -1, 1.1)) + x[0]; },
      {{spread(3, 4, 1, -2, 2)}});
}

}  // namespace functions_test

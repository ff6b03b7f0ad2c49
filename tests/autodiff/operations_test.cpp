// The gradient of every operation on variables against central differences: all inputs, all ways to
// broadcast, and the gradient of the gradient.
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

using namespace differences;

namespace {

/// First and second derivatives of f.
template <class B, class F>
void check(const char* what, const F& f, const std::vector<host_matrix>& inputs) {
  INFO(what);
  check_gradient<B>(f, inputs);
  check_second<B>(f, inputs);
}

template <class B>
using list = std::vector<variable<B>>;

}  // namespace

TEMPLATE_LIST_TEST_CASE("arithmetic and its broadcasts", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  // A device makes kernels for each.
  const std::vector<std::pair<shape, shape>> shapes{
      {{3, 4}, {3, 4}}, {{3, 4}, {1, 4}}, {{3, 1}, {1, 4}}, {{1, 1}, {3, 4}}};
  for (const auto& [a, b] : shapes) {
    INFO(to_string(a) << " and " << to_string(b));
    const std::vector<host_matrix> inputs{spread(a.rows, a.cols, 1, -2, 2),
                                          spread(b.rows, b.cols, 2, 0.5, 2)};
    check<B>(
        "+", [](const list<B>& x) { return sqr(x[0] + x[1]); }, inputs);
    check<B>(
        "-", [](const list<B>& x) { return sqr(x[0] - x[1]); }, inputs);
    check<B>(
        "*", [](const list<B>& x) { return x[0] * x[1]; }, inputs);
    check<B>(
        "/", [](const list<B>& x) { return x[0] / x[1]; }, inputs);
  }
}

TEMPLATE_LIST_TEST_CASE("arithmetic with constants", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  const std::vector<host_matrix> inputs{spread(2, 3, 1, 0.5, 2)};
  check<B>(
      "all of it",
      [](const list<B>& in) {
        const variable<B>& x = in[0];
        return (3 * x - 1) * (2 - x) + x / 4 + 5 / x - (-x) * (x + 0.5) * 2;
      },
      inputs);
  // 0 * x has the shape of x.
  check_gradient<B>([](const list<B>& x) { return 0 * x[0] + x[0] * x[0]; }, inputs);
}

TEMPLATE_LIST_TEST_CASE("products, plain and transposed", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  const auto a = spread(2, 3, 1);
  const auto b = spread(3, 4, 2);
  const auto at = spread(3, 2, 3);
  const auto bt = spread(4, 3, 4);
  using math::transposed;
  check<B>("a b", [](const list<B>& x) { return matmul(x[0], x[1]); }, {a, b});
  check<B>("at b", [](const list<B>& x) { return matmul(transposed(x[0]), x[1]); }, {at, b});
  check<B>("a bt", [](const list<B>& x) { return matmul(x[0], transposed(x[1])); }, {a, bt});
  check<B>("at bt", [](const list<B>& x) { return matmul(transposed(x[0]), transposed(x[1])); },
           {at, bt});
  check<B>("xt x", [](const list<B>& x) { return matmul(transposed(x[0]), x[0]); }, {a});
  check<B>("transpose", [](const list<B>& x) { return transpose(x[0]) * x[1]; }, {a, at});
  check<B>("transpose of a wide one", [](const list<B>& x) { return sqr(transpose(x[0])); }, {bt});
}

TEMPLATE_LIST_TEST_CASE("operations that move elements", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  const auto a = spread(3, 4, 1);
  const auto b = spread(2, 4, 2);
  const auto c = spread(3, 2, 3);
  check<B>("reshape", [](const list<B>& x) { return sqr(reshape(x[0], 2, 6)); }, {a});
  check<B>("reshape of a block",
           [](const list<B>& x) { return sqr(reshape(math::block(x[0], 1, 1, 2, 3), 3, 2)); }, {a});
  check<B>("blocks that overlap",
           [](const list<B>& x) { return middle_rows(x[0], 0, 2) * middle_rows(x[0], 1, 2); }, {a});
  check<B>("columns",
           [](const list<B>& x) { return middle_cols(x[0], 1, 2) * middle_cols(x[0], 2, 2); }, {a});
  check<B>("rows below each other",
           [](const list<B>& x) {
             return sqr(math::concatenate_rows({x[0], x[1], x[0]}));
           },
           {a, b});
  check<B>("columns beside each other",
           [](const list<B>& x) {
             return sqr(math::concatenate_cols({x[0], x[1], x[0], x[1], x[1]}));
           },
           {a, c});
  check<B>("gather", [](const list<B>& x) { return sqr(gather(x[0], {2, 0, 2, 2, 1})); }, {a});
  check<B>("broadcast",
           [](const list<B>& x) {
             return sqr(broadcast_to(x[0], {3, 4}));
           },
           {spread(1, 4, 5)});
}

TEMPLATE_LIST_TEST_CASE("reductions", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  const auto a = spread(3, 4, 1, -2, 2);
  for (const over what : {over::all, over::rows, over::cols}) {
    check<B>("sum", [&](const list<B>& x) { return sqr(math::sum(x[0], what)); }, {a});
    check<B>("mean", [&](const list<B>& x) { return sqr(mean(x[0], what)); }, {a});
    check<B>("max", [&](const list<B>& x) { return sqr(max(x[0], what)); }, {a});
    check<B>("min", [&](const list<B>& x) { return sqr(min(x[0], what)); }, {a});
    check<B>("norm", [&](const list<B>& x) { return norm(x[0], what); }, {a});
  }
  check<B>("log_sum_exp", [](const list<B>& x) { return log_sum_exp(x[0]); }, {a});
  check<B>("softmax", [](const list<B>& x) { return softmax(x[0]); }, {a});
  check<B>(
      "cross-entropy of softmax",
      [](const list<B>& x) { return mean(log_sum_exp(x[0]) - math::sum(x[0] * x[1], over::cols)); },
      {a, spread(3, 4, 2)});
}

TEMPLATE_LIST_TEST_CASE("the norm of nothing but zeros has gradient 0", "[autodiff]",
                        double_backends) {
  tape<TestType> t;
  const auto x = t.variable(2, 2, {0, 0, 3, 4});
  const auto y = norm(x, over::cols);
  backward(math::sum(y));
  CHECK(values(y) == std::vector<double>{0, 5});
  CHECK(distance(values(x.gradient()), std::vector<double>{0, 0, 0.6, 0.8}) <= 4e-16);
}

TEMPLATE_LIST_TEST_CASE("the largest elements share the gradient", "[autodiff]", double_backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 4, {2, 7, 7, 1});
  backward(max(x));
  CHECK(values(x.gradient()) == std::vector<double>{0, 0.5, 0.5, 0});
}

TEMPLATE_LIST_TEST_CASE("where, comparisons and powers", "[autodiff][gradient]", double_backends) {
  using B = TestType;
  const auto a = spread(3, 4, 1, -2, 2);
  const auto b = spread(1, 4, 2, -2, 2);
  const auto positive = spread(3, 4, 3, 0.4, 2);
  using math::where;
  check<B>("where", [](const list<B>& x) { return where(x[0] > x[1], x[0] * x[1], sin(x[0])); },
           {a, b});
  check<B>("where with constants",
           [](const list<B>& x) {
             return where((x[0] > 0.25) & !(x[0] > 1.2), sqr(x[0]), 3) +
                    where((x[0] < -1) | (x[0] == 5), 2, sqr(x[0])) + where(x[0] != 0, x[0], 0) +
                    where(x[0] >= 0, 2, -1) * exp(x[0]) + where(0.7 <= x[0], x[0] * x[0], x[0]);
           },
           {a});
  check<B>("pow", [](const list<B>& x) { return pow(x[0], x[1]); }, {positive, b});
  check<B>("pow with constants",
           [](const list<B>& x) {
             return pow(x[0], 3) + pow(x[0], 2) + pow(x[0], -0.5) + pow(2, x[0]) + pow(x[0], 0);
           },
           {positive});
  check<B>("max, min and clamp",
           [](const list<B>& x) {
             return sqr(max(x[0], x[1])) + sqr(min(x[0], x[1])) + sqr(max(x[0], 0.6)) +
                    sqr(min(0.6, x[0])) + sqr(math::clamp(x[0], -1, 1.1));
           },
           {a, b});
}

TEMPLATE_LIST_TEST_CASE("functors of one's own, of one to four operands", "[autodiff][gradient]",
                        double_backends) {
  using B = TestType;
  const auto a = spread(3, 4, 1, -2, 2);
  const auto row = spread(1, 4, 2, 0.5, 2);
  const auto column = spread(3, 1, 3, 0.5, 2);
  const auto one = spread(1, 1, 4, 0.5, 2);
  using math::apply;
  check<B>("one",
           [](const list<B>& x) {
             return apply([](auto u) { return u / (1 + exp(-u)) + where(u > 0, u * u, sin(u)); },
                          x[0]);
           },
           {a});
  check<B>("two",
           [](const list<B>& x) {
             return apply([](auto u, auto v) { return sin(u) * v + pow(v, 1.5); }, x[0], x[1]);
           },
           {a, row});
  check<B>("three",
           [](const list<B>& x) {
             return apply([](auto u, auto v, auto w) { return math::tanh(u * v) / w; }, x[0], x[1],
                          x[2]);
           },
           {a, row, column});
  check<B>("four",
           [](const list<B>& x) {
             return apply(
                 [](auto u, auto v, auto w, auto z) { return exp(u * z) * v - u * w * w * z; },
                 x[0], x[1], x[2], x[3]);
           },
           {a, row, column, one});
  check<B>("with a constant among them",
           [](const list<B>& x) {
             return apply([](auto u, auto c, auto v) { return u * c * v * v; }, x[0], 3.5, x[1]);
           },
           {a, row});
}

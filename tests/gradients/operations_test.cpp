// Rows of the table of gradients: every operation on variables, all inputs, all ways to broadcast,
// and the gradient of the gradient.
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/ops/convolution.hpp"
#include "chainrule/ops/pooling.hpp"
#include "gradients/function_row.hpp"

namespace operations_test {

using namespace gradients;
using math::apply;

namespace {

template <class F>
void row(const std::string& name, const F& f, const inputs& at,
         orders which = orders::first_and_second) {
  function_row("operations", name, f, at, which);
}

/// The backend of a list of variables.
template <class List>
using backend_of = typename std::decay_t<List>::value_type::backend_type;

const plain_matrix a = spread(3, 4, 1, -2, 2);
const plain_matrix b = spread(1, 4, 2, -2, 2);
const plain_matrix positive = spread(3, 4, 3, 0.4, 2);

}  // namespace

TEST_CASE("arithmetic and its broadcasts", "[gradients]") {
  // A device makes kernels for each.
  std::vector<inputs> points;
  for (const auto& [left, right] : std::vector<std::pair<matrix_shape, matrix_shape>>{
           {{3, 4}, {3, 4}}, {{3, 4}, {1, 4}}, {{3, 1}, {1, 4}}, {{1, 1}, {3, 4}}})
    points.push_back(
        {spread(left.rows, left.cols, 1, -2, 2), spread(right.rows, right.cols, 2, 0.5, 2)});
  function_row(
      "operations", "+", [](const auto& x) { return sqr(x[0] + x[1]); }, points);
  function_row(
      "operations", "-", [](const auto& x) { return sqr(x[0] - x[1]); }, points);
  function_row(
      "operations", "*", [](const auto& x) { return x[0] * x[1]; }, points);
  function_row(
      "operations", "/", [](const auto& x) { return x[0] / x[1]; }, points);
  row("arithmetic with constants",
      [](const auto& in) {
        const auto& x = in[0];
        return (3 * x - 1) * (2 - x) + x / 4 + 5 / x - (-x) * (x + 0.5) * 2;
      },
      {spread(2, 3, 1, 0.5, 2)});
  // 0 * x has the shape of x.
  row("arithmetic with 0", [](const auto& x) { return 0 * x[0] + x[0] * x[0]; },
      {spread(2, 3, 1, 0.5, 2)});
}

TEST_CASE("products, plain and transposed", "[gradients]") {
  const auto l = spread(2, 3, 1);
  const auto r = spread(3, 4, 2);
  const auto lt = spread(3, 2, 3);
  const auto rt = spread(4, 3, 4);
  using math::transposed;
  row("matmul", [](const auto& x) { return matmul(x[0], x[1]); }, {l, r});
  row("matmul, left transposed", [](const auto& x) { return matmul(transposed(x[0]), x[1]); },
      {lt, r});
  row("matmul, right transposed", [](const auto& x) { return matmul(x[0], transposed(x[1])); },
      {l, rt});
  row("matmul, both transposed",
      [](const auto& x) { return matmul(transposed(x[0]), transposed(x[1])); }, {lt, rt});
  row("matmul with itself", [](const auto& x) { return matmul(transposed(x[0]), x[0]); }, {l});
  row("linear", [](const auto& x) { return sqr(math::linear(x[0], x[1], x[2])); }, {l, r, b});
  row("transpose", [](const auto& x) { return transpose(x[0]) * x[1]; }, {l, lt});
  row("transpose of a wide one", [](const auto& x) { return sqr(transpose(x[0])); }, {rt});
}

TEST_CASE("operations that move elements", "[gradients]") {
  row("reshape", [](const auto& x) { return sqr(reshape(x[0], 2, 6)); }, {a});
  row("reshape of a block",
      [](const auto& x) { return sqr(reshape(math::block(x[0], 1, 1, 2, 3), 3, 2)); }, {a});
  row("middle_rows that overlap",
      [](const auto& x) { return middle_rows(x[0], 0, 2) * middle_rows(x[0], 1, 2); }, {a});
  row("middle_cols that overlap",
      [](const auto& x) { return middle_cols(x[0], 1, 2) * middle_cols(x[0], 2, 2); }, {a});
  row("pad", [](const auto& x) { return sqr(math::pad(x[0], {4, 5}, 1, 0)); }, {a});
  row("concatenate_rows",
      [](const auto& x) {
        return sqr(math::concatenate_rows({x[0], x[1], x[0]}));
      },
      {a, spread(2, 4, 2)});
  row("concatenate_cols",
      [](const auto& x) {
        return sqr(math::concatenate_cols({x[0], x[1], x[0], x[1], x[1]}));
      },
      {a, spread(3, 2, 3)});
  const convolution c{{{4, 2, 1, 1, 1, 0}, {3, 2, 2, 1, 0, 1}, 2}, 2, 1};  // 4 x 3 x 2
  const plain_matrix images = spread(2, c.window.image(), 4, -2, 2);
  const plain_matrix results = spread(2, c.result(), 5, -2, 2);
  const plain_matrix weights = spread(c.weights().rows, c.weights().cols, 6, -2, 2);
  row("convolve", [c](const auto& x) { return sqr(apply(ops::convolve_op{c}, x[0], x[1])); },
      {images, weights});
  row("convolve_input",
      [c](const auto& x) { return sqr(apply(ops::convolve_input_op{c}, x[0], x[1])); },
      {results, weights});
  row("convolve_weights",
      [c](const auto& x) { return sqr(apply(ops::convolve_weights_op{c}, x[0], x[1])); },
      {images, results});
  // Its gradient is scatter, and that of scatter is gather.
  row("gather and scatter", [](const auto& x) { return sqr(gather(x[0], {2, 0, 2, 2, 1})); }, {a});
  row("broadcast_to", [](const auto& x) { return sqr(broadcast_to(x[0], {3, 4})); }, {b});
}

TEST_CASE("reductions", "[gradients]") {
  for (const auto& [what, name] :
       {std::pair{over::all, ""}, {over::rows, " over rows"}, {over::cols, " over columns"}}) {
    const std::string of = name;
    row("sum" + of, [w = what](const auto& x) { return sqr(math::sum(x[0], w)); }, {a});
    row("mean" + of, [w = what](const auto& x) { return sqr(mean(x[0], w)); }, {a});
    row("max" + of, [w = what](const auto& x) { return sqr(max(x[0], w)); }, {a});
    row("min" + of, [w = what](const auto& x) { return sqr(min(x[0], w)); }, {a});
    row("norm" + of, [w = what](const auto& x) { return norm(x[0], w); }, {a});
  }
  row("normalize over rows", [](const auto& x) { return x[1] * normalize(x[0], over::rows); },
      {a, spread(3, 4, 5)});
  row("normalize over columns",
      [](const auto& x) { return x[1] * normalize(x[0], over::cols, 0.01); }, {a, spread(3, 4, 5)});
  row("window_sum", [](const auto& x) { return sqr(window_sum(x[0], 2, 1)); }, {a});
  row("log_sum_exp", [](const auto& x) { return log_sum_exp(x[0]); }, {a});
  row("softmax", [](const auto& x) { return softmax(x[0]); }, {a});
  row("softmax with cross-entropy",
      [](const auto& x) { return mean(log_sum_exp(x[0]) - math::sum(x[0] * x[1], over::cols)); },
      {a, spread(3, 4, 2)});
}

TEST_CASE("pooling and resampling of images", "[gradients]") {
  const window w{{5, 3, 2, 1, 1, 0}, {4, 2, 1, 2, 0, 1}, 2};
  const auto images = spread(2, w.image(), 1, -2, 2);
  row("max_pool", [w](const auto& x) { return sqr(apply(ops::max_pool_op{w}, x[0])); }, {images});
  const auto resampled = [&](const std::string& name, const resampling& by) {
    row(name, [by](const auto& x) { return sqr(apply(ops::resample_op{by}, x[0])); },
        {spread(2, by.from(), 1, -2, 2)});
  };
  const window v{{5, 3, 2, 1, 1, 0}, {4, 2, 1, 1, 0, 1}, 2};
  using rule = resampling::rule;
  resampled("resample, mean", {v, rule::mean});
  resampled("resample, mean_inside transposed", {v, rule::mean_inside, true});
  resampled("resample, linear",
            {{interpolated_axis(2, 3), interpolated_axis(3, 2), 2}, rule::linear, true});
}

TEST_CASE("where and comparisons", "[gradients]") {
  using math::where;
  row("where", [](const auto& x) { return where(x[0] > x[1], x[0] * x[1], sin(x[0])); }, {a, b});
  row("where with constants",
      [](const auto& x) {
        return where((x[0] > 0.25) & !(x[0] > 1.2), sqr(x[0]), 3) +
               where((x[0] < -1) | (x[0] == 5), 2, sqr(x[0])) + where(x[0] != 0, x[0], 0) +
               where(x[0] >= 0, 2, -1) * exp(x[0]) + where(0.7 <= x[0], x[0] * x[0], x[0]);
      },
      {a});
}

TEST_CASE("powers and limits", "[gradients]") {
  row("pow, exponents of both signs", [](const auto& x) { return pow(x[0], x[1]); }, {positive, b});
  function_row(
      "operations", "pow with constants",
      [](const auto& x) {
        return pow(x[0], 3) + pow(x[0], 2) + pow(x[0], -0.5) + pow(2, x[0]) + pow(x[0], 0);
      },
      std::vector<inputs>{{positive}, {spread(1, 1, 3, 0.4, 2)}});
  row("max, min and clamp",
      [](const auto& x) {
        return sqr(max(x[0], x[1])) + sqr(min(x[0], x[1])) + sqr(max(x[0], 0.6)) +
               sqr(min(0.6, x[0])) + sqr(math::clamp(x[0], -1, 1.1));
      },
      {a, b});
}

TEST_CASE("functors of one's own", "[gradients]") {
  const auto line = spread(1, 4, 2, 0.5, 2);
  const auto column = spread(3, 1, 3, 0.5, 2);
  const auto one = spread(1, 1, 4, 0.5, 2);
  row("apply, one operand",
      [](const auto& x) {
        return apply([](auto u) { return u / (1 + exp(-u)) + where(u > 0, u * u, sin(u)); }, x[0]);
      },
      {a});
  row("apply, two operands",
      [](const auto& x) {
        return apply([](auto u, auto v) { return sin(u) * v + pow(v, 1.5); }, x[0], x[1]);
      },
      {a, line});
  row("apply, three operands",
      [](const auto& x) {
        return apply([](auto u, auto v, auto w) { return math::tanh(u * v) / w; }, x[0], x[1],
                     x[2]);
      },
      {a, line, column});
  row("apply, four operands",
      [](const auto& x) {
        return apply([](auto u, auto v, auto w, auto z) { return exp(u * z) * v - u * w * w * z; },
                     x[0], x[1], x[2], x[3]);
      },
      {a, line, column, one});
  row("apply, with a constant",
      [](const auto& x) {
        return apply([](auto u, auto c, auto v) { return u * c * v * v; }, x[0], 3.5, x[1]);
      },
      {a, line});
}

TEST_CASE("networks and losses as operations", "[gradients]") {
  // Once each: their backward passes cannot be differentiated again.
  const auto layers = []<class B>(const B& be) {
    return network<B>{be, {dense{4, 3, fn::sigmoid{}}}};
  };
  using S = network<support::tested<float>>;
  using D = network<support::tested<double>>;
  const std::tuple<S, D> nets(layers(support::tested<float>{}), layers(support::tested<double>{}));
  row(
      "call of a network",
      [&](const auto& x) {
        const auto& net = std::get<network<backend_of<decltype(x)>>>(nets);
        // Used twice, its input made from x: fan-out through a call.
        return call(net, sin(x[0])) * call(net, x[0] * 2);
      },
      {a}, orders::first);
  row(
      "call of a loss",
      [&](const auto& x) {
        using B = backend_of<decltype(x)>;
        const tensor<B> targets = numbers(B{}, 3, 4, positive.elements);
        return call(quadratic_cost{}, sin(x[0]), targets.view());
      },
      {a}, orders::first);
}

}  // namespace operations_test

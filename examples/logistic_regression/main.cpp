// logistic_regression: one step of it as a loop, vectorised, and on a tape: the same numbers. Then
// losses whose gradients the tape finds alone. The numbers of lecture notes ("Deep Learning 1-2")
// beside the computed ones.
//
//     logistic_regression [--picture FILE.svg]     # the samples, and what 1000 steps make of them

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <chainrule/io/chart.hpp>
#include <chainrule/pointwise/activations.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "../figures.hpp"

using namespace chainrule;
using real = basic_cpu<double>;

namespace {

// Two features of three samples: columns are samples.
const std::vector<double> samples{.5, -1.2, 3, 1.5, .3, -.7};
const std::vector<double> labels{1, 0, 1};
const std::vector<double> weights{.1, -.2};
constexpr double bias = .05;
constexpr double rate = .1;

struct outcome {
  double cost = 0;
  double dw[2] = {0, 0};
  double db = 0;
};

/// Sample by sample, feature by feature.
outcome by_loop() {
  outcome o;
  for (std::size_t i = 0; i < 3; ++i) {
    double z = bias;
    for (std::size_t j = 0; j < 2; ++j) z += weights[j] * samples[3 * j + i];
    const double a = 1 / (1 + std::exp(-z));
    o.cost -= (labels[i] * std::log(a) + (1 - labels[i]) * std::log(1 - a)) / 3;
    for (std::size_t j = 0; j < 2; ++j) o.dw[j] += samples[3 * j + i] * (a - labels[i]) / 3;
    o.db += (a - labels[i]) / 3;
  }
  return o;
}

/// a = s(w^T X + b), dw = X (a - y)^T / 3: products of matrices, with a derivative found by hand.
outcome vectorised() {
  const real be;
  tensor<real> a(be, 1, 3), delta(be, 1, 3), dw(be, 2, 1), sum_of(be, 1, 1);
  const auto x = matrix_view<const double>(samples.data(), 2, 3);
  const auto y = matrix_view<const double>(labels.data(), 1, 3);
  be.gemm(a.view(), matrix_view<const double>(weights.data(), 1, 2), x);
  be.map([](auto z) { return sigmoid(z + bias); }, a.view(), a.view());
  be.map([](auto p, auto t) { return (p - t) / 3; }, delta.view(), a.view(), y);
  be.gemm(dw.view(), x, transposed(const_matrix<real>(delta.view())));
  outcome o;
  const auto cost = [](auto p, auto t) { return -(t * log(p) + (1 - t) * log(1 - p)) / 3; };
  be.reduce(reduction::sum{}, sum_of.view(), cost, a.view(), y);
  o.cost = sum_of.view()(0, 0);
  be.reduce(reduction::sum{}, sum_of.view(), fn::identity{}, delta.view());
  o.db = sum_of.view()(0, 0);
  for (index_t j = 0; j < 2; ++j) o.dw[j] = dw.view()(j, 0);
  return o;
}

/// The formula of the cost, and nothing else.
outcome taped(const std::vector<double>& at = weights, double bias_at = bias) {
  tape<real> t;
  const auto x = t.constant(2, 3, samples), y = t.constant(1, 3, labels);
  const auto w = t.variable(1, 2, at), b = t.variable(bias_at);
  const auto a = sigmoid(matmul(w, x) + b);
  const auto cost = -mean(y * log(a) + (1 - y) * log(1 - a));
  backward(cost);
  const std::vector<double> dw = to_host(w.gradient());
  return {cost.item(), {dw[0], dw[1]}, b.gradient().item()};
}

/// Draws the samples and the sides of the line after 1000 steps.
void draw(const char* file) {
  std::vector<double> w = weights;
  double b = bias;
  for (int step = 0; step < 1000; ++step) {
    const outcome o = taped(w, b);
    for (std::size_t j = 0; j < 2; ++j) w[j] -= rate * o.dw[j];
    b -= rate * o.db;
  }
  chart c({.title = "Classes after 1000 steps",
           .x = "feature 1",
           .y = "feature 2",
           .width = 320,
           .height = 320});
  c.regions([&](double x, double y) { return w[0] * x + w[1] * y + b > 0; }, -4, 4, -4, 4);
  for (const int label : {0, 1}) {
    std::vector<double> x, y;
    for (std::size_t i = 0; i < 3; ++i)
      if (labels[i] == label) x.push_back(samples[i]), y.push_back(samples[3 + i]);
    c.points(label == 0 ? "label 0" : "label 1", x, y);
  }
  write_svg(file, c.svg());
}

void show(figures& table, const char* how, const outcome& o) {
  table.part(how);
  table.line("cost: mean cross-entropy", o.cost, .635420405, 1e-9);
  table.line("dcost/dw1", o.dw[0], -.658550845, 1e-9);
  table.line("dcost/dw2", o.dw[1], -.139520597, 1e-9);
  table.line("dcost/db", o.db, -.154060624, 1e-9);
  table.line("w1 after a step of rate 0.1", weights[0] - rate * o.dw[0], .165855084, 1e-9);
  table.line("w2 after it", weights[1] - rate * o.dw[1], -.186047940, 1e-9);
  table.line("b after it", bias - rate * o.db, .065406062, 1e-9);
}

/// L = penalty w.w / 2 - lambda log s(w.x)
void regularised(figures& table, std::vector<double> at, std::vector<double> sample, double penalty,
                 double lambda, const outcome& expected) {
  tape<real> t;
  const auto w = t.variable(1, 2, at), x = t.constant(1, 2, sample);
  const auto loss = penalty / 2 * sum(w * w) - lambda * log(sigmoid(sum(w * x)));
  const std::vector<double> dw = to_host(gradient(loss, w));
  table.line("L", loss.item(), expected.cost, 1e-9);
  table.line("dL/dw1", dw[0], expected.dw[0], 1e-9);
  table.line("dL/dw2", dw[1], expected.dw[1], 1e-9);
}

}  // namespace

int main(int argc, char** argv) {
  const bool picture = argc == 3 && std::string_view(argv[1]) == "--picture";
  if (argc != 1 && !picture)
    return std::fputs("usage: logistic_regression [--picture FILE.svg]\n", stderr), 2;
  try {
    if (picture) draw(argv[2]);
    figures table(
        "One step of logistic regression. Expected are the numbers of lecture notes, \"Deep "
        "Learning\n"
        "1-2\".");
    show(table, "by a loop over samples and features", by_loop());
    show(table, "by products of matrices", vectorised());
    show(table, "by the tape, from the formula of the cost", taped());
    table.part("L = w.w / 2 - 2 log sigmoid(w.x) at w = (0.7, -0.4), x = (1, -2)");
    regularised(table, {.7, -.4}, {1, -2}, 1, 2, {.727826556, {.335148952, .329702095}});
    table.part("L = -log sigmoid(w.x) at w = (0.5, -0.25), x = (1, 2)");
    regularised(table, {.5, -.25}, {1, 2}, 0, 1, {.693147181, {-.5, -1}});
    return table.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "logistic_regression: %s\n", e.what());
    return 1;
  }
}

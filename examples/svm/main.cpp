// svm: six points in the plane, told apart by forces on three weights, by the gradient of a hinge
// loss, and by a small ReLU network. The numbers of A. Karpathy's "Hacker's guide to Neural
// Networks" beside the computed ones.
//
//     svm [--picture FILE]     # the network's decision boundary, as an SVG file

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <chainrule/io/chart.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <chainrule/pointwise/activations.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "../figures.hpp"
#include "forces.hpp"

using namespace chainrule;
using real = basic_cpu<double>;
using number = variable<real>;

namespace {

void hinge_loss(tape<real>& t, figures& table) {
  const auto x = t.constant(3, 2, {1.2, .7, -.3, .5, 3, 2.5}), y = t.constant(3, 1, {1, -1, 1});
  const auto w = t.variable(2, 1, {.1, .2}), b = t.variable(.3);
  const auto scores = matmul(x, w) + b, costs = max(1 - y * scores, 0);
  const auto penalty = .1 * sum(sqr(w)), total = sum(costs) + penalty;
  const double s[] = {.56, .37, 1.1}, c[] = {.44, 1.37, 0};
  table.part("hinge loss of three points, w1, w2, b = 0.1, 0.2, 0.3");
  for (std::size_t i = 0; i < 3; ++i) {
    const std::string point = " of point " + std::to_string(i + 1);
    table.line("score" + point, to_host(scores)[i], s[i]);
    table.line("cost" + point, to_host(costs)[i], c[i]);
  }
  table.line("penalty 0.1 (w1^2 + w2^2)", penalty.item(), .005);
  table.line("total cost", total.item(), 1.815);
  backward(total);
  table.line("derivative of the total by w1", to_host(w.gradient())[0], -1.48);
  table.line("derivative of the total by w2", to_host(w.gradient())[1], -.16);
  table.line("derivative of the total by b", b.gradient().item(), 0);
}

/// Both sides of the decision boundary, darker beyond the margins, and the points.
void draw(const char* file, const auto& score) {
  chart c({.title = "A 2-3-1 network: sides and margins",
           .x = "x1",
           .y = "x2",
           .width = 320,
           .height = 320});
  c.regions([&](double x, double y) { return score(x, y) > 0; }, -4, 4, -4, 4);
  const auto beyond = [&](double x, double y) {
    const double s = score(x, y);
    return s >= 1 ? 1 : s <= -1 ? 0 : -1;
  };
  c.regions(beyond, -4, 4, -4, 4);
  for (const double label : {-1.0, 1.0}) {
    std::vector<double> x, y;
    for (const point& p : points)
      if (p.label == label) x.push_back(p.x), y.push_back(p.y);
    c.points(label < 0 ? "class -1" : "class 1", x, y);
  }
  write_svg(file, c.svg());
}

/// 2-3-1 with ReLUs. A squared hinge has the same margin, and no kink there.
void two_layers(tape<real>& t, figures& table, const char* picture) {
  std::vector<double> x, labels;
  for (const point& p : points) {
    x.insert(x.end(), {p.x, p.y});
    labels.push_back(p.label);
  }
  parameter_set set{t.backend(), {{"w1", {2, 3}}, {"b1", {1, 3}}, {"w2", {3, 1}}, {"b2", {1, 1}}}};
  const auto begin = [&](const char* name, index_t rows, const std::vector<double>& elements) {
    const index_t cols = static_cast<index_t>(elements.size()) / rows;
    t.backend().copy(set.values(name), t.constant(rows, cols, elements).view());
  };
  begin("w1", 2, {.3, -.2, .5, .4, .1, -.3});
  begin("b1", 1, {.1, .2, .1});
  begin("w2", 3, {.2, -.4, .3});
  optimizer opt{set, sgd{.1}};
  const std::vector<number> w = variables(t, set, opt.gradients());
  const auto net = [](const number& in, const std::vector<number>& p) {
    return matmul(max(matmul(in, p[0]) + p[1], 0), p[2]) + p[3];
  };
  const auto in = t.constant(6, 2, x), y = t.constant(6, 1, labels);
  const auto cost = [&](const std::vector<number>& p, bool squared) {
    const auto gap = max(1 - y * net(in, p), 0);
    return mean(squared ? sqr(gap) : gap) + .005 * (sum(sqr(p[0])) + sum(sqr(p[2])));
  };
  table.part("network 2-3-1 with ReLUs");
  for (const bool squared : {false, true}) {
    const number dw = gradient(cost(w, squared), w)[0];
    std::vector<number> left = w, other = w;
    const auto h = t.constant(2, 3, {0, 0, 1e-5, 0, 0, 0});
    left[0] = w[0] - h;
    other[0] = w[0] + h;
    table.line(
        squared ? "squared hinge: derivative by one weight" : "hinge: derivative by one weight",
        to_host(dw)[2], (cost(other, squared) - cost(left, squared)).item() / 2e-5, 1e-8,
        "expected: by a central difference");
  }
  const double before = cost(w, false).item();
  for (int step = 0; step < 1000; ++step) {
    opt.zero_gradients();
    backward(cost(w, false));
    opt.update();
  }
  const double after = cost(w, false).item();
  const auto score = [&](double u, double v) { return net(t.constant(1, 2, {u, v}), w).item(); };
  table.check("hinge: cost before training", before, true);
  table.check("hinge: cost after 1000 steps", after, after < before / 2);
  table.check("hinge: accuracy after them", right(score) / 6.0, right(score) == 6);
  if (picture != nullptr) draw(picture, score);
}

}  // namespace

int main(int argc, char** argv) {
  const bool wants_picture = argc == 3 && std::string_view(argv[1]) == "--picture";
  if (argc != 1 && !wants_picture) {
    std::fputs("usage: svm [--picture FILE]\n", stderr);
    return 2;
  }
  try {
    tape<real> t;
    figures table(
        "Six points told apart in three ways. Expected are the numbers of A. Karpathy, \"Hacker's\n"
        "guide to Neural Networks\".");
    forces(table);
    hinge_loss(t, table);
    two_layers(t, table, wants_picture ? argv[2] : nullptr);
    return table.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "svm: %s\n", e.what());
    return 1;
  }
}

// circuits: gates, numerical against analytic gradients, a neuron. The numbers of two texts
// (K: A. Karpathy, "Hacker's guide to Neural Networks"; F: FAU, "Feedforward Networks", part 3)
// beside ours, with their misprints named.

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <chainrule/pointwise/activations.hpp>
#include <cstdio>
#include <exception>
#include <random>
#include <vector>

#include "../figures.hpp"
#include "differences.hpp"

using namespace chainrule;
using real = basic_cpu<double>;
using number = variable<real>;

namespace {

void gates(tape<real>& t, figures& table) {
  table.line("K1", "x y at (-2, 3)", (t.variable(-2.0) * t.variable(3.0)).item(), -6);
  std::mt19937_64 bits(1);
  const auto tweak = [&] { return 0.01 * (2 * static_cast<double>(bits() >> 11) * 0x1p-53 - 1); };
  double best = -6;
  for (int i = 0; i < 100; ++i) {
    const double x = -2 + tweak();
    best = std::fmax(best, x * (3 + tweak()));
  }
  table.check("K2", "random search, best of 100", best, best > -6 && best <= -5.9501);

  const auto x = t.variable(-2.0), y = t.variable(3.0);
  const double h = 1e-4;
  table.line("K3", "df/dx by a difference", ((-2 + h) * 3 - -6) / h, 3, 1e-9);
  const auto g = gradient(x * y, {x, y});
  table.line("K3", "df/dx", g[0].item(), 3);
  table.line("K3", "df/dy", g[1].item(), -2);
  const auto stepped = [&](double step) { return ((x + step * g[0]) * (y + step * g[1])).item(); };
  table.line("K4", "after a step of .01", stepped(0.01), -5.8706);
  table.line("K5", "after a step of 1", stepped(1), 1, 0, "misprint: the text says -1");
  table.line("K5", "after a step of 2: too far", stepped(2), -4);

  const auto a = t.variable(-2.0), b = t.variable(5.0), c = t.variable(-4.0);
  const auto q = a + b, f = q * c;
  retain_gradient(q);
  backward(f);
  table.line("K6", "q = x + y at (-2, 5)", q.item(), 3);
  table.line("K6", "f = (x + y) z at z = -4", f.item(), -12);
  table.line("K6", "df/dq", q.gradient().item(), -4);
  table.line("K6", "df/dx", a.gradient().item(), -4);
  table.line("K6", "df/dy", b.gradient().item(), -4);
  table.line("K6", "df/dz", c.gradient().item(), 3);
  const auto moved = [](const number& v) { return v + 0.01 * v.gradient(); };
  table.line("K6", "after a step of .01", ((moved(a) + moved(b)) * moved(c)).item(), -11.5924);
  const auto fx = [](double u) { return (u + 5) * -4; };
  table.line("K7", "df/dx by a difference", (fx(-2 + h) - fx(-2)) / h, -4, 1e-9);
}

void neuron(tape<real>& t, figures& table) {
  for (const auto& [x, s] : {std::pair{-5.0, .00669}, {0.0, .5}, {5.0, .99331}})
    table.line("K8", "sigmoid at -5, 0, 5", sigmoid(t.variable(x)).item(), s, 1e-5);
  const auto three = t.variable(3.0);
  table.line("K9", "its derivative at 3", gradient(sigmoid(three), three).item(), .045177, 1e-6,
             "the text's .0475 comes from a rounded .95");

  std::vector<number> in;
  for (const double v : {1.0, 2.0, -3.0, -1.0, 3.0}) in.push_back(t.variable(v));
  const auto fire = [](const std::vector<number>& v) {
    return sigmoid(v[0] * v[3] + v[1] * v[4] + v[2]);
  };
  const auto s = fire(in);
  table.line("K10", "neuron s(ax + by + c)", s.item(), .880797, 1e-6);
  const std::vector<number> g = gradient(s, in);
  const std::vector<double> text{-.1049936, .3149808, .1049936, .1049936, .2099872};
  const char* const names[] = {"ds/da", "ds/db", "ds/dc", "ds/dx", "ds/dy"};
  for (std::size_t i = 0; i < 5; ++i) table.line("K11", names[i], g[i].item(), text[i], 1e-7);
  for (std::size_t i = 0; i < 5; ++i) in[i] = in[i] + 0.01 * g[i];
  table.line("K12", "after a step of .01", fire(in).item(), .88255018, 1e-8);
}

void patterns(tape<real>& t, figures& table) {
  const auto a = t.variable(1.0), b = t.variable(2.0), c = t.variable(3.0), d = t.variable(4.0);
  const auto show = [&](const number& f, double at, std::vector<double> slopes, double last) {
    table.line("K13", "value", f.item(), at, last);
    const auto g = gradient(f, {a, b, c, d});
    for (std::size_t i = 0; i < 4; ++i)
      table.line("K13", "  derivative by a, b, c, d", g[i].item(), slopes[i], last);
  };
  show(sqr((a * b + c) * d), 400, {320, 160, 160, 200}, 0);
  show((a + b) / (c + d), .428571, {.142857, .142857, -.0612245, -.0612245}, 1e-6);
  table.line("K13", "a a by a, at 3", gradient(c * c, c).item(), 6);
  table.line("K13", "1/a by a, at 4", gradient(1 / d, d).item(), -0.0625);
  const auto u = t.variable(2.0), v = t.variable(2.0);
  const auto g = gradient(max(u, v), {u, v});
  table.line("K13", "max(2, 2): both sides together", g[0].item() + g[1].item(), 1);
  table.line("K13", "  and one side's share", std::fmax(g[0].item(), g[1].item()), 1);
}

}  // namespace

int main() {
  try {
    std::printf("%-4s %-34s %15s %15s\n", "", "", "ours", "text");
    tape<real> t;
    figures table;
    gates(t, table);
    neuron(t, table);
    patterns(t, table);
    differences(t, table);
    return table.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "circuits: %s\n", e.what());
    return 1;
  }
}

// circuits: gates, numerical against analytic gradients, a neuron. The numbers of two texts
// (A. Karpathy, "Hacker's guide to Neural Networks"; FAU, "Feedforward Networks", part 3) beside
// the computed ones, with their misprints named.

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
  table.part("f = x y at x = -2, y = 3");
  table.line("f", (t.variable(-2.0) * t.variable(3.0)).item(), -6);
  std::mt19937_64 bits(1);
  const auto tweak = [&] { return 0.01 * (2 * static_cast<double>(bits() >> 11) * 0x1p-53 - 1); };
  double best = -6;
  for (int i = 0; i < 100; ++i) {
    const double x = -2 + tweak();
    best = std::fmax(best, x * (3 + tweak()));
  }
  table.check("best f of 100 random changes of x and y", best, best > -6 && best <= -5.9501);

  const auto x = t.variable(-2.0), y = t.variable(3.0);
  const double h = 1e-4;
  table.line("df/dx by a difference", ((-2 + h) * 3 - -6) / h, 3, 1e-9);
  const auto g = gradient(x * y, {x, y});
  table.line("df/dx by the chain rule", g[0].item(), 3);
  table.line("df/dy by the chain rule", g[1].item(), -2);
  const auto stepped = [&](double step) { return ((x + step * g[0]) * (y + step * g[1])).item(); };
  table.line("f after a step of 0.01 along the gradient", stepped(0.01), -5.8706);
  table.line("f after a step of 1", stepped(1), 1, 0, "misprint: the text says -1");
  table.line("f after a step of 2: too far", stepped(2), -4);

  const auto a = t.variable(-2.0), b = t.variable(5.0), c = t.variable(-4.0);
  const auto q = a + b, f = q * c;
  retain_gradient(q);
  backward(f);
  table.part("f = q z, q = x + y at x = -2, y = 5, z = -4");
  table.line("q", q.item(), 3);
  table.line("f", f.item(), -12);
  table.line("df/dq by the chain rule", q.gradient().item(), -4);
  table.line("df/dx by the chain rule", a.gradient().item(), -4);
  table.line("df/dy by the chain rule", b.gradient().item(), -4);
  table.line("df/dz by the chain rule", c.gradient().item(), 3);
  const auto moved = [](const number& v) { return v + 0.01 * v.gradient(); };
  table.line("f after a step of 0.01 along the gradient", ((moved(a) + moved(b)) * moved(c)).item(),
             -11.5924);
  const auto fx = [](double u) { return (u + 5) * -4; };
  table.line("df/dx by a difference", (fx(-2 + h) - fx(-2)) / h, -4, 1e-9);
}

void neuron(tape<real>& t, figures& table) {
  table.part("sigmoid s(x) = 1 / (1 + exp(-x))");
  for (const auto& [x, s] : {std::pair{-5.0, .00669}, {0.0, .5}, {5.0, .99331}})
    table.line("s(" + std::to_string(static_cast<int>(x)) + ")", sigmoid(t.variable(x)).item(), s,
               1e-5);
  const auto three = t.variable(3.0);
  table.line("ds/dx at 3 by the chain rule", gradient(sigmoid(three), three).item(), .045177, 1e-6,
             "the text's .0475 comes from a rounded .95");

  std::vector<number> in;
  for (const double v : {1.0, 2.0, -3.0, -1.0, 3.0}) in.push_back(t.variable(v));
  const auto fire = [](const std::vector<number>& v) {
    return sigmoid(v[0] * v[3] + v[1] * v[4] + v[2]);
  };
  const auto s = fire(in);
  table.part("neuron s(a x + b y + c) at a, b, c = 1, 2, -3, x, y = -1, 3");
  table.line("s", s.item(), .880797, 1e-6);
  const std::vector<number> g = gradient(s, in);
  const std::vector<double> text{-.1049936, .3149808, .1049936, .1049936, .2099872};
  const char* const names[] = {"ds/da", "ds/db", "ds/dc", "ds/dx", "ds/dy"};
  for (std::size_t i = 0; i < 5; ++i) table.line(names[i], g[i].item(), text[i], 1e-7);
  for (std::size_t i = 0; i < 5; ++i) in[i] = in[i] + 0.01 * g[i];
  table.line("s after a step of 0.01 along the gradient", fire(in).item(), .88255018, 1e-8);
}

void patterns(tape<real>& t, figures& table) {
  const auto a = t.variable(1.0), b = t.variable(2.0), c = t.variable(3.0), d = t.variable(4.0);
  const auto show = [&](const number& f, double at, std::vector<double> slopes, double last) {
    table.line("f", f.item(), at, last);
    const auto g = gradient(f, {a, b, c, d});
    const char* const names[] = {"df/da", "df/db", "df/dc", "df/dd"};
    for (std::size_t i = 0; i < 4; ++i) table.line(names[i], g[i].item(), slopes[i], last);
  };
  table.part("f = ((a b + c) d)^2 at a, b, c, d = 1, 2, 3, 4");
  show(sqr((a * b + c) * d), 400, {320, 160, 160, 200}, 0);
  table.part("f = (a + b) / (c + d) at the same point");
  show((a + b) / (c + d), .428571, {.142857, .142857, -.0612245, -.0612245}, 1e-6);
  table.part("gates of one number, and a tie");
  table.line("derivative of a a at a = 3", gradient(c * c, c).item(), 6);
  table.line("derivative of 1 / a at a = 4", gradient(1 / d, d).item(), -0.0625);
  const auto u = t.variable(2.0), v = t.variable(2.0);
  const auto g = gradient(max(u, v), {u, v});
  table.line("max(a, b) at a = b = 2: sum of both derivatives", g[0].item() + g[1].item(), 1);
  table.line("max(a, b) at a = b = 2: the larger of the two", std::fmax(g[0].item(), g[1].item()),
             1);
}

}  // namespace

int main() {
  try {
    tape<real> t;
    figures table(
        "Gates, sigmoids and differences. Expected are the numbers of A. Karpathy, \"Hacker's "
        "guide\n"
        "to Neural Networks\", and, for (2 x1 + 3 x2)^2 + 3, of FAU, \"Feedforward Networks\", "
        "part 3.");
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

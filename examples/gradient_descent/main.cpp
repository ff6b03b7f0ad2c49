// gradient_descent: a walk down the bowl a^2 + b^2 from (10, 10), and what the rate does to it.
// The numbers of two texts (T: Tashfeen, "Neural Networks: The Backward Pass"; F: FAU,
// "Feedforward Networks", part 3) beside ours.

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <cstdio>
#include <exception>
#include <vector>

#include "../figures.hpp"

using namespace chainrule;
using real = basic_cpu<double>;

namespace {

struct step {
  double error;  // before the step
  double place;  // a = b after it
};

/// Steps down the bowl; one more than `count`, so that the last error is seen.
std::vector<step> descend(double rate, int count) {
  tape<real> t;
  auto p = t.variable(1, 2, {10, 10});
  std::vector<step> steps;
  for (int i = 0; i <= count; ++i) {
    const auto error = sum(sqr(p));
    const auto slope = gradient(error, p);
    p = t.variable((p - rate * slope).view());
    steps.push_back({error.item(), to_host(p).front()});
  }
  return steps;
}

/// A parabola: (x - 3)^2 + 1 from 0.
double parabola() {
  tape<real> t;
  double x = 0;
  for (int i = 0; i < 50; ++i) {
    const auto at = t.variable(x);
    x -= 0.3 * gradient(sqr(at - 3) + 1, at).item();
  }
  return x;
}

void run(figures& table) {
  const double errors[] = {200, 32, 5.12, .8192, .131072, .02097152, .0033554432};
  const double places[] = {4, 1.6, .64, .256, .1024, .04096, .016384};
  const std::vector<step> good = descend(0.3, 7);
  for (std::size_t i = 0; i < 7; ++i) {
    table.line("T1", "rate .3: error before the step", good[i].error, errors[i]);
    table.line("T1", "  a = b after it", good[i].place, places[i]);
  }
  table.line("F9", "rate .5: error after one step", descend(0.5, 1)[1].error, 0);
  for (const step& s : descend(1.0, 7))
    table.line("F9", "rate 1: oscillates", s.error, 200, 0, s.place < 0 ? "a < 0" : "a > 0");
  table.line("F9", "rate 1.1: diverges, after 7", descend(1.1, 7)[7].error, 2567.8, 0.1);
  table.line("F9", "rate .001: creeps, after 7", descend(0.001, 7)[7].error, 194.5, 0.1);
  table.line("", "parabola, lowest at", parabola(), 3);
}

}  // namespace

int main() {
  try {
    std::printf("%-4s %-34s %15s %15s\n", "", "", "ours", "text");
    figures table;
    run(table);
    return table.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gradient_descent: %s\n", e.what());
    return 1;
  }
}

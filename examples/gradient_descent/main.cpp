// gradient_descent: a walk down the bowl a^2 + b^2 from (10, 10), and what the rate does to it.
// The numbers of two texts (Tashfeen, "Neural Networks: The Backward Pass"; FAU, "Feedforward
// Networks", part 3) beside the computed ones.

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <cstdio>
#include <exception>
#include <string>
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
  parameter_set set{real{}, {{"place", {1, 2}, init::constant(10)}}};
  optimizer opt{set, sgd{rate}};
  tape<real> t;
  const auto p = variables(t, set, opt.gradients())[0];
  std::vector<step> steps;
  for (int i = 0; i <= count; ++i) {
    const auto error = sum(sqr(p));
    opt.zero_gradients();
    backward(error);
    opt.update();
    steps.push_back({error.item(), to_host(p).front()});
  }
  return steps;
}

/// A parabola: (x - 3)^2 + 1 from 0.
double parabola() {
  parameter_set set{real{}, {{"x", {1, 1}}}};
  optimizer opt{set, sgd{0.3}};
  tape<real> t;
  const auto x = variables(t, set, opt.gradients())[0];
  for (int i = 0; i < 50; ++i) {
    opt.zero_gradients();
    backward(sqr(x - 3) + 1);
    opt.update();
  }
  return x.item();
}

void run(figures& table) {
  const double errors[] = {200, 32, 5.12, .8192, .131072, .02097152, .0033554432};
  const double places[] = {4, 1.6, .64, .256, .1024, .04096, .016384};
  const std::vector<step> good = descend(0.3, 7);
  table.part("learning rate 0.3: converges");
  for (std::size_t i = 0; i < 7; ++i) {
    const std::string number = std::to_string(i + 1);
    table.line("error a^2 + b^2 before step " + number, good[i].error, errors[i]);
    table.line("a = b after step " + number, good[i].place, places[i]);
  }
  table.part("other learning rates");
  table.line("rate 0.5: error after one step", descend(0.5, 1)[1].error, 0);
  int number = 0;
  for (const step& s : descend(1.0, 7))
    table.line("rate 1, oscillates: error before step " + std::to_string(++number), s.error, 200, 0,
               s.place < 0 ? "a < 0 after it" : "a > 0 after it");
  table.line("rate 1.1, diverges: error after 7 steps", descend(1.1, 7)[7].error, 2567.8, 0.1);
  table.line("rate 0.001, too slow: error after 7 steps", descend(0.001, 7)[7].error, 194.5, 0.1);
  table.part("parabola (x - 3)^2 + 1 from x = 0");
  table.line("x after 50 steps with rate 0.3", parabola(), 3);
}

}  // namespace

int main() {
  try {
    figures table(
        "Steps down a^2 + b^2 from a = b = 10. Expected are the numbers of Tashfeen, \"Neural\n"
        "Networks: The Backward Pass\" (rate 0.3), and FAU, \"Feedforward Networks\", part 3.");
    run(table);
    return table.status();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "gradient_descent: %s\n", e.what());
    return 1;
  }
}

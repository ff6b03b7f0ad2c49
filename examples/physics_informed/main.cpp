// physics_informed: a small network becomes the solution of u'' = -u with u(0) = 0, u(pi/2) = 1:
// its second derivatives are part of its loss, and are differentiated once more.
//
//     physics_informed      # prints the largest error against sin(x), which ends below 1e-3

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <chainrule/optim/optimizer.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <vector>

using namespace chainrule;
using real = basic_cpu<double>;
using number = variable<real>;

namespace {

constexpr double right_end = 1.57079632679489661923;
constexpr int steps = 4000;

/// u(x) = tanh(x w + b) v + c
number solution(const number& x, const std::vector<number>& p) {
  return matmul(math::tanh(x * p[0] + p[1]), p[2]) + p[3];
}

/// The mean square of the equation's residual, and of the errors at the ends.
number loss_of(tape<real>& t, const number& x, const std::vector<number>& p) {
  const number u = solution(x, p);
  const number du = gradient(math::sum(u), x, {.create_graph = true});
  const number d2u = gradient(math::sum(du), x, {.create_graph = true});
  const number ends = solution(t.constant(2, 1, {0, right_end}), p) - t.constant(2, 1, {0, 1});
  return mean(sqr(d2u + u)) + 10 * math::sum(sqr(ends));
}

double largest_error(tape<real>& t, const std::vector<number>& p) {
  const no_grad values_only(t);
  double worst = 0;
  for (double x = 0; x <= right_end; x += right_end / 100)
    worst = std::fmax(worst, std::fabs(solution(t.constant(x), p).item() - std::sin(x)));
  return worst;
}

double solve() {
  tape<real> t;
  parameter_set set{t.backend(),
                    {{"w", {1, 12}, init::uniform(-1.5, 1.5)},
                     {"b", {1, 12}, init::uniform(-1, 1)},
                     {"v", {12, 1}, init::uniform(-.5, .5)},
                     {"c", {1, 1}}},
                    1};
  optimizer opt{set, adam{[](std::int64_t s) { return .03 * std::pow(.01, double(s) / steps); }}};
  const std::vector<number> p = variables(t, set, opt.gradients());
  std::vector<double> places;
  for (int i = 0; i < 20; ++i) places.push_back(right_end * i / 19);
  const number x = t.variable(20, 1, places);
  for (int step = 0; step <= steps; ++step) {
    const number loss = loss_of(t, x, p);
    if (step % 1000 == 0)
      std::printf("step %4d  loss %.3e  largest error %.3e\n", step, loss.item(),
                  largest_error(t, p));
    opt.zero_gradients();
    backward(loss);
    opt.update();
  }
  return largest_error(t, p);
}

}  // namespace

int main() try {
  const double error = solve();
  std::printf("u'' = -u: the largest error against sin(x) is %.2e\n", error);
  return error < 1e-3 ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "physics_informed: %s\n", e.what());
  return 1;
}

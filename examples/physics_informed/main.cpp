// physics_informed: a small network becomes the solution of u'' = -u with u(0) = 0, u(pi/2) = 1:
// its second derivatives are part of its loss, and are differentiated once more.
//
//     physics_informed      # prints the largest error against sin(x), which ends below 1e-3

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <random>
#include <vector>

using namespace chainrule;
using real = basic_cpu<double>;
using number = variable<real>;

namespace {

constexpr double right_end = 1.57079632679489661923;
constexpr index_t width = 12;

/// u(x) = tanh(x w + b) v + c
number solution(const number& x, const std::vector<number>& p) {
  return matmul(math::tanh(x * p[0] + p[1]), p[2]) + p[3];
}

/// The mean square of the equation's residual, and of what is wrong at the ends.
number loss_of(tape<real>& t, const number& x, const std::vector<number>& p) {
  const number u = solution(x, p);
  const number du = gradient(math::sum(u), x, {.create_graph = true});
  const number d2u = gradient(math::sum(du), x, {.create_graph = true});
  const number ends = solution(t.constant(2, 1, {0, right_end}), p) - t.constant(2, 1, {0, 1});
  return mean(sqr(d2u + u)) + 10 * math::sum(sqr(ends));
}

/// Adam, on every parameter.
class descent {
 public:
  descent(tape<real>& t, const std::vector<number>& p) : tape_(t) {
    for (const number& each : p) {
      mean_.push_back(t.filled(each.rows(), each.cols(), 0));
      square_.push_back(mean_.back());
    }
  }
  void step(std::vector<number>& p, const std::vector<number>& slope, double rate) {
    ++count_;
    const number first = tape_.constant(1 - std::pow(.9, count_));
    const number second = tape_.constant(1 - std::pow(.999, count_));
    const number r = tape_.constant(rate);
    for (std::size_t i = 0; i < p.size(); ++i) {
      mean_[i] = .9 * mean_[i] + .1 * slope[i];
      square_[i] = .999 * square_[i] + .001 * sqr(slope[i]);
      const number move = r * (mean_[i] / first) / (sqrt(square_[i] / second) + 1e-8);
      p[i] = tape_.variable((p[i] - move).view());  // a beginning, without a past
    }
  }

 private:
  tape<real>& tape_;
  std::vector<number> mean_, square_;
  int count_ = 0;
};

double largest_error(tape<real>& t, const std::vector<number>& p) {
  const no_grad silent(t);
  double worst = 0;
  for (int i = 0; i <= 100; ++i) {
    const double x = right_end * i / 100;
    worst = std::fmax(worst, std::fabs(solution(t.constant(x), p).item() - std::sin(x)));
  }
  return worst;
}

double solve() {
  tape<real> t;
  std::mt19937_64 bits(1);
  const auto draw = [&](index_t rows, index_t cols, double scale) {
    std::vector<double> v(static_cast<std::size_t>(rows * cols));
    for (double& e : v) e = scale * (2 * static_cast<double>(bits() >> 11) * 0x1p-53 - 1);
    return t.variable(rows, cols, v);
  };
  std::vector<number> p{draw(1, width, 1.5), draw(1, width, 1), draw(width, 1, .5),
                        t.variable(0.0)};
  std::vector<double> places;
  for (int i = 0; i < 20; ++i) places.push_back(right_end * i / 19);
  const auto x = t.variable(20, 1, places);
  descent adam(t, p);
  const int steps = 4000;
  for (int step = 0; step <= steps; ++step) {
    const number loss = loss_of(t, x, p);
    if (step % 1000 == 0)
      std::printf("step %4d  loss %.3e  largest error %.3e\n", step, loss.item(),
                  largest_error(t, p));
    adam.step(p, gradient(loss, p), .03 * std::pow(.1, 2.0 * step / steps));
  }
  return largest_error(t, p);
}

}  // namespace

int main() {
  try {
    const double error = solve();
    std::printf("u'' = -u: the largest error against sin(x) is %.2e\n", error);
    return error < 1e-3 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "physics_informed: %s\n", e.what());
    return 1;
  }
}

/// \file
/// Gradients of taped functions beside central differences, in double.
#ifndef CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP
#define CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP

#include "chainrule/autodiff/autodiff.hpp"
#include "testing/batches.hpp"

namespace differences {

using namespace batches;

/// A matrix on the host.
struct host_matrix {
  index_t rows = 0;
  index_t cols = 0;
  std::vector<double> elements;
};

/// Numbers in [low, high), no two of them close to each other or to a multiple of 1/2: no kink is
/// within reach of a difference.
[[nodiscard]] inline host_matrix spread(index_t rows, index_t cols, std::uint64_t seed,
                                        double low = -1, double high = 1) {
  host_matrix m{rows, cols, {}};
  random_stream random(seed, 5);
  const auto count = static_cast<std::size_t>(rows * cols);
  for (std::size_t i = 0; i < count; ++i)
    m.elements.push_back(low + (high - low) *
                                   (static_cast<double>(i) + 0.1 + 0.3 * random.uniform(0, 1)) /
                                   static_cast<double>(count));
  // In no order.
  for (std::size_t i = count; i > 1; --i)
    std::swap(m.elements[i - 1],
              m.elements[static_cast<std::size_t>(random.uniform(0, static_cast<double>(i)))]);
  for (double& x : m.elements)
    if (std::fabs(2 * x - std::round(2 * x)) < 1e-3) x += 2e-3;
  return m;
}

template <class B>
[[nodiscard]] variable<B> on_tape(tape<B>& t, const host_matrix& m) {
  const B& be = t.backend();
  return t.variable(numbers(be, m.rows, m.cols, m.elements).view());
}

template <class B>
[[nodiscard]] std::vector<double> values(const variable<B>& x) {
  const auto host = to_host(x);
  return {host.begin(), host.end()};
}

/// The worst |a - b| / max(|a|, |b|, floor); infinity where a gradient is missing or all are 0 on
/// both sides (which proves nothing).
struct agreement {
  double worst = 0;
  bool all_zero = true;
  void compare(double a, double b, double floor) {
    const double off = std::fabs(a - b) / std::max({std::fabs(a), std::fabs(b), floor});
    worst = off > worst || std::isnan(off) ? off : worst;
    all_zero = all_zero && a == 0 && b == 0;
  }
  [[nodiscard]] double verdict() const { return all_zero ? inf : worst; }
};

/// d/dinputs of Σ weights * f(inputs), with weights that differ from element to element, beside
/// central differences. f takes a std::vector of variables and gives one of any shape.
template <class B, class F>
[[nodiscard]] double worst_gradient(const F& f, std::vector<host_matrix> inputs) {
  const B be;
  const auto loss = [&](tape<B>& t, std::vector<variable<B>>& x) {
    for (const host_matrix& m : inputs) x.push_back(on_tape(t, m));
    const variable<B> y = f(x);
    const host_matrix weights = spread(y.rows(), y.cols(), 99, 0.5, 1.5);
    return math::sum(y * t.constant(numbers(be, y.rows(), y.cols(), weights.elements).view()));
  };
  const auto loss_value = [&] {
    tape<B> t(be);
    std::vector<variable<B>> x;
    return static_cast<double>(loss(t, x).item());
  };

  tape<B> t(be);
  std::vector<variable<B>> x;
  const variable<B> total = loss(t, x);
  const double size = std::fabs(static_cast<double>(total.item()));
  backward(total);
  agreement a;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    if (!x[k].has_gradient()) return inf;
    const std::vector<double> analytic = values(x[k].gradient());
    for (std::size_t i = 0; i < analytic.size(); ++i) {
      double& element = inputs[k].elements[i];
      const double at = element;
      const double h = std::cbrt(epsilon<B>) * std::max(1.0, std::fabs(at));
      element = at + h;
      const double above = loss_value();
      element = at - h;
      const double below = loss_value();
      element = at;
      a.compare(analytic[i], (above - below) / (2 * h), 1e-3 * std::max(1.0, size));
    }
  }
  return a.verdict();
}

/// The same for second derivatives: the gradient of Σ (df/dinputs)², each times a factor of its
/// own, beside differences of it.
template <class B, class F>
[[nodiscard]] double worst_second(const F& f, const std::vector<host_matrix>& inputs) {
  return worst_gradient<B>(
      [&](const std::vector<variable<B>>& x) {
        const variable<B> y = f(x);
        const variable<B> seed = 0 * detach(y) + 1.25;
        const auto first = vjp(y, x, seed, {.create_graph = true});
        variable<B> total = 0;
        for (std::size_t k = 0; k < x.size(); ++k)
          total += math::sum(sqr(first[k])) * (1 + 0.25 * static_cast<double>(k));
        return total;
      },
      inputs);
}

}  // namespace differences

#endif  // CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP

/// \file
/// Gradients of taped functions beside central differences, in double.
#ifndef CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP
#define CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/testing/function_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace differences {

using namespace batches;

/// A matrix on the host.
struct plain_matrix {
  index_t rows = 0;
  index_t cols = 0;
  std::vector<double> elements;
};

/// Numbers in [low, high), no two of them close to each other or to a multiple of 1/2: no kink is
/// within reach of a difference.
[[nodiscard]] inline plain_matrix spread(index_t rows, index_t cols, std::uint64_t seed,
                                         double low = -1, double high = 1) {
  plain_matrix m{rows, cols, {}};
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
[[nodiscard]] variable<B> on_tape(tape<B>& t, const plain_matrix& m) {
  const B& be = t.backend();
  return t.variable(numbers(be, m.rows, m.cols, m.elements).view());
}

template <class B>
[[nodiscard]] std::vector<double> values(const variable<B>& x) {
  const auto host = to_host(x);
  return {host.begin(), host.end()};
}

/// Checks the gradient of f, which takes a std::vector of variables, at these inputs: away from
/// kinks.
template <class B, class F>
void check_gradient(const F& f, const std::vector<plain_matrix>& inputs,
                    const function_check_options& options = {}) {
  tape<B> t;
  std::vector<variable<B>> x;
  for (const plain_matrix& m : inputs) x.push_back(on_tape(t, m));
  const gradient_report report = check_gradients(f, x, options);
  INFO(to_string(report));
  CHECK(report.passed());
  CHECK(report.skipped == 0);
}

/// The same for second derivatives.
template <class B, class F>
void check_second(const F& f, const std::vector<plain_matrix>& inputs) {
  check_gradient<B>(f, inputs, {.second_order = true});
}

}  // namespace differences

#endif  // CHAINRULE_TESTS_AUTODIFF_DIFFERENCES_HPP

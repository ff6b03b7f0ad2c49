// Numbers that texts on the subject print, recomputed; where a text misprints, it is said.
//
// Djuric: "Deep Learning from Scratch to GPU", part 7. Karpathy: "Hacker's guide to Neural
// Networks". FAU: "Feedforward Networks", part 3.
#include <cmath>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "support/catch.hpp"

using chainrule::basic_cpu;
using chainrule::index_t;
using chainrule::matrix_view;
namespace fn = chainrule::fn;

namespace {

using numbers = std::vector<double>;

matrix_view<double> row(numbers& v) { return {v.data(), 1, static_cast<index_t>(v.size())}; }

/// Whether all of `got` are `want` to half a unit of the last digit that is printed.
bool printed(const numbers& got, const numbers& want, double last_digit) {
  if (got.size() != want.size()) return false;
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::fabs(got[i] - want[i]) <= 0.501 * last_digit)) return false;
  return true;
}

template <class F>
numbers mapped(const F& f, numbers x) {
  numbers y(x.size(), std::nan(""));
  basic_cpu<double>{}.map(f, row(y), row(x));
  return y;
}

}  // namespace

TEST_CASE("Djuric: Hadamard's product of vectors, into a third and in place") {
  const basic_cpu<double> be;
  numbers a{1, 2, 3};
  numbers b{4, 5, 6};
  numbers c(3, std::nan(""));
  be.map(fn::multiplies{}, row(c), row(a), row(b));
  CHECK(c == numbers{4, 10, 18});
  be.map(fn::multiplies{}, row(a), row(a), row(b));
  CHECK(a == numbers{4, 10, 18});
}

TEST_CASE("Djuric: Hadamard's product of matrices that are filled column by column") {
  const basic_cpu<double> be;
  numbers a(6);
  numbers b(6);
  const matrix_view<double> x(a.data(), 2, 3);
  const matrix_view<double> y(b.data(), 2, 3);
  for (index_t j = 0, n = 0; j < 3; ++j)
    for (index_t i = 0; i < 2; ++i, ++n) {
      x(i, j) = static_cast<double>(1 + n);
      y(i, j) = static_cast<double>(7 + n);
    }
  be.map(fn::multiplies{}, x, x, y);
  CHECK(a == numbers{7, 27, 55, 16, 40, 72});
}

TEST_CASE("Djuric: exponential, sine and cosine of a vector") {
  const numbers x{0, 0.5, 0.7, 1};
  CHECK(printed(mapped(fn::exp{}, x), {1, 1.6487213, 2.0137527, 2.7182818}, 1e-7));
  CHECK(printed(mapped(fn::sin{}, x), {0, 0.4794255, 0.6442177, 0.8414710}, 1e-7));
  CHECK(printed(mapped(fn::cos{}, x), {1, 0.8775826, 0.7648422, 0.5403023}, 1e-7));
}

TEST_CASE("Djuric: the sigmoid as a hyperbolic tangent is that of the definition") {
  double worst = 0;
  for (int i = -20000; i <= 20000; ++i) {
    const double x = i / 1000.0;
    worst = std::fmax(worst, std::fabs(chainrule::sigmoid{}(x)-1 / (1 + std::exp(-x))));
  }
  CHECK(worst <= 2.2205e-16);
}

TEST_CASE("Djuric: the sigmoid's derivative, with working memory") {
  // The text prints 0.00 first: it frees the buffer that it returns.
  const numbers x{0.1, 0.5, 0.9, 1.57079632679489661923};
  const numbers want{0.249376, 0.235004, 0.205500, 0.142483};
  CHECK(printed(mapped(chainrule::derivative_of<chainrule::sigmoid>{}, x), want, 1e-6));
  // Its steps: s = sigmoid(x), w = 1 - s, s times w in place.
  const basic_cpu<double> be;
  numbers s = mapped(chainrule::sigmoid{}, x);
  numbers work(4, std::nan(""));
  be.map(fn::affine{-1, 1}, row(work), row(s));
  be.map(fn::multiplies{}, row(s), row(s), row(work));
  CHECK(printed(s, want, 1e-6));
}

TEST_CASE("Karpathy: the sigmoid and its derivative") {
  CHECK(printed(mapped(chainrule::sigmoid{}, {-5}), {0.00669}, 1e-5));
  CHECK(printed(mapped(chainrule::sigmoid{}, {0, 5}), {0.5, 0.99331}, 1e-5));
  // The text's .0475 comes from a rounded .95.
  CHECK(printed(mapped(chainrule::derivative_of<chainrule::sigmoid>{}, {3}), {0.045177}, 1e-6));
}

TEST_CASE("FAU: the sigmoid's derivative vanishes far out") {
  CHECK(printed(mapped(chainrule::derivative_of<chainrule::sigmoid>{}, {0, 3, -3, 5}),
                {0.25, 0.045177, 0.045177, 0.006648}, 1e-6));
}

// The vector mathematics of "Deep Learning from Scratch to GPU", part 7 (Djuric).
#include "chainrule/memory/tensor.hpp"
#include "chainrule/pointwise/activations.hpp"
#include "seeds/row.hpp"

namespace djuric_test {

using namespace chainrule;
using seeds::backends;
using seeds::row;

namespace {

using numbers = std::vector<double>;

template <class B>
tensor<B> uploaded(const B& be, const numbers& v, index_t rows = 1) {
  return from_host(
      be, matrix_view<const double>(v.data(), rows, static_cast<index_t>(v.size()) / rows));
}

template <class B, class F, class... More>
numbers mapped(const B& be, const F& f, const tensor<B>& x, const More&... more) {
  tensor<B> y(be, x.rows(), x.cols());
  be.map(f, y.view(), x.view(), more.view()...);
  return to_host(be, const_matrix<B>(y.view()));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("N1, N2: Hadamard's product", "[seeds]", backends) {
  const TestType be;
  {
    row n1("N1");
    auto a = uploaded(be, {1, 2, 3});
    const auto b = uploaded(be, {4, 5, 6});
    n1.exact(mapped(be, fn::multiplies{}, a, b), {4, 10, 18});
    be.map(fn::multiplies{}, a.view(), a.view(), b.view());
    n1.exact(to_host(be, const_matrix<TestType>(a.view())), {4, 10, 18});
  }
  row n2("N2");
  // Filled column by column: what is uploaded is the transpose.
  const auto a = uploaded(be, {1, 3, 5, 2, 4, 6}, 2);
  const auto b = uploaded(be, {7, 9, 11, 8, 10, 12}, 2);
  n2.exact(mapped(be, fn::multiplies{}, a, b), {7, 27, 55, 16, 40, 72});
}

TEMPLATE_LIST_TEST_CASE("N3, N4, N5: exponential, sine and cosine", "[seeds]", backends) {
  const TestType be;
  const auto x = uploaded(be, {0, .5, .7, 1});
  row("N3").digits(mapped(be, fn::exp{}, x), {1, 1.6487213, 2.0137527, 2.7182818}, 1e-7);
  row("N4").digits(mapped(be, fn::sin{}, x), {0, .4794255, .6442177, .8414710}, 1e-7);
  row("N5").digits(mapped(be, fn::cos{}, x), {1, .8775826, .7648422, .5403023}, 1e-7);
}

TEMPLATE_LIST_TEST_CASE("N6: the sigmoid as a hyperbolic tangent", "[seeds]", backends) {
  const TestType be;
  numbers x;
  for (int i = -20000; i <= 20000; ++i) x.push_back(i / 1000.0);
  const numbers s = mapped(be, fn::sigmoid{}, uploaded(be, x));
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    worst = std::fmax(worst, std::fabs(s[i] - 1 / (1 + std::exp(-x[i]))));
  row n6("N6");
  CHECK(worst <= 2.2205e-16);
  n6.exact(worst, worst);
}

TEMPLATE_LIST_TEST_CASE("N7: the sigmoid's derivative, with working memory", "[seeds]", backends) {
  const TestType be;
  const auto x = uploaded(be, {.1, .5, .9, 1.57079632679489661923});
  const numbers want{.249376, .235004, .205500, .142483};
  row n7("N7");
  n7.digits(mapped(be, derivative_of<fn::sigmoid>{}, x), want, 1e-6);
  n7.note("the text prints 0.00 first: it frees the buffer that it returns");
  // Its steps: s = sigmoid(x), w = 1 - s, s times w in place.
  auto s = uploaded(be, mapped(be, fn::sigmoid{}, x));
  tensor<TestType> work(be, 1, 4);
  be.map(fn::affine{-1, 1}, work.view(), s.view());
  be.map(fn::multiplies{}, s.view(), s.view(), work.view());
  n7.digits(to_host(be, const_matrix<TestType>(s.view())), want, 1e-6);
}

}  // namespace djuric_test

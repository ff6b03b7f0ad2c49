// The numbers of the notes "Deep Learning 1-2": computation graphs, vectorised logistic regression,
// Jacobians.
#include "chainrule/autodiff/autodiff.hpp"
#include "seeds/row.hpp"

namespace notes_test {

using namespace chainrule;
using seeds::backends;
using seeds::row;

TEMPLATE_LIST_TEST_CASE("D1, D2: two small graphs", "[seeds]", backends) {
  tape<TestType> t;
  {
    row d1("D1");
    const auto a = t.variable(2.0);
    const auto b = t.variable(1.0);
    const auto e = (a + b) * (b + 1);
    backward(e);
    d1.exact(e.item(), 6);
    d1.exact(a.gradient().item(), 2);
    d1.exact(b.gradient().item(), 5);
  }
  row d2("D2");
  const auto x1 = t.variable(2.0);
  const auto x2 = t.variable(5.0);
  const auto y = x1 * x2 + sin(x2);
  backward(y);
  d2.digits(y.item(), 9.04107573, 1e-8);
  d2.exact(x1.gradient().item(), 5);
  d2.digits(x2.gradient().item(), 2.28366219, 1e-8);
}

TEMPLATE_LIST_TEST_CASE("D3: logistic regression, a loop and vectorised", "[seeds]", backends) {
  using B = TestType;
  tape<B> t;
  const std::vector<double> samples{.5, -1.2, 3, 1.5, .3, -.7};  // columns are samples
  const std::vector<double> labels{1, 0, 1};
  const auto cross_entropy = [](const auto& a, const auto& y) {
    return -(y * log(a) + (1 - y) * log(1 - a));
  };
  row d3("D3");
  std::vector<std::vector<double>> both;
  for (const bool vectorised : {false, true}) {
    const auto w = t.variable(1, 2, {.1, -.2});
    const auto b = t.variable(.05);
    variable<B> cost = 0;
    if (vectorised) {
      const auto a = math::sigmoid(matmul(w, t.constant(2, 3, samples)) + b);
      cost = mean(cross_entropy(a, t.constant(1, 3, labels)));
    } else {
      for (std::size_t i = 0; i < 3; ++i) {
        const auto w1 = math::block(w, 0, 0, 1, 1);
        const auto w2 = math::block(w, 0, 1, 1, 1);
        const auto a = math::sigmoid(w1 * samples[i] + w2 * samples[3 + i] + b);
        cost = cost + cross_entropy(a, t.constant(labels[i])) / 3;
      }
    }
    backward(cost);
    const auto dw = w.gradient();
    const auto db = b.gradient();
    d3.digits(cost.item(), .635420405, 1e-9);
    d3.digits(to_host(dw), {-.658550845, -.139520597}, 1e-9);
    d3.digits(db.item(), -.154060624, 1e-9);
    d3.digits(to_host(w - .1 * dw), {.165855084, -.186047940}, 1e-9);
    d3.digits((b - .1 * db).item(), .065406062, 1e-9);
    both.push_back(to_host(dw));
    both.back().push_back(db.item());
    both.back().push_back(cost.item());
  }
  d3.rounded(both[0], both[1]);
}

TEMPLATE_LIST_TEST_CASE("D4, D5: the gradient of a regularised loss, and of a plain one", "[seeds]",
                        backends) {
  tape<TestType> t;
  {
    row d4("D4");
    const auto w = t.variable(1, 2, {.7, -.4});
    const auto x = t.constant(1, 2, {1, -2});
    const auto loss = math::sum(w * w) / 2 - 2 * log(math::sigmoid(math::sum(w * x)));
    d4.digits(loss.item(), .727826556, 1e-9);
    d4.digits(to_host(gradient(loss, w)), {.335148952, .329702095}, 1e-9);
  }
  row d5("D5");
  const auto w = t.variable(1, 2, {.5, -.25});
  const auto x = t.constant(1, 2, {1, 2});
  const auto loss = -log(math::sigmoid(math::sum(w * x)));
  d5.digits(loss.item(), .693147181, 1e-9);
  d5.rounded(to_host(gradient(loss, w)), {-.5, -1});
}

TEMPLATE_LIST_TEST_CASE("D6: the sigmoid as gates", "[seeds]", backends) {
  tape<TestType> t;
  row d6("D6");
  const auto x = t.variable(2.0);
  const auto e = exp(-x);
  const auto sum = e + 1;
  const auto y = 1 / sum;
  retain_gradient(e);
  retain_gradient(sum);
  backward(y);
  d6.digits({e.item(), sum.item(), y.item()}, {.135335283, 1.135335283, .880797078}, 1e-9);
  d6.digits({sum.gradient().item(), e.gradient().item(), x.gradient().item()},
            {-.775803493, -.775803493, .104993585}, 1e-9);
}

TEMPLATE_LIST_TEST_CASE("D7: Jacobians", "[seeds]", backends) {
  using B = TestType;
  tape<B> t;
  row d7("D7");
  const auto w = t.variable(2, 3, {1, -2, 3, 4, 5, -6});
  const auto x = t.variable(3, 1, {.5, -1, 2});
  d7.exact(to_host(jacobian([&](const variable<B>& v) { return matmul(w, v); }, x)), to_host(w));
  // dL/dW = delta x^T, where delta is what comes from above.
  const auto delta = t.constant(2, 1, {3, -1});
  d7.exact(to_host(vjp(matmul(w, x), w, delta)), {1.5, -3, 6, -.5, 1, -2});
  d7.exact(to_host(jacobian([](const variable<B>& v) { return max(v, 0); },
                            t.variable(3, 1, {2, 0, -1}))),
           {1, 0, 0, 0, 0, 0, 0, 0, 0});
}

}  // namespace notes_test

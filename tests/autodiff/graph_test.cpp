// What a tape does with its nodes: gradients that add up, control flow, what is not recorded, what
// is freed, chains longer than the stack.
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

namespace graph_test {

using namespace differences;

TEMPLATE_LIST_TEST_CASE("a neuron, backward", "[autodiff]", backends) {
  tape<TestType> t;
  const auto w0 = t.variable(2.0);
  const auto x0 = t.variable(-1.0);
  const auto w1 = t.variable(-3.0);
  const auto x1 = t.variable(-2.0);
  const auto w2 = t.variable(-3.0);
  const auto y = math::sigmoid(w0 * x0 + w1 * x1 + w2);
  backward(y);
  // s(1) and s'(1) times the other factor.
  const double s = 1 / (1 + std::exp(-1.0));
  const double slope = s * (1 - s);
  const double close = 8 * epsilon<TestType>;
  CHECK(std::fabs(static_cast<double>(y.item()) - s) <= close);
  const auto is = [&](const variable<TestType>& x, double expected) {
    CHECK(std::fabs(static_cast<double>(x.gradient().item()) - expected) <= close);
  };
  is(w0, -slope), is(x0, 2 * slope), is(w1, -2 * slope), is(x1, -3 * slope), is(w2, slope);
}

TEMPLATE_LIST_TEST_CASE("gradients add up over uses and passes", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(2, 2, {1, 2, 3, 4});
  const auto y = x * x + x + 3 * x;  // 2 x + 4
  backward(math::sum(y), {.keep_graph = true});
  CHECK(values(x.gradient()) == std::vector<double>{6, 8, 10, 12});
  const auto before = x.gradient();
  backward(math::sum(x));
  CHECK(values(x.gradient()) == std::vector<double>{7, 9, 11, 13});
  CHECK(values(before) == std::vector<double>{6, 8, 10, 12});  // what is named does not change
  x.clear_gradient();
  CHECK_FALSE(x.has_gradient());
  backward(y, t.constant(2, 2, {1, 0, 0, 2}));
  CHECK(values(x.gradient()) == std::vector<double>{6, 0, 0, 24});
  t.clear_gradients();
  CHECK_FALSE(x.has_gradient());
}

TEMPLATE_LIST_TEST_CASE("loops and branches are those of the program", "[autodiff]", backends) {
  tape<TestType> t;
  for (const double start : {0.5, 3.0}) {
    const auto x = t.variable(start);
    variable<TestType> y = x;
    int rounds = 0;
    while (y.item() < 10) {
      y = y.item() > 2 ? y * y : y * 2;
      ++rounds;
    }
    backward(y);
    // 0.5, 1, 2, 4, 16 = 64 x^2;  3, 9, 81 = x^4
    CHECK(rounds == (start < 1 ? 4 : 2));
    CHECK(static_cast<double>(x.gradient().item()) == (start < 1 ? 64.0 : 4 * 27.0));
  }
}

TEMPLATE_LIST_TEST_CASE("a sum begins at a constant", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 3, {1, 2, 3});
  variable<TestType> total = 0;
  CHECK(total.is_constant());
  for (int i = 0; i < 3; ++i) total += math::sum(middle_cols(x, i, 1)) * (i + 1);
  total *= 2;
  backward(total);
  CHECK(total.item() == 28);
  CHECK(values(x.gradient()) == std::vector<double>{2, 4, 6});
}

TEMPLATE_LIST_TEST_CASE("no gradient flows through what is detached or not recorded", "[autodiff]",
                        backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 2, {3, 5});
  const auto s = t.variable(3.0);
  backward(math::sum(x * detach(x) + s * detach(s)));
  CHECK(values(x.gradient()) == std::vector<double>{3, 5});
  CHECK(s.gradient().item() == 6);  // broadcast to two elements
  t.clear_gradients();
  {
    const no_grad silent(t);
    CHECK_FALSE((x * x).requires_gradient());
  }
  CHECK((x * x).requires_gradient());
  CHECK_FALSE((t.constant(1.0) * 2).requires_gradient());
  const auto c = t.constant(1, 2, {1, 1});
  backward(math::sum(x * c));
  CHECK_FALSE(c.has_gradient());
}

TEMPLATE_LIST_TEST_CASE("gradients of intermediate results on request", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 2, {3, 5});
  const auto h = retain_gradient(2 * x);
  const auto other = 3 * h;
  backward(math::sum(sqr(other)));
  CHECK(values(h.gradient()) == std::vector<double>{108, 180});
  CHECK(values(x.gradient()) == std::vector<double>{216, 360});
  CHECK_FALSE(other.has_gradient());
}

TEMPLATE_LIST_TEST_CASE("gradients that are returned are not left behind", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 2, {3, 5});
  const auto w = t.variable(2.0);
  const auto unused = t.variable(2, 2, {1, 2, 3, 4});
  const auto h = x * w;
  const auto g = gradient(math::sum(h * h), {x, w, h, unused});
  CHECK(values(g[0]) == std::vector<double>{24, 40});
  CHECK(values(g[1]) == std::vector<double>{136});
  CHECK(values(g[2]) == std::vector<double>{12, 20});
  CHECK(values(g[3]) == std::vector<double>{0, 0, 0, 0});
  CHECK_FALSE(x.has_gradient());
}

TEMPLATE_LIST_TEST_CASE("values go when nothing needs them", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = on_tape(t, spread(8, 8, 1));
  CHECK(t.size() == 1);
  {
    auto y = x;
    for (int i = 0; i < 10; ++i) y = sqr(y);
    CHECK(t.size() == 11);  // the graph keeps what it was made from
    const auto loss = math::sum(y);
    backward(loss);
    // y, the loss and the gradient at x.
    CHECK(t.size() == 4);
  }
  CHECK(t.size() == 2);
  {
    const no_grad silent(t);
    auto y = x;
    for (int i = 0; i < 10; ++i) y = sqr(y);
    CHECK(t.size() == 3);
  }
  {
    auto y = x;
    for (int i = 0; i < 10; ++i) y = sqr(y);
  }
  CHECK(t.size() == 2);
}

TEMPLATE_LIST_TEST_CASE("a block outlives the matrix that it is a part of", "[autodiff]",
                        backends) {
  tape<TestType> t;
  variable<TestType> part;
  {
    const auto x = t.constant(
        2, 12, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    part = math::block(x * 1, 1, 2, 1, 3);
    const auto scalar = math::block(t.constant(7.0) * 1, 0, 0, 1, 1);
    CHECK(scalar.item() == 7);
  }
  const auto others = t.filled(2, 12, 0.0);
  const auto more = t.filled(1, 1, 0.0);
  CHECK(values(part) == std::vector<double>{3, 4, 5});
}

TEST_CASE("a chain of 100000 nodes does not need a stack of that depth", "[autodiff]") {
  // Made, walked and freed in loops, which are the same on every backend: there with fewer.
  using Backend = support::tested<double>;
  const index_t length = Backend{}.name() == "cpu" ? 100000 : 2000;
  tape<Backend> t;
  const auto x = t.variable(1.0);
  {
    variable<Backend> y = x;
    for (index_t i = 0; i < length; ++i) y = y + x;
    CHECK(t.size() == length + 1);
    backward(y, {.keep_graph = true});
    CHECK(x.gradient().item() == static_cast<double>(length + 1));
  }
  CHECK(t.size() == 2);  // freed in one go
  variable<Backend> y = x;
  for (index_t i = 0; i < length; ++i) y = y + x;
  backward(y);  // freed node by node
  CHECK(x.gradient().item() == static_cast<double>(2 * (length + 1)));
  CHECK(t.size() == 3);
}

TEMPLATE_LIST_TEST_CASE("parameters in memory of their own, over many steps", "[autodiff]",
                        backends) {
  // w <- w - rate dw: the tape does not grow, and needs no clearing.
  const TestType be;
  tensor<TestType> w = numbers(be, 1, 2, {1, -2});
  tape<TestType> t(be);
  const auto parameter = t.borrow(w.view());
  index_t size = 0;
  for (int step = 0; step < 5; ++step) {
    const auto loss = math::sum(sqr(parameter));
    backward(loss);
    be.map([](auto p, auto g) { return p - 0.25 * g; }, w.view(), const_matrix<TestType>(w.view()),
           parameter.gradient().view());
    parameter.clear_gradient();
    if (step == 0) size = t.size();
    CHECK(t.size() == size);
  }
  CHECK(doubles(be, w) == std::vector<double>{1 / 32.0, -2 / 32.0});
}

TEMPLATE_LIST_TEST_CASE("steps with second derivatives do not make a tape grow", "[autodiff]",
                        backends) {
  tape<TestType> t;
  const auto x = t.variable(3, 1, {0.1, 0.2, 0.3});
  const auto w = t.variable(1, 2, {1, -2});
  index_t size = 0;
  for (int step = 0; step < 4; ++step) {
    {
      const auto u = math::sum(sin(x * w));
      const auto du = gradient(u, x, {.create_graph = true});
      const auto d2u = gradient(math::sum(du), x, {.create_graph = true});
      backward(math::sum(sqr(d2u)));
      t.clear_gradients();
    }
    if (step == 0) size = t.size();
    CHECK(t.size() == size);
  }
  CHECK(size == 2);
}

TEMPLATE_LIST_TEST_CASE("a variable is a graph too", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(3.0);
  backward(x);
  CHECK(x.gradient().item() == 1);
  const auto twice = gradient(x * x, {x, x});
  CHECK(twice[0].item() == 6);
  CHECK(twice[1].item() == 6);
  CHECK(gradient(x, x).item() == 1);
}

}  // namespace graph_test

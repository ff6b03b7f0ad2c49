// Second derivatives beside closed forms; Jacobians, Hessians and their products with vectors.
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

namespace derivatives_test {

using namespace differences;

namespace {
template <class B>
std::vector<double> numbers_of(const variable<B>& x) {
  return values(x);
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("second and third derivatives of elementary functions", "[autodiff]",
                        double_backends) {
  tape<TestType> t;
  const gradient_options again{.create_graph = true};
  for (const double at : {-1.3, 0.2, 0.9}) {
    const auto x = t.variable(at);
    const double y = std::tanh(at);
    const double slope = 1 - y * y;
    const auto first = gradient(math::tanh(x), x, again);
    const auto second = gradient(first, x, again);
    const auto third = gradient(second, x);
    CHECK(std::fabs(first.item() - slope) <= 1e-15);
    CHECK(std::fabs(second.item() + 2 * y * slope) <= 1e-15);
    CHECK(std::fabs(third.item() + 2 * slope * (slope - 2 * y * y)) <= 2e-15);

    const auto cube = gradient(x * x * x, x, again);
    CHECK(std::fabs(cube.item() - 3 * at * at) <= 1e-15);
    const auto linear = gradient(cube, x, again);
    CHECK(std::fabs(linear.item() - 6 * at) <= 2e-15);
    const auto constant = gradient(linear, x, again);
    CHECK(constant.item() == 6);
    CHECK(gradient(constant, x).item() == 0);

    // A functor of one's own, and a function that states its derivative.
    const auto wave = [](auto u) { return exp(u) * sin(u); };
    const auto d2 = gradient(gradient(math::apply(wave, x), x, again), x);
    CHECK(std::fabs(d2.item() - 2 * std::exp(at) * std::cos(at)) <= 1e-14);
    const auto s2 = gradient(gradient(math::apply(fn::sigmoid{}, x), x, again), x);
    const double s = 1 / (1 + std::exp(-at));
    CHECK(std::fabs(s2.item() - s * (1 - s) * (1 - 2 * s)) <= 1e-15);
  }
}

TEMPLATE_LIST_TEST_CASE("second derivatives of a network of two layers, in closed form",
                        "[autodiff]", double_backends) {
  // u(x) = tanh(x w + b) v: u'' = Σ_j -2 y_j (1 - y_j²) w_j² v_j, the term of a physics-informed
  // network.
  using B = TestType;
  tape<B> t;
  const plain_matrix xs = spread(5, 1, 1, -2, 2);
  const plain_matrix ws = spread(1, 7, 2, -2, 2);
  const plain_matrix bs = spread(1, 7, 3);
  const plain_matrix vs = spread(7, 1, 4);
  const auto x = on_tape(t, xs);
  const auto w = on_tape(t, ws);
  const auto b = on_tape(t, bs);
  const auto v = on_tape(t, vs);
  const auto u = matmul(math::tanh(matmul(x, w) + b), v);
  // Samples do not mix, so the gradient of the sum is the derivative of each.
  const auto first = gradient(math::sum(u), x, {.create_graph = true});
  const auto second = gradient(math::sum(first), x, {.create_graph = true});
  std::vector<double> expected;
  std::vector<double> expected_slope(7);  // d Σ u''² / dv
  std::vector<double> terms(5 * 7);
  for (std::size_t i = 0; i < 5; ++i) {
    double total = 0;
    for (std::size_t j = 0; j < 7; ++j) {
      const double y = std::tanh(xs.elements[i] * ws.elements[j] + bs.elements[j]);
      terms[i * 7 + j] = -2 * y * (1 - y * y) * ws.elements[j] * ws.elements[j];
      total += terms[i * 7 + j] * vs.elements[j];
    }
    expected.push_back(total);
    for (std::size_t j = 0; j < 7; ++j) expected_slope[j] += 2 * total * terms[i * 7 + j];
  }
  CHECK(distance(values(second), expected) <= 1e-13 * largest(expected));
  backward(math::sum(sqr(second)));
  CHECK(distance(values(v.gradient()), expected_slope) <= 1e-12 * largest(expected_slope));
}

TEMPLATE_LIST_TEST_CASE("the Hessian of log-sum-exp is that of softmax", "[autodiff]",
                        double_backends) {
  tape<TestType> t;
  const plain_matrix scores = spread(1, 5, 1, -2, 2);
  const auto x = on_tape(t, scores);
  double total = 0;
  for (const double s : scores.elements) total += std::exp(s);
  std::vector<double> expected;  // diag(p) - p pᵀ
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 5; ++j) {
      const double p = std::exp(scores.elements[i]) / total;
      const double q = std::exp(scores.elements[j]) / total;
      expected.push_back(i == j ? p * (1 - p) : -p * q);
    }
  const auto f = [](const auto& at) { return log_sum_exp(at); };
  CHECK(distance(values(hessian(f, x)), expected) <= 1e-15);
  CHECK(distance(values(jacobian([](const auto& at) { return softmax(at); }, x)), expected) <=
        1e-15);

  const auto direction = spread(1, 5, 2);
  std::vector<double> product;
  for (std::size_t i = 0; i < 5; ++i) {
    double sum_of = 0;
    for (std::size_t j = 0; j < 5; ++j) sum_of += expected[i * 5 + j] * direction.elements[j];
    product.push_back(sum_of);
  }
  const auto u = t.constant(numbers(t.backend(), 1, 5, direction.elements).view());
  CHECK(distance(values(hessian_vector(f, x, u)), product) <= 1e-15);
  CHECK_FALSE(x.has_gradient());
}

TEMPLATE_LIST_TEST_CASE("Jacobians of products and of pointwise functions", "[autodiff]",
                        backends) {
  using B = TestType;
  tape<B> t;
  const auto w = t.variable(3, 2, {1, 2, 3, 4, 5, 6});
  const auto x = t.constant(2, 1, {7, -8});
  const auto product = [&](const auto& at) { return matmul(w, at); };
  CHECK(numbers_of(jacobian(product, x)) == std::vector<double>{1, 2, 3, 4, 5, 6});
  const auto y = t.variable(1, 4, {-1, 2, 0, 3});
  const auto rectified = [](const auto& at) { return relu{}(at); };
  CHECK(numbers_of(jacobian(rectified, y)) ==
        std::vector<double>{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});

  // J u and vᵀ J.
  const auto u = t.constant(2, 1, {10, 1});
  CHECK(values(jvp(product, x, u)) == std::vector<double>{12, 34, 56});
  const auto at = t.variable(2, 1, {7, -8});
  CHECK(values(vjp(product(at), at, t.constant(3, 1, {1, 10, 100}))) ==
        std::vector<double>{531, 642});
  CHECK(values(jvp(rectified, y, t.constant(1, 4, {5, 6, 7, 8}))) ==
        std::vector<double>{0, 6, 0, 8});
  CHECK(values(math::pointwise_jvp(rectified, y, t.constant(1, 4, {5, 6, 7, 8}))) ==
        std::vector<double>{0, 6, 0, 8});
  CHECK(jacobian(product, x).shape() == matrix_shape{3, 2});
  CHECK_FALSE(x.has_gradient());

  CHECK(complaint<shape_error>([&] { (void)jvp(product, x, y); }) ==
        "jvp: a direction of 1x4 for a variable of 2x1; it needs the same shape");
}

TEMPLATE_LIST_TEST_CASE("both ways to a Jacobian-vector product agree", "[autodiff]",
                        double_backends) {
  using B = TestType;
  const B be;
  tape<B> t(be);
  const auto f = [](auto x) { return exp(-x * x) * sin(3 * x) + pow(x, 3) / (1 + sqr(x)); };
  const auto x = on_tape(t, spread(2, 3, 1, -2, 2));
  const auto u = t.constant(numbers(be, 2, 3, spread(2, 3, 2).elements).view());
  const auto forward = values(math::pointwise_jvp(f, x, u));
  CHECK(distance(values(jvp(f, x, u)), forward) <= 8 * epsilon<B> * largest(forward));
  // And both are J u.
  const auto j = jacobian(f, x);
  const auto product = values(matmul(j, reshape(u, 6, 1)));
  CHECK(distance(product, forward) <= 8 * epsilon<B> * largest(forward));
}

}  // namespace derivatives_test

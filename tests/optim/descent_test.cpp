// Gradient descent on the bowl a² + b² from (10, 10), by the optimizer on an arena, with the
// numbers that two lectures print: Tashfeen, "Neural Networks: The Backward Pass", for the rate
// 0.3, and FAU, "Feedforward Networks", part 3, for what other rates do.
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace descent_test {

using namespace batches;

namespace {

struct path {
  std::vector<double> errors;  // before each step, and after the last
  std::vector<double> a;       // after each step
  bool symmetric = true;       // a and b stay the same
};

template <class B>
path descend(const B& be, double rate, int steps) {
  arena_plan plan;
  const slice place = plan.add(weight_tags, 1, 2);
  arena<B> point(be, plan);
  arena<B> gradient(be, plan);
  be.map(fn::fill{10}, point[place]);
  optimizer opt(be, plan, chain(sgd{rate}));
  tensor<B> error(be, 1, 1);
  path walked;
  const auto measure = [&] {
    be.reduce(reduction::sum{}, error.view(), fn::sqr{}, point[place]);
    walked.errors.push_back(doubles(be, error)[0]);
  };
  for (int i = 0; i < steps; ++i) {
    measure();
    be.map(fn::affine{2, 0}, gradient[place], point[place]);  // d/da (a² + b²) = 2a
    opt.update(point, gradient);
    const auto at = doubles(be, const_matrix<B>(point[place]));
    walked.a.push_back(at[0]);
    walked.symmetric = walked.symmetric && at[0] == at[1];
  }
  measure();
  return walked;
}

bool near(double got, double wanted, double tolerance) {
  return std::fabs(got - wanted) <= tolerance * std::fabs(wanted);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("seven steps down the bowl", "[optim][descent]", backends) {
  const path walked = descend(TestType{}, 0.3, 7);
  const double errors[] = {200.0, 32.0, 5.12, 0.8192, 0.131072, 0.02097152, 0.0033554432};
  const double a[] = {4, 1.6, 0.64, 0.256, 0.1024, 0.04096, 0.016384};
  // w - 0.3 · 2w loses a bit to cancellation in each step.
  const double tolerance = 32 * epsilon<TestType>;
  for (std::size_t i = 0; i < 7; ++i) {
    CAPTURE(i, walked.errors[i], walked.a[i]);
    CHECK(near(walked.errors[i], errors[i], tolerance));
    CHECK(near(walked.a[i], a[i], tolerance));
  }
  CHECK(walked.symmetric);
}

TEMPLATE_LIST_TEST_CASE("the rate decides", "[optim][descent]", backends) {
  const TestType be;
  const double tolerance = 32 * epsilon<TestType>;
  // One half converges in one step, and stays.
  for (const double error : {descend(be, 0.5, 1).errors[1], descend(be, 0.5, 7).errors[7]})
    CHECK(error == 0);
  // One oscillates between two opposite points.
  const path around = descend(be, 1.0, 7);
  for (const double error : around.errors) CHECK(error == 200);
  CHECK(around.a[0] == -10);
  CHECK(around.a[1] == 10);
  // A little more diverges: every step multiplies a by -1.2, to 2567.8 after seven.
  const double diverged = descend(be, 1.1, 7).errors[7];
  CHECK(near(diverged, 200 * std::pow(1.2, 14), tolerance));
  CHECK(std::fabs(diverged - 2567.8) < 0.05);
  // A thousandth creeps: 194.5 after seven.
  const double crept = descend(be, 0.001, 7).errors[7];
  CHECK(near(crept, 200 * std::pow(0.998, 14), tolerance));
  CHECK(std::fabs(crept - 194.5) < 0.05);
}

}  // namespace descent_test

// Gradients of operations at points where differences do not show them. (Elsewhere they stand in
// the table of gradients, tests/gradients/operations_test.cpp.)
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

namespace operations_test {

using namespace differences;

TEMPLATE_LIST_TEST_CASE("the norm of nothing but zeros has gradient 0", "[autodiff]",
                        double_backends) {
  tape<TestType> t;
  const auto x = t.variable(2, 2, {0, 0, 3, 4});
  const auto y = norm(x, over::cols);
  backward(math::sum(y));
  CHECK(values(y) == std::vector<double>{0, 5});
  CHECK(distance(values(x.gradient()), std::vector<double>{0, 0, 0.6, 0.8}) <= 4e-16);
}

TEMPLATE_LIST_TEST_CASE("the largest elements share the gradient", "[autodiff]", double_backends) {
  tape<TestType> t;
  const auto x = t.variable(1, 4, {2, 7, 7, 1});
  backward(max(x));
  CHECK(values(x.gradient()) == std::vector<double>{0, 0.5, 0.5, 0});
}

}  // namespace operations_test

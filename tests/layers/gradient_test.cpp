// Backward of layers against finite differences where the table of gradients (tests/gradients) does
// not go: the ends of dropout, the smallest extents.
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace gradient_test {

using namespace batches;

namespace {

template <class B>
gradient_report check(std::vector<any_layer<B>> specs, gradient_check_options options = {}) {
  const B be;
  network<B> net{be, specs};
  net.initialize(3);
  return check_gradients(net, quadratic_cost{}, uniform(be, 7, net.inputs(), 1, -2, 2).view(),
                         uniform(be, 7, net.outputs(), 2).view(), options);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients of dropout", "[layers][gradient]", double_backends) {
  for (const double p : {0.0, 0.3, 0.9}) {
    gradient_check_options options;
    options.pass = phase::train(5, 17);
    options.allow_zero = p > 0.5;  // a feature that is dropped in every sample
    const gradient_report report = check<TestType>(
        {dense{5, 7, fn::sigmoid{}}, dropout{p}, dense{7, 3}, dropout{p / 2}}, options);
    INFO("p = " << p << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("gradients of the smallest extents", "[layers][gradient]",
                        double_backends) {
  const TestType be;
  for (const index_t rows : {1, 2, 17}) {
    network<TestType> net{be, {dense{1, 1, gelu{}}, activation{mish{}}, dense{1, 1}}};
    net.initialize(4);
    const gradient_report report = check_gradients(
        net, sum_of_squares{}, uniform(be, rows, 1, 1).view(), uniform(be, rows, 1, 2).view());
    INFO(rows << " rows: " << to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == 4 + rows);
  }
}

}  // namespace gradient_test

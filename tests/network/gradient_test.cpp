// Whole networks against finite differences: static extents, dynamic ones, and both mixed.
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace gradient_test {

using namespace batches;

namespace {

template <class Network>
gradient_report check(Network& net) {
  const auto& be = net.backend();
  net.initialize(6);
  gradient_check_options options;
  options.pass = phase::train(2, 9);
  return check_gradients(net, softmax_cross_entropy{},
                         uniform(be, 11, net.inputs(), 1, -2, 2).view(),
                         labels(be, 11, net.outputs()).view(), options);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients of networks of every kind", "[network][gradient]",
                        double_backends) {
  const TestType be;
  SECTION("extents in the types") {
    network net{be,
                dense<5, 9, relu>{},
                dropout{0.25},
                dense<9, 7, mish>{},
                activation{softsign{}},
                dense<7, 3>{}};
    const gradient_report report = check(net);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
  }
  SECTION("extents as values, and both") {
    network net{be, dense{5, 9, silu{}}, dense<9, 7, elu>{}, dropout{0.25}, dense{7, 3}};
    const gradient_report report = check(net);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
  }
  SECTION("known at run time") {
    network<TestType> net{be,
                          {dense<5, 9, silu>{}, dense{9, 7, hard_swish{}}, dropout{0.25},
                           dense{7, 4, fn::sigmoid{}}, dense<4, 3>{}}};
    const gradient_report report = check(net);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
  }
  SECTION("a single layer, whose input is the network's") {
    network net{be, dense{5, 3, gelu{}}};
    const gradient_report report = check(net);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == 5 * 3 + 3 + 11 * 5);
  }
}

}  // namespace gradient_test

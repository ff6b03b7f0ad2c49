// Backward of every layer against finite differences: in the middle of a network (so that the
// gradient with respect to its input is checked too), batch above 1, odd extents.
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/sequential.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

using namespace batches;

namespace {

/// What a user writes: no name, no gain, no derivative.
struct homemade {
  auto operator()(auto x) const { return x / (1 + exp(-x)) + sin(x); }
};

template <class B>
gradient_report check(std::vector<layer_spec<B>> specs, gradient_check_options options = {}) {
  const B be;
  sequential<B> net{be, specs};
  net.initialize(3);
  return check_gradients(net, quadratic_cost{}, uniform(be, 7, net.inputs(), 1, -2, 2).view(),
                         uniform(be, 7, net.outputs(), 2).view(), options);
}

/// The step function lets no gradient through: all that is before it is 0, and rightly so.
template <class F>
gradient_check_options options_for(const F&) {
  gradient_check_options options;
  options.allow_zero = std::same_as<F, sign>;
  return options;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients of dense layers with every activation", "[layers][gradient]",
                        double_backends) {
  const auto look = []<class F>(const F& f) {
    const gradient_report report =
        check<TestType>({dense{5, 9, chainrule::tanh{}}.bias(init::uniform(-1, 1)),
                         dense{9, 7, f}.bias(init::uniform(-1, 1)), dense{7, 3}},
                        options_for(f));
    INFO(name_of<F>() << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
    CHECK(report.compared == 5 * 9 + 9 + 9 * 7 + 7 + 7 * 3 + 3 + 7 * 5);
  };
  for_each_activation(look);
  look(homemade{});
  look(leaky_relu{0.3});
  look(elu{2.0});
}

TEMPLATE_LIST_TEST_CASE("gradients of activation layers of every kind", "[layers][gradient]",
                        double_backends) {
  const auto look = []<class F>(const F& f) {
    const gradient_report report = check<TestType>(
        {dense{5, 7}.bias(init::uniform(-1, 1)), activation{f}, dense{7, 3}}, options_for(f));
    INFO(name_of<F>() << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
    CHECK(report.compared == 5 * 7 + 7 + 7 * 3 + 3 + 7 * 5);
  };
  for_each_activation(look);
  look(homemade{});
}

TEMPLATE_LIST_TEST_CASE("gradients of dropout", "[layers][gradient]", double_backends) {
  for (const double p : {0.0, 0.3, 0.9}) {
    gradient_check_options options;
    options.pass = phase::train(5, 17);
    options.allow_zero = p > 0.5;  // a feature that is dropped in every sample
    const gradient_report report =
        check<TestType>({dense{5, 7, sigmoid{}}, dropout{p}, dense{7, 3}, dropout{p / 2}}, options);
    INFO("p = " << p << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.skipped == 0);
  }
}

TEMPLATE_LIST_TEST_CASE("gradients of the smallest extents", "[layers][gradient]",
                        double_backends) {
  const TestType be;
  for (const index_t rows : {1, 2, 17}) {
    sequential<TestType> net{be, {dense{1, 1, gelu{}}, activation{mish{}}, dense{1, 1}}};
    net.initialize(4);
    const gradient_report report = check_gradients(
        net, sum_of_squares{}, uniform(be, rows, 1, 1).view(), uniform(be, rows, 1, 2).view());
    INFO(rows << " rows: " << to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == 4 + rows);
  }
}

// Losses behind a network, against finite differences of their own mean: both kinds of targets.
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/sequential.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

using namespace batches;

namespace {

template <class B, class Loss>
void check(const Loss& loss, const tensor<B>& targets) {
  const B be;
  sequential<B> net{be, {dense{5, 7, chainrule::tanh{}}, dense{7, 3}}};
  net.initialize(2);
  const gradient_report report =
      check_gradients(net, loss, uniform(be, targets.rows(), 5, 1, -2, 2).view(), targets.view());
  INFO(Loss::name << " of targets " << to_string(targets.shape()) << ": " << to_string(report));
  CHECK(report.passed());
  CHECK(report.skipped == 0);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients of losses", "[losses][gradient]", double_backends) {
  const TestType be;
  const auto look = [&](const auto& loss) {
    check(loss, uniform(be, 8, 3, 8, 0, 1));
    check(loss, labels(be, 8, 3));
  };
  look(mean_squared_error{});
  look(quadratic_cost{});
  look(sum_of_squares{});
  look(mean_absolute_error{});
  look(huber_loss{0.5});
  look(sigmoid_cross_entropy{});
  look(hinge{});
  look(squared_hinge{});
  look(softmax_cross_entropy{});
  check(multiclass_hinge{}, labels(be, 8, 3));
}

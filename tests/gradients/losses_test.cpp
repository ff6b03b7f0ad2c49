// Rows of the table of gradients: every loss, behind a network whose outputs lie on both sides of
// every kink, for both kinds of targets.
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "gradients/network_row.hpp"

namespace losses_test {

using namespace gradients;

namespace {

constexpr index_t samples = 8;
constexpr index_t outputs = 3;

const plain_matrix classes{samples, 1, {1, 2, 0, 1, 2, 0, 1, 2}};

/// -1 and 1, as machines that separate want them.
plain_matrix signs() {
  plain_matrix m{samples, outputs, {}};
  for (int i = 0; i < samples * outputs; ++i) m.elements.push_back(i % 5 < 2 ? -1 : 1);
  return m;
}

template <class Loss>
void row(const char* targets, const Loss& loss, const plain_matrix& t) {
  network_row(
      "losses", std::string(Loss::name) + ", " + targets,
      []<class B>(const B&) {
        return specs<B>{dense{5, 7, fn::tanh{}}, dense{7, outputs}.weights(init::uniform(-2, 2))};
      },
      loss, {rounded(spread(samples, 5, 1, -2, 2)), t});
}

}  // namespace

TEST_CASE("losses", "[gradients][networks]") {
  const plain_matrix between = rounded(spread(samples, outputs, 8, 0, 1));
  const auto both = [&](const auto& loss, const plain_matrix& values) {
    row("values", loss, values);
    row("classes", loss, classes);
  };
  both(mean_squared_error{}, between);
  both(quadratic_cost{}, between);
  both(sum_of_squares{}, between);
  both(mean_absolute_error{}, between);
  both(huber_loss{0.5}, between);
  both(sigmoid_cross_entropy{}, between);
  both(hinge{}, signs());
  both(squared_hinge{}, signs());
  both(softmax_cross_entropy{}, between);
  row("values, smoothed", softmax_cross_entropy{.smoothing = 0.2}, between);
  row("classes, smoothed", softmax_cross_entropy{.smoothing = 0.2}, classes);
  row("classes", multiclass_hinge{}, classes);
}

}  // namespace losses_test

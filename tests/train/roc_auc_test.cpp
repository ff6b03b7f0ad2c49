// The area under the curve beside scikit-learn 1.9.1, and cases by hand.
#include "chainrule/metrics/roc_auc.hpp"

#include <cmath>
#include <cstdint>

#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace roc_auc_test {

using namespace chainrule;
using support::complaint;

namespace {
using ints = std::vector<int>;
using doubles = std::vector<double>;
}  // namespace

TEST_CASE("area under the receiver operating characteristic", "[metrics]") {
  // 22 of the 25 pairs are in the right order.
  const doubles logits{0.5, -1.25, 2, 0.25, -0.5, 1.5, -2, 0.75, -0.25, 0.125};
  CHECK(roc_auc(ints{1, 0, 1, 0, 1, 1, 0, 1, 0, 0}, logits) == 0.88);
  // With ties: 6.5 of 16 pairs.
  CHECK(roc_auc(ints{0, 0, 1, 1, 1, 0, 0, 1}, doubles{0.1, 0.4, 0.35, 0.8, 0.4, 0.4, 0.9, 0.1}) ==
        0.40625);
  CHECK(roc_auc(std::vector<std::uint8_t>{0, 1}, std::vector<float>{1, 2}) == 1);
  CHECK(roc_auc(ints{1, 0}, doubles{1, 2}) == 0);
  CHECK(roc_auc(ints{1, 0, 1}, doubles{3, 3, 3}) == 0.5);
  CHECK(std::isnan(roc_auc(ints{1, 1}, doubles{1, 2})));
  CHECK(std::isnan(roc_auc(ints{}, doubles{})));
}

TEST_CASE("roc_auc refuses what does not fit", "[metrics]") {
  CHECK(complaint<shape_error>([] {
          (void)roc_auc(ints{0, 1}, doubles{1});
        }) == "1 scores do not fit 2 labels");
  CHECK(complaint<value_error>([] {
          (void)roc_auc(ints{0, 2}, doubles{1, 2});
        }) == "the label of sample 1 is 2, expected 0 to 1");
  CHECK(complaint<value_error>([] {
          (void)roc_auc(ints{0, 1}, doubles{1, std::nan("")});
        }) == "roc_auc: the score of sample 1 is NaN");
}

}  // namespace roc_auc_test

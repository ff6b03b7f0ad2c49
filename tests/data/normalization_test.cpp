// Means and deviations of channels.
#include "chainrule/data/normalization.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace normalization_test {

using namespace chainrule;
using support::complaint;

TEST_CASE("the mean and the deviation of each channel") {
  // Channel 0 holds 0, 2, 4, 6: mean 3, deviation sqrt(5); channel 1 holds 10, 10, 10, 30: mean 15,
  // deviation sqrt(75).
  const labelled_images images{"two", 2, 1, 2, 1, {0, 10, 2, 10, 4, 10, 6, 30}, {0, 0}, 2};
  const normalization raw = measure_channels(images, 1);
  CHECK(raw.scale == 1);
  CHECK(raw.mean == std::vector<double>{3, 15});
  CHECK(raw.deviation == std::vector<double>{std::sqrt(5.0), std::sqrt(75.0)});
  const normalization scaled = measure_channels(images);
  const double rounding = 8 * std::numeric_limits<double>::epsilon();
  CHECK(scaled.scale == 1.0 / 255);
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(std::fabs(scaled.mean[k] * 255 / raw.mean[k] - 1) <= rounding);
    CHECK(std::fabs(scaled.deviation[k] * 255 / raw.deviation[k] - 1) <= rounding);
  }
  // All elements as one channel: the sum is 72, the sum of squares 1256.
  const normalization one = measure_channels(images.view(), 1);
  CHECK(one.mean == std::vector<double>{9});
  CHECK(std::fabs(one.deviation[0] / std::sqrt(1256.0 / 8 - 81) - 1) <= rounding);
}

TEST_CASE("the deviation of numbers that lie far from 0 is that of their differences") {
  std::vector<double> far;
  for (int i = 0; i < 1000; ++i) far.push_back(1e9 + i % 2);
  const normalization n = measure_channels(matrix_view(far.data(), 250, 4), 1);
  CHECK(n.mean == std::vector<double>{1e9 + 0.5});
  CHECK(n.deviation == std::vector<double>{0.5});
  // Rows that lie 5 apart: each of the two columns alternates.
  const normalization part = measure_channels(matrix_view(far.data(), 200, 2, 5), 2);
  CHECK(part.mean == std::vector<double>(2, 1e9 + 0.5));
  CHECK(part.deviation == std::vector<double>(2, 0.5));
}

TEST_CASE("what has no mean or deviation is refused") {
  const labelled_images constant{"c", 1, 1, 2, 1, {7, 1, 7, 2}, {0}, 2};
  CHECK(complaint<value_error>([&] { (void)measure_channels(constant, 1); }) ==
        "channel 0 is constant, so that it has no deviation; give normalization means and "
        "deviations of your own");
  CHECK(complaint<value_error>([&] { (void)measure_channels(labelled_images{}); }) ==
        "there are no samples to compute means and deviations of channels from");
  const std::vector<std::uint8_t> six{1, 2, 3, 4, 5, 6};
  CHECK(complaint<shape_error>([&] { (void)measure_channels(matrix_view(six.data(), 2, 3), 2); }) ==
        "samples of 3 features do not have 2 channels");
  CHECK(complaint<shape_error>([] {
          (void)normalization(1, {0, 0}, {1});
        }) == "a normalization needs a deviation for each mean, got 2 means and 1 deviations");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK_THROWS_AS(normalization(1, {inf}, {1.0}), value_error);
  CHECK_THROWS_AS(normalization(1, {0.0}, {-1.0}), value_error);
  CHECK_THROWS_AS(normalization(1, {0.0}, {inf - inf}), value_error);
}

}  // namespace normalization_test

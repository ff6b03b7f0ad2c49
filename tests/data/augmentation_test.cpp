// Each change by hand on small images, and how the changes are drawn.
#include "chainrule/data/augmentation.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace augmentation_test {

using namespace chainrule;
using detail::image_augmenter;
using detail::image_change;
using support::complaint;

namespace {

constexpr double quarter = 1.57079632679489661923;  // 90 degrees

/// Changes are given by hand, so that it only matters that there are some.
image_augmenter augmenter(const shape& sample, border outside = border::zero) {
  return {{.flip = true, .outside = outside}, sample, 0};
}

/// The image 1, 2, 3, ... of that shape after a change.
template <class T>
std::vector<T> changed(const image_change& c, const shape& sample, border outside = border::zero) {
  std::vector<T> from, to(static_cast<std::size_t>(sample.size()), T(77));
  for (index_t i = 1; i <= sample.size(); ++i) from.push_back(static_cast<T>(i));
  augmenter(sample, outside).apply(c, from.data(), to.data());
  return to;
}
std::vector<int> bytes(const image_change& c, const shape& sample, border outside = border::zero) {
  const auto to = changed<std::uint8_t>(c, sample, outside);
  return {to.begin(), to.end()};
}

bool same(const image_change& a, const image_change& b) {
  return a.flip == b.flip && a.zoom == b.zoom && a.top == b.top && a.left == b.left &&
         a.angle == b.angle && a.down == b.down && a.right == b.right &&
         a.erase_top == b.erase_top && a.erase_left == b.erase_left &&
         a.erase_height == b.erase_height && a.erase_width == b.erase_width;
}

const augmentation all{.flip = true, .crop = 0.8, .rotate = 10, .shift = 2, .erase = 0.2};

}  // namespace

TEST_CASE("a flip mirrors left and right, pixel by pixel") {
  CHECK(bytes({.flip = true}, {2, 3, 1}) == std::vector<int>{3, 2, 1, 6, 5, 4});
  CHECK(bytes({.flip = true}, {1, 3, 2}) == std::vector<int>{5, 6, 3, 4, 1, 2});
  CHECK(bytes({}, {2, 3, 1}) == std::vector<int>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("a shift moves pixels, and the border fills what is free") {
  const shape s{3, 3, 1};
  CHECK(bytes({.down = 1, .right = 2}, s) == std::vector<int>{0, 0, 0, 0, 0, 1, 0, 0, 4});
  CHECK(bytes({.down = -1, .right = -1}, s) == std::vector<int>{5, 6, 0, 8, 9, 0, 0, 0, 0});
  CHECK(bytes({.down = 1, .right = 2}, s, border::edge) ==
        std::vector<int>{1, 1, 1, 1, 1, 1, 4, 4, 4});
  CHECK(bytes({.down = -1}, s, border::edge) == std::vector<int>{4, 5, 6, 7, 8, 9, 7, 8, 9});
  // The flipped image is shifted.
  CHECK(bytes({.flip = true, .right = 1}, s) == std::vector<int>{0, 3, 2, 0, 6, 5, 0, 9, 8});
  CHECK(bytes({.right = -1}, {1, 3, 2}) == std::vector<int>{3, 4, 5, 6, 0, 0});
}

TEST_CASE("a rotation is about the centre, and bilinear") {
  const shape s{3, 3, 1};
  CHECK(bytes({.angle = quarter}, s) == std::vector<int>{3, 6, 9, 2, 5, 8, 1, 4, 7});
  CHECK(bytes({.angle = -quarter}, s) == std::vector<int>{7, 4, 1, 8, 5, 2, 9, 6, 3});
  CHECK(bytes({.angle = 2 * quarter}, s) == std::vector<int>{9, 8, 7, 6, 5, 4, 3, 2, 1});
  // By 45 degrees: pixel (1, 2) comes from (1 + h, 1 + h) with h = sqrt(1/2), between 5, 6, 8 and
  // 9; pixel (0, 0) from (1 - 2 h, 1), between 2 and what is outside.
  const double h = std::sqrt(0.5);
  const double rounding = 64 * std::numeric_limits<double>::epsilon() * 9;
  const auto turned = changed<double>({.angle = quarter / 2}, s);
  CHECK(std::fabs(turned[4] - 5) <= rounding);
  CHECK(std::fabs(turned[5] - (5 + h + 3 * h)) <= rounding);
  CHECK(std::fabs(turned[0] - 2 * (2 - 2 * h)) <= rounding);
  CHECK(std::fabs(changed<double>({.angle = quarter / 2}, s, border::edge)[0] - 2) <= rounding);
  // A byte is the nearest one: 7.83 and 1.17.
  CHECK(bytes({.angle = quarter / 2}, s)[5] == 8);
  CHECK(bytes({.angle = quarter / 2}, s)[0] == 1);
  // The rotated image is shifted.
  CHECK(bytes({.angle = quarter, .right = 1}, s) == std::vector<int>{0, 3, 6, 0, 2, 5, 0, 1, 4});
  // Channels stay apart: 1, 3 / 5, 7 and 2, 4 / 6, 8.
  CHECK(bytes({.angle = quarter}, {2, 2, 2}) == std::vector<int>{3, 4, 7, 8, 1, 2, 5, 6});
}

TEST_CASE("a crop enlarges a part") {
  // Half of 4 x 4 from (1, 1) on: rows and columns 0.75, 1.25, 1.75, 2.25 of 4 y + x + 1.
  const auto cropped = changed<double>({.zoom = 0.5, .top = 1, .left = 1}, {4, 4, 1});
  for (std::size_t y = 0; y < 4; ++y)
    for (std::size_t x = 0; x < 4; ++x) {
      const double source_y = 0.75 + 0.5 * static_cast<double>(y);
      const double source_x = 0.75 + 0.5 * static_cast<double>(x);
      CHECK(cropped[4 * y + x] == 4 * source_y + source_x + 1);
    }
  // Of the flipped image the same part.
  const auto flipped = changed<double>({.flip = true, .zoom = 0.5, .top = 1, .left = 1}, {4, 4, 1});
  CHECK(flipped[0] == 4 * 0.75 + (3 - 0.75) + 1);
}

TEST_CASE("a rectangle is erased") {
  CHECK(bytes({.erase_top = 1, .erase_left = 0, .erase_height = 2, .erase_width = 2}, {3, 3, 1}) ==
        std::vector<int>{1, 2, 3, 0, 0, 6, 0, 0, 9});
  CHECK(bytes({.erase_left = 1, .erase_height = 1, .erase_width = 1}, {1, 2, 2}) ==
        std::vector<int>{1, 2, 0, 0});
}

TEST_CASE("moving pixels and sampling them agree where nothing is between two pixels") {
  const shape s{5, 4, 3};
  for (const border outside : {border::zero, border::edge})
    for (const bool flip : {false, true})
      for (index_t down = -2; down <= 2; ++down)
        for (index_t right = -2; right <= 2; ++right) {
          const image_change c{.flip = flip, .down = down, .right = right};
          std::vector<float> from, moved(60, -1), sampled(60, -2);
          for (int i = 1; i <= 60; ++i) from.push_back(static_cast<float>(i));
          augmenter(s, outside).move(c, from.data(), moved.data());
          augmenter(s, outside).resample(c, from.data(), sampled.data());
          CHECK(moved == sampled);
        }
}

TEST_CASE("what is drawn depends on seed, epoch and sample only") {
  const shape s{28, 28, 1};
  const image_augmenter a(all, s, 7);
  const image_change c = a.draw(3, 11);
  CHECK(same(c, image_augmenter(all, s, 7).draw(3, 11)));
  CHECK_FALSE(same(c, a.draw(4, 11)));
  CHECK_FALSE(same(c, a.draw(3, 12)));
  CHECK_FALSE(same(c, image_augmenter(all, s, 8).draw(3, 11)));
  // Without the others, each option draws what it draws beside them.
  const auto only = [&](const augmentation& o) { return image_augmenter(o, s, 7).draw(3, 11); };
  CHECK(only({.flip = true}).flip == c.flip);
  CHECK(only({.rotate = 10}).angle == c.angle);
  CHECK(only({.shift = 2}).down == c.down);
  CHECK(only({.shift = 2}).right == c.right);
  CHECK(only({.crop = 0.8}).zoom == c.zoom);
  CHECK(only({.crop = 0.8}).left == c.left);
  CHECK(same(only({.outside = border::edge}), {}));
}

TEST_CASE("draws have the distribution that the options say") {
  constexpr int count = 10000;
  const shape s{32, 24, 3};
  const image_augmenter a(all, s, 5);
  int flips = 0, erased = 0;
  std::vector<int> down(5), right(5);
  double angles = 0, zooms = 0, areas = 0;
  for (std::int32_t i = 0; i < count; ++i) {
    const image_change c = a.draw(0, i);
    flips += c.flip ? 1 : 0;
    REQUIRE(std::abs(c.down) <= 2);
    REQUIRE(std::abs(c.right) <= 2);
    ++down[static_cast<std::size_t>(c.down + 2)];
    ++right[static_cast<std::size_t>(c.right + 2)];
    REQUIRE(std::fabs(c.angle) <= quarter / 9);
    angles += c.angle;
    REQUIRE(c.zoom >= 0.8);
    REQUIRE(c.zoom <= 1);
    zooms += c.zoom;
    REQUIRE(c.top >= 0);
    REQUIRE(c.top <= (1 - c.zoom) * 32);
    REQUIRE(c.left >= 0);
    REQUIRE(c.left <= (1 - c.zoom) * 24);
    if (c.erase_height == 0) continue;
    ++erased;
    areas += static_cast<double>(c.erase_height * c.erase_width) / (32 * 24);
    REQUIRE(c.erase_top >= 0);
    REQUIRE(c.erase_left >= 0);
    REQUIRE(c.erase_top + c.erase_height <= 32);
    REQUIRE(c.erase_left + c.erase_width <= 24);
  }
  // Six standard deviations: of a binomial, sqrt(n p (1 - p)); of a mean of uniform numbers over a
  // range, range / sqrt(12 n).
  const auto counts = [](int found, double p) {
    return std::fabs(found - count * p) <= 6 * std::sqrt(count * p * (1 - p));
  };
  CHECK(counts(flips, 0.5));
  CHECK(counts(erased, 0.2));
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(counts(down[i], 0.2));
    CHECK(counts(right[i], 0.2));
  }
  const double deviation = std::sqrt(1.0 / (12 * count));
  CHECK(std::fabs(angles / count) <= 6 * deviation * quarter * 2 / 9);
  CHECK(std::fabs(zooms / count - 0.9) <= 6 * deviation * 0.2);
  // Areas are uniform in 0.02 to 0.4, but tall ones of a small ratio do not fit.
  CHECK(areas / erased > 0.1);
  CHECK(areas / erased < 0.21 + 6 * 0.38 / std::sqrt(12.0 * erased));
}

TEST_CASE("augmentation refuses options out of range, and samples that are no images") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const shape s{28, 20, 1};
  const auto refused = [&](const augmentation& o, const shape& sample) {
    return complaint<value_error>([&] { (void)image_augmenter(o, sample, 0); });
  };
  CHECK(refused({.crop = 0}, s) == "augmentation: crop is a fraction in (0, 1], got 0");
  CHECK(refused({.crop = 1.5}, s) == "augmentation: crop is a fraction in (0, 1], got 1.5");
  CHECK(refused({.crop = nan}, s) == "augmentation: crop is a fraction in (0, 1], got nan");
  CHECK(refused({.rotate = -1}, s) ==
        "augmentation: rotate is an angle of 0 to 180 degrees, got -1");
  CHECK(refused({.erase = 2}, s) == "augmentation: erase is a probability in [0, 1], got 2");
  for (const index_t shift : {index_t{-1}, index_t{20}, std::numeric_limits<index_t>::max()})
    CHECK(refused({.shift = shift}, s) ==
          "augmentation: shift is at least 0 and less than the extents of the images, which are "
          "28x20x1, got " +
              std::to_string(shift));
  CHECK(refused({.flip = true}, {784}) ==
        "augmentation needs samples of height x width x channels, these are 784; give the data set "
        "their shape by dataset_options::sample");
  CHECK(refused({.flip = true}, {}).find("of unknown shape") != std::string::npos);
  CHECK(refused({}, {784}).empty());
  // One pixel has no room for a rectangle; it is left as it is.
  CHECK(bytes(image_augmenter({.erase = 1}, {1, 1, 1}, 3).draw(0, 0), {1, 1, 1}).size() == 1);
}

}  // namespace augmentation_test

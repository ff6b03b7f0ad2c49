#include "chainrule/data/images.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "files.hpp"
#include "support/catch.hpp"
#include "support/huge_pages.hpp"

namespace images_test {

using chainrule::index_t;
using chainrule::labelled_images;
using chainrule::shape_error;
using chainrule::value_error;
using data_test::contains;
using data_test::message_of;

namespace {

/// Images of 2x3 whose pixels tell which image they belong to.
labelled_images numbered(index_t count) {
  labelled_images images{"numbered", count, 2, 3, 10, {}, {}};
  for (index_t i = 0; i < count; ++i) {
    for (index_t k = 0; k < 6; ++k) images.pixels.push_back(static_cast<std::uint8_t>(i * 6 + k));
    images.labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  images.check();
  return images;
}

/// Which of the images `numbered` these are.
std::vector<int> numbers(const labelled_images& images) {
  images.check();
  std::vector<int> out;
  for (index_t i = 0; i < images.count; ++i) {
    const int number = images.view()(i, 0) / 6;
    CHECK(images.labels[static_cast<std::size_t>(i)] == number % 10);
    CHECK(images.view()(i, 5) == number * 6 + 5);
    out.push_back(number);
  }
  return out;
}

}  // namespace

TEST_CASE("images are seen as a matrix and one by one") {
  const labelled_images images = numbered(4);
  CHECK(images.features() == 6);
  CHECK(images.view().shape() == chainrule::matrix_shape{4, 6});
  CHECK(images.view()(3, 2) == 20);
  CHECK(images.image(2).shape() == chainrule::matrix_shape{2, 3});
  CHECK(images.image(2)(1, 0) == 15);
  CHECK_THROWS_AS(images.image(-1), value_error);
  CHECK(contains(message_of<value_error>([&] { (void)images.image(4); }),
                 "no image 4 in numbered, which has 4 images"));
}

TEST_CASE("images keep their channels") {
  // Two images of 1 x 2 pixels of three channels.
  const labelled_images images{"colour", 2, 1, 2, 4, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                               {3, 0},   3};
  images.check();
  CHECK(images.features() == 6);
  CHECK(images.sample_shape() == chainrule::shape{1, 2, 3});
  CHECK(images.view()(1, 5) == 12);
  CHECK(images.image(1).shape() == chainrule::matrix_shape{1, 6});
  CHECK(images.image(1)(0, 4) == 11);
  const std::vector<std::int32_t> second{1};
  const auto [rest, part] = images.split(0.5, 1);
  for (const labelled_images& some : {images.select(second), images.first(1), rest, part}) {
    some.check();
    CHECK(some.count == 1);
    CHECK(some.sample_shape() == images.sample_shape());
  }
  CHECK(images.select(second).pixels == std::vector<std::uint8_t>{7, 8, 9, 10, 11, 12});
  labelled_images wrong = images;
  wrong.channels = 2;
  CHECK(message_of<shape_error>([&] { wrong.check(); }) ==
        "colour: 2 images of 1x2x2 do not have 12 bytes");
  wrong.channels = -1;
  CHECK_THROWS_AS(wrong.check(), shape_error);
  CHECK(numbered(2).sample_shape() == chainrule::shape{2, 3, 1});
  CHECK(labelled_images{}.sample_shape() == chainrule::shape{});
}

TEST_CASE("check finds sizes that do not fit and labels that are no class") {
  labelled_images images = numbered(4);
  images.labels[2] = 10;
  CHECK(message_of<value_error>([&] { images.check(); }) ==
        "numbered: the label of image 2 is 10, expected 0 to 9");
  images.classes = 0;
  CHECK(message_of<value_error>([&] { images.check(); }) ==
        "numbered: 4 labelled images need at least 1 class, got 0");
  images = numbered(4);
  images.labels.pop_back();
  CHECK(contains(message_of<shape_error>([&] { images.check(); }), "4 images do not go with 3"));
  images = numbered(4);
  images.pixels.push_back(0);
  CHECK(contains(message_of<shape_error>([&] { images.check(); }), "do not have 25 bytes"));
  images = numbered(4);
  images.count = -4;
  CHECK_THROWS_AS(images.check(), shape_error);
  images = numbered(4);
  images.height = std::numeric_limits<index_t>::max();
  CHECK_THROWS_AS(images.check(), shape_error);
  images = numbered(4);
  images.height = 0;
  CHECK_THROWS_AS(images.check(), shape_error);
  numbered(0).check();
}

TEST_CASE("many images that are selected are in huge pages, where the system has them") {
  labelled_images one{"large", 1, 1 << 10, 1 << 10, 10, {}, {3}};
  one.pixels.assign(std::size_t{1} << 20U, 5);
  const labelled_images nine = one.select(std::vector<std::int32_t>(9, 0));
  CHECK(nine.pixels == std::vector<std::uint8_t>(std::size_t{9} << 20U, 5));
  if (const auto preferred = prefers_huge_pages(nine.pixels.data() + nine.pixels.size() / 2))
    CHECK(*preferred);
}

TEST_CASE("select takes the images in the order asked for") {
  const labelled_images images = numbered(20);
  const std::vector<std::int32_t> wanted{7, 0, 19, 7};
  CHECK(numbers(images.select(wanted)) == std::vector<int>{7, 0, 19, 7});
  CHECK(images.select({}).count == 0);
  const std::vector<std::int32_t> none{20};
  CHECK_THROWS_AS(images.select(none), value_error);
}

TEST_CASE("first takes the first") {
  const labelled_images images = numbered(20);
  CHECK(numbers(images.first(3)) == std::vector<int>{0, 1, 2});
  CHECK(images.first(0).count == 0);
  CHECK(images.first(20).pixels == images.pixels);
  CHECK(images.first(3).name == "numbered");
  CHECK_THROWS_AS(images.first(21), value_error);
  CHECK_THROWS_AS(images.first(-1), value_error);
}

TEST_CASE("split gives two parts that are disjoint, complete and of the documented size") {
  for (const index_t count : {0, 1, 2, 15, 40}) {
    const labelled_images images = numbered(count);
    for (const double fraction : {0.0, 0.1, 0.25, 0.5, 0.99, 1.0}) {
      CAPTURE(count, fraction);
      const auto [rest, part] = images.split(fraction, 3);
      CHECK(part.count == std::lround(fraction * static_cast<double>(count)));
      std::vector<int> all = numbers(rest);
      CHECK(std::is_sorted(all.begin(), all.end()));
      const std::vector<int> taken = numbers(part);
      CHECK(std::is_sorted(taken.begin(), taken.end()));
      all.insert(all.end(), taken.begin(), taken.end());
      std::sort(all.begin(), all.end());
      CHECK(all == numbers(images));
    }
  }
}

TEST_CASE("split draws at random, the same for the same seed") {
  const labelled_images images = numbered(40);
  const auto part = [&](std::uint64_t seed) { return numbers(images.split(0.25, seed).second); };
  CHECK(part(1) == part(1));
  CHECK(part(1) != part(2));
  // Every image is drawn about as often: binomial with p = 1/4, deviation 8.7; six of them.
  std::vector<int> times(40);
  for (std::uint64_t seed = 0; seed < 400; ++seed)
    for (const int number : part(seed)) ++times[static_cast<std::size_t>(number)];
  for (const int drawn : times) CHECK(std::abs(drawn - 100) < 52);
}

TEST_CASE("split refuses fractions that are none") {
  const labelled_images images = numbered(4);
  CHECK_THROWS_AS(images.split(-0.1, 0), value_error);
  CHECK_THROWS_AS(images.split(1.1, 0), value_error);
  CHECK_THROWS_AS(images.split(std::nan(""), 0), value_error);
}

}  // namespace images_test

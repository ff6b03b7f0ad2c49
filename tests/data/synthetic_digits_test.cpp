
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "../../examples/support/synthetic_digits.hpp"
#include "support/catch.hpp"

namespace synthetic_digits_test {

using chainrule::index_t;
using chainrule::labelled_images;

namespace {

/// FNV-1a. Source: G. Fowler, L. C. Noll, K.-P. Vo, 1991.
std::uint64_t checksum(const std::vector<std::uint8_t>& data) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::uint8_t byte : data) hash = (hash ^ byte) * 0x100000001b3U;
  return hash;
}

/// The share of `test` whose nearest class mean of `train` is its own.
double nearest_mean_accuracy(const labelled_images& train, const labelled_images& test) {
  std::vector<std::array<double, 784>> means(10);
  std::array<double, 10> counts{};
  for (index_t i = 0; i < train.count; ++i) {
    const std::size_t label = train.labels[static_cast<std::size_t>(i)];
    ++counts[label];
    for (std::size_t k = 0; k < 784; ++k)
      means[label][k] += train.view()(i, static_cast<index_t>(k));
  }
  for (std::size_t label = 0; label < 10; ++label)
    for (double& mean : means[label]) mean /= counts[label];
  int right = 0;
  for (index_t i = 0; i < test.count; ++i) {
    std::array<double, 10> distances{};
    for (std::size_t label = 0; label < 10; ++label)
      for (std::size_t k = 0; k < 784; ++k) {
        const double difference = test.view()(i, static_cast<index_t>(k)) - means[label][k];
        distances[label] += difference * difference;
      }
    const auto nearest = std::min_element(distances.begin(), distances.end()) - distances.begin();
    right += nearest == test.labels[static_cast<std::size_t>(i)] ? 1 : 0;
  }
  return right / static_cast<double>(test.count);
}

}  // namespace

TEST_CASE("synthetic digits are a sound data set") {
  const labelled_images images = synthetic_digits(1003, 5);
  images.check();
  CHECK(images.view().shape() == chainrule::matrix_shape{1003, 784});
  CHECK(images.height == 28);
  CHECK(images.classes == 10);
  std::array<int, 10> counts{};
  for (const std::uint8_t label : images.labels) ++counts[label];
  for (const int count : counts) CHECK((count == 100 || count == 101));
  CHECK(synthetic_digits(0, 5).count == 0);
  CHECK_THROWS_AS(synthetic_digits(-1, 5), chainrule::value_error);
  CHECK_THROWS_AS(synthetic_digits(index_t{1} << 31, 5), chainrule::value_error);
}

TEST_CASE("synthetic digits are the same bits everywhere") {
  const labelled_images images = synthetic_digits(50, 1);
  CHECK(checksum(images.pixels) == 0x23cb16c70caf96b1U);
  CHECK(checksum(images.labels) == 0xa4ac5680321fa09aU);
}

TEST_CASE("a synthetic digit depends on the seed and its number only") {
  const labelled_images many = synthetic_digits(60, 5);
  const labelled_images few = synthetic_digits(33, 5);
  CHECK(many.first(33).pixels == few.pixels);
  CHECK(many.first(33).labels == few.labels);
  const labelled_images other = synthetic_digits(60, 6);
  CHECK(many.pixels != other.pixels);
  CHECK(many.labels != other.labels);
}

TEST_CASE("the labels come in mixed order") {
  const labelled_images images = synthetic_digits(2000, 5);
  // How often a digit follows its predecessor: 1 in 10 by chance, deviation 13.4; six of them.
  int successors = 0;
  for (std::size_t i = 1; i < images.labels.size(); ++i)
    successors += images.labels[i] == (images.labels[i - 1] + 1) % 10 ? 1 : 0;
  CHECK(std::abs(successors - 200) < 80);
}

TEST_CASE("every digit has ink, and paper around it") {
  const labelled_images images = synthetic_digits(2000, 9);
  for (index_t i = 0; i < images.count; ++i) {
    const auto image = images.image(i);
    int inked = 0;
    for (index_t row = 0; row < 28; ++row)
      for (index_t column = 0; column < 28; ++column) inked += image(row, column) > 96 ? 1 : 0;
    CAPTURE(i, inked);
    CHECK(inked > 10);   // a thin, short 1
    CHECK(inked < 330);  // a wide, tall 8
  }
}

TEST_CASE("no two synthetic digits of a class are alike") {
  const labelled_images images = synthetic_digits(200, 9);
  for (index_t i = 0; i < images.count; ++i)
    for (index_t j = 0; j < i; ++j) {
      int differing = 0;
      for (index_t k = 0; k < 784; ++k)
        differing += std::abs(images.view()(i, k) - images.view()(j, k)) > 64 ? 1 : 0;
      CAPTURE(i, j, differing);
      CHECK(differing > 5);
    }
}

TEST_CASE("the classes of synthetic digits can be told apart, but not trivially") {
  const labelled_images train = synthetic_digits(2000, 1);
  const labelled_images test = synthetic_digits(1000, 2);
  const double accuracy = nearest_mean_accuracy(train, test);
  CAPTURE(accuracy);
  CHECK(accuracy > 0.6);
  CHECK(accuracy < 0.9);
}

}  // namespace synthetic_digits_test

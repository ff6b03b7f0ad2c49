#include "chainrule/data/sampler.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "files.hpp"
#include "support/catch.hpp"

namespace sampler_test {

using chainrule::batch;
using chainrule::batch_range;
using chainrule::index_t;
using chainrule::sampler;

namespace {

std::vector<std::int32_t> order_of(index_t count, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(count), -1);
  sampler{count, seed}.shuffle(epoch, order);
  return order;
}

}  // namespace

TEST_CASE("the order of an epoch has every sample exactly once") {
  for (const index_t count : {0, 1, 2, 3, 17, 1025, 60000}) {
    for (const std::uint64_t epoch : {0ULL, 1ULL, 12345678901ULL}) {
      std::vector<std::int32_t> order = order_of(count, 7, epoch);
      std::vector<std::int32_t> expected(order.size());
      std::iota(expected.begin(), expected.end(), 0);
      if (count > 16) CHECK(order != expected);
      std::sort(order.begin(), order.end());
      CHECK(order == expected);
    }
  }
}

TEST_CASE("the order depends on seed and epoch, and on nothing else") {
  CHECK(order_of(1000, 7, 3) == order_of(1000, 7, 3));
  CHECK(order_of(1000, 7, 3) != order_of(1000, 7, 4));
  CHECK(order_of(1000, 7, 3) != order_of(1000, 8, 3));

  // One sampler, epochs in any order, whatever stood in the memory before.
  const sampler s{1000, 7};
  std::vector<std::int32_t> order(1000, 5);
  s.shuffle(4, order);
  s.shuffle(3, order);
  CHECK(order == order_of(1000, 7, 3));
}

TEST_CASE("the order is the documented one") {
  // Fisher-Yates from the back over the stream, written again.
  chainrule::random_stream random{
      7, chainrule::detail::stream_of(chainrule::detail::data_stream::shuffle, 2)};
  std::vector<std::int32_t> expected{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  for (std::uint32_t i = 9; i >= 1; --i) std::swap(expected[i], expected[random.below(i + 1)]);
  CHECK(order_of(10, 7, 2) == expected);
}

TEST_CASE("every sample comes to every place equally often") {
  constexpr int count = 5;
  constexpr int epochs = 20000;
  std::array<std::array<int, count>, count> seen{};
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const auto order = order_of(count, 1, static_cast<std::uint64_t>(epoch));
    for (std::size_t place = 0; place < count; ++place)
      ++seen[place][static_cast<std::size_t>(order[place])];
  }
  // Binomial with p = 1/5: the standard deviation is 56.6; six of them.
  for (const auto& place : seen)
    for (const int times : place) CHECK(std::abs(times - epochs / count) < 340);
}

TEST_CASE("a sampler refuses what it cannot number") {
  CHECK_THROWS_AS(sampler(-1, 0), chainrule::value_error);
  CHECK(data_test::contains(data_test::message_of<chainrule::value_error>([] {
                              sampler{index_t{1} << 31, 0};
                            }),
                            "0 to 2147483647 samples, got 2147483648"));
  CHECK(sampler((index_t{1} << 31) - 1, 0).count() == 2147483647);
  std::vector<std::int32_t> order(9);
  CHECK_THROWS_AS(sampler(10, 0).shuffle(0, order), chainrule::shape_error);
}

TEST_CASE("batches cover every sample exactly once, the last one with what is left") {
  for (const index_t count : {0, 1, 7, 8, 9, 15, 16, 17, 1025}) {
    for (const index_t size : {1, 2, 8, 16, 2000}) {
      CAPTURE(count, size);
      const batch_range batches{count, size};
      index_t next = 0;
      index_t number = 0;
      for (const auto [first, length] : batches) {
        CHECK(first == next);
        CHECK(length == std::min(size, count - first));
        CHECK(length > 0);
        next = first + length;
        ++number;
      }
      CHECK(next == count);
      CHECK(number == batches.size());
    }
  }
  const batch_range batches{15, 8};
  const std::vector<batch> list(batches.begin(), batches.end());
  CHECK(list == std::vector<batch>{{0, 8}, {8, 7}});
  CHECK(batch_range(PTRDIFF_MAX, PTRDIFF_MAX).size() == 1);
}

TEST_CASE("batches need a positive size") {
  CHECK_THROWS_AS(batch_range(10, 0), chainrule::value_error);
  CHECK_THROWS_AS(batch_range(10, -1), chainrule::value_error);
  CHECK_THROWS_AS(batch_range(-1, 1), chainrule::value_error);
}

}  // namespace sampler_test

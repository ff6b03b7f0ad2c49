/// \file
/// The order of samples in an epoch, and its division into batches.
///
///     chainrule::sampler sampler{60000, /*seed*/ 7};
///     std::vector<std::int32_t> order(60000);
///     sampler.shuffle(epoch, order);  // another order each epoch, the same on every machine
///     for (auto [first, size] : chainrule::batch_range(60000, 128))
///       learn_from(std::span(order).subspan(first, size));
///
/// See also data/images.hpp (what the indices point at).
#ifndef CHAINRULE_DATA_SAMPLER_HPP
#define CHAINRULE_DATA_SAMPLER_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>

#include "chainrule/core/error.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// Sample numbers have 32 bits, like the indices of gather.
inline constexpr index_t largest_sample_count = std::numeric_limits<std::int32_t>::max();

namespace detail {

/// The random streams of the data headers: a name in the upper half and a running number in the
/// lower, so that no two streams of a seed are equal.
enum class data_stream : std::uint32_t {
  shuffle = 0x73687566,
  split = 0x73706c74,
  augment = 0x6175676d,
  balance = 0x62616c61,
  search = 0x73656172
};

[[nodiscard]] constexpr std::uint64_t stream_of(data_stream name, std::uint64_t number) {
  return (std::uint64_t{static_cast<std::uint32_t>(name)} << 32U) + number;
}

/// Assigns a random order of 0, ..., size - 1, all orders equally likely. Source: R. Durstenfeld,
/// "Algorithm 235: Random permutation", 1964. (std::shuffle differs between standard libraries.)
inline void random_order(random_stream random, std::span<std::int32_t> order) {
  std::int32_t number = 0;
  for (std::int32_t& sample : order) sample = number++;
  for (std::size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
}

}  // namespace detail

/// Draws the order of each epoch: a function of the seed and the epoch's number only.
class sampler {
 public:
  /// For `count` samples. Throws value_error unless 0 <= count <= 2^31 - 1.
  sampler(index_t count, std::uint64_t seed) : count_(count), seed_(seed) {
    if (count < 0 || count > largest_sample_count)
      detail::fail<value_error>("a sampler numbers 0 to 2147483647 samples, got ", count);
  }

  [[nodiscard]] index_t count() const { return count_; }
  [[nodiscard]] std::uint64_t seed() const { return seed_; }

  /// Assigns to `order` the order of epoch number `epoch`: each of 0, ..., count - 1 exactly once.
  /// Throws shape_error if `order` has not `count` elements.
  void shuffle(std::uint64_t epoch, std::span<std::int32_t> order) const {
    if (order.size() != static_cast<std::size_t>(count_))
      detail::fail<shape_error>("the order of ", count_, " samples needs as many elements, ",
                                "got ", order.size());
    detail::random_order(
        random_stream{seed_, detail::stream_of(detail::data_stream::shuffle, epoch)}, order);
  }

 private:
  index_t count_;
  std::uint64_t seed_;
};

/// A run of samples: [first, first + size).
struct batch {
  /// Place of its first sample in the order of the epoch.
  index_t first = 0;
  /// Number of samples.
  index_t size = 0;
  friend constexpr bool operator==(const batch&, const batch&) = default;
};

/// The batches of an epoch, for a range-based for: all have `batch_size` samples except the last,
/// which has the remaining ones; every sample is in exactly one.
class batch_range {
 public:
  class iterator {
   public:
    using value_type = batch;
    using difference_type = std::ptrdiff_t;

    constexpr iterator() = default;
    constexpr iterator(index_t first, index_t count, index_t batch_size)
        : first_(first), count_(count), batch_size_(batch_size) {}

    [[nodiscard]] constexpr batch operator*() const { return {first_, size()}; }
    constexpr iterator& operator++() {
      first_ += size();
      return *this;
    }
    constexpr iterator operator++(int) {
      iterator old = *this;
      ++*this;
      return old;
    }
    friend constexpr bool operator==(const iterator&, const iterator&) = default;

   private:
    [[nodiscard]] constexpr index_t size() const {
      const index_t left = count_ - first_;
      return left < batch_size_ ? left : batch_size_;
    }

    index_t first_ = 0;
    index_t count_ = 0;
    index_t batch_size_ = 1;
  };

  /// Throws value_error if `count` is negative or `batch_size` not positive.
  constexpr batch_range(index_t count, index_t batch_size)
      : count_(count), batch_size_(batch_size) {
    if (count < 0 || batch_size < 1)
      detail::fail<value_error>("batches need a count of at least 0 and a size of at least ",
                                "1, got ", count, " samples in batches of ", batch_size);
  }

  /// The first batch.
  [[nodiscard]] constexpr iterator begin() const { return {0, count_, batch_size_}; }
  /// The end of the epoch.
  [[nodiscard]] constexpr iterator end() const { return {count_, count_, batch_size_}; }

  /// The number of batches, the partial one included.
  [[nodiscard]] constexpr index_t size() const {
    return count_ / batch_size_ + (count_ % batch_size_ != 0 ? 1 : 0);
  }

 private:
  index_t count_;
  index_t batch_size_;
};

}  // namespace chainrule

#endif  // CHAINRULE_DATA_SAMPLER_HPP

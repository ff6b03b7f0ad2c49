/// \file
/// Philox 4x32-10: random bits as a function of a key and a counter.
///
/// There is no state: the n-th number of a stream costs the same as the first, any part of a
/// sequence can be drawn by any thread or device, and the bits are the same everywhere.
///
///     auto bits = chainrule::philox(/*seed*/ 7, /*stream*/ 0, /*counter*/ 42);  // four uint32
///     chainrule::random_stream random{7, 0};  // the same numbers, one after another
///     double u = random.uniform();            // in [0, 1)
///
/// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
/// SC 2011.
#ifndef CHAINRULE_CORE_PHILOX_HPP
#define CHAINRULE_CORE_PHILOX_HPP

#include <array>
#include <cmath>
#include <concepts>
#include <cstdint>

#include "chainrule/core/compiler.hpp"

namespace chainrule {

/// Four words of random bits for one (seed, stream, counter): the block cipher itself, with the
/// seed as key and (counter, stream) as plain text, low words first.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox(std::uint64_t seed,
                                                            std::uint64_t stream,
                                                            std::uint64_t counter) {
  auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x & 0xffffffffU); };
  auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32U); };
  std::array<std::uint32_t, 4> c{low(counter), high(counter), low(stream), high(stream)};
  std::uint32_t k0 = low(seed);
  std::uint32_t k1 = high(seed);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {high(p1) ^ c[1] ^ k0, low(p1), high(p0) ^ c[3] ^ k1, low(p0)};
    k0 += 0x9E3779B9U;  // the golden ratio
    k1 += 0xBB67AE85U;  // sqrt(3) - 1
  }
  return c;
}

/// The random bits as a number in [0, 1): all 24 bits that a float holds exactly.
[[nodiscard]] constexpr float to_unit_float(std::uint32_t bits) {
  return static_cast<float>(bits >> 8U) * 0x1p-24F;
}

/// The random bits as a number in [0, 1): all 53 bits that a double holds exactly.
[[nodiscard]] constexpr double to_unit_double(std::uint32_t first, std::uint32_t second) {
  return (static_cast<double>(first >> 5U) * 67108864.0 + static_cast<double>(second >> 6U)) *
         0x1p-53;
}

/// The numbers of one (seed, stream), one after another, on the host, from a counter on.
class random_stream {
 public:
  /// The numbers of (seed, stream) from `counter` on, four 32-bit numbers per step of the counter.
  explicit random_stream(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t counter = 0)
      : seed_(seed), stream_(stream), counter_(counter) {}

  /// 32 random bits.
  std::uint32_t bits() {
    if (used_ == 4) draw();
    return block_[used_++];
  }

  /// Uniform in [0, 1), 53 bits.
  [[gnu::noinline]] double uniform() {
    const std::uint32_t first = bits();
    const std::uint32_t second = bits();
    return to_unit_double(first, second);
  }

  /// Uniform in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Normal with mean 0 and variance 1. Source: G. Box and M. Muller, "A note on the generation of
  /// random normal deviates", 1958.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log1p(-uniform()));  // 1 - u is never 0
    const double angle = 6.283185307179586476925 * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

  /// Uniform in {0, ..., bound - 1}, without bias (rejection); bound > 0.
  std::uint32_t below(std::uint32_t bound) {
    // Rejects draws from the last, incomplete run of `bound` values, which would bias the result.
    const std::uint32_t limit = (0U - bound) % bound;
    std::uint32_t draw = bits();
    while (draw < limit) draw = bits();
    return draw % bound;
  }

 private:
  // Not inlined: numbers are drawn at many places.
  [[gnu::noinline]] void draw() {
    block_ = philox(seed_, stream_, counter_++);
    used_ = 0;
  }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace chainrule

#endif  // CHAINRULE_CORE_PHILOX_HPP

/// \file
/// `numpy::random_state`: the random numbers of NumPy's RandomState, to the last bit but for the
/// rounding of log and sqrt.
///
///     numpy::random_state random(0);  // np.random.seed(0)
///     random.randn();                 // 1.764052345967664
///
/// The library draws from Philox, which is the same on every device. This one is for programs that
/// repeat what somebody did in NumPy; see also train/trainer.hpp (`epoch_order`).
#ifndef CHAINRULE_EXAMPLES_PARITY_NUMPY_RANDOM_HPP
#define CHAINRULE_EXAMPLES_PARITY_NUMPY_RANDOM_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace numpy {

class random_state {
 public:
  /// np.random.seed(seed): NumPy seeds its Mersenne twister as the C++ standard does.
  explicit random_state(std::uint32_t seed) : bits_(seed) {}

  /// Uniform in [0, 1): 53 bits out of two numbers of 32.
  double random_sample() {
    const auto high = static_cast<double>(next() >> 5U);  // 27 bits
    const auto low = static_cast<double>(next() >> 6U);   // 26 bits
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

  /// From the normal distribution with mean 0 and deviation 1. Source: G. Marsaglia, T. Bray, "A
  /// convenient method for generating normal variables", 1964 (the polar method).
  double randn() {
    if (has_kept_) {
      has_kept_ = false;
      return kept_;
    }
    double x1 = 0;
    double x2 = 0;
    double r2 = 0;
    do {
      x1 = 2 * random_sample() - 1;
      x2 = 2 * random_sample() - 1;
      r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1 || r2 == 0);
    // The method gives two numbers: NumPy returns the second first and keeps the other, even
    // from one array to the next.
    const double f = std::sqrt(-2 * std::log(r2) / r2);
    kept_ = f * x1;
    has_kept_ = true;
    return f * x2;
  }

  /// np.random.shuffle: all orders equally likely.
  void shuffle(std::span<std::int32_t> values) {
    for (std::size_t i = values.size(); i-- > 1;)
      std::swap(values[i], values[up_to(static_cast<std::uint32_t>(i))]);
  }

  /// np.random.permutation: assigns 0, ..., size - 1 in a random order.
  void permutation(std::span<std::int32_t> order) {
    std::int32_t number = 0;
    for (std::int32_t& place : order) place = number++;
    shuffle(order);
  }

 private:
  std::uint32_t next() { return static_cast<std::uint32_t>(bits_()); }

  /// Uniform in [0, limit]: as many bits as the limit has, drawn anew until they do not pass it.
  std::uint32_t up_to(std::uint32_t limit) {
    std::uint32_t mask = limit;
    for (unsigned shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    std::uint32_t number = next() & mask;
    while (number > limit) number = next() & mask;
    return number;
  }

  std::mt19937 bits_;
  double kept_ = 0;
  bool has_kept_ = false;
};

}  // namespace numpy

#endif  // CHAINRULE_EXAMPLES_PARITY_NUMPY_RANDOM_HPP

/// \file
/// Tashfeen's experiment ("Neural Networks: The Backward Pass") without the training: its numbers,
/// its first weights, the order of its samples and how it measures the error.
#ifndef CHAINRULE_EXAMPLES_PARITY_EXPERIMENT_HPP
#define CHAINRULE_EXAMPLES_PARITY_EXPERIMENT_HPP

#include <chainrule/chainrule.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "numpy_random.hpp"

namespace parity {

inline constexpr chainrule::index_t bit_count = 10;

/// Numbers as bits, the most significant first, and whether they are even.
struct numbers {
  std::vector<std::uint8_t> bits;  // count × 10
  std::vector<int> even;           // 1 or 0: class 1 is "even"

  /// first, ..., last - 1
  numbers(int first, int last) {
    for (int number = first; number < last; ++number) {
      for (int bit = bit_count - 1; bit >= 0; --bit)
        bits.push_back(static_cast<std::uint8_t>(number >> bit & 1));
      even.push_back(number % 2 == 0 ? 1 : 0);
    }
  }

  [[nodiscard]] chainrule::matrix_view<const std::uint8_t> view() const {
    return {bits.data(), static_cast<chainrule::index_t>(even.size()), bit_count};
  }
};

/// Gives every parameter a value from N(0, 1), layer by layer, W before b. His W is outputs ×
/// inputs and drawn row by row; ours is inputs × outputs.
void draw_weights(auto& net, numpy::random_state& random) {
  for (chainrule::index_t layer = 0; layer < net.depth(); ++layer) {
    const auto w = net.values(std::to_string(layer) + ".weight");
    const auto b = net.values(std::to_string(layer) + ".bias");
    for (chainrule::index_t out = 0; out < w.cols(); ++out)
      for (chainrule::index_t in = 0; in < w.rows(); ++in) w(in, out) = random.randn();
    for (chainrule::index_t out = 0; out < b.cols(); ++out) b(0, out) = random.randn();
  }
}

/// Orders the samples of each epoch by NumPy's permutation.
class numpy_order final : public chainrule::epoch_order {
 public:
  explicit numpy_order(numpy::random_state& random) : random_(random) {}
  void draw(std::span<std::int32_t> order) override { random_.permutation(order); }

 private:
  numpy::random_state& random_;
};

/// His error of an epoch: each batch's squared errors over the divisor of its gradient, and of
/// that the mean over the batches. (The library's own figure is the mean over the samples.)
class batch_errors final : public chainrule::callback {
 public:
  std::vector<double> per_epoch;

  /// `divisor`: what every batch is divided by; 0: its own size.
  explicit batch_errors(chainrule::index_t divisor) : divisor_(divisor) {}

  void on_batch_end(const chainrule::batch_record& report) override {
    const double sum = report.so_far().loss * static_cast<double>(report.samples_done);
    const auto size = divisor_ > 0 ? divisor_ : report.samples_done - samples_;
    errors_ += (sum - sum_) / static_cast<double>(size);
    sum_ = sum;
    samples_ = report.samples_done;
    ++batches_;
  }
  void on_epoch_end(const chainrule::epoch_record&) override {
    per_epoch.push_back(errors_ / batches_);
    errors_ = sum_ = 0;
    samples_ = batches_ = 0;
  }

 private:
  chainrule::index_t divisor_;
  double errors_ = 0;  // of the batches so far
  double sum_ = 0;     // of the squared errors so far
  chainrule::index_t samples_ = 0;
  int batches_ = 0;
};

}  // namespace parity

#endif  // CHAINRULE_EXAMPLES_PARITY_EXPERIMENT_HPP

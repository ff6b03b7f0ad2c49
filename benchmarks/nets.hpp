/// \file
/// The networks that are measured, and what they learn from.
///
///     A  784-32-10       sigmoid, squared error, batches of 256
///     B  784-128-10      relu, softmax cross-entropy, batches of 64
///     C  784-512-512-10  relu, softmax cross-entropy, batches of 128
///     D  784-2048-2048-10  relu, softmax cross-entropy, batches of 512
///     T  10-3-2          sigmoid, squared error, batches of 8: the parity of ten bits
#ifndef CHAINRULE_BENCHMARKS_NETS_HPP
#define CHAINRULE_BENCHMARKS_NETS_HPP

#include <cstdlib>
#include <vector>

#include "chainrule/chainrule.hpp"
#include "plain_eigen.hpp"

/// The numbers of one network of the list.
struct net_shape {
  const char* name;
  std::vector<int> extents;
  nonlinearity hidden;
  cost loss;
  int batch;
  float rate;
};

inline const net_shape net_a{"A", {784, 32, 10}, nonlinearity::sigmoid, cost::quadratic, 256, 2.0F};
inline const net_shape net_b{
    "B", {784, 128, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 64, 0.1F};
inline const net_shape net_c{
    "C", {784, 512, 512, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 128, 0.1F};
inline const net_shape net_d{
    "D", {784, 2048, 2048, 10}, nonlinearity::relu, cost::softmax_cross_entropy, 512, 0.1F};
inline const net_shape net_t{"T", {10, 3, 2}, nonlinearity::sigmoid, cost::quadratic, 8, 2.0F};

/// Calls use(network, loss) with the shape's network on a backend.
template <class B, class Use>
void with_network(const net_shape& s, const B& be, Use&& use) {
  using namespace chainrule;
  const auto width = [&](std::size_t i) { return static_cast<index_t>(s.extents[i]); };
  if (s.hidden == nonlinearity::sigmoid)
    use(network{be, dense{width(0), width(1), sigmoid{}}, dense{width(1), width(2), sigmoid{}}},
        quadratic_cost{});
  else if (s.extents.size() == 3)
    use(network{be, dense{width(0), width(1), relu{}}, dense{width(1), width(2)}},
        softmax_cross_entropy{});
  else
    use(network{be, dense{width(0), width(1), relu{}}, dense{width(1), width(2), relu{}},
                dense{width(2), width(3)}},
        softmax_cross_entropy{});
}

/// 60,000 images to learn: those in the folder that CHAINRULE_MNIST names, else synthetic ones.
[[nodiscard]] inline chainrule::labelled_images training_images() {
  const char* folder = std::getenv("CHAINRULE_MNIST");
  if (folder == nullptr || *folder == '\0') return chainrule::synthetic_digits(60000, 1);
  return chainrule::load_mnist(folder, folder).train;
}

/// All numbers of ten bits, as bytes 0 and 1, with their parity.
[[nodiscard]] inline chainrule::labelled_images parity_samples() {
  chainrule::labelled_images s{"parity", 1024, 1, 10, 2, {}, {}};
  for (unsigned number = 0; number < 1024; ++number) {
    unsigned parity = 0;
    for (unsigned bit = 0; bit < 10; ++bit) {
      const unsigned value = number >> bit & 1U;
      parity ^= value;
      s.pixels.push_back(static_cast<std::uint8_t>(value * 255));
    }
    s.labels.push_back(static_cast<std::uint8_t>(parity));
  }
  return s;
}

#endif  // CHAINRULE_BENCHMARKS_NETS_HPP

/// \file
/// The networks of shapes.hpp in chainrule, and what they learn from.
#ifndef CHAINRULE_BENCHMARKS_NETS_HPP
#define CHAINRULE_BENCHMARKS_NETS_HPP

#include <cstdlib>
#include <vector>

#include "../examples/support/synthetic_digits.hpp"
#include "chainrule/chainrule.hpp"
#include "shapes.hpp"

/// The seed of the order of samples.
inline constexpr std::uint64_t order_seed = 7;

/// Calls use(network, loss) with the shape's network on a backend.
template <class B, class Use>
void with_network(const net_shape& s, const B& be, Use&& use) {
  using namespace chainrule;
  const auto width = [&](std::size_t i) { return static_cast<index_t>(s.extents[i]); };
  if (s.hidden == nonlinearity::sigmoid)
    use(network{be, dense{width(0), width(1), fn::sigmoid{}},
                dense{width(1), width(2), fn::sigmoid{}}},
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
  if (folder == nullptr || *folder == '\0') return synthetic_digits(60000, 1);
  return chainrule::load_mnist(folder, folder).train;
}

/// All numbers of ten bits, as bytes 0 and 255, labelled 1 where the number is even.
[[nodiscard]] inline chainrule::labelled_images parity_samples() {
  chainrule::labelled_images s{"parity", 1024, 1, 10, 2, {}, {}};
  for (unsigned number = 0; number < 1024; ++number) {
    for (unsigned bit = 0; bit < 10; ++bit)
      s.pixels.push_back(static_cast<std::uint8_t>((number >> bit & 1U) * 255));
    s.labels.push_back(static_cast<std::uint8_t>(1 - (number & 1U)));
  }
  return s;
}

#endif  // CHAINRULE_BENCHMARKS_NETS_HPP

/// \file
/// A digit and the network's opinion of it, drawn with characters.
#ifndef CHAINRULE_EXAMPLES_MNIST_DRAW_HPP
#define CHAINRULE_EXAMPLES_MNIST_DRAW_HPP

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>

#include "chainrule/core/view.hpp"

/// Two pixels of a column become one character, so that the picture keeps its proportions.
inline void draw_image(chainrule::matrix_view<const std::uint8_t> image) {
  constexpr const char* shades = " .:-=+*#%@";
  for (chainrule::index_t i = 0; i + 1 < image.rows(); i += 2) {
    std::string line = "  ";
    for (chainrule::index_t j = 0; j < image.cols(); ++j)
      line += shades[(image(i, j) + image(i + 1, j)) * 9 / 510];
    std::printf("%s\n", line.c_str());
  }
}

/// A bar per class, up to 40 characters long.
inline void draw_probabilities(std::span<const float> probabilities) {
  for (std::size_t c = 0; c < probabilities.size(); ++c) {
    const float p = probabilities[c];
    const auto length = p >= 0 && p <= 1 ? static_cast<std::size_t>(p * 40 + 0.5F) : 0;
    std::printf("  %zu %6.2f %% %s\n", c, static_cast<double>(p) * 100,
                std::string(length, '#').c_str());
  }
}

#endif  // CHAINRULE_EXAMPLES_MNIST_DRAW_HPP

/// \file
/// A digit and the network's opinion of it, drawn with characters.
#ifndef CHAINRULE_EXAMPLES_MNIST_DRAW_HPP
#define CHAINRULE_EXAMPLES_MNIST_DRAW_HPP

#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include "chainrule/core/view.hpp"
#include "chainrule/data/images.hpp"
#include "chainrule/ops/softmax.hpp"
#include "class_names.hpp"
#include "model.hpp"

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
inline void draw_probabilities(std::span<const float> probabilities, const std::string& data_set) {
  for (std::size_t c = 0; c < probabilities.size(); ++c) {
    const float p = probabilities[c];
    const auto length = p >= 0 && p <= 1 ? static_cast<std::size_t>(p * 40 + 0.5F) : 0;
    const std::string name = class_name(data_set, static_cast<int>(c));
    std::printf("  %-11s %6.2f %% %s\n", name.c_str(), static_cast<double>(p) * 100,
                std::string(length, '#').c_str());
  }
}

/// Test image number i, and how sure the network is of each class.
inline void draw_prediction(const classifier& net, const chainrule::labelled_images& images,
                            int i) {
  using namespace chainrule;
  const backend_in_use& be = net.backend();
  const auto image = images.view().middle_rows(i, 1);
  std::vector<float> scaled(image.data(), image.data() + image.cols());
  for (float& pixel : scaled) pixel /= 255;
  const auto pixels = from_host(be, matrix_view<const float>(scaled.data(), 1, image.cols()));
  tensor<backend_in_use> y = net.predict(pixels.view()), max(be, 1, 1), sum(be, 1, 1);
  ops::softmax(be, const_matrix<backend_in_use>(y.view()), max.view(), sum.view(), y.view());
  const int label = images.labels[static_cast<std::size_t>(i)];
  std::printf("test image %d, label %s:\n", i, class_name(images.name, label).c_str());
  draw_image(images.image(i));
  draw_probabilities(to_host(be, const_matrix<backend_in_use>(y.view())), images.name);
}

#endif  // CHAINRULE_EXAMPLES_MNIST_DRAW_HPP

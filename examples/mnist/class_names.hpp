/// \file
/// What the classes of a data set are called.
#ifndef CHAINRULE_EXAMPLES_MNIST_CLASS_NAMES_HPP
#define CHAINRULE_EXAMPLES_MNIST_CLASS_NAMES_HPP

#include <array>
#include <cstddef>
#include <cstdio>
#include <string>

inline constexpr const char* fashion_mnist = "Fashion-MNIST";

/// The name of class c: a garment of Fashion-MNIST, else the number.
inline std::string class_name(const std::string& data_set, int c) {
  // Source: https://github.com/zalandoresearch/fashion-mnist, "Labels".
  constexpr std::array<const char*, 10> garments{"T-shirt", "trouser", "pullover", "dress", "coat",
                                                 "sandal",  "shirt",   "sneaker",  "bag",   "boot"};
  if (data_set == fashion_mnist && c >= 0 && c < 10) return garments[static_cast<std::size_t>(c)];
  return std::to_string(c);
}

/// Prints which class each number stands for, unless the classes are the digits.
inline void print_class_names(const std::string& data_set, int classes) {
  if (data_set != fashion_mnist) return;
  for (int c = 0; c < classes; ++c)
    std::printf("%s%d %s", c == 0 ? "" : ", ", c, class_name(data_set, c).c_str());
  std::printf("\n\n");
}

#endif  // CHAINRULE_EXAMPLES_MNIST_CLASS_NAMES_HPP

/// \file
/// Samples of 4 features in three classes, for tests of callbacks.
#ifndef CHAINRULE_TESTS_TRAIN_THREE_CLASSES_HPP
#define CHAINRULE_TESTS_TRAIN_THREE_CLASSES_HPP

#include <vector>

#include "chainrule/train/dataset.hpp"

namespace support {

/// A data set of its own memory.
template <chainrule::backend B>
[[nodiscard]] chainrule::dataset<B> three_classes(const B& be, int count) {
  chainrule::host_matrix x(count, 4);
  std::vector<int> labels;
  for (int i = 0; i < count; ++i) {
    labels.push_back(i % 3);
    for (int j = 0; j < 4; ++j) x(i, j) = (i * 7 + j * 5) % 11 / 8.0;
  }
  return {be, x, labels, 3};
}

}  // namespace support

#endif  // CHAINRULE_TESTS_TRAIN_THREE_CLASSES_HPP

/// \file
/// Says what a run is made of.
#ifndef CHAINRULE_EXAMPLES_MNIST_SETTING_HPP
#define CHAINRULE_EXAMPLES_MNIST_SETTING_HPP

#include <cstdio>
#include <string>

#include "chainrule/data/images.hpp"
#include "chainrule/version.hpp"
#include "options.hpp"

inline void print_setting(const options& o, const std::string& backend,
                          const std::string& instructions, int threads,
                          const chainrule::labelled_images& train,
                          const chainrule::labelled_images& test) {
  std::printf("chainrule %s\n", CHAINRULE_VERSION);
  std::printf("backend    %s (%s), %d thread%s\n", backend.c_str(), instructions.c_str(), threads,
              threads == 1 ? "" : "s");
  std::printf("data       %s%s: %td training and %td test images of %td x %td\n",
              o.data.empty() ? "synthetic digits" : "", o.data.c_str(), train.count, test.count,
              train.height, train.width);
  std::printf("training   %s, %s, %d epochs, batches of %d, seed %llu\n", o.loss.c_str(),
              o.optimizer.c_str(), o.epochs, o.batch, static_cast<unsigned long long>(o.seed));
}

#endif  // CHAINRULE_EXAMPLES_MNIST_SETTING_HPP

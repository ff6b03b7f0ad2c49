/// \file
/// Says what a run is made of.
#ifndef CHAINRULE_EXAMPLES_MNIST_SETTING_HPP
#define CHAINRULE_EXAMPLES_MNIST_SETTING_HPP

#include <cstdio>
#include <string>

#include "chainrule/data/images.hpp"
#include "chainrule/version.hpp"
#include "options.hpp"

/// What the backend runs on: "cpu (SSE, SSE2), 2 threads", "opencl (name of the device)".
template <class B>
[[nodiscard]] std::string backend_in_words(const B& be) {
  using chainrule::detail::concat;
  if constexpr (requires { be.threads(); })
    return concat(be.name(), " (", be.instruction_set(), "), ", be.threads(),
                  be.threads() == 1 ? " thread" : " threads");
  else
    return concat(be.name(), " (", be.device_name(), ")");
}

template <class B>
void print_setting(const options& o, const B& be, const chainrule::labelled_images& train,
                   const chainrule::labelled_images& test) {
  std::printf("chainrule %s\n", CHAINRULE_VERSION);
  std::printf("backend    %s\n", backend_in_words(be).c_str());
  std::printf("data       %s%s: %td training and %td test images of %td x %td\n",
              o.data.empty() ? "synthetic digits" : "", o.data.c_str(), train.count, test.count,
              train.height, train.width);
  std::printf("training   %s, %s, %d epochs, batches of %d, seed %llu\n", o.loss.c_str(),
              o.optimizer.c_str(), o.epochs, o.batch, static_cast<unsigned long long>(o.seed));
}

#endif  // CHAINRULE_EXAMPLES_MNIST_SETTING_HPP

/// \file
/// Steps of training of networks for images, as a contender of run.py.
///
///     chainrule --net L32 --threads 1
///
/// It prints a line "ready VERSION", then reads lines "steps N", takes N steps and prints the
/// milliseconds of one, or "infer N", N forward passes of one image, and prints the microseconds of
/// one; at the end of its input it prints "memory MEGABYTES", the most that it used.

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/chainrule.hpp"

using namespace chainrule;

namespace {

using layers = std::vector<any_layer<cpu>>;

struct image_net {
  layers list;
  index_t batch;
  bool by_adam = false;
};

/// Names and definitions: docs/performance.md.
image_net make_net(const std::string& name) {
  if (name == "L6" || name == "L32") {
    const bool narrow = name == "L6";
    return {{input{28, 28, 1}, conv2d{narrow ? 6 : 32, 5, relu{}}, max_pool{2},
             conv2d{narrow ? 16 : 64, 5, relu{}}, max_pool{2}, flatten{}, dense{120, relu{}},
             dense{84, relu{}}, dense{10}},
            64};
  }
  if (name == "DD" || name == "DD0") {
    layers list{input{28, 28, 1}, conv2d{32, 3, relu{}}, conv2d{64, 3, relu{}}, max_pool{2}};
    if (name == "DD") list.push_back(dropout{0.25});
    list.push_back(flatten{});
    list.push_back(dense{128, relu{}});
    if (name == "DD") list.push_back(dropout{0.5});
    list.push_back(dense{10});
    return {list, 128, true};
  }
  if (name == "V") {
    layers list{input{32, 32, 3}};
    for (const index_t channels : {32, 64, 128}) {
      list.push_back(conv2d{channels, 3, {.pad = 1, .bias = false}});
      list.push_back(batch_norm{relu{}});
      list.push_back(max_pool{2});
    }
    list.push_back(flatten{});
    list.push_back(dense{10});
    return {list, 64};
  }
  if (name == "R20") {
    layers list{input{32, 32, 3}, conv2d{16, 3, {.pad = 1, .bias = false}}, batch_norm{relu{}}};
    for (const index_t channels : {16, 32, 64})
      for (int i = 0; i < 3; ++i) {
        const index_t stride = channels > 16 && i == 0 ? 2 : 1;
        const residual f{conv2d{channels, 3, {.stride = stride, .pad = 1, .bias = false}},
                         batch_norm{relu{}}, conv2d{channels, 3, {.pad = 1, .bias = false}},
                         batch_norm{}};
        if (stride == 1)
          list.push_back(f);
        else
          list.push_back(f.projection(shortcut{stride, channels}));
        list.push_back(activation{relu{}});
      }
    list.push_back(global_average_pool{});
    list.push_back(dense{10});
    return {list, 64};
  }
  throw value_error("there is no net '" + name + "'; choose L6, L32, DD, DD0, V or R20");
}

/// Random pixels and classes, for as many steps as are taken at a time.
labelled_images random_images(index_t count, const shape& s) {
  labelled_images images;
  images.name = "random pixels";
  images.count = count;
  images.height = s[0];
  images.width = s[1];
  images.channels = s[2];
  images.classes = 10;
  random_stream random(1, 1);
  for (index_t i = 0; i < count * s.size(); ++i)
    images.pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (index_t i = 0; i < count; ++i)
    images.labels.push_back(static_cast<std::uint8_t>(random.below(10)));
  return images;
}

int run(const std::string& name, int threads) {
  const image_net made = make_net(name);
  const cpu be{threads};
  network<cpu> net{be, made.list};
  constexpr index_t most_steps = 16;
  const labelled_images images = random_images(most_steps * made.batch, net.input_shape());
  const dataset<cpu> data(be, images);
  std::unique_ptr<trainer<cpu>> t;
  if (made.by_adam)
    t = std::make_unique<trainer<cpu>>(net, softmax_cross_entropy{}, adam{0.001});
  else
    t = std::make_unique<trainer<cpu>>(net, softmax_cross_entropy{}, momentum{0.01, 0.9});
  t->fit(data, {.epochs = 1, .batch = made.batch});
  std::cout << "ready chainrule " << CHAINRULE_VERSION << ", " << be.instruction_set() << std::endl;
  std::string word;
  int steps = 0;
  tensor<cpu> image(be, 1, net.inputs());
  be.map(fn::fill{0.5}, image.view());
  pass<cpu> one = net.make_pass(1);
  while (std::cin >> word >> steps) {
    if (word == "infer") {
      const auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < steps; ++i) net.forward(image.view(), one);
      const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      std::cout << 1e6 * taken.count() / steps << std::endl;
      continue;
    }
    const int epochs = (steps + static_cast<int>(most_steps) - 1) / static_cast<int>(most_steps);
    const auto start = std::chrono::steady_clock::now();
    t->fit(data, {.epochs = epochs, .batch = made.batch});
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    std::cout << 1000 * taken.count() / (epochs * static_cast<double>(most_steps)) << std::endl;
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  std::cout << "memory " << static_cast<double>(used.ru_maxrss) / 1000 << std::endl;
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string net = "L32";
  int threads = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string(argv[i]) == "--net") net = argv[i + 1];
    if (std::string(argv[i]) == "--threads") threads = std::atoi(argv[i + 1]);
  }
  return run(net, threads);
} catch (const std::exception& e) {
  std::cerr << "chainrule: " << e.what() << '\n';
  return 1;
}

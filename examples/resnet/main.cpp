// resnet: a residual network of 20 layers learns to tell clothes apart, from images that are
// mirrored and shifted anew in each epoch.
//
//     resnet --data /usr/share/datasets/fashion-mnist     # Debian: dataset-fashion-mnist
//     resnet --quick [--backend opencl]                   # a small one on synthetic digits
//
// Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR
// 2016, section 4.2, with shortcuts of option A.

#include <CLI/CLI.hpp>
#include <chainrule/chainrule.hpp>
#include <chainrule/network/summary.hpp>
#include <chainrule/train/progress.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#if defined(RESNET_WITH_OPENCL)
#include <chainrule/backend/opencl.hpp>
#endif

#include "../support/command_line.hpp"
#include "../support/synthetic_digits.hpp"

using namespace chainrule;

namespace {

struct options {
  std::string data, backend = "cpu";
  int epochs = 15, batch = 128, blocks = 3;
  std::uint64_t seed = 1;
  bool quick = false;
};

/// y = relu(x + f(x)) for two convolutions f with batch normalization. With a stride of 2 the
/// images are halved.
template <backend B>
any_layer<B> block(index_t channels, index_t stride) {
  const auto conv = [&](index_t s) {
    return conv2d{channels, 3, {.stride = s, .pad = 1, .bias = false}};
  };
  const residual f{conv(stride), batch_norm{relu{}}, conv(1), batch_norm{}};
  if (stride == 1) return sequence{f, activation{relu{}}};
  return sequence{f.projection(shortcut{stride, channels}), activation{relu{}}};
}

template <backend B>
network<B> resnet(const B& be, const labelled_images& images, int blocks) {
  std::vector<any_layer<B>> layers{input{images.height, images.width, 1},
                                   conv2d{16, 3, {.pad = 1, .bias = false}}, batch_norm{relu{}}};
  for (const index_t channels : {16, 32, 64})
    for (int i = 0; i < blocks; ++i)
      layers.push_back(block<B>(channels, channels > 16 && i == 0 ? 2 : 1));
  layers.push_back(global_average_pool{});
  layers.push_back(dense{images.classes});
  return {be, layers};
}

template <backend B>
bool train(const B& be, const options& o, const mnist_data& images) {
  network<B> net = resnet(be, images.train, o.blocks);
  net.initialize(o.seed);
  std::printf("%s\n", summary(net).c_str());
  const dataset<B> seen(be, images.train, 1.0 / 255, {.inputs = residence::streamed});
  const dataset<B> unseen(be, images.test);
  const auto steps = o.epochs * batch_range(seen.count(), o.batch).size();
  trainer t(net, softmax_cross_entropy{},
            chain(weight_decay{5e-4}, momentum{cosine(0.1, steps), 0.9}));
  progress line;
  t.fit(seen, {.epochs = o.epochs,
               .batch = o.batch,
               .seed = o.seed,
               .validation = &unseen,
               .callbacks = {&line},
               .augment = {.flip = !o.data.empty(), .shift = 2}});
  const metrics m = t.evaluate(unseen);
  std::printf("final: test_loss=%.4f test_accuracy=%.4f\n", m.loss, m.accuracy);
  return m.accuracy > 0.7;
}

bool run(const options& o) {
  const mnist_data images = o.data.empty()
                                ? mnist_data{synthetic_digits(1500, 1), synthetic_digits(300, 2)}
                                : load_mnist(o.data, "Fashion-MNIST");
#if defined(RESNET_WITH_OPENCL)
  if (o.backend == "opencl") return train(opencl{}, o, images);
#endif
  if (o.backend == "cpu") return train(cpu{}, o, images);
  throw value_error("there is no backend '" + o.backend + "' in this program");
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app{"Trains a residual network on images of Fashion-MNIST's format."};
  app.add_option("--data", o.data, "folder with the four IDX files; else synthetic digits");
  app.add_option("--backend", o.backend, "cpu or opencl")
      ->check(CLI::IsMember({"cpu", "opencl"}))
      ->capture_default_str();
  app.add_option("--epochs", o.epochs)->capture_default_str();
  app.add_option("--batch", o.batch, "samples per step")->capture_default_str();
  app.add_option("--blocks", o.blocks, "per size of the images: 3 are 20 layers")
      ->capture_default_str();
  app.add_option("--seed", o.seed)->check(whole_number())->capture_default_str();
  app.add_flag("--quick", o.quick, "8 layers, few epochs");
  parse_or_exit(app, argc, argv);
  if (o.quick) o.blocks = 1, o.epochs = 3, o.batch = 64;
  return run(o) ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "resnet: %s\n", e.what());
  return 1;
}

/// \file
/// FANN as a contender (contender.hpp): it learns from one sample at a time and knows no relu, so
/// all its nets have sigmoids and a squared error.

#include <floatfann.h>

#include <memory>

#include "contender.hpp"

namespace {

int run(const setting& s) {
  const samples images = read_samples(s.data, "train");
  const samples unseen = read_samples(s.data, "t10k");
  std::vector<unsigned> extents(s.net.extents.begin(), s.net.extents.end());
  const std::unique_ptr<fann, decltype(&fann_destroy)> net(
      fann_create_standard_array(static_cast<unsigned>(extents.size()), extents.data()),
      &fann_destroy);
  if (!net) throw std::runtime_error("FANN made no net");
  fann_set_training_algorithm(net.get(), FANN_TRAIN_INCREMENTAL);
  fann_set_activation_function_hidden(net.get(), FANN_SIGMOID);
  fann_set_activation_function_output(net.get(), FANN_SIGMOID);
  fann_set_learning_rate(net.get(), 0.1F);
  fann_randomize_weights(net.get(), -0.05F, 0.05F);

  // As FANN wants them, once.
  const auto features = static_cast<std::size_t>(images.features);
  std::vector<float> pixels(static_cast<std::size_t>(images.count) * features);
  for (int i = 0; i < images.count; ++i)
    images.convert(i, pixels.data() + static_cast<std::size_t>(i) * features);
  const auto classes = static_cast<std::size_t>(s.net.extents.back());
  std::vector<float> targets(classes * classes, 0.0F);
  for (std::size_t i = 0; i < classes; ++i) targets[i * classes + i] = 1;
  epoch_orders orders(images.count);

  return serve(
      "2.2",
      [&](int epochs) {
        for (int e = 0; e < epochs; ++e) {
          fann_reset_MSE(net.get());
          for (const std::int32_t sample : orders.next()) {
            const auto i = static_cast<std::size_t>(sample);
            fann_train(net.get(), pixels.data() + i * features,
                       targets.data() + images.labels[i] * classes);
          }
        }
        return static_cast<double>(fann_get_MSE(net.get()));
      },
      "accuracy",
      [&] {
        std::vector<float> x(features);
        int right = 0;
        for (int i = 0; i < unseen.count; ++i) {
          unseen.convert(i, x.data());
          const float* y = fann_run(net.get(), x.data());
          std::size_t winner = 0;
          for (std::size_t j = 1; j < classes; ++j)
            if (y[j] > y[winner]) winner = j;
          right += winner == unseen.labels[static_cast<std::size_t>(i)] ? 1 : 0;
        }
        return static_cast<double>(right) / unseen.count;
      });
}

}  // namespace

int main(int argc, char** argv) { return contend(argc, argv, run); }

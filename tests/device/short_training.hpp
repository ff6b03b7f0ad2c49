/// \file
/// `train`: a short training on drawn images of bytes, and all that it leaves behind.
#ifndef CHAINRULE_TESTS_DEVICE_SHORT_TRAINING_HPP
#define CHAINRULE_TESTS_DEVICE_SHORT_TRAINING_HPP

#include <cstdint>
#include <vector>

#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"

namespace short_training {

using namespace chainrule;

/// All that a training leaves behind.
template <class B>
struct outcome {
  std::vector<scalar_t<B>> parameters;
  std::vector<double> losses;
  device_statistics counts;
};

/// Three epochs over `batches` batches of 16 and one of 5.
template <class Net, class Loss, class Rules>
outcome<typename Net::backend_type> train(Net net, const Loss& loss, const Rules& rules,
                                          index_t batches) {
  using B = typename Net::backend_type;
  const B& be = net.backend();
  const index_t count = batches * 16 + 5;
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  random_stream random(7);
  for (index_t i = 0; i < count * net.inputs(); ++i)
    pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (index_t i = 0; i < count; ++i)
    labels.push_back(static_cast<int>(random.below(static_cast<std::uint32_t>(net.outputs()))));
  const dataset<B> data(be, matrix_view<const std::uint8_t>(pixels.data(), count, net.inputs()),
                        labels, static_cast<int>(net.outputs()), 1.0 / 255);
  net.initialize(3);
  trainer t{net, loss, rules};
  outcome<B> o;
  for (const epoch_record& r : t.fit(data, {.epochs = 3, .batch = 16, .seed = 11}).epochs)
    o.losses.push_back(r.training.loss);
  o.parameters = to_host(be, const_matrix<B>(net.parameters().all()));
  o.counts = be.statistics();
  return o;
}

}  // namespace short_training

#endif  // CHAINRULE_TESTS_DEVICE_SHORT_TRAINING_HPP

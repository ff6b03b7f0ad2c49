/// \file
/// A short training of all that draws or adds up, for tests of what its bits depend on.
#ifndef CHAINRULE_TESTS_TRAIN_TWO_EPOCHS_HPP
#define CHAINRULE_TESTS_TRAIN_TWO_EPOCHS_HPP

#include <cstdint>
#include <vector>

#include "../../examples/support/synthetic_digits.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "testing/batches.hpp"

namespace batches {

struct outcome {
  std::vector<double> parameters;
  std::vector<double> figures;
};

/// Two epochs of all that draws or adds up: a shuffled order, Adam, a short last batch.
template <class B>
[[nodiscard]] outcome two_epochs(network<B> net, const labelled_images& images, std::uint64_t seed,
                                 const augmentation& a = {}) {
  const B be = net.backend();
  const dataset<B> data(be, images);
  net.initialize(seed);
  trainer t{net, softmax_cross_entropy{}, chain(weight_decay{1e-4}, adam{})};
  outcome result;
  const history h =
      t.fit(data, {.epochs = 2, .batch = 64, .seed = seed, .validation = &data, .augment = a});
  for (const epoch_record& r : h.epochs)
    for (const double f :
         {r.training.loss, r.training.accuracy, r.validation.loss, r.validation.accuracy})
      result.figures.push_back(f);
  result.parameters = doubles(be, const_matrix<B>(net.parameters().all()));
  return result;
}
/// Of a dense network with dropout.
template <class B>
[[nodiscard]] outcome two_epochs(const B& be, const labelled_images& images, std::uint64_t seed,
                                 const augmentation& a = {}) {
  return two_epochs(network<B>{be, {dense{784, 60, relu{}}, dropout{0.3}, dense{60, 10}}}, images,
                    seed, a);
}

}  // namespace batches

#endif  // CHAINRULE_TESTS_TRAIN_TWO_EPOCHS_HPP

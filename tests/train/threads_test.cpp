// The same seed gives the same training on the CPU, for any number of threads.
#include "chainrule/backend/cpu.hpp"
#include "chainrule/data/synthetic_digits.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

using namespace batches;

namespace {

struct outcome {
  std::vector<float> parameters;
  std::vector<double> figures;
};

/// Two epochs of all that draws or adds up: a shuffled order, dropout, Adam, a short last batch.
outcome two_epochs(const labelled_images& images, int threads, std::uint64_t seed) {
  const cpu be(threads);
  const dataset<cpu> data(be, images);
  network net{be, dense{784, 60, relu{}}, dropout{0.3}, dense{60, 10}};
  net.initialize(seed);
  trainer t{net, softmax_cross_entropy{}, chain(weight_decay{1e-4}, adam{})};
  outcome result;
  const history h = t.fit(data, {.epochs = 2, .batch = 64, .seed = seed, .validation = &data});
  for (const epoch_record& r : h.epochs)
    for (const double f :
         {r.training.loss, r.training.accuracy, r.validation.loss, r.validation.accuracy})
      result.figures.push_back(f);
  result.parameters = to_host(be, const_matrix<cpu>(net.parameters().all()));
  return result;
}

}  // namespace

TEST_CASE("the same seed gives the same bits for any number of threads") {
  const labelled_images images = synthetic_digits(500, 3);
  const outcome first = two_epochs(images, 1, 7);
  for (const double f : first.figures) CHECK(std::isfinite(f));
  CHECK(first.figures[4] < first.figures[0]);  // the loss of the second epoch
  for (const int threads : {1, 2, 4}) {
    const outcome again = two_epochs(images, threads, 7);
    CAPTURE(threads);
    CHECK(same_bits(again.figures, first.figures));
    CHECK(same_bits(again.parameters, first.parameters));
  }
  const outcome other = two_epochs(images, 1, 8);
  CHECK(!same_bits(other.figures, first.figures));
}

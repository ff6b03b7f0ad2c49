// A network that is written with operations of a tape learns what the same network of layers does.
#include <cmath>
#include <limits>

#include "../../benchmarks/taped_net.hpp"
#include "../../examples/support/synthetic_digits.hpp"
#include "conformance/backends.hpp"
#include "support/catch.hpp"

namespace training_test {

using namespace chainrule;

TEMPLATE_LIST_TEST_CASE("training on a tape has the losses of training by layers", "[autodiff]",
                        conformance::backends) {
  using B = TestType;
  const B be;
  // 9 batches of 32 and one of 12.
  const labelled_images images = synthetic_digits(300, 1);
  const dataset<B> data(be, images);
  network layered{be, dense{784, 24, relu{}}, dense{24, 10}};
  layered.initialize(3);
  taped_net<B> taped(layered, 0.1);
  trainer t(layered, softmax_cross_entropy{}, sgd{0.1});
  const history h = t.fit(data, {.epochs = 4, .batch = 32, .seed = 5});
  const sampler order(images.count, 5);
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(images.count));
  // Sums in another order, and what 40 steps make of the roundings: 1e-5 in float.
  const double bound = 80 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
  REQUIRE(h.epochs.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    order.shuffle(i, numbers);
    const double loss = taped.epoch(data, numbers, 32);
    const double expected = h.epochs[i].training.loss;
    CAPTURE(i, loss, expected);
    CHECK(std::fabs(loss - expected) <= bound * expected);
  }
  // There was something to learn.
  CHECK(h.epochs[3].training.loss < 0.8 * h.epochs[0].training.loss);
}

}  // namespace training_test

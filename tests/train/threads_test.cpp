// The same seed gives the same training on the CPU, for any number of threads.
#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"
#include "train/two_epochs.hpp"

using namespace batches;

TEST_CASE("the same seed gives the same bits of augmented images for any number of threads") {
  const labelled_images images = synthetic_digits(500, 3);
  const augmentation a{.flip = true, .crop = 0.8, .rotate = 10, .shift = 2, .erase = 0.2};
  const outcome first = two_epochs(cpu(1), images, 7, a);
  for (const int threads : {2, 3}) {
    const outcome again = two_epochs(cpu(threads), images, 7, a);
    CHECK(same_bits(again.figures, first.figures));
    CHECK(same_bits(again.parameters, first.parameters));
  }
  CHECK(!same_bits(two_epochs(cpu(1), images, 7).parameters, first.parameters));
}

TEST_CASE("the same seed gives the same bits for any number of threads") {
  const labelled_images images = synthetic_digits(500, 3);
  const outcome first = two_epochs(cpu(1), images, 7);
  for (const double f : first.figures) CHECK(std::isfinite(f));
  CHECK(first.figures[4] < first.figures[0]);  // the loss of the second epoch
  for (const int threads : {1, 2, 4}) {
    const outcome again = two_epochs(cpu(threads), images, 7);
    CAPTURE(threads);
    CHECK(same_bits(again.figures, first.figures));
    CHECK(same_bits(again.parameters, first.parameters));
  }
  const outcome other = two_epochs(cpu(1), images, 8);
  CHECK(!same_bits(other.figures, first.figures));
}

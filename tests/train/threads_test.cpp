// The same seed gives the same training on the CPU, for any number of threads.
#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "support/catch.hpp"
#include "train/two_epochs.hpp"

namespace threads_test {

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

TEST_CASE("convolutions give the same bits for any number of threads") {
  const labelled_images images = synthetic_digits(300, 3);
  // Batches are cut into micro-batches, and, with batch normalization, are not.
  const auto plain = [](const cpu& be) {
    return network<cpu>{be,
                        {input{28, 28, 1}, conv2d{6, 5, relu{}}, max_pool{2}, conv2d{16, 5, relu{}},
                         max_pool{2}, flatten{}, dropout{0.2}, dense{10}}};
  };
  const auto normalized = [](const cpu& be) {
    const auto conv = [](index_t channels, index_t stride) {
      return conv2d{channels, 3, {.stride = stride, .pad = 1, .bias = false}};
    };
    return network<cpu>{
        be,
        {input{28, 28, 1}, conv(16, 2), batch_norm{relu{}},
         residual{conv(16, 1), batch_norm{relu{}}, conv(16, 1), batch_norm{}}, activation{relu{}},
         residual{conv(32, 2), batch_norm{}}.projection(shortcut{2, 32}), activation{relu{}},
         global_average_pool{}, dense{10}}};
  };
  const auto compare = [&](const auto& make) {
    const outcome first = two_epochs(make(cpu(1)), images, 7);
    for (const int threads : {2, 3}) {
      const outcome again = two_epochs(make(cpu(threads)), images, 7);
      CAPTURE(threads);
      CHECK(same_bits(again.figures, first.figures));
      CHECK(same_bits(again.parameters, first.parameters));
    }
  };
  compare(plain);
  compare(normalized);
}

}  // namespace threads_test

// from_pytorch: a convolutional network that PyTorch trained, its weights loaded, its logits beside
// those of PyTorch. train.py wrote both files that this reads; Python is not needed to run it.
//
//     from_pytorch [FOLDER]    # with bars.safetensors and expected.safetensors

#include <algorithm>
#include <chainrule/io/pytorch.hpp>
#include <chainrule/predict.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace chainrule;

namespace {

/// Whether the logits agree.
bool run(const std::string& folder) {
  // nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
  //               nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 3)) on images of 8 x 6
  network net{cpu{},       input{8, 6, 1}, conv2d{4, 3, relu{}},
              max_pool{2}, flatten{},      dense{16, relu{}},
              dense{3}};
  const loaded_weights found =
      load_weights(net, folder + "/bars.safetensors", {.layout = weights_layout::pytorch});
  std::printf("%s\n", to_string(found).c_str());

  const safetensors_file file =
      load_safetensors(folder + "/expected.safetensors", {.require_checksums = false});
  std::vector<float> images(6 * 8 * 6), expected(6 * 3);
  file.copy_to("images", {6, 8, 6, 1}, std::span(images));
  file.copy_to("logits", {6, 3}, std::span(expected));

  const tensor<cpu> logits = net.predict(matrix_view<const float>(images.data(), 6, 8 * 6));
  std::printf("logits here and in PyTorch %s\n", file.metadata().at("torch").c_str());
  const char* const names[] = {"row", "column", "cross"};
  float largest = 0, difference = 0;
  for (index_t i = 0; i < 6; ++i) {
    const float* const here = &logits.view()(i, 0);
    const float* const there = &expected[static_cast<std::size_t>(3 * i)];
    for (int k = 0; k < 3; ++k) {
      largest = std::max(largest, std::fabs(there[k]));
      difference = std::max(difference, std::fabs(here[k] - there[k]));
      std::printf("%10.5f", double{here[k]});
    }
    std::printf("   ");
    for (int k = 0; k < 3; ++k) std::printf("%10.5f", double{there[k]});
    std::printf("   %s\n", names[std::max_element(here, here + 3) - here]);
  }
  std::printf("largest difference %.1e, largest logit %.1f\n", double{difference}, double{largest});
  // Both round: each of 3 layers once, and sums of up to 24 terms in an order of their own.
  const float bound = (3 + std::sqrt(24.0F)) * std::numeric_limits<float>::epsilon() * largest;
  return difference <= bound;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 2 || (argc == 2 && argv[1][0] == '-'))
    return std::fputs("usage: from_pytorch [FOLDER]\n", stderr), 2;
  try {
    return run(argc == 2 ? argv[1] : EXAMPLE_FOLDER) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "from_pytorch: %s\n", e.what());
    return 1;
  }
}

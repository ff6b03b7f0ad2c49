// autoencoder: convolutions squeeze images of digits into 16 numbers, transposed convolutions draw
// them again.
//
//     autoencoder [--quick] [--picture FILE.svg]     # digits above, what became of them below

#include <chainrule/chainrule.hpp>
#include <chainrule/io/image_grid.hpp>
#include <chainrule/network/summary.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "../support/synthetic_digits.hpp"

using namespace chainrule;

namespace {

/// The pixels in [0, 1], a row for each image.
tensor<cpu> pixels_of(const cpu& be, const labelled_images& images) {
  const std::vector<float> pixels(images.pixels.begin(), images.pixels.end());
  tensor<cpu> x = from_host<cpu>(be, {pixels.data(), images.count, images.features()});
  be.map(fn::affine{1.0 / 255, 0}, x.view(), const_matrix<cpu>(x.view()));
  return x;
}

bool run(bool quick, const std::string& file) {
  const cpu be;
  const tensor<cpu> seen = pixels_of(be, synthetic_digits(quick ? 1000 : 10000, 1));
  const tensor<cpu> unseen = pixels_of(be, synthetic_digits(500, 2));
  network net{be,
              input{28, 28, 1},
              conv2d{16, 3, relu{}, {.stride = 2, .pad = 1}},  // 14 x 14 x 16
              conv2d{32, 3, relu{}, {.stride = 2, .pad = 1}},  // 7 x 7 x 32
              flatten{},
              dense{16},
              dense{7 * 7 * 32, relu{}},
              reshape_to{7, 7, 32},
              conv_transpose2d{16, 4, relu{}, {.stride = 2, .pad = 1}},         // 14 x 14 x 16
              conv_transpose2d{1, 4, fn::sigmoid{}, {.stride = 2, .pad = 1}}};  // 28 x 28 x 1
  net.initialize(1);
  std::printf("%s\n", summary(net).c_str());
  const dataset<cpu> pairs(be, seen.view(), seen.view()), others(be, unseen.view(), unseen.view());
  trainer t(net, mean_squared_error{}, adam{0.002});
  const double before = t.evaluate(others).loss;
  t.fit(pairs, {.epochs = quick ? 6 : 20, .batch = 64, .seed = 1});
  const double after = t.evaluate(others).loss;
  std::printf("mean squared error of unseen digits: %.4f, before training %.4f\n", after, before);
  if (!file.empty()) {
    const tensor<cpu> drawn = net.predict(unseen.view().middle_rows(0, 8));
    std::vector<grid_image> images;
    for (int i = 0; i < 8; ++i)
      images.push_back({{unseen.view().data() + i * 784, 784}, 28, 28, "unseen"});
    for (int i = 0; i < 8; ++i)
      images.push_back({{drawn.view().data() + i * 784, 784}, 28, 28, "drawn again"});
    write_svg(file, image_grid(images, {.title = "Digits from 16 numbers each"}));
  }
  return after < (quick ? 0.4 : 0.15) * before;
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::string file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick")
      quick = true;
    else if (word == "--picture" && i + 1 < argc)
      file = argv[++i];
    else
      return std::fputs("autoencoder: expected [--quick] [--picture FILE.svg]\n", stderr), 2;
  }
  return run(quick, file) ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "autoencoder: %s\n", e.what());
  return 1;
}

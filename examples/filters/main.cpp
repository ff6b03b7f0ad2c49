// filters: what a convolutional network has learned about digits, as pictures.
//
//     filters [--quick] [--out FOLDER]
//
// It writes filters.svg (the weights of the first layer), activations.svg (a digit, and what each
// filter makes of it) and saliency.svg (digits, and below each the size of the derivative of its
// class's score by each pixel: K. Simonyan et al., "Deep inside convolutional networks", 2013).

#include <chainrule/chainrule.hpp>
#include <chainrule/io/image_grid.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "../support/synthetic_digits.hpp"

using namespace chainrule;

namespace {

constexpr index_t filters = 8;
constexpr int side = 5;

/// The largest |derivative of the class's score| over all pixels is white.
std::vector<float> saliency(const network<cpu>& net, const_matrix<cpu> image, int label) {
  const cpu& be = net.backend();
  pass<cpu> p = net.make_pass(1, true);
  net.forward(image, p, phase::train(1, 0));
  const matrix<cpu> dy = net.output_gradient(p);
  be.map(fn::fill{0}, dy);
  dy(0, label) = 1;
  tensor<cpu> dx(be, 1, image.cols());
  arena<cpu> gradients = net.make_gradients();
  net.backward(image, p, gradients, dx.view());
  std::vector<float> sizes;
  for (index_t i = 0; i < dx.cols(); ++i) sizes.push_back(std::fabs(dx.view()(0, i)));
  return sizes;
}

bool run(bool quick, const std::string& folder) {
  const cpu be;
  const labelled_images images = synthetic_digits(quick ? 1000 : 10000, 1);
  const labelled_images others = synthetic_digits(500, 2);
  network net{be,
              input{28, 28, 1},
              conv2d{filters, side, relu{}},
              max_pool{2},
              conv2d{16, side, relu{}},
              max_pool{2},
              flatten{},
              dense{10}};
  net.initialize(1);
  trainer t(net, softmax_cross_entropy{}, momentum{0.05, 0.9});
  const dataset<cpu> seen(be, images), unseen(be, others);
  t.fit(seen, {.epochs = quick ? 2 : 5, .batch = 64, .seed = 1});
  const double accuracy = t.evaluate(unseen).accuracy;
  std::printf("accuracy on unseen digits: %.4f\n", accuracy);

  const auto numbered = [](const char* what, int i) { return what + std::to_string(i); };
  std::vector<grid_image> weights, activations, attention;
  const const_matrix<cpu> w = std::as_const(net).values("0.weight");  // 25 x 8
  for (int f = 0; f < filters; ++f)
    weights.push_back(
        {{w.data() + f, std::size_t(w.size() - f)}, side, side, numbered("filter ", f), filters});
  std::vector<float> pixels(others.pixels.begin(), others.pixels.begin() + 8 * 784);
  for (float& v : pixels) v /= 255;
  const const_matrix<cpu> digits(pixels.data(), 8, 784);
  pass<cpu> p = net.make_pass(1);
  net.forward(digits.middle_rows(0, 1), p);
  const const_matrix<cpu> seen_by = net.output_of(p, 0);  // 24 x 24 x 8
  activations.push_back({{pixels.data(), 784}, 28, 28, "input"});
  for (int f = 0; f < filters; ++f)
    activations.push_back({{seen_by.data() + f, std::size_t(seen_by.size() - f)},
                           24,
                           24,
                           numbered("filter ", f),
                           filters});
  std::vector<std::vector<float>> sizes;
  for (int i = 0; i < 8; ++i) {
    const int label = others.labels[std::size_t(i)];
    sizes.push_back(saliency(net, digits.middle_rows(i, 1), label));
    attention.push_back({{pixels.data() + i * 784, 784}, 28, 28, numbered("digit ", label)});
  }
  for (const auto& values : sizes) attention.push_back({values, 28, 28, "gradient"});
  write_svg(folder + "/filters.svg",
            image_grid(weights, {.title = "Weights of the first convolution", .pixel = 12}));
  write_svg(folder + "/activations.svg",
            image_grid(activations, {.title = "A digit, and the outputs of the first convolution",
                                     .columns = 9}));
  write_svg(folder + "/saliency.svg",
            image_grid(attention, {.title = "Digits, and the size of their score's gradient"}));
  return accuracy > (quick ? 0.8 : 0.97);
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::string folder = ".";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick")
      quick = true;
    else if (word == "--out" && i + 1 < argc)
      folder = argv[++i];
    else
      return std::fputs("filters: expected [--quick] [--out FOLDER]\n", stderr), 2;
  }
  return run(quick, folder) ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "filters: %s\n", e.what());
  return 1;
}

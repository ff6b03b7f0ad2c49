// regression: a network learns f(a, b, c, d) = sin a + cos b + tanh c + d^2 from 10,000 samples,
// the example of "Deep Learning from Scratch to GPU". Its output is linear, its cost quadratic.
//
//     regression [--small] [--quick] [--picture FILE]
//
// --small: 4-16-1 in place of 4-16-64-8-1. --picture: fit against truth, as an SVG file. The exit
// status is 1 if the fit to unseen samples is worse than it should be.

#include <chainrule/chainrule.hpp>
#include <chainrule/io/chart.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "plot.hpp"

using namespace chainrule;

namespace {

/// Samples with coordinates uniform in [-2, 2), and their values.
struct samples {
  tensor<cpu> x, y;  // count x 4, count x 1

  samples(const cpu& be, index_t count, std::uint64_t seed) : x(be, count, 4), y(be, count, 1) {
    be.random(x.view(), seed, /*stream*/ 0);
    be.map(fn::affine{4, -2}, x.view(), x.view());
    const auto column = [&](index_t j) {
      return const_matrix<cpu>(x.view()).block(0, j, count, 1);
    };
    be.map([](auto a, auto b, auto c, auto d) { return sin(a) + cos(b) + tanh(c) + sqr(d); },
           y.view(), column(0), column(1), column(2), column(3));
  }
};

/// Prints how good the predictions are, and returns R2; all points go to the cloud.
double judge(const std::vector<float>& fit, const std::vector<float>& truth, cloud& points) {
  const auto count = static_cast<double>(truth.size());
  double mean = 0, error = 0, variance = 0;
  for (const float t : truth) mean += static_cast<double>(t) / count;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    const double f = fit[i], t = truth[i];
    error += (f - t) * (f - t);
    variance += (t - mean) * (t - mean);
    points.add(t, f);
  }
  const double r2 = 1 - error / variance;
  std::printf("unseen: RMSE %.4f, of values with a deviation of %.2f: R2 %.6f\n",
              std::sqrt(error / count), std::sqrt(variance / count), r2);
  return r2;
}

/// Prints each epoch's loss.
struct loss_lines final : callback {
  void on_epoch_end(const epoch_record& r) override {
    std::printf("epoch %2d  loss %.6f\n", r.epoch, r.training.loss);
  }
};

bool run(bool small, bool quick, const std::string& picture) {
  const cpu be;
  const samples seen(be, 10000, 1), unseen(be, 2000, 2);
  const dataset<cpu> train(be, const_matrix<cpu>(seen.x.view()), seen.y.view());
  std::vector<any_layer<cpu>> layers;
  const fn::tanh f;
  if (small)
    layers = {dense{4, 16, f}, dense{16, 1}};
  else
    layers = {dense{4, 16, f}, dense{16, 64, f}, dense{64, 8, f}, dense{8, 1}};
  network<cpu> net{be, layers};
  net.initialize(/*seed*/ 1);
  std::printf("%s\n", summary(net).c_str());

  const int epochs = quick ? 8 : 40;
  const index_t batch = 50;
  loss_lines lines;
  trainer t(net, quadratic_cost{}, adam{cosine(0.01, epochs * 10000 / batch)});
  t.fit(train, {.epochs = epochs, .batch = batch, .seed = 1, .callbacks = {&lines}});

  cloud points(-2, 7);  // -2 - .42 at least, 7 at most
  std::puts("");
  const auto fit = to_host(be, const_matrix<cpu>(net.predict(unseen.x.view()).view()));
  const auto truth = to_host(be, const_matrix<cpu>(unseen.y.view()));
  const double r2 = judge(fit, truth, points);
  std::printf("fit (upwards) against truth, both from -2 to 7\n%s", points.text(20).c_str());
  if (!picture.empty()) {
    const std::vector<double> ends{-2, 7};
    chart c({.title = "Fit of unseen samples",
             .x = "true value",
             .y = "fitted value",
             .width = 320,
             .height = 320});
    write_svg(picture, c.points("samples", truth, fit).line("fit = truth", ends, ends).svg());
  }
  return r2 > (quick ? 0.98 : small ? 0.99 : 0.999);
}

}  // namespace

int main(int argc, char** argv) {
  bool small = false, quick = false, fine = true;
  std::string picture;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    if (option == "--small")
      small = true;
    else if (option == "--quick")
      quick = true;
    else if (option == "--picture" && i + 1 < argc)
      picture = argv[++i];
    else
      fine = false;
  }
  if (!fine) {
    std::fputs("usage: regression [--small] [--quick] [--picture FILE]\n", stderr);
    return 2;
  }
  try {
    return run(small, quick, picture) ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "regression: %s\n", e.what());
    return 1;
  }
}

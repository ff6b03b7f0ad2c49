// gan_points: a generative adversarial network on points of the plane. A generator learns to turn
// uniform noise into points of a ring, a discriminator to tell these from real ones.
//
//     gan_points [--quick] [--picture FILE.svg]
//
// It prints radius and spread of the generated points as they improve; the picture shows the last.
//
// Source: I. Goodfellow et al., NeurIPS 27 (2014), with the loss -log D(G(z)) for the generator.

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/chainrule.hpp>
#include <chainrule/io/chart.hpp>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

using namespace chainrule;

namespace {

constexpr index_t batch = 128;
constexpr double radius = 1, spread = 0.05;

/// n points around the ring, n x 2.
tensor<cpu> ring(const cpu& be, index_t n, random_stream& random) {
  std::vector<float> points;
  for (index_t i = 0; i < n; ++i) {
    const double angle = random.uniform(0, 6.283185307179586),
                 r = radius + spread * random.normal();
    points.push_back(float(r * std::cos(angle)));
    points.push_back(float(r * std::sin(angle)));
  }
  return from_host<cpu>(be, {points.data(), n, 2});
}

/// n points of a square, n x 2.
tensor<cpu> noise(const cpu& be, index_t n, std::uint64_t stream) {
  tensor<cpu> z(be, n, 2);
  be.random(z.view(), 3, stream);
  be.map([](auto u) { return 4 * u - 2; }, z.view(), const_matrix<cpu>(z.view()));
  return z;
}

/// Prints what the generated points are like; whether they lie all around the ring.
bool lies_on_ring(const tensor<cpu>& points, int step) {
  const const_matrix<cpu> m = points.view();
  double sum = 0, squares = 0, quarters[4] = {}, least = 1;
  for (index_t i = 0; i < m.rows(); ++i) {
    const double r = std::hypot(m(i, 0), m(i, 1));
    sum += r, squares += r * r, quarters[(m(i, 0) > 0 ? 1 : 0) + (m(i, 1) > 0 ? 2 : 0)] += 1;
  }
  const double n = double(m.rows()), mean_radius = sum / n;
  const double deviation = std::sqrt(squares / n - mean_radius * mean_radius);
  for (const double q : quarters) least = std::fmin(least, q / n);
  std::printf("step %5d  radius %.3f +- %.3f, at least %2.0f %% in each quarter\n", step,
              mean_radius, deviation, 100 * least);
  return std::fabs(mean_radius - radius) < 0.1 && deviation < 0.15 && least > 0.1;
}

/// Draws points of the ring and generated ones.
void draw(const std::string& file, const tensor<cpu>& real, const tensor<cpu>& generated) {
  chart c({.title = "Points of a ring, and generated ones", .width = 340, .height = 340});
  const auto add = [&c](const char* name, const const_matrix<cpu> m) {
    std::vector<float> x, y;
    for (index_t i = 0; i < m.rows(); ++i) x.push_back(m(i, 0)), y.push_back(m(i, 1));
    c.points(name, x, y);
  };
  add("real", real.view());
  add("generated", generated.view());
  write_svg(file, c.svg());
}

bool train(int steps, const std::string& picture) {
  const cpu be;
  network generator{be, dense{2, 64, leaky_relu{}}, dense{64, leaky_relu{}}, dense{2}};
  network discriminator{be, dense{2, 64, leaky_relu{}}, dense{64, leaky_relu{}}, dense{1}};
  generator.initialize(1), discriminator.initialize(2);
  optimizer generating{generator, adam{.rate = 1e-3, .beta1 = 0.5}};
  optimizer discriminating{discriminator, adam{.rate = 3e-3, .beta1 = 0.5}};
  tape t{be};
  random_stream random(4);
  const auto real = t.filled(batch, 1, 1), fake = t.filled(batch, 1, 0);
  const auto loss = [](const auto& scores, const auto& targets) {
    return mean(call(sigmoid_cross_entropy{}, scores, targets.view()));
  };
  for (int step = 1; step <= steps; ++step) {
    const auto points = t.constant(ring(be, batch, random).view());
    const auto made = call(generator, t.constant(noise(be, batch, std::uint64_t(step)).view()),
                           generating.gradients());
    discriminating.zero_gradients();
    backward(loss(call(discriminator, points, discriminating.gradients()), real) +
             loss(call(discriminator, detach(made), discriminating.gradients()), fake));
    discriminating.update();

    generating.zero_gradients();
    backward(loss(call(discriminator, made), real));  // through a discriminator that stays as it is
    generating.update();
    if (step % (steps / 5) == 0 && step < steps)
      lies_on_ring(generator.predict(noise(be, 4096, 0).view()), step);
  }
  if (!picture.empty())
    draw(picture, ring(be, 500, random), generator.predict(noise(be, 500, 1).view()));
  return lies_on_ring(generator.predict(noise(be, 4096, 0).view()), steps);
}

}  // namespace

int main(int argc, char** argv) try {
  bool quick = false;
  std::string picture;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--quick")
      quick = true;
    else if (word == "--picture" && i + 1 < argc)
      picture = argv[++i];
    else
      return std::fputs("gan_points: expected [--quick] [--picture FILE.svg]\n", stderr), 2;
  }
  const bool learned = train(quick ? 1500 : 5000, picture);
  std::puts(learned ? "the generated points lie on the ring" : "the ring was not learned");
  return learned ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "gan_points: %s\n", e.what());
  return 1;
}

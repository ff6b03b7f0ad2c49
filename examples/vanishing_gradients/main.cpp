// vanishing_gradients: what depth does to a gradient, layer by layer, for three activations and
// three first weights; and ReLUs that a rate too large has killed.
//
//     vanishing_gradients [--picture FILE.svg]     # exit status 1 if a statement does not hold

#include <chainrule/chainrule.hpp>
#include <chainrule/io/chart.hpp>
#include <cstdio>
#include <exception>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

using namespace chainrule;
using real = basic_cpu<double>;

namespace {

constexpr index_t depth = 20, width = 32, samples = 64;
constexpr double inf = std::numeric_limits<double>::infinity();

int wrong = 0;

/// A statement that is printed, and counted where it does not hold.
void state(const char* what, bool holds) {
  std::printf("  %s: %s\n", what, holds ? "yes" : "NO");
  if (!holds) ++wrong;
}

tensor<real> normal_numbers(const real& be, index_t cols, std::uint64_t seed) {
  random_stream random(seed, 0);
  std::vector<double> numbers(static_cast<std::size_t>(samples * cols));
  for (double& x : numbers) x = random.normal();
  return from_host(be, matrix_view<const double>(numbers.data(), samples, cols));
}

/// The norm of each layer's gradient in a network of `depth` layers that are `width` wide, with
/// biases 0, at its first weights.
template <class F>
std::vector<double> first_norms(F activation, initializer weights) {
  const real be;
  const any_layer<real> layer = dense{width, width, activation}.weights(weights);
  network<real> net{be, std::vector<any_layer<real>>(depth, layer)};
  net.initialize(/*seed*/ 1);
  const auto x = normal_numbers(be, width, 1);
  const auto y = normal_numbers(be, width, 2);
  const dataset<real> data(be, x.view(), y.view());
  trainer still(net, quadratic_cost{}, sgd{0.0});  // a rate of 0 moves nothing
  still.fit(data, {.epochs = 1, .batch = samples});
  return gradient_norms(net, still.gradients());
}

void depths(const std::string& picture) {
  const initializer small = init::normal(0, 0.1);
  const initializer large = init::normal(0, 1);
  const fn::tanh tanh;
  const struct {
    const char *activation, *weights;
    std::vector<double> norms;
    [[nodiscard]] double first_to_last() const { return norms.front() / norms.back(); }
  } columns[] = {{"sigmoid", "N(0,.1)", first_norms(fn::sigmoid{}, small)},
                 {"tanh", "N(0,.1)", first_norms(tanh, small)},
                 {"relu", "N(0,.1)", first_norms(relu{}, small)},
                 {"tanh", "N(0,1)", first_norms(tanh, large)},
                 {"relu", "N(0,1)", first_norms(relu{}, large)},
                 {"sigmoid", "Glorot", first_norms(fn::sigmoid{}, init::glorot_normal())},
                 {"tanh", "Glorot", first_norms(tanh, init::glorot_normal())},
                 {"relu", "He", first_norms(relu{}, init::he_normal())}};
  std::printf("Norms of the gradient, %td layers of %td, batch %td\n     ", depth, width, samples);
  for (const auto& c : columns) std::printf(" %9s", c.activation);
  std::printf("\nlayer");
  for (const auto& c : columns) std::printf(" %9s", c.weights);
  for (std::size_t i = 0; i < depth; ++i) {
    std::printf("\n%5zu", i);
    for (const auto& c : columns) std::printf(" %9.1e", c.norms[i]);
  }
  std::printf("\n");
  if (!picture.empty()) {
    chart c({.title = "Norm of the gradient of each of 20 layers, before training",
             .x = "layer, from the input",
             .y = "norm",
             .log_y = true});
    std::vector<int> layers;
    for (int i = 0; i < depth; ++i) layers.push_back(i);
    for (const auto& line : columns)
      c.line(std::string(line.activation) + ", " + line.weights, layers, line.norms);
    write_svg(picture, c.svg());
  }
  const auto between = [&](std::size_t i, double low, double high) {
    return columns[i].first_to_last() > low && columns[i].first_to_last() < high;
  };
  state("N(0, 0.1): the gradient vanishes from the last layer to the first",
        between(0, 0, 1e-12) && between(1, 0, 1e-3) && between(2, 0, 1e-6));
  state("N(0, 1): the gradient explodes", between(3, 1e3, inf) && columns[4].norms.front() > 1e10);
  state("Glorot's weights: the gradient still vanishes through sigmoids", between(5, 0, 1e-8));
  state("Glorot's weights for tanh, He's for relu: the gradient keeps its size",
        between(6, 0.1, 10) && between(7, 0.1, 10));
}

/// How many of the 64 ReLUs of a 2-64-1 network die in 20 epochs at that rate.
index_t killed(double rate) {
  const real be;
  const auto x = normal_numbers(be, 2, 3);
  const auto column = [&](index_t j) { return x.view().block(0, j, samples, 1); };
  tensor<real> y(be, samples, 1);
  be.map([](auto a, auto b) { return sin(a) + b; }, y.view(), column(0), column(1));
  const dataset<real> data(be, x.view(), y.view());
  network net{be, dense{2, 64, relu{}}, dense{64, 1}};
  net.initialize(/*seed*/ 1);
  const index_t before = dead_units(net, x.view())[0];
  trainer t(net, quadratic_cost{}, adam{rate});
  t.fit(data, {.epochs = 20, .batch = 16, .seed = 1});
  const index_t after = dead_units(net, x.view())[0];
  std::printf("Adam, rate %-5g dead ReLUs of 64: %td before training, %td after it; loss %.3g\n",
              rate, before, after, t.evaluate(data).loss);
  return after - before;
}

}  // namespace

int main(int argc, char** argv) {
  const bool picture = argc == 3 && std::string_view(argv[1]) == "--picture";
  if (argc != 1 && !picture)
    return std::fputs("vanishing_gradients: expected [--picture FILE.svg]\n", stderr), 2;
  try {
    depths(picture ? argv[2] : "");
    const index_t few = killed(0.01);
    const index_t many = killed(1);
    state("the larger rate kills most ReLUs", few < 4 && many > 32);
    return wrong == 0 ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "vanishing_gradients: %s\n", e.what());
    return 1;
  }
}

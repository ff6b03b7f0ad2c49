// parity: a network learns whether a number is even, with NumPy's random numbers, so that every
// digit that the original program printed ("Neural Networks: The Backward Pass") comes out again:
// the errors of its epochs, its accuracy on numbers that it has not seen, one of its gradients.
//
//     parity [--epochs N] [--seed N] [--quick] [--fair-batches] [--picture FILE.svg]

#include <CLI/CLI.hpp>
#include <chainrule/chainrule.hpp>
#include <chainrule/io/matrix_chart.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "../support/command_line.hpp"
#include "experiment.hpp"

using namespace chainrule;
using real = basic_cpu<double>;

namespace {

/// Prints dE/dW(1,9) of the first layer, by backward and by a difference of two losses. (His W is
/// outputs x inputs, ours inputs x outputs.)
void print_gradient(auto& net, const dataset<real>& sample) {
  trainer still(net, sum_of_squares{}, sgd{0.0});  // a rate of 0 moves nothing
  still.fit(sample, {.epochs = 1});
  const double analytic = still.gradients()[net.place_of("0.weight")](9, 1);
  double& weight = net.values("0.weight")(9, 1);
  const double here = weight;
  const double h = 1e-5;
  weight = here + h;
  const double right = still.evaluate(sample).loss;
  weight = here - h;
  const double left = still.evaluate(sample).loss;
  weight = here;
  std::printf("Gradient dE/dW(1,9) for the number 5: %.10f, by central difference %.7f\n", analytic,
              (right - left) / (2 * h));
}

/// Draws the weights of the first layer.
void draw(const std::string& file, const_matrix<real> w) {
  std::vector<std::string> bits;
  for (index_t bit = w.rows(); bit-- > 0;) bits.push_back("bit of " + std::to_string(1 << bit));
  write_svg(file,
            matrix_chart({w.data(), std::size_t(w.size())}, w.cols(),
                         {.title = "Weights of the first layer", .x = "unit", .row_names = bits}));
}

void run(int epochs, std::uint32_t seed, bool fair_batches, const std::string& picture) {
  const real be;
  const parity::numbers seen(0, 700), unseen(700, 1024), five(5, 6);
  const dataset<real> train(be, seen.view(), seen.even, 2);
  const dataset<real> test(be, unseen.view(), unseen.even, 2);

  std::printf(
      "Is a number even? Learned from 0 to 699, measured on 700 to 1023. With the defaults, all\n"
      "digits are those of Tashfeen's NumPy program (\"Neural Networks: The Backward Pass\").\n");
  numpy::random_state random(seed);
  network net{be, dense{10, 3, fn::sigmoid{}}, dense{3, 2, fn::sigmoid{}}};
  parity::draw_weights(net, random);
  print_gradient(net, dataset<real>(be, five.view(), five.even, 2));

  // 700 numbers make 86 batches of 8 and one of 12, which he divides by 8 all the same.
  const index_t batch = 8;
  parity::numpy_order order(random);
  parity::batch_errors errors(fair_batches ? 0 : batch);
  trainer t(net, sum_of_squares{}, sgd{0.3});
  const history h = t.fit(train, {.epochs = epochs,
                                  .batch = batch,
                                  .validation = &test,
                                  .callbacks = {&errors},
                                  .order = &order,
                                  .merge_last_batch = true,
                                  .divide_by_full_batch = !fair_batches});

  const auto print_accuracy = [](double a) { std::printf(a == 1 ? "%.1f\n" : "%.4f\n", a); };
  for (std::size_t i = 0; i < h.epochs.size(); ++i) {
    if (i >= 10 && i + 2 < h.epochs.size()) continue;  // the first ten and the last two
    std::printf("Epoch: %zu Error: %.5g Accuracy: ", i, errors.per_epoch[i]);
    print_accuracy(h.epochs[i].validation.accuracy);
  }
  std::printf("Accuracy on 700 to 1023: ");
  print_accuracy(t.evaluate(test).accuracy);

  // Only the last bit matters, and the network has found out.
  std::printf("Sum of |W| per input bit, that of 512 first:");
  const auto w = net.values("0.weight");
  for (index_t bit = 0; bit < w.rows(); ++bit) {
    double sum = 0;
    for (index_t out = 0; out < w.cols(); ++out) sum += std::fabs(w(bit, out));
    std::printf(" %.4f", sum);
  }
  std::printf("\n");
  if (!picture.empty()) draw(picture, w);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"A 10-3-2 network learns whether numbers are even, digit for digit as in NumPy."};
  int epochs = 1000;
  std::uint32_t seed = 0;
  bool quick = false;
  bool fair_batches = false;
  auto* const count = app.add_option("--epochs", epochs, "passes over the 700 numbers");
  count->check(CLI::Range(0, 1000000))->capture_default_str();
  app.add_option("--seed", seed, "as in np.random.seed")
      ->check(whole_number(0xFFFFFFFFU))
      ->capture_default_str();
  app.add_flag("--quick", quick, "10 epochs")->excludes(count);
  std::string picture;
  app.add_option("--picture", picture, "draw the weights of the first layer there (SVG)")
      ->type_name("FILE");
  app.add_flag("--fair-batches", fair_batches, "divide the last batch by its own size, not by 8");
  parse_or_exit(app, argc, argv);
  try {
    run(quick ? 10 : epochs, seed, fair_batches, picture);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "parity: %s\n", e.what());
    return 1;
  }
  return 0;
}

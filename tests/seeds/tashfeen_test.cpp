// The numbers of "Neural Networks: The Backward Pass" (Tashfeen), and the random numbers of NumPy
// that they came from. One line is printed for each of them: `ctest -R seeds -V` shows the table.

#include <algorithm>
#include <array>
#include <chainrule/chainrule.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../../examples/parity/experiment.hpp"
#include "../../examples/tashfeen_mnist/experiment.hpp"
#include "support/catch.hpp"

namespace tashfeen_test {

using namespace chainrule;
using real = basic_cpu<double>;

namespace {

constexpr double eps = std::numeric_limits<double>::epsilon();

/// As the text's program prints it: five digits.
std::string digits(double x) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.5g", x);
  return text.data();
}

std::string listed(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += " " + word;
  return line;
}

/// `operations` roundings relative to the size of the result.
void check_close(double got, double expected, double operations) {
  CAPTURE(got, expected);
  CHECK(std::fabs(got - expected) <= operations * eps * std::max(std::fabs(expected), 1e-300));
}

struct outcome {
  std::vector<double> errors;      // per epoch
  std::vector<double> accuracies;  // on the test numbers, per epoch
  std::vector<double> bit_sums;    // Σ |w| of the first layer per input bit
  double final_accuracy = 0;
};

outcome run_parity(int epochs, bool fair_batches) {
  const real be;
  const parity::numbers seen(0, 700);
  const parity::numbers unseen(700, 1024);
  const dataset<real> train(be, seen.view(), seen.even, 2);
  const dataset<real> test(be, unseen.view(), unseen.even, 2);
  numpy::random_state random(0);
  network net{be, dense{10, 3, fn::sigmoid{}}, dense{3, 2, fn::sigmoid{}}};
  parity::draw_weights(net, random);
  parity::numpy_order order(random);
  parity::batch_errors errors(fair_batches ? 0 : 8);
  trainer t(net, sum_of_squares{}, sgd{0.3});
  const history h = t.fit(train, {.epochs = epochs,
                                  .batch = 8,
                                  .validation = &test,
                                  .callbacks = {&errors},
                                  .order = &order,
                                  .merge_last_batch = true,
                                  .divide_by_full_batch = !fair_batches});
  outcome o;
  o.errors = errors.per_epoch;
  for (const epoch_record& r : h.epochs) o.accuracies.push_back(r.validation.accuracy);
  o.final_accuracy = t.evaluate(test).accuracy;
  const auto w = net.values("0.weight");
  for (index_t bit = 0; bit < w.rows(); ++bit) {
    o.bit_sums.push_back(0);
    for (index_t out = 0; out < w.cols(); ++out) o.bit_sums.back() += std::fabs(w(bit, out));
  }
  return o;
}

/// The errors of epochs 0 to 9 and of the last two.
std::vector<std::string> printed_errors(const outcome& o) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < o.errors.size(); ++i)
    if (i < 10 || i + 2 >= o.errors.size()) words.push_back(digits(o.errors[i]));
  return words;
}

/// Remembers the sizes of the batches.
struct batch_sizes final : callback {
  std::vector<index_t> sizes;
  index_t done = 0;
  void on_batch_end(const batch_record& r) override {
    sizes.push_back(r.samples_done - done);
    done = r.samples_done;
  }
  void on_epoch_end(const epoch_record&) override { done = 0; }
};

/// Gives the order it was told, whatever it is.
struct fixed_order final : epoch_order {
  std::vector<std::int32_t> order;
  explicit fixed_order(std::vector<std::int32_t> o) : order(std::move(o)) {}
  void draw(std::span<std::int32_t> out) override {
    std::copy(order.begin(), order.end(), out.begin());
  }
};

}  // namespace

TEST_CASE("NumPy's uniform and normal numbers") {
  numpy::random_state uniform(0);
  for (const double expected :
       {0.5488135039273248, 0.7151893663724195, 0.6027633760716439, 0.5448831829968969})
    CHECK(uniform.random_sample() == expected);
  CHECK(numpy::random_state(4294967295U).random_sample() == 0.0976320289940138);

  // log and sqrt may round otherwise, and a compiler may fuse a product and a sum.
  numpy::random_state normal(0);
  for (const double expected : {1.764052345967664, 0.4001572083672233, 0.9787379841057392,
                                2.240893199201458, 1.8675579901499675, -0.977277879876411})
    check_close(normal.randn(), expected, 16);

  double last = 0;
  numpy::random_state many(0);
  for (int i = 0; i < 100000; ++i) last = many.randn();
  check_close(last, -1.2852076475754735, 16);
}

TEST_CASE("NumPy's permutations") {
  std::vector<std::int32_t> ten(10);
  numpy::random_state(0).permutation(ten);
  CHECK(ten == std::vector<std::int32_t>{2, 8, 4, 9, 1, 6, 7, 3, 0, 5});

  // Nothing is drawn where there is nothing to choose.
  numpy::random_state random(0);
  std::vector<std::int32_t> none;
  std::vector<std::int32_t> one(1, 7);
  std::vector<std::int32_t> two(2);
  random.permutation(none);
  random.permutation(one);
  random.permutation(two);
  CHECK(one == std::vector<std::int32_t>{0});
  CHECK(two == std::vector<std::int32_t>{1, 0});
  CHECK(random.random_sample() == 0.5928446182250183);

  // A shuffle goes on from the order that is there.
  numpy::random_state again(7);
  std::vector<std::int32_t> six{0, 1, 2, 3, 4, 5};
  again.shuffle(six);
  CHECK(six == std::vector<std::int32_t>{3, 5, 0, 2, 1, 4});
  again.shuffle(six);
  CHECK(six == std::vector<std::int32_t>{1, 4, 2, 0, 5, 3});

  numpy::random_state large(0);
  for (int i = 0; i < 10; ++i) (void)large.randn();
  std::vector<std::int32_t> order(700);
  large.permutation(order);
  CHECK(std::vector<std::int32_t>(order.begin(), order.begin() + 8) ==
        std::vector<std::int32_t>{339, 142, 243, 236, 559, 471, 504, 40});
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < order.size(); ++i) sum += order[i] * static_cast<std::int64_t>(i);
  CHECK(sum == 85308133);
}

TEST_CASE("NumPy's kept normal number outlives what is drawn in between") {
  numpy::random_state random(42);
  for (const double expected : {0.4967141530112327, -0.13826430117118466, 0.6476885381006925,
                                1.5230298564080254, -0.23415337472333597})
    check_close(random.randn(), expected, 16);
  std::vector<std::int32_t> twelve(12);
  random.permutation(twelve);
  CHECK(twelve == std::vector<std::int32_t>{0, 6, 9, 1, 8, 5, 2, 3, 4, 7, 11, 10});
  CHECK(random.random_sample() == 0.0007787658410143283);
  check_close(random.randn(), -0.23413695694918055, 16);
  check_close(random.randn(), 0.022221826611982996, 16);
}

TEST_CASE("T1: gradient descent on the bowl a^2 + b^2") {
  const real be;
  arena_plan plan;
  const slice place = plan.add(weight_tags, 1, 2);
  arena<real> point(be, plan);
  arena<real> gradient(be, plan);
  const std::array<double, 2> start{10, 10};
  be.upload(point[place], matrix_view<const double>(start.data(), 1, 2));
  optimizer rule(be, plan, chain(sgd{0.3}));
  tensor<real> error(be, 1, 1);

  std::vector<std::string> shown;
  const std::array<double, 7> errors{200, 32, 5.12, 0.8192, 0.131072, 0.02097152, 0.0033554432};
  const std::array<double, 7> places{4, 1.6, .64, .256, .1024, .04096, .016384};
  for (std::size_t step = 0; step < errors.size(); ++step) {
    const const_matrix<real> at = point[place];
    be.reduce(reduction::sum{}, error.view(), fn::sqr{}, at);
    be.map(derivative_of<fn::sqr>{}, gradient[place], at);
    rule.update(point, gradient);
    // Each step multiplies a and b by 1 - 0.6, with a few roundings.
    const double operations = 8 * static_cast<double>(step + 1);
    check_close(error.view()(0, 0), errors[step], operations);
    check_close(at(0, 0), places[step], operations);
    check_close(at(0, 1), places[step], operations);
    shown.push_back(digits(error.view()(0, 0)));
    shown.push_back(digits(at(0, 0)));
  }
  std::printf("T1 error, then a = b:%s\n", listed(shown).c_str());
}

TEST_CASE("T3: Hadamard's product") {
  const real be;
  const std::array<double, 2> a{1, 3};
  const std::array<double, 2> b{2, 4};
  const auto x = from_host(be, matrix_view<const double>(a.data(), 1, 2));
  const auto y = from_host(be, matrix_view<const double>(b.data(), 1, 2));
  tensor<real> product(be, 1, 2);
  be.map(fn::multiplies{}, product.view(), x.view(), y.view());
  CHECK(product.view()(0, 0) == 2);
  CHECK(product.view()(0, 1) == 12);
  std::printf("T3 %g %g\n", product.view()(0, 0), product.view()(0, 1));
}

TEST_CASE("T4, T5, T6: the parity network, with the batches of its author") {
  const outcome o = run_parity(1000, false);
  const std::vector<std::string> errors{"0.48236",  "0.3234",    "0.16235",   "0.075001",
                                        "0.040232", "0.025256",  "0.017793",  "0.013523",
                                        "0.010801", "0.0089463", "4.031e-05", "4.0268e-05"};
  CHECK(printed_errors(o) == errors);
  CHECK(o.final_accuracy == 1);
  std::printf("T4%s accuracy %.1f\n", listed(printed_errors(o)).c_str(), o.final_accuracy);

  REQUIRE(o.accuracies.size() == 1000);
  // Of 324 numbers.
  CHECK(o.accuracies[0] == 229.0 / 324);
  CHECK(o.accuracies[1] == 259.0 / 324);
  CHECK(o.accuracies[2] == 315.0 / 324);
  CHECK(std::all_of(o.accuracies.begin() + 3, o.accuracies.end(), [](double a) { return a == 1; }));
  std::printf("T5 %.4f %.4f %.4f %.4f\n", o.accuracies[0], o.accuracies[1], o.accuracies[2],
              o.accuracies[3]);

  REQUIRE(o.bit_sums.size() == 10);
  const auto largest = std::max_element(o.bit_sums.begin(), o.bit_sums.end());
  CHECK(largest - o.bit_sums.begin() == 9);
  CHECK(digits(o.bit_sums[0]) == "2.1378");
  CHECK(digits(o.bit_sums[9]) == "14.151");
  std::printf("T6 the sums of |w| per bit, the last is the largest:");
  for (const double s : o.bit_sums) std::printf(" %.4f", s);
  std::printf("\n");
}

TEST_CASE("T4 with the true mean of the last batch") {
  const std::vector<std::string> errors{"0.48011",  "0.32292",   "0.16331",    "0.07568",
                                        "0.040523", "0.025386",  "0.017941",   "0.013617",
                                        "0.010864", "0.0089701", "4.0309e-05", "4.023e-05"};
  const outcome o = run_parity(1000, true);
  CHECK(printed_errors(o) == errors);
  CHECK(o.final_accuracy == 1);
  std::printf("(T4, fair batches)%s\n", listed(printed_errors(o)).c_str());
}

TEST_CASE("T7: one gradient of the parity network") {
  const real be;
  numpy::random_state random(0);
  network net{be, dense{10, 3, fn::sigmoid{}}, dense{3, 2, fn::sigmoid{}}};
  parity::draw_weights(net, random);
  const parity::numbers five(5, 6);
  CHECK(five.bits == std::vector<std::uint8_t>{0, 0, 0, 0, 0, 0, 0, 1, 0, 1});
  const std::vector<double> bits(five.bits.begin(), five.bits.end());
  const auto x = from_host(be, matrix_view<const double>(bits.data(), 1, 10));

  auto pass = net.make_pass(1, true);
  loss_scratch<real> scratch(be, 1, 2);
  tensor<real> label(be, 1, 1);
  tensor<real> scale(be, 1, 1);
  tensor<real> loss(be, 1, 1);
  be.map(fn::fill{0}, label.view());
  be.map(fn::fill{1}, scale.view());
  const auto loss_at = [&](double& weight, double value) {
    const double before = weight;
    weight = value;
    const auto y = net.forward(x.view(), pass, phase::train(0, 0));
    sum_of_squares{}(be, y, std::as_const(label).view(), std::as_const(scale).view(), loss.view(),
                     net.output_gradient(pass), scratch);
    weight = before;
    return loss.view()(0, 0);
  };

  double& weight = net.values("0.weight")(9, 1);
  const double h = std::cbrt(eps) * std::max(1.0, std::fabs(weight));
  const double numeric = (loss_at(weight, weight + h) - loss_at(weight, weight - h)) / (2 * h);
  loss_at(weight, weight);
  arena<real> gradients = net.make_gradients();
  net.backward(x.view(), pass, gradients);
  const double analytic = gradients[net.place_of("0.weight")](9, 1);

  CHECK(std::fabs(analytic - 0.0810274992) <= 0.5e-10);
  // Both errors of the difference, of truncation and of rounding, are of the order of h squared.
  CHECK(std::fabs(analytic - numeric) <= 4 * h * h);
  std::printf("T7 %.10f, by central difference %.10f\n", analytic, numeric);
}

TEST_CASE("T8: digits from raw pixels, where MNIST is there") {
  std::string reason;
  const auto mnist = raw_pixels::find_mnist(raw_pixels::data_folder(), reason);
  if (!mnist) {
    std::printf("T8 skipped: %s\n", reason.c_str());
    return;
  }
  const auto runs = raw_pixels::train_some(*mnist, 11, 3);
  std::vector<std::string> shown;
  for (const raw_pixels::band& b : raw_pixels::error_bands) {
    if (b.epoch > 10) continue;  // the program in examples/ goes on
    const std::vector<double> errors = raw_pixels::errors_of(runs, b.epoch);
    CAPTURE(b.epoch, b.low, b.high, errors);
    CHECK(b.meets(errors));
    const auto [least, most] = std::minmax_element(errors.begin(), errors.end());
    shown.push_back(digits(*least) + "-" + digits(*most));
  }
  std::printf("T8 errors of epochs 0, 1, 2, 10 in three runs:%s\n", listed(shown).c_str());
}

TEST_CASE("every sample is in a batch, whatever the rule of the last batch") {
  const real be;
  const std::array<std::array<index_t, 2>, 6> cases{
      {{15, 8}, {16, 8}, {17, 8}, {5, 8}, {1, 1}, {700, 8}}};
  for (const auto [count, batch] : cases) {
    CAPTURE(count, batch);
    const parity::numbers all(0, static_cast<int>(count));
    const dataset<real> data(be, all.view(), all.even, 2);
    for (const bool merge : {false, true}) {
      network net{be, dense{10, 2, fn::sigmoid{}}};
      batch_sizes seen;
      trainer t(net, sum_of_squares{}, sgd{0.1});
      const history h = t.fit(data, {.epochs = 2,
                                     .batch = batch,
                                     .callbacks = {&seen},
                                     .merge_last_batch = merge,
                                     .divide_by_full_batch = true});
      CHECK(h.epochs[0].samples == count);
      CHECK(std::accumulate(seen.sizes.begin(), seen.sizes.end(), index_t{0}) == 2 * count);
      const index_t full = std::max<index_t>(count / batch, 1);
      const index_t batches = merge ? full : (count + batch - 1) / batch;
      CHECK(static_cast<index_t>(seen.sizes.size()) == 2 * batches);
      for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(batches); ++i)
        CHECK(seen.sizes[i] == batch);
    }
  }
}

TEST_CASE("an order that is given is followed, and must name each sample once") {
  const real be;
  const parity::numbers four(0, 4);
  const dataset<real> data(be, four.view(), four.even, 2);
  const auto weights_after = [&](std::vector<std::int32_t> numbers) {
    network net{be, dense{10, 2, fn::sigmoid{}}};
    fixed_order order(std::move(numbers));
    trainer t(net, sum_of_squares{}, sgd{1.0});
    t.fit(data, {.epochs = 1, .batch = 1, .order = &order});
    return to_host(be, std::as_const(net).parameters().all());
  };
  CHECK(weights_after({3, 1, 0, 2}) == weights_after({3, 1, 0, 2}));
  CHECK(weights_after({3, 1, 0, 2}) != weights_after({0, 1, 2, 3}));
  CHECK_THROWS_WITH(weights_after({0, 1, 1, 3}),
                    "the order of an epoch names sample 1 twice; it must name each exactly once");
  CHECK_THROWS_WITH(weights_after({0, 1, 2, 4}),
                    "the order of an epoch names sample 4, expected 0 to 3");
  CHECK_THROWS_AS(weights_after({0, 1, 2, -1}), value_error);
}

}  // namespace tashfeen_test

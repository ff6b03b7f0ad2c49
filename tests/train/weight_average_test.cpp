// Averages of parameters beside those that are taken on the host from the parameters of each step.
#include "chainrule/train/weight_average.hpp"

#include <cmath>
#include <string>
#include <vector>

#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace weight_average_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

/// Ten samples of three features and two targets.
template <class B>
struct problem {
  using T = scalar_t<B>;
  explicit problem(const B& be)
      : x_host(make(30)),
        t_host(make(20)),
        data(be, matrix_view<const T>(x_host.data(), 10, 3),
             matrix_view<const T>(t_host.data(), 10, 2)) {}
  static std::vector<T> make(int count) {
    std::vector<T> values;
    for (int i = 0; i < count; ++i) values.push_back(static_cast<T>(i * 7 % 11) / 8 - T(0.5));
    return values;
  }
  std::vector<T> x_host, t_host;
  dataset<B> data;
};

template <class B>
std::vector<double> elements(const B& be, const arena<B>& a) {
  const auto host = to_host(be, a.all());
  return {host.begin(), host.end()};
}

/// Parameters and states after each batch and each epoch.
template <class B>
struct recorder final : callback {
  explicit recorder(network<B>& n) : net(&n) {}
  network<B>* net;
  std::vector<std::vector<double>> batches, epochs, states;
  void on_batch_end(const batch_record&) override {
    batches.push_back(elements(net->backend(), std::as_const(*net).parameters()));
    states.push_back(elements(net->backend(), std::as_const(*net).states()));
  }
  void on_epoch_end(const epoch_record&) override { epochs.push_back(batches.back()); }
};

std::vector<double> exponential_average(const std::vector<std::vector<double>>& values,
                                        double decay) {
  std::vector<double> mean = values.front();
  for (std::size_t n = 1; n < values.size(); ++n)
    for (std::size_t i = 0; i < mean.size(); ++i)
      mean[i] = decay * mean[i] + (1 - decay) * values[n][i];
  return mean;
}

bool near(const std::vector<double>& got, const std::vector<double>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = std::fmax(worst, std::isnan(got[i]) ? 1 : std::fabs(got[i] - expected[i]));
  CAPTURE(worst, tolerance);
  return worst <= tolerance;
}

/// A few roundings of numbers up to 2 per update.
template <class B>
constexpr double tolerance_of(int updates) {
  return 8 * updates * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an exponential average follows every update", "[train][average]",
                        backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  network net{be, dense{3, 4}, batch_norm{}, dense{2}};
  trainer t{net, mean_squared_error{}, sgd{0.2}};
  recorder<B> seen(net);
  ema_weights average{net, 0.7};
  t.fit(p.data, {.epochs = 2, .batch = 4, .callbacks = {&seen, &average}});
  REQUIRE(seen.batches.size() == 6);
  CHECK(average.count() == 6);
  const auto expected = exponential_average(seen.batches, 0.7);
  CHECK(near(elements(be, average.parameters()), expected, tolerance_of<B>(6)));
  // The parameters have moved by far more than the tolerance.
  CHECK_FALSE(near(seen.batches.back(), expected, 1e-3));

  const auto own = elements(be, std::as_const(net).parameters());
  const auto own_states = elements(be, std::as_const(net).states());
  network copy = average.averaged();
  average.swap();
  CHECK(near(elements(be, std::as_const(net).parameters()), expected, tolerance_of<B>(6)));
  CHECK(near(elements(be, std::as_const(net).states()), exponential_average(seen.states, 0.7),
             tolerance_of<B>(6)));
  CHECK(elements(be, std::as_const(copy).parameters()) ==
        elements(be, std::as_const(net).parameters()));
  CHECK(elements(be, std::as_const(copy).states()) == elements(be, std::as_const(net).states()));
  average.swap();
  CHECK(elements(be, std::as_const(net).parameters()) == own);
  CHECK(elements(be, std::as_const(net).states()) == own_states);

  // A new average begins with the values themselves, to the bit.
  average.reset();
  average.update();
  CHECK(elements(be, average.parameters()) == own);
}

TEMPLATE_LIST_TEST_CASE("stochastic weight averaging is the mean of the last epochs",
                        "[train][average]", backends) {
  using B = TestType;
  const B be;
  const problem<B> p(be);
  network net{be, dense{3, 2}};
  trainer t{net, mean_squared_error{}, sgd{0.2}};
  recorder<B> seen(net);
  swa_weights average{net, 2};
  t.fit(p.data, {.epochs = 4, .batch = 4, .callbacks = {&seen, &average}});
  CHECK(average.count() == 3);
  std::vector<double> mean(seen.epochs[0].size(), 0.0);
  for (std::size_t e = 1; e < 4; ++e)
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += seen.epochs[e][i] / 3;
  CHECK(near(elements(be, average.parameters()), mean, tolerance_of<B>(3)));
  CHECK_FALSE(near(seen.epochs[3], mean, 1e-3));
}

TEST_CASE("averages refuse what they cannot do", "[train][average]") {
  using B = support::tested<double>;
  network net{B{}, dense{1, 1}};
  ema_weights average{net};
  CHECK(complaint<value_error>([&] { average.swap(); }) ==
        "no parameters were averaged yet; give the average to fit as a callback, or call update()");
  CHECK(complaint<value_error>([&] { static_cast<void>(average.averaged()); }) ==
        "no parameters were averaged yet; give the average to fit as a callback, or call update()");
  CHECK(complaint<value_error>([&] { ema_weights(net, 1.0); }) ==
        "ema_weights: the decay must be at least 0 and below 1, got 1");
  CHECK(complaint<value_error>([&] { swa_weights(net, 0); }) ==
        "weight averaging begins at epoch 1 or later, got 0");
}

}  // namespace weight_average_test

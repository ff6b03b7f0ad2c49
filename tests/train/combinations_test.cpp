// Options and callbacks of a training together, and fits that fail.
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/io/checkpoint.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/metrics/classification.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/lbfgs.hpp"
#include "chainrule/train/learning_rate_finder.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/scratch.hpp"
#include "train/three_classes.hpp"

namespace combinations_test {

using namespace chainrule;
using support::backends;
using support::complaint;
using support::three_classes;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

template <class Net>
std::vector<double> parameters_of(const Net& net) {
  std::vector<double> all;
  for (const auto v : to_host(net.backend(), net.parameters().all()))
    all.push_back(static_cast<double>(v));
  return all;
}

/// Sets all gradients of one step to NaN.
template <class B>
struct breaking final : gradient_callback<B> {
  explicit breaking(int at) : step(at) {}
  void before_update(const B& be, arena<B>& gradients) override {
    if (++steps == step) be.map(fn::fill{not_a_number}, gradients.all());
  }
  int step, steps = 0;
};

struct throwing final : callback {
  void on_fit_begin(const fit_record&) override {
    if (at_begin) throw value_error("not today");
  }
  void on_batch_end(const batch_record& r) override {
    if (!at_begin && r.step == 3) throw value_error("not this step");
  }
  bool at_begin = true;
};

struct numbering final : callback {
  void on_fit_begin(const fit_record& r) override { before = r.epochs_done; }
  void on_epoch_end(const epoch_record& r) override { numbers.push_back(before + r.epoch); }
  std::int64_t before = 0;
  std::vector<std::int64_t> numbers;
};

struct stop_at final : callback {
  explicit stop_at(std::int64_t at) : step(at) {}
  void on_batch_end(const batch_record& r) override { is_reached = r.step == step; }
  [[nodiscard]] std::string_view should_stop() const override { return is_reached ? "enough" : ""; }
  std::int64_t step;
  bool is_reached = false;
};

/// A loss that does not say whether samples are independent.
struct coupled {
  static constexpr const char* name = "coupled loss";
  template <backend B>
  void operator()(const B&, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B>, matrix<B>,
                  loss_scratch<B>&) const {}
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("parameters that the last step of an epoch broke are never the best",
                        "[train][combinations]", backends) {
  const TestType be;
  const auto data = three_classes(be, 12);
  const scratch::folder folder;
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  // One batch per epoch: the loss of epoch 3 is that before the step with the broken gradients.
  breaking<TestType> broken{3};
  early_stopping best{{.patience = 9}, net};
  model_checkpoint saved{t, {.file = folder / "last.safetensors"}};
  const history h = t.fit(data, {.epochs = 3, .batch = 12, .callbacks = {&broken, &best, &saved}});
  REQUIRE(detail::is_finite(h.epochs[2].training.loss));
  CHECK(h.reason == stop_reason::diverged);
  CHECK(best.best_epoch() == 2);
  const std::vector<double> restored = parameters_of(std::as_const(net));
  CHECK(detail::is_finite(restored[0]));
  load_weights(net, folder / "last.safetensors");
  CHECK(parameters_of(std::as_const(net)) == restored);
}

TEMPLATE_LIST_TEST_CASE("steps of several batches continue with the random numbers of one fit",
                        "[train][combinations]", backends) {
  const TestType be;
  const auto data = three_classes(be, 12);
  const scratch::folder folder;
  for (const index_t accumulate : {1, 2, 3}) {  // of 3 batches per epoch
    CAPTURE(accumulate);
    const auto train = [&](bool in_two) {
      network net{be, dense{4, 8, fn::tanh{}}, dropout{0.5}, dense{3}};
      net.initialize(3);
      trainer t{net, softmax_cross_entropy{}, momentum{0.1}};
      const fit_options<TestType> options{
          .epochs = in_two ? 1 : 2, .batch = 4, .seed = 7, .accumulate = accumulate};
      t.fit(data, options);
      if (!in_two) return parameters_of(std::as_const(net));
      save_training(t, folder / "run.safetensors");
      network again{be, dense{4, 8, fn::tanh{}}, dropout{0.5}, dense{3}};
      trainer resumed{again, softmax_cross_entropy{}, momentum{0.1}};
      (void)load_training(resumed, folder / "run.safetensors");
      CHECK(resumed.progress().passes == 3);
      CHECK(resumed.epochs_done() == 1);
      resumed.fit(data, options);
      return parameters_of(std::as_const(again));
    };
    CHECK(train(true) == train(false));
  }
}

TEMPLATE_LIST_TEST_CASE("a range test leaves the training as it was, even where fit fails",
                        "[train][combinations]", backends) {
  const TestType be;
  const auto data = three_classes(be, 12);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, momentum{0.1}};
  stop_at second{2};
  t.fit(data, {.epochs = 1, .batch = 4, .seed = 7, .callbacks = {&second}});
  REQUIRE(t.place() == epoch_place{8, 12, 7});
  const std::vector<double> before = parameters_of(std::as_const(net));
  const auto check = [&] {
    CHECK(t.rate() == 0.1);
    CHECK(t.steps() == 2);
    CHECK(t.place() == epoch_place{8, 12, 7});
    CHECK(parameters_of(std::as_const(net)) == before);
  };
  learning_rate_finder finder{t, {.steps = 10}};
  throwing fails;
  for (const bool at_begin : {true, false}) {
    fails.at_begin = at_begin;
    CHECK_THROWS_AS(t.fit(data, {.epochs = 5, .batch = 4, .callbacks = {&finder, &fails}}),
                    value_error);
    check();
  }
  t.fit(data, {.epochs = 5, .batch = 4, .callbacks = {&finder}});  // another seed
  check();
}

TEMPLATE_LIST_TEST_CASE("epochs are numbered over all fits, short ones and stopped ones too",
                        "[train][combinations]", backends) {
  const TestType be;
  const auto data = three_classes(be, 12);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  numbering n;
  for (int i = 0; i < 2; ++i)
    t.fit(data, {.epochs = 2, .batch = 2, .callbacks = {&n}, .steps_per_epoch = 2});
  CHECK(n.numbers == std::vector<std::int64_t>{1, 2, 3, 4});
  CHECK(t.epochs() == 2);  // passes over the data: 8 steps of 6

  stop_at tenth{10};
  t.fit(data, {.epochs = 3, .batch = 2, .callbacks = {&n, &tenth}});
  CHECK(t.epochs_done() == 4);
  t.fit(data, {.epochs = 1, .batch = 2, .callbacks = {&n}});  // the rest of it
  CHECK(n.numbers == std::vector<std::int64_t>{1, 2, 3, 4, 5, 5});
  CHECK(t.epochs_done() == 5);

  struct in_order final : epoch_order {
    void draw(std::span<std::int32_t> order) override {
      for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    }
  } order;
  CHECK(complaint<value_error>([&] { t.fit(data, {.order = &order, .steps_per_epoch = 1}); }) ==
        "an order of epochs is drawn anew for each of them, so that shorter epochs never reach the "
        "samples at its end; leave order or steps_per_epoch out");
}

TEMPLATE_LIST_TEST_CASE("samples of weight 0 are neither checked nor blamed",
                        "[train][combinations]", backends) {
  const TestType be;
  host_matrix x(4, 1), y(4, 1);
  for (index_t i = 0; i < 4; ++i) x(i, 0) = static_cast<double>(i), y(i, 0) = i < 2 ? 0 : 1;
  y(3, 0) = not_a_number;
  const auto data = dataset<TestType>(be, x, y).weighted({1, 1, 1, 0});
  network net{be, dense{1, 1}};
  trainer t{net, sigmoid_cross_entropy{}, sgd{0.1}};
  const history h = t.fit(data, {.epochs = 2, .batch = 4});
  CHECK(h.reason == stop_reason::finished);
  CHECK(data.what_is_not_finite().empty());
  CHECK(data.weighted({1, 1, 1, 1}).what_is_not_finite() == "the targets of sample 3");
}

TEST_CASE("weights are refused where samples depend on each other", "[train][combinations]") {
  using B = support::tested<float>;
  const B be;
  network net{be, dense{4, 3}};
  trainer t{net, coupled{}, sgd{0.1}};
  const auto data = three_classes(be, 3).weighted({1, 2, 3});
  CHECK(complaint<value_error>([&] { t.fit(data); }) ==
        "weights of samples multiply the loss of each sample and its gradient, but coupled loss "
        "does not say that samples are independent");
}

TEMPLATE_LIST_TEST_CASE("what breaks a step is named beside accumulation and overflow",
                        "[train][combinations]", backends) {
  using T = scalar_t<TestType>;
  const TestType be;
  network net{be, dense{1, 1}};
  trainer t{net, mean_squared_error{}, sgd{0.1}};
  anomaly_detection where{t};
  host_matrix x(8, 1), y(8, 1);
  for (index_t i = 0; i < 8; ++i) x(i, 0) = 1, y(i, 0) = 0;
  x(0, 0) = not_a_number;
  t.fit(dataset<TestType>(be, x, y), {.batch = 2, .callbacks = {&where}, .accumulate = 4});
  CHECK(where.found());  // in which batch the sample lies depends on the order
  CHECK(where.report().substr(0, 8) == "step 1: ");

  // (1e30)² is too large for a float, the gradient 2e30 is not.
  const double far = std::sqrt(static_cast<double>(std::numeric_limits<T>::max())) * 100;
  host_matrix one(1, 1), target(1, 1);
  one(0, 0) = 1, target(0, 0) = far;
  net.initialize(1);
  anomaly_detection again{t};
  t.fit(dataset<TestType>(be, one, target), {.epochs = 1, .batch = 1, .callbacks = {&again}});
  CHECK(again.report() ==
        "step " + std::to_string(t.steps()) +
            ": the loss is not finite, although its gradients are; it is too large for a number");
}

TEST_CASE("a trainer's metrics have names of their own", "[train][combinations]") {
  using B = support::tested<float>;
  const B be;
  network net{be, dense{4, 3}};
  CHECK(complaint<value_error>([&] {
          trainer<B>(net, softmax_cross_entropy{}, sgd{0.1}, {accuracy{}, accuracy{}});
        }) == "the metrics of a trainer are found by name, and two are named 'accuracy'");
}

TEST_CASE("L-BFGS does not depend on the scale of the inputs", "[train][combinations]") {
  using B = support::tested<float>;
  const B be;
  const auto loss_at = [&](double scale) {
    host_matrix x(24, 2), y(24, 1);
    for (index_t i = 0; i < 24; ++i) {
      const double a = static_cast<double>(i * 7 % 11) / 11,
                   b = static_cast<double>(i * 5 % 13) / 13;
      x(i, 0) = scale * a, x(i, 1) = scale * (a + 0.1 * b), y(i, 0) = a - 2 * b;
    }
    network net{be, dense{2, 1}};
    return lbfgs_minimize(net, mean_squared_error{}, dataset<B>(be, x, y), {.max_steps = 20}).loss;
  };
  // The sum of squares is 0 at the solution; float inputs leave their rounding.
  CHECK(loss_at(1) < 1e-6);
  CHECK(loss_at(1e4) < 1e-6);
}

}  // namespace combinations_test

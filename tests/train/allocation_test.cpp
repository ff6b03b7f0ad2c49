// A step of training allocates nothing on the CPU.
#include <array>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/gradient_statistics.hpp"
#include "chainrule/train/json_lines_log.hpp"
#include "chainrule/train/learning_rate_finder.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/static_trainer.hpp"
#include "chainrule/train/stop_conditions.hpp"
#include "chainrule/train/tensorboard_log.hpp"
#include "chainrule/train/trainer.hpp"
#include "chainrule/train/weight_average.hpp"
#include "chainrule/train/weight_constraints.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

// Last: clang's header of vector types declares one of these functions without noexcept.
#include "network/allocations.hpp"

namespace allocation_test {

using namespace chainrule;

namespace {

/// The allocations that were made before each batch ended.
class counter final : public callback {
 public:
  void on_batch_end(const batch_record&) override {
    if (batches < counts.size()) counts[batches++] = allocations::count;
  }
  std::array<long, 30> counts{};
  std::size_t batches = 0;
};

void check_steps(index_t hidden, index_t batch, index_t last, const augmentation& a = {},
                 index_t accumulate = 1) {
  using B = basic_cpu<double>;
  constexpr index_t features = 30;
  const index_t samples = 8 * accumulate * batch + last;
  std::vector<double> x;
  std::vector<int> classes;
  for (index_t i = 0; i < samples; ++i) {
    classes.push_back(static_cast<int>(i % 3));
    for (index_t c = 0; c < features; ++c) x.push_back(c == (i < 30 ? i : i + 1) % 3 ? 2 : 0);
  }
  const B be{2};
  dataset<B> data(be, matrix_view<const double>(x.data(), samples, features), classes, 3, 1,
                  {.sample = {5, 3, 2}});
  if (accumulate > 1) data = data.weighted_by_class(balanced_class_weights(data));
  network net{be, dense{features, hidden, relu{}}, dense{hidden, 3}};
  trainer t{net, softmax_cross_entropy{}, chain(weight_decay{1e-4}, adam{})};
  ema_weights average{net};
  max_norm limit{net, 3};
  group_lasso sparse{net, 1e-3};
  early_stopping best{{.patience = 3}, net};
  reduce_on_plateau slower{t};
  terminate_on_nan broken;
  time_limit limit_of_time{1e9};
  const scratch::folder folder;
  csv_log csv{folder / "log.csv"};
  json_lines_log json{folder / "log.jsonl"};
  tensorboard_log board{folder / "logs", t};
  gradient_statistics statistics{t, nullptr};
  counter c;
  t.fit(data, {.epochs = 2,
               .batch = batch,
               .callbacks = {&average, &limit, &sparse, &best, &slower, &broken, &limit_of_time,
                             &csv, &json, &board, &statistics, &c},
               .accumulate = accumulate,
               .augment = a});
  REQUIRE(c.batches == 18);
  for (std::size_t i = 2; i < 9; ++i) CHECK(c.counts[i] == c.counts[1]);    // the first epoch
  for (std::size_t i = 10; i < 18; ++i) CHECK(c.counts[i] == c.counts[9]);  // the second
  if (allocations::counted) CHECK(c.counts[0] > 0);

  learning_rate_finder finder{t, {.first = 1e-6, .last = 1e-4, .steps = 9}};
  anomaly_detection where{t};
  counter d;
  t.fit(data, {.epochs = 1, .batch = batch, .callbacks = {&finder, &where, &d}, .augment = a});
  REQUIRE(d.batches == 9);
  for (std::size_t i = 2; i < 9; ++i) CHECK(d.counts[i] == d.counts[1]);
}

}  // namespace

TEST_CASE("a step of training allocates nothing after the first") { check_steps(40, 7, 4); }

TEST_CASE("nor does a step on a batch in parts") {
  REQUIRE(micro_batch_count(96, 34 * 300) == 3);
  check_steps(300, 96, 40);
}

TEST_CASE("nor does a step on several batches of weighted samples") {
  check_steps(40, 7, 4, {}, 3);
  check_steps(300, 96, 40, {}, 2);
}

TEST_CASE("nor does a step on augmented images") {
  const augmentation a{.flip = true, .crop = 0.8, .rotate = 10, .shift = 1, .erase = 0.5};
  check_steps(40, 7, 4, a);
  check_steps(300, 96, 40, a);
}

TEST_CASE("nor do the first step of a static network and its predictions") {
  static_network net{dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}};
  net.initialize(1);
  static_trainer trainer{net, quadratic_cost{}, chain(weight_decay{1e-4}, adam{})};
  std::array<float, 80> x;
  std::array<float, 16> y;
  x.fill(0.5F);
  y.fill(0.25F);
  const matrix_view<const float> samples(x.data(), 8, 10);
  const long before = allocations::count;
  (void)trainer.step(samples, matrix_view<const float>(y.data(), 8, 2));
  net.predict(samples, matrix_view<float>(y.data(), 8, 2));
  const std::array<float, 2> one = net.predict(std::array<float, 10>{});
  const long after = allocations::count;
  CHECK(after == before);
  CHECK(one[0] != 0.25F);
  CHECK(y[15] != 0.25F);
}

}  // namespace allocation_test

// Which samples a step of training sees, in which order, and by what it divides.
#include <algorithm>
#include <string>

#include "support/catch.hpp"
#include "train/numbered.hpp"

namespace epochs_test {

using namespace training;

namespace {

/// What the loss saw of a training of so many samples, batch by batch.
std::vector<seen_batch> batches_of(index_t samples, fit_options<be64> options) {
  const numbered all(samples);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  t.fit(data, options);
  CHECK(t.steps() == static_cast<std::int64_t>(seen.size()));
  return seen;
}

std::vector<index_t> sizes(const std::vector<seen_batch>& seen) {
  std::vector<index_t> result;
  for (const auto& b : seen) result.push_back(static_cast<index_t>(b.targets.size()));
  return result;
}

/// One over what the gradients were multiplied by.
std::vector<double> divisors(const std::vector<seen_batch>& seen) {
  std::vector<double> result;
  for (const auto& b : seen) result.push_back(1 / b.scale);
  return result;
}

/// The samples in the order in which they were seen, epoch by epoch.
std::vector<numbers_of_samples> orders(const std::vector<seen_batch>& seen, std::size_t samples) {
  std::vector<numbers_of_samples> epochs;
  for (const auto& b : seen) {
    if (epochs.empty() || epochs.back().size() == samples) epochs.emplace_back();
    epochs.back().insert(epochs.back().end(), b.targets.begin(), b.targets.end());
  }
  return epochs;
}

void check_each_exactly_once(numbers_of_samples order, std::size_t samples) {
  std::sort(order.begin(), order.end());
  REQUIRE(order.size() == samples);
  for (std::size_t i = 0; i < samples; ++i) CHECK(order[i] == static_cast<double>(i));
}

/// Gives the orders that it was made of, one after another.
class given_order final : public epoch_order {
 public:
  explicit given_order(std::vector<std::vector<std::int32_t>> orders)
      : orders_(std::move(orders)) {}
  void draw(std::span<std::int32_t> order) override {
    const auto& next = orders_.at(drawn_++);
    std::copy(next.begin(), next.end(), order.begin());
  }

 private:
  std::vector<std::vector<std::int32_t>> orders_;
  std::size_t drawn_ = 0;
};

}  // namespace

TEST_CASE("an epoch sees every sample exactly once, the last partial batch included") {
  const index_t batch = GENERATE(1, 2, 4, 5, 9, 10);
  CAPTURE(batch);
  const auto seen = batches_of(10, {.epochs = 3, .batch = batch, .seed = 5});
  const auto epochs = orders(seen, 10);
  REQUIRE(epochs.size() == 3);
  for (const auto& order : epochs) check_each_exactly_once(order, 10);
  for (const auto& b : seen) {
    CHECK(b.learning);
    for (std::size_t i = 0; i < b.targets.size(); ++i)  // the inputs that go with the targets
      CHECK(b.outputs[i] == 10 * b.targets[i] + 1);
  }
}

TEST_CASE("batches are averaged over their own size") {
  const auto seen = batches_of(10, {.epochs = 2, .batch = 4});
  CHECK(sizes(seen) == std::vector<index_t>{4, 4, 2, 4, 4, 2});
  CHECK(divisors(seen) == std::vector<double>{4, 4, 2, 4, 4, 2});
}

TEST_CASE("batches of one sample, and of more samples than there are") {
  const auto single = batches_of(3, {.epochs = 1, .batch = 1});
  CHECK(sizes(single) == std::vector<index_t>{1, 1, 1});
  CHECK(divisors(single) == std::vector<double>{1, 1, 1});
  const auto large = batches_of(3, {.epochs = 2, .batch = 64});
  CHECK(sizes(large) == std::vector<index_t>{3, 3});
  CHECK(std::fabs(divisors(large)[0] - 3) <= 4 * epsilon<be64> * 3);
  const auto one = batches_of(1, {.epochs = 2, .batch = 64});
  CHECK(sizes(one) == std::vector<index_t>{1, 1});
}

TEST_CASE("the ways in which some texts treat the last batch") {
  const auto full = batches_of(10, {.epochs = 1, .batch = 4, .divide_by_full_batch = true});
  CHECK(sizes(full) == std::vector<index_t>{4, 4, 2});
  CHECK(divisors(full) == std::vector<double>{4, 4, 4});
  const auto merged = batches_of(11, {.epochs = 2, .batch = 4, .merge_last_batch = true});
  CHECK(sizes(merged) == std::vector<index_t>{4, 7, 4, 7});
  CHECK(std::fabs(divisors(merged)[1] - 7) <= 4 * epsilon<be64> * 7);
  for (const auto& order : orders(merged, 11)) check_each_exactly_once(order, 11);
  const auto both = batches_of(
      10, {.epochs = 1, .batch = 4, .merge_last_batch = true, .divide_by_full_batch = true});
  CHECK(sizes(both) == std::vector<index_t>{4, 6});
  CHECK(divisors(both) == std::vector<double>{4, 4});
  const auto even = batches_of(8, {.epochs = 1, .batch = 4, .merge_last_batch = true});
  CHECK(sizes(even) == std::vector<index_t>{4, 4});
  const auto large = batches_of(3, {.epochs = 1, .batch = 8, .merge_last_batch = true});
  CHECK(sizes(large) == std::vector<index_t>{3});
}

TEST_CASE("each epoch has an order of its own, which the seed decides") {
  const auto first = orders(batches_of(20, {.epochs = 3, .batch = 6, .seed = 1}), 20);
  CHECK(first[0] != first[1]);
  CHECK(first[1] != first[2]);
  CHECK(first[0] != first[2]);
  // The batches are cut from the order, so their size does not change it.
  CHECK(orders(batches_of(20, {.epochs = 3, .batch = 7, .seed = 1}), 20) == first);
  CHECK(orders(batches_of(20, {.epochs = 3, .batch = 6, .seed = 2}), 20) != first);
}

TEST_CASE("a second call of fit goes on with new orders") {
  const numbered all(20);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  t.fit(data, {.epochs = 1, .seed = 1});
  t.fit(data, {.epochs = 2, .seed = 1});
  CHECK(orders(seen, 20) == orders(batches_of(20, {.epochs = 3, .seed = 1}), 20));
  CHECK(t.steps() == 3);
}

TEST_CASE("a trainer goes from one data set and batch size to another") {
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  for (const index_t count : {20, 5, 31}) {
    for (const index_t batch : {8, 3}) {
      seen.clear();
      const numbered all(count);
      const history h = t.fit(all.data(), {.epochs = 1, .batch = batch});
      CAPTURE(count, batch);
      check_each_exactly_once(orders(seen, static_cast<std::size_t>(count))[0],
                              static_cast<std::size_t>(count));
      CHECK(h.epochs[0].training.loss == static_cast<double>(count - 1) / 2);
    }
  }
}

TEST_CASE("an order that is given is taken, if it is one") {
  given_order order({{2, 0, 1, 3}, {3, 2, 1, 0}});
  const auto seen = batches_of(4, {.epochs = 2, .batch = 3, .order = &order});
  CHECK(orders(seen, 4) == std::vector<numbers_of_samples>{{2, 0, 1, 3}, {3, 2, 1, 0}});

  const auto refusal = [](std::vector<std::int32_t> numbers) {
    given_order bad({std::move(numbers)});
    return complaint<value_error>([&] { batches_of(3, {.epochs = 1, .batch = 2, .order = &bad}); });
  };
  CHECK(refusal({0, 2, 0}) ==
        "the order of an epoch names sample 0 twice; it must name each exactly once");
  CHECK(refusal({0, 3, 1}) == "the order of an epoch names sample 3, expected 0 to 2");
  CHECK(refusal({-1, 2, 1}) == "the order of an epoch names sample -1, expected 0 to 2");
}

TEST_CASE("an epoch of a given order that was stopped is not continued by the seed's order") {
  struct after_first final : callback {
    void on_batch_end(const batch_record&) override { seen = true; }
    [[nodiscard]] std::string_view should_stop() const override { return seen ? "enough" : ""; }
    bool seen = false;
  } stop;
  given_order order({{2, 0, 1, 3}});
  const numbered all(4);
  const auto data = all.data();
  auto net = line();
  std::vector<seen_batch> seen;
  trainer t{net, recording_loss{&seen}, sgd{0}};
  t.fit(data, {.epochs = 1, .batch = 2, .callbacks = {&stop}, .order = &order});
  CHECK(t.place() == epoch_place{});
  seen.clear();
  t.fit(data, {.epochs = 1, .batch = 2});
  check_each_exactly_once(orders(seen, 4)[0], 4);
}

TEST_CASE("two steps by hand") {
  // y = w x + b from w = 1, b = 0, cost (y - t)²/2, rate 0.01: x = 11, 1, 21 and t = 1, 0, 2.
  given_order order({{1, 0, 2}});
  const numbered all(3);
  auto net = line();
  trainer t{net, quadratic_cost{}, sgd{0.01}};
  const history h = t.fit(all.data(), {.epochs = 1, .batch = 2, .order = &order});
  // Errors 10 and 1: the gradient is (10 * 11 + 1 * 1)/2 = 55.5 in w, 5.5 in b.
  double w = 1 - 0.01 * 55.5;
  double b = 0 - 0.01 * 5.5;
  const double error = w * 21 + b - 2;
  const double third_loss = error * error / 2;
  w -= 0.01 * error * 21;
  b -= 0.01 * error;
  const auto learned = [&](const char* name) { return doubles(net.backend(), net.values(name)); };
  CHECK(distance(learned("0.weight"), std::vector<double>{w}) <= 20 * epsilon<be64>);
  CHECK(distance(learned("0.bias"), std::vector<double>{b}) <= 20 * epsilon<be64>);
  // The mean over the samples, each with the weights of its step; not over the batches.
  const double mean = (100.0 / 2 + 1.0 / 2 + third_loss) / 3;
  CHECK(std::fabs(h.epochs[0].training.loss - mean) <= 20 * epsilon<be64> * mean);
}

}  // namespace epochs_test

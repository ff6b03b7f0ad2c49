// Steps that accumulate the gradients of several batches beside steps on batches as large.
#include <cstdint>
#include <string>
#include <vector>

#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"
#include "train/numbered.hpp"

namespace accumulation_test {

using namespace batches;

namespace {

constexpr index_t count = 61;

template <class B>
struct samples {
  B be;
  std::vector<scalar_t<B>> x;
  std::vector<std::int32_t> tokens;
  std::vector<int> labels;

  samples() {
    random_stream random(5);
    for (index_t i = 0; i < count; ++i) {
      for (int j = 0; j < 4; ++j) x.push_back(static_cast<scalar_t<B>>(random.uniform(-1, 1)));
      for (int j = 0; j < 2; ++j) tokens.push_back(static_cast<std::int32_t>(random.below(6)));
      labels.push_back(static_cast<int>(random.below(3)));
    }
  }
  [[nodiscard]] dataset<B> data(const dataset_options& o = {}) const {
    return {be, matrix_view<const scalar_t<B>>(x.data(), count, 4), labels, 3, {}, o};
  }
  [[nodiscard]] dataset<B> indices() const {
    return {be, matrix_view<const std::int32_t>(tokens.data(), count, 2), labels, 3};
  }
};

/// Writes down what it hears of steps.
template <class B>
struct watch final : gradient_callback<B> {
  std::vector<index_t> sizes;
  std::vector<std::int64_t> steps;
  std::vector<double> losses;
  int updates = 0;
  index_t batch = 0;
  void on_fit_begin(const fit_record& r) override { batch = r.batch; }
  void on_batch_end(const batch_record& r) override {
    sizes.push_back(r.size);
    steps.push_back(r.step);
    losses.push_back(r.loss());
  }
  void before_update(const B&, arena<B>&) override { ++updates; }
};

struct outcome {
  std::vector<double> parameters, losses, rates;
  std::int64_t steps = 0;
};

template <class B, class Net>
outcome train(Net net, const dataset<B>& data, const fit_options<B>& options) {
  net.initialize(2);
  trainer t{net, softmax_cross_entropy{},
            chain(clip_by_norm{0.5}, adam{.rate = step_decay(0.02, 0.5, 2)})};
  outcome o;
  for (const epoch_record& r : t.fit(data, options).epochs) {
    o.losses.push_back(r.training.loss);
    o.rates.push_back(r.rate);
  }
  o.parameters = doubles(net.backend(), const_matrix<B>(net.parameters().all()));
  o.steps = t.steps();
  return o;
}

/// Sums of up to 24 products in another order, in 9 steps of Adam, which divides by the root of a
/// gradient's square: by numbers down to about 1e-3.
template <class B>
constexpr double bound = 1e5 * epsilon<B>;

template <class B>
void same(const outcome& a, const outcome& b) {
  CHECK(distance(a.parameters, b.parameters) <= bound<B>);
  CHECK(distance(a.losses, b.losses) <= bound<B>);
  CHECK(a.rates == b.rates);
  CHECK(a.steps == b.steps);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("accumulated batches take the steps of batches as large",
                        "[train][accumulate]", backends) {
  using B = TestType;
  const samples<B> s;
  const auto data = s.data();
  const auto net = [&] { return network{s.be, dense{4, 6, fn::tanh{}}, dense{6, 3}}; };
  // 61 = 2 · 24 + 13: the last step has a full batch of 8 and one of 5.
  const outcome large = train<B>(net(), data, {.epochs = 3, .batch = 24, .seed = 3});
  CHECK(large.steps == 9);
  same<B>(train<B>(net(), data, {.epochs = 3, .batch = 8, .seed = 3, .accumulate = 3}), large);
  CHECK(distance(train<B>(net(), data, {.epochs = 3, .batch = 8, .seed = 3}).parameters,
                 large.parameters) > 1e-2);
  // A whole epoch, and more batches than it has.
  const outcome epoch = train<B>(net(), data, {.epochs = 3, .batch = 61, .seed = 3});
  same<B>(train<B>(net(), data, {.epochs = 3, .batch = 20, .seed = 3, .accumulate = 1000}), epoch);
  same<B>(
      train<B>(net(), data,
               {.epochs = 3, .batch = 8, .seed = 3, .divide_by_full_batch = true, .accumulate = 3}),
      train<B>(net(), data, {.epochs = 3, .batch = 24, .seed = 3, .divide_by_full_batch = true}));
  if constexpr (parallel_backend<B>)  // 24 rows in three parts, 8 in one
    same<B>(train<B>(net(), data,
                     {.epochs = 3, .batch = 8, .seed = 3, .micro_batches = 3, .accumulate = 3}),
            large);
  if constexpr (dataset<B>::can_stream)
    same<B>(train<B>(net(), s.data({.inputs = residence::streamed}),
                     {.epochs = 3, .batch = 8, .seed = 3, .accumulate = 3}),
            large);
}

TEMPLATE_LIST_TEST_CASE("indices and weighted samples accumulate too", "[train][accumulate]",
                        backends) {
  using B = TestType;
  const samples<B> s;
  std::vector<double> weights;
  for (index_t i = 0; i < count; ++i) weights.push_back(static_cast<double>(i % 3));
  const auto net = [&] { return network{s.be, input{2}, embedding{6, 3}, flatten{}, dense{3}}; };
  const auto data = s.indices().weighted(weights);
  same<B>(train<B>(net(), data, {.epochs = 3, .batch = 8, .seed = 3, .accumulate = 3}),
          train<B>(net(), data, {.epochs = 3, .batch = 24, .seed = 3}));
}

TEMPLATE_LIST_TEST_CASE("callbacks hear of accumulated batches as of one", "[train][accumulate]",
                        backends) {
  using B = TestType;
  const samples<B> s;
  const auto data = s.data();
  const auto run = [&](index_t batch, index_t accumulate, watch<B>& w) {
    return train<B>(
        network{s.be, dense{4, 3}}, data,
        {.epochs = 2, .batch = batch, .seed = 3, .callbacks = {&w}, .accumulate = accumulate});
  };
  watch<B> large, small;
  same<B>(run(8, 3, small), run(24, 1, large));
  CHECK(small.sizes == std::vector<index_t>{24, 24, 13, 24, 24, 13});
  CHECK(small.steps == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  CHECK(small.updates == 6);
  CHECK(small.batch == 24);
  CHECK(large.sizes == small.sizes);
  CHECK(large.batch == small.batch);
  CHECK(distance(small.losses, large.losses) <= bound<B>);

  watch<B> merged;  // batches of 8, the last of 8 + 5
  network net{s.be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{}};
  t.fit(
      data,
      {.epochs = 1, .batch = 8, .callbacks = {&merged}, .merge_last_batch = true, .accumulate = 2});
  CHECK(merged.sizes == std::vector<index_t>{16, 16, 16, 13});
}

TEST_CASE("batches of a step draw other random numbers, and so does the next fit",
          "[train][accumulate]") {
  using B = tested<double>;
  const std::vector<double> ones(64, 1), zeros(64, 0);
  const B be;
  const dataset<B> data(be, matrix_view<const double>(ones.data(), 64, 1),
                        matrix_view<const double>(zeros.data(), 64, 1));
  network net{be, dense{1, 1}, dropout{0.5}};
  std::vector<training::seen_batch> seen;
  trainer t{net, training::recording_loss{&seen}, sgd{0}};
  for (int fit = 0; fit < 2; ++fit) t.fit(data, {.epochs = 1, .batch = 16, .accumulate = 4});
  REQUIRE(seen.size() == 8);
  for (std::size_t i = 0; i < 8; ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(seen[i].outputs != seen[j].outputs);
  CHECK(t.steps() == 2);
}

TEST_CASE("running statistics move with every batch of a step", "[train][accumulate]") {
  using B = tested<double>;
  const samples<B> s;
  const auto data = s.data();
  const auto states = [&](index_t accumulate) {
    network net{s.be, dense{4, 5}, batch_norm{}, dense{3}};
    trainer t{net, softmax_cross_entropy{}, sgd{0}};
    t.fit(data, {.epochs = 2, .batch = 8, .accumulate = accumulate});
    return doubles(s.be, const_matrix<B>(net.states().all()));
  };
  CHECK(same_bits(states(3), states(1)));
}

TEST_CASE("a training that is stopped between steps goes on to the bit", "[train][accumulate]") {
  using B = tested<double>;
  struct stop_after final : callback {
    explicit stop_after(std::int64_t step) : at(step) {}
    void on_batch_end(const batch_record& r) override { is_there = r.step == at; }
    [[nodiscard]] std::string_view should_stop() const override { return is_there ? "there" : ""; }
    std::int64_t at;
    bool is_there = false;
  };
  const samples<B> s;
  const auto data = s.data();
  const auto run = [&](std::int64_t step) {
    network net{s.be, dense{4, 3}, dropout{0.2}};
    net.initialize(2);
    trainer t{net, softmax_cross_entropy{}, adam{}};
    stop_after stop(step);
    t.fit(data, {.epochs = 1, .batch = 8, .seed = 3, .callbacks = {&stop}, .accumulate = 3});
    if (step > 0) {
      CHECK(t.place().done == 48);
      t.fit(data, {.epochs = 1, .batch = 8, .seed = 3, .accumulate = 3});
    }
    CHECK(t.steps() == 3);
    return doubles(s.be, const_matrix<B>(net.parameters().all()));
  };
  CHECK(same_bits(run(2), run(0)));
}

TEST_CASE("a step has at least one batch", "[train][accumulate]") {
  const samples<tested<float>> s;
  network net{s.be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{}};
  CHECK(complaint<value_error>([&] { t.fit(s.data(), {.accumulate = 0}); }) ==
        "a step of training needs at least 1 batch to accumulate, got 0");
  CHECK(t.steps() == 0);
}

}  // namespace accumulation_test

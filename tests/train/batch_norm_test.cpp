// Running statistics of batch_norm: trained on whole batches, saved, resumed and moved to the bit.
#include "chainrule/layers/batch_norm.hpp"

#include <utility>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/checkpoint.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace batch_norm_test {

using namespace batches;

namespace {

constexpr index_t count = 129;  // the last batch of 64 has one sample

/// Numbers in 3 classes, which a data set on the CPU uses where they lie.
template <class T>
struct samples {
  std::vector<T> values;
  std::vector<int> labels;
  samples() {
    random_stream random(3);
    for (index_t i = 0; i < count; ++i) labels.push_back(static_cast<int>(random.below(3)));
    for (index_t i = 0; i < count * 6; ++i)
      values.push_back(
          static_cast<T>(random.uniform(0, 1) + labels[static_cast<std::size_t>(i / 6)]));
  }
  [[nodiscard]] matrix_view<const T> inputs() const { return {values.data(), count, 6}; }
};

/// 3 positions of 2 channels, so that one sample has several values for each channel.
template <class B>
auto made(const B& be) {
  network net{be, input{3, 2}, dense{4}, batch_norm{relu{}}, flatten{}, dense{3}};
  net.initialize(5);
  return net;
}
template <class Network>
auto trainer_of(Network& net) {
  return trainer{net, softmax_cross_entropy{}, adam{0.02}};
}
template <class Network>
std::vector<double> state(const Network& net) {
  return doubles(net.backend(), net.states().all());
}
template <class Network>
std::vector<double> parameters(const Network& net) {
  return doubles(net.backend(), net.parameters().all());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("batch statistics are saved, resumed and moved to the bit",
                        "[train][normalization]", backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s;
  const dataset<B> data(be, s.inputs(), s.labels, 3);
  const scratch::folder folder;
  const auto options = [](int epochs) {
    return fit_options<B>{.epochs = epochs, .batch = 64, .seed = 11};
  };

  auto whole = made(be);
  const auto initial = state(whole);
  auto straight = trainer_of(whole);
  straight.fit(data, options(4));

  auto midway = made(be);
  auto before = trainer_of(midway);
  before.fit(data, options(2));
  const auto trained = state(midway);
  CHECK(distance(trained, initial) > 0.1);
  CHECK(before.evaluate(data).loss > 0);  // neither evaluation nor inference changes them
  CHECK(same_bits(state(midway), trained));

  save_training(before, folder / "training");
  auto rest = made(be);
  auto after = trainer_of(rest);
  load_training(after, folder / "training");
  CHECK(same_bits(state(rest), trained));
  after.fit(data, options(2));
  CHECK(same_bits(state(rest), state(whole)));
  CHECK(same_bits(parameters(rest), parameters(whole)));

  save_weights(midway, folder / "weights");
  auto loaded = made(be);
  load_weights(loaded, folder / "weights");
  CHECK(same_bits(state(loaded), trained));

  // To the host, in the widest scalar, and back.
  const auto moved = midway.to(basic_cpu<double>{});
  CHECK(same_bits(state(moved), trained));
  CHECK(same_bits(state(moved.to(be)), trained));
  CHECK(same_bits(state(midway.clone()), trained));
}

TEST_CASE("batch_norm takes batches whole", "[train][normalization]") {
  using B = basic_cpu<double>;
  const samples<double> s;
  const auto run = [&](int threads, index_t parts) {
    const B be{threads};
    auto net = made(be);
    auto t = trainer_of(net);
    t.fit(dataset<B>(be, s.inputs(), s.labels, 3),
          {.epochs = 2, .batch = 64, .seed = 11, .micro_batches = parts});
    return std::pair(state(net), parameters(net));
  };
  CHECK(complaint<value_error>([&] { (void)run(1, 2); }) ==
        "a batch cannot be cut into 2 micro-batches: a layer needs the whole batch");
  const auto [statistics, values] = run(1, 0);
  const auto [statistics_2, values_2] = run(2, 0);
  CHECK(same_bits(statistics, statistics_2));
  CHECK(same_bits(values, values_2));
}

}  // namespace batch_norm_test

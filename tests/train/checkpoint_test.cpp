// A training that is saved and loaded, or moved to another backend, goes on as if nothing had been.

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/checkpoint.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/scratch.hpp"

namespace checkpoint_test {

using namespace chainrule;
using support::backends;
using support::complaint;

namespace {

/// 37 samples of 6 bytes in 3 classes.
struct samples {
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  samples() {
    random_stream random(3);
    for (int i = 0; i < 37 * 6; ++i) pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    for (int i = 0; i < 37; ++i) labels.push_back(static_cast<int>(random.below(3)));
  }
  [[nodiscard]] matrix_view<const std::uint8_t> inputs() const { return {pixels.data(), 37, 6}; }
};

template <class B>
auto make_network(const B& be) {
  network net{be, dense{6, 9, gelu{}}, dropout{0.25}, dense{9, 3}};
  net.initialize(5);
  return net;
}

template <class Network>
auto make_trainer(Network& net) {
  return trainer{net, softmax_cross_entropy{}, chain(weight_decay{0.01}, adam{cosine(0.01, 40)})};
}

template <class Network>
std::vector<double> parameters(const Network& net) {
  const auto values = to_host(net.backend(), net.parameters().all());
  return {values.begin(), values.end()};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "a training that is saved and loaded takes the same steps as one that is not",
    "[train][checkpoint]", backends) {
  using B = TestType;
  const B be;
  const samples s;
  const dataset<B> data(be, s.inputs(), s.labels, 3, 1.0 / 255);
  const scratch::folder folder;
  const std::string file = folder / "training";

  auto whole = make_network(be);
  auto straight = make_trainer(whole);
  straight.fit(data, {.epochs = 4, .batch = 8, .seed = 11});

  auto first_half = make_network(be);
  auto before = make_trainer(first_half);
  before.fit(data, {.epochs = 2, .batch = 8, .seed = 11});
  save_training(before, file, {{"note", "half"}});

  auto second_half = make_network(be);
  second_half.initialize(99);
  auto after = make_trainer(second_half);
  CHECK(load_training(after, file).at("note") == "half");
  CHECK(after.steps() == 10);
  CHECK(after.epochs() == 2);
  after.fit(data, {.epochs = 2, .batch = 8, .seed = 11});
  CHECK(parameters(second_half) == parameters(whole));
  CHECK(parameters(second_half) != parameters(first_half));

  // The weights alone can be read from it too, by a network that is not being trained.
  auto weights = make_network(be);
  load_weights(weights, file);
  CHECK(parameters(weights) == parameters(first_half));
}

TEMPLATE_LIST_TEST_CASE("a training goes on on another backend", "[train][checkpoint]", backends) {
  using B = TestType;
  const B be;
  const basic_cpu<double> there(1);
  const samples s;
  const dataset<B> data(be, s.inputs(), s.labels, 3, 1.0 / 255);
  const dataset<basic_cpu<double>> data_there(there, s.inputs(), s.labels, 3, 1.0 / 255);

  network here{be, dense{6, 9, gelu{}}, dense{9, 3}};  // random numbers differ between scalars
  auto before = make_trainer(here);
  before.fit(data, {.epochs = 2, .batch = 8, .seed = 11});
  auto moved = here.to(there);
  CHECK(parameters(moved) == parameters(here));
  auto after = make_trainer(moved);
  after.resume_from(before);
  CHECK(after.steps() == before.steps());

  before.fit(data, {.epochs = 2, .batch = 8, .seed = 11});
  after.fit(data_there, {.epochs = 2, .batch = 8, .seed = 11});
  // 10 steps of a few hundred roundings each, of numbers of about 1; where Adam's direction is a
  // small gradient over its own size, an error is scaled up by 1 / sqrt(eps) at most.
  const double eps = static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon());
  const double bound = eps < 1e-10 ? 1e-9 : 1e-3;
  const auto a = parameters(here);
  const auto b = parameters(moved);
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= worst)) worst = std::abs(a[i] - b[i]);
  CHECK(worst <= bound);
}

TEST_CASE("a training refuses what is not its own", "[train][checkpoint]") {
  const support::tested<float> be;
  using B = support::tested<float>;
  const scratch::folder folder;
  const std::string file = folder / "training";
  network net{be, dense{4, 3}};
  trainer<B> by_sgd{net, softmax_cross_entropy{}, sgd{0.1}};
  trainer by_momentum{net, softmax_cross_entropy{}, momentum{0.1}};
  save_training(by_sgd, file);
  CHECK(complaint<format_error>([&] { load_training(by_momentum, file); }) ==
        file + ": this training was made by 'sgd', this one is made by 'momentum'");
  save_weights(net, file);
  CHECK(complaint<format_error>([&] { load_training(by_sgd, file); }) ==
        file + ": these are weights without a training; read them by load_weights");
  save_weights(net, file, {{"optimizer", "sgd"}, {"steps", "-3"}, {"epochs", "0"}});
  CHECK(complaint<format_error>([&] { load_training(by_sgd, file); }) ==
        file + ": the metadata 'steps' must be a number of 0 to 9007199254740992, got '-3'");
  save_weights(net, file, {{"optimizer", "momentum"}, {"steps", "3"}, {"epochs", "1"}});
  CHECK(complaint<format_error>([&] { load_training(by_momentum, file); }) ==
        file + ": tensor 'optimizer.0.0.weight' is missing, expected with the shape [4, 3]");
  CHECK(by_momentum.steps() == 0);
  CHECK(complaint<value_error>([&] {
          save_training(by_sgd, file, {{"steps", "5"}});
        }) == "the metadata key 'steps' is the library's own; choose another name");
  CHECK(complaint<value_error>([&] { by_momentum.resume_from(by_sgd); }) ==
        "a training by 'momentum' cannot go on from one by 'sgd'; give both the same rules");
  network other{be, dense{4, 2}};
  CHECK(complaint<shape_error>([&] { other.assign(net); }) ==
        "parameter 0.weight is 4x2, that to take is 0.weight of 4x3");
}

namespace {

/// Stops a training after so many batches, once.
class stop_after final : public callback {
 public:
  explicit stop_after(int batches) : left_(batches) {}
  void on_batch_end(const batch_record&) override { --left_; }
  [[nodiscard]] std::string_view should_stop() const override {
    return left_ == 0 ? "enough" : std::string_view{};
  }

 private:
  int left_;
};

}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "a training that was stopped within an epoch takes the steps that it would have",
    "[train][checkpoint]", backends) {
  using B = TestType;
  const B be;
  const samples s;
  const dataset<B> data(be, s.inputs(), s.labels, 3, 1.0 / 255);
  const scratch::folder folder;
  const std::string file = folder / "training";
  const bool merge = GENERATE(false, true);
  // Of 5 batches of 8 and a last one of 5, or of 3 of 8 and a last one of 13; 3 epochs.
  const int per_epoch = merge ? 4 : 5;
  const fit_options<B> all{.epochs = 3, .batch = 8, .seed = 11, .merge_last_batch = merge};
  auto whole = make_network(be);
  auto straight = make_trainer(whole);
  straight.fit(data, all);

  for (const int batches : {1, 3, per_epoch, per_epoch + 2, 3 * per_epoch - 1}) {
    CAPTURE(merge, batches);
    auto first = make_network(be);
    auto before = make_trainer(first);
    stop_after stop(batches);
    fit_options<B> options = all;
    options.callbacks = {&stop};
    const int begun = static_cast<int>(before.fit(data, options).epochs.size());
    save_training(before, file);

    // The rest of the epoch under way counts as one, be it from the file or in the same program.
    const bool within = batches % per_epoch != 0;
    options.epochs = 3 - begun + (within ? 1 : 0);
    options.callbacks = {};
    auto second = make_network(be);
    second.initialize(99);
    auto after = make_trainer(second);
    (void)load_training(after, file);
    CHECK(after.place() == before.place());
    CHECK((after.place().done > 0) == within);
    const history h = after.fit(data, options);
    CHECK(after.steps() == straight.steps());
    CHECK(after.epochs() == straight.epochs());
    CHECK(after.place() == epoch_place{});
    CHECK(h.epochs.front().samples == 37 - 8 * (batches % per_epoch));
    CHECK(parameters(second) == parameters(whole));
    before.fit(data, options);
    CHECK(parameters(first) == parameters(whole));
  }
}

TEST_CASE("the rest of an epoch is left out where its order would be another",
          "[train][checkpoint]") {
  using B = support::tested<double>;
  const B be;
  const samples s;
  const dataset<B> data(be, s.inputs(), s.labels, 3, 1.0 / 255);
  const auto stopped = [&](auto& t) {
    stop_after stop(2);
    t.fit(data, {.epochs = 1, .batch = 8, .seed = 11, .callbacks = {&stop}});
    CHECK(t.place() == epoch_place{16, 37, 11});
  };
  auto net = make_network(be);
  auto t = make_trainer(net);
  stopped(t);
  CHECK(t.fit(data, {.epochs = 1, .batch = 8, .seed = 12}).epochs[0].samples == 37);
  stopped(t);
  const dataset<B> fewer(be, s.inputs().middle_rows(0, 20), std::vector<int>(20, 1), 3);
  CHECK(t.fit(fewer, {.epochs = 1, .batch = 8, .seed = 11}).epochs[0].samples == 20);
  // Another size of batch goes on with it all the same: each sample is seen once.
  stopped(t);
  const std::int64_t steps = t.steps();
  CHECK(t.fit(data, {.epochs = 1, .batch = 5, .seed = 11}).epochs[0].samples == 21);
  CHECK(t.steps() == steps + 5);
  stopped(t);
  CHECK(t.fit(data, {.epochs = 1, .batch = 30, .seed = 11, .merge_last_batch = true})
            .epochs[0]
            .samples == 21);
}

TEST_CASE("a file of before, without a place in the epoch, is read; absurd numbers are refused",
          "[train][checkpoint]") {
  using B = support::tested<float>;
  const B be;
  const scratch::folder folder;
  const std::string file = folder / "training";
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  save_weights(net, file, {{"optimizer", "sgd"}, {"steps", "7"}, {"epochs", "2"}});
  (void)load_training(t, file);
  CHECK(t.steps() == 7);
  CHECK(t.epochs() == 2);
  CHECK(t.place() == epoch_place{});

  save_weights(net, file,
               {{"optimizer", "sgd"}, {"steps", "9223372036854775807"}, {"epochs", "2"}});
  CHECK(complaint<format_error>([&] { (void)load_training(t, file); }) ==
        file +
            ": the metadata 'steps' must be a number of 0 to 9007199254740992, got "
            "'9223372036854775807'");
  CHECK(t.steps() == 7);
  CHECK(complaint<value_error>([&] {
          t.set_progress(std::numeric_limits<std::int64_t>::max(), 0);
        }) == "a training has made 0 to 9007199254740992 steps, got 9223372036854775807");
  CHECK(complaint<value_error>([&] { t.set_progress(-1, 0); }) ==
        "a training has made 0 to 9007199254740992 steps, got -1");

  // What a file says is not given to a terminal as it is.
  save_weights(net, file, {{"optimizer", "\x1b[31msgd"}, {"steps", "1"}, {"epochs", "2"}});
  CHECK(complaint<format_error>([&] { (void)load_training(t, file); }) ==
        file + ": this training was made by '?[31msgd', this one is made by 'sgd'");
  save_weights(net, file, {{"optimizer", "sgd"}, {"steps", "\x1b]0;x\a"}, {"epochs", "2"}});
  CHECK(complaint<format_error>([&] { (void)load_training(t, file); }) ==
        file + ": the metadata 'steps' must be a number of 0 to 9007199254740992, got '?]0;x?'");
}

}  // namespace checkpoint_test

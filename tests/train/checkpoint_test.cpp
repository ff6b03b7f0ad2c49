// A training that is saved and loaded, or moved to another backend, goes on as if nothing had been.

#include <cstdint>
#include <filesystem>
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

std::string temporary(const char* name) {
  return (std::filesystem::temp_directory_path() / name).string();
}

}  // namespace

TEMPLATE_LIST_TEST_CASE(
    "a training that is saved and loaded takes the same steps as one that is not",
    "[train][checkpoint]", backends) {
  using B = TestType;
  const B be;
  const samples s;
  const dataset<B> data(be, s.inputs(), s.labels, 3, 1.0 / 255);
  const std::string file =
      temporary(std::is_same_v<scalar_t<B>, float> ? "chainrule_run_f" : "chainrule_run_d");

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
  std::filesystem::remove(file);
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
  const std::string file = temporary("chainrule_run_refused");
  network net{be, dense{4, 3}};
  trainer<B, softmax_cross_entropy, sgd> by_sgd{net, softmax_cross_entropy{}, sgd{0.1}};
  trainer by_momentum{net, softmax_cross_entropy{}, momentum{0.1}};
  save_training(by_sgd, file);
  CHECK(complaint<format_error>([&] { load_training(by_momentum, file); }) ==
        file + ": this training was made by 'sgd', this one is made by 'momentum'");
  save_weights(net, file);
  CHECK(complaint<format_error>([&] { load_training(by_sgd, file); }) ==
        file + ": these are weights without a training; read them by load_weights");
  save_weights(net, file, {{"optimizer", "sgd"}, {"steps", "-3"}, {"epochs", "0"}});
  CHECK(complaint<format_error>([&] { load_training(by_sgd, file); }) ==
        file + ": the metadata 'steps' must be a number of at least 0, got '-3'");
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
  std::filesystem::remove(file);
}

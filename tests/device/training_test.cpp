// Whole trainings on a device, beside the same on the CPU.

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace training_test {

using namespace chainrule;
using on_device = support::tested<float>;

namespace {

struct outcome {
  std::vector<double> parameters;
  std::vector<double> losses;  // per epoch
  double test_loss = 0;
  std::vector<int> classes;
};

/// Two epochs over 37 samples of bytes in batches of 8 (so the last has 5), with dropout, an
/// activation that keeps its argument and one that keeps its output.
template <class B, class Rules>
outcome train(const B& be, const Rules& rules) {
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  random_stream random(3);
  for (int i = 0; i < 37 * 6; ++i) pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
  for (int i = 0; i < 37; ++i) labels.push_back(static_cast<int>(random.below(3)));
  const matrix_view<const std::uint8_t> inputs(pixels.data(), 37, 6);
  const dataset<B> data(be, inputs, labels, 3, 1.0 / 255);

  network net{be, dense{6, 9, gelu{}}, dropout{0.25}, dense{9, 7, fn::sigmoid{}}, dense{7, 3}};
  net.initialize(5);
  trainer t{net, softmax_cross_entropy{}, rules};
  outcome o;
  for (const epoch_record& r : t.fit(data, {.epochs = 2, .batch = 8, .seed = 11}).epochs)
    o.losses.push_back(r.training.loss);
  const auto parameters = to_host(be, const_matrix<B>(net.parameters().all()));
  o.parameters.assign(parameters.begin(), parameters.end());
  o.test_loss = t.evaluate(data).loss;
  o.classes = t.classify(data);
  return o;
}

/// The same training on both. Every step rounds a few hundred operations, and 10 steps follow one
/// another: 1e5 roundings of numbers of about 1.
template <class Rules>
void agree(const char* name, const Rules& rules) {
  INFO(name);
  constexpr double bound = 1e5 * std::numeric_limits<double>::epsilon();
  const outcome here = train(basic_cpu<double>(1), rules);
  const outcome there = train(support::tested<double>(), rules);
  REQUIRE(here.parameters.size() == there.parameters.size());
  double worst = 0;
  double moved = 0;
  for (std::size_t i = 0; i < here.parameters.size(); ++i) {
    // Written so that a NaN is the worst.
    if (!(std::abs(here.parameters[i] - there.parameters[i]) <= worst))
      worst = std::abs(here.parameters[i] - there.parameters[i]);
    moved += std::abs(here.parameters[i]);
  }
  CHECK(worst <= bound);
  CHECK(moved > 0);
  REQUIRE(there.losses.size() == 2);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(std::abs(here.losses[i] - there.losses[i]) <= bound * here.losses[i]);
  CHECK(std::abs(here.test_loss - there.test_loss) <= bound * here.test_loss);
  CHECK(here.classes == there.classes);
}

}  // namespace

TEST_CASE("a training on a device takes the CPU's steps", "[device]") {
  agree("sgd", sgd{0.1});
  agree("momentum", chain(weight_decay{0.01}, momentum{.rate = 0.1, .nesterov = true}));
  agree("adam", chain(clip_by_norm{0.5}, adam{.rate = cosine(0.01, 10)}, weight_decay{0.1, true}));
  agree("clip by value", chain(clip_by_value{0.02}, sgd{0.1}));
}

TEST_CASE("the same training on a device gives the same bits", "[device]") {
  const outcome first = train(on_device(), momentum{.rate = 0.1});
  const outcome second = train(on_device(), momentum{.rate = 0.1});
  CHECK(first.parameters == second.parameters);
  CHECK(first.losses == second.losses);
}

TEST_CASE("first weights are the same on the CPU and on a device", "[device]") {
  const cpu here(1);
  const on_device there;
  const network a{here, dense{17, 9, relu{}}, dense{9, 4}};
  const network b{there, dense{17, 9, relu{}}, dense{9, 4}};
  CHECK(to_host(here, a.parameters().all()) == to_host(there, b.parameters().all()));
}

TEST_CASE("a kernel that does not build says why, with its text", "[device]") {
  const auto runtime = on_device().runtime();
  try {
    (void)runtime->kernel("KERNEL cr_main(int x) { this is no kernel; }\n");
    FAIL("it was built");
  } catch (const backend_error& e) {
    const std::string said = e.what();
    CHECK(said.find("does not build") != std::string::npos);
    CHECK(said.find("this is no kernel") != std::string::npos);
  }
  // and the device goes on
  const on_device be;
  tensor<on_device> one(be, 1, 1);
  be.map(fn::fill{2}, one.view());
  CHECK(to_host(be, const_matrix<on_device>(one.view())) == std::vector<float>{2});
}

TEST_CASE("memory that is not there is an exception", "[device]") {
  const on_device be;
  // Twice the address space of today's machines.
  CHECK_THROWS_AS(be.allocate<double>(index_t{1} << 46), backend_error);
  CHECK_THROWS_AS(be.allocate<float>(-1), value_error);
}

}  // namespace training_test

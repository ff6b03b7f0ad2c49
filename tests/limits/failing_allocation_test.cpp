// Every allocation fails once: what was under way ends in an error of the library's or in
// std::bad_alloc, nothing leaks, nothing that was freed is used, and a load that failed has changed
// nothing. (The sanitizers see more of it.)
#include <cmath>
#include <cstdint>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/checkpoint.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/trainer.hpp"
#include "limits/heap.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace chainrule;

namespace {

/// Runs `work` again and again, its first allocation failing, then its second, and so on until all
/// have; after each, `check(failed)`. Returns how many there were.
template <class Work, class Check>
long each_allocation_failing(Work&& work, Check&& check) {
  for (long n = 0;; ++n) {
    const long blocks = heap::blocks;
    bool threw = true;
    heap::fail_after(n);
    try {
      work();
      threw = false;
    } catch (const error&) {
    } catch (const std::bad_alloc&) {
    }
    const bool failed = heap::stop();
    const long leaked = heap::blocks - blocks;
    CAPTURE(n);
    if (threw) {
      REQUIRE(failed);
      REQUIRE(leaked == 0);
    }
    check(threw);
    if (!failed) return n;
  }
}

/// 64 samples of 5 bytes in 3 classes.
struct samples {
  std::vector<std::uint8_t> pixels;
  std::vector<int> labels;
  samples() {
    random_stream random(3);
    for (int i = 0; i < 64 * 5; ++i) pixels.push_back(static_cast<std::uint8_t>(random.below(256)));
    for (int i = 0; i < 64; ++i) labels.push_back(static_cast<int>(random.below(3)));
  }
  [[nodiscard]] matrix_view<const std::uint8_t> inputs() const { return {pixels.data(), 64, 5}; }
};

auto make_network(const cpu& be) {
  return network{be, dense{5, 70, gelu{}}, dropout{0.25}, dense{70, 3}};
}
template <class Network>
auto make_trainer(Network& net) {
  return trainer{net, softmax_cross_entropy{}, chain(clip_by_norm{1}, weight_decay{0.01}, adam{})};
}

/// Everything that a training is.
template <class Trainer>
std::vector<float> state_of(Trainer& t) {
  std::vector<float> all{static_cast<float>(t.steps()), static_cast<float>(t.epochs())};
  const auto add = [&](const arena<cpu>& a) {
    const auto values = to_host(a.all().rows() == 1 ? t.net().backend() : cpu(1), a.all());
    all.insert(all.end(), values.begin(), values.end());
  };
  add(t.net().parameters());
  for (const arena<cpu>& a : t.optimizer().state()) add(a);
  return all;
}

const samples& data_of_tests() {
  static const samples s;
  return s;
}

}  // namespace

TEST_CASE("every allocation fails once: backend, network, data set, trainer") {
  const samples& s = data_of_tests();
  const auto nothing = [](bool) {};
  const auto backend_alone = [] { (void)cpu{4}; };
  CHECK(each_allocation_failing(backend_alone, nothing) >= 4);
  const auto all = [&] {
    const cpu be{4};
    const dataset<cpu> data(be, s.inputs(), s.labels, 3);
    auto net = make_network(be);
    auto moved = net.to(basic_cpu<double>(1));
    const network<cpu> chain_of_layers(be, {dense{5, 7, relu{}}, dense{7, 3}});
    auto t = make_trainer(net);
    (void)summary(net);
  };
  all();  // what is made once in a program is made
  CHECK(each_allocation_failing(all, nothing) > 50);
}

TEST_CASE("every allocation fails once: fit, and fit with another batch") {
  const samples& s = data_of_tests();
  const cpu be{4};
  const dataset<cpu> data(be, s.inputs(), s.labels, 3);
  const auto fit = [&](auto& t, index_t batch) {
    return t.fit(data, {.epochs = 1, .batch = batch, .validation = &data});
  };
  auto warm = make_network(be);
  auto warm_trainer = make_trainer(warm);
  fit(warm_trainer, 64);

  // A trainer that has never run.
  long count = each_allocation_failing(
      [&] {
        auto net = make_network(be);
        auto t = make_trainer(net);
        fit(t, 16);
      },
      [](bool) {});
  CHECK(count > 50);

  // One that has, with smaller and with larger batches: it can go on with either.
  for (const index_t other : {8, 64}) {
    auto net = make_network(be);
    auto t = make_trainer(net);
    fit(t, 16);
    fit(t, 64);
    fit(t, 16);
    long failures = 0;
    for (long n = 0;; ++n) {
      heap::fail_after(n);
      try {
        fit(t, other);
      } catch (const error&) {
      } catch (const std::bad_alloc&) {
      }
      const bool failed = heap::stop();
      CAPTURE(other, n);
      const history h = fit(t, 16);
      REQUIRE(h.reason == stop_reason::finished);
      REQUIRE(std::isfinite(h.epochs.back().validation.loss));
      if (!failed) break;
      ++failures;
    }
    CHECK(failures > 10);
  }
}

TEST_CASE("every allocation fails once: predict, evaluate, classify") {
  const samples& s = data_of_tests();
  const cpu be{4};
  const dataset<cpu> data(be, s.inputs(), s.labels, 3);
  auto net = make_network(be);
  auto t = make_trainer(net);
  const std::vector<float> x(5 * 300, 0.5F);
  const std::vector<float> expected =
      to_host(be, const_matrix<cpu>(net.predict({x.data(), 300, 5}).view()));
  const auto work = [&] {
    (void)net.predict({x.data(), 300, 5});
    (void)t.evaluate(data);
    (void)t.classify(data);
  };
  work();
  CHECK(each_allocation_failing(work, [](bool) {}) > 20);
  CHECK(to_host(be, const_matrix<cpu>(net.predict({x.data(), 300, 5}).view())) == expected);
}

TEST_CASE("every allocation fails once: save leaves the old file or the new one") {
  const scratch::folder folder;
  const std::string file = folder / "file";
  const cpu be(1);
  auto net = make_network(be);
  auto t = make_trainer(net);
  save_training(t, file, {{"note", "a text that is longer than what a string holds in itself"}});
  const std::string content = scratch::read(file);
  const auto check = [&](bool) {
    REQUIRE(folder.count() == 1);
    REQUIRE(scratch::read(file) == content);
  };
  const auto save = [&] {
    save_training(t, file, {{"note", "a text that is longer than what a string holds in itself"}});
  };
  CHECK(each_allocation_failing(save, check) > 50);
  save_weights(net, file);
  const std::string weights = scratch::read(file);
  CHECK(each_allocation_failing([&] { save_weights(net, file); },
                                [&](bool) { REQUIRE(scratch::read(file) == weights); }) > 50);
}

TEST_CASE("every allocation fails once: a load that failed has changed nothing") {
  const samples& s = data_of_tests();
  const scratch::folder folder;
  const std::string file = folder / "file";
  const cpu be(1);
  const dataset<cpu> data(be, s.inputs(), s.labels, 3);
  auto other_net = make_network(be);
  auto other = make_trainer(other_net);
  other.fit(data, {.epochs = 1});
  save_training(other, file,
                {{"note", "a text that is longer than what a string holds in itself"}});
  const std::vector<float> trained = state_of(other);

  auto net = make_network(be);
  net.initialize(9);
  auto t = make_trainer(net);
  const std::vector<float> before = state_of(t);
  const auto unchanged_or_loaded = [&](bool threw) {
    REQUIRE(state_of(t) == (threw ? before : trained));
    if (threw) return;
    net.initialize(9);
    for (arena<cpu>& a : t.optimizer().state()) be.map(fn::fill{0}, a.all());
    t.set_progress(0, 0);
  };
  SECTION("a training") {
    CHECK(each_allocation_failing([&] { (void)load_training(t, file); }, unchanged_or_loaded) > 50);
  }
  SECTION("the training of another trainer") {
    CHECK(each_allocation_failing([&] { t.resume_from(other); }, unchanged_or_loaded) > 3);
  }
  SECTION("weights") {
    const auto values = [](auto& n) {
      return to_host(n.backend(), std::as_const(n).parameters().all());
    };
    const auto old = values(net);
    const auto unchanged = [&](bool threw) {
      REQUIRE(values(net) == (threw ? old : values(other_net)));
      net.initialize(9);
    };
    CHECK(each_allocation_failing([&] { (void)load_weights(net, file); }, unchanged) > 50);
    CHECK(each_allocation_failing([&] { net.assign(other_net); }, unchanged) >= 2);
  }
}

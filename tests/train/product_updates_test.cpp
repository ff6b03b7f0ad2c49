// Weights that are updated by the products that compute their gradients: the bits of other steps,
// and gradients that are assigned whenever a callback or the caller may read them.
#include <cstring>
#include <string_view>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/adaptive.hpp"
#include "chainrule/optim/chain.hpp"
#include "chainrule/train/early_stopping.hpp"
#include "chainrule/train/trainer.hpp"
#include "cpu/sets.hpp"

namespace product_updates_test {

using namespace chainrule;

namespace {

constexpr index_t count = 70;  // batches of 32, 32 and 6
constexpr index_t features = 200;

struct samples {
  std::vector<float> x;
  std::vector<int> labels;
  samples() {
    random_stream random(5);
    for (index_t i = 0; i < count * features; ++i)
      x.push_back(static_cast<float>(random.uniform(-1, 1)));
    for (index_t i = 0; i < count; ++i) labels.push_back(static_cast<int>(random.below(10)));
  }
  [[nodiscard]] dataset<cpu> data(const cpu& be) const {
    return {be, matrix_view<const float>(x.data(), count, features), labels, 10};
  }
};

/// A large weight at the input, one within, and small ones.
auto net_of(const cpu& be) {
  network net{be, dense{features, 128, relu{}}, dropout{0.2}, dense{128, 160, fn::tanh{}},
              dense{160, 10}};
  net.initialize(3);
  return net;
}

std::vector<float> numbers(const cpu& be, const arena<cpu>& a) { return to_host(be, a.all()); }

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// A block that applies one dense layer twice and hands its link to both.
struct applied_twice {
  static constexpr const char* name = "applied_twice";
  dense<> first{128}, second{128};
  saved_id middle;
  scratch_id gradient;

  shape bind(plan& p, const shape& in) {
    const shape out = p.child("one", first, in);
    middle = p.intermediate(out.size());
    gradient = p.scratch(out.size());
    return p.child("one", second, out);
  }
  void describe(archive&) const {}
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    first.forward(p, x, p.saved(middle));
    second.forward(p, const_matrix<B>(p.saved(middle)), y);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    backward_link<B> alone;
    backward(p, x, y, dy, dx, alone);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy, matrix<B> dx,
                backward_link<B>& link) const {
    const const_matrix<B> m = p.saved(middle);
    second.backward(p, m, y, dy, p.scratch(gradient), link);
    first.backward(p, x, m, const_matrix<B>(p.scratch(gradient)), dx, link);
  }
};

/// A callback that does nothing: with one, gradients may be read after each step.
struct idle final : callback {};

/// All that a training leaves behind.
struct outcome {
  std::vector<std::vector<float>> numbers;
  std::vector<double> losses;
};
template <class Rules>
outcome train(const cpu& be, const Rules& rules, bool reads, fit_options<cpu> options) {
  const samples all;
  const dataset<cpu> data = all.data(be);
  auto net = net_of(be);
  trainer t{net, softmax_cross_entropy{}, rules};
  idle nothing;
  if (reads) options.callbacks = {&nothing};
  outcome o;
  for (const epoch_record& e : t.fit(data, options).epochs) o.losses.push_back(e.training.loss);
  o.numbers.push_back(numbers(be, std::as_const(net).parameters()));
  o.numbers.push_back(numbers(be, t.gradients()));
  for (const arena<cpu>& s : t.optimizer().state()) o.numbers.push_back(numbers(be, s));
  return o;
}

template <class Rules>
void check_rules(const Rules& rules) {
  for (const isa set : supported_sets())
    for (const fit_options<cpu>& options :
         {fit_options<cpu>{.epochs = 3, .batch = 32},
          fit_options<cpu>{.epochs = 2, .batch = 32, .micro_batches = 2},
          fit_options<cpu>{.epochs = 3, .batch = 16, .accumulate = 2},
          fit_options<cpu>{.epochs = 4, .batch = 32, .steps_per_epoch = 2}}) {
      const outcome wanted = train(cpu(1, set), rules, true, options);
      for (const int threads : {1, 3}) {
        CAPTURE(name_of(set), threads, options.micro_batches, options.accumulate);
        const outcome got = train(cpu(threads, set), rules, false, options);
        CHECK(got.losses == wanted.losses);
        REQUIRE(got.numbers.size() == wanted.numbers.size());
        for (std::size_t i = 0; i < got.numbers.size(); ++i)
          CHECK(same_bits(got.numbers[i], wanted.numbers[i]));
      }
    }
}

}  // namespace

TEST_CASE("updates in products have the bits of other updates, whatever the rules") {
  SECTION("gradient descent") { check_rules(sgd{0.1}); }
  SECTION("momentum") { check_rules(momentum{.rate = 0.1, .nesterov = true}); }
  SECTION("adam") { check_rules(adam{.rate = 0.01}); }
  SECTION("rules that depend on tags") {
    check_rules(chain(weight_decay{1e-2}, momentum{.rate = exponential(0.1, 0.9)}));
  }
  SECTION("rules without state that depend on tags") {
    check_rules(chain(weight_decay{1e-2}, clip_by_value{0.01}, sgd{exponential(0.1, 0.9)}));
  }
  SECTION("decay behind the rule with the rate") { check_rules(adamw{.rate = 0.01}); }
  SECTION("a rule that needs the whole gradient") {
    check_rules(chain(clip_by_norm{0.05}, momentum{.rate = 0.1}));
  }
}

TEST_CASE("a step whose gradients are not read does not assign those of large weights") {
  const samples all;
  for (const isa set : supported_sets()) {
    CAPTURE(name_of(set));
    const cpu be(1, set);
    const dataset<cpu> data = all.data(be);
    auto net = net_of(be);
    chainrule::optimizer<cpu, decltype(chain(sgd{0.1}))> rule(be, net.parameters().plan(),
                                                              sgd{0.1});
    data_loader<cpu> loader(be, data, {.batch = 32});
    step_executor<cpu> executor(net, softmax_cross_entropy{}, rule);
    executor.prepare(loader, count, {}, 0);
    executor.begin_fit(1, 0, {});
    loader.begin_epoch(0);
    executor.begin_epoch(3, 3);
    const auto is_assigned = [&](const char* name) {
      for (const float g : to_host(be, executor.gradients()[net.place_of(name)]))
        if (g != 0) return true;
      return false;
    };
    executor.set_gradients_read(false);
    const std::vector<float> before = numbers(be, std::as_const(net).parameters());
    REQUIRE(loader.next());
    executor.step(loader, loader.size());
    CHECK_FALSE(same_bits(numbers(be, std::as_const(net).parameters()), before));
    const bool is_portable = set == isa::portable;
    CHECK(is_assigned("0.weight") == is_portable);
    CHECK(is_assigned("2.weight") == is_portable);
    for (const char* small : {"0.bias", "2.bias", "3.weight", "3.bias"}) CHECK(is_assigned(small));
    executor.set_gradients_read(true);
    REQUIRE(loader.next());
    executor.step(loader, loader.size());
    for (const char* large : {"0.weight", "2.weight"}) CHECK(is_assigned(large));
  }
}

TEST_CASE("callbacks see the gradients of each step") {
  // With a rate of 1 a step subtracts the gradient.
  struct watch final : callback {
    const trainer<cpu>* t = nullptr;
    std::vector<float> before;
    int steps = 0;
    void on_batch_end(const batch_record&) override {
      const cpu& be = t->net().backend();
      const std::vector<float> g = numbers(be, t->gradients());
      for (std::size_t i = 0; i < g.size(); ++i) before[i] -= g[i];
      const std::vector<float> now = numbers(be, t->net().parameters());
      CHECK(same_bits(before, now));
      before = now;
      ++steps;
    }
  } seen;
  const samples all;
  const cpu be(1);
  const dataset<cpu> data = all.data(be);
  auto net = net_of(be);
  trainer t{net, softmax_cross_entropy{}, sgd{1}};
  seen.t = &t;
  seen.before = numbers(be, std::as_const(net).parameters());
  t.fit(data, {.epochs = 2, .batch = 32, .callbacks = {&seen}});
  CHECK(seen.steps == 6);
}

TEST_CASE("gradients of the last step are there after a fit, whatever callbacks follow it") {
  /// Stops after the second batch.
  struct stop final : callback {
    int steps = 0;
    void on_batch_end(const batch_record&) override { ++steps; }
    [[nodiscard]] std::string_view should_stop() const override {
      return steps == 2 ? "two steps" : "";
    }
  } stopping;
  struct quiet final : callback {
    [[nodiscard]] bool needs_gradients() const override { return false; }
  } no_need;
  early_stopping patience{1};
  const samples all;
  const cpu be(1);
  const dataset<cpu> data = all.data(be);
  const auto run = [&](const std::vector<callback*>& callbacks, int epochs) {
    auto net = net_of(be);
    trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
    stopping.steps = 0;
    t.fit(data, {.epochs = epochs, .batch = 32, .callbacks = callbacks});
    return numbers(be, t.gradients());
  };
  idle watching;
  const auto wanted = run({&watching}, 2);
  CHECK(same_bits(run({}, 2), wanted));
  CHECK(same_bits(run({&no_need, &patience}, 2), wanted));
  const auto stopped = run({&watching, &stopping}, 2);
  CHECK_FALSE(same_bits(stopped, wanted));
  CHECK(same_bits(run({&no_need, &stopping}, 2), stopped));
  CHECK(same_bits(run({&stopping}, 2), stopped));
}

TEST_CASE("a training that is resumed has the bits of one that was not") {
  const samples all;
  const cpu be(2);
  const dataset<cpu> data = all.data(be);
  auto whole = net_of(be);
  auto first = net_of(be);
  auto second = net_of(be);
  const momentum rule{.rate = 0.1};
  trainer a{whole, softmax_cross_entropy{}, rule};
  trainer b{first, softmax_cross_entropy{}, rule};
  trainer c{second, softmax_cross_entropy{}, rule};
  a.fit(data, {.epochs = 3, .batch = 32});
  b.fit(data, {.epochs = 1, .batch = 32});
  c.resume_from(b);
  c.fit(data, {.epochs = 2, .batch = 32});
  CHECK(same_bits(numbers(be, std::as_const(second).parameters()),
                  numbers(be, std::as_const(whole).parameters())));
  CHECK(same_bits(numbers(be, c.optimizer().state()[0]), numbers(be, a.optimizer().state()[0])));
}

TEST_CASE("frozen weights and those of layers within layers stay as without such updates") {
  const samples all;
  const cpu be(1);
  const dataset<cpu> data = all.data(be);
  const auto run = [&](bool reads) {
    network net{be, frozen{dense{features, 128, relu{}}},
                residual{dense{128, 128, fn::tanh{}}, dense{128, 128}}, dense{128, 160, relu{}},
                dense{160, 10}};
    net.initialize(3);
    const std::vector<float> before =
        to_host(be, std::as_const(net).parameters()[net.place_of("0.weight")]);
    trainer t{net, softmax_cross_entropy{}, sgd{.rate = 0.1}};
    idle nothing;
    fit_options<cpu> options{.epochs = 2, .batch = 32};
    if (reads) options.callbacks = {&nothing};
    t.fit(data, options);
    CHECK(
        same_bits(to_host(be, std::as_const(net).parameters()[net.place_of("0.weight")]), before));
    return numbers(be, std::as_const(net).parameters());
  };
  CHECK(same_bits(run(false), run(true)));
}

TEST_CASE("weights that layers share are updated by the sum of their gradients") {
  const samples all;
  const cpu be(1);
  const dataset<cpu> data = all.data(be);
  const auto run = [&](bool reads) {
    const std::vector<any_layer<cpu>> layers{dense{features, 128, relu{}}, applied_twice{},
                                             dense{128, 10}};
    network<cpu> net{be, layers};
    net.initialize(3);
    trainer t{net, softmax_cross_entropy{}, sgd{.rate = 0.1}};
    idle nothing;
    fit_options<cpu> options{.epochs = 2, .batch = 32};
    if (reads) options.callbacks = {&nothing};
    t.fit(data, options);
    return numbers(be, std::as_const(net).parameters());
  };
  CHECK(same_bits(run(false), run(true)));
}

TEST_CASE("an executor may be moved between its steps") {
  const samples all;
  const cpu be(1);
  const dataset<cpu> data = all.data(be);
  const auto run = [&](bool moves) {
    auto net = net_of(be);
    trainer t{net, softmax_cross_entropy{}, sgd{.rate = 0.1}};
    data_loader<cpu> loader(be, data, {.batch = 32});
    step_executor<cpu> first(net, softmax_cross_entropy{}, t.optimizer());
    first.prepare(loader, count, {}, 1);
    first.set_gradients_read(false);
    first.begin_fit(1, 0, {});
    step_executor<cpu> second = std::move(first);
    step_executor<cpu>& used = moves ? second : (first = std::move(second));
    loader.begin_epoch(1, 0);
    used.begin_epoch(3, 3);
    while (loader.next()) used.step(loader, loader.size());
    return numbers(be, std::as_const(net).parameters());
  };
  CHECK(same_bits(run(false), run(true)));
}

}  // namespace product_updates_test

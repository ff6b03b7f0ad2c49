// Layers that are not trained, or in a parameter group of their own.
#include "chainrule/layers/tags.hpp"

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace tags_test {

using namespace batches;

namespace {

template <class B>
std::vector<double> values(const network<B>& net, const std::string& name) {
  return doubles(net.backend(), net.values(name));
}

/// The first layer, and what lies between two others, are frozen.
template <class B>
network<B> partly_frozen(const B& be) {
  return {be,
          {frozen{dense{3, 4, gelu{}}}, dense{5, fn::tanh{}},
           frozen{sequence{dense{5, gelu{}}, residual{dense{5}}}}, dense{2}}};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("frozen layers keep their values and the state of the optimizer", "[tags]",
                        backends) {
  using B = TestType;
  const B be;
  network<B> net = partly_frozen(be);
  const std::vector<double> x = {0, 1, 2, 3, 4, 5, 1, 0, 1, 2, 2, 0};
  const std::vector<scalar_t<B>> inputs(x.begin(), x.end());
  const std::vector<scalar_t<B>> targets{1, 0, 0, 1, 1, 1, 0, 0};
  const dataset<B> data(be, matrix_view<const scalar_t<B>>(inputs.data(), 4, 3),
                        matrix_view<const scalar_t<B>>(targets.data(), 4, 2));
  // Decay would move values, and Adam its state, also where the gradient is 0.
  trainer training{net, quadratic_cost{}, chain(weight_decay{0.1, true}, adam{0.05})};
  const auto before = net.clone();
  training.fit(data, {.epochs = 3, .batch = 2, .seed = 1});
  int frozen_ones = 0;
  for (const parameter& p : net.parameter_list()) {
    CAPTURE(p.name);
    const bool is_frozen = p.name[0] == '0' || p.name[0] == '2';
    CHECK(p.tags.frozen == is_frozen);
    CHECK(same_bits(values(net, p.name), values(before, p.name)) == is_frozen);
    for (const auto& state : training.optimizer().state())
      CHECK((largest(doubles(be, state[p.place])) == 0) == is_frozen);
    CHECK((largest(doubles(be, training.gradients()[p.place])) == 0) == is_frozen);
    frozen_ones += is_frozen;
  }
  CHECK(frozen_ones == 6);
}

TEMPLATE_LIST_TEST_CASE("gradients pass through a frozen layer", "[tags][gradient]",
                        double_backends) {
  const TestType be;
  auto net = partly_frozen(be);
  net.initialize(4);
  const auto x = uniform(be, 5, 3, 1);
  const auto t = uniform(be, 5, 2, 2);
  for (const bool input : {true, false}) {
    gradient_check_options options;
    options.input = input;
    const auto report = check_gradients(net, quadratic_cost{}, x.view(), t.view(), options);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == 4 * 5 + 5 + 5 * 2 + 2 + (input ? 15 : 0));
  }
}

TEMPLATE_LIST_TEST_CASE("the gradient of frozen parameters does not count in its norm", "[tags]",
                        double_backends) {
  using B = TestType;
  const B be;
  network<B> net = partly_frozen(be);
  network<B> trained{be,
                     {dense{3, 4, gelu{}}, dense{5, fn::tanh{}},
                      sequence{dense{5, gelu{}}, residual{dense{5}}}, dense{2}}};
  trained.assign(net);  // the arenas have their slots at other places
  for (const parameter& p : net.parameter_list())
    CHECK(same_bits(values(net, p.name), values(trained, p.name)));
  stepper step(net, quadratic_cost{}, 5);
  stepper whole(trained, quadratic_cost{}, 5);
  const auto x = uniform(be, 5, 3, 1);
  const auto t = uniform(be, 5, 2, 2);
  be.map(fn::fill{not_a_number}, step.gradients.all());
  be.map(fn::fill{not_a_number}, whole.gradients.all());
  step.run(net, x.view(), t.view(), phase::train(0, 0));
  whole.run(trained, x.view(), t.view(), phase::train(0, 0));
  for (const parameter& p : net.parameter_list()) {
    const auto found = doubles(be, std::as_const(step.gradients)[p.place]);
    const auto full = doubles(be, std::as_const(whole.gradients)[trained.place_of(p.name)]);
    CAPTURE(p.name);
    CHECK(largest(full) > 0);
    if (p.tags.frozen)
      CHECK(largest(found) == 0);
    else
      CHECK(same_bits(found, full));
  }
}

TEMPLATE_LIST_TEST_CASE("a parameter group has a learning rate of its own", "[tags]", backends) {
  using B = TestType;
  const B be;
  network<B> net{be,
                 {in_group{1, dense{3, 4}}, in_group{2, sequence{dense{4}, dense{4}}}, dense{2}}};
  const auto before = net.clone();
  auto gradients = net.make_gradients();
  for (const parameter& p : net.parameter_list()) be.map(fn::fill{1}, gradients[p.place]);
  optimizer rules(be, net.parameters().plan(), chain(sgd{0.5}, group_rates{1, 0.25}));
  rules.update(net.parameters(), gradients);
  const double rates[] = {0.5 * 0.25, 0.5, 0.5};  // of the layers; no factor is stated for group 2
  const int groups[] = {1, 2, 0};
  for (const parameter& p : net.parameter_list()) {
    CAPTURE(p.name);
    const auto layer = static_cast<std::size_t>(p.name[0] - '0');
    CHECK(p.tags.group == groups[layer]);
    std::vector<double> expected = values(before, p.name);
    for (double& e : expected) e -= rates[layer];
    CHECK(distance(values(net, p.name), expected) <= 2 * epsilon<B>);  // of numbers below 2
  }
  CHECK(complaint<value_error>([] {
          (void)chain(sgd{0.1}, group_rates{1, -1});
        }) == "group rates: a factor must be at least 0, got -1");
  CHECK(complaint<value_error>([] { (void)group_rates{1, 1, 1, 1, 1, 1, 1, 1, 1}; }) ==
        "group rates: there are at most 8 groups, got 9");
}

TEST_CASE("a frozen embedding is left as it is, and its gradient is 0", "[tags]") {
  using B = tested<double>;
  const B be;
  network<B> net{be, {input{2}, frozen{embedding{3, 2}}, flatten{}, dense{2}}};
  stepper step(net, quadratic_cost{}, 2);
  be.map(fn::fill{not_a_number}, step.gradients.all());
  const index_tensor<B> x(be, 2, 2, {0, 1, 2, -1});
  step.run(net, x.view(), uniform(be, 2, 2, 1).view(), phase::train(0, 0));
  CHECK(largest(doubles(be, std::as_const(step.gradients)[net.place_of("0.weight")])) == 0);
  CHECK(largest(doubles(be, std::as_const(step.gradients)[net.place_of("2.weight")])) > 0);
}

TEST_CASE("tags change neither names nor shapes, and are described", "[tags]") {
  const basic_cpu<double> be;
  const network net{be, input{3}, frozen{in_group{2, dense{4, relu{}}}}, in_group{1, dense{2}}};
  CHECK(net.parameter_list()[1].name == "0.bias");
  CHECK(net.parameter_list()[1].tags == slot_tags{.decay = false, .frozen = true, .group = 2});
  CHECK(net.parameter_list()[2].tags == slot_tags{.decay = true, .frozen = false, .group = 1});
  CHECK(to_string(net.describe()) ==
        "network(input=3, frozen(in_group(group=2, dense(outputs=4, activation=relu))), "
        "in_group(group=1, dense(outputs=2)))");
  CHECK(net.layers()[0].name == "frozen in_group dense + relu");
  CHECK(complaint<value_error>([] { (void)in_group(-1, dense{4}); }) ==
        "parameter groups are counted from 0, got -1");
}

}  // namespace tags_test

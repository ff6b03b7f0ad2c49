// What was moved from, and what is null: a sentence, or well-defined emptiness.
#include <string>
#include <utility>
#include <vector>

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/gradient_norms.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

using namespace chainrule;
using support::complaint;

namespace {

const std::vector<float> numbers(12, 0.5F);
const matrix_view<const float> inputs(numbers.data(), 4, 3);
const matrix_view<const float> targets(numbers.data(), 4, 2);

auto make_network() { return network{cpu(1), dense{3, 5, relu{}}, dense{5, 2}}; }
auto make_chain() { return network<cpu>(cpu(1), {dense{3, 5, relu{}}, dense{5, 2}}); }

/// What all that a network can do says of one that was moved from.
void check_moved(network<cpu>& net) {
  const auto says = [](auto&& use) {
    return complaint<value_error>(use) ==
           "this network was moved from; use the one that it was moved to";
  };
  const network<cpu>& reading = net;
  auto other = make_network();
  auto pass = other.make_pass(4, true);
  auto gradients = other.make_gradients();
  CHECK(says([&] { (void)reading.predict(inputs); }));
  CHECK(says([&] { (void)reading.forward(inputs, pass); }));
  CHECK(says([&] { reading.backward(inputs, pass, gradients); }));
  CHECK(says([&] { (void)reading.inputs(); }));
  CHECK(says([&] { (void)reading.outputs(); }));
  CHECK(says([&] { (void)reading.layers(); }));
  CHECK(says([&] { (void)reading.make_pass(4); }));
  CHECK(says([&] { (void)reading.make_gradients(); }));
  CHECK(says([&] { (void)reading.clone(); }));
  CHECK(says([&] { net.initialize(1); }));
  CHECK(says([&] { net.assign(other); }));
  CHECK(says([&] { other.assign(net); }));
  CHECK(says([&] { (void)summary(net); }));
  CHECK(says([&] { (void)gradient_norms(net, gradients); }));
  CHECK(says([&] { save_weights(net, "/dev/null"); }));
  CHECK(says([&] { (void)trainer(net, mean_squared_error{}, sgd{0.1}); }));
  CHECK(net.depth() == 0);
  CHECK(says([&] { (void)net.parameter_count(); }));
  CHECK(net.parameters().all().empty());
  CHECK_THROWS_AS(net.values("0.weight"), value_error);
}

}  // namespace

TEST_CASE("a network that was moved from says so, and another may take its place") {
  SECTION("by construction") {
    auto net = make_network();
    const auto taken = std::move(net);
    check_moved(net);
    net = make_network();
    CHECK(net.predict(inputs).rows() == 4);
    CHECK(taken.predict(inputs).rows() == 4);
  }
  SECTION("by assignment") {
    auto net = make_network();
    auto taken = make_network();
    taken = std::move(net);
    check_moved(net);
    CHECK(taken.predict(inputs).rows() == 4);
  }
  SECTION("on another backend") {
    auto net = make_network();
    const auto taken = std::move(net);
    CHECK_THROWS_AS((void)net.to(basic_cpu<double>(1)), error);
  }
  SECTION("of layers chosen at run time") {
    auto net = make_chain();
    const auto taken = std::move(net);
    check_moved(net);
  }
}

TEST_CASE("a trainer whose network was moved says so") {
  auto net = make_network();
  trainer t{net, mean_squared_error{}, sgd{0.1}};
  const dataset<cpu> data(cpu(1), inputs, targets);
  t.fit(data, {.epochs = 1});
  const auto taken = std::move(net);
  const char* sentence = "this network was moved from; use the one that it was moved to";
  CHECK(complaint<value_error>([&] { t.fit(data, {.epochs = 1}); }) == sentence);
  CHECK(complaint<value_error>([&] { (void)t.evaluate(data); }) == sentence);
}

TEST_CASE("what else was moved from is empty, or says so") {
  const cpu be(1);
  auto net = make_network();
  trainer t{net, mean_squared_error{}, sgd{0.1}};
  SECTION("a backend still works") {
    cpu from(1);
    const cpu to = std::move(from);
    CHECK(from.threads() == 1);
    CHECK(tensor<cpu>(from, 2, 3).rows() == 2);
  }
  SECTION("a tensor") {
    tensor<cpu> from(be, 4, 3);
    const tensor<cpu> to = std::move(from);
    CHECK(from.shape() == matrix_shape{0, 0});
    CHECK(to.shape() == matrix_shape{4, 3});
    CHECK(to_host(be, const_matrix<cpu>(from.view())).empty());
    CHECK(net.predict(from.view()).shape() == matrix_shape{0, 2});
    CHECK_THROWS_AS(from.top_rows(1), shape_error);
    tensor<cpu> assigned;
    tensor<cpu> other(be, 2, 2);
    assigned = std::move(other);
    CHECK(other.shape() == matrix_shape{0, 0});
    CHECK(assigned.shape() == matrix_shape{2, 2});
  }
  SECTION("an arena") {
    auto from = net.make_gradients();
    const slice place = net.place_of("1.weight");
    const auto to = std::move(from);
    CHECK(from.all().empty());
    CHECK_THROWS_AS(from[place], shape_error);
    auto pass = net.make_pass(4, true);
    (void)net.forward(inputs, pass, phase::train(0, 0));
    CHECK_THROWS_AS(net.backward(inputs, pass, from), shape_error);
  }
  SECTION("a data set") {
    dataset<cpu> from(be, inputs, targets);
    const dataset<cpu> to = std::move(from);
    CHECK(from.count() == 0);
    CHECK(complaint<value_error>([&] { t.fit(from); }) == "there are no samples to train on");
    CHECK(complaint<shape_error>([&] { (void)t.evaluate(from); }) ==
          "the network has 2 outputs, the samples have 0 targets");
    CHECK(t.fit(to, {.epochs = 1}).epochs.size() == 1);
  }
  SECTION("a pass") {
    auto from = net.make_pass(4, true);
    (void)net.forward(inputs, from, phase::train(0, 0));
    const auto to = std::move(from);
    auto gradients = net.make_gradients();
    CHECK_THROWS_AS(net.forward(inputs, from), shape_error);
    CHECK_THROWS_AS(net.backward(inputs, from, gradients), shape_error);
    CHECK_THROWS_AS(net.output_gradient(from), shape_error);
  }
  SECTION("a layer") {
    any_layer<cpu> from(dense{3, 2});
    const any_layer<cpu> to = std::move(from);
    const char* sentence = "this layer was moved from; use the one that it was moved to";
    CHECK(complaint<value_error>([&] { (void)network<cpu>(be, {from}); }) == sentence);
    CHECK(complaint<value_error>([&] { (void)from.name(); }) == sentence);
    CHECK(network<cpu>(be, {to}).outputs() == 2);
  }
  SECTION("images") {
    labelled_images from{"x", 2, 1, 3, 2, {1, 2, 3, 4, 5, 6}, {0, 1}};
    const labelled_images to = std::move(from);
    CHECK_THROWS_AS(dataset<cpu>(be, from), error);
  }
  SECTION("a tape") {
    tape<cpu> from(be);
    const auto x = from.variable(2.0);
    const tape<cpu> to = std::move(from);
    CHECK(x.item() == 2);
    CHECK(complaint<value_error>([&] { (void)from.variable(1.0); }) ==
          "this tape was moved from; use the one that it was moved to");
    CHECK_THROWS_AS(from.size(), value_error);
    CHECK_THROWS_AS(from.clear(), value_error);
    CHECK_THROWS_AS(from.backend(), value_error);
  }
}

TEST_CASE("a callback that is null, and null data with a shape, are refused") {
  const cpu be(1);
  auto net = make_network();
  trainer t{net, mean_squared_error{}, sgd{0.1}};
  const dataset<cpu> data(be, inputs, targets);
  callback fine;
  CHECK(complaint<value_error>([&] {
          t.fit(data, {.callbacks = {&fine, nullptr}});
        }) == "callback 1 of the training is a null pointer");
  CHECK(t.steps() == 0);
  CHECK(complaint<value_error>([] { (void)matrix_view<const float>(nullptr, 3, 4); }) ==
        "a matrix view of 3x4 needs its elements, got a null pointer");
  CHECK_THROWS_AS((void)net.predict({nullptr, 4, 3}), value_error);
  CHECK(matrix_view<const float>(nullptr, 0, 4).empty());
  CHECK(matrix_view<const float>(nullptr, 4, 0).empty());
}

// Parameters that tapes and networks share with an optimizer: gradients are added in place to its
// arena, updates change the variables, and one file format holds both.
#include <cmath>

#include "autodiff/differences.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/scratch.hpp"

namespace parameters_test {

using namespace differences;

namespace {

const std::vector<parameter_spec> specs{{"w", {3, 2}, init::uniform(-1, 1)},
                                        {"b", {1, 2}, init::constant(0.5), false}};

template <class B>
[[nodiscard]] variable<B> formula(const variable<B>& x, const std::vector<variable<B>>& p) {
  return math::sum(sqr(matmul(x, p[0]) + p[1]));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("backward passes add to the arena of the optimizer until it is set to 0",
                        "[autodiff][parameters]", double_backends) {
  using B = TestType;
  const B be;
  parameter_set set{be, specs, 7};
  optimizer opt{set, sgd{0.25}};
  tape<B> t(be);
  const auto p = variables(t, set, opt.gradients());
  const auto x = t.constant(numbers(be, 2, 3, {1, 2, 3, -1, 0.5, 2}).view());
  REQUIRE(p.size() == 2);
  CHECK(p[0].shape() == matrix_shape{3, 2});
  CHECK(values(p[1]) == std::vector<double>{0.5, 0.5});

  // An independent copy tells what the gradient is.
  const auto w = t.variable(p[0].view());
  const auto b = t.variable(p[1].view());
  const auto expected = gradient(formula(x, {w, b}), {w, b});
  CHECK(largest(values(expected[0])) > 0.1);

  // gradient() stores nothing.
  (void)gradient(formula(x, p), p[0]);
  CHECK(largest(doubles(be, opt.gradients().all())) == 0);

  backward(formula(x, p));
  const slice place = set.parameter_list()[0].place;
  const auto slot = [&] { return doubles(be, std::as_const(opt).gradients()[place]); };
  const double bound = 1e-14 * largest(values(expected[0]));
  CHECK(distance(slot(), values(expected[0])) <= bound);
  CHECK(distance(values(p[1].gradient()), values(expected[1])) <= bound);

  // A second pass adds, also while a variable holds the gradient, which is a view of the arena.
  const auto held = p[0].gradient();
  backward(formula(x, p));
  auto twice = values(expected[0]);
  for (double& e : twice) e *= 2;
  CHECK(distance(slot(), twice) <= 2 * bound);
  CHECK(values(held) == slot());

  // The update moves the variables: w -= 0.25 * 2 dw.
  const auto before = values(w);
  opt.update();
  std::vector<double> moved;
  for (std::size_t i = 0; i < before.size(); ++i) moved.push_back(before[i] - 0.25 * twice[i]);
  CHECK(distance(values(p[0]), moved) <= 2 * bound);
  CHECK(values(p[0]) == doubles(be, std::as_const(set).values("w")));
  CHECK(slot() == values(held));  // gradients stay as they are
  opt.zero_gradients();
  CHECK(largest(slot()) == 0);

  // clear_gradient and clear_gradients set the slots to 0 and leave them attached.
  backward(formula(x, p), {.keep_graph = true});
  p[0].clear_gradient();
  CHECK(largest(slot()) == 0);
  CHECK(largest(values(p[1].gradient())) > 0);
  t.clear_gradients();
  CHECK(largest(doubles(be, opt.gradients().all())) == 0);
  backward(formula(x, p));
  CHECK(largest(slot()) > 0);
}

TEMPLATE_LIST_TEST_CASE("a network is called and penalised on one tape, by one optimizer",
                        "[autodiff][parameters]", double_backends) {
  using B = TestType;
  const B be;
  network net{be, dense{3, 4, gelu{}}, dense{2}};
  net.initialize(3);
  optimizer opt{net, sgd{0.1}};
  tape<B> t(be);
  const auto p = variables(t, net, opt.gradients());
  REQUIRE(p.size() == 4);
  const auto x = t.constant(uniform(be, 5, 3, 1).view());
  const tensor<B> targets = uniform(be, 5, 2, 2);
  const auto loss = [&] {
    return mean(call(quadratic_cost{}, call(net, x, opt.gradients()), targets.view()));
  };
  backward(loss());
  const auto plain = doubles(be, opt.gradients().all());
  opt.zero_gradients();
  backward(loss() + 0.5 * math::sum(sqr(p[0])));
  // The penalty adds w to the gradient of w.
  const slice place = net.place_of("0.weight");
  const auto slot = doubles(be, const_matrix<B>(opt.gradients()[place]));
  const auto w = values(p[0]);
  for (std::size_t i = 0; i < w.size(); ++i) CHECK(std::fabs(slot[i] - plain[i] - w[i]) <= 1e-14);

  // The call alone, twice: added, and not assigned.
  opt.zero_gradients();
  backward(loss());
  backward(loss());
  auto twice = plain;
  for (double& e : twice) e *= 2;
  CHECK(distance(doubles(be, opt.gradients().all()), twice) <= 1e-14);

  // gradient() of an input stores nothing in the arena.
  opt.zero_gradients();
  const auto in = t.variable(uniform(be, 5, 3, 1).view());
  CHECK(largest(values(gradient(math::sum(call(net, in, opt.gradients())), in))) > 0);
  CHECK(largest(doubles(be, opt.gradients().all())) == 0);

  // A user-defined loop learns.
  const double first = loss().item();
  for (int i = 0; i < 50; ++i) {
    opt.zero_gradients();
    backward(loss());
    opt.update();
  }
  CHECK(loss().item() < 0.7 * first);
}

TEST_CASE("a set of parameters is initialized, saved and loaded like a network",
          "[autodiff][parameters]") {
  const basic_cpu<double> be;
  parameter_set set{be, specs, 7};
  const auto drawn = doubles(be, std::as_const(set).parameters().all());
  CHECK(largest(drawn) > 0.1);
  // The slots of a dense layer draw the same numbers from the same streams.
  network net{be, dense{3, 2}.weights(init::uniform(-1, 1)).bias(init::constant(0.5))};
  net.initialize(7);
  CHECK(same_bits(doubles(be, std::as_const(net).parameters().all()), drawn));

  const scratch::folder folder;
  save_weights(set, folder / "set.safetensors");
  set.initialize(8);
  CHECK_FALSE(same_bits(doubles(be, std::as_const(set).parameters().all()), drawn));
  load_weights(set, folder / "set.safetensors");
  CHECK(same_bits(doubles(be, std::as_const(set).parameters().all()), drawn));
  parameter_set other{be, {{"v", {3, 2}}}};
  CHECK_THROWS_AS(load_weights(other, folder / "set.safetensors"), format_error);
}

TEST_CASE("frozen parameters are constants on a tape", "[autodiff][parameters]") {
  using B = support::tested<double>;
  const B be;
  network net{be, frozen{dense{2, 3}}, dense{3, 1}};
  net.initialize(1);
  arena<B> gradients = net.make_gradients();
  tape<B> t{be};
  const auto p = variables(t, net, gradients);
  backward(sum(sqr(matmul(p[0], p[2]))));
  const auto at = [&](std::size_t i) {
    const auto host = to_host(be, std::as_const(gradients)[net.parameter_list()[i].place]);
    double total = 0;
    for (const double g : host) total += std::fabs(g);
    return total;
  };
  CHECK(at(0) == 0);
  CHECK(at(2) > 0);
}

TEST_CASE("misuse of parameters is a sentence", "[autodiff][parameters]") {
  CHECK(support::complaint<shape_error>([] {
          const parameter_set<support::tested<double>> p(support::tested<double>{}, {{"b", {}}});
        }) == "the network declares 'b' without extents; give it at least one, such as {1}");
  const cpu be;
  parameter_set set{be, specs};
  tape<cpu> t(be);
  using support::complaint;
  arena<cpu> small(be, parameter_set(be, {{"w", {1, 2}}}).parameters().plan());
  CHECK(complaint<shape_error>([&] { (void)variables(t, set, small); }) ==
        "variables: the gradients have room for 16 numbers, the parameters are 32; use "
        "make_gradients() of this model");
  CHECK(complaint<value_error>([&] { (void)std::as_const(set).values("v"); }) ==
        "the set has no parameter 'v'");
  CHECK(complaint<value_error>([&] {
          parameter_set(be, {{"w", {1, 2}}, {"w", {1, 2}}});
        }).find("declares w twice") != std::string::npos);
  optimizer arenas(be, set.parameters().plan(), sgd{0.1});
  CHECK(complaint<value_error>([&] { arenas.update(); }) ==
        "this optimizer was made without a model; give update() the parameters and gradients");
  tensor<cpu> elements(be, 2, 3), gradient(be, 3, 2);
  CHECK(complaint<shape_error>([&] { (void)t.borrow(elements.view(), gradient.view()); }) ==
        "the gradient of a variable: the shapes 2x3 and 3x2 differ");
}

}  // namespace parameters_test

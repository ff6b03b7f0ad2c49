// Looking into a network: norms of the gradient layer by layer, units that never wake.
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/dead_units.hpp"
#include "chainrule/network/gradient_norms.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace inspection_test {

using namespace batches;

namespace {

/// Assigns the parameter of that name.
template <class Network>
void set(Network& net, const std::string& name, const std::vector<double>& values) {
  const auto place = net.values(name);
  net.backend().copy(place, numbers(net.backend(), place.rows(), place.cols(), values).view());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("the norm of a layer's gradient is that of all its parameters", "[network]",
                        backends) {
  const TestType be;
  network net{be, dense{5, 9, gelu{}}, activation{fn::sigmoid{}}, dropout{0.5}, dense{9, 3}};
  net.initialize(4);
  const auto x = uniform(be, 6, 5, 1);
  const auto t = uniform(be, 6, 3, 2);
  stepper step(net, quadratic_cost{}, 6);
  step.run(net, x.view(), t.view(), phase::train(0, 0));
  const std::vector<double> norms = gradient_norms(net, step.gradients);

  std::vector<double> squares(4, 0);
  for (const parameter& p : net.parameter_list())
    for (const double g : doubles(be, std::as_const(step.gradients)[p.place]))
      squares[p.name[0] == '0' ? 0 : 3] += g * g;
  REQUIRE(norms.size() == 4);
  CHECK(norms[1] == 0);
  CHECK(norms[2] == 0);
  for (const std::size_t i : {std::size_t{0}, std::size_t{3}}) {
    CHECK(norms[i] > 1e-3);
    // A root of up to 45 positive terms, each of a few roundings.
    CHECK(std::fabs(norms[i] - std::sqrt(squares[i])) <= 64 * epsilon<TestType> * norms[i]);
  }
}

TEMPLATE_LIST_TEST_CASE("norms of gradients neither overflow nor vanish", "[network]", backends) {
  const TestType be;
  network net{be, dense{2, 2}, dense{2, 1}};
  arena<TestType> gradients = net.make_gradients();
  const auto fill = [&](const std::string& name, const std::vector<double>& values) {
    const matrix<TestType> place = gradients[net.place_of(name)];
    be.copy(place, numbers(be, place.rows(), place.cols(), values).view());
  };
  using limits = std::numeric_limits<scalar_t<TestType>>;
  const double huge = static_cast<double>(limits::max()) / 16;
  const double tiny = static_cast<double>(limits::min()) * 16;
  fill("0.weight", {3 * huge, 0, 0, -4 * huge});
  fill("1.weight", {3 * tiny, -4 * tiny});
  auto norms = gradient_norms(net, gradients);
  CHECK(std::fabs(norms[0] / huge - 5) <= 32 * epsilon<TestType>);
  CHECK(std::fabs(norms[1] / tiny - 5) <= 32 * epsilon<TestType>);

  fill("0.weight", {0, 0, 0, 0});
  CHECK(gradient_norms(net, gradients)[0] == 0);
  fill("0.bias", {0, -inf});
  CHECK(gradient_norms(net, gradients)[0] == inf);
  fill("0.bias", {0, not_a_number});
  norms = gradient_norms(net, gradients);
  CHECK(std::isnan(norms[0]));
  CHECK(std::fabs(norms[1] / tiny - 5) <= 32 * epsilon<TestType>);  // another layer's

  const network other{be, dense{2, 3}};
  CHECK(complaint<shape_error>([&] {
          (void)gradient_norms(other, gradients);
        }).find("use make_gradients() of this network") != std::string::npos);
}

TEMPLATE_LIST_TEST_CASE("a unit is dead if no sample of the batch wakes it", "[network]",
                        backends) {
  const TestType be;
  // Of the four ReLUs the first wakes for x > 0, the second for x > 2, the third never, the fourth
  // is 0 by its weight; the last layer is 0 in one of two outputs.
  network<TestType> net{be, {dense{1, 4, relu{}}, dropout{0.9}, dense{4, 2}}};
  set(net, "0.weight", {1, 1, 1, 0});
  set(net, "0.bias", {0, -2, -100, 0});
  set(net, "2.weight", {0, 1, 0, 1, 0, 1, 0, 1});
  set(net, "2.bias", {0, 5});
  const auto dead = [&](const std::vector<double>& samples) {
    const auto x = numbers(be, static_cast<index_t>(samples.size()), 1, samples);
    return dead_units(net, x.view());
  };
  using counts = std::vector<index_t>;
  CHECK(dead({-1, 0, 3, -2, 1}) == counts{2, 2, 1});
  CHECK(dead({-1, 0, 2, -2, 1}) == counts{3, 3, 1});
  CHECK(dead({-1}) == counts{4, 4, 1});
  CHECK(dead({101, -1}) == counts{1, 1, 1});
  // What is not a number is not 0, wherever it stands; but the relu of cuBLASLt makes it 0.
  if (be.name() != "cuda") CHECK(dead({0, not_a_number, 0})[2] == 0);

  CHECK(complaint<value_error>([&] { (void)dead({}); }).find("no samples") != std::string::npos);
  const auto wide = uniform(be, 3, 2, 1);
  CHECK(complaint<shape_error>([&] { (void)dead_units(net, wide.view()); }) ==
        "the network expects 1 features, the samples have 2");
}

}  // namespace inspection_test

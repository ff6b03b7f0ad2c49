// Forward passes of one sample, which a backend may plan: they give the bits of the passes layer by
// layer, whatever happened to the network since the pass was made.
#include <utility>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace row_test {

using namespace batches;

namespace {

template <class B>
std::vector<double> outputs(const network<B>& net, const tensor<B>& x, pass<B>& p) {
  return doubles(net.backend(), net.forward(x.view(), p));
}
template <class B>
std::vector<double> layer_by_layer(const network<B>& net, const tensor<B>& x, pass<B>& p) {
  const auto each = [](index_t, const auto&, const auto& run) { run(); };
  return doubles(net.backend(), net.trace_forward(const_matrix<B>(x.view()), p, phase{}, each));
}

/// Derives from a layer with a plan, and has another forward pass.
struct doubled : dense<dynamic, dynamic, identity> {
  using dense<dynamic, dynamic, identity>::dense;
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    dense<dynamic, dynamic, identity>::forward(p, x, y);
    p.backend().map(fn::plus{}, y, const_matrix<B>(y), const_matrix<B>(y));
  }
};

}  // namespace

TEMPLATE_TEST_CASE("a row has the bits of a pass layer by layer", "[network]", float, double) {
  const basic_cpu<TestType> be{1};
  const auto check = [&](const network<basic_cpu<TestType>>& net) {
    auto p = net.make_pass(3);
    CHECK(p.row().empty() == (be.isa() == isa::portable));
    const auto x = uniform(be, 1, net.inputs(), 1);
    const auto expected = layer_by_layer(net, x, p);
    CHECK(expected[0] != 0);
    const auto first_layer = doubles(be, net.output_of(p, 0));
    auto other = net.make_pass(1);
    CHECK(outputs(net, x, other) == expected);
    CHECK(doubles(be, net.output_of(other, 0)) == first_layer);
  };
  check(network{be, dense{10, 3, fn::sigmoid{}}, dense{2, fn::sigmoid{}}});
  check(network{be, dense{8, 64, relu{}}, dense{64, leaky_relu{0.3}}, dense{1}});
  check(network{be, dense{784, 128, relu{}}, dense{10}});
  check(network{be, dense{1, 1, fn::tanh{}}, dense{33, gelu{}}, dense{17}, dense{150}});
}

TEST_CASE("a planned row reads the parameters that the network has now", "[network]") {
  const cpu be{1};
  network net{be, dense{5, 7, relu{}}, dense{3}};
  auto p = net.make_pass(2);
  const auto x = uniform(be, 1, 5, 1);
  const auto first = outputs(net, x, p);
  net.initialize(9);
  const auto second = outputs(net, x, p);
  CHECK(second != first);
  CHECK(second == layer_by_layer(net, x, p));

  network<cpu> moved = std::move(net);
  CHECK(outputs(moved, x, p) == second);
  moved.parameters() = moved.make_gradients();  // other memory, all 0
  CHECK(outputs(moved, x, p) == std::vector<double>{0, 0, 0});

  auto unfit = moved.clone().make_pass(1);
  CHECK(support::complaint<shape_error>([&] { (void)outputs(moved, x, unfit); }) ==
        "the pass was made by another network; use make_pass() of this one");
}

TEST_CASE("a layer that derives from dense runs its own forward pass", "[network]") {
  const cpu be{1};
  const network<cpu> plain{be, {dense{4, 3}}};
  const network<cpu> twice{be, {doubled{4, 3}}};
  auto p = plain.make_pass(1);
  auto q = twice.make_pass(1);
  CHECK(q.row().empty());
  const auto x = uniform(be, 1, 4, 1);
  auto expected = outputs(plain, x, p);
  for (double& y : expected) y *= 2;
  CHECK(expected[0] != 0);
  CHECK(outputs(twice, x, q) == expected);
}

}  // namespace row_test

// Forward passes of one sample, which a backend may plan: they give the bits of the passes layer by
// layer, whatever happened to the network since the pass was made.
#include <utility>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/system_calls.hpp"
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

/// Assigns numbers to the states, of which variances must be positive.
template <class B>
void set_states(network<B>& net, std::uint64_t seed) {
  net.states() = arena<B>(net.backend(), net.declared().state_arena());
  net.backend().copy(net.states().all(),
                     uniform(net.backend(), 1, net.states().all().cols(), seed, 0.1, 2).view());
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
    auto other = net.make_pass(1);
    CHECK(outputs(net, x, other) == expected);
    for (index_t i = 0; i < net.depth(); ++i)
      CHECK(doubles(be, net.output_of(other, i)) == doubles(be, net.output_of(p, i)));
    // In memory of its own that ends with the sample, and elsewhere.
    for (const std::uint64_t seed : {2U, 3U}) {
      const auto again = uniform(be, 1, net.inputs(), seed);
      const auto y = outputs(net, again, other);
      CHECK(y != expected);
      CHECK(y == layer_by_layer(net, again, p));
    }
  };
  check(network{be, dense{10, 3, fn::sigmoid{}}, dense{2, fn::sigmoid{}}});
  check(network{be, dense{8, 64, relu{}}, dense{64, leaky_relu{0.3}}, dense{1}});
  check(network{be, dense{784, 128, relu{}}, dense{10}});
  check(network{be, dense{1, 1, fn::tanh{}}, dense{33, gelu{}}, dense{17}, dense{150}});

  const auto check_states = [&](auto&& net) {
    set_states(net, 4);
    check(net);
  };
  check_states(network{be, dense{8, 64}, batch_norm{}, activation{relu{}}, dropout{0.3}, dense{65},
                       batch_norm{gelu{}}.affine(false), dense{1}});
  check_states(network{be, input{5}, batch_norm{fn::tanh{}}, dense{3}});
  check(network{be, input{3, 3, 1}, flatten{}, activation{fn::sigmoid{}}, dense{4, relu{}},
                reshape_to{2, 2, 1}, dropout2d{0.2}, flatten{}, dense{2}});
  check(network{be, input{7}, activation{leaky_relu{0.1}}, dense{9}});
  check(network{be, input{7}, residual{dense{20, fn::tanh{}}, dense{7}}, dense{3}});
  check_states(
      network{be, dense{6, 17},
              residual{dense{33, relu{}}, batch_norm{}, residual{activation{gelu{}}}}.projection(
                  sequence{dense{20}, dense{33}}),
              repeat{2, residual{dense{33, selu{}}}}, dense{2}});
}

TEST_CASE("networks with a layer that has no steps for one sample run layer by layer",
          "[network]") {
  const cpu be{1};
  const auto check = [&](const network<cpu>& net) {
    auto p = net.make_pass(1);
    CHECK(p.row().empty());
    CHECK(outputs(net, uniform(be, 1, net.inputs(), 1), p)[0] != 0);
  };
  check(network{be, dense{4, 5}, layer_norm{}, dense{2}});
  check(network{be, dense{4, 5}, sequence{dense{5}, layer_norm{}}, dense{2}});
  check(network{be, dense{4, 5}, residual{dense{5}}.projection(layer_norm{}), dense{2}});
  check(network{be, input{2, 4}, dense{3}, flatten{}, dense{2}});  // two positions
  check(network{be, input{2, 4}, batch_norm{}, flatten{}, dense{2}});
  check(network{be, dense{600, 500}, dense{2}});  // as large as blocks
}

TEST_CASE("a sample in a pass of several leaves their memory as large as it is", "[network]") {
  const cpu be{1};
  const network net{be, dense{3, 5}, activation{relu{}}, dense{2}};
  auto p = net.make_pass(4);
  const auto x = uniform(be, 4, 3, 1);
  const auto together = doubles(be, net.forward(x.view(), p));
  for (index_t i = 3; i >= 0; --i) {
    const auto one = doubles(be, net.forward(x.view().middle_rows(i, 1), p));
    CHECK(one == std::vector<double>(together.begin() + 2 * i, together.begin() + 2 * i + 2));
  }
  CHECK(doubles(be, net.forward(x.view(), p)) == together);
}

TEST_CASE("steps for one sample make no system call", "[network]") {
  using support::system_calls;
  const cpu be{1};
  network net{be,           dense{8, 64, relu{}},        batch_norm{},
              dropout{0.1}, residual{dense{64, gelu{}}}, dense{1}};
  auto p = net.make_pass(1);
  const auto x = uniform(be, 1, 8, 1);
  (void)net.forward(x.view(), p);
  if (support::system_calls_of([] {}) == system_calls::unknown) {
    WARN("this kernel cannot refuse system calls");
    return;
  }
  CHECK(support::system_calls_of([&] {
          for (int i = 0; i < 100; ++i) (void)net.forward(x.view(), p);
        }) == system_calls::none);
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
  auto moved_pass = std::move(p);
  moved.initialize(9);
  CHECK(outputs(moved, x, moved_pass) == second);

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

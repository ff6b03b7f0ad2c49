// Networks with extents in their types: their outputs are those of a network of the same layers,
// with which they exchange parameters and files.
#include "chainrule/network/static_network.hpp"

#include <array>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "chainrule/io/weights.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/system_calls.hpp"
#include "testing/batches.hpp"

namespace static_network_test {

using namespace batches;

namespace {

/// x0 xor x1 as |x0 - x1|, in a constant expression.
template <class T>
constexpr auto exclusive_or = [] {
  static_network<T, dense<2, 2, relu>, dense<2, 1>> net;
  const std::array<T, 4> first{1, -1, -1, 1};
  const std::array<T, 2> second{1, 1};
  std::copy(first.begin(), first.end(), net.template weights<0>().begin());
  std::copy(second.begin(), second.end(), net.template weights<1>().begin());
  return net;
}();
static_assert(exclusive_or<float>.predict({0, 0})[0] == 0);
static_assert(exclusive_or<float>.predict({0, 1})[0] == 1);
static_assert(exclusive_or<float>.predict({1, 0})[0] == 1);
static_assert(exclusive_or<double>.predict({1, 1})[0] == 0);

/// An activation of a program: its functions are found in constant expressions as in lanes.
struct limited {
  constexpr auto operator()(const auto& x) const { return clamp(where(x > 0, x, 0.5 * x), -1, 1); }
};
constexpr static_network constant{dense<3, 2, leaky_relu>{leaky_relu{0.25}}.bias(init::zeros()),
                                  activation{limited{}}, dense<2, 2, hard_sigmoid>{}};
static_assert(constant.predict({1, 2, 3})[1] == 0.5F);  // all parameters are 0
static_assert(decltype(constant)::parameter_count == 3 * 2 + 2 + 2 * 2 + 2);

/// The rounding errors of sums of `terms` products of numbers of about 1, through a few layers.
template <class T>
double tolerance(index_t terms) {
  return 16 * static_cast<double>(terms) * std::numeric_limits<T>::epsilon();
}

/// Compares all that predicts with network::predict, for one sample, whole and incomplete lanes.
template <class T, class... Layers>
void check_predictions(const Layers&... layers) {
  const tested<T> be;
  static_network<T, Layers...> net(layers...);
  using small = decltype(net);
  net.initialize(3);
  network<tested<T>, Layers...> whole(be, layers...);
  whole.initialize(3);
  const double allowed = tolerance<T>(whole.parameter_count() / net.outputs + 1);
  for (const index_t n : {1, 3, 8, 16, 37}) {
    const tensor<tested<T>> x = uniform(be, n, net.inputs, static_cast<std::uint64_t>(n), -2, 2);
    const std::vector<T> in = to_host(be, const_matrix<tested<T>>(x.view()));
    const std::vector<double> expected = doubles(be, whole.predict(x.view()));
    REQUIRE(largest(expected) > 0.01);
    // Rows with gaps, which stay as they are.
    const index_t stride = net.outputs + 1;
    std::vector<T> out(static_cast<std::size_t>(n * stride), static_cast<T>(not_a_number));
    net.predict(matrix_view<const T>(in.data(), n, net.inputs),
                matrix_view<T>(out.data(), n, net.outputs, stride));
    std::vector<T> rows;
    std::vector<T> one_by_one;
    for (index_t i = 0; i < n; ++i) {
      for (index_t j = 0; j < net.outputs; ++j)
        rows.push_back(out[static_cast<std::size_t>(i * stride + j)]);
      CHECK(std::isnan(out[static_cast<std::size_t>(i * stride + net.outputs)]));
      const auto y = net.predict(std::span<const T, static_cast<std::size_t>(small::inputs)>(
          in.data() + i * net.inputs, std::size_t(net.inputs)));
      one_by_one.insert(one_by_one.end(), y.begin(), y.end());
    }
    CHECK(distance(rows, expected) <= allowed);
    CHECK(distance(one_by_one, expected) <= allowed);
  }
}

}  // namespace

TEST_CASE("a static network predicts what a network does", "[network]") {
  check_predictions<float>(dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{});
  check_predictions<float>(dense<8, 64, relu>{}, dense<64, 1>{}.bias(init::constant(0.5)));
  check_predictions<float>(dense<7, 150, elu>{});
  check_predictions<double>(dense<5, 17, gelu>{}, activation{fn::tanh{}},
                            dense<17, 6, leaky_relu>{leaky_relu{0.3}}, activation{silu{}});
}

TEST_CASE("a constant network predicts at run time what it does in constant expressions",
          "[network]") {
  for (const float a : {0.0F, 1.0F})
    for (const float b : {0.0F, 1.0F}) {
      const std::array<float, 2> x{a, b};
      CHECK(exclusive_or<float>.predict(x)[0] == std::abs(a - b));
    }
  volatile float three = 3;
  const std::array<float, 3> x{1, 2, three};
  CHECK(constant.predict(x)[1] == 0.5F);
}

TEMPLATE_TEST_CASE("a static network has the first weights of a network, and its files",
                   "[network]", float, double) {
  const tested<TestType> be;
  static_network<TestType, dense<7, 5, relu>, activation<softsign>, dense<5, 3>> net(
      dense<7, 5, relu>{}.bias(init::normal(0, 1)), activation{softsign{}},
      dense<5, 3>{}.weights(init::orthogonal()));
  const auto all = [&](const auto& n) {
    std::vector<TestType> v;
    for (const auto part : {std::span<const TestType>(n.template weights<0>()),
                            std::span<const TestType>(n.template biases<0>()),
                            std::span<const TestType>(n.template weights<2>()),
                            std::span<const TestType>(n.template biases<2>())})
      v.insert(v.end(), part.begin(), part.end());
    return v;
  };
  net.initialize(5);
  CHECK(net.template weights<1>().empty());
  const std::vector<TestType> first = all(net);
  CHECK(index_t(first.size()) == net.parameter_count);
  auto whole = net.to(be);  // from seed 0, before its parameters are assigned
  std::vector<TestType> theirs;
  const auto read = [&] {
    theirs.clear();
    for (const parameter& p : whole.parameter_list()) {
      const auto v = to_host(be, std::as_const(whole).values(p.name));
      theirs.insert(theirs.end(), v.begin(), v.end());
    }
  };
  read();
  CHECK(theirs == first);
  whole.initialize(5);
  read();
  CHECK(theirs == first);
  whole.initialize(6);
  read();
  net.assign(whole);
  CHECK(all(net) == theirs);
  CHECK(theirs != first);

  const scratch::folder folder;
  save_weights(whole, folder / "whole");
  save_weights(net, folder / "static");
  net.initialize(7);
  REQUIRE(all(net) != theirs);
  load_weights(net, folder / "whole");
  CHECK(all(net) == theirs);
  whole.initialize(7);
  load_weights(whole, folder / "static");
  read();
  CHECK(all(net) == theirs);

  static_network<TestType, dense<7, 5, relu>, dense<5, 3>> other;
  CHECK(complaint<format_error>([&] {
          load_weights(other, folder / "whole");
        }).find("tensor '1.weight' is missing") != std::string::npos);
  CHECK(other.template weights<0>()[0] == 0);
  CHECK(complaint<shape_error>([&] { other.assign(whole); }) ==
        "parameter 1.weight is 5x3, that to take is 2.weight of 5x3");
}

TEST_CASE("a static network refuses matrices that do not fit", "[network]") {
  static_network net{dense<3, 2>{}};
  std::vector<float> numbers(12);
  const matrix_view<const float> x(numbers.data(), 2, 3);
  CHECK(complaint<shape_error>([&] {
          net.predict(x, {numbers.data(), 3, 2});
        }) ==
        "a static_network of 3 inputs and 2 outputs has no outputs of 3x2 for samples of 2x3");
  net.predict({numbers.data(), 0, 3}, {numbers.data(), 0, 2});
}

// tests/isa.cmake runs it with a set that does not exist.
TEST_CASE("a static network refuses an unknown instruction set", "[network]") {
  static_network net{dense<2, 3>{}};
  const char* const set = std::getenv("CHAINRULE_ISA");
  if (set == nullptr || std::string(set) != "sse9") {
    CHECK(net.predict(std::array<float, 2>{1, 1})[0] == 0);
    return;
  }
  for (int i = 0; i < 2; ++i)
    CHECK(complaint<value_error>([&] { (void)net.predict(std::array<float, 2>{}); }) ==
          "the environment variable CHAINRULE_ISA must be portable, avx2 or avx512, got 'sse9'");
}

TEST_CASE("inference makes no system call", "[network]") {
  using support::system_calls;
  if (support::system_calls_of([] {}) == system_calls::unknown) {
    WARN("this kernel cannot refuse system calls");
    return;
  }
  REQUIRE(support::system_calls_of([] { (void)::getppid(); }) == system_calls::some);

  static_network net{dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}};
  net.initialize(1);
  std::array<float, 10> x{1, 0, 1, 1};
  (void)net.predict(x);  // chooses the instruction set
  CHECK(support::system_calls_of([&] {
          for (int i = 0; i < 1000; ++i) x[3] = net.predict(x)[0];
        }) == system_calls::none);

  const auto whole = net.to(cpu{1});
  auto pass = whole.make_pass(1);
  const matrix_view<const float> row(x.data(), 1, 10);
  (void)whole.forward(row, pass);
  CHECK(support::system_calls_of([&] {
          for (int i = 0; i < 1000; ++i) x[3] = whole.forward(row, pass)(0, 0);
        }) == system_calls::none);
}

}  // namespace static_network_test

// Blocks of residual and dense networks: shortcuts, projections, dense blocks, by hand.
#include "chainrule/layers/shortcut.hpp"

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace shortcut_test {

using namespace batches;

namespace {

/// Position (i, j) and channel c of sample s, as a number that is not 0.
double element(index_t s, index_t i, index_t j, index_t c) {
  return static_cast<double>(1 + c + 10 * (j + 10 * (i + 10 * s)));
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a shortcut takes every other position", "[layers][shortcut]", backends) {
  using B = TestType;
  const B be;
  constexpr index_t n = 3;
  const auto check = [&](index_t h, index_t w, index_t stride, index_t channels) {
    CAPTURE(h, w, stride, channels);
    constexpr index_t c = 2;
    network<B> net{be, std::vector<any_layer<B>>{input{h, w, c}, shortcut{stride, channels}}};
    const index_t oh = (h + stride - 1) / stride;
    const index_t ow = (w + stride - 1) / stride;
    REQUIRE(net.output_shape() == shape{oh, ow, channels});
    std::vector<double> values, expected, gradient;
    for (index_t s = 0; s < n; ++s) {
      for (index_t i = 0; i < h; ++i)
        for (index_t j = 0; j < w; ++j)
          for (index_t k = 0; k < c; ++k) {
            values.push_back(element(s, i, j, k));
            const bool taken = i % stride == 0 && j % stride == 0;
            gradient.push_back(taken ? -element(s, i / stride, j / stride, k) : 0);
          }
      for (index_t i = 0; i < oh; ++i)
        for (index_t j = 0; j < ow; ++j)
          for (index_t k = 0; k < channels; ++k)
            expected.push_back(k < c ? element(s, i * stride, j * stride, k) : 0);
    }
    std::vector<double> dy;
    for (index_t s = 0; s < n; ++s)
      for (index_t i = 0; i < oh; ++i)
        for (index_t j = 0; j < ow; ++j)
          for (index_t k = 0; k < channels; ++k) dy.push_back(-element(s, i, j, k));
    auto pass = net.make_pass(n, true);
    const auto x = numbers(be, n, h * w * c, values);
    be.map(fn::fill{not_a_number}, net.output_gradient(pass));
    CHECK(distance(doubles(be, net.forward(x.view(), pass, phase::train(0, 0))), expected) == 0);
    be.copy(net.output_gradient(pass), numbers(be, n, net.outputs(), dy).view());
    auto gradients = net.make_gradients();
    tensor<B> dx = numbers(be, n, h * w * c, std::vector<double>(values.size(), not_a_number));
    net.backward(x.view(), pass, gradients, dx.view());
    CHECK(distance(doubles(be, dx), gradient) == 0);
  };
  check(4, 4, 2, 5);
  check(5, 3, 2, 4);
  check(4, 5, 2, 2);
  check(7, 4, 3, 3);
  check(2, 3, 1, 4);
  check(1, 1, 2, 2);
}

TEST_CASE("misuse of a shortcut is a sentence", "[layers][shortcut]") {
  const cpu be;
  CHECK_THROWS_AS((shortcut{0, 1}), value_error);
  CHECK_THROWS_AS((shortcut{1, 0}), value_error);
  CHECK(complaint<shape_error>([&] {
          network(be, input{4, 4, 3}, shortcut{2, 2});
        }) ==
        "layer 0 (shortcut) takes samples of {h, w, c}, {t, c} or {c} with at most 2 channels, got "
        "4x4x3");
}

TEMPLATE_LIST_TEST_CASE("a projection is added to its block", "[layers][shortcut]", backends) {
  using B = TestType;
  const B be;
  const auto ones = [](index_t outputs, double w, double b) {
    return dense{outputs}.weights(init::constant(w)).bias(init::constant(b));
  };
  network<B> net{be,
                 {input{2}, residual{ones(4, 1, 0), ones(3, 0.5, 1)}.projection(ones(3, -1, 10))}};
  CHECK(net.parameter_list().back().name == "0.projection.bias");
  const auto x = numbers(be, 2, 2, {1, 2, 3, 5});
  // f = 4 (x0 + x1) / 2 + 1, p = 10 - (x0 + x1)
  CHECK(distance(doubles(be, net.predict(x.view())), std::vector<double>{14, 14, 14, 19, 19, 19}) <=
        40 * epsilon<B>);
}

TEST_CASE("blocks whose shapes differ are refused", "[layers][shortcut]") {
  const cpu be;
  CHECK(complaint<shape_error>([&] { network(be, input{2}, residual{dense{3}}); }) ==
        "layer 0 (residual): the layers of a residual block must return samples of the shape they "
        "take, 2, but return 3; give the block a projection(layer) to that shape");
  CHECK(complaint<shape_error>(
            [&] { network(be, input{2}, residual{dense{3}}.projection(dense{4})); }) ==
        "layer 0 (projected_residual): the layers of a residual block return samples of 3, its "
        "projection samples of 4; they must be of one shape");
}

TEMPLATE_LIST_TEST_CASE("a dense block adds features to its input", "[layers][shortcut]",
                        backends) {
  using B = TestType;
  const B be;
  const auto sum = [](index_t outputs) { return dense{outputs}.weights(init::constant(1)); };
  network<B> net{be, {input{2, 2}, dense_block{sum(1), sum(2)}}};
  REQUIRE(net.output_shape() == shape{2, 5});
  const auto x = numbers(be, 1, 4, {1, 2, 3, 5});
  CHECK(distance(doubles(be, net.predict(x.view())),
                 std::vector<double>{1, 2, 3, 6, 6, 3, 5, 8, 16, 16}) <= 64 * epsilon<B>);
  CHECK(net.parameter_list().back().name == "0.1.1.bias");
}

}  // namespace shortcut_test

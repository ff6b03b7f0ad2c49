// Layers that pool and resize images, beside numbers of PyTorch.
#include "chainrule/layers/pooling.hpp"

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace pooling_test {

using namespace batches;

namespace {

/// What a layer makes of an image, and of the gradient of its output.
struct results {
  shape in, out;
  std::vector<double> y, dx;
};

/// Runs a layer on the numbers ((7 i + 3) mod 11 - 5) / 4 and the gradient ((5 i + 2) mod 7 - 3) /
/// 2, twice in a batch whose second sample is the first one negated, and compares the first sample.
template <class B, class Layer>
void check(const Layer& layer, const results& expected) {
  const B be;
  const network<B> net{be, {input{expected.in}, layer}};
  CHECK(net.output_shape() == expected.out);
  std::vector<double> x, dy;
  for (index_t i = 0; i < expected.in.size(); ++i)
    x.push_back(static_cast<double>((7 * i + 3) % 11 - 5) / 4);
  for (index_t i = 0; i < expected.out.size(); ++i)
    dy.push_back(static_cast<double>((5 * i + 2) % 7 - 3) / 2);
  const auto twice = [&](std::vector<double> v) {
    const auto n = static_cast<index_t>(v.size());
    for (index_t i = 0; i < n; ++i) v.push_back(-v[static_cast<std::size_t>(i)]);
    return numbers(be, 2, n, v);
  };
  const tensor<B> images = twice(x);
  const tensor<B> gradient = twice(dy);
  pass<B> p = net.make_pass(2, true);
  const auto outputs = doubles(be, net.forward(images.view(), p, phase::train(0, 0)));
  be.copy(net.output_gradient(p), gradient.view());
  auto gradients = net.make_gradients();
  tensor<B> dx =
      numbers(be, 2, expected.in.size(),
              std::vector<double>(static_cast<std::size_t>(2 * expected.in.size()), not_a_number));
  net.backward(images.view(), p, gradients, dx.view());
  const auto first = [](const std::vector<double>& all) {
    return std::vector<double>(all.begin(),
                               all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2));
  };
  // Sums of at most 30 numbers of at most 1.5, with weights of at most 1.
  const double bound = 30 * 1.5 * 4 * epsilon<B>;
  CHECK(distance(first(outputs), expected.y) <= bound);
  CHECK(distance(first(doubles(be, dx)), expected.dx) <= bound);
  // Without training the same.
  CHECK(same_bits(doubles(be, net.predict(images.view())), outputs));
}

}  // namespace

// The numbers are those of PyTorch 2.15.0 in double: max_pool2d, avg_pool2d, adaptive_avg_pool2d,
// adaptive_max_pool2d, interpolate, pad.

TEMPLATE_LIST_TEST_CASE("max_pool", "[layers][pooling]", backends) {
  check<TestType>(max_pool{3, {.stride = 2, .pad = 1}},
                  {{5, 4, 2},
                   {3, 2, 2},
                   {0.5, 1.25, 1.25, 1, 1, 0, 1.25, 1.25, 1.25, 0.25, 1.25, 1},
                   {0, -1.5, 0, 0,    0, 0, 0,  0,   0, 0, -0.5, 0, 1.5, 0, 0,    0, 0, 0,  0, 0,
                    0, 0,    0, -0.5, 0, 0, -1, 1.5, 0, 0, 0,    0, 0,   0, -1.5, 1, 0, -1, 0, 0}});
  check<TestType>(max_pool{{2, 3}, {.stride = 1, .dilation = {2, 1}}},
                  {{4, 4, 1},
                   {2, 2, 1},
                   {1.25, 1.25, 1.25, 1},
                   {0, -2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}});
  check<TestType>(
      global_max_pool{},
      {{3, 5, 2}, {2}, {1.25, 1.25}, {0, -1.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.5, 0, 0,
                                      0, 0,    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0}});
}

TEMPLATE_LIST_TEST_CASE("average_pool", "[layers][pooling]", backends) {
  const double ninth = 1 / 9.0;
  check<TestType>(average_pool{3, {.stride = 2, .pad = 1}},
                  {{5, 4, 1},
                   {3, 2, 1},
                   {1.75 * ninth, 0.5 * ninth, ninth, -ninth, 0.5 * ninth, 0},
                   {-0.5 * ninth,
                    -2 * ninth,
                    -1.5 * ninth,
                    -1.5 * ninth,
                    0.5 * ninth,
                    -ninth,
                    -1.5 * ninth,
                    -1.5 * ninth,
                    ninth,
                    ninth,
                    0,
                    0,
                    0,
                    1.5 * ninth,
                    1.5 * ninth,
                    1.5 * ninth,
                    -ninth,
                    0.5 * ninth,
                    1.5 * ninth,
                    1.5 * ninth}});
  const double part = 1 / 24.0;
  check<TestType>(
      average_pool{3, {.stride = 2, .pad = 1, .count_padding = false}},
      {{5, 4, 1},
       {3, 2, 1},
       {0.4375, 2 * part, 4 * part, -ninth, 0.125, 0},
       {-0.125, -0.375, -0.25,     -0.25,    part, -5 * part, -0.25, -0.25, 4 * part, 4 * part,
        0,      0,      -2 * part, 4 * part, 0.25, 0.25,      -0.25, 0,     0.25,     0.25}});
  check<TestType>(
      global_average_pool{},
      {{3, 5, 2},
       {2},
       {-0.25 / 15, 1.25 / 15},
       {-0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15,
        -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15,
        -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15,
        -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15, -0.5 / 15, -1.5 / 15}});
}

TEMPLATE_LIST_TEST_CASE("upsample", "[layers][pooling]", backends) {
  check<TestType>(upsample{{2, 3}},
                  {{2, 2, 1},
                   {4, 6, 1},
                   {-0.5, -0.5, -0.5, 1.25,  1.25,  1.25,  -0.5, -0.5, -0.5, 1.25,  1.25,  1.25,
                    0.25, 0.25, 0.25, -0.75, -0.75, -0.75, 0.25, 0.25, 0.25, -0.75, -0.75, -0.75},
                   {-2.5, 0.5, 2.5, -1.5}});
  check<TestType>(upsample{2, upsampling::bilinear},
                  {{2, 3, 1},
                   {4, 6, 1},
                   {-0.5,   -0.0625, 0.8125, 1,       0.5,     0.25,  -0.5625, -0.125,
                    0.75,   0.9375,  0.4375, 0.1875,  -0.6875, -0.25, 0.625,   0.8125,
                    0.3125, 0.0625,  -0.75,  -0.3125, 0.5625,  0.75,  0.25,    0},
                   {-1.125, -0.53125, 0.28125, 1.5, -0.96875, -0.15625}});
  const double s = 1 / 48.0;
  check<TestType>(
      upsample{{3, 2}, upsampling::bilinear},
      {{2, 2, 1},
       {6, 4, 1},
       {-0.5, -0.0625, 0.8125, 1.25,   -0.5, -0.0625, 0.8125, 1.25,  -0.25, -2 * s, 0.375, 28 * s,
        0,    -s,      -3 * s, -4 * s, 0.25, 0,       -0.5,   -0.75, 0.25,  0,      -0.5,  -0.75},
       {-50 * s, -22 * s, 68 * s, -44 * s}});
}

TEMPLATE_LIST_TEST_CASE("pad and crop", "[layers][pooling]", backends) {
  check<TestType>(pad{{.top = 1, .bottom = 1, .left = 2}},
                  {{2, 2, 1},
                   {4, 4, 1},
                   {0, 0, 0, 0, 0, 0, -0.5, 1.25, 0, 0, 0.25, -0.75, 0, 0, 0, 0},
                   {0.5, -0.5, 0, -1}});
  check<TestType>(crop{{.bottom = 1, .left = 1}},
                  {{3, 3, 1}, {2, 2, 1}, {1.25, 0.25, 1, 0}, {0, -0.5, -1.5, 0, 1, 0, 0, 0, 0}});
}

TEMPLATE_LIST_TEST_CASE("sequences are pooled along their time", "[layers][pooling]", backends) {
  // Of {3, 2} only the width's number counts.
  const TestType be;
  const tensor<TestType> x = numbers(be, 1, 8, {1, 5, 2, 4, 3, 3, 9, 2});  // 4 steps of 2 channels
  const auto answer = [&](const auto& layer, const shape& out) {
    const network<TestType> net{be, {input{4, 2}, layer}};
    CHECK(net.output_shape() == out);
    return doubles(be, net.predict(x.view()));
  };
  CHECK(answer(max_pool{2}, {2, 2}) == std::vector<double>{2, 5, 9, 3});
  CHECK(answer(max_pool{{3, 2}, {.stride = 1}}, {3, 2}) == std::vector<double>{2, 5, 3, 4, 9, 3});
  CHECK(answer(average_pool{2}, {2, 2}) == std::vector<double>{1.5, 4.5, 6, 2.5});
  CHECK(answer(global_average_pool{}, {2}) == std::vector<double>{3.75, 3.5});
  CHECK(answer(upsample{2}, {8, 2}) ==
        std::vector<double>{1, 5, 1, 5, 2, 4, 2, 4, 3, 3, 3, 3, 9, 2, 9, 2});
  CHECK(answer(pad{{.top = 5, .left = 1}}, {5, 2}) ==
        std::vector<double>{0, 0, 1, 5, 2, 4, 3, 3, 9, 2});
  CHECK(answer(crop{1}, {2, 2}) == std::vector<double>{2, 4, 3, 3});
}

TEMPLATE_LIST_TEST_CASE("NaN is the largest under a window", "[layers][pooling]", backends) {
  const TestType be;
  const network<TestType> net{be, {input{2, 4, 1}, max_pool{2}}};
  const auto y = doubles(
      be, net.predict(numbers(be, 1, 8, {1, not_a_number, 3, -inf, inf, 2, -inf, 1}).view()));
  CHECK(std::isnan(y[0]));
  CHECK(y[1] == 3);
}

TEMPLATE_LIST_TEST_CASE("gradients through layers that pool and resize", "[layers][pooling]",
                        double_backends) {
  using B = TestType;
  const B be;
  const auto checked = [&](std::vector<any_layer<B>> middle) {
    // Mid-net, odd extents, a batch of 3.
    std::vector<any_layer<B>> layers{input{5, 7, 2}, dense{3, fn::tanh{}}};
    for (auto& l : middle) layers.push_back(l);
    layers.push_back(dense{2, fn::tanh{}});
    layers.push_back(flatten{});
    layers.push_back(dense{2});
    network<B> net{be, layers};
    net.initialize(3);
    const auto x = uniform(be, 3, net.inputs(), 1);
    const auto targets = uniform(be, 3, net.outputs(), 2);
    const auto report = check_gradients(net, quadratic_cost{}, x.view(), targets.view());
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == net.parameter_count() + 3 * net.inputs());
  };
  checked({max_pool{2}});
  checked({max_pool{3, {.stride = 2, .dilation = {2, 1}, .pad = {2, 1}}}});
  checked({max_pool{3, {.stride = 1, .pad = same}}});
  checked({average_pool{{2, 3}, {.stride = 2, .pad = {1, 0}}}});
  checked({average_pool{3, {.stride = {1, 2}, .pad = 1, .count_padding = false}}});
  checked({global_max_pool{}});
  checked({global_average_pool{}});
  checked({upsample{{2, 1}}, crop{{.top = 1, .right = 2}}});
  checked({upsample{{1, 3}, upsampling::bilinear}, pad{{.bottom = 1, .left = 2}}});
}

TEST_CASE("what pooling layers refuse", "[layers][pooling]") {
  using B = tested<float>;
  const auto bound = [](const shape& in, const auto& layer) {
    return [=] { network<B>{B{}, {input{in}, layer}}; };
  };
  CHECK(complaint<shape_error>(bound({8}, max_pool{2})) ==
        "layer 0 (max_pool) expects samples of {height, width, channels} or {time, channels}, got "
        "8; use reshape_to");
  CHECK(complaint<shape_error>(bound({2, 2, 2, 2}, global_average_pool{})) ==
        "layer 0 (global_average_pool) expects samples of {height, width, channels} or {time, "
        "channels}, got 2x2x2x2; use reshape_to");
  CHECK(complaint<shape_error>([] {
          network<B>{B{}, {max_pool{2}}};
        }) ==
        "layer 0 (max_pool) takes any number of features; begin with a layer that says how many, "
        "such as input{784} or dense{784, 128}");
  CHECK(complaint<shape_error>(bound({4, 5, 1}, average_pool{{2, 6}})) ==
        "layer 0 (average_pool): a window that spans 6 does not fit into a width of 5 with padding "
        "of 0 + 0");
  CHECK(complaint<value_error>(bound({4, 5, 1}, max_pool{3, {.pad = {1, 2}}})) ==
        "layer 0 (max_pool) has padding of 2 for a window that spans 3; the most is half of the "
        "span");
  CHECK(complaint<value_error>(bound({4, 5, 1}, max_pool{2, {.stride = {1, -1}}})) ==
        "layer 0 (max_pool): a window has a kernel, a stride and a dilation of at least 1 and "
        "padding of at least 0; along the width they are 2, -1, 1 and 0 + 0");
  CHECK(complaint<value_error>(bound({4, 5, 1}, upsample{{0, 2}})) ==
        "layer 0 (upsample): a window has a kernel, a stride and a dilation of at least 1 and "
        "padding of at least 0; along the height they are 1, 0, 1 and 0 + 0");
  CHECK(complaint<value_error>([] { (void)pad{-1}; }) ==
        "the sides of pad and crop are at least 0 and at most 2^30, got -1");
  CHECK(complaint<shape_error>(bound({4, 5, 1}, crop{2})) ==
        "layer 0 (crop) cuts 2 + 2 pixels from 4x5x1, which leaves none");
}

TEST_CASE("pooling layers describe themselves", "[layers][pooling]") {
  const auto words = [](const auto& layer) { return to_string(describe(layer)); };
  CHECK(words(max_pool{2}) == "max_pool(kernel=2x2)");
  CHECK(words(max_pool{{3, 2}, {.stride = 2, .dilation = {1, 2}, .pad = {0, 1}}}) ==
        "max_pool(kernel=3x2, stride=2x2, dilation=1x2, pad=0x1)");
  CHECK(words(max_pool{3, {.pad = same}}) == "max_pool(kernel=3x3, pad=same)");
  CHECK(words(average_pool{2, {.count_padding = false}}) ==
        "average_pool(kernel=2x2, count_padding=0)");
  CHECK(words(upsample{{2, 3}, upsampling::bilinear}) == "upsample(factor=2x3, mode=bilinear)");
  CHECK(words(pad{{.top = 1, .right = 2}}) == "pad(top=1, right=2)");
  CHECK(words(crop{1}) == "crop(top=1, bottom=1, left=1, right=1)");
}

}  // namespace pooling_test

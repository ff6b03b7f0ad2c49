// What convolutions and their relatives refuse, and in what words; their values are compared with
// PyTorch's in pytorch_values_test.cpp, their gradients in tests/gradients.
#include "chainrule/layers/convolution.hpp"

#include <exception>
#include <limits>

#include "chainrule/data/normalization.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/network/model.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace convolution_test {

using namespace batches;

namespace {

using B = tested<float>;

/// What a network of these layers says when it is bound.
std::string refusal(std::vector<any_layer<B>> layers) {
  return support::complaint<std::exception>([&] { (void)network<B>(B{}, std::move(layers)); });
}
bool has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != text.npos);
  return text.find(part) != text.npos;
}

}  // namespace

TEST_CASE("convolutions name the layer and what does not fit", "[layers][images]") {
  has(refusal({input{784}, conv2d{8, 3}}), "layer 0 (conv2d) expects samples of {height, width");
  has(refusal({input{5, 5, 1}, conv1d{8, 3}}), "expects samples of {time, channels}");
  has(refusal({input{4, 5, 1}, conv2d{8, 6}}), "a window that spans 6 does not fit into a height");
  has(refusal({input{4, 4, 3}, conv2d{8, 3, {.groups = 2}}}), "multiples of its number of groups");
  has(refusal({input{4, 4, 3}, conv2d{8, 3, {.stride = 0}}}),
      "a stride and a dilation of at least");
  has(refusal({input{4, 4, 3}, conv2d{8, 3, {.pad = -1}}}), "padding of at least 0");
  has(refusal({input{4, 4, 2}, conv_transpose2d{3, 3, {.stride = 0}}}), "at least 1");
  has(refusal({input{4, 4, 2}, conv_transpose2d{3, 3, {.stride = 2, .output_pad = 2}}}),
      "below the stride, 2");
  has(refusal({input{1, 1, 2}, conv_transpose2d{3, 1, {.pad = 1}}}), "use less padding");
  CHECK_THROWS_AS((conv2d{0, 3}), value_error);
}

TEST_CASE("extents of windows that cannot be counted are refused", "[layers][images]") {
  constexpr index_t large = (index_t{1} << 30) - 1;
  constexpr index_t most = std::numeric_limits<index_t>::max();
  has(refusal({input{1, 1, 16}, conv2d{1, 2, {.pad = same, .dilation = large}}}), "counted");
  for (const index_t n : {most, std::numeric_limits<index_t>::min(), index_t{1} << 31}) {
    CHECK(refusal({input{4, 4, 1}, conv2d{1, 2, {.pad = n}}}) != "");
    CHECK(refusal({input{4, 4, 1}, conv2d{1, 2, {.stride = n}}}) != "");
    CHECK(refusal({input{4, 4, 1}, conv2d{1, 2, {.pad = same, .dilation = n}}}) != "");
    CHECK(refusal({input{4, 4, 1}, conv_transpose2d{1, 2, {.stride = n}}}) != "");
    CHECK_THROWS_AS(shortcut(n, 8), value_error);
    CHECK_THROWS_AS(pad(n), value_error);
  }
  has(refusal({input{1, 1, 1}, max_pool{2, {.stride = 1, .dilation = 3, .pad = 2}}}),
      "in padding only");
}

TEST_CASE("descriptions with options out of range are refused", "[layers][images]") {
  description d = describe(conv_transpose2d{3, 3, {.stride = 2}});
  for (auto& [name, text] : d.extents)
    if (name == "stride") text = "0x0";
  CHECK_THROWS_AS((network<B>(B{}, {input{4, 4, 2}, detail::layer_of<B>(d)})), value_error);
}

TEST_CASE("ops of windows check their geometry", "[ops][images]") {
  CHECK_THROWS_AS(ops::convolve_op{(convolution{{{4, 2, 0}, {4, 2}, 1}, 2})}.shape({3, 16}, {4, 2}),
                  value_error);
  CHECK_THROWS_AS(ops::convolve_op{(convolution{{{4, 2}, {4, 2}, 1}, 2, 0})}.shape({3, 16}, {4, 2}),
                  value_error);
  CHECK_THROWS_AS(ops::convolve_op{(convolution{{{4, 7}, {4, 7}, 1}, 2})}.shape({3, 16}, {49, 2}),
                  shape_error);
  CHECK_THROWS_AS((ops::max_pool_op{window{{4, 7}, {4, 7}, 1}}.shape({3, 16})), shape_error);
}

TEST_CASE("reductions over no columns", "[layers]") {
  const B be;
  const tensor<B> x(be, 300, 0);
  tensor<B> none(be, 1, 0), one(be, 1, 1);
  be.map(fn::fill{not_a_number}, one.view());
  be.reduce(reduction::sum{}, none.view(), fn::identity{}, x.view());
  be.reduce(reduction::sum{}, one.view(), fn::identity{}, x.view());
  CHECK(doubles(be, one) == std::vector<double>{0});
}

TEST_CASE("normalizations check what they are given", "[data]") {
  CHECK_THROWS_AS(normalization(not_a_number), value_error);
  CHECK_THROWS_AS(normalization(inf, {0}, {1}), value_error);
  const std::vector<float> same_pixels(49 * 1000, 77.0F);
  has(support::complaint<std::exception>([&] {
        (void)measure_channels(matrix_view<const float>(same_pixels.data(), 1000, 49), 1,
                               1.0 / 255);
      }),
      "channel 0 is constant");
}

}  // namespace convolution_test

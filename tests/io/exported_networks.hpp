/// \file
/// Networks that exports are checked with: one with each layer, in which every parameter counts.
#ifndef CHAINRULE_TESTS_IO_EXPORTED_NETWORKS_HPP
#define CHAINRULE_TESTS_IO_EXPORTED_NETWORKS_HPP

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/network/network.hpp"

namespace exported_networks {

using namespace chainrule;

struct swish {
  static constexpr std::string_view name = "swish";
  constexpr auto operator()(const auto& x) const { return x / (1 + math::exp(-x)); }
};

/// Functions for which ONNX has no operator of their own, comparisons and conditions.
struct many_calls {
  static constexpr std::string_view name = "many_calls";
  constexpr auto operator()(const auto& x) const {
    const auto small =
        math::where((x > -1) & (x <= 2) & (x != 0), math::log1p(x * x), math::cbrt(x));
    const auto whole = math::trunc(x) + math::round(3 * x) + math::fmod(x, 0.7 + 0 * x);
    return small - 0.1 * whole + math::exp2(-x * x) + math::log2(2 + x * x) +
           math::log10(3 + x * x) + math::expm1(math::min(x, 1)) + math::pow(x * x + 1, 0.3);
  }
};

template <class T>
struct named {
  std::string name;
  network<basic_cpu<T>> net;
};

/// Moves parameters and statistics away from their first values, which are often all the same.
template <class T>
network<basic_cpu<T>> with_values(std::vector<any_layer<basic_cpu<T>>> layers) {
  network<basic_cpu<T>> net{basic_cpu<T>{1}, std::move(layers)};
  net.initialize(3);
  int k = 0;
  const auto move = [&](auto& arena, const auto& slots) {
    for (const parameter& p : slots) {
      const auto m = arena[p.place];
      for (index_t i = 0; i < m.rows(); ++i)
        for (index_t j = 0; j < m.cols(); ++j)
          m.data()[i * m.stride() + j] += static_cast<T>(0.3 * std::sin(1.7 * ++k));
    }
  };
  move(net.parameters(), net.declared().parameters());
  move(net.states(), net.declared().states());
  return net;
}

template <class T>
std::vector<named<T>> all() {
  using L = std::vector<any_layer<basic_cpu<T>>>;
  std::vector<named<T>> nets;
  const auto add = [&](const char* name, L layers) {
    nets.push_back({name, with_values<T>(std::move(layers))});
  };
  add("mlp", {dense{7, 16, relu{}}, dropout{0.5}, dense{12, fn::tanh{}}, frozen{dense{8, relu{}}},
              in_group{1, dense{5}}});
  add("lenet", {input{12, 10, 1}, conv2d{4, {3, 5}, relu{}}, max_pool{2},
                conv2d{6, 3, identity{}, {.pad = same}}, activation{fn::tanh{}},
                average_pool{{1, 3}}, dropout2d{0.2}, flatten{}, dense{16, relu{}}, dense{10}});
  add("convolutions",
      {input{9, 7, 4},
       conv2d{6,
              {3, 2},
              leaky_relu{0.2},
              {.stride = {2, 1}, .pad = {1, 0}, .dilation = {1, 2}, .groups = 2}},
       conv2d{4, 4, relu{}, {.pad = same, .bias = false}},
       conv_transpose2d{
           6, {3, 4}, identity{}, {.stride = 2, .pad = 1, .groups = 2, .output_pad = {1, 0}}},
       conv_transpose2d{4, {4, 2}, relu{}, {.pad = same, .dilation = {1, 2}}}});
  add("sequences",
      {input{16, 3}, conv1d{6, 3, relu{}, {.stride = 2, .pad = 1}}, max_pool{2, {.stride = 1}},
       average_pool{{1, 2}}, upsample{2}, upsample{2, upsampling::bilinear},
       pad{{.left = 2, .right = 1}}, crop{{.left = 1, .right = 3}}, batch_norm{}, group_norm{3},
       prelu{}.per_channel(), layer_norm{}, dense{8, relu{}}, global_max_pool{}, dense{4}});
  add("pooling", {input{13, 11, 2}, max_pool{3, {.stride = {1, 2}, .dilation = {1, 2}, .pad = 1}},
                  average_pool{3, {.stride = {2, 1}, .pad = 1, .count_padding = false}},
                  average_pool{{2, 3}, {.stride = 1, .pad = {1, 0}}}, global_average_pool{}});
  add("resizing", {input{3, 4, 2}, upsample{{2, 3}}, upsample{{3, 2}, upsampling::bilinear},
                   pad{{.top = 1, .bottom = 2, .right = 3}}, crop{{.bottom = 1, .left = 2}}});
  add("resized_channels_first",
      {input{5, 4, 2}, conv2d{3, 2}, pad{{.top = 1, .right = 3}}, crop{{.bottom = 1, .left = 2}},
       prelu{}.per_channel(), shortcut{2, 5}});
  add("image_norms", {input{4, 3, 6}, batch_norm{relu{}}, batch_norm{}.affine(false).eps(1e-3),
                      layer_norm{}, layer_norm{}.all_axes(), rms_norm{1e-6}, group_norm{2},
                      instance_norm{}, instance_norm{}.affine(true)});
  add("responses", {input{4, 3, 6}, local_response_norm{5, 0.5, 0.75, 2},
                    local_response_norm{4, 0.3, 0.6, 1}, prelu{}});
  add("vector_norms", {input{6}, batch_norm{fn::sigmoid{}}, dense{8}, layer_norm{}.affine(false),
                       group_norm{2}, rms_norm{1e-5}, local_response_norm{3}});
  add("blocks",
      {input{6, 4, 2}, residual{conv2d{2, 3, relu{}, {.pad = same}}, batch_norm{}},
       residual{conv2d{5, 3, identity{}, {.stride = 2, .pad = 1}}, activation{relu{}}}.projection(
           conv2d{5, 1, identity{}, {.stride = 2}}),
       residual{conv2d{8, {1, 2}, identity{}, {.pad = same}}}.projection(shortcut{1, 8}),
       concat{conv2d{3, 1}, sequence{conv2d{2, 3, identity{}, {.pad = same}}, activation{relu{}}},
              activation{identity{}}},
       dense_block{conv2d{3, 3, relu{}, {.pad = same}}, dense{2, relu{}}},
       repeat{2, residual{dense{18, relu{}}}}, reshape_to{6, 18}, sequence{dense{3}, flatten{}}});
  add("shortcuts", {input{5, 6, 2}, shortcut{2, 3}, shortcut{1, 5}, flatten{}, shortcut{3, 50}});
  add("embeddings", {input{6}, embedding{10, 4}, conv1d{5, 3, relu{}}, flatten{}, dense{3}});
  add("reshaped", {input{4, 6}, reshape_to{2, 3, 4}, conv2d{5, 2}, reshape_to{10, 1}, flatten{}});
  add("nothing", {input{2, 3, 4}, dropout{0.5}});
  L each;
  for_each_activation([&](const auto& f) {
    if (f.name != gelu::name) each.push_back(activation{f});
  });
  each.push_back(activation{leaky_relu{0.3}});
  each.push_back(activation{elu{0.6}});
  add("activations", {input{3, 5}, concat<std::vector<any_layer<basic_cpu<T>>>>{each}});
  add("error_functions", {dense{5, 4, gelu{}}, activation{fn::erfc{}}});
  add("own_activations", {dense{7, 9, swish{}}, activation{many_calls{}}});
  return nets;
}

/// Samples and the outputs for them, as bytes.
template <class T>
std::pair<std::string, std::string> samples(const named<T>& c, index_t rows) {
  const basic_cpu<T>& be = c.net.backend();
  const index_t n = rows * c.net.inputs();
  const auto bytes_of = [](const auto& values) {
    std::string bytes(values.size() * sizeof(values[0]), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
  };
  if (const index_t count = c.net.declared().index_count(); count > 0) {
    std::vector<std::int32_t> x;
    for (index_t i = 0; i < n; ++i) x.push_back(static_cast<std::int32_t>(i * 7 % (count + 1)) - 1);
    const auto y = c.net.predict(const_indices<basic_cpu<T>>(x.data(), rows, c.net.inputs()));
    return {bytes_of(x), bytes_of(to_host(be, y.view()))};
  }
  std::vector<T> x;
  for (index_t i = 0; i < n; ++i)
    x.push_back(static_cast<T>(3 * std::sin(0.37 * static_cast<double>(i * i % 1009))));
  const auto y = c.net.predict(const_matrix<basic_cpu<T>>(x.data(), rows, c.net.inputs()));
  return {bytes_of(x), bytes_of(to_host(be, const_matrix<basic_cpu<T>>(y.view())))};
}

}  // namespace exported_networks

#endif  // CHAINRULE_TESTS_IO_EXPORTED_NETWORKS_HPP

/// \file
/// `model`: the layers of a network as a value, without a backend and without parameters.
///
///     model m{input{784}, dense{128, relu{}}};
///     for (index_t width : widths) m.add(dense{width, relu{}});   // known at run time
///     m.add(dense{10});
///     network net{cpu{}, m};                                     // binds it
///     network<opencl> there = net.to(opencl{});                  // the same parameters
///
/// A model holds descriptions (layers/description.hpp), from which the library's layers are built
/// again for any backend. A layer of your own needs a factory for each backend:
///
///     layer_factories<cpu>()["scale"] = [](const description&) { return any_layer<cpu>(scale{});
///     };
///
/// This header compiles every layer with every activation for each backend that it is used with:
/// include it where models are used, and only there.
#ifndef CHAINRULE_NETWORK_MODEL_HPP
#define CHAINRULE_NETWORK_MODEL_HPP

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/description_values.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/network/network.hpp"

namespace chainrule {

/// How layers that are not the library's are built, by their kind; see describe(). Change it before
/// other threads build layers.
template <backend B>
[[nodiscard]] auto& layer_factories() {
  static std::map<std::string, any_layer<B> (*)(const description&), std::less<>> factories;
  return factories;
}

namespace detail {

[[nodiscard]] inline sides sides_of(const description& d) {
  return {extent_or_0(d, "top"), extent_or_0(d, "bottom"), extent_or_0(d, "left"),
          extent_or_0(d, "right")};
}

[[nodiscard]] inline initializer initializer_of(const description& d, std::string_view option,
                                                initializer otherwise) {
  const std::string* const text = find_text(d.options, option);
  if (text == nullptr) return otherwise;
  const call_in_words call(d, *text);
  for (std::size_t i = 0; i < initializer::names.size(); ++i)
    if (initializer::names[i] == call.name && call.constants.size() == 2)
      return {static_cast<initializer::rule>(i), call.constants[0], call.constants[1]};
  refuse_description(d, concat("there is no initializer '", *text, "'"));
}

/// build(f) for the activation f of a description.
template <backend B, class Build>
[[nodiscard]] any_layer<B> with_activation_of(const description& d, const Build& build) {
  if (d.activation.empty()) return build(identity{});
  const call_in_words call(d, d.activation);
  if (call.name == "custom")
    refuse_description(d, "its activation is a function of the program, which has no name");
  std::vector<any_layer<B>> built;
  with_activation(call.name, [&]<class F>(const F& f) {
    if constexpr (requires { f.constants(); }) {
      if (call.constants.size() != f.constants().size())
        refuse_description(d, concat("expected ", f.constants().size(), " constants of ", call.name,
                                     ", got ", call.constants.size()));
      built.push_back(build(F{call.constants[0]}));
    } else {
      built.push_back(build(f));
    }
  });
  return std::move(built.front());
}

/// A conv1d, conv2d or conv_transpose2d.
template <backend B, template <class> class Layer>
[[nodiscard]] any_layer<B> convolution_of(const description& d) {
  const std::string* const groups = find_text(d.extents, "groups");
  const convolution_options options{
      .stride = extent2d_of(d, "stride", 1),
      .pad = padding_of(d),
      .dilation = extent2d_of(d, "dilation", 1),
      .groups = groups == nullptr ? 1 : number_of<index_t>(d, *groups),
      .bias = flag_of(d, "bias", true),
      .output_pad = extent2d_of(d, "output_pad", 0)};
  return with_activation_of<B>(d, [&]<class F>(const F& f) -> any_layer<B> {
    const Layer<F> layer(extent_of(d, "outputs"), extent2d_of(d, "kernel", 1), f, options);
    return layer.weights(initializer_of(d, "weights", layer.initial_weights()))
        .bias(initializer_of(d, "initial_bias", init::zeros()));
  });
}

template <backend B>
[[nodiscard]] std::vector<any_layer<B>> layers_of(const std::vector<description>& list);

/// The only layer of a repeat or of a wrapper.
template <backend B>
[[nodiscard]] any_layer<B> inner_layer(const description& d);

/// The layer that was described. Throws value_error if it cannot be built.
template <backend B>
[[nodiscard]] any_layer<B> layer_of(const description& d) {
  if (const auto found = layer_factories<B>().find(d.kind); found != layer_factories<B>().end())
    return found->second(d);
  if (d.kind == dense<>::name)
    return with_activation_of<B>(d, [&]<class F>(const F& f) -> any_layer<B> {
      const index_t outputs = extent_of(d, "outputs");
      const std::string* const inputs = find_text(d.options, "inputs");
      const auto layer =
          inputs != nullptr ? dense<dynamic, dynamic, F>(number_of<index_t>(d, *inputs), outputs, f)
                            : dense<dynamic, dynamic, F>(outputs, f);
      return layer.weights(initializer_of(d, "weights", layer.initial_weights()))
          .bias(initializer_of(d, "bias", init::zeros()));
    });
  if (d.kind == activation<identity>::name)
    return with_activation_of<B>(
        d, []<class F>(const F& f) -> any_layer<B> { return activation<F>(f); });
  if (d.kind == dropout::name) return dropout(constant_of(d, "p"));
  if (d.kind == dropout2d::name) return dropout2d(constant_of(d, "p"));
  if (d.kind == batch_norm<>::name)
    return with_activation_of<B>(d, [&]<class F>(const F& f) -> any_layer<B> {
      return batch_norm<F>(f)
          .momentum(constant_of(d, "momentum"))
          .eps(constant_of(d, "eps"))
          .affine(flag_of(d, "affine", true));
    });
  if (d.kind == layer_norm::name)
    return layer_norm{}
        .eps(constant_of(d, "eps"))
        .affine(flag_of(d, "affine", true))
        .all_axes(flag_of(d, "all_axes", false));
  if (d.kind == rms_norm::name) return rms_norm(constant_of(d, "eps"));
  if (d.kind == group_norm::name)
    return group_norm(extent_of(d, "groups"))
        .eps(constant_of(d, "eps"))
        .affine(flag_of(d, "affine", true));
  if (d.kind == instance_norm::name)
    return instance_norm{}.eps(constant_of(d, "eps")).affine(flag_of(d, "affine", false));
  if (d.kind == local_response_norm::name)
    return local_response_norm(extent_of(d, "size"), constant_of(d, "alpha"),
                               constant_of(d, "beta"), constant_of(d, "k"));
  if (d.kind == prelu::name)
    return prelu{}.initial(constant_of(d, "initial")).per_channel(flag_of(d, "per_channel", false));
  if (d.kind == shortcut::name) return shortcut(extent_of(d, "stride"), extent_of(d, "channels"));
  if (d.kind == embedding::name) {
    const embedding layer(extent_of(d, "vocabulary"), extent_of(d, "features"));
    return layer.weights(initializer_of(d, "weights", init::normal(0, 1)));
  }
  if (d.kind == conv2d<>::name) return convolution_of<B, conv2d>(d);
  if (d.kind == conv1d<>::name) return convolution_of<B, conv1d>(d);
  if (d.kind == conv_transpose2d<>::name) return convolution_of<B, conv_transpose2d>(d);
  if (d.kind == max_pool::name)
    return max_pool(extent2d_of(d, "kernel", 1), {.stride = extent2d_of(d, "stride", 0),
                                                  .dilation = extent2d_of(d, "dilation", 1),
                                                  .pad = padding_of(d)});
  if (d.kind == average_pool::name)
    return average_pool(extent2d_of(d, "kernel", 1),
                        {.stride = extent2d_of(d, "stride", 0),
                         .pad = padding_of(d),
                         .count_padding = flag_of(d, "count_padding", true)});
  if (d.kind == global_max_pool::name) return global_max_pool{};
  if (d.kind == global_average_pool::name) return global_average_pool{};
  if (d.kind == upsample::name)
    return upsample(extent2d_of(d, "factor", 1), text_or(d, "mode", "nearest") == "bilinear"
                                                     ? upsampling::bilinear
                                                     : upsampling::nearest);
  if (d.kind == pad::name) return pad(sides_of(d));
  if (d.kind == crop::name) return crop(sides_of(d));
  if (d.kind == input::name) return input(shape_of(d, "shape"));
  if (d.kind == reshape_to::name) return reshape_to(shape_of(d, "shape"));
  if (d.kind == flatten::name) return flatten{};
  if (d.kind == sequence<flatten>::name) return sequence(layers_of<B>(d.layers));
  if (d.kind == residual<flatten>::name) return residual(layers_of<B>(d.layers));
  if (d.kind == projected_residual<flatten, flatten>::name) {
    if (d.layers.size() < 2) refuse_description(d, "expected layers and a projection behind them");
    return residual(layers_of<B>({d.layers.begin(), d.layers.end() - 1}))
        .projection(layer_of<B>(d.layers.back()));
  }
  if (d.kind == chainrule::concat<flatten>::name) return chainrule::concat(layers_of<B>(d.layers));
  if (d.kind == repeat<flatten>::name) return repeat(extent_of(d, "times"), inner_layer<B>(d));
  if (d.kind == frozen<flatten>::name) return frozen(inner_layer<B>(d));
  if (d.kind == in_group<flatten>::name)
    return in_group(number_of<int>(d, text_of(d, d.extents, "group")), inner_layer<B>(d));
  refuse_description(d, "the library has no such layer; add a factory to layer_factories");
}

template <backend B>
[[nodiscard]] std::vector<any_layer<B>> layers_of(const std::vector<description>& list) {
  std::vector<any_layer<B>> layers;
  for (const description& d : list) layers.push_back(layer_of<B>(d));
  return layers;
}

template <backend B>
[[nodiscard]] any_layer<B> inner_layer(const description& d) {
  if (d.layers.size() != 1) refuse_description(d, "expected one layer in it");
  return layer_of<B>(d.layers.front());
}

}  // namespace detail

/// The network that was described (network::describe). check(plan) may refuse it, by what it
/// throws, before memory is allocated for parameters. Throws value_error, naming it, if a layer
/// cannot be built, and shape_error if neighbours do not fit.
template <backend B, class Check>
[[nodiscard]] network<B> network_from(const B& be, const description& d, const Check& check) {
  const shape in = detail::shape_of(d, "input");
  std::vector<any_layer<B>> layers = detail::layers_of<B>(d.layers);
  plan declared;
  (void)sequence(layers).bind(declared, in);
  check(declared);
  layers.insert(layers.begin(), any_layer<B>(input(in)));
  return {be, std::move(layers)};
}
/// The network that a description states, bound to the backend; throws value_error for unknown
/// kinds.
template <backend B>
[[nodiscard]] network<B> network_from(const B& be, const description& d) {
  return network_from(be, d, [](const plan&) {});
}

/// The layer of that name, "3" or "3.1" within a block, as a network with copies of its parameters
/// and state. Throws value_error if there is none, or if it cannot be built from its description.
template <backend B>
[[nodiscard]] network<B> sub_network(const network<B>& net, std::string_view name) {
  const auto& names = net.declared().layer_inputs();
  const auto found =
      std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.first == name; });
  if (found == names.end())
    throw value_error(detail::concat("the network has no layer '", name,
                                     "'; layers are named like '3', or '3.1' within a block"));
  description d = net.describe();
  for (const std::string_view part : detail::parts_of(name, ".")) {
    while (d.kind == "frozen" || d.kind == "in_group") d = description(d.layers.at(0));
    // The layers of a repeat are copies of one; a projection is behind the layers of its block.
    const auto i = d.kind == "repeat"     ? 0
                   : part == "projection" ? d.layers.size() - 1
                                          : detail::number_of<std::size_t>(d, part);
    if (i >= d.layers.size()) detail::refuse_description(d, "its layers have no descriptions");
    d = description(d.layers[i]);
  }
  const shape& in = found->second.is_known() ? found->second : net.input_shape();
  network<B> part(net.backend(), {input(in), detail::layer_of<B>(d)});
  part.assign_from(net, [&](const std::string& own) { return std::string(name) + own.substr(1); });
  return part;
}

/// A list of layers.
class model {
 public:
  model() = default;
  /// The descriptions of these layers, in their order.
  template <class... Layers>
  requires(sizeof...(Layers) > 0) explicit model(const Layers&... layers) { (add(layers), ...); }

  /// Appends a layer.
  template <class Layer>
  model& add(const Layer& layer) {
    layers_.push_back(describe(layer));
    return *this;
  }

  /// Descriptions of the layers, in their order.
  [[nodiscard]] const std::vector<description>& layers() const { return layers_; }

  /// The layers for a network, on any backend. Throws value_error, naming it, if one cannot be
  /// built.
  template <backend B>
  operator std::vector<any_layer<B>>() const {  // NOLINT: implicit, network{be, m} binds a model
    return detail::layers_of<B>(layers_);
  }

  friend bool operator==(const model&, const model&) = default;

 private:
  std::vector<description> layers_;
};

template <backend B>
network(B, model) -> network<B>;

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_MODEL_HPP

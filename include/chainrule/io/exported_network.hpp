/// \file
/// `detail::exported_network`: a network as steps with their numbers, for files of other formats.
///
/// Blocks are taken apart (a residual block becomes its layers and an "add"), activations stand by
/// themselves, and what computes nothing in inference (dropout, frozen) is left out. See also
/// io/onnx.hpp, io/header_export.hpp.
#ifndef CHAINRULE_IO_EXPORTED_NETWORK_HPP
#define CHAINRULE_IO_EXPORTED_NETWORK_HPP

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/layers/description_values.hpp"
#include "chainrule/layers/plan.hpp"
#include "chainrule/pointwise/symbol.hpp"

namespace chainrule {

/// An activation of the program's own, for export_onnx and export_header.
struct traced_activation {
  std::string name;  // with its constants, as descriptions have it
  /// Operations of the activation, traced once.
  trace operations;
};

/// The operations of an activation that is not the library's. Functors without a name are all
/// called "custom".
template <class F>
[[nodiscard]] traced_activation trace_activation(const F& f) {
  return {detail::name_with_constants(f), trace_of<1>(f)};
}

namespace detail {

/// A layer that computes value i + 1 if it is step i. Value 0 is the network's input.
struct exported_step {
  description layer;  // its kind may also be "add" or "concat", of the values in `from`
  std::string path;   // "3.1", the prefix of its parameters
  std::vector<std::size_t> from;
  shape in, out;
};

class exported_network {
 public:
  template <class Network>
  explicit exported_network(const Network& net)
      : input(net.input_shape()),
        is_double(sizeof(typename Network::backend_type::scalar) == 8),
        takes_indices(net.declared().index_count() > 0) {
    const plan& p = net.declared();
    for (std::size_t i = 0; i < p.layer_inputs().size(); ++i)
      outputs_.emplace(p.layer_inputs()[i].first, p.layer_outputs()[i]);
    const auto keep = [&](const auto& arena, const auto& slots) {
      for (const parameter& slot : slots) {
        const auto host = to_host(net.backend(), arena[slot.place]);
        values_.emplace(slot.name, std::vector<double>(host.begin(), host.end()));
      }
    };
    keep(net.parameters(), p.parameters());
    keep(net.states(), p.states());
    result = chain(net.describe().layers, "", 0);
  }

  /// The shape of a value.
  [[nodiscard]] const shape& shape_of_value(std::size_t i) const {
    return i == 0 ? input : steps[i - 1].out;
  }
  /// The parameter or state of a step: row-major in the extents that its layer declares.
  [[nodiscard]] const std::vector<double>& values(const exported_step& s, const char* name) const {
    return values_.at(s.path + "." + name);
  }
  /// Those of a normalization, which has none where it has no affine part.
  [[nodiscard]] bool has(const exported_step& s, const char* name) const {
    return values_.count(s.path + "." + name) != 0;
  }

  shape input;
  bool is_double;
  bool takes_indices;
  std::vector<exported_step> steps;
  std::size_t result = 0;  // the value that is the output

 private:
  std::size_t add(description d, const std::string& path, std::vector<std::size_t> from,
                  const shape& out) {
    const shape in = shape_of_value(from[0]);
    steps.push_back({std::move(d), path, std::move(from), in, out});
    return steps.size();
  }
  /// The layers "path0", "path1", ... one after another, and the number of their result.
  std::size_t chain(const std::vector<description>& layers, const std::string& path,
                    std::size_t x) {
    for (std::size_t i = 0; i < layers.size(); ++i)
      x = visit(layers[i], path + std::to_string(i), x);
    return x;
  }
  std::size_t visit(const description& d, const std::string& path, std::size_t x) {
    const std::string inner = path + ".";
    const shape& out = outputs_.at(path);
    if (d.kind == "frozen" || d.kind == "in_group") return visit(d.layers.at(0), path, x);
    if (d.kind == "dropout" || d.kind == "dropout2d" || d.kind == "input") return x;
    if (d.kind == "sequence") return chain(d.layers, inner, x);
    if (d.kind == "repeat")
      return chain(
          std::vector<description>(static_cast<std::size_t>(extent_of(d, "times")), d.layers.at(0)),
          inner, x);
    if (d.kind == "residual")
      return add(archive("add").result(), path, {x, chain(d.layers, inner, x)}, out);
    if (d.kind == "projected_residual") {
      const std::size_t f = chain({d.layers.begin(), d.layers.end() - 1}, inner, x);
      const std::size_t p = visit(d.layers.back(), inner + "projection", x);
      return add(archive("add").result(), path, {p, f}, out);
    }
    if (d.kind == "concat") {
      std::vector<std::size_t> parts;
      for (std::size_t i = 0; i < d.layers.size(); ++i)
        parts.push_back(visit(d.layers[i], inner + std::to_string(i), x));
      return add(archive("concat").result(), path, std::move(parts), out);
    }
    const bool reshapes = d.kind == "flatten" || d.kind == "reshape_to";
    description linear = d;
    linear.activation.clear();
    if (d.kind != "activation" && !(reshapes && shape_of_value(x) == out))
      x = add(std::move(linear), path, {x}, out);
    if (d.activation.empty()) return x;
    description f = archive("activation").result();
    f.activation = d.activation;
    return add(std::move(f), path, {x}, out);
  }

  std::map<std::string, shape> outputs_;
  std::map<std::string, std::vector<double>> values_;
};

/// The window of a convolution or a pooling layer, whose stride may be stated otherwise.
[[nodiscard]] inline window window_of(const exported_step& s, extent2d default_stride) {
  const description& d = s.layer;
  return window_over(s.path, s.in, extent2d_of(d, "kernel", 1),
                     extent2d_of(d, "stride", default_stride), extent2d_of(d, "dilation", 1),
                     padding_of(d));
}

/// The window of a convolution; that of a transposed one lies over its output.
[[nodiscard]] inline window window_of_convolution(const exported_step& s) {
  if (s.layer.kind != "conv_transpose2d") return window_of(s, 1);
  exported_step image = s;
  image.in = s.out;
  return window_of(image, 1);
}

/// Throws value_error for a step that the format has no form for.
[[noreturn]] inline void refuse_step(const exported_step& s, const char* format,
                                     const std::string& why) {
  throw value_error(
      concat("layer ", s.path, " (", s.layer.kind, ") cannot be written as ", format, ": ", why));
}

/// The operations of the activation of a step. Throws value_error for one that is neither the
/// library's nor in the list.
[[nodiscard]] inline trace trace_of_activation(const exported_step& s,
                                               const std::vector<traced_activation>& own,
                                               const char* format) {
  const call_in_words call(s.layer, s.layer.activation);
  trace t;
  for_each_activation([&]<class F>(const F& f) {
    if (F::name != call.name) return;
    if constexpr (requires { f.constants(); })
      t = trace_of<1>(F{call.constants.at(0)});
    else
      t = trace_of<1>(f);
  });
  for (const traced_activation& f : own)
    if (f.name == s.layer.activation) t = f.operations;
  if (t.results() == 0)
    refuse_step(s, format,
                concat("its activation '", s.layer.activation,
                       "' is the program's own; give it in the options, .activations = "
                       "{trace_activation(f)}"));
  return t;
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_IO_EXPORTED_NETWORK_HPP

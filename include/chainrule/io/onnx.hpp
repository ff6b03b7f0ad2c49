/// \file
/// `export_onnx`: a network as an ONNX file, for other runtimes.
///
///     export_onnx(net, "net.onnx");
///     export_onnx(net, "net.onnx", {.layout = onnx_layout::channels_first, .batch = 1});
///     export_onnx(net, "net.onnx", {.activations = {trace_activation(swish{})}});
///
/// The graph computes what `predict` computes. Its input and output are n × the shape of a sample
/// (indices of int32 for an embedding); parameters are initializers of the network's scalar.
/// Format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto; operators:
/// https://onnx.ai/onnx/operators. See also docs/export.md.
#ifndef CHAINRULE_IO_ONNX_HPP
#define CHAINRULE_IO_ONNX_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/io/atomic_file.hpp"
#include "chainrule/io/exported_network.hpp"
#include "chainrule/io/onnx_graph.hpp"

namespace chainrule {

/// The axes of images and sequences in an ONNX graph's input and output.
enum class onnx_layout {
  channels_last,  ///< n × height × width × channels, n × time × channels: the library's
  channels_first  ///< n × channels × height × width, n × channels × time: PyTorch's
};

/// Options of export_onnx.
struct onnx_options {
  int opset = 17;  ///< the version of ONNX's operators, 13 to 22
  /// Order of the axes of images at the input.
  onnx_layout layout = onnx_layout::channels_last;
  index_t batch = 0;             ///< samples; 0: any number, called batch_name in the graph
  std::string batch_name = "n";  ///< the name of the first dimension where it is free
  /// Name of the input in the graph.
  std::string input = "input";
  /// Name of the output in the graph.
  std::string output = "output";
  std::vector<traced_activation> activations = {};  ///< those of the program's own
};

namespace detail {

/// Writes the steps of a network as nodes.
class onnx_network : onnx_graph {
 public:
  onnx_network(const exported_network& net, const onnx_options& options)
      : onnx_graph(net.is_double), net_(net), options_(options) {
    if (options.opset < 13 || options.opset > 22)
      throw value_error(concat("export_onnx writes opsets 13 to 22, got ", options.opset));
    if (options.batch < 0 || options.input.empty() || options.output.empty() ||
        options.input == options.output || options.batch_name.empty())
      throw value_error(
          "export_onnx needs a batch of at least 0 and different names for input and output");
    values_.push_back(value(options.input, first(), net.input));
    for (const exported_step& s : net.steps) {
      set_scope(s.path);
      values_.push_back(step(s));
    }
  }

  /// The encoded model.
  [[nodiscard]] std::string bytes() {
    const std::string result = named(net_.result, first());
    const info in{options_.input, axes_of(net_.input), net_.takes_indices ? 6 : scalar()};
    const info out{options_.output, axes_of(net_.shape_of_value(net_.result)), scalar()};
    return encoded(result, in, out, options_.batch, options_.batch_name, options_.opset);
  }

 private:
  /// A value by its name in each layout; empty where there is none yet. Samples of one axis have
  /// one layout.
  struct tensor_names {
    std::string last, first;
    shape extents;
  };

  [[nodiscard]] bool first() const { return options_.layout == onnx_layout::channels_first; }

  [[nodiscard]] static tensor_names value(const std::string& name, bool is_first,
                                          const shape& extents) {
    const bool both = extents.rank() == 1;
    return {both || !is_first ? name : "", both || is_first ? name : "", extents};
  }
  /// The name of a value in a layout; the first use in the other one transposes it.
  [[nodiscard]] std::string named(std::size_t i, bool is_first) {
    std::string& wanted = is_first ? values_[i].first : values_[i].last;
    if (wanted.empty()) {
      const std::string other = is_first ? values_[i].last : values_[i].first;
      const index_t rank = values_[i].extents.rank();
      integers order{0};
      if (is_first) order.push_back(rank);
      for (index_t a = 1; a < rank; ++a) order.push_back(is_first ? a : a + 1);
      if (!is_first) order.push_back(1);
      wanted = node("Transpose", {other}, {list("perm", order)});
    }
    return wanted;
  }
  /// Whether a value is there with channels first only: elementwise operations then keep that.
  [[nodiscard]] bool is_first(std::size_t i) const { return values_[i].last.empty(); }

  /// A parameter with a number for each channel, to be broadcast over samples in that layout.
  std::string per_channel(const exported_step& s, const char* name, bool channels_first) {
    const std::vector<double>& v = net_.values(s, name);
    integers shape{static_cast<index_t>(v.size())};
    if (channels_first && v.size() > 1) shape.resize(static_cast<std::size_t>(s.in.rank()), 1);
    return numbers(name, shape, v);
  }

  /// The axes of samples in the graph's input or output.
  [[nodiscard]] integers axes_of(const shape& s) const {
    integers axes;
    for (index_t i = 0; i < s.rank(); ++i) axes.push_back(s[i]);
    if (first()) std::rotate(axes.begin(), axes.end() - 1, axes.end());
    return axes;
  }

  [[nodiscard]] tensor_names step(const exported_step& s) {
    const std::string& kind = s.layer.kind;
    if (kind == "dense") return dense(s);
    if (kind == "activation") return activation(s);
    if (kind == "conv2d" || kind == "conv1d" || kind == "conv_transpose2d") return convolution(s);
    if (kind == "max_pool" || kind == "average_pool") return pool(s);
    if (kind == "global_max_pool" || kind == "global_average_pool") {
      const std::string pooled =
          node(kind == "global_max_pool" ? "GlobalMaxPool" : "GlobalAveragePool",
               {named(s.from[0], true)});
      return value(node("Flatten", {pooled}), false, s.out);
    }
    if (kind == "flatten" || kind == "reshape_to") return value(reshaped(s), false, s.out);
    if (kind == "upsample" || kind == "pad" || kind == "crop" || kind == "shortcut")
      return resized(s);
    if (kind == "batch_norm") return batch_norm(s);
    if (kind == "layer_norm" || kind == "rms_norm") return layer_norm(s);
    if (kind == "group_norm" || kind == "instance_norm") return group_norm(s);
    if (kind == "local_response_norm") return response_norm(s);
    if (kind == "prelu") {
      const bool layout = is_first(s.from[0]);
      return value(node("PRelu", {named(s.from[0], layout), per_channel(s, "weight", layout)}),
                   layout, s.out);
    }
    if (kind == "embedding") return embedding(s);
    if (kind == "add") {
      const bool layout = is_first(s.from[0]) && is_first(s.from[1]);
      return value(node("Add", {named(s.from[0], layout), named(s.from[1], layout)}), layout,
                   s.out);
    }
    if (kind == "concat") {
      bool layout = true;
      for (const std::size_t i : s.from) layout = layout && is_first(i);
      strings parts;
      for (const std::size_t i : s.from) parts.push_back(named(i, layout));
      return value(node("Concat", parts, {integer("axis", layout ? 1 : s.out.rank())}), layout,
                   s.out);
    }
    refuse_step(s, "ONNX", "there are no operators for it; leave it out of the exported network");
  }

  [[nodiscard]] tensor_names dense(const exported_step& s) {
    const std::string x = named(s.from[0], false);
    const std::string w = numbers("weight", {s.in.last(), s.out.last()}, net_.values(s, "weight"));
    const std::string b = numbers("bias", {s.out.last()}, net_.values(s, "bias"));
    const std::string y =
        s.in.rank() == 1 ? node("Gemm", {x, w, b}) : node("Add", {node("MatMul", {x, w}), b});
    return value(y, false, s.out);
  }

  [[nodiscard]] tensor_names convolution(const exported_step& s) {
    const bool transposed = s.layer.kind == "conv_transpose2d";
    const bool image = s.in.rank() == 3;
    window w = window_of_convolution(s);
    const std::string* const text = find_text(s.layer.extents, "groups");
    const index_t groups = text == nullptr ? 1 : number_of<index_t>(s.layer, *text);
    // {taps, inner, outer} to {outer, inner, taps}
    const index_t outer = transposed ? s.in.last() : s.out.last();
    const index_t inner = (transposed ? s.out.last() : s.in.last()) / groups;
    const std::vector<double>& ours = net_.values(s, "weight");
    std::vector<double> theirs;
    theirs.reserve(ours.size());
    for (index_t o = 0; o < outer; ++o)
      for (index_t i = 0; i < inner; ++i)
        for (index_t t = 0; t < w.taps(); ++t)
          theirs.push_back(ours[static_cast<std::size_t>((t * inner + i) * outer + o)]);
    integers shape{outer, inner};
    if (image) shape.push_back(w.height.kernel);
    shape.push_back(w.width.kernel);
    strings inputs{named(s.from[0], true), numbers("weight", shape, theirs)};
    if (net_.has(s, "bias"))
      inputs.push_back(numbers("bias", {s.out.last()}, net_.values(s, "bias")));
    std::vector<protobuf_writer> attributes = over(w, image);
    attributes.push_back(integer("group", groups));
    if (transposed) {
      const extent2d more = extent2d_of(s.layer, "output_pad", 0);
      attributes.push_back(list("output_padding", {more.h, more.w}));
    }
    return value(node(transposed ? "ConvTranspose" : "Conv", inputs, attributes), true, s.out);
  }
  /// The attributes of a window over images, or sequences.
  [[nodiscard]] static std::vector<protobuf_writer> over(const window& w, bool image,
                                                         bool dilated = true) {
    const auto both = [&](index_t window_axis::*m) {
      return image ? integers{w.height.*m, w.width.*m} : integers{w.width.*m};
    };
    integers pads = both(&window_axis::before);
    const integers after = both(&window_axis::after);
    pads.insert(pads.end(), after.begin(), after.end());
    std::vector<protobuf_writer> all{list("kernel_shape", both(&window_axis::kernel)),
                                     list("strides", both(&window_axis::stride)),
                                     list("pads", pads)};
    if (dilated) all.push_back(list("dilations", both(&window_axis::dilation)));
    return all;
  }

  [[nodiscard]] tensor_names pool(const exported_step& s) {
    const bool max = s.layer.kind == "max_pool";
    std::vector<protobuf_writer> attributes =
        over(window_of(s, extent2d_of(s.layer, "kernel", 1)), s.in.rank() == 3, max);
    if (!max)
      attributes.push_back(
          integer("count_include_pad", flag_of(s.layer, "count_padding", true) ? 1 : 0));
    return value(node(max ? "MaxPool" : "AveragePool", {named(s.from[0], true)}, attributes), true,
                 s.out);
  }

  /// The value with its elements in the library's order and the shape of the step's output.
  [[nodiscard]] std::string reshaped(const exported_step& s) {
    integers to{0};  // as many samples as there are
    for (index_t i = 0; i < s.out.rank(); ++i) to.push_back(s.out[i]);
    return node("Reshape", {named(s.from[0], false), extents(to)});
  }

  /// A number for each axis of samples: for the height (where there is one), the width and the
  /// channels, in that layout, behind one for the batch.
  [[nodiscard]] static integers axes(const exported_step& s, bool channels_first, index_t batch,
                                     index_t h, index_t w, index_t c) {
    integers all{batch};
    if (channels_first) all.push_back(c);
    if (s.in.rank() == 3) all.push_back(h);
    if (s.in.rank() >= 2) all.push_back(w);
    if (!channels_first) all.push_back(c);
    return all;
  }
  [[nodiscard]] std::string padded(const std::string& x, const integers& before,
                                   const integers& after) {
    integers both = before;
    both.insert(both.end(), after.begin(), after.end());
    return node("Pad", {x, extents(both)});
  }
  [[nodiscard]] tensor_names resized(const exported_step& s) {
    const description& d = s.layer;
    const auto side = [&](const char* name) { return extent_or_0(d, name); };
    if (d.kind == "upsample") {
      const extent2d f = extent2d_of(d, "factor", 1);
      const bool linear = text_or(d, "mode", "nearest") == "bilinear";
      std::vector<protobuf_writer> how{
          word("mode", linear ? "linear" : "nearest"),
          word("coordinate_transformation_mode", linear ? "half_pixel" : "asymmetric")};
      if (!linear) how.push_back(word("nearest_mode", "floor"));
      const strings in{named(s.from[0], true), "", extents(axes(s, true, 1, f.h, f.w, 1), true)};
      return value(node("Resize", in, how), true, s.out);
    }
    const bool layout = is_first(s.from[0]);
    std::string x = named(s.from[0], layout);
    if (d.kind == "pad")
      return value(padded(x, axes(s, layout, 0, side("top"), side("left"), 0),
                          axes(s, layout, 0, side("bottom"), side("right"), 0)),
                   layout, s.out);
    constexpr index_t end = std::numeric_limits<std::int32_t>::max();
    const bool crops = d.kind == "crop";
    const index_t step = crops ? 1 : extent_of(d, "stride");
    const integers from = axes(s, layout, 0, side("top"), side("left"), 0);
    const integers to = axes(s, layout, end, crops ? side("top") + s.out[0] : end,
                             crops ? side("left") + s.out[s.out.rank() - 2] : end, end);
    const integers steps = axes(s, layout, 1, step, step, 1);
    integers numbers_of_axes;
    for (index_t a = 0; a <= s.in.rank(); ++a) numbers_of_axes.push_back(a);
    if (crops || (step > 1 && s.in.rank() > 1))
      x = node("Slice", {x, extents(from), extents(to), extents(numbers_of_axes), extents(steps)});
    const index_t more = s.out.last() - s.in.last();
    if (more > 0) x = padded(x, axes(s, layout, 0, 0, 0, 0), axes(s, layout, 0, 0, 0, more));
    return value(x, layout, s.out);
  }

  [[nodiscard]] tensor_names batch_norm(const exported_step& s) {
    const index_t c = s.in.last();
    const auto eps = static_cast<float>(constant_of(s.layer, "eps"));
    // The operator's epsilon is a float: the variance makes up for its rounding.
    std::vector<double> variance = net_.values(s, "running_var");
    for (double& v : variance) v += constant_of(s.layer, "eps") - static_cast<double>(eps);
    const std::vector<double> ones(variance.size(), 1), zeros(variance.size(), 0);
    const bool affine = net_.has(s, "weight");
    const std::string y = node(
        "BatchNormalization",
        {named(s.from[0], true), numbers("weight", {c}, affine ? net_.values(s, "weight") : ones),
         numbers("bias", {c}, affine ? net_.values(s, "bias") : zeros),
         numbers("running_mean", {c}, net_.values(s, "running_mean")),
         numbers("running_var", {c}, variance)},
        {number("epsilon", static_cast<double>(eps))});
    return value(y, true, s.out);
  }
  [[nodiscard]] std::string mean(const std::string& x, const integers& axes) {
    return options_.opset < 18 ? node("ReduceMean", {x}, {list("axes", axes)})
                               : node("ReduceMean", {x, extents(axes)});
  }
  /// x, less its mean over the axes if it is centred, divided by the root of the mean square.
  [[nodiscard]] std::string normalized(std::string x, const integers& axes, double eps,
                                       bool centred) {
    if (centred) x = node("Sub", {x, mean(x, axes)});
    const std::string square = mean(node("Pow", {x, constant(2)}), axes);
    return node("Div", {x, node("Sqrt", {node("Add", {square, constant(eps)})})});
  }
  [[nodiscard]] tensor_names layer_norm(const exported_step& s) {
    const bool rms = s.layer.kind == "rms_norm";
    integers axes, extents;
    for (index_t a = flag_of(s.layer, "all_axes", false) ? 0 : s.in.rank() - 1; a < s.in.rank();
         ++a) {
      axes.push_back(a + 1);
      extents.push_back(s.in[a]);
    }
    std::string y = normalized(named(s.from[0], false), axes, constant_of(s.layer, "eps"), !rms);
    if (net_.has(s, "weight"))
      y = node("Mul", {y, numbers("weight", extents, net_.values(s, "weight"))});
    if (net_.has(s, "bias")) y = node("Add", {y, numbers("bias", extents, net_.values(s, "bias"))});
    return value(y, false, s.out);
  }
  [[nodiscard]] tensor_names group_norm(const exported_step& s) {
    const index_t groups =
        s.layer.kind == "group_norm" ? extent_of(s.layer, "groups") : s.in.last();
    const std::string grouped = node("Reshape", {named(s.from[0], true), extents({0, groups, -1})});
    integers back{0, s.in.last()};
    for (index_t a = 0; a + 1 < s.in.rank(); ++a) back.push_back(s.in[a]);
    std::string y = node(
        "Reshape", {normalized(grouped, {2}, constant_of(s.layer, "eps"), true), extents(back)});
    if (net_.has(s, "weight")) {
      y = node("Mul", {y, per_channel(s, "weight", true)});
      y = node("Add", {y, per_channel(s, "bias", true)});
    }
    return value(y, true, s.out);
  }
  /// The sums over neighbouring channels are a product with a band matrix: ONNX's own operator
  /// shifts windows of even size by one.
  [[nodiscard]] tensor_names response_norm(const exported_step& s) {
    const index_t c = s.in.last();
    const index_t size = extent_of(s.layer, "size");
    std::vector<double> band(static_cast<std::size_t>(c * c), 0);
    for (index_t to = 0; to < c; ++to)
      for (index_t from = std::max(index_t{0}, to - size / 2);
           from <= std::min(c - 1, to + (size - 1) / 2); ++from)
        band[static_cast<std::size_t>(from * c + to)] =
            constant_of(s.layer, "alpha") / static_cast<double>(size);
    const std::string x = named(s.from[0], false);
    const std::string sum =
        node("MatMul", {node("Mul", {x, x}), numbers("neighbours", {c, c}, band)});
    const std::string size_of_neighbours =
        node("Pow", {node("Add", {sum, constant(constant_of(s.layer, "k"))}),
                     constant(constant_of(s.layer, "beta"))});
    return value(node("Div", {x, size_of_neighbours}), false, s.out);
  }
  [[nodiscard]] tensor_names embedding(const exported_step& s) {
    // Index -1 is padding here and the last row in ONNX.
    std::vector<double> rows = net_.values(s, "weight");
    const index_t features = s.out.last();
    rows.resize(rows.size() + static_cast<std::size_t>(features), 0);
    const index_t count = static_cast<index_t>(rows.size()) / features;
    return value(
        node("Gather", {numbers("weight", {count, features}, rows), named(s.from[0], false)}),
        false, s.out);
  }

  [[nodiscard]] tensor_names activation(const exported_step& s) {
    const bool layout = is_first(s.from[0]);
    const std::string x = named(s.from[0], layout);
    return value(activated(s, x), layout, s.out);
  }
  [[nodiscard]] std::string activated(const exported_step& s, const std::string& x) {
    const call_in_words call(s.layer, s.layer.activation);
    const auto one_of = [&](std::string_view name) { return call.name == name; };
    static constexpr std::array<std::pair<std::string_view, const char*>, 4> same_operators{
        {{"relu", "Relu"}, {"sigmoid", "Sigmoid"}, {"tanh", "Tanh"}, {"sign", "Sign"}}};
    for (const auto& [name, op] : same_operators)
      if (one_of(name)) return node(op, {x});
    if (one_of("silu")) return node("Mul", {x, node("Sigmoid", {x})});
    if (one_of("gelu")) {
      const std::string e = node("Erf", {node("Div", {x, constant(std::sqrt(2.0))})});
      return node("Mul", {node("Mul", {x, node("Add", {e, constant(1)})}), constant(0.5)});
    }
    // The attributes of these operators are floats, too short for networks in double, and runtimes
    // have some others in float only.
    if (!net_.is_double) {
      if (one_of("softplus")) return node("Softplus", {x});
      if (one_of("mish")) return node("Mul", {x, node("Tanh", {node("Softplus", {x})})});
      if (one_of("softsign")) return node("Softsign", {x});
      if (one_of("leaky_relu"))
        return node("LeakyRelu", {x}, {number("alpha", call.constants.at(0))});
      if (one_of("elu")) return node("Elu", {x}, {number("alpha", call.constants.at(0))});
      if (one_of("selu"))
        return node("Selu", {x}, {number("alpha", selu::alpha), number("gamma", selu::lambda)});
      if (one_of("hard_sigmoid"))
        return node("HardSigmoid", {x}, {number("alpha", 1 / 6.0), number("beta", 0.5)});
    }
    return traced(s, trace_of_activation(s, options_.activations, "ONNX"), x);
  }

  /// The operations of a trace, of which x is the only operand.
  [[nodiscard]] std::string traced(const exported_step& s, const trace& t, const std::string& x) {
    strings names;
    for (const trace::operation& o : t.operations()) {
      const auto operand = [&](int i) { return names[static_cast<std::size_t>(i)]; };
      switch (o.what) {
        case trace::kind::operand:
          names.push_back(x);
          break;
        case trace::kind::constant:
          names.push_back(constant(o.value));
          break;
        case trace::kind::choice:
          names.push_back(node("Where", {operand(o.a), operand(o.b), operand(o.c)}));
          break;
        default:
          names.push_back(call(s, o.text, operand(o.a), o.b < 0 ? "" : operand(o.b)));
      }
    }
    // "v12" is operation 12.
    return names[number_of<std::size_t>(s.layer, std::string_view(t.result(0)).substr(1))];
  }
  /// An operator or a function of kernels' text, of a and, if it has two operands, b.
  [[nodiscard]] std::string call(const exported_step& s, const std::string& f, const std::string& a,
                                 const std::string& b) {
    struct row {
      const char *text, *op;
    };
    static constexpr row of_two[] = {
        {"+", "Add"},      {"-", "Sub"},          {"*", "Mul"},     {"/", "Div"},
        {"<", "Less"},     {"<=", "LessOrEqual"}, {">", "Greater"}, {">=", "GreaterOrEqual"},
        {"==", "Equal"},   {"&&", "And"},         {"||", "Or"},     {"pow", "Pow"},
        {"cr_max", "Max"}, {"cr_min", "Min"}};
    static constexpr row of_one[] = {
        {"-", "Neg"},        {"!", "Not"},       {"fabs", "Abs"},    {"exp", "Exp"},
        {"log", "Log"},      {"sqrt", "Sqrt"},   {"sin", "Sin"},     {"cos", "Cos"},
        {"tan", "Tan"},      {"asin", "Asin"},   {"acos", "Acos"},   {"atan", "Atan"},
        {"sinh", "Sinh"},    {"cosh", "Cosh"},   {"asinh", "Asinh"}, {"acosh", "Acosh"},
        {"atanh", "Atanh"},  {"erf", "Erf"},     {"floor", "Floor"}, {"ceil", "Ceil"},
        {"cr_sign", "Sign"}, {"cr_tanh", "Tanh"}};
    if (!b.empty()) {
      for (const row& r : of_two)
        if (f == r.text) return node(r.op, {a, b});
      if (f == "!=") return node("Not", {node("Equal", {a, b})});
      if (f == "fmod") return node("Mod", {a, b}, {integer("fmod", 1)});
    } else {
      for (const row& r : of_one)
        if (f == r.text) return node(r.op, {a});
      if (f == "exp2") return node("Pow", {constant(2), a});
      if (f == "expm1") return node("Sub", {node("Exp", {a}), constant(1)});
      if (f == "log1p") return node("Log", {node("Add", {a, constant(1)})});
      if (f == "log2") return node("Div", {node("Log", {a}), constant(std::log(2.0))});
      if (f == "log10") return node("Div", {node("Log", {a}), constant(std::log(10.0))});
      if (f == "erfc") return node("Sub", {constant(1), node("Erf", {a})});
      const std::string size = node("Abs", {a});
      const auto signed_as_a = [&](const std::string& y) {
        return node("Mul", {node("Sign", {a}), y});
      };
      if (f == "trunc") return signed_as_a(node("Floor", {size}));
      if (f == "round") return signed_as_a(node("Floor", {node("Add", {size, constant(0.5)})}));
      if (f == "cbrt") return signed_as_a(node("Pow", {size, constant(1 / 3.0)}));
    }
    refuse_step(s, "ONNX",
                concat("its activation '", s.layer.activation, "' calls ", f,
                       ", for which there is no operator"));
  }

  const exported_network& net_;
  const onnx_options& options_;
  std::vector<tensor_names> values_;
};

}  // namespace detail

/// Writes the network as an ONNX model. Throws value_error, naming the layer, if one cannot be
/// written (lambda_layer, one of the program's own), or for an option out of range; io_error if
/// the file cannot be written.
template <class Network>
void export_onnx(const Network& net, const std::string& path, const onnx_options& options = {}) {
  const detail::exported_network exported(net);
  const std::string bytes = detail::onnx_network(exported, options).bytes();
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(bytes))};
  write_file_atomically(path, parts);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_ONNX_HPP

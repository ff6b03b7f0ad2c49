/// \file
/// `detail::onnx_graph`: an ONNX model, node by node.
///
///     const std::string x = "x";
///     graph.node("LeakyRelu", {x}, {graph.number("alpha", 0.1)});   // the name of its output
///
/// Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. See also
/// io/onnx.hpp.
#ifndef CHAINRULE_IO_ONNX_GRAPH_HPP
#define CHAINRULE_IO_ONNX_GRAPH_HPP

#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/io/protobuf_writer.hpp"
#include "chainrule/version.hpp"

namespace chainrule::detail {

class onnx_graph {
 public:
  using strings = std::vector<std::string>;
  using integers = std::vector<index_t>;

  /// The graph's input or output: its name, the extents behind the batch, its type.
  struct info {
    std::string name;
    integers extents;
    int type;
  };

  explicit onnx_graph(bool is_double) : is_double_(is_double) {}

  /// The type of the network's scalar: DOUBLE or FLOAT.
  [[nodiscard]] int scalar() const { return is_double_ ? 11 : 1; }
  /// The layer whose nodes are added from here on: the prefix of their names.
  void set_scope(const std::string& path) { scope_ = path; }

  // Attributes.
  static protobuf_writer number(const char* name, double x) {
    return attribute(name, 1).number(2, static_cast<float>(x));
  }
  static protobuf_writer integer(const char* name, index_t i) {
    return attribute(name, 2).integer(3, i);
  }
  static protobuf_writer word(const char* name, const char* text) {
    return attribute(name, 3).text(4, text);
  }
  static protobuf_writer list(const char* name, const integers& all) {
    protobuf_writer a = attribute(name, 7);
    for (const index_t i : all) a.integer(8, i);
    return a;
  }
  /// Adds a node and returns the name of its output.
  std::string node(const char* op, strings inputs, std::vector<protobuf_writer> attributes = {}) {
    nodes_.push_back({op, concat(scope_, "/", op, "_", nodes_.size()), std::move(inputs),
                      std::move(attributes)});
    return nodes_.back().output;
  }
  /// An initializer of the network's scalar.
  std::string numbers(const std::string& own_name, const integers& extents,
                      std::span<const double> values) {
    std::string raw;
    for (const double x : values)
      is_double_ ? append_little_endian(raw, std::bit_cast<std::uint64_t>(x))
                 : append_little_endian(raw, std::bit_cast<std::uint32_t>(static_cast<float>(x)));
    return add_initializer(concat(scope_, ".", own_name), scalar(), extents, raw);
  }
  /// A number without axes.
  std::string constant(double x) {
    return numbers(concat("constant_", initializers_.size()), {}, {&x, 1});
  }
  /// A list of int64, or of float where an operator wants that for every scalar.
  std::string extents(const integers& all, bool as_float = false) {
    std::string raw;
    for (const index_t i : all)
      as_float ? append_little_endian(raw, std::bit_cast<std::uint32_t>(static_cast<float>(i)))
               : append_little_endian(raw, static_cast<std::uint64_t>(i));
    return add_initializer(concat(scope_, ".extents_", initializers_.size()), as_float ? 1 : 7,
                           {static_cast<index_t>(all.size())}, raw);
  }

  /// The model whose output is `result`. A batch of 0 is free.
  [[nodiscard]] std::string encoded(const std::string& result, const info& in, const info& out,
                                    index_t batch, const std::string& batch_name, int opset) {
    if (result == in.name) {  // nothing is computed
      node("Identity", {result});
      nodes_.back().output = out.name;
    }
    const auto renamed = [&](const std::string& name) {
      return name == result && result != in.name ? out.name : name;
    };
    protobuf_writer graph;
    for (const operation& n : nodes_) {
      protobuf_writer to;
      for (const std::string& operand : n.inputs) to.text(1, renamed(operand));
      to.text(2, renamed(n.output)).text(3, n.output).text(4, n.op);
      for (const protobuf_writer& a : n.attributes) to.message(5, a);
      graph.message(1, to);
    }
    graph.text(2, "chainrule");
    for (const protobuf_writer& t : initializers_) graph.message(5, t);
    graph.message(11, encoded(in, batch, batch_name)).message(12, encoded(out, batch, batch_name));
    protobuf_writer operators, model;
    operators.text(1, "").integer(2, opset);
    // The version of the format that came with the opset, or a later one that all readers know.
    model.integer(1, opset < 19 ? 8 : opset < 21 ? 9 : 10);
    model.text(2, "chainrule").text(3, CHAINRULE_VERSION).message(7, graph).message(8, operators);
    if (model.bytes().size() > std::numeric_limits<std::int32_t>::max())
      throw value_error(concat("export_onnx: the network has ", model.bytes().size(),
                               " bytes, an ONNX file has at most 2^31 - 1"));
    return model.bytes();
  }

 private:
  struct operation {
    std::string op, output;
    strings inputs;
    std::vector<protobuf_writer> attributes;
  };

  static protobuf_writer attribute(const char* name, int type) {
    protobuf_writer a;
    a.text(1, name).integer(20, type);
    return a;
  }
  std::string add_initializer(const std::string& name, int type, const integers& extents,
                              const std::string& raw) {
    protobuf_writer t;
    for (const index_t n : extents) t.integer(1, n);
    t.integer(2, type).text(8, name).text(9, raw);
    initializers_.push_back(std::move(t));
    return name;
  }
  [[nodiscard]] static protobuf_writer encoded(const info& i, index_t batch,
                                               const std::string& batch_name) {
    protobuf_writer samples, extents, tensor, type, value;
    batch > 0 ? samples.integer(1, batch) : samples.text(2, batch_name);
    extents.message(1, samples);
    for (const index_t n : i.extents) extents.message(1, protobuf_writer().integer(1, n));
    tensor.integer(1, i.type).message(2, extents);
    type.message(1, tensor);
    value.text(1, i.name).message(2, type);
    return value;
  }

  bool is_double_;
  std::vector<operation> nodes_;
  std::vector<protobuf_writer> initializers_;
  std::string scope_;  // the layer that is written
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_IO_ONNX_GRAPH_HPP

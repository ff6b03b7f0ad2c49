// Networks as ONNX files. onnx_check.py runs those that "networks for onnx_check.py" writes.
#include "chainrule/io/onnx.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "chainrule/autodiff/lambda_layer.hpp"
#include "chainrule/backend/cpu.hpp"
#include "io/exported_networks.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace onnx_test {

using namespace chainrule;

namespace {

using B = basic_cpu<float>;

/// What is said when the network is exported.
template <class Network>
std::string refusal(const Network& net, const onnx_options& options = {}) {
  const scratch::folder folder;
  const std::string message =
      scratch::complaint<value_error>([&] { export_onnx(net, folder / "net.onnx", options); });
  CHECK(folder.count() == 0);
  return message;
}

}  // namespace

TEST_CASE("what has no ONNX form is refused by name", "[onnx]") {
  const network lambda{B{1}, dense{3, 3}, lambda_layer{3, 3, [](const auto& x) { return x * x; }}};
  CHECK(refusal(lambda) ==
        "layer 1 (lambda) cannot be written as ONNX: there are no operators for it; leave it out "
        "of the exported network");
  const network own{B{1}, dense{3, 3, exported_networks::swish{}}};
  CHECK(refusal(own) ==
        "layer 0 (activation) cannot be written as ONNX: its activation 'swish' is the program's "
        "own; give it in the options, .activations = {trace_activation(f)}");
  const auto angle = [](const auto& x) { return math::atan2(x, x + 1); };
  const network call{B{1}, input{3}, residual{dense{3, 3, angle}}};
  CHECK(scratch::contains(refusal(call, {.activations = {trace_activation(angle)}}),
                          "layer 0.0 (activation) cannot be written as ONNX: its activation "
                          "'custom' calls atan2"));
}

TEST_CASE("options of the export are checked", "[onnx]") {
  const network net{B{1}, dense{3, 2}};
  CHECK(refusal(net, {.opset = 12}) == "export_onnx writes opsets 13 to 22, got 12");
  CHECK(refusal(net, {.opset = 23}) == "export_onnx writes opsets 13 to 22, got 23");
  CHECK(scratch::contains(refusal(net, {.batch = -1}), "a batch of at least 0"));
  CHECK(scratch::contains(refusal(net, {.input = "x", .output = "x"}), "different names"));
}

TEST_CASE("images are transposed once for layers in a row", "[onnx]") {
  const auto transposes = [](const onnx_options& options, index_t classes) {
    std::vector<any_layer<B>> layers{input{8, 6, 2}, conv2d{4, 3, relu{}}, max_pool{2},
                                     conv2d{3, 2}};
    if (classes > 0) layers.insert(layers.end(), {flatten{}, dense{classes}});
    const network<B> net{B{1}, layers};
    const scratch::folder folder;
    export_onnx(net, folder / "net.onnx", options);
    const std::string bytes = scratch::read(folder / "net.onnx");
    index_t count = 0;  // field 4 of a node, its operator
    const std::string op = "\x22\x09Transpose";
    for (auto at = bytes.find(op); at != std::string::npos; at = bytes.find(op, at + 1)) ++count;
    return count;
  };
  CHECK(transposes({}, 0) == 2);
  CHECK(transposes({}, 5) == 2);
  CHECK(transposes({.layout = onnx_layout::channels_first}, 0) == 0);
  CHECK(transposes({.layout = onnx_layout::channels_first}, 5) == 1);
}

namespace {

/// Writes a network, inputs and our outputs, and a line for onnx_check.py.
template <class T>
void write_case(const std::string& folder, const exported_networks::named<T>& c,
                const onnx_options& options, std::string& list) {
  const bool first = options.layout == onnx_layout::channels_first;
  const std::string name = c.name + (sizeof(T) == 8 ? "_double" : "_float") +
                           (first ? "_first" : "") +
                           (options.opset == 17 ? "" : "_" + std::to_string(options.opset));
  export_onnx(c.net, folder + "/" + name + ".onnx", options);
  const index_t rows = options.batch > 0 ? options.batch : 9;
  const auto [x, y] = exported_networks::samples(c, rows);
  scratch::write(folder + "/" + name + ".x", x);
  scratch::write(folder + "/" + name + ".y", y);
  index_t width = 1;  // the terms of the longest sum
  for (const parameter& p : c.net.parameter_list()) width = std::max(width, p.place.rows);
  list +=
      detail::concat(name, " ", c.net.declared().index_count() > 0 ? "int32" : "scalar", " ",
                     sizeof(T) == 8 ? "float64" : "float32", " ", rows, " ",
                     to_string(c.net.input_shape()), " ", to_string(c.net.output_shape()), " ",
                     first ? 1 : 0, " ", c.net.declared().layer_inputs().size(), " ", width, "\n");
}

template <class T>
void write_cases(const std::string& folder, std::string& list) {
  const std::vector<traced_activation> own{trace_activation(exported_networks::swish{}),
                                           trace_activation(exported_networks::many_calls{}),
                                           trace_activation(fn::erfc{})};
  for (const auto& c : exported_networks::all<T>()) {
    CAPTURE(c.name);
    for (const int opset : {13, 17, 22})
      write_case(folder, c, {.opset = opset, .activations = own}, list);
    write_case(folder, c, {.layout = onnx_layout::channels_first, .batch = 4, .activations = own},
               list);
  }
}

}  // namespace

TEST_CASE("networks for onnx_check.py", "[.][onnx]") {
  const char* const folder = std::getenv("CHAINRULE_TEST_ONNX");
  if (folder == nullptr) FAIL("set CHAINRULE_TEST_ONNX to a folder");
  std::string list;
  write_cases<float>(folder, list);
  write_cases<double>(folder, list);
  scratch::write(std::string(folder) + "/cases.txt", list);
}

}  // namespace onnx_test

// Weights of PyTorch: state_dicts and outputs that pytorch_weights.py wrote, in and out again.
// That PyTorch itself loads what is saved is the test of pytorch_weights.py.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <string>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/pytorch.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/tags.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace pytorch_weights_test {

using namespace chainrule;
using scratch::complaint;
using scratch::contains;

namespace {

constexpr weights_layout pytorch = weights_layout::pytorch;
const std::string folder_of_files = CHAINRULE_TESTS_FOLDER "/io/pytorch/";

std::string file_of(const std::string& name) { return folder_of_files + name + ".safetensors"; }

template <class T>
using network_of = network<basic_cpu<T>>;

template <class T>
network_of<T> make(const std::string& name) {
  using layers = std::vector<any_layer<basic_cpu<T>>>;
  const basic_cpu<T> be{1};
  if (name == "mlp")
    return {be, layers{dense{5, 5, relu{}}, dense{5, fn::tanh{}}, dropout{0.5}, dense{3}}};
  if (name == "lenet")
    return {be,
            layers{input{12, 11, 2}, conv2d{3, 3, relu{}}, max_pool{2},
                   conv2d{4, {2, 3}, fn::tanh{}}, flatten{}, frozen{dense{6, relu{}}}, dense{3}}};
  if (name == "norms")
    return {be,
            layers{input{3, 4, 2}, conv2d{4, 3, {.pad = 1, .bias = false}}, batch_norm{relu{}},
                   conv_transpose2d{6, 3, {.stride = 2, .pad = 1, .groups = 2, .output_pad = 1}},
                   group_norm{3}, prelu{}.per_channel(), flatten{}, layer_norm{}, dense{4},
                   batch_norm{}, layer_norm{}}};
  if (name == "decoder")
    return {be, layers{dense{3, 24}, activation{fn::tanh{}}, reshape_to{3, 2, 4},
                       layer_norm{}.all_axes(), conv_transpose2d{2, 2},
                       conv2d{4, 2, identity{}, {.groups = 2}}}};
  if (name == "sound") return {be, layers{input{8, 3}, conv1d{4, 3, relu{}}, flatten{}, dense{2}}};
  if (name == "words")
    return {be, layers{input{6}, embedding{7, 4}, dense{5, fn::tanh{}}, flatten{}, dense{2}}};
  if (name == "blocks")
    return {be, layers{input{3, 4, 2}, conv2d{3, 1}, residual{conv2d{3, 3, fn::tanh{}, {.pad = 1}}},
                       flatten{}, residual{layer_norm{}, dense{36, fn::tanh{}}},
                       chainrule::concat{dense{3}, dense{2}}, repeat{2, residual{dense{5, relu{}}}},
                       residual{dense{3, relu{}}}.projection(dense{3})}};
  REQUIRE(name == "named");
  return {be, layers{dense{4, 4, relu{}}, dense{4, relu{}}, dense{2}}};
}

/// The names that differ from those of an nn.Sequential of these layers.
std::map<std::string, std::string> names_of(const std::string& name) {
  if (name == "named") return {{"0", "first"}, {"1", "between"}, {"2", "a_last"}};
  if (name == "mlp") return {{"3", "4"}};  // PyTorch's has no dropout
  return {};
}

const auto& all_models() {
  static const std::vector<std::string> names = {"mlp",   "lenet", "norms",  "decoder",
                                                 "sound", "words", "blocks", "named"};
  return names;
}

std::vector<double> values_of(const safetensors_file& file, const std::string& name) {
  std::vector<double> values(file.tensor(name).data.size() / sizeof(double));
  file.copy_to(name, file.tensor(name).shape, std::span(values));
  return values;
}

/// The outputs of PyTorch and of `net` for the inputs in the file, each in double.
template <class T>
void require_outputs(const network_of<T>& net, const std::string& name,
                     const std::string& outputs) {
  const auto file = load_safetensors(file_of("values"), {.require_checksums = false});
  const auto x = values_of(file, name + ".x");
  const auto y = values_of(file, outputs + ".y");
  tensor<basic_cpu<T>> found;
  if (net.declared().index_count() > 0) {
    const std::vector<std::int32_t> indices(x.begin(), x.end());
    found = net.predict(matrix_view<const std::int32_t>(indices.data(), 3, net.inputs()));
  } else {
    const std::vector<T> rounded(x.begin(), x.end());
    found = net.predict(matrix_view<const T>(rounded.data(), 3, net.inputs()));
  }
  REQUIRE(static_cast<std::size_t>(found.view().size()) == y.size());
  double largest = 1;
  for (const double v : y) largest = std::max(largest, std::abs(v));
  index_t widest = 1;
  for (const parameter& p : net.parameter_list()) widest = std::max(widest, p.place.rows);
  // Each layer adds sums of at most `widest` rounded products, whose errors are random.
  const double bound = static_cast<double>(net.depth()) * std::sqrt(static_cast<double>(widest)) *
                       static_cast<double>(std::numeric_limits<T>::epsilon()) * largest;
  for (std::size_t i = 0; i < y.size(); ++i) {
    CAPTURE(name, i);
    CHECK(std::abs(static_cast<double>(found.view().data()[i]) - y[i]) <= bound);
  }
}

template <class Network>
std::string refusal(Network& net, const std::string& path, const load_weights_options& options) {
  const auto before = to_host(net.backend(), std::as_const(net).parameters().all());
  std::string message = complaint<error>([&] { (void)load_weights(net, path, options); });
  CHECK(to_host(net.backend(), std::as_const(net).parameters().all()) == before);
  return message;
}

}  // namespace

TEMPLATE_TEST_CASE("state_dicts of PyTorch give its outputs", "", float, double) {
  for (const std::string& name : all_models()) {
    auto net = make<TestType>(name);
    const loaded_weights r =
        load_weights(net, file_of(name), {.layout = pytorch, .names = names_of(name)});
    CHECK(r.matched.size() == net.parameter_list().size() + net.declared().states().size());
    CHECK(r.missing.empty());
    CHECK(r.unused.empty());
    require_outputs<TestType>(net, name, name);
  }
}

TEST_CASE("what is saved for PyTorch are the tensors that it saved, to the bit") {
  const scratch::folder folder;
  for (const std::string& name : all_models()) {
    CAPTURE(name);
    auto net = make<double>(name);
    const std::string path = folder / name;
    (void)load_weights(net, file_of(name), {.layout = pytorch, .names = names_of(name)});
    save_weights(net, path,
                 {.layout = pytorch, .names = names_of(name), .metadata = {{"trained_on", "x"}}});
    const auto theirs = load_safetensors(file_of(name), {.require_checksums = false});
    const auto own = load_safetensors(path);
    CHECK(own.metadata().at("trained_on") == "x");
    std::size_t compared = 0;
    for (const loaded_tensor& t : theirs.tensors()) {
      if (t.name.ends_with("num_batches_tracked")) continue;
      CAPTURE(t.name);
      CHECK(own.tensor(t.name).shape == t.shape);
      CHECK(values_of(own, t.name) == values_of(theirs, t.name));
      ++compared;
    }
    CHECK(own.tensors().size() == compared);
    auto again = make<double>(name);
    (void)load_weights(again, path, {.layout = pytorch, .names = names_of(name)});
    require_outputs<double>(again, name, name);
  }
}

TEST_CASE("numbers of 16 and 32 bits are converted exactly") {
  for (const std::string ending : {"f32", "f16", "bf16"}) {
    auto net = make<double>("mlp");
    const auto r =
        load_weights(net, file_of("mlp_" + ending), {.layout = pytorch, .names = {{"3", "4"}}});
    CHECK(r.matched[0].dtype == (ending == "f32" ? "F32" : ending == "f16" ? "F16" : "BF16"));
    require_outputs<double>(net, "mlp", "mlp_" + ending);
  }
  // By hand: sign, exponent, fraction; the smallest subnormal, the largest, infinity.
  CHECK(detail::half_value(0xc100) == -2.5);
  CHECK(detail::half_value(0x0001) == std::ldexp(1.0, -24));
  CHECK(detail::half_value(0x0400) == std::ldexp(1.0, -14));
  CHECK(detail::half_value(0x7bff) == 65504);
  CHECK(detail::half_value(0xfc00) == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(detail::half_value(0x7e00)));
  CHECK(std::signbit(detail::half_value(0x8000)));
}

TEST_CASE("the layout is stated, never guessed") {
  const scratch::folder folder;
  // All weights but the last are square: nothing else would show that they are transposed.
  auto net = make<double>("mlp");
  CHECK(contains(complaint<format_error>([&] {
                   (void)load_weights(net, file_of("mlp"), {.require_checksums = false});
                 }),
                 "another program wrote the file"));
  network square{basic_cpu<double>{1}, dense{4, 4}, dense{4, 4}};
  save_weights(square, folder / "torch", {.layout = pytorch});
  save_weights(square, folder / "own");
  CHECK(contains(complaint<format_error>([&] { load_weights(square, folder / "torch"); }),
                 "the file is in another layout"));
  CHECK(contains(refusal(square, folder / "torch", {.layout = weights_layout::native}),
                 "in PyTorch's layout"));
  CHECK(contains(refusal(square, folder / "own", {.layout = pytorch}),
                 "the file is in the library's own layout"));
  CHECK(refusal(square, folder / "own", {.layout = weights_layout::native}).empty());
  // Transposed weights that are not square are found by their shape.
  network wide{basic_cpu<double>{1}, dense{4, 3}};
  save_weights(wide, folder / "native", {.layout = weights_layout::native});
  CHECK(contains(refusal(wide, folder / "native", {.layout = pytorch}),
                 "has the shape [4, 3], expected [3, 4] in PyTorch's layout"));
}

TEST_CASE("modules are matched by order, by prefix, and in part") {
  auto by_order = make<double>("named");
  const auto r = load_weights(by_order, file_of("named"), {.layout = pytorch, .by_order = true});
  CHECK(r.matched[0].theirs == "first.weight");
  CHECK(contains(to_string(r), "1.bias = 'between.bias' (F64)"));
  require_outputs<double>(by_order, "named", "named");
  auto mlp = make<double>("mlp");
  CHECK(contains(refusal(mlp, file_of("mlp"), {.layout = pytorch, .by_order = true}),
                 "does not say in which order"));
  network two{basic_cpu<double>{1}, dense{4, 4}, dense{4, 4}};
  CHECK(contains(refusal(two, file_of("named"), {.layout = pytorch, .by_order = true}),
                 "the file has 3 modules with parameters, the network 2"));

  // A part of a larger file.
  network first{basic_cpu<double>{1}, dense{4, 4}};
  const std::map<std::string, std::string> names = {{"0.weight", "weight"}, {"0.bias", "bias"}};
  const auto part = load_weights(first, file_of("named"),
                                 {.layout = pytorch, .prefix = "between.", .names = names});
  CHECK(part.unused.size() == 4);
  CHECK(first.values("0.weight")(1, 3) == by_order.values("1.weight")(1, 3));

  // The network has one layer more than the file, and another name for one.
  network more{basic_cpu<double>{1}, dense{4, 4}, dense{4, 5}};
  const double before = more.values("1.weight")(0, 0);
  const auto some = load_weights(more, file_of("named"),
                                 {.layout = pytorch, .names = {{"0", "between"}}, .partial = true});
  CHECK(some.matched.size() == 2);
  CHECK(some.missing == std::vector<std::string>{"1.weight", "1.bias"});
  CHECK(more.values("0.weight")(2, 1) == by_order.values("1.weight")(2, 1));
  CHECK(more.values("1.weight")(0, 0) == before);
  CHECK(contains(refusal(more, file_of("named"), {.layout = pytorch, .partial = true}),
                 "no tensor of the file has a parameter in the network"));
  CHECK(contains(refusal(more, file_of("named"), {.layout = pytorch, .names = {{"7", "x"}}}),
                 "the table of names has '7'"));
  CHECK(contains(refusal(more, file_of("named"), {.layout = pytorch}),
                 "tensor '0.weight', for 0.weight of the network, is missing"));
  CHECK(contains(refusal(two, file_of("named"),
                         {.layout = pytorch, .names = {{"0", "first"}, {"1", "first"}}}),
                 "is given to another parameter too"));
  CHECK(contains(refusal(two, file_of("named"),
                         {.layout = pytorch, .names = {{"0", "first"}, {"1", "between"}}}),
                 "tensor 'a_last.bias' with the shape [2] has no parameter in the network"));
}

TEST_CASE("files are not trusted") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  const std::string good = scratch::read(file_of("mlp"));
  const load_weights_options options{.layout = pytorch, .names = names_of("mlp")};
  auto net = make<double>("mlp");
  for (std::size_t size = 0; size < good.size(); size += 7) {
    scratch::write(path, good.substr(0, size));
    CAPTURE(size);
    CHECK(!refusal(net, path, options).empty());
    std::remove(path.c_str());  // truncating in place makes some file systems wait for a disk
  }
  // Without checksums the header alone can be compared with what is expected.
  int refused = 0;
  for (std::size_t i = 0; i < 600; ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    scratch::write(path, bad);
    auto other = make<double>("mlp");
    refused += complaint<error>([&] { (void)load_weights(other, path, options); }).empty() ? 0 : 1;
    std::remove(path.c_str());
  }
  CHECK(refused > 300);
  std::string integers = good;
  for (auto at = integers.find("F64"); at != std::string::npos; at = integers.find("F64"))
    integers.replace(at, 3, "I64");
  scratch::write(path, integers);
  CHECK(contains(refusal(net, path, options), "has the dtype I64, expected F16, BF16, F32 or F64"));
}

TEST_CASE("orders that PyTorch's layers do not state are refused") {
  const basic_cpu<double> be{1};
  const scratch::folder folder;
  const auto message = [&](const auto& net) {
    return complaint<value_error>([&] { save_weights(net, folder / "x", {.layout = pytorch}); });
  };
  CHECK(contains(message(network{be, input{4, 3}, flatten{}, dense{2}}),
                 "layer 1 depends on the order of the elements of samples of 4x3"));
  CHECK(contains(message(network{be, input{2, 2, 3}, reshape_to{3, 2, 2}, conv2d{1, 1}}),
                 "(reshape_to) gives samples of 2x2x3 the shape 3x2x2"));
  CHECK(contains(message(network{be, input{2, 2, 3}, flatten{}, group_norm{2}, dense{1}}),
                 "whose order is another in PyTorch"));
  // PyTorch's network moves the channels for these layers, and may move them back before flatten.
  CHECK(contains(
      message(network{be, input{2, 2, 3}, conv2d{3, 1}, layer_norm{}, flatten{}, dense{1}}),
      "layer 3 depends on the order of the elements of samples of 2x2x3"));
  CHECK(contains(message(network{be, input{4, 3}, conv1d{3, 1}, dense{2}, flatten{}, dense{1}}),
                 "layer 3 depends on the order of the elements of samples of 4x2"));
  CHECK(contains(
      message(network{be, input{4, 3}, dense{3}, residual{conv1d{3, 1}}, flatten{}, dense{1}}),
      "layer 3 depends on the order"));
  CHECK(message(network{be, input{2, 2, 3}, conv2d{3, 1}, layer_norm{}, global_average_pool{},
                        dense{1}})
            .empty());
  CHECK(message(network{be, input{4, 1}, flatten{}, dense{2}}).empty());
  CHECK(message(network{be, input{12}, dense{2}}).empty());
}

TEST_CASE("weights for pytorch_weights.py", "[.]") {
  const char* const folder = std::getenv("CHAINRULE_TEST_PYTORCH");
  REQUIRE(folder != nullptr);
  for (const std::string& name : all_models()) {
    auto net = make<double>(name);
    (void)load_weights(net, file_of(name), {.layout = pytorch, .names = names_of(name)});
    save_weights(net, std::string(folder) + "/" + name + ".safetensors",
                 {.layout = pytorch, .names = names_of(name)});
  }
}

}  // namespace pytorch_weights_test

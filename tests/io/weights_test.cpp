// The weights of networks in files.
#include "chainrule/io/weights.hpp"

#include "chainrule/io/pytorch.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace weights_test {

using namespace batches;

namespace {

template <class T, class F = relu>
auto make_net(std::uint64_t seed, index_t hidden = 5, F f = {}) {
  network net{basic_cpu<T>{1}, dense{7, hidden, f}, dropout{0.5}, dense{hidden, 3}};
  net.initialize(seed);
  return net;
}

template <class Network>
auto bits(const Network& net) {
  using B = typename Network::backend_type;
  return to_host(net.backend(), const_matrix<B>(net.parameters().all()));
}

/// What is said when the file is loaded into `net`, which must not change.
template <class Network>
std::string refusal(Network net, const std::string& path) {
  const auto before = bits(net);
  const std::string message = scratch::complaint<error>([&] { load_weights(net, path); });
  CHECK(same_bits(bits(net), before));
  return message;
}

}  // namespace

TEMPLATE_TEST_CASE("what was saved is what is loaded, to the bit", "", float, double) {
  const scratch::folder folder;
  const std::string path = folder / "net.safetensors";
  auto saved = make_net<TestType>(1);
  saved.values("0.bias")(0, 2) = TestType(0.125);  // biases begin as zeros
  save_weights(saved, path);
  auto loaded = make_net<TestType>(2);
  REQUIRE(!same_bits(bits(loaded), bits(saved)));
  load_weights(loaded, path);
  CHECK(same_bits(bits(loaded), bits(saved)));
  CHECK(folder.count() == 1);  // no temporary files

  // A network of the same layers that was put together at run time is the same network.
  using B = basic_cpu<TestType>;
  const std::vector<any_layer<B>> layers = {dense{7, 5, relu{}}, dropout{0.5}, dense{5, 3}};
  network<B> dynamic_net{B{1}, layers};
  load_weights(dynamic_net, path);
  CHECK(same_bits(bits(dynamic_net), bits(saved)));
}

TEST_CASE("from float to double is exact, from double to float rounds") {
  const scratch::folder folder;
  const auto narrow = make_net<float>(1);
  auto wide = make_net<double>(2);
  save_weights(narrow, folder / "narrow");
  load_weights(wide, folder / "narrow");
  const auto from = bits(narrow);
  const auto to = bits(wide);
  REQUIRE(from.size() == to.size());
  for (std::size_t i = 0; i < to.size(); ++i) CHECK(to[i] == static_cast<double>(from[i]));

  const auto source = make_net<double>(3);
  auto target = make_net<float>(4);
  save_weights(source, folder / "wide");
  load_weights(target, folder / "wide");
  const auto exact = bits(source);
  const auto rounded = bits(target);
  for (std::size_t i = 0; i < exact.size(); ++i) CHECK(rounded[i] == static_cast<float>(exact[i]));
}

TEST_CASE("the file names what it holds, and carries what it is given") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  auto net = make_net<float>(1);
  save_weights(net, path, {{"trained on", "digits"}});
  const auto metadata = load_weights(net, path);
  CHECK(metadata.at("trained on") == "digits");
  CHECK(metadata.at("model") ==
        R"({"kind":"network","extents":{"input":"7"},"layers":[{"kind":"dense",)"
        R"("extents":{"outputs":"5"},"activation":"relu","options":{"inputs":"7"}},)"
        R"({"kind":"dropout","constants":{"p":"0.5"}},)"
        R"({"kind":"dense","extents":{"outputs":"3"},"options":{"inputs":"5"}}]})");
  const safetensors_file file = load_safetensors(path);
  CHECK(file.tensors().size() == 4);
  CHECK(file.tensor("0.weight").shape == std::vector<index_t>{7, 5});
  CHECK(file.tensor("0.bias").shape == std::vector<index_t>{1, 5});
  CHECK(file.tensor("2.weight").dtype == "F32");
  // Row-major, as documented.
  std::vector<float> weights(35);
  file.copy_to("0.weight", {7, 5}, std::span(weights));
  CHECK(weights[1 * 5 + 3] == net.values("0.weight")(1, 3));
}

TEST_CASE("metadata may not take the library's key") {
  const scratch::folder folder;
  const network net{basic_cpu<float>(1), dense{2, 1}};
  CHECK_THROWS_AS(save_weights(net, folder / "net.safetensors", {{"model", "mine"}}), value_error);
  CHECK_THROWS_AS(load_safetensors(folder / "net.safetensors"), io_error);  // nothing was written
}

TEST_CASE("another network's weights are refused, and nothing is changed") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  save_weights(make_net<float>(1), path);
  CHECK(refusal(make_net<float>(2, 6), path) ==
        path + ": tensor '0.weight' has the shape [7, 5], expected [7, 6]");
  CHECK(refusal(make_net<float>(2, 5, fn::tanh{}), path) ==
        path + ": layer 0 is 'dense(outputs=5, activation=relu)' in the file and " +
            "'dense(outputs=5, activation=tanh)' in this network");
  network flat{cpu{1}, dense{7, 5, relu{}}, dropout{0.5}, dense{5, 3}, flatten{}};
  CHECK(refusal(std::move(flat), path) ==
        path + ": these are the weights of 3 layers, this network has 4");
  network shallow{cpu{1}, dense{7, 5, relu{}}};
  CHECK(refusal(std::move(shallow), path) ==
        path + ": tensor '2.weight' with the shape [5, 3] is not expected");
  network deep{cpu{1}, dense{7, 5, relu{}}, dropout{0.5}, dense{5, 3}, dense{3, 3}};
  CHECK(refusal(std::move(deep), path) ==
        path + ": tensor '3.weight' is missing, expected with the shape [3, 3]");
}

TEST_CASE("weights of an activation with other constants are refused") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  save_weights(make_net<float>(1, 5, leaky_relu{0.01}), path);
  auto same = make_net<float>(2, 5, leaky_relu{0.01});
  load_weights(same, path);
  CHECK(detail::layers_in_words(same) == "7, dense + leaky_relu(0.01) 5, dropout 0.5 5, dense 3");
  const auto refused = [&](double slope, const std::string& in_words) {
    CHECK(refusal(make_net<float>(2, 5, leaky_relu{slope}), path) ==
          path + ": layer 0 is 'dense(outputs=5, activation=leaky_relu(0.01))' in the file and " +
              "'dense(outputs=5, activation=leaky_relu(" + in_words + "))' in this network");
  };
  refused(0.3, "0.3");
  refused(0.01 + 1e-12, "0.010000000001");  // beyond the six digits that messages have
  save_weights(make_net<float>(1, 5, elu{1}), path);
  CHECK(!refusal(make_net<float>(2, 5, elu{0.5}), path).empty());
  CHECK(detail::layers_in_words(make_net<float>(1, 5, selu{})) ==
        "7, dense + selu 5, dropout 0.5 5, dense 3");  // its constants are part of its name
}

TEST_CASE("files of version 0.1, which have no constants, are compared by names") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  auto saved = make_net<float>(1, 5, leaky_relu{0.01});
  std::vector<std::vector<float>> values;
  std::vector<tensor_to_save> tensors;
  for (const auto& p : saved.parameter_list()) {
    values.push_back(to_host(saved.backend(), const_matrix<cpu>(saved.values(p.name))));
    tensors.push_back({p.name, "F32", {p.place.rows, p.place.cols}, {}});
  }
  for (std::size_t i = 0; i < tensors.size(); ++i)
    tensors[i].data = std::as_bytes(std::span(values[i]));
  save_safetensors(path, tensors, {{"layers", "7, dense + leaky_relu 5, dropout 0.5 5, dense 3"}});
  auto loaded = make_net<float>(2, 5, leaky_relu{0.3});
  load_weights(loaded, path);
  CHECK(same_bits(bits(loaded), bits(saved)));
  CHECK(!refusal(make_net<float>(2, 5, elu{}), path).empty());
}

TEST_CASE("tensors of another dtype are refused") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  network net{cpu{1}, dense{2, 1}};
  const std::vector<std::int32_t> whole = {1, 2, 3};
  const auto bytes = std::as_bytes(std::span(whole));
  save_safetensors(path, std::vector<tensor_to_save>{{"0.weight", "I32", {2, 1}, bytes.first(8)},
                                                     {"0.bias", "I32", {1, 1}, bytes.last(4)}});
  CHECK(refusal(std::move(net), path) ==
        path + ": tensor '0.weight' has the dtype I32, expected F32 or F64");
}

TEST_CASE("files of other programs are read where that is asked for") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  const std::string header = R"({"0.weight":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                             R"("0.bias":{"dtype":"F32","shape":[1,1],"data_offsets":[8,12]}})";
  const float values[3] = {1.5F, -2, 0.25F};
  std::string content(8, '\0');
  content[0] = static_cast<char>(header.size());
  content += header;
  content.append(reinterpret_cast<const char*>(values), sizeof values);
  scratch::write(path, content);
  network net{cpu{1}, dense{2, 1}};
  CHECK(scratch::contains(scratch::complaint<format_error>([&] { load_weights(net, path); }),
                          "the file has no checksums"));
  // Neither says what a column is: a square matrix would be loaded transposed.
  CHECK(scratch::contains(scratch::complaint<format_error>(
                              [&] { load_weights(net, path, {.require_checksums = false}); }),
                          "another program wrote the file"));
  load_weights(net, path, {.layout = weights_layout::native});
  CHECK(net.values("0.weight")(0, 0) == 1.5F);
  CHECK(net.values("0.weight")(1, 0) == -2);
  CHECK(net.values("0.bias")(0, 0) == 0.25F);
}

TEST_CASE("damage anywhere is refused, and nothing is changed") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  save_weights(make_net<float>(1), path);
  const std::string good = scratch::read(path);
  auto net = make_net<float>(2);
  const auto before = bits(net);
  for (std::size_t i = 0; i < good.size(); i += 3) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    std::remove(path.c_str());  // truncating in place makes some file systems wait for a disk
    scratch::write(path, bad);
    CAPTURE(i);
    REQUIRE(!scratch::complaint<format_error>([&] { load_weights(net, path); }).empty());
    REQUIRE(same_bits(bits(net), before));
  }
  scratch::write(path, good.substr(0, good.size() - 1));
  CHECK(!refusal(make_net<float>(2), path).empty());
  CHECK(scratch::contains(refusal(make_net<float>(2), folder / "nothing"), "cannot read"));
  scratch::write(path, good);
  load_weights(net, path);
  CHECK(!same_bits(bits(net), before));
}

TEST_CASE("it can be asked beforehand whether a file can be written") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  require_can_save(path);
  CHECK(folder.count() == 0);  // it leaves nothing
  save_weights(make_net<float>(1), path);
  const std::string content = scratch::read(path);
  require_can_save(path);
  CHECK(scratch::read(path) == content);
  CHECK(folder.count() == 1);

  const auto complaint_on = [](const std::string& where) {
    return scratch::complaint<io_error>([&] { require_can_save(where); });
  };
  CHECK(complaint_on(folder / "none/net") ==
        "cannot write '" + (folder / "none/net") + "': No such file or directory");
  CHECK(complaint_on(folder.path()) ==
        "cannot write '" + folder.path() + "': it exists and is not a regular file");
  // Names that no file can have.
  CHECK(complaint_on("") == "cannot write '': a file needs a name");
  const std::string too_long = folder / std::string(300, 'n');
  CHECK(complaint_on(too_long) == "cannot write '" + too_long + "': File name too long");
  CHECK(scratch::contains(complaint_on(path + "/"), "Not a directory"));
  CHECK(!complaint_on(folder / "new/").empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("what a file says of its layers is not given to a terminal as it is") {
  const scratch::folder folder;
  const std::string path = folder / "net";
  const std::vector<float> values(3);
  const std::vector<tensor_to_save> tensors{
      {"0.weight", "F32", {2, 1}, std::as_bytes(std::span(values).first(2))},
      {"0.bias", "F32", {1, 1}, std::as_bytes(std::span(values).first(1))}};
  save_safetensors(path, tensors, {{"layers", "\x1b[2J" + std::string(5000, 'x')}});
  const std::string said = scratch::complaint<format_error>([&] {
    network net{cpu{1}, dense{2, 1}};
    load_weights(net, path);
  });
  CHECK(scratch::contains(said, "these are the weights of the layers '?[2Jxxx"));
  CHECK(said.size() < 1500);
}

}  // namespace weights_test

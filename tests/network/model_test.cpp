// Models: layers without a backend, networks that are built from descriptions, parts of networks.
#include "chainrule/network/model.hpp"
#include "chainrule/backend/cpu.hpp"

#include "chainrule/io/weights.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "network/user_layers.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace model_test {

using namespace batches;

namespace {

using host = basic_cpu<float>;
using there = tested<float>;

/// Every layer of the library, as a model and as a list.
template <class F>
void each_model(const F& f) {
  const auto both = [&](const auto&... layers) {
    f(model{layers...}, std::vector<any_layer<host>>{layers...});
  };
  both(input{4, 3}, dense{6, leaky_relu{0.2}}, dropout{0.25}, activation{fn::softplus{}}, flatten{},
       reshape_to{2, 12}, dense{2}.weights(init::normal(0, 0.1)).bias(init::constant(0.5)));
  both(dense{5, 7, gelu{}});
  both(input{6}, sequence{dense{5, elu{0.5}}, residual{dense{4, relu{}}, dense{5}}},
       concat{dense{2}, dense{3, fn::tanh{}}}, repeat{3, residual{dense{5, fn::sigmoid{}}}},
       frozen{dense{4, selu{}}}, in_group{2, frozen{dense{3}.weights(init::orthogonal(0.5))}});
  both(input{5}, embedding{9, 4}, flatten{}, dense{2});
  both(input{9, 8, 2}, max_pool{{3, 2}, {.stride = 2, .dilation = {2, 1}, .pad = {1, 0}}},
       average_pool{{2, 1}, {.stride = {1, 2}, .pad = {1, 0}, .count_padding = false}},
       average_pool{2, {.pad = same}}, upsample{{2, 3}}, upsample{2, upsampling::bilinear},
       pad{{.top = 1, .bottom = 2, .left = 3}}, crop{{.bottom = 2, .right = 1}}, max_pool{2});
  both(input{4, 3, 2}, global_average_pool{});
  both(input{4, 3, 2}, global_max_pool{});
  both(input{4, 3, 4}, batch_norm{relu{}}.momentum(0.2), batch_norm{}.eps(1e-3).affine(false),
       layer_norm{}.all_axes(), layer_norm{}.affine(false), rms_norm{1e-6}, group_norm{2},
       group_norm{4}.affine(false), instance_norm{}, instance_norm{}.affine(true),
       local_response_norm{3, 0.1, 0.5, 2}, prelu{}, prelu{}.per_channel().initial(0.1),
       dropout2d{0.1}, shortcut{2, 6},
       residual{dense{5, relu{}}, batch_norm{}}.projection(dense{5}),
       dense_block{dense{2}, dense{3, relu{}}}, flatten{}, dense{2});
}

template <class B>
std::vector<double> answers(const network<B>& net) {
  if (net.declared().index_count() == 0)
    return doubles(net.backend(), net.predict(uniform(net.backend(), 3, net.inputs(), 1).view()));
  std::vector<std::int32_t> indices;
  for (index_t i = 0; i < 3 * net.inputs(); ++i)
    indices.push_back(static_cast<std::int32_t>(i % net.declared().index_count()) - 1);
  const index_tensor<B> x(net.backend(), 3, net.inputs(), indices);
  return doubles(net.backend(), net.predict(x.view()));
}

template <class B>
std::vector<double> parameters(const network<B>& net) {
  return doubles(net.backend(), net.parameters().all());
}

/// Saves and reads again, through a file whose description was changed.
std::string refusal(const std::string& json) {
  const scratch::folder folder;
  const std::string path = folder / "net";
  const std::vector<float> numbers{1, 2, 3};
  const auto bytes = std::as_bytes(std::span(numbers));
  save_safetensors(path,
                   std::vector<tensor_to_save>{{"0.weight", "F32", {2, 1}, bytes.first(8)},
                                               {"0.bias", "F32", {1, 1}, bytes.last(4)}},
                   {{"model", json}});
  std::string said = complaint<format_error>([&] { (void)load_network(host{}, path); });
  if (said.starts_with(path)) said.erase(0, path.size() + 2);
  return said;
}

}  // namespace

TEST_CASE("a model is bound as its layers are", "[network][model]") {
  each_model([](const model& m, const std::vector<any_layer<host>>& layers) {
    const network<host> listed{host{}, layers};
    const network bound{host{}, m};
    CHECK(bound.describe() == listed.describe());
    CHECK(same_bits(parameters(bound), parameters(listed)));  // of the same initializers
    CHECK(same_bits(answers(bound), answers(listed)));
    for (std::size_t i = 0; i < listed.parameter_list().size(); ++i) {
      CHECK(bound.parameter_list()[i].name == listed.parameter_list()[i].name);
      CHECK(bound.parameter_list()[i].tags == listed.parameter_list()[i].tags);
    }
  });
}

TEST_CASE("layers are added at run time", "[network][model]") {
  model m{input{3}};
  for (const index_t width : {5, 4}) m.add(dense{width, relu{}});
  m.add(dense{2});
  CHECK(m.layers().size() == 4);
  CHECK(m == model{input{3}, dense{5, relu{}}, dense{4, relu{}}, dense{2}});
  const network net{there{}, m};
  CHECK(net.depth() == 3);
  const network<there> same{there{}, m};
  CHECK(same.outputs() == 2);
  CHECK_THROWS_AS((network{there{}, model{}}), value_error);
}

TEST_CASE("networks of run-time layers move to another backend", "[network][model]") {
  each_model([](const model& m, const std::vector<any_layer<host>>&) {
    network<host> net{host{}, m};
    net.initialize(7);
    const network<there> moved = net.to(there{});
    CHECK(moved.describe() == net.describe());
    CHECK(distance(parameters(moved), parameters(net)) == 0);
    // A few dozen roundings of numbers of a few units.
    CHECK(distance(answers(moved), answers(net)) <= 200 * epsilon<there>);
  });
}

TEST_CASE("a layer that is not the library's needs a factory", "[network][model]") {
  const network<host> net{host{}, {input{4, 3, 2}, user::conv3x3{3}, flatten{}, dense{2}}};
  CHECK(complaint<value_error>([&] { (void)net.to(there{}); }) ==
        "a layer cannot be built from its description conv3x3(outputs=3): the library has no such "
        "layer; add a factory to layer_factories");
  layer_factories<there>()["conv3x3"] = [](const description& d) {
    return any_layer<there>(user::conv3x3(detail::extent_of(d, "outputs")));
  };
  CHECK(distance(answers(net.to(there{})), answers(net)) <= 200 * epsilon<there>);
  layer_factories<there>().clear();

  const network<host> own{host{}, {input{3}, dense{2, [](const auto& x) { return x * x; }}}};
  CHECK(complaint<value_error>([&] { (void)own.to(there{}); }) ==
        "a layer cannot be built from its description dense(outputs=2, activation=custom): its "
        "activation is a function of the program, which has no name");
}

TEST_CASE("a slice of a network computes what its layers compute", "[network][model]") {
  const there be;
  network<there> net{be,
                     {input{4, 3}, dense{5, relu{}}, user::batch_norm{}, flatten{},
                      repeat{2, dense{6, gelu{}}}, dense{2}}};
  net.initialize(3);
  be.map(fn::fill{0.5}, net.states().all());
  const auto x = uniform(be, 3, 12, 1);
  auto p = net.make_pass(3);
  const auto y = doubles(be, net.forward(x.view(), p));
  const network<there> first = net.slice(0, 3);
  CHECK(first.input_shape() == shape{4, 3});
  CHECK(first.output_shape() == shape{20});
  const network<there> rest = net.slice(3, 2);
  CHECK(rest.input_shape() == shape{20});
  CHECK(rest.parameter_list()[0].name == "0.0.weight");
  CHECK(same_bits(doubles(be, rest.predict(first.predict(x.view()).view())), y));
  CHECK(same_bits(doubles(be, first.predict(x.view())), doubles(be, net.output_of(p, 2))));
  for (const auto& [from, count] : {std::pair<index_t, index_t>{-1, 1}, {0, 0}, {3, 3}, {5, 1}})
    CHECK_THROWS_AS(net.slice(from, count), value_error);
  CHECK(complaint<value_error>([&] { (void)net.slice(3, 3); }) ==
        "a network of 5 layers has no slice of 3 layers from layer 3");
}

TEST_CASE("layers of blocks are networks of their own by name", "[network][model]") {
  const there be;
  network<there> net{be,
                     {input{6}, sequence{dense{5, relu{}}, frozen{residual{dense{4}, dense{5}}}},
                      repeat{2, dense{5, gelu{}}}}};
  net.initialize(3);
  const auto values = [&](const network<there>& from, const std::string& name) {
    return doubles(be, from.values(name));
  };
  const auto inner = sub_network(net, "0.1.0");
  CHECK(inner.inputs() == 5);
  CHECK(inner.outputs() == 4);
  CHECK(same_bits(values(inner, "0.weight"), values(net, "0.1.0.weight")));
  const auto copy = sub_network(net, "1.1");
  CHECK(same_bits(values(copy, "0.bias"), values(net, "1.1.bias")));
  CHECK(same_bits(values(copy, "0.weight"), values(net, "1.1.weight")));
  const auto block = sub_network(net, "0");
  CHECK(block.input_shape() == shape{6});
  CHECK(same_bits(values(block, "0.1.1.weight"), values(net, "0.1.1.weight")));
  for (const char* wrong : {"2", "0.2", "1.2", "", "0.", "x"})
    CHECK_THROWS_AS(sub_network(net, wrong), value_error);
  CHECK(complaint<value_error>([&] { (void)sub_network(net, "2"); }) ==
        "the network has no layer '2'; layers are named like '3', or '3.1' within a block");
}

TEST_CASE("a network is built from its file", "[network][model][io]") {
  const scratch::folder folder;
  each_model([&](const model& m, const std::vector<any_layer<host>>&) {
    network<host> net{host{}, m};
    net.initialize(5);
    save_weights(net, folder / "net");
    const network<there> loaded = load_network(there{}, folder / "net");
    CHECK(loaded.describe() == net.describe());
    CHECK(distance(parameters(loaded), parameters(net)) == 0);
  });
  network<host> plain{host{}, {dense{3, 2}}};
  network<host> fixed{host{}, {frozen{in_group{1, dense{3, 2}.weights(init::zeros())}}}};
  save_weights(plain, folder / "plain");
  load_weights(fixed, folder / "plain");  // what only training reads does not matter
  CHECK(same_bits(answers(fixed), answers(plain)));
}

TEST_CASE("descriptions in files are not trusted", "[network][model][io]") {
  const std::string dense_1 = R"({"kind":"dense","extents":{"outputs":"1"}})";
  const auto net = [](const std::string& layers, const std::string& input = "2") {
    return R"({"kind":"network","extents":{"input":")" + input + R"("},"layers":[)" + layers + "]}";
  };
  CHECK(refusal(net(dense_1)).empty());
  CHECK(refusal(net(dense_1, "3")) == "tensor '0.weight' has the shape [2, 1], expected [3, 1]");
  // Memory for what the description states is not allocated.
  CHECK(refusal(net(R"({"kind":"dense","extents":{"outputs":"1000000000000"}})")) ==
        "tensor '0.weight' has the shape [2, 1], expected [2, 1000000000000]");
  CHECK(!refusal(net(R"({"kind":"dense","extents":{"outputs":"9223372036854775807"}})")).empty());
  CHECK(!refusal(net(R"({"kind":"dense","extents":{"outputs":"9223372036854775808"}})")).empty());
  CHECK(refusal(net(R"({"kind":"repeat","extents":{"times":"1000000000"},"layers":[)" + dense_1 +
                    "]}")) == "the metadata 'model' describes no network of 1 to 10000 layers");
  // A layer that is not built cannot hide how many there are.
  CHECK(refusal(net(R"({"kind":"repeat","extents":{"times":"1000000000"},"layers":[)" + dense_1 +
                    R"(]},{"kind":"flatten","layers":[{"kind":"repeat","extents":{"times":"nan"}},)"
                    R"({"kind":"repeat","extents":{"times":"-1e9"},"layers":[)" +
                    dense_1 + "]}]}")) ==
        "the metadata 'model' describes no network of 1 to 10000 layers");
  // Sums of extents do not overflow.
  std::string wide = R"({"kind":"flatten"})";
  for (int i = 0; i < 40; ++i) wide += R"(,{"kind":"flatten"})";
  wide = R"({"kind":"concat","layers":[)" + wide + "]}";
  CHECK(scratch::contains(refusal(net(wide, "576460752303423487")), "cannot allocate"));
  for (const char* outputs : {"0", "-1", "1x", "", " 1", "1.0"})
    CHECK(!refusal(net(R"({"kind":"dense","extents":{"outputs":")" + std::string(outputs) + "\"}}"))
               .empty());
  for (const char* f : {"custom", "none", "leaky_relu", "leaky_relu(", "leaky_relu(1, 2)",
                        "leaky_relu()", "relu)", "relu(x)"})
    CHECK(!refusal(net(R"({"kind":"dense","extents":{"outputs":"1"},"activation":")" +
                       std::string(f) + "\"}"))
               .empty());
  for (const char* shape : {"", "0", "2x", "x2", "1x1x1x1x1x1x2", "99999999999x99999999999"})
    CHECK(!refusal(net(dense_1, shape)).empty());
  for (const std::string& text : std::vector<std::string>{
           "", "{}", "[]", dense_1, net(""), net(dense_1) + "x", net(dense_1 + ",{}"),
           net(R"({"kind":"frozen"})"), net(R"({"kind":"repeat","extents":{"times":"1"}})"),
           net(R"({"kind":"dense"})"), net(R"({"kind":"sequence"})"), net(R"({"kind":"other"})"),
           net(R"({"kind":"dense","size":"1"})"), net(R"({"kind":"dense","kind":"dense"})"),
           net(R"({"kind":")" + std::string(300, 'k') + "\"}")})
    CHECK(!refusal(text).empty());
  std::string deep = dense_1;
  for (int i = 0; i < 2000; ++i) deep = R"({"kind":"sequence","layers":[)" + deep + "]}";
  CHECK(scratch::contains(refusal(net(deep)), "nested too deeply"));
}

TEST_CASE("descriptions are the same in JSON", "[network][model][io]") {
  each_model([](const model& m, const std::vector<any_layer<host>>&) {
    const description d = network<host>{host{}, m}.describe();
    CHECK(description_from_json(to_json(d), "text") == d);
  });
  description odd;
  odd.kind = "own \"kind\"\n";
  odd.constants = {{"p", "0.5"}};
  CHECK(description_from_json(to_json(odd), "text") == odd);
  odd.constants[0].second.assign(300, '1');
  CHECK_THROWS_AS(to_json(odd), value_error);
}

}  // namespace model_test

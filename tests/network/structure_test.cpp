// How networks are built: what fits and what does not, names and shapes of parameters, the summary,
// moving.
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace structure_test {

using namespace batches;

namespace {

/// A network of the same layers, held in a vector.
template <class... Specs>
network<tested<float>> chain_of(const Specs&... specs) {
  return {tested<float>{}, {any_layer<tested<float>>(specs)...}};
}

}  // namespace

TEST_CASE("neighbours that do not fit are named, with both extents", "[network]") {
  const char* sentence = "layer 1 (dense) expects 128 features, layer 0 (dense) produces 256";
  CHECK(complaint<shape_error>([] {
          network net{tested<float>{}, dense{784, 256, relu{}}, dense{128, 10}};
        }) == sentence);
  CHECK(complaint<shape_error>([] {
          chain_of(dense{784, 256, relu{}}, dense{128, 10});
        }) == sentence);

  // Layers that take what comes pass it on, and are counted.
  sentence = "layer 3 (dense) expects 9 features, layer 2 (dropout) produces 8";
  CHECK(complaint<shape_error>([] {
          network net{tested<float>{}, dense{4, 8}, activation{relu{}}, dropout{0.5}, dense{9, 2}};
        }) == sentence);
  CHECK(complaint<shape_error>([] {
          chain_of(dense{4, 8}, activation{relu{}}, dropout{0.5}, dense{9, 2});
        }) == sentence);

  // Extents in types against extents in values: only known when the network is built.
  CHECK(complaint<shape_error>([] {
          network net{tested<float>{}, dense<4, 8>{}, dense{9, 2}};
        }) == "layer 1 (dense) expects 9 features, layer 0 (dense) produces 8");
}

TEST_CASE("a network begins with a layer that says how many features it takes", "[network]") {
  const char* sentence =
      "layer 0 (activation) takes any number of features; begin with a layer that says how many, "
      "such as input{784} or dense{784, 128}";
  CHECK(complaint<shape_error>([] {
          network net{tested<float>{}, activation{relu{}}, dense{4, 2}};
        }) == sentence);
  CHECK(complaint<shape_error>([] { chain_of(activation{relu{}}, dense{4, 2}); }) == sentence);
  CHECK(complaint<value_error>([] { chain_of(); }) == "a network needs at least one layer");
}

TEST_CASE("parameters have names, places and shapes", "[network]") {
  const network net{tested<float>{}, dense{5, 7, gelu{}}, dropout{0.5}, dense<7, 3>{}};
  const auto& list = net.parameter_list();
  REQUIRE(list.size() == 4);
  const char* names[] = {"0.weight", "0.bias", "2.weight", "2.bias"};
  const matrix_shape shapes[] = {{5, 7}, {1, 7}, {7, 3}, {1, 3}};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(list[i].name == names[i]);
    CHECK(net.values(names[i]).shape() == shapes[i]);
    CHECK(list[i].place.region == static_cast<index_t>(i % 2));
    CHECK(net.place_of(names[i]).offset == list[i].place.offset);
  }
  CHECK(net.parameter_count() == 5 * 7 + 7 + 7 * 3 + 3);
  CHECK(net.inputs() == 5);
  CHECK(net.outputs() == 3);
  CHECK(net.depth() == 3);
  for (const char* unknown : {"1.weight", "0.weights", ""})
    CHECK(complaint<value_error>([&] { (void)net.values(unknown); }) ==
          detail::concat("the network has no parameter '", unknown,
                         "'; they are named like '0.weight'"));
}

TEST_CASE("a network of layers in a vector is that of listed layers", "[network]") {
  const tested<float> be;
  network stat{be, dense{5, 7, gelu{}}, dropout{0.5}, dense<7, 3>{}};
  network<tested<float>> dyn = chain_of(dense{5, 7, gelu{}}, dropout{0.5}, dense<7, 3>{});
  CHECK(summary(stat) == summary(dyn));
  for (const auto& p : stat.parameter_list())
    CHECK(same_bits(doubles(be, stat.values(p.name)), doubles(be, dyn.values(p.name))));

  const tensor<tested<float>> x = uniform(be, 6, 5, 1);
  CHECK(same_bits(doubles(be, stat.predict(x.view())), doubles(be, dyn.predict(x.view()))));

  const tensor<tested<float>> t = labels(be, 6, 3);
  stepper s(stat, softmax_cross_entropy{}, 6);
  stepper d(dyn, softmax_cross_entropy{}, 6);
  s.run(stat, x.view(), t.view(), phase::train(1, 1));
  d.run(dyn, x.view(), t.view(), phase::train(1, 1));
  CHECK(same_bits(doubles(be, const_matrix<tested<float>>(s.gradients.all())),
                  doubles(be, const_matrix<tested<float>>(d.gradients.all()))));
}

TEST_CASE("the summary is a table", "[network]") {
  const network net{tested<float>{}, dense{784, 1500, relu{}}, dropout{0.25},
                    activation{fn::tanh{}}, dense{1500, 10}};
  // Where passes of one sample have steps, there is room behind each matrix.
  const std::string memory = row_backend<tested<float>> ? "5.93" : "5.92";
  CHECK(summary(net) ==
        "     layer         output        parameters\n"
        "     input         n x 784                 \n"
        "  0  dense + relu  n x 1500       1,177,500\n"
        "  1  dropout 0.25  n x 1500               0\n"
        "  2  tanh          n x 1500               0\n"
        "  3  dense         n x 10            15,010\n"
        "     total                        1,192,510\n"
        "     memory for batches of 32: " +
            memory + " MB in inference, 10.89 MB in training\n");
  CHECK(detail::grouped(0) == "0");
  CHECK(detail::grouped(999) == "999");
  CHECK(detail::grouped(1000) == "1,000");
  CHECK(detail::grouped(1234567) == "1,234,567");
}

TEST_CASE("layers are counted past ten", "[network]") {
  std::vector<any_layer<tested<float>>> specs;
  for (index_t i = 0; i < 12; ++i) specs.emplace_back(dense{2 + i, 3 + i});
  const network<tested<float>> net{tested<float>{}, specs};
  const auto lines = net.layers();
  REQUIRE(lines.size() == 12);
  for (index_t i = 0; i < 12; ++i)  // "1." is no prefix of "10.weight"
    CHECK(lines[static_cast<std::size_t>(i)].parameters == (2 + i) * (3 + i) + 3 + i);
}

TEST_CASE("a network and its optimizer keep working when they are moved", "[network]") {
  const auto check = [](auto make) {
    const tested<float> be;
    const tensor<tested<float>> x = uniform(be, 6, 5, 1);
    const tensor<tested<float>> t = labels(be, 6, 3);
    const auto train = [&](auto& net, auto& opt, int steps) {
      stepper step(net, softmax_cross_entropy{}, 6);
      for (int i = 0; i < steps; ++i) {
        step.run(net, x.view(), t.view(), phase::train(1, static_cast<std::uint64_t>(i)));
        opt.update(net.parameters(), step.gradients);
      }
      return step.mean(be);
    };
    const auto rules = chain(momentum{.rate = 0.1});
    auto stays = make();
    optimizer stays_opt(be, stays.parameters().plan(), rules);
    const double first = train(stays, stays_opt, 3);
    const double reached = train(stays, stays_opt, 3);
    CHECK(reached < first);

    auto origin = make();
    optimizer origin_opt(be, origin.parameters().plan(), rules);
    CHECK(train(origin, origin_opt, 3) == first);
    auto moved = std::move(origin);
    auto moved_opt = std::move(origin_opt);
    CHECK(train(moved, moved_opt, 3) == reached);

    auto assigned = make();
    assigned = std::move(moved);
    CHECK(same_bits(doubles(be, assigned.predict(x.view())), doubles(be, stays.predict(x.view()))));
  };
  check([] { return network{tested<float>{}, dense{5, 7, gelu{}}, dense{7, 3}}; });
  check([] { return chain_of(dense{5, 7, gelu{}}, dense{7, 3}); });
}

}  // namespace structure_test

// Indices as the input of a network, and the rows that embedding gives them.
#include "chainrule/layers/embedding.hpp"
#include "chainrule/backend/cpu.hpp"

#include <array>

#include "chainrule/io/weights.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/network/summary.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace embedding_test {

using namespace batches;

namespace {

const std::vector<std::int32_t> tokens = {0, -1, 3, 3, 3, 2};

/// Two samples of three tokens, and what is asked of the layer for them.
template <class B>
struct lookup {
  B be;
  network<B> net{be, {input{3}, embedding{4, 2}}};
  index_tensor<B> x{be, 2, 3, tokens};
  pass<B> p = net.make_pass(2, true);

  lookup() {
    const tensor<B> w = numbers(be, 4, 2, {1, 2, 3, 4, 5, 6, 7, 8});
    be.copy(net.values("0.weight"), w.view());
  }
};

/// Reads the input twice with the same rows.
struct twice {
  static constexpr const char* name = "twice";
  embedding rows{4, 2};
  shape bind(plan& p, const shape& in) {
    const shape out = p.child("rows", rows, in);
    return p.child("rows", again, in) == out ? out.with_last(4) : out;
  }
  embedding again{4, 2};
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    tensor<B> half(p.backend(), y.rows(), y.cols() / 2);
    rows.forward(p, x, half.view());
    const const_matrix<B> source = with_columns(half.view(), 2);
    const matrix<B> target = with_columns(y, 4);
    p.backend().copy(target.block(0, 0, target.rows(), 2), source);
    p.backend().copy(target.block(0, 2, target.rows(), 2), source);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    tensor<B> half(p.backend(), dy.rows(), dy.cols() / 2);
    const matrix<B> part = with_columns(half.view(), 2);
    const const_matrix<B> whole = with_columns(dy, 4);
    p.backend().copy(part, whole.block(0, 0, part.rows(), 2));
    rows.backward(p, x, const_matrix<B>(half.view()), const_matrix<B>(half.view()), dx);
    p.backend().copy(part, whole.block(0, 2, part.rows(), 2));
    again.backward(p, x, const_matrix<B>(half.view()), const_matrix<B>(half.view()), dx);
  }
  void describe(archive&) const {}
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("an embedding gives each index its row, and padding zeros", "[embedding]",
                        backends) {
  const lookup<TestType> at;
  CHECK(at.net.output_shape() == shape{3, 2});
  // torch.nn.functional.embedding with a row of zeros for the padding.
  const std::vector<double> expected = {1, 2, 0, 0, 7, 8, 7, 8, 7, 8, 5, 6};
  CHECK(doubles(at.be, at.net.predict(at.x.view())) == expected);
}

TEMPLATE_LIST_TEST_CASE("the gradient of a row is the sum over its occurrences", "[embedding]",
                        backends) {
  lookup<TestType> at;
  auto gradients = at.net.make_gradients();
  at.be.map(fn::fill{not_a_number}, gradients.all());
  at.net.forward(at.x.view(), at.p, phase::train(0, 0));
  const auto dy = numbers(at.be, 2, 6, {1, 2, 30, 40, 5, 6, 7, 8, 9, 10, 11, 12});
  at.be.copy(at.net.output_gradient(at.p), dy.view());
  at.net.backward(at.x.view(), at.p, gradients);
  // Row 0 occurs once, row 1 never, row 2 once, row 3 at three places; 30 and 40 met padding.
  const std::vector<double> expected = {1, 2, 0, 0, 11, 12, 5 + 7 + 9, 6 + 8 + 10};
  CHECK(doubles(at.be, std::as_const(gradients)[at.net.place_of("0.weight")]) == expected);
}

TEMPLATE_LIST_TEST_CASE("gradients behind an embedding", "[embedding][gradient]", double_backends) {
  const TestType be;
  const index_tensor<TestType> x(be, 4, 3, {0, -1, 3, 3, 3, 2, 1, 0, 2, -1, -1, 0});
  const auto check = [&](network<TestType> net) {
    net.initialize(3);
    const auto targets = uniform(be, 4, net.outputs(), 2);
    const auto report = check_gradients(net, quadratic_cost{}, x.view(), targets.view());
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == net.parameter_count());
  };
  check({be, {input{3}, embedding{4, 5}, dense{3, fn::tanh{}}, flatten{}, dense{2}}});
  check({be, {input{3}, concat{embedding{4, 2}, embedding{5, 3}}, flatten{}, dense{2}}});
  check({be, {input{3}, twice{}, dense{2, gelu{}}, flatten{}, dense{2}}});
}

TEMPLATE_LIST_TEST_CASE("an embedding learns, and its padding stays zeros", "[embedding]",
                        double_backends) {
  using B = TestType;
  const B be;
  network<B> net{be, {input{3}, embedding{4, 5}, flatten{}, dense{3}}};
  net.initialize(1);
  // The class is the token in the middle.
  const index_tensor<B> x(be, 6, 3, {0, 1, -1, 3, 0, 1, 2, 2, 2, -1, 1, 0, 3, 2, 3, 1, 0, -1});
  const tensor<B> classes = numbers(be, 6, 1, {1, 0, 2, 1, 2, 0});
  stepper step(net, softmax_cross_entropy{}, 6);
  optimizer rules(be, net.parameters().plan(), adam{0.05});
  for (std::uint64_t i = 0; i < 150; ++i) {
    step.run(net, x.view(), classes.view(), phase::train(1, i));
    rules.update(net.parameters(), step.gradients);
  }
  CHECK(step.mean(be) < 0.05);
  const index_tensor<B> padding(be, 1, 3, {-1, -1, -1});
  CHECK(doubles(be, net.predict(padding.view())) ==
        doubles(be, std::as_const(net).values("2.bias")));

  const scratch::folder folder;
  save_weights(net, folder / "net.safetensors");
  network<B> loaded{be, {input{3}, embedding{4, 5}, flatten{}, dense{3}}};
  load_weights(loaded, folder / "net.safetensors");
  CHECK(same_bits(doubles(be, loaded.predict(x.view())), doubles(be, net.predict(x.view()))));
  CHECK(summary(net) ==
        "     layer      output        parameters\n"
        "     indices    n x 3                   \n"
        "  0  embedding  n x 3x5               20\n"
        "  1  flatten    n x 15                 0\n"
        "  2  dense      n x 3                 48\n"
        "     total                            68\n"
        "     memory for batches of 32: 0.02 MB in inference, 0.02 MB in training\n");
  CHECK(to_string(net.describe()) ==
        "network(input=3, embedding(vocabulary=4, features=5), flatten, dense(outputs=3))");
}

TEST_CASE("a batch without samples has no outputs", "[embedding]") {
  using B = support::tested<float>;
  const B be;
  const network net{be, input{2}, embedding{4, 3}, flatten{}, dense{1}};
  const auto none = be.template allocate<std::int32_t>(2);
  pass<B> p = net.make_pass(4);
  CHECK(net.forward(typename B::template view<const std::int32_t>(none.data(), 0, 2), p).rows() ==
        0);
}

TEST_CASE("indices that have no row", "[embedding]") {
  const basic_cpu<double> be;
  const network<basic_cpu<double>> net{be, {input{3}, embedding{4, 2}}};
  const index_tensor<basic_cpu<double>> wrong(be, 1, 3, {0, 4, 1});
  CHECK_THROWS_AS(net.predict(wrong.view()), value_error);  // here the host sees them
  net.require_indices(3);
  CHECK(complaint<value_error>([&] { net.require_indices(4); }) ==
        "the network takes indices of -1 (padding) to 3, the samples have 4");
}

TEST_CASE("scalars and indices are not confused", "[embedding]") {
  using B = basic_cpu<double>;
  const B be;
  const network<B> net{be, {input{3}, embedding{4, 2}}};
  const network<B> plain{be, {dense{3, 2}}};
  const auto scalars = uniform(be, 2, 3, 1);
  const index_tensor<B> x(be, 2, 3, tokens);
  CHECK(complaint<shape_error>([&] { (void)net.predict(scalars.view()); }) ==
        "the network takes indices: give it a matrix of std::int32_t");
  CHECK(complaint<shape_error>([&] { (void)plain.predict(x.view()); }) ==
        "the network takes scalars, the samples are indices");
  const index_tensor<B> narrow(be, 3, 2, tokens);
  CHECK(complaint<shape_error>([&] { (void)net.predict(narrow.view()); }) ==
        "the network expects 3 indices, the samples have 2");
  CHECK(complaint<shape_error>([&] {
          network{be, embedding{4, 2}};
        }) ==
        "layer 0 (embedding) takes any number of indices; begin with a layer that says how many, "
        "such as input{128}");
  CHECK(complaint<shape_error>([&] {
          network{be, dense{3, 4}, embedding{4, 2}};
        }) ==
        "layer 1 (embedding) takes indices, which only the input of the network holds, but layer 0 "
        "(dense) produces numbers; let it be the first layer");
  CHECK(complaint<shape_error>([&] {
          network{be, input{3}, concat{dense{3}, embedding{4, 2}}};
        }) ==
        "layer 0.1 (embedding) reads the input of the network as indices, another layer as "
        "scalars; a network has one input, of one kind");
  CHECK(complaint<value_error>([&] { (void)embedding(0, 2); }) ==
        "an embedding needs at least one index and one feature, got 0 and 2");
}

}  // namespace embedding_test

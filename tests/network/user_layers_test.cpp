// Layers that a user adds without a line of the library's changed: gradients, training, files,
// moving to another backend.
#include "network/user_layers.hpp"

#include "chainrule/backend/cpu.hpp"
#include "chainrule/io/weights.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "testing/batches.hpp"

namespace user_layers_test {

using namespace batches;

namespace {

using host_double = basic_cpu<double>;

/// One layer called twice with the same parameters: y = f(f(x)).
struct tied {
  static constexpr const char* name = "tied";
  dense<dynamic, dynamic, fn::tanh> first, second;
  saved_id between{};

  explicit tied(index_t n) : first(n, fn::tanh{}), second(n, fn::tanh{}) {}
  shape bind(plan& p, const shape& in) {
    between = p.intermediate(in.size());
    return p.child("f", second, p.child("f", first, in));
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    first.forward(p, x, p.saved(between));
    second.forward(p, const_matrix<B>(p.saved(between)), y);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    const matrix<B> middle = p.saved(between);
    tensor<B> d(p.backend(), dy.rows(), dy.cols());
    second.backward(p, const_matrix<B>(middle), y, dy, d.view());
    first.backward(p, x, const_matrix<B>(middle), const_matrix<B>(d.view()), dx);
  }
  void describe(archive&) const {}
};

/// Declares two parameters under one name.
struct careless {
  static constexpr const char* name = "careless";
  bool as_state = false;
  shape bind(plan& p, const shape& in) const {
    (void)p.bias("gate", in.last());
    if (as_state)
      (void)p.state("gate", {1, in.last()}, 0);
    else
      (void)p.bias("gate", in.last());
    return in;
  }
  template <backend B>
  void forward(pass<B>&, const_matrix<B>, matrix<B>) const {}
  template <backend B>
  void backward(pass<B>&, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B>) const {}
  void describe(archive&) const {}
};

/// An activation under the name of another layer.
struct named : activation<relu> {
  static constexpr const char* name = "input";
  named() : activation(relu{}) {}
};

/// Throws in its second forward pass.
struct failing {
  static constexpr const char* name = "failing";
  int* calls;
  shape bind(plan& p, const shape& in) const { return p.input(in); }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    if (++*calls == 2) throw value_error("the second pass fails");
    p.backend().copy(y, x);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (!dx.empty()) p.backend().copy(dx, dy);
  }
  void describe(archive&) const {}
};

/// The layers between others, so that the gradients with respect to their inputs are checked too.
template <class F>
void each_network(const F& f) {
  f("batch norm", sequence{dense{6, 5}, user::batch_norm{}, dense{3}});
  f("batch norm of images", sequence{input{3, 2, 4}, user::batch_norm{}, flatten{}, dense{2}});
  f("residual",
    sequence{dense{6, 5, fn::tanh{}},
             user::skip{sequence{dense{7, gelu{}}, dense{5, fn::sigmoid{}}}}, dense{3}});
  f("tied", sequence{dense{6, 5}, tied{5}, dense{3}});
  f("convolution",
    sequence{input{4, 3, 2}, dense{3, fn::tanh{}}, user::conv3x3{2}, flatten{}, dense{2}});
  f("max over pairs", sequence{dense{6, 8}, user::max_over_pairs{}, dense{4, fn::tanh{}},
                               user::max_over_pairs{}, dense{3}});
  f("elman", sequence{input{4, 3}, dense{3}, user::elman{5}, flatten{}, dense{2}});
}

/// A network of one sequence, whose layers are then "0.0", "0.1", ...
template <class B, class Block>
network<B> made(const B& be, const Block& block) {
  network<B> net{be, {any_layer<B>(block)}};
  net.initialize(3);
  return net;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients of a user's layers", "[network][gradient]", double_backends) {
  const TestType be;
  each_network([&](const char* what, const auto& block) {
    auto net = made(be, block);
    const auto report =
        check_gradients(net, quadratic_cost{}, uniform(be, 5, net.inputs(), 1, -2, 2).view(),
                        uniform(be, 5, net.outputs(), 2).view());
    INFO(what << ": " << to_string(report));
    CHECK(report.passed());
    CHECK(report.compared == net.parameter_count() + 5 * net.inputs());
  });
}

TEMPLATE_LIST_TEST_CASE("networks of a user's layers train, are saved, loaded and moved",
                        "[network]", double_backends) {
  const TestType be;
  const scratch::folder folder;
  each_network([&](const char* what, const auto& block) {
    CAPTURE(what);
    const host_double host;
    auto net = made(host, block);
    const auto x = uniform(host, 24, net.inputs(), 1);
    const auto t = uniform(host, 24, net.outputs(), 2);
    stepper step(net, quadratic_cost{}, 24);
    optimizer rules(host, net.parameters().plan(), adam{0.02});
    step.run(net, x.view(), t.view(), phase::train(1, 0));
    const double before = step.mean(host);
    for (std::uint64_t i = 1; i < 60; ++i) {
      step.run(net, x.view(), t.view(), phase::train(1, i));
      rules.update(net.parameters(), step.gradients);
      net.commit(step.pass);
    }
    CHECK(step.mean(host) < 0.6 * before);
    const auto expected = doubles(host, net.predict(x.view()));

    const std::string path = folder / "net.safetensors";
    save_weights(net, path);
    auto loaded = made(host, block);
    load_weights(loaded, path);
    CHECK(same_bits(doubles(host, loaded.predict(x.view())), expected));
    CHECK(same_bits(doubles(host, net.clone().predict(x.view())), expected));

    auto moved = made(be, block);
    moved.assign(net);
    const auto there = uniform(be, 24, net.inputs(), 1);
    const double scale = std::max(1.0, largest(expected));
    // A few hundred roundings of numbers of that size.
    CHECK(distance(doubles(be, moved.predict(there.view())), expected) <= 1e-12 * scale);
  });
}

TEST_CASE("running statistics are those of the batches, and inference leaves them alone",
          "[network]") {
  const host_double be;
  network net{be, input{1}, user::batch_norm{}};
  const auto x = numbers(be, 4, 1, {1, 2, 3, 6});  // mean 3, unbiased variance 14/3
  auto pass = net.make_pass(4, true);
  const auto state = [&] { return doubles(be, std::as_const(net).states().all()); };
  (void)net.predict(x.view());
  net.forward(x.view(), pass, phase::train(0, 0));
  const auto untouched = state();
  CHECK(untouched[0] == 0);  // nothing is committed yet
  CHECK(untouched[16] == 1);
  net.commit(pass);
  CHECK(std::fabs(state()[0] - 0.3) <= 1e-15);
  CHECK(std::fabs(state()[16] - (0.9 + 14.0 / 30)) <= 1e-15);
  const double y = doubles(be, net.predict(x.view()))[3];
  CHECK(std::fabs(y - (6 - 0.3) / std::sqrt(0.9 + 14.0 / 30 + 1e-5)) <= 1e-14);
}

TEST_CASE("parameters of one name are shared by layers, and refused within one", "[network]") {
  const host_double be;
  const network net{be, dense{6, 5}, tied{5}, dense{3}};
  CHECK(net.parameter_count() == 6 * 5 + 5 + 5 * 5 + 5 + 5 * 3 + 3);
  CHECK(net.parameter_list()[2].name == "1.f.weight");
  for (const bool as_state : {false, true})
    CHECK(complaint<value_error>([&] {
            network wrong{be, input{4}, careless{as_state}};
          }) == "layer 0 (careless) declares 0.gate twice");
}

TEST_CASE("only a pass of training of the same network is committed", "[network]") {
  const host_double be;
  network net{be, input{1}, user::batch_norm{}};
  const auto x = numbers(be, 4, 1, {1, 2, 3, 6});
  const auto state = [&] { return doubles(be, std::as_const(net).states().all()); };
  const auto before = state();
  auto pass = net.make_pass(4, true);
  net.forward(x.view(), pass);
  net.commit(pass);
  CHECK(same_bits(state(), before));
  auto other = net.clone();
  auto foreign = other.make_pass(4, true);
  other.forward(x.view(), foreign, phase::train(0, 0));
  CHECK_THROWS_AS(net.commit(foreign), shape_error);
}

TEST_CASE("a network may be moved between forward and backward", "[network]") {
  const host_double be;
  network<host_double> origin{be, {dense{3, 4, gelu{}}, dense{2}}};
  const auto x = uniform(be, 5, 3, 1);
  const auto gradients_of = [&](network<host_double>& net, chainrule::pass<host_double>& pass) {
    auto gradients = net.make_gradients();
    be.map(fn::fill{1}, net.output_gradient(pass));
    net.backward(x.view(), pass, gradients);
    return doubles(be, const_matrix<host_double>(gradients.all()));
  };
  auto pass = origin.make_pass(5, true);
  origin.forward(x.view(), pass, phase::train(0, 0));
  const auto expected = gradients_of(origin, pass);
  CHECK(largest(expected) > 0.1);
  origin.forward(x.view(), pass, phase::train(0, 0));
  network<host_double> moved = std::move(origin);
  CHECK(same_bits(gradients_of(moved, pass), expected));
}

TEST_CASE("gradients of another plan of the same size are refused", "[network]") {
  const host_double be;
  const network a{be, dense{1, 16}, dense{16, 3}};
  const network b{be, dense{1, 1}, dense{1, 1}, dense{1, 1}};
  auto gradients = b.make_gradients();
  REQUIRE(gradients.all().size() == a.make_gradients().all().size());
  const auto x = uniform(be, 2, 1, 1);
  auto pass = a.make_pass(2, true);
  a.forward(x.view(), pass, phase::train(0, 0));
  CHECK_THROWS_AS(a.backward(x.view(), pass, gradients), shape_error);
}

TEST_CASE("a forward pass that threw cannot be followed by a backward pass", "[network]") {
  const host_double be;
  int calls = 0;
  const network net{be, dense{3, 4}, failing{&calls}};
  const auto x = uniform(be, 2, 3, 1);
  auto pass = net.make_pass(2, true);
  auto gradients = net.make_gradients();
  net.forward(x.view(), pass, phase::train(0, 0));
  CHECK_THROWS_AS(net.forward(x.view(), pass, phase::train(0, 1)), value_error);
  CHECK_THROWS_AS(net.backward(x.view(), pass, gradients), shape_error);
}

TEST_CASE("a layer whose name is input is a layer", "[network]") {
  const host_double be;
  const network net{be, input{2}, named{}};
  CHECK(net.depth() == 1);
  const network first{be, dense{2, 2}, named{}};
  CHECK(first.depth() == 2);
}

}  // namespace user_layers_test

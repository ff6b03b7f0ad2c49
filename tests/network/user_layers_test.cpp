// Layers that a user adds without a line of the library's changed: gradients, training, files,
// moving to another backend.
#include "network/user_layers.hpp"

#include "chainrule/io/weights.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "io/scratch.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

using namespace batches;

namespace {

using host_double = basic_cpu<double>;

/// The layers between others, so that the gradients with respect to their inputs are checked too.
template <class F>
void each_network(const F& f) {
  f("batch norm", sequence{dense{6, 5}, user::batch_norm{}, dense{3}});
  f("batch norm of images", sequence{input{3, 2, 4}, user::batch_norm{}, flatten{}, dense{2}});
  f("residual", sequence{dense{6, 5, chainrule::tanh{}},
                         user::skip{sequence{dense{7, gelu{}}, dense{5, sigmoid{}}}}, dense{3}});
  f("convolution",
    sequence{input{4, 3, 2}, dense{3, chainrule::tanh{}}, user::conv3x3{2}, flatten{}, dense{2}});
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

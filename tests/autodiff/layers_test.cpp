// Both ways round: layers, networks and losses in a graph, and functions of variables in a network.
// Their gradients are one: of the layer, of the tape, of differences.
#include "autodiff/differences.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/multiclass_hinge.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/testing/gradient_check.hpp"
#include "support/catch.hpp"

namespace layers_test {

using namespace differences;

TEMPLATE_LIST_TEST_CASE("a network's gradients are those of the same formula on a tape",
                        "[autodiff][layers]", double_backends) {
  using B = TestType;
  const B be;
  network net{be, dense{4, 6, fn::tanh{}}.bias(init::uniform(-1, 1)), dense{6, 3, gelu{}}};
  net.initialize(3);
  const tensor<B> samples = uniform(be, 5, 4, 1);
  const tensor<B> classes = labels(be, 5, 3);

  // As layers.
  stepper step(net, softmax_cross_entropy{}, 5);
  tensor<B> dx(be, 5, 4);
  step.run(net, samples.view(), classes.view(), phase::train(0, 0), dx.view());

  // As nodes.
  tape<B> t(be);
  const auto x = t.variable(samples.view());
  arena<B> slopes = net.make_gradients();
  const auto scores = call(net, x, slopes);
  const auto mean_loss = mean(call(softmax_cross_entropy{}, scores, classes.view()));
  CHECK(std::fabs(mean_loss.item() - step.mean(be)) <= 1e-15);
  backward(mean_loss);
  CHECK(distance(doubles(be, slopes.all()), doubles(be, step.gradients.all())) <= 1e-15);
  CHECK(distance(values(x.gradient()), doubles(be, dx)) <= 1e-15);

  // By operations.
  const auto w0 = t.variable(net.values("0.weight"));
  const auto b0 = t.variable(net.values("0.bias"));
  const auto w1 = t.variable(net.values("1.weight"));
  const auto b1 = t.variable(net.values("1.bias"));
  const auto again = t.variable(samples.view());
  const auto h = math::apply(fn::tanh{}, matmul(again, w0) + b0);
  const auto y = math::apply(gelu{}, matmul(h, w1) + b1);
  const auto hot = t.constant(numbers(be, 5, 3,
                                      [&] {
                                        std::vector<double> ones(15);
                                        const auto of = doubles(be, classes);
                                        for (std::size_t i = 0; i < 5; ++i)
                                          ones[i * 3 + static_cast<std::size_t>(of[i])] = 1;
                                        return ones;
                                      }())
                                  .view());
  const auto taped_loss = mean(log_sum_exp(y) - math::sum(y * hot, over::cols));
  backward(taped_loss);
  CHECK(std::fabs(taped_loss.item() - mean_loss.item()) <= 1e-14);
  const auto same = [&](const variable<B>& v, const char* name) {
    INFO(name);
    CHECK(distance(values(v.gradient()), doubles(be, step.gradients[net.place_of(name)])) <= 1e-15);
  };
  same(w0, "0.weight"), same(b0, "0.bias"), same(w1, "1.weight"), same(b1, "1.bias");
  CHECK(distance(values(again.gradient()), doubles(be, dx)) <= 1e-15);
}

TEMPLATE_LIST_TEST_CASE("a network within a formula beside differences", "[autodiff][gradient]",
                        double_backends) {
  using B = TestType;
  const B be;
  network<B> net{be, {dense{3, 4, fn::sigmoid{}}, activation{silu{}}, dense{4, 2}}};
  net.initialize(5);
  // Used twice, its input made from x: fan-out through a call.
  check_gradient<B>(
      [&](const std::vector<variable<B>>& x) {
        const auto h = call(net, sin(x[0]));
        return h * call(net, x[0] * 2) + x[1];
      },
      {spread(4, 3, 1), spread(1, 2, 2)});

  // Gradients of the parameters are added up over the calls, and over the passes.
  tape<B> t(be);
  const auto x = t.constant(uniform(be, 4, 3, 1).view());
  arena<B> once = net.make_gradients();
  backward(math::sum(call(net, x, once)));
  arena<B> twice = net.make_gradients();
  const auto y = math::sum(call(net, x, twice) + call(net, x, twice));
  backward(y, {.keep_graph = true});
  backward(y);
  auto expected = doubles(be, once.all());
  CHECK(largest(expected) > 0.1);
  for (double& e : expected) e *= 4;
  CHECK(distance(doubles(be, twice.all()), expected) <= 1e-14);
}

TEMPLATE_LIST_TEST_CASE("losses as nodes beside differences", "[autodiff][gradient]",
                        double_backends) {
  using B = TestType;
  const B be;
  const tensor<B> targets = uniform(be, 4, 3, 2, 0.1, 0.9);
  const tensor<B> signs = numbers(be, 4, 3, {1, -1, 1, 1, 1, -1, -1, -1, 1, -1, 1, -1});
  const tensor<B> classes = labels(be, 4, 3);
  const auto look = [&](const char* what, const auto& loss, const tensor<B>& t) {
    INFO(what);
    check_gradient<B>(
        [&](const std::vector<variable<B>>& y) { return call(loss, 2 * y[0], t.view()); },
        {spread(4, 3, 1, -2, 2)});
  };
  look("squared", mean_squared_error{}, targets);
  look("quadratic", quadratic_cost{}, targets);
  look("absolute", mean_absolute_error{}, targets);
  look("Huber", huber_loss{0.5}, targets);
  look("sigmoid", sigmoid_cross_entropy{}, targets);
  look("hinge", hinge{}, signs);
  look("squared hinge", squared_hinge{}, signs);
  look("softmax", softmax_cross_entropy{}, classes);
  look("softmax of distributions", softmax_cross_entropy{}, targets);
  look("multiclass hinge", multiclass_hinge{}, classes);
}

TEMPLATE_LIST_TEST_CASE("functions of variables as layers", "[autodiff][gradient][layers]",
                        double_backends) {
  using B = TestType;
  const B be;
  // In the middle of a network, with parameters and without.
  const auto unit = [](const auto& x) { return x / norm(x, over::cols); };
  const auto wave = [](const auto& x, const auto& p) { return sin(matmul(x, p[0]) + p[1]); };
  network net{be, dense{5, 4}, lambda_layer{4, 4, unit},
              lambda_layer{4,
                           3,
                           {{"weight", {4, 3}, init::uniform(-1, 1)},
                            {"bias", {1, 3}, init::uniform(-1, 1), false}},
                           wave},
              dense{3, 2}};
  net.initialize(7);
  const gradient_report report = check_gradients(net, quadratic_cost{}, uniform(be, 6, 5, 1).view(),
                                                 uniform(be, 6, 2, 2).view());
  INFO(to_string(report));
  CHECK(report.passed());
  CHECK(report.compared == 5 * 4 + 4 + 4 * 3 + 3 + 3 * 2 + 2 + 6 * 5);
  CHECK(net.place_of("2.weight").rows == 4);

  // A dense layer that is written as a function is the dense layer.
  const auto formula = [](const auto& x, const auto& p) {
    return math::apply(fn::tanh{}, matmul(x, p[0]) + p[1]);
  };
  network layered{be, dense{4, 3, fn::tanh{}}, dense{3, 2}};
  network taped{
      be, lambda_layer{4, 3, {{"weight", {4, 3}}, {"bias", {1, 3}, init::zeros(), false}}, formula},
      dense{3, 2}};
  taped.assign(layered);
  const tensor<B> x = uniform(be, 5, 4, 1);
  const tensor<B> classes = labels(be, 5, 2);
  stepper a(layered, softmax_cross_entropy{}, 5);
  stepper b(taped, softmax_cross_entropy{}, 5);
  a.run(layered, x.view(), classes.view(), phase::train(0, 0));
  b.run(taped, x.view(), classes.view(), phase::train(0, 0));
  CHECK(std::fabs(a.mean(be) - b.mean(be)) <= 1e-15);
  CHECK(distance(doubles(be, a.gradients.all()), doubles(be, b.gradients.all())) <= 1e-15);

  CHECK(complaint<shape_error>([&] {
          network wrong{be, dense{5, 4}, lambda_layer{4, 3, [](const auto& in) { return in * 2; }}};
          (void)wrong.predict(uniform(be, 2, 5, 1).view());
        }) == "the function of a lambda layer returned 2x4 for 2 samples, expected 2x3");
  CHECK(complaint<value_error>([&] {
          (void)lambda_layer{1, 1, {{"b", {1, 1}}, {"b", {1, 1}}}, wave};
        }) == "a lambda layer has two parameters named 'b'; give each its own name");
}

TEMPLATE_LIST_TEST_CASE("what cannot be differentiated twice says so", "[autodiff]", backends) {
  using B = TestType;
  const B be;
  network net{be, dense{3, 2}};
  tape<B> t(be);
  const auto x = t.variable(1, 3, {1, 2, 3});
  const gradient_options again{.create_graph = true};
  CHECK(complaint<value_error>([&] { (void)gradient(math::sum(call(net, x)), x, again); }) ==
        "call: the backward pass of a network cannot be differentiated again; write it with "
        "operations of the tape, or do without create_graph");
  const auto target = t.constant(1, 3, {0, 0, 1});
  CHECK(complaint<value_error>([&] {
          (void)gradient(math::sum(call(quadratic_cost{}, x, target.view())), x, again);
        }).substr(0, 38) == "call: the backward pass of a loss cann");
  network other{be, dense{3, 50}};
  arena<B> slopes = other.make_gradients();
  CHECK(complaint<shape_error>([&] { (void)call(net, x, slopes); }) != "");
  CHECK_FALSE(x.has_gradient());
  backward(math::sum(call(net, x)));
  CHECK(x.has_gradient());
}

}  // namespace layers_test

// Passes: batches below the capacity, averaging over the batch, prediction from many threads.
#include <thread>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace pass_test {

using namespace batches;

namespace {

template <class B>
auto make(const B& be) {
  network net{be, dense{5, 9, gelu{}}, dense{9, 7, fn::tanh{}}, dense{7, 3}};
  net.initialize(4);
  return net;
}

template <class B, class Step>
std::vector<double> gradients(const B& be, const Step& step) {
  return doubles(be, step.gradients.all());
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gradients average over the batch", "[network]", backends) {
  const TestType be;
  const auto net = make(be);
  const tensor<TestType> x = uniform(be, 4, 5, 1);
  const tensor<TestType> t = labels(be, 4, 3);
  const auto twice = [&](const tensor<TestType>& m) {
    tensor<TestType> both(be, 8, m.cols());
    be.copy(both.view().middle_rows(0, 4), m.view());
    be.copy(both.view().middle_rows(4, 4), m.view());
    return both;
  };
  stepper once(net, softmax_cross_entropy{}, 4);
  stepper doubled(net, softmax_cross_entropy{}, 8);
  once.run(net, x.view(), t.view(), phase::train(0, 0));
  doubled.run(net, twice(x).view(), twice(t).view(), phase::train(0, 0));
  const auto single = gradients(be, once);
  // The same sums of twice as many terms: a few roundings of terms of at most 1.
  const double bound = 64 * epsilon<TestType>;
  CHECK(largest(single) > 0.1);
  CHECK(distance(single, gradients(be, doubled)) <= bound);
  CHECK(std::fabs(once.mean(be) - doubled.mean(be)) <= bound);

  // And they are the mean of the gradients of the samples.
  std::vector<double> mean(single.size(), 0);
  for (index_t i = 0; i < 4; ++i) {
    once.run(net, x.view().middle_rows(i, 1), t.view().middle_rows(i, 1), phase::train(0, 0));
    const auto g = gradients(be, once);
    for (std::size_t e = 0; e < g.size(); ++e) mean[e] += g[e] / 4;
  }
  CHECK(distance(single, mean) <= bound);
}

TEMPLATE_LIST_TEST_CASE("a batch below the capacity is computed as in a smaller pass", "[network]",
                        backends) {
  const TestType be;
  const auto net = make(be);
  const tensor<TestType> x = uniform(be, 11, 5, 1);
  const tensor<TestType> t = labels(be, 11, 3);
  stepper large(net, softmax_cross_entropy{}, 11);
  stepper exact(net, softmax_cross_entropy{}, 3);
  tensor<TestType> dx_large(be, 3, 5);
  tensor<TestType> dx_exact(be, 3, 5);
  large.run(net, x.view(), t.view(), phase::train(0, 0));  // leaves old values behind
  large.run(net, x.view().middle_rows(8, 3), t.view().middle_rows(8, 3), phase::train(0, 1),
            dx_large.view());
  exact.run(net, x.view().middle_rows(8, 3), t.view().middle_rows(8, 3), phase::train(0, 1),
            dx_exact.view());
  CHECK(large.pass.rows() == 3);
  CHECK(large.pass.capacity() == 11);
  CHECK(same_bits(gradients(be, large), gradients(be, exact)));
  CHECK(same_bits(doubles(be, dx_large), doubles(be, dx_exact)));
  CHECK(large.mean(be) == exact.mean(be));

  // The parameters' gradients are the same whether or not that of the input is wanted.
  large.run(net, x.view().middle_rows(8, 3), t.view().middle_rows(8, 3), phase::train(0, 1));
  CHECK(same_bits(gradients(be, large), gradients(be, exact)));
}

TEST_CASE("a forward pass names what does not fit", "[network]") {
  const tested<float> be;
  const auto net = make(be);
  auto pass = net.make_pass(4);
  const tensor<tested<float>> x = uniform(be, 5, 5, 1);
  const tensor<tested<float>> narrow = uniform(be, 4, 6, 1);
  CHECK(complaint<shape_error>([&] { net.forward(narrow.view(), pass); }) ==
        "the network expects 5 features, the samples have 6");
  CHECK(complaint<shape_error>([&] { (void)net.predict(narrow.view()); }) ==
        "the network expects 5 features, the samples have 6");
  CHECK(
      complaint<shape_error>([&] { net.forward(x.view(), pass); }) ==
      "a batch of 5 samples does not fit a pass for 4; make a larger one or pass fewer at a time");
  CHECK(complaint<shape_error>([&] {
          net.forward(x.view().middle_rows(0, 4), pass, phase::train(0, 0));
        }) == "a forward pass in training needs a pass made with training = true");
  CHECK(complaint<shape_error>([&] { (void)net.output_gradient(pass); }) ==
        "this pass was made for inference; make one with training = true");
  CHECK(complaint<value_error>([&] { (void)net.make_pass(0); }) ==
        "a pass needs room for at least 1 sample, got 0");
}

TEST_CASE("a backward pass needs a forward pass of training with the same samples", "[network]") {
  const tested<float> be;
  const auto net = make(be);
  const tensor<tested<float>> x = uniform(be, 4, 5, 1);
  auto gradients = net.make_gradients();

  auto inference = net.make_pass(4);
  net.forward(x.view(), inference);
  CHECK(complaint<shape_error>([&] { net.backward(x.view(), inference, gradients); }) ==
        "backward needs what a forward pass in training saves; give forward the phase "
        "phase::train(seed, step)");

  // A pass for training, but a forward that was not in training: gelu's pre-activation is not
  // there.
  auto training = net.make_pass(4, true);
  net.forward(x.view(), training);
  CHECK_THROWS_AS(net.backward(x.view(), training, gradients), shape_error);

  net.forward(x.view(), training, phase::train(0, 0));
  CHECK(complaint<shape_error>([&] {
          net.backward(x.view().middle_rows(0, 3), training, gradients);
        }) == "backward with 3 samples follows a forward pass of 4; give it those of the forward");

  // Gradients and a pass of another network.
  auto unfit = network{be, dense{5, 1}}.make_gradients();
  CHECK(complaint<shape_error>([&] { net.backward(x.view(), training, unfit); }) ==
        "the gradients have room for 32 numbers, the parameters are 192; use make_gradients() of "
        "this network");
  network other{be, dense{5, 9}};
  auto foreign = other.make_pass(4, true);
  CHECK(complaint<shape_error>([&] { net.forward(x.view(), foreign); }) ==
        "the pass was made by another network; use make_pass() of this one");

  // As many layers of the same extents: it is the network that counts.
  network again{be, dense{5, 9}};
  auto pass = again.make_pass(4, true);
  again.forward(x.view(), pass, phase::train(0, 0));
  auto other_gradients = other.make_gradients();
  CHECK_THROWS_AS(other.backward(x.view(), pass, other_gradients), shape_error);
}

TEMPLATE_LIST_TEST_CASE("predict gives the same bits from several threads at once", "[network]",
                        backends) {
  const TestType be;
  const auto net = make(be);
  // More rows than predict takes at once, and not a multiple of it.
  const tensor<TestType> x = uniform(be, 777, 5, 1);
  const auto expected = doubles(be, net.predict(x.view()));
  CHECK(expected.size() == 777 * 3);
  std::vector<std::vector<double>> results(6);
  std::vector<std::thread> threads;
  for (auto& result : results)
    threads.emplace_back([&net, &x, &be, &result] {
      for (int i = 0; i < 5; ++i) result = doubles(be, net.predict(x.view()));
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) CHECK(same_bits(result, expected));
}

TEST_CASE("predict takes any number of samples", "[network]") {
  const tested<float> be;
  const auto net = make(be);
  const tensor<tested<float>> x = uniform(be, 600, 5, 1);
  const auto all = doubles(be, net.predict(x.view()));
  for (const index_t n : {0, 1, 255, 256, 257, 512, 600}) {
    const auto some = doubles(be, net.predict(x.view().middle_rows(0, n)));
    REQUIRE(some.size() == static_cast<std::size_t>(3 * n));
    // Products of other extents may sum in another order.
    CHECK(distance(some, std::vector<double>(all.begin(), all.begin() + 3 * n)) <=
          64 * epsilon<tested<float>>);
  }
}

}  // namespace pass_test

// Training gives the same bits for any number of threads, on each instruction set.
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace threads_test {

using namespace batches;

namespace {

/// The parameters after `steps` steps of a net whose products are cut into several blocks.
template <class B>
std::vector<double> train(const B& be, int steps) {
  constexpr index_t batch = 100;
  network net{be, dense{150, 70, fn::tanh{}}, dense{70, 90, gelu{}}, dense{90, 10}};
  net.initialize(3);
  optimizer opt(be, net.parameters().plan(), adam{.rate = 0.003});
  stepper step(net, softmax_cross_entropy{}, batch);
  for (int i = 0; i < steps; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    const index_t rows = i % 5 == 4 ? 37 : batch;
    const tensor<B> x = uniform(be, rows, 150, number);
    step.run(net, x.view(), labels(be, rows, 10).view(), phase::train(1, number));
    opt.update(net.parameters(), step.gradients);
  }
  return doubles(be, const_matrix<B>(net.parameters().all()));
}

}  // namespace

TEMPLATE_TEST_CASE("200 steps give the same bits for any number of threads", "", float, double) {
  using B = basic_cpu<TestType>;
  for (const isa set : supported_sets()) {
    const std::vector<double> one = train(B(1, set), 200);
    CHECK(std::isfinite(one.back()));
    for (const int threads : {2, 4}) {
      CAPTURE(name_of(set), threads);
      CHECK(same_bits(one, train(B(threads, set), 200)));
    }
  }
}

}  // namespace threads_test

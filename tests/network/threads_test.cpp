// Training gives the same bits for any number of threads.
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace threads_test {

using namespace batches;

namespace {

struct outcome {
  std::vector<double> parameters;
  std::vector<double> losses;
};

/// Twenty steps of training, with everything that is cut into pieces: products of several blocks,
/// maps and reductions of more than one grain, dropout, the norm of the whole gradient.
template <class B>
outcome train(const B& be) {
  constexpr index_t batch = 96;
  network net{be, dense{100, 150, gelu{}}, dropout{0.2}, dense{150, 130, relu{}}, dense{130, 10}};
  net.initialize(3);
  optimizer opt(be, net.parameters().plan(),
                chain(clip_by_norm{0.5}, weight_decay{1e-3}, adam{.rate = warmup(5, 0.01)}));
  stepper step(net, softmax_cross_entropy{}, batch);
  outcome result;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const index_t rows = i % 5 == 4 ? 37 : batch;
    const tensor<B> x = uniform(be, rows, 100, i);
    step.run(net, x.view(), labels(be, rows, 10).view(), phase::train(1, i));
    opt.update(net.parameters(), step.gradients);
    result.losses.push_back(step.mean(be));
  }
  result.parameters = doubles(be, const_matrix<B>(net.parameters().all()));
  return result;
}

}  // namespace

TEMPLATE_TEST_CASE("twenty steps give the same bits for any number of threads",
                   "[network][threads]", float, double) {
  using B = basic_cpu<TestType>;
  const outcome one = train(B{1});
  CHECK(std::isfinite(one.losses.back()));
  CHECK(one.losses.back() != one.losses.front());
  for (const int threads : {1, 2, 4}) {
    const outcome other = train(B{threads});
    INFO(threads << " threads");
    CHECK(same_bits(one.losses, other.losses));
    CHECK(same_bits(one.parameters, other.parameters));
  }
  const outcome shared = train(B{});
  CHECK(same_bits(one.parameters, shared.parameters));
}

}  // namespace threads_test

// A step of training (forward, loss, backward, update) asks for no memory once it has run.
#include <memory>

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dense_block.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/group_norm.hpp"
#include "chainrule/layers/layer_norm.hpp"
#include "chainrule/layers/local_response_norm.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/prelu.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/resizing.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/layers/shortcut.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

// Last: clang's header of vector types declares one of these functions without noexcept.
#include "network/allocations.hpp"

namespace allocation_test {

using namespace batches;

namespace {

/// How often the heap is asked while `work` runs.
template <class Work>
long during(Work&& work) {
  const long before = allocations::count.load();
  work();
  return allocations::count.load() - before;
}

/// A step as large as takes every path: products in several blocks, maps in several pieces.
constexpr index_t batch = 96;
constexpr index_t features = 100;
constexpr index_t hidden = 150;

template <class Network>
long later_steps(Network& net, int warm_up, int steps) {
  const auto& be = net.backend();
  optimizer opt(be, net.parameters().plan(),
                chain(clip_by_norm{1}, weight_decay{1e-4}, adam{.rate = cosine(0.01, 100)}));
  stepper step(net, softmax_cross_entropy{}, batch);
  const auto x = uniform(be, batch, features, 1);
  const auto t = labels(be, batch, 10);
  std::uint64_t number = 0;
  const auto run = [&](index_t rows) {
    step.run(net, x.view().middle_rows(0, rows), t.view().middle_rows(0, rows),
             phase::train(1, number++));
    opt.update(net.parameters(), step.gradients);
  };
  // Once for each size of batch: products of other extents may be packed in other blocks.
  for (int i = 0; i < warm_up; ++i) run(batch), run(batch / 2 + 1);
  return during([&] {
    for (int i = 0; i < steps; ++i) run(i % 3 == 2 ? batch / 2 + 1 : batch);
  });
}

}  // namespace

TEST_CASE("the counter sees every way to ask for memory", "[network][allocation]") {
  if (!allocations::counted) return;
  // What is asked for must escape: compilers may leave out a pair of new and delete.
  const void* volatile escaped = nullptr;
  const auto use = [&escaped](const void* p) { escaped = p; };
  CHECK(during([] {}) == 0);
  CHECK(escaped == nullptr);
  CHECK(during([&] { use(std::vector<int>(3).data()); }) > 0);
  CHECK(during([&] { use(std::make_unique<double[]>(5).get()); }) > 0);
  CHECK(during([&] {
          void* p = ::operator new(1, std::nothrow);
          use(p);
          ::operator delete(p);
        }) > 0);
  struct alignas(64) wide {
    double values[8];
  };
  CHECK(during([&] { use(std::make_unique<wide>().get()); }) > 0);
  CHECK(during([&] { use(tensor<cpu>(cpu{}, 1, 1).view().data()); }) > 0);
#if defined(__GLIBC__)
  CHECK(during([&] {
          void* p = std::malloc(10);
          use(p);
          std::free(p);
        }) > 0);
  CHECK(during([&] {
          void* p = std::aligned_alloc(64, 64);
          use(p);
          std::free(p);
        }) > 0);
  CHECK(during([&] {
          void* p = nullptr;
          use(posix_memalign(&p, 64, 64) == 0 ? p : nullptr);
          std::free(p);
        }) > 0);
#endif
}

TEMPLATE_TEST_CASE("a step allocates nothing after the first", "[network][allocation]", float,
                   double) {
  using B = basic_cpu<TestType>;
  const B be{1};
  network stat{be, dense{features, hidden, gelu{}}, dropout{0.1}, activation{relu{}},
               dense{hidden, 10}};
  CHECK(later_steps(stat, 1, 12) == 0);
  network<B> dyn{
      be, {dense{features, hidden, gelu{}}, dropout{0.1}, activation{relu{}}, dense{hidden, 10}}};
  CHECK(later_steps(dyn, 1, 12) == 0);
  network<B> images{be,
                    {input{5, 5, 4}, batch_norm{relu{}}, layer_norm{}, group_norm{2},
                     instance_norm{}, rms_norm{1e-5}, local_response_norm{3}, prelu{},
                     dropout2d{0.1}, residual{dense{6}, batch_norm{}}.projection(shortcut{1, 6}),
                     shortcut{2, 7}, dense_block{dense{3}}, flatten{}, dense{10}}};
  CHECK(later_steps(images, 1, 12) == 0);
  network<B> convolved{
      be,
      {input{5, 5, 4}, conv2d{16, 3, {.pad = 1, .bias = false}}, batch_norm{relu{}},
       residual{conv2d{16, 3, {.pad = 1, .bias = false}}, batch_norm{}}, max_pool{2, {.stride = 1}},
       conv2d{5, 3, gelu{}, {.stride = 2, .pad = 1}}, conv2d{10, 3, {.pad = same, .groups = 5}},
       conv_transpose2d{4, 2, relu{}, {.stride = 2}}, average_pool{3, {.stride = 1, .pad = 1}},
       upsample{2, upsampling::bilinear}, global_average_pool{}, dense{10}}};
  CHECK(later_steps(convolved, 1, 12) == 0);
}

TEST_CASE("with several threads the number of allocations does not grow with the steps",
          "[network][allocation]") {
  // A worker makes its packing buffers when it first gets a piece, and chance decides when that is:
  // a few at most for each, however many steps there are.
  const cpu be{3};
  network net{be, dense{features, hidden, relu{}}, dense{hidden, 10}};
  const long asked = later_steps(net, 5, 300);
  CHECK(asked <= 3 * 2 * 8);
}

TEST_CASE("inference in a pass allocates nothing after the first", "[network][allocation]") {
  const cpu be{1};
  const network net{be, dense{features, hidden, gelu{}}, dropout{0.1}, dense{hidden, 10}};
  auto pass = net.make_pass(batch);
  const auto x = uniform(be, batch, features, 1);
  net.forward(x.view(), pass);
  CHECK(during([&] {
          for (int i = 0; i < 5; ++i) net.forward(x.view(), pass);
        }) == 0);

  // The steps for one sample do not even in the first pass.
  const network small{be,           dense{features, 30}, batch_norm{gelu{}},
                      dropout{0.1}, residual{dense{30}}, dense{10}};
  auto steps = small.make_pass(1);
  CHECK(during([&] {
          for (index_t i = 0; i < 3; ++i) small.forward(x.view().middle_rows(i, 1), steps);
        }) == 0);
}

}  // namespace allocation_test

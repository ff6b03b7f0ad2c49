// Captured steps as persistent kernels, where the device has them: the bits of the graph's replays.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "device/short_training.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace persistent_test {

using namespace chainrule;
using support::backends;

using short_training::outcome;
using short_training::train;

namespace {

/// A device of its own, with persistent kernels or without; products are the library's in both.
template <class B>
B opened(bool persistent) {
  using runtime = typename B::runtime_type;
  ::setenv("CHAINRULE_CUDA_GEMM", "text", 1);
  ::setenv("CHAINRULE_CUDA_PERSISTENT", persistent ? "1" : "0", 1);
  const B be(std::make_shared<runtime>(runtime::devices().front()));
  ::unsetenv("CHAINRULE_CUDA_GEMM");
  ::unsetenv("CHAINRULE_CUDA_PERSISTENT");
  return be;
}

/// Trains with the graph and with the persistent kernel, which runs what would be the graph's
/// replays in `launches` launches.
template <class B, class Make, class Loss, class Rules>
void check(const Make& make, const Loss& loss, const Rules& rules, index_t batches,
           std::uint64_t launches) {
  const B graph = opened<B>(false);
  const B persistent = opened<B>(true);
  const outcome<B> expected = train(make(graph), loss, rules, batches);
  const outcome<B> found = train(make(persistent), loss, rules, batches);
  CHECK(graph.runtime()->why_not_persistent() ==
        "persistent kernels are off; CHAINRULE_CUDA_PERSISTENT=1 enables them");
  CHECK(persistent.runtime()->why_not_persistent() == "");
  CHECK(found.losses == expected.losses);
  CHECK(found.parameters == expected.parameters);
  CHECK(found.losses.front() > found.losses.back());
  CHECK(found.losses.front() > 0);
  CHECK(expected.counts.persistent_launches == 0);
  CHECK(found.counts.persistent_launches == launches);
  CHECK(found.counts.replays == expected.counts.replays);
  CHECK(found.counts.replays == static_cast<std::uint64_t>(3 * batches - 1));
  CHECK(found.counts.launches == expected.counts.launches);
  CHECK(found.counts.synchronizations == expected.counts.synchronizations);
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("a persistent kernel computes the bits of the graph's replays",
                        "[device][persistent]", backends) {
  using B = TestType;
  if constexpr (device::persists<typename B::runtime_type>) {
    // An epoch's replays are one launch.
    SECTION("sigmoid and squared error") {
      check<B>(
          [](const B& be) {
            return network{be, dense{70, 9, fn::sigmoid{}}, dense{9, 5, fn::sigmoid{}}};
          },
          quadratic_cost{}, sgd{3.0}, 6, 3);
    }
    SECTION("relu and cross-entropy") {
      check<B>(
          [](const B& be) {
            return network{be, dense{70, 12, relu{}}, dense{12, 5}};
          },
          softmax_cross_entropy{}, sgd{0.1}, 4, 3);
    }
    SECTION("three layers, drawing, with moments and a norm") {
      check<B>(
          [](const B& be) {
            return network{be, dense{40, 20, relu{}}, dropout{0.25}, dense{20, 12, relu{}},
                           dense{12, 5}};
          },
          softmax_cross_entropy{}, chain(clip_by_norm{1}, adam{cosine(0.01, 100)}), 3, 3);
    }
    SECTION("more steps than a launch has") {
      check<B>(
          [](const B& be) {
            return network{be, dense{6, 5}};
          },
          softmax_cross_entropy{}, sgd{0.1}, 66, 6);
    }
  }
}

/// The elements of every matrix of a step after two replays of it, by a persistent kernel or not.
template <class B, class Work>
std::vector<scalar_t<B>> after_replays(bool persistent, const Work& work) {
  using T = scalar_t<B>;
  const B be = opened<B>(persistent);
  constexpr index_t size = 40000;
  std::vector<T> values;
  for (index_t i = 0; i < size; ++i)
    values.push_back(static_cast<T>(i * 7 % 13 - 6) / static_cast<T>(8));
  tensor<B> memory = from_host(be, matrix_view<const T>(values.data(), 1, size));
  const auto at = [&](index_t first, index_t rows, index_t cols) {
    return matrix<B>(memory.view().data() + first, rows, cols);
  };
  work(be, at);  // kernels are built before they are captured
  const auto step = be.capture([&] { work(be, at); });
  CHECK((step.why_not_persistent() == "") == persistent);
  step.replay(2);
  return to_host(be, const_matrix<B>(memory.view()));
}
template <class B, class Work>
void check_step(const Work& work) {
  const auto expected = after_replays<B>(false, work);
  CHECK((after_replays<B>(true, work) == expected));  // no text of all elements
}

TEMPLATE_LIST_TEST_CASE("blocks of a persistent kernel share the groups of a product",
                        "[device][persistent]", backends) {
  using B = TestType;
  if constexpr (device::persists<typename B::runtime_type>) {
    // More groups than blocks, and an odd number of tiles along k: the next group of a block begins
    // with the tile that the last one ended with.
    check_step<B>([](const B& be, const auto& at) {
      be.gemm(at(0, 40, 400), {at(20000, 40, 7)}, {at(30000, 7, 400)});
    });
    check_step<B>([](const B& be, const auto& at) {
      be.gemm(at(0, 500, 20), {at(20000, 500, 3)}, {at(30000, 3, 20)});
    });
  }
}

TEMPLATE_LIST_TEST_CASE("persistent kernels have every verb of a network for images",
                        "[device][persistent]", backends) {
  using B = TestType;
  if constexpr (device::persists<typename B::runtime_type>) {
    convolution c;
    c.window.channels = 3;
    c.outputs = 4;
    c.window.height = c.window.width = {6, 3, 1, 1, 0, 0};
    const window pooled{{4, 2, 2, 1, 0, 0}, {4, 2, 2, 1, 0, 0}, 4};
    check_step<B>([&](const B& be, const auto& at) {
      be.convolve(at(0, 2, 64), at(1000, 2, 108), at(2000, 27, 4), c);
      be.max_pool(at(3000, 2, 16), at(4000, 2, 16), at(0, 2, 64), pooled);
      be.unpool(at(5000, 2, 64), at(3000, 2, 16), at(4000, 2, 16), pooled);
      be.convolve_weights(at(2000, 27, 4), at(1000, 2, 108), at(5000, 2, 64), c);
      be.convolve_input(at(6000, 2, 108), at(5000, 2, 64), at(2000, 27, 4), c);
      be.map(fn::tanh{}, at(1000, 2, 108), at(6000, 2, 108));
    });
  }
}

TEMPLATE_LIST_TEST_CASE("replays of captured work are launched when other work is",
                        "[device][persistent]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  if constexpr (device::persists<typename B::runtime_type>) {
    const B be = opened<B>(true);
    const std::vector<T> values(1000, T(1));
    tensor<B> x = from_host(be, matrix_view<const T>(values.data(), 1, 1000));
    const auto twice = [&] { be.map(fn::affine{2, 0}, x.view(), x.view()); };
    const auto once_more = [&] { be.map(fn::affine{1, 1}, x.view(), x.view()); };
    const auto first = [&] { return to_host(be, const_matrix<B>(x.view())).back(); };
    const auto launched = [&] { return be.statistics().persistent_launches; };
    const auto doubling = be.capture(twice);
    const auto adding = be.capture([&] {
      once_more();
      once_more();
    });
    CHECK(doubling.why_not_persistent() == "");
    CHECK(first() == 1);
    be.replay(doubling, 3);
    doubling.replay();
    CHECK(launched() == 0);
    CHECK(first() == 16);
    CHECK(launched() == 1);
    be.replay(adding, 2);  // in turn
    be.replay(doubling);
    be.replay(adding);
    CHECK(launched() == 3);
    twice();
    CHECK(launched() == 4);
    CHECK(first() == 84);
    {
      const auto gone = be.capture(twice);
      gone.replay();
    }  // whose work is done all the same
    CHECK(first() == 168);
    const auto before = launched();
    be.replay(adding, 200);
    CHECK(launched() == before + 3);
    be.synchronize();
    CHECK(launched() == before + 4);
    CHECK(first() == 568);
    CHECK(be.statistics().replays == 4 + 2 + 1 + 1 + 1 + 200);
  }
}

TEMPLATE_LIST_TEST_CASE("a step says why it is not a persistent kernel", "[device][persistent]",
                        backends) {
  using B = TestType;
  if constexpr (device::persists<typename B::runtime_type>) {
    const B be = opened<B>(true);
    const auto why = [&](const auto& work) { return be.capture(work).why_not_persistent(); };
    CHECK(why([] {}) == "the step launches nothing");
    tensor<B> large(be, 2000, 50);
    CHECK(why([&] {
            be.map(fn::negate{}, large.view(), large.view());
          }).find("groups of work items; there may be") != std::string::npos);
    tensor<B> x(be, 2, 2);
    const auto many = be.capture([&] {
      for (int i = 0; i < 100; ++i) be.map(fn::negate{}, x.view(), x.view());
    });
    CHECK(many.why_not_persistent().find("arguments; there may be 512") != std::string::npos);
    be.map(fn::fill{3}, x.view());
    many.replay();  // as a graph
    CHECK(be.statistics().persistent_launches == 0);
    CHECK(to_host(be, const_matrix<B>(x.view())) == std::vector<scalar_t<B>>(4, 3));
  }
}

}  // namespace persistent_test

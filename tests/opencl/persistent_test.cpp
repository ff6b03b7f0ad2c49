// Captured steps on OpenCL devices, and as persistent kernels on CPU devices: the bits of launches
// one by one.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/backend/opencl.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "device/short_training.hpp"
#include "support/catch.hpp"

namespace opencl_persistent_test {

using namespace chainrule;

using short_training::outcome;
using short_training::train;

namespace {

template <class T>
using device_of = basic_opencl<T>;

/// A device of its own, with a setting of CHAINRULE_OPENCL_PERSISTENT.
template <class B>
B opened(const char* persistent) {
  ::setenv("CHAINRULE_OPENCL_PERSISTENT", persistent, 1);
  const B be(std::make_shared<opencl_runtime>(opencl_runtime::devices().front()));
  ::unsetenv("CHAINRULE_OPENCL_PERSISTENT");
  return be;
}
/// Whether steps can be composed there: on a CPU device with kernels that are laid out for it.
template <class B>
bool composes(const B& be) {
  return be.info().kind == device_kind::processor &&
         be.runtime()->layout() == device_kind::processor && !be.runtime()->checks_memory();
}

/// Trains with launches one by one and with persistent ones, of which there are `launches`.
template <class B, class Make, class Loss, class Rules>
void check(const Make& make, const Loss& loss, const Rules& rules, index_t batches,
           std::uint64_t launches) {
  const B single = opened<B>("");
  const B persistent = opened<B>("1");
  const outcome<B> expected = train(make(single), loss, rules, batches);
  const outcome<B> found = train(make(persistent), loss, rules, batches);
  CHECK(found.losses == expected.losses);
  CHECK(found.parameters == expected.parameters);
  CHECK(found.losses.front() > found.losses.back());
  CHECK(found.counts.persistent_launches == (composes(persistent) ? launches : 0));
  CHECK(expected.counts.persistent_launches == 0);
  CHECK(expected.counts.replays == 0);  // trainings capture nothing by default
  CHECK(found.counts.replays ==
        (composes(persistent) ? static_cast<std::uint64_t>(3 * batches - 1) : 0));
  CHECK(found.counts.synchronizations == expected.counts.synchronizations);
}

template <class B>
auto small_net(const B& be) {
  return network{be, dense{6, 5}};
}

}  // namespace

TEMPLATE_TEST_CASE("a persistent kernel of an OpenCL device computes the bits of its launches",
                   "[opencl]", float, double) {
  using B = device_of<TestType>;
  // An epoch's replays are one launch.
  SECTION("sigmoid and squared error") {
    check<B>(
        [](const B& be) {
          return network{be, dense{70, 9, fn::sigmoid{}}, dense{9, 5, fn::sigmoid{}}};
        },
        quadratic_cost{}, sgd{3.0}, 6, 3);
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
    check<B>(small_net<B>, softmax_cross_entropy{}, sgd{0.1}, 66, 6);
  }
}

namespace {
/// The elements of every matrix of a step after two replays of it, in `launches` persistent ones.
template <class B, class Work>
std::vector<scalar_t<B>> after_replays(const char* persistent, const Work& work,
                                       std::uint64_t launches) {
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
  step.replay(2);
  const std::vector<T> all = to_host(be, const_matrix<B>(memory.view()));
  CHECK(be.statistics().persistent_launches == (composes(be) ? launches : 0));
  return all;
}
template <class B, class Work>
void check_step(const Work& work, std::uint64_t launches = 1) {
  const auto expected = after_replays<B>("0", work, 0);
  CHECK((after_replays<B>("1", work, launches) == expected));  // no text of all elements
}
}  // namespace

TEMPLATE_TEST_CASE("persistent kernels of an OpenCL device have every verb of a step", "[opencl]",
                   float, double) {
  using B = device_of<TestType>;
  SECTION("products, and a map whose rows are cut into parts") {
    check_step<B>([](const B& be, const auto& at) {
      be.gemm(at(0, 40, 400), {at(20000, 40, 7)}, {at(30000, 7, 400)});
      be.map(fn::tanh{}, at(0, 37, 411), at(0, 37, 411));
      be.gemm(at(16000, 5, 6), {at(20000, 400, 5), true}, {at(0, 400, 6)});
    });
  }
  SECTION("sums and rows") {
    check_step<B>([](const B& be, const auto& at) {
      be.softmax_rows(at(0, 50, 33), at(2000, 50, 33));
      be.reduce(reduction::sum{}, at(4000, 1, 33), fn::identity{}, at(2000, 50, 33));
      be.reduce(reduction::sum{}, at(4100, 1, 1), fn::identity{}, at(2000, 50, 33));
      be.random(at(7000, 9, 7), 1, 2);
    });
  }
  SECTION("but no groups of several work items, which share memory") {
    check_step<B>(
        [](const B& be, const auto& at) {
          be.transpose(at(5000, 33, 50), at(2000, 50, 33));
          be.map(fn::negate{}, at(2000, 50, 33), at(2000, 50, 33));
        },
        0);
  }
  SECTION("up to 32 of them") {
    for (const int count : {32, 33})
      check_step<B>(
          [&](const B& be, const auto& at) {
            for (int i = 0; i < count; ++i)
              be.map(fn::affine{1, double(i)}, at(0, 3, 7), at(0, 3, 7));
          },
          count == 32 ? 1 : 0);
  }
  SECTION("images") {
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
    });
  }
}

TEMPLATE_TEST_CASE("replays of an OpenCL device run when other work does", "[opencl]", float,
                   double) {
  using B = device_of<TestType>;
  using T = TestType;
  for (const char* setting : {"0", "1"}) {
    const B be = opened<B>(setting);
    const bool persists = *setting == '1' && composes(be);
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
    CHECK(first() == 1);
    be.replay(doubling, 3);
    doubling.replay();
    CHECK(launched() == 0);
    CHECK(first() == 16);
    CHECK(launched() == (persists ? 1 : 0));
    be.replay(adding, 2);  // in turn
    be.replay(doubling);
    be.replay(adding);
    twice();
    CHECK(launched() == (persists ? 4 : 0));
    CHECK(first() == 84);
    {
      const auto gone = be.capture(twice);
      gone.replay();
    }  // whose work is done all the same
    CHECK(first() == 168);
    CHECK_THROWS_AS(be.capture([&] { be.replay(doubling); }), backend_error);
    CHECK(first() == 168);
    const auto before = launched();
    be.replay(adding, 200);
    CHECK(launched() == before + (persists ? 3 : 0));
    be.synchronize();
    CHECK(launched() == before + (persists ? 4 : 0));
    CHECK(first() == 568);
  }
}

}  // namespace opencl_persistent_test

// Persistent kernels without a GPU: their texts compile for every family, and what happens where a
// step cannot be one.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/backend/cuda/compiler.hpp"
#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/rules.hpp"
#include "chainrule/train/trainer.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"

namespace persistent_test {

using namespace chainrule;
using support::fake_cuda;
using support::fake_runtime;
template <class T>
using fake = device_backend<fake_runtime, T>;

namespace {

/// A device of a table that may have been changed after fake_cuda::reset().
template <class T = float>
[[nodiscard]] fake<T> opened(const char* variable = "CHAINRULE_CUDA_PERSISTENT") {
  ::setenv("CHAINRULE_CUDA_PERSISTENT", "1", 1);
  ::setenv(variable, "1", 1);
  const fake<T> be(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
  ::unsetenv(variable);
  ::unsetenv("CHAINRULE_CUDA_PERSISTENT");
  return be;
}

/// An epoch of eight batches. Nothing is computed, so that a loss may be NaN, which ends a
/// training.
template <class Net, class Loss, class Rules>
void train(Net net, const Loss& loss, const Rules& rules, index_t batch) {
  using B = typename Net::backend_type;
  const index_t count = 8 * batch;
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count * net.inputs()), 100);
  const std::vector<int> labels(static_cast<std::size_t>(count), 3);
  const dataset<B> data(net.backend(),
                        matrix_view<const std::uint8_t>(pixels.data(), count, net.inputs()), labels,
                        static_cast<int>(net.outputs()));
  trainer t{net, loss, rules};
  t.fit(data, {.epochs = 1, .batch = batch});
  CHECK(t.steps() == 8);
}
template <class T>
void train_a(const fake<T>& be) {
  train(network{be, dense{784, 32, fn::sigmoid{}}, dense{32, 10, fn::sigmoid{}}}, quadratic_cost{},
        sgd{3.0}, 256);
}
template <class T>
void train_b(const fake<T>& be) {
  train(network{be, dense{784, 128, relu{}}, dense{128, 10}}, softmax_cross_entropy{}, sgd{0.1},
        64);
}

[[nodiscard]] bool has(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

[[nodiscard]] std::string last_text() {
  const auto& all = fake_cuda::now().texts;
  const auto last = std::find_if(all.rbegin(), all.rend(), [](const std::string& text) {
    return has(text, "cr_main(unsigned steps");
  });
  REQUIRE(last != all.rend());
  return *last;
}
[[nodiscard]] std::string ptx_of_last_text() {
  return device::cuda_compile<cuda_api>(last_text(), {90, true});
}
/// Compiles the last text of a persistent kernel by NVRTC, which finds nothing to say.
void check_last_text(int architecture) {
  device::cuda_program<cuda_api> program(last_text());
  const nvrtcResult code = program.compile({architecture, false});
  INFO("sm_" << architecture);
  CHECK(program.log() == "");
  CHECK(code == NVRTC_SUCCESS);
}

[[nodiscard]] auto launches_of(const char* part) {
  const auto& all = fake_cuda::now().launches;
  return std::count_if(all.begin(), all.end(), [&](const fake_cuda::launched& l) {
    return l.is_cooperative && l.text.find(part) != std::string::npos;
  });
}

}  // namespace

TEMPLATE_TEST_CASE("steps of whole networks compile as persistent kernels", "[cuda][persistent]",
                   float, double) {
  fake_cuda::reset();
  fake_cuda::now().units = 132;  // of an H200
  {
    const fake<TestType> be = opened<TestType>();
    train_a(be);
    CHECK(be.runtime()->why_not_persistent() == "");
    CHECK(be.statistics().replays == 7);
    CHECK(be.statistics().persistent_launches == 1);
    CHECK(launches_of("cr_main(unsigned steps") == 1);
    for (const int architecture : {75, 90, 120}) check_last_text(architecture);
    // What other blocks have written is not read through a cache that does not show it.
    CHECK_FALSE(has(ptx_of_last_text(), "ld.global.nc"));
    CHECK(has(ptx_of_last_text(), "ld.shared"));
    train_b(be);
    CHECK(be.runtime()->why_not_persistent() == "");
    check_last_text(90);
    train(
        network{be, dense{40, 30, gelu{}}, dropout{0.25}, dense{30, 20, fn::tanh{}}, dense{20, 5}},
        softmax_cross_entropy{}, chain(clip_by_norm{1}, adam{cosine(0.01, 100)}), 32);
    CHECK(be.runtime()->why_not_persistent() == "");
    check_last_text(90);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEMPLATE_TEST_CASE("every verb compiles as a persistent kernel", "[cuda][persistent]", float,
                   double) {
  fake_cuda::reset();
  fake_cuda::now().units = 132;
  {
    using B = fake<TestType>;
    using indices = typename B::template view<const std::int32_t>;
    const B be = opened<TestType>();
    const auto memory = be.template allocate<TestType>(100000);
    const auto integers = be.template allocate<std::int32_t>(1000);
    const auto more_integers = be.template allocate<std::int32_t>(1000);
    const typename B::counter count(be);
    const auto at = [&](index_t first, index_t rows, index_t cols) {
      return typename B::matrix(memory.view().data() + first, rows, cols);
    };
    const indices rows(integers.view().data(), 1, 3);
    const auto to = [&](index_t r, index_t c) {
      return typename B::template view<std::int32_t>(more_integers.view().data(), r, c);
    };
    convolution c;
    c.window.channels = 3;
    c.outputs = 4;
    c.window.height = c.window.width = {6, 3, 1, 1, 0, 0};
    convolution depthwise = c;
    depthwise.groups = depthwise.outputs = 3;
    const auto composes = [&](const char* verb, const auto& work) {
      INFO(verb);
      const auto step = be.capture(work);
      CHECK(step.why_not_persistent() == "");
      check_last_text(90);
    };
    composes("copy", [&] {
      be.template copy<std::int32_t>(to(2, 3), indices(integers.view().data(), 2, 3));
    });
    composes("gather", [&] {
      be.gather(to(3, 3), indices(integers.view().data(), 4, 3), rows);
      be.gather(at(0, 3, 3), at(100, 4, 3), rows);
    });
    composes("counter", [&] {
      be.take(at(0, 1, 3), at(100, 4, 3), count);
      be.copy_at(at(0, 4, 9), at(100, 4, 3), count, 3);
      be.random(at(0, 4, 3), 1, 2, 0, count);
    });
    composes("rows", [&] {
      be.softmax_rows(at(0, 4, 300), at(2000, 4, 300));
      be.log_sum_exp_rows(at(0, 4, 3), at(2000, 4, 1));
      be.argmax_rows(at(0, 4, 300), at(2000, 4, 1));
      be.argmax_matches_rows(at(0, 4, 300), at(2000, 4, 1), at(3000, 4, 1));
    });
    composes("moves", [&] {
      be.scatter(at(0, 4, 10), rows, at(1000, 3, 10));
      be.scatter_add(at(0, 4, 10), rows, at(1000, 3, 10));
      be.transpose(at(0, 4, 10), at(1000, 10, 4));
    });
    composes("reduce", [&] {
      be.reduce(reduction::sum{}, at(0, 4, 1), fn::identity{}, at(1000, 4, 10));
      be.reduce(reduction::maximum{}, at(0, 1, 10), fn::identity{}, at(1000, 4, 10));
    });
    composes("products", [&] {
      be.gemm(at(0, 4, 4), {at(1000, 4, 2000)}, {at(20000, 2000, 4)});
      be.gemm_batch(2, {at(0, 16, 16), 256}, {{at(1000, 16, 16)}, 256}, {{at(2000, 16, 16)}, 256});
    });
    composes("convolve", [&] { be.convolve(at(0, 2, 64), at(1000, 2, 108), at(5000, 27, 4), c); });
    composes("gradients of convolve", [&] {
      be.convolve_input(at(1000, 2, 108), at(0, 2, 64), at(5000, 27, 4), c);
      be.convolve_weights(at(5000, 27, 4), at(1000, 2, 108), at(0, 2, 64), c);
    });
    composes("depthwise convolve",
             [&] { be.convolve(at(0, 2, 48), at(1000, 2, 108), at(5000, 9, 3), depthwise); });
    composes("pooling", [&] {
      be.max_pool(at(0, 2, 48), at(3000, 2, 48), at(1000, 2, 108), c.window);
      be.unpool(at(1000, 2, 108), at(0, 2, 48), at(3000, 2, 48), c.window);
    });
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a persistent kernel has as many blocks as the device holds at once",
          "[cuda][persistent]") {
  fake_cuda::reset();
  fake_cuda::now().units = 132;
  {
    const fake<float> be = opened();
    train_a(be);
    fake_cuda::now().blocks_of_unit = 8;
    train_a(be);
    const auto x = be.allocate<float>(64);
    const auto small = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
    small.replay(5);
    be.synchronize();
    std::vector<unsigned> blocks;
    for (const fake_cuda::launched& l : fake_cuda::now().launches)
      if (l.is_cooperative) {
        blocks.push_back(l.grid[0]);
        CHECK(l.grid[1] * l.grid[2] == 1);
        CHECK(l.block[1] * l.block[2] == 1);
      }
    REQUIRE(blocks.size() == 3);
    CHECK(blocks[0] == 2 * 132);
    CHECK(blocks[1] > 2 * 132);
    CHECK(blocks[1] <= 8 * 132);
    CHECK(blocks[2] == 1);
    CHECK(fake_cuda::now().launches.back().arguments[0] % (std::uint64_t{1} << 32) == 5);  // steps
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a step that cannot be a persistent kernel is a graph", "[cuda][persistent]") {
  fake_cuda::reset();
  const auto why = [&](const fake<float>& be, std::uint64_t replays = 7) {
    train_a(be);
    CHECK(be.statistics().replays == replays);
    CHECK(be.statistics().persistent_launches == 0);
    CHECK(launches_of("") == 0);
    return be.runtime()->why_not_persistent();
  };
  SECTION("a device that does not launch such kernels") {
    fake_cuda::now().cooperates = false;
    CHECK(why(opened()) == "the device cannot launch a kernel whose blocks wait for each other");
  }
  SECTION("a driver without the function") {
    // The fifth and the sixth function that is looked for.
    for (const int k : {5, 6}) {
      fake_cuda::reset();
      fake_cuda::fail("cudaGetDriverEntryPoint", k);
      CHECK(has(why(opened()), k == 5 ? "cuOccupancyMaxActiveBlocksPerMultiprocessor failed"
                                      : "cuLaunchCooperativeKernel failed"));
    }
  }
  SECTION("too large a kernel") {
    fake_cuda::now().units = 132;
    fake_cuda::now().blocks_of_unit = 0;
    CHECK(why(opened()) == "no block of the kernel fits into a multiprocessor");
  }
  SECTION("more work than blocks") {
    fake_cuda::now().units = 10;
    CHECK(
        has(why(opened()), "work items; there may be 320, as the device holds at most 20 at once"));
  }
  SECTION("more work than any multiprocessors hold, of which no text is built") {
    fake_cuda::now().units = 1;
    fake_cuda::now().blocks_of_unit = 1000;
    const fake<float> be = opened();
    const auto x = be.allocate<float>(index_t{1} << 20);
    const auto step = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
    CHECK(has(step.why_not_persistent(), "there may be 128, as the device holds at most 8"));
    for (const auto& text : fake_cuda::now().texts)
      CHECK_FALSE(has(text, "cr_main(unsigned steps"));
  }
  SECTION("products that are left to cuBLASLt") {
    const fake<float> be = opened();
    train(network{be, dense{784, 512, relu{}}, dense{512, 10}}, softmax_cross_entropy{}, sgd{0.1},
          128);
    CHECK(be.runtime()->why_not_persistent() ==
          "the step has work that is not a kernel of this library: gemm");
    CHECK(launches_of("") == 0);
  }
  SECTION("a step within a step") {
    const fake<float> be = opened();
    const auto x = be.allocate<float>(4);
    const auto inner = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
    CHECK(inner.why_not_persistent() == "");
    const auto outer = be.capture([&] {
      be.map(fn::sqr{}, x.view(), x.view());
      inner.replay();
    });
    CHECK(has(outer.why_not_persistent(), "not a kernel of this library: a replay"));
    outer.replay(2);
    CHECK(launches_of("") == 0);
    CHECK(fake_cuda::now().launches.size() == 4);
  }
  SECTION("guard zones") {
    const fake<float> be = opened("CHAINRULE_CHECK_MEMORY");
    const auto step = be.capture([&] {
      const auto x = be.allocate<float>(4);
      be.map(fn::negate{}, x.view(), x.view());
    });
    CHECK(has(step.why_not_persistent(), "filling memory"));
  }
  SECTION("groups that are no whole warps") {
    ::setenv("CHAINRULE_DEVICE_LAYOUT", "cpu", 1);
    const fake<float> be = opened();
    ::unsetenv("CHAINRULE_DEVICE_LAYOUT");
    const fake<float>::counter count(be);
    const auto x = be.allocate<float>(4);
    const auto step = be.capture([&] { be.take(x.view(), x.view(), count); });
    CHECK(has(step.why_not_persistent(), "1 x 1 work items, which are no whole warps"));
  }
  SECTION("a text that does not build") {
    // Where the persistent kernel is among the texts that the training builds.
    int builds = 0;
    fake_cuda::now().units = 132;
    {
      const fake<float> other = opened();
      train_a(other);
      const auto& all = fake_cuda::now().texts;
      while (!has(all[static_cast<std::size_t>(builds)], "cr_main(unsigned steps")) ++builds;
    }
    fake_cuda::reset();
    fake_cuda::now().units = 132;
    fake_cuda::fail("nvrtcCompileProgram", builds + 1);
    const std::string said = why(opened());
    CHECK(has(said, "a kernel does not build"));
    CHECK_FALSE(has(said, "\n"));
  }
}

TEST_CASE("a training goes on as a graph when a persistent kernel is refused",
          "[cuda][persistent]") {
  fake_cuda::reset();
  fake_cuda::now().units = 132;
  {
    const fake<float> be = opened();
    fake_cuda::fail("cuLaunchCooperativeKernel", 1, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
    train_a(be);
    CHECK(be.statistics().replays == 7);
    CHECK(be.statistics().persistent_launches == 0);
    CHECK(has(be.runtime()->why_not_persistent(),
              "cuLaunchCooperativeKernel failed with cudaErrorCooperativeLaunchTooLarge"));
    CHECK(fake_cuda::now().calls["cudaGraphLaunch"] == 7);
    // A new capture tries again. It is refused after its first launch.
    const auto x = be.allocate<float>(4);
    const auto step = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
    CHECK(step.why_not_persistent() == "");
    step.replay(64);
    CHECK(be.statistics().persistent_launches == 1);
    fake_cuda::fail("cuLaunchCooperativeKernel", 1, CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE);
    step.replay(3);
    be.synchronize();
    CHECK(has(step.why_not_persistent(), "cudaErrorCooperativeLaunchTooLarge"));
    CHECK(fake_cuda::now().calls["cudaGraphLaunch"] == 7 + 3);
    step.replay();
    CHECK(fake_cuda::now().calls["cudaGraphLaunch"] == 7 + 4);
    CHECK(be.statistics().persistent_launches == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a device that is lost in a persistent kernel says so", "[cuda][persistent]") {
  fake_cuda::reset();
  {
    const fake<float> be = opened();
    const auto x = be.allocate<float>(4);
    const auto step = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
    fake_cuda::fail("cuLaunchCooperativeKernel", 1, cudaErrorECCUncorrectable);
    step.replay(3);
    std::string said;
    try {
      be.synchronize();
    } catch (const backend_error& e) {
      said = e.what();
    }
    CHECK(has(said, "cuLaunchCooperativeKernel failed with cudaErrorECCUncorrectable"));
    CHECK_THROWS_AS(step.replay(), backend_error);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("calls that prepare a persistent kernel fail once", "[cuda][persistent]") {
  for (const char* call : {"cuOccupancyMaxActiveBlocksPerMultiprocessor", "cudaMemsetAsync"}) {
    INFO(call);
    fake_cuda::reset();
    {
      const fake<float> be = opened();
      const auto x = be.allocate<float>(4);
      const auto work = [&] { be.map(fn::negate{}, x.view(), x.view()); };
      fake_cuda::fail(call, 1);
      const auto first = be.capture(work);
      CHECK(has(first.why_not_persistent(), call));
      const auto second = be.capture(work);
      CHECK(second.why_not_persistent() == "");
      first.replay();
      CHECK(launches_of("") == 0);
      second.replay();
      be.synchronize();
      REQUIRE(launches_of("") == 1);
      // The counter of the barrier over the grid.
      const std::uint64_t counter = fake_cuda::now().launches.back().arguments[1];
      CHECK(*reinterpret_cast<const unsigned*>(counter) == 0);
    }
    CHECK(fake_cuda::now().alive == 0);
  }
}

TEST_CASE("another library's work comes after the replays before it", "[cuda][persistent]") {
  fake_cuda::reset();
  const fake<float> be = opened();
  const auto x = be.allocate<float>(4);
  const auto step = be.capture([&] { be.map(fn::negate{}, x.view(), x.view()); });
  step.replay(3);
  CHECK(launches_of("") == 0);
  (void)be.runtime()->stream();
  CHECK(launches_of("") == 1);
}

}  // namespace persistent_test

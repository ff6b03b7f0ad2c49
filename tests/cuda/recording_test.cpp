// Steps that are recorded and replayed: what is noted down, who gets which memory meanwhile.

#include <stdexcept>
#include <string>
#include <thread>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/device/recording.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

using chainrule::backend_error;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;
using fake_backend = chainrule::device_backend<fake_runtime, float>;
using recording = chainrule::device::recording<fake_runtime>;
using chainrule::fn::negate;

namespace {
[[nodiscard]] fake_backend fresh() {
  fake_cuda::reset();
  return fake_backend(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
}
[[nodiscard]] bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("a recorded step runs when it is replayed, and not before", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    recording step(be.runtime(), [&] {
      be.map(negate{}, x.view(), x.view());
      be.map(chainrule::fn::sqr{}, x.view(), x.view());
    });
    CHECK(fake_cuda::now().launches.empty());
    CHECK(be.statistics().launches == 0);
    step.replay();
    step.replay();
    CHECK(fake_cuda::now().launches.size() == 4);
    CHECK(be.statistics().replays == 2);
    CHECK(be.statistics().launches == 0);
    CHECK(be.statistics().synchronizations == 0);
    be.map(negate{}, x.view(), x.view());  // and then as before
    CHECK(fake_cuda::now().launches.size() == 5);
    CHECK(be.statistics().launches == 1);

    recording other = std::move(step);
    other.replay();
    CHECK(fake_cuda::now().launches.size() == 7);
    CHECK(has(complaint<backend_error>([] { recording{}.replay(); }), "nothing was recorded"));
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("kernels and memory may be new to a recording", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    // The table refuses cudaMalloc and modules in a capture that is not relaxed for them.
    const recording step(be.runtime(), [&] {
      const auto x = be.allocate<float>(4);
      be.map(negate{}, x.view(), x.view());
    });
    CHECK(be.statistics().builds == 1);
    step.replay();
    CHECK(fake_cuda::now().launches.size() == 1);
    CHECK_FALSE(fake_cuda::now().relaxed);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("nobody gets the memory of a recording while it lives", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    const auto buffer_of = [](const auto& s) { return s.view().data().buffer; };
    { const auto warm = be.allocate<float>(100); }  // one buffer in the pool
    void* inside = nullptr;
    auto kept = be.allocate<float>(500);
    {
      auto old = be.allocate<float>(900);
      void* const released = buffer_of(old);
      std::optional<recording> step(std::in_place, be.runtime(), [&] {
        {
          const auto x = be.allocate<float>(100);
          inside = buffer_of(x);
        }
        {
          const auto again = be.allocate<float>(100);  // what was dropped is taken again
          CHECK(buffer_of(again) == inside);
        }
        old = {};                        // given back while it is recorded
        kept = be.allocate<float>(300);  // outlives the recording of it
      });
      void* const held = buffer_of(kept);
      CHECK(buffer_of(be.allocate<float>(100)) != inside);
      CHECK(buffer_of(be.allocate<float>(900)) != released);
      kept = {};  // given back while the recording lives
      CHECK(buffer_of(be.allocate<float>(300)) != held);
      const auto a = be.allocate<float>(300);
      step.reset();
      const auto b = be.allocate<float>(300);
      CHECK(buffer_of(b) == held);
      // The pool has now both of these sizes: the one that was held, and the one taken meanwhile.
      const auto before = be.statistics().allocations;
      const auto c = be.allocate<float>(100);
      const auto d = be.allocate<float>(100);
      const auto e = be.allocate<float>(900);
      const auto f = be.allocate<float>(900);
      CHECK(be.statistics().allocations == before);
    }
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("memory of two recordings is free when both are gone", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    fake_backend::storage<float> x;
    std::optional<recording> first(std::in_place, be.runtime(),
                                   [&] { x = be.allocate<float>(50); });
    void* const buffer = x.view().data().buffer;
    std::optional<recording> second(std::in_place, be.runtime(), [&] { x = {}; });
    first.reset();
    CHECK(be.allocate<float>(50).view().data().buffer != buffer);
    second.reset();
    CHECK(be.allocate<float>(50).view().data().buffer == buffer);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("what waits for the device cannot be recorded", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(1);
    float value = 0;
    const auto said = [&](auto&& work) {
      return complaint<backend_error>([&] { const recording r(be.runtime(), work); });
    };
    CHECK(said([&] { be.synchronize(); }) ==
          "cuda: synchronize waits for the device, so it cannot be recorded; do it before or after "
          "the step");
    CHECK(has(said([&] { be.upload(x.view(), chainrule::matrix_view<const float>(&value, 1, 1)); }),
              "upload waits"));
    CHECK(has(said([&] { be.download(chainrule::matrix_view<float>(&value, 1, 1), x.view()); }),
              "download waits"));
    CHECK(has(said([&] { const recording inner(be.runtime(), [] {}); }), "recording already"));
    // Each of them ended its recording.
    CHECK_FALSE(fake_cuda::now().capturing);
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("what is thrown while a step is recorded ends the recording", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    CHECK_THROWS_AS(recording(be.runtime(),
                              [&] {
                                be.map(negate{}, x.view(), x.view());
                                throw std::domain_error("mine");
                              }),
                    std::domain_error);
    CHECK_FALSE(fake_cuda::now().capturing);
    be.map(negate{}, x.view(), x.view());
    CHECK(fake_cuda::now().launches.size() == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("another thread does not slip into a recording", "[cuda][recording]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    be.map(negate{}, x.view(), x.view());
    std::string said;
    const recording step(be.runtime(), [&] {
      std::thread([&] {
        said = complaint<backend_error>([&] { be.map(negate{}, x.view(), x.view()); });
      }).join();
    });
    CHECK(has(said, "another thread is recording"));
    step.replay();
    CHECK(fake_cuda::now().launches.size() == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("buffers in a recording are filled and guarded, and not looked at", "[cuda][recording]") {
  {
    ::setenv("CHAINRULE_CHECK_MEMORY", "1", 1);
    const fake_backend be = fresh();
    ::unsetenv("CHAINRULE_CHECK_MEMORY");
    const recording step(be.runtime(), [&] {
      const auto x = be.allocate<float>(4);
      be.map(negate{}, x.view(), x.view());
    });
    step.replay();
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

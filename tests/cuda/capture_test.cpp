// Steps that are captured and replayed: what a graph holds, and when its memory is reused.

#include <stdexcept>
#include <string>
#include <thread>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/rules.hpp"
#include "chainrule/train/trainer.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace capture_test {

using chainrule::backend_error;
using chainrule::device_statistics;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;
using fake_backend = chainrule::device_backend<fake_runtime, float>;
using captured_graph = chainrule::device::captured_graph<fake_runtime>;
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

TEST_CASE("a captured step runs when it is replayed, and not before", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    captured_graph step(be.runtime(), [&] {
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

    captured_graph other = std::move(step);
    other.replay();
    CHECK(fake_cuda::now().launches.size() == 7);
    CHECK(has(complaint<backend_error>([] { captured_graph{}.replay(); }), "nothing was captured"));
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("kernels and memory may be new to a capture", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    // The table refuses cudaMalloc and modules in a capture that is not relaxed for them.
    const captured_graph step(be.runtime(), [&] {
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

TEST_CASE("the memory of a captured graph is not reused while it lives", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto buffer_of = [](const auto& s) { return s.view().data().buffer; };
    { const auto warm = be.allocate<float>(100); }  // one buffer in the pool
    void* inside = nullptr;
    auto kept = be.allocate<float>(500);
    {
      auto old = be.allocate<float>(900);
      void* const released = buffer_of(old);
      std::optional<captured_graph> step(std::in_place, be.runtime(), [&] {
        {
          const auto x = be.allocate<float>(100);
          inside = buffer_of(x);
        }
        {
          const auto again = be.allocate<float>(100);  // what was dropped is taken again
          CHECK(buffer_of(again) == inside);
        }
        old = {};                        // released during the capture
        kept = be.allocate<float>(300);  // outlives the capture
      });
      void* const held = buffer_of(kept);
      CHECK(buffer_of(be.allocate<float>(100)) != inside);
      CHECK(buffer_of(be.allocate<float>(900)) != released);
      kept = {};  // released while the graph lives
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

TEST_CASE("memory of two captured graphs is free when both are destroyed", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    fake_backend::storage<float> x;
    std::optional<captured_graph> first(std::in_place, be.runtime(),
                                        [&] { x = be.allocate<float>(50); });
    void* const buffer = x.view().data().buffer;
    std::optional<captured_graph> second(std::in_place, be.runtime(), [&] { x = {}; });
    first.reset();
    CHECK(be.allocate<float>(50).view().data().buffer != buffer);
    second.reset();
    CHECK(be.allocate<float>(50).view().data().buffer == buffer);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("what waits for the device cannot be captured", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(1);
    float value = 0;
    const auto said = [&](auto&& work) {
      return complaint<backend_error>([&] { const captured_graph r(be.runtime(), work); });
    };
    CHECK(
        said([&] { be.synchronize(); }) ==
        "cuda: synchronize waits for the device, so it cannot be captured; call it before or after "
        "the step");
    CHECK(has(said([&] { be.upload(x.view(), chainrule::matrix_view<const float>(&value, 1, 1)); }),
              "upload waits"));
    CHECK(has(said([&] { be.download(chainrule::matrix_view<float>(&value, 1, 1), x.view()); }),
              "download waits"));
    CHECK(has(said([&] { const captured_graph inner(be.runtime(), [] {}); }),
              "a capture is active already"));
    // Each of them ended its capture.
    CHECK_FALSE(fake_cuda::now().capturing);
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("an exception during a capture ends it", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    CHECK_THROWS_AS(captured_graph(be.runtime(),
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

TEST_CASE("calls of another thread are refused during a capture", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    be.map(negate{}, x.view(), x.view());
    std::string said;
    const captured_graph step(be.runtime(), [&] {
      std::thread([&] {
        said = complaint<backend_error>([&] { be.map(negate{}, x.view(), x.view()); });
      }).join();
    });
    CHECK(has(said, "another thread is capturing"));
    step.replay();
    CHECK(fake_cuda::now().launches.size() == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("buffers in a capture are filled and guarded, and not checked", "[cuda][capture]") {
  {
    ::setenv("CHAINRULE_CHECK_MEMORY", "1", 1);
    const fake_backend be = fresh();
    ::unsetenv("CHAINRULE_CHECK_MEMORY");
    const captured_graph step(be.runtime(), [&] {
      const auto x = be.allocate<float>(4);
      be.map(negate{}, x.view(), x.view());
    });
    step.replay();
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a product that is new in a capture is captured as a kernel", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(64);
    const fake_backend::matrix m(x.view().data(), 4, 4);
    const fake_backend::matrix out(x.view().data() + 16, 4, 4);
    const auto product = [&] { be.gemm(out, m, m); };
    {
      const int allocations = fake_cuda::now().calls["cudaMalloc"];
      const captured_graph step(be.runtime(), product);
      // cuBLASLt is neither opened nor asked, and no workspace is made for it.
      CHECK(fake_cuda::now().calls["cublasLtCreate"] == 0);
      CHECK(fake_cuda::now().heuristics == 0);
      CHECK(fake_cuda::now().calls["cudaMalloc"] == allocations);
      step.replay();
      REQUIRE(fake_cuda::now().launches.size() == 1);
      CHECK(has(fake_cuda::now().launches.back().text, "cr_epilogue"));
    }
    product();
    CHECK(fake_cuda::now().heuristics == 1);
    const captured_graph step(be.runtime(), product);  // this one is planned
    step.replay();
    CHECK(fake_cuda::now().launches.back().text == "cublasLtMatmul");
    // The library is open, but has no plan for this shape.
    const fake_backend::matrix flat(x.view().data(), 2, 4);
    const captured_graph other(be.runtime(),
                               [&] { be.gemm(out, chainrule::transposed(flat), flat); });
    CHECK(fake_cuda::now().heuristics == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a capture is ended on its own device", "[cuda][capture]") {
  {
    fake_cuda::reset();
    fake_cuda::now().devices = 2;
    const auto second = std::make_shared<fake_runtime>(fake_runtime::devices().back());
    {
      const captured_graph step(second, [] { (void)fake_cuda::set_device(0); });
    }
    CHECK(fake_cuda::now().elsewhere == 0);
    CHECK_THROWS_AS(captured_graph(second,
                                   [] {
                                     (void)fake_cuda::set_device(0);
                                     throw std::domain_error("mine");
                                   }),
                    std::domain_error);
    CHECK(fake_cuda::now().elsewhere == 0);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("kernels of a captured graph stay while it lives", "[cuda][capture]") {
  {
    const fake_backend be = fresh();
    const auto x = be.allocate<float>(4);
    std::optional<captured_graph> step(std::in_place, be.runtime(), [&] {
      be.map(chainrule::fn::affine{-1, 0}, x.view(), x.view());
    });
    for (int i = 0; i < 2000; ++i) be.map(chainrule::fn::affine{2.0 + i, 0}, x.view(), x.view());
    step->replay();
    CHECK(fake_cuda::now().cut_off == 0);
    CHECK(be.statistics().builds == 2001);
    be.map(chainrule::fn::affine{-1, 0}, x.view(), x.view());
    CHECK(be.statistics().builds == 2001);
    step.reset();
  }
  CHECK(fake_cuda::now().cut_off == 0);
  CHECK(fake_cuda::now().alive == 0);
}

namespace {
/// A loss of a user's, which looks at its input on the host.
struct looking_loss {
  static constexpr const char* name = "looking";
  chainrule::quadratic_cost cost{};
  template <class B>
  void operator()(const B& be, chainrule::const_matrix<B> y, chainrule::const_matrix<B> t,
                  chainrule::const_matrix<B> scale, chainrule::matrix<B> losses,
                  chainrule::matrix<B> gradient, chainrule::loss_scratch<B>& scratch) const {
    (void)to_host(be, y);
    cost(be, y, t, scale, losses, gradient, scratch);
  }
};

/// The times that work was queued and that a step was replayed in an epoch of 10 batches.
template <class Loss>
device_statistics epoch(const fake_backend& be, const Loss& loss) {
  const std::vector<float> inputs(40 * 3, 1);
  const std::vector<float> targets(40 * 2, 1);
  const chainrule::dataset<fake_backend> data(
      be, chainrule::matrix_view<const float>(inputs.data(), 40, 3),
      chainrule::matrix_view<const float>(targets.data(), 40, 2));
  chainrule::network net{be, chainrule::dense{3, 2}};
  chainrule::trainer t{net, loss, chainrule::sgd{.rate = 0.1}};
  const auto h = t.fit(data, {.epochs = 1, .batch = 4});
  CHECK(h.epochs.size() == 1);
  CHECK(t.steps() == 10);
  return be.statistics();
}
}  // namespace

TEST_CASE("a training whose steps cannot be captured runs them one by one", "[cuda][capture]") {
  device_statistics captured;
  {
    captured = epoch(fresh(), chainrule::quadratic_cost{});
    CHECK(captured.replays == 9);
  }
  {
    const device_statistics plain = epoch(fresh(), looking_loss{});
    CHECK(plain.replays == 0);
    CHECK(plain.downloads == 10 + captured.downloads);
    CHECK_FALSE(fake_cuda::now().capturing);
  }
  // A device that refuses to capture, or to make a graph of it, is no reason to stop either.
  for (const char* call :
       {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiateWithFlags"}) {
    INFO(call);
    const fake_backend be = fresh();
    fake_cuda::fail(call, 1, cudaErrorNotSupported);
    CHECK(epoch(be, chainrule::quadratic_cost{}).replays == 0);
  }
  CHECK(fake_cuda::now().alive == 0);
}

}  // namespace capture_test

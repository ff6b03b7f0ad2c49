// Matrices that are sent while the device is at other work: what CUDA is asked for, and that each
// of these calls may fail.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#include "chainrule/memory/staging.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace staging_test {

using chainrule::backend_error;
using chainrule::index_t;
using chainrule::matrix_view;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;
using fake_backend = chainrule::device_backend<fake_runtime, float>;
using staging = chainrule::staging_of<fake_backend, float>;
static_assert(std::same_as<staging, chainrule::device_staging<fake_runtime, float>>);

namespace {

[[nodiscard]] fake_backend fresh() {
  fake_cuda::reset();
  return fake_backend(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
}

/// Sends three matrices from two places; the elements of what arrived.
std::vector<float> work(const fake_backend& be) {
  staging first(be, 4), second(be, 4);
  const auto out = be.allocate(4);
  std::vector<float> arrived;
  for (int i = 0; i < 3; ++i) {
    staging& s = i % 2 == 0 ? first : second;
    std::fill_n(s.data(), 4, static_cast<float>(i));
    const auto sent = s.send(2, 2);
    be.map(chainrule::fn::negate{}, fake_backend::matrix(out.data(), 2, 2), sent);
    s.done();
    std::vector<float> host(4);
    be.download(matrix_view<float>(host.data(), 2, 2), sent);
    arrived.insert(arrived.end(), host.begin(), host.end());
  }
  return arrived;
}

}  // namespace

TEST_CASE("what is sent arrives, and waits for nobody unless it must", "[cuda][staging]") {
  {
    const fake_backend be = fresh();
    CHECK(work(be) == std::vector<float>{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2});
    CHECK(be.statistics().uploads == 3);
    CHECK(be.statistics().uploaded_bytes == 3 * 16);
    CHECK(be.statistics().synchronizations == 3);  // the downloads
    // Each copy waits for its turn, and the verbs for it.
    CHECK(fake_cuda::now().calls["cudaStreamWaitEvent"] == 6);
    CHECK(fake_cuda::now().calls["cudaHostAlloc"] == 2);

    // A copy that is not done is waited for, which counts.
    fake_cuda::now().is_busy = true;
    staging s(be, 4);
    (void)s.data();
    CHECK(be.statistics().synchronizations == 4);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a matrix is not sent while a step is captured", "[cuda][staging]") {
  {
    const fake_backend be = fresh();
    staging s(be, 4);
    (void)s.data();
    CHECK(
        complaint<backend_error>([&] {
          const chainrule::device::captured_graph<fake_runtime> r(be.runtime(),
                                                                  [&] { (void)s.send(1, 4); });
        }) ==
        "cuda: staging waits for the device, so it cannot be captured; call it before or after the "
        "step");
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("each call of a staging fails at each place", "[cuda][staging]") {
  { (void)work(fresh()); }
  REQUIRE(fake_cuda::now().alive == 0);
  const std::map<std::string, int> calls = fake_cuda::now().calls;
  for (const char* call :
       {"cudaHostAlloc", "cudaStreamCreateWithFlags", "cudaEventCreateWithFlags", "cudaEventRecord",
        "cudaStreamWaitEvent", "cudaMemcpyAsync", "cudaStreamQuery", "cudaMalloc"}) {
    INFO(call);
    REQUIRE(calls.count(call) == 1);
    for (int k = 1; k <= calls.at(call); ++k) {
      INFO("call " << k << " of " << calls.at(call));
      fake_cuda::reset();
      fake_cuda::fail(call, k);
      const std::string said = complaint<backend_error>([] {
        (void)work(fake_backend(std::make_shared<fake_runtime>(fake_runtime::devices().front())));
      });
      CHECK(said.find(call) != std::string::npos);
      CHECK(fake_cuda::now().alive == 0);
    }
  }
  // Waiting for what was sent fails too, and is no reason to leak.
  fake_cuda::reset();
  {
    const fake_backend be(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
    staging s(be, 4);
    fake_cuda::now().is_busy = true;
    fake_cuda::fail("cudaStreamSynchronize", 1, cudaErrorECCUncorrectable);
    CHECK(complaint<backend_error>([&] { (void)s.data(); }).find("cudaStreamSynchronize") !=
          std::string::npos);
  }
  CHECK(fake_cuda::now().alive == 0);
}

}  // namespace staging_test

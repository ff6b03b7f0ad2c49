// Every call of CUDA fails once, at every place where it is made: each failure becomes an exception
// of the library's, and nothing leaks.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "chainrule/backend/device/device_backend.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"

namespace faults_test {

using chainrule::backend_error;
using support::fake_cuda;
using support::fake_runtime;

namespace {

/// A bit of everything.
void work() {
  using namespace chainrule;
  const auto list = fake_runtime::devices();
  if (list.empty()) throw backend_error("CUDA: cudaGetDeviceCount: no device");
  const device_backend<fake_runtime, float> be(std::make_shared<fake_runtime>(list.front()));
  const auto x = be.allocate<float>(64);
  const auto y = be.allocate<float>(100000);
  std::vector<float> host(64, 1);
  be.upload(x.view(), matrix_view<const float>(host.data(), 1, 64));
  const device_backend<fake_runtime, float>::matrix part(x.view().data(), 4, 4, 8);
  be.upload(part, matrix_view<const float>(host.data(), 4, 4, 4));
  be.map(fn::negate{}, x.view(), x.view());
  be.map(fn::sqr{}, x.view(), x.view());
  device::vendor_gemm<void*, float> p;
  p.rows = p.cols = p.inner = 4;
  p.a = p.b = {x.view().data(), 4, false};
  p.c = {y.view().data(), 4, false};
  p.bias = x.view().data();
  const auto multiply = [&](index_t rows) {
    p.rows = rows;
    if (!be.runtime()->multiply(p)) throw backend_error("CUDA: cublasLt does not know this");
  };
  multiply(4);
  multiply(3);
  {
    const device::captured_graph<fake_runtime> step(be.runtime(), [&] {
      const auto inside = be.allocate<float>(1000);
      be.map(fn::exp{}, inside.view(), inside.view());
      multiply(3);
    });
    step.replay();
    step.replay();
  }
  be.synchronize();
  be.download(matrix_view<float>(host.data(), 1, 64),
              matrix_view<const float, device_pointer<void*, const float>>(x.view()));
}

}  // namespace

TEST_CASE("each call fails at each place", "[cuda][faults]") {
  fake_cuda::reset();
  work();
  REQUIRE(fake_cuda::now().alive == 0);
  const std::map<std::string, int> calls = fake_cuda::now().calls;
  for (const char* call : {"cudaGetDeviceCount",
                           "cudaDeviceGetAttribute",
                           "cudaDriverGetVersion",
                           "cudaSetDevice",
                           "cudaMalloc",
                           "cudaMemcpyAsync",
                           "cudaMemcpy2DAsync",
                           "cudaStreamCreateWithFlags",
                           "cudaStreamSynchronize",
                           "cudaStreamBeginCapture",
                           "cudaStreamEndCapture",
                           "cudaGraphInstantiateWithFlags",
                           "cudaGraphLaunch",
                           "cudaGetDriverEntryPoint",
                           "cuModuleLoadDataEx",
                           "cuModuleGetFunction",
                           "cuLaunchKernel",
                           "nvrtcVersion",
                           "nvrtcGetNumSupportedArchs",
                           "nvrtcGetSupportedArchs",
                           "nvrtcCreateProgram",
                           "nvrtcCompileProgram",
                           "nvrtcGetCUBINSize",
                           "nvrtcGetCUBIN",
                           "cublasLtCreate",
                           "cublasLtMatmulDescCreate",
                           "cublasLtMatmulDescSetAttribute",
                           "cublasLtMatrixLayoutCreate",
                           "cublasLtMatmulPreferenceCreate",
                           "cublasLtMatmulPreferenceSetAttribute",
                           "cublasLtMatmulAlgoGetHeuristic",
                           "cublasLtMatmul"}) {
    INFO(call);
    REQUIRE(calls.count(call) == 1);
    // What only describes a device, and what looks for room in the pool, may go wrong quietly.
    const int quiet = std::string(call) == "cudaDeviceGetAttribute"  ? 1
                      : std::string(call) == "cudaSetDevice"         ? 1  // in the destructor
                      : std::string(call) == "cudaStreamSynchronize" ? 1  // likewise
                                                                     : 0;
    int complaints = 0;
    for (int k = 1; k <= calls.at(call); ++k) {
      INFO("call " << k << " of " << calls.at(call));
      fake_cuda::reset();
      fake_cuda::fail(call, k);
      try {
        work();
      } catch (const backend_error& e) {
        ++complaints;
        const std::string said = e.what();
        CHECK(said.find("CUDA: ") == 0);
        // Its own name or, for entry points, that of the function that is not found.
        const std::string name = std::string(call) == "cudaGetDriverEntryPoint" ? "cu" : call;
        const std::string stem = name.substr(0, 8);
        CHECK(said.find(stem) != std::string::npos);
        if (std::string(call) == "cudaMalloc")
          CHECK(dynamic_cast<const chainrule::out_of_memory*>(&e) != nullptr);
      }
      CHECK(fake_cuda::now().alive == 0);
      CHECK_FALSE(fake_cuda::now().capturing);
    }
    CHECK(complaints == calls.at(call) - quiet);
  }
}

TEST_CASE("a device is lost at each place", "[cuda][faults]") {
  fake_cuda::reset();
  work();
  const std::map<std::string, int> calls = fake_cuda::now().calls;
  for (const char* call : {"cudaMemcpyAsync", "cudaStreamSynchronize", "cuLaunchKernel",
                           "cudaGraphLaunch", "cudaMalloc", "cudaStreamEndCapture"}) {
    // The last wait is the destructor's.
    const int last = calls.at(call) - (std::string(call) == "cudaStreamSynchronize" ? 1 : 0);
    for (int k = 1; k <= last; ++k) {
      INFO("call " << k << " of " << call);
      fake_cuda::reset();
      fake_cuda::fail(call, k, cudaErrorECCUncorrectable);
      std::string said;
      try {
        work();
      } catch (const backend_error& e) {
        said = e.what();
      }
      CHECK(said.find("cudaErrorECCUncorrectable") != std::string::npos);
      CHECK(fake_cuda::now().alive == 0);
    }
  }
}

}  // namespace faults_test

/// \file
/// The latencies that decide how a training step is laid out on an NVIDIA GPU, in microseconds:
/// kernels in a captured step, barriers within a kernel, small products with each epilogue.
///
///     build/benchmarks/cuda_latency
///
/// Needs no Google Benchmark. Each figure is the median of 15 runs. Exit status 77 without a
/// device.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "chainrule/backend/cuda.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#ifdef CHAINRULE_BENCHMARK_OPENCL
#include "chainrule/backend/opencl.hpp"
#endif

namespace {

using namespace chainrule;
using runtime = std::shared_ptr<cuda_runtime>;
using captured_graph = device::captured_graph<cuda_runtime>;

/// Microseconds for one of the `count` parts of `work`, which is queued and waited for.
double microseconds(const runtime& r, int count, const std::function<void()>& work) {
  std::vector<double> runs;
  for (int i = 0; i < 18; ++i) {
    r->synchronize();
    const auto start = std::chrono::steady_clock::now();
    work();
    r->synchronize();
    runs.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count() /
        count);
  }
  runs.erase(runs.begin(), runs.begin() + 3);  // what is done for the first time
  std::nth_element(runs.begin(), runs.begin() + 7, runs.end());
  return runs[7];
}

/// The time of work that is captured `times` times in a step, which is replayed 20 times.
double replayed(const runtime& r, int times, const std::function<void()>& work) {
  work();
  const captured_graph step(r, [&] {
    for (int i = 0; i < times; ++i) work();
  });
  return microseconds(r, 20 * times, [&] {
    for (int i = 0; i < 20; ++i) step.replay();
  });
}

void row(const std::string& name, double value) {
  std::printf("%-64s %9.2f\n", name.c_str(), value);
}

/// The bytes of a kernel's argument.
template <class Value>
device::argument argument(const Value& value) {
  device::argument a;
  a.size = sizeof value;
  std::memcpy(a.bytes.data(), &value, sizeof value);
  return a;
}

void launches(const runtime& r) {
  const auto kernel = r->kernel("KERNEL cr_main(long n) {}\n");
  const std::vector<device::argument> arguments{argument(std::int64_t{0})};
  const auto launch = [&] { r->launch("empty", kernel, {1, 1, 1, 1}, arguments); };
  row("an empty kernel, launched", microseconds(r, 1000, [&] {
        for (int i = 0; i < 1000; ++i) launch();
      }));
  row("an empty kernel, launched and waited for", microseconds(r, 1, launch));
  for (const int times : {1, 10, 100})
    row(detail::concat("an empty kernel in a captured step of ", times),
        replayed(r, times, launch));
  const captured_graph one(r, launch);
  row("a captured step of one kernel, replayed and waited for",
      microseconds(r, 1, [&] { one.replay(); }));
}

// A kernel that meets at a barrier `times` times; the difference of two counts is free of all else.
constexpr int few = 10;
constexpr int many = 1010;

/// Throws unless a call was a success.
void require(cudaError_t code, const char* call) {
  if (code != cudaSuccess)
    throw backend_error(
        detail::concat("CUDA: ", call, " failed with ", device::cuda_error_name(code)));
}

/// All blocks of the grid meet: a count of arrivals in memory that each spins on. One block per
/// multiprocessor, in a cooperative launch: that fails unless all of them can run at once, where
/// another would spin for ever.
void grid_barrier(const runtime& r) {
  int has_it = 0;
  require(cudaDeviceGetAttribute(&has_it, cudaDevAttrCooperativeLaunch, r->info().index),
          "cudaDeviceGetAttribute");
  if (has_it == 0) {
    std::printf("a barrier of all blocks: skipped, this device has no cooperative launches\n");
    return;
  }
  void* found = nullptr;
  require(cuda_api::driver_function("cuLaunchCooperativeKernel", &found),
          "cuLaunchCooperativeKernel");
  const auto launch = reinterpret_cast<decltype(&cuLaunchCooperativeKernel)>(found);
  const auto kernel = r->kernel(R"(KERNEL cr_main(volatile unsigned* arrived, long times) {
  for (long i = 1; i <= times; ++i) {
    BARRIER;
    if (threadIdx.x == 0) {
      __threadfence();
      atomicAdd((unsigned*)arrived, 1u);
      while (*arrived < i * gridDim.x) {}
      __threadfence();
    }
    BARRIER;
  }
}
)");
  auto memory = r->acquire(4);
  const auto blocks = static_cast<unsigned>(r->info().units);
  // On the default stream, which the runtime does not use.
  const auto time = [&](std::int64_t times) {
    void* arguments[] = {&memory.buffer, &times};
    return microseconds(r, 1, [&] {
      require(cudaMemsetAsync(memory.buffer, 0, 4, nullptr), "cudaMemsetAsync");
      require(static_cast<cudaError_t>(
                  launch(kernel->module.function, blocks, 1, 1, 256, 1, 1, 0, nullptr, arguments)),
              "cuLaunchCooperativeKernel");
      require(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
    });
  };
  row(detail::concat("a barrier of all ", blocks, " blocks"),
      (time(many) - time(few)) / (many - few));
  r->release(memory);
}

void cluster_barrier(const runtime& r) {
  int major = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, r->info().index);
  if (major < 9) {
    std::printf("a barrier of a cluster: skipped, this device has none\n");
    return;
  }
  for (const int blocks : {2, 8}) {
    const auto kernel = r->kernel(detail::concat("extern \"C\" __global__ void __cluster_dims__(",
                                                 blocks, R"(, 1, 1) cr_main(long times) {
  for (long i = 0; i < times; ++i)
    asm volatile("barrier.cluster.arrive.aligned;\n\tbarrier.cluster.wait.aligned;" ::: "memory");
}
)"));
    const auto time = [&](int times) {
      const std::vector<device::argument> arguments{argument(std::int64_t{times})};
      return microseconds(r, 1, [&] {
        r->launch("barrier", kernel, {static_cast<std::size_t>(blocks) * 256, 1, 256, 1},
                  arguments);
      });
    };
    row(detail::concat("a barrier of a cluster of ", blocks, " blocks"),
        (time(many) - time(few)) / (many - few));
  }
}

/// Products of training steps in a captured step of 20 that depend on each other.
void products(const cuda& be) {
  struct size {
    const char* what;
    index_t m, n, k;
    bool flip_a, flip_b;
  };
  for (const size& s : {size{"A forward 1", 256, 32, 784, false, false},
                        size{"A weights 1", 784, 32, 256, true, false},
                        size{"A forward 2", 256, 10, 32, false, false},
                        size{"B forward 1", 64, 128, 784, false, false},
                        size{"B weights 1", 784, 128, 64, true, false},
                        size{"B inputs 2", 64, 128, 10, false, true},
                        size{"C forward 2", 128, 512, 512, false, false}}) {
    const auto memory = be.allocate<float>(1 << 21);
    be.random(memory.view(), 1, 2);
    const auto matrix_of = [&](index_t at, index_t rows, index_t cols) {
      return matrix<cuda>(memory.view().data() + at, rows, cols);
    };
    const auto a = s.flip_a ? matrix_of(0, s.k, s.m) : matrix_of(0, s.m, s.k);
    const auto b = s.flip_b ? matrix_of(1 << 19, s.n, s.k) : matrix_of(1 << 19, s.k, s.n);
    const auto c = matrix_of(1 << 20, s.m, s.n);
    const auto bias = matrix_of(3 << 19, 1, s.n);
    const auto measure = [&](const char* epilogue, const auto& f, const auto&... in) {
      const std::string name =
          detail::concat("product ", s.what, " (", s.m, " x ", s.n, " x ", s.k, "), ", epilogue);
      const gemm_operand<const_matrix<cuda>> left(a, s.flip_a);
      const gemm_operand<const_matrix<cuda>> right(b, s.flip_b);
      row(name, replayed(be.runtime(), 20, [&] { be.gemm(c, left, right, {}, f, in...); }));
    };
    measure("plain", fn::identity{});
    if (s.flip_a || s.flip_b) continue;
    measure("bias", add_bias_then<identity>{}, bias);
    measure("bias and relu", add_bias_then<relu>{}, bias);
    measure("bias and gelu_tanh", add_bias_then<gelu_tanh>{}, bias);
    measure("bias and sigmoid", add_bias_then<fn::sigmoid>{}, bias);
  }
}

}  // namespace

int main() {
  if (const std::string why = cuda_runtime::missing(); !why.empty()) {
    std::printf("skipped: CUDA: %s\n", why.c_str());
    return 77;
  }
  try {
    const cuda be;
    std::printf("%s, %d multiprocessors, %.0f GB; microseconds\n", be.device_name().c_str(),
                be.info().units, static_cast<double>(be.info().memory) / 1e9);
    launches(be.runtime());
    grid_barrier(be.runtime());
    cluster_barrier(be.runtime());
    products(be);
#ifdef CHAINRULE_BENCHMARK_OPENCL
    for (const device_info& d : opencl_runtime::devices())
      std::printf("OpenCL offers %s\n", d.name.c_str());
    if (opencl_runtime::devices().empty()) std::printf("OpenCL offers no device\n");
#endif
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cuda_latency: %s\n", e.what());
    return 1;
  }
  return 0;
}

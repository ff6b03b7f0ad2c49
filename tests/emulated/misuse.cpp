// What CUDA forbids, one at a time: `misuse <name>` has to end with the emulated device's sentence
// about it. emulated.cmake lists the names with what is expected.

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>

#include "emulated/emulated_cuda.hpp"

namespace {

using cuda = support::emulated_cuda;

/// A device with a stream, a kernel and memory, as the library has them.
struct session {
  cudaStream_t stream = nullptr;
  CUmodule module = nullptr;
  CUfunction function = nullptr;
  void* memory = nullptr;
  decltype(&cuLaunchKernel) launch_kernel = nullptr;
  decltype(&cuModuleUnload) unload = nullptr;
  decltype(&cuLaunchCooperativeKernel) launch_cooperative = nullptr;

  explicit session(const std::string& body = "x[0] = 1;", const std::string& bounds = "") {
    cuda::create_stream(&stream, cudaStreamNonBlocking);
    cuda::allocate(&memory, 1024);
    const std::string text =
        "extern \"C\" __global__ void " + bounds + " cr_main(float* x) {\n" + body + "\n}\n";
    nvrtcProgram program = nullptr;
    cuda::create_program(&program, text.c_str(), "kernel.cu", 0, nullptr, nullptr);
    cuda::compile_program(program, 0, nullptr);
    std::size_t size = 0;
    cuda::cubin_size(program, &size);
    std::string image(size, '\0');
    cuda::cubin(program, image.data());
    cuda::destroy_program(&program);
    decltype(&cuModuleLoadDataEx) load = nullptr;
    decltype(&cuModuleGetFunction) find = nullptr;
    cuda::driver_function("cuModuleLoadDataEx", reinterpret_cast<void**>(&load));
    cuda::driver_function("cuModuleGetFunction", reinterpret_cast<void**>(&find));
    cuda::driver_function("cuLaunchKernel", reinterpret_cast<void**>(&launch_kernel));
    cuda::driver_function("cuModuleUnload", reinterpret_cast<void**>(&unload));
    cuda::driver_function("cuLaunchCooperativeKernel",
                          reinterpret_cast<void**>(&launch_cooperative));
    load(&module, image.data(), 0, nullptr, nullptr);
    find(&function, module, "cr_main");
  }
  void launch(std::array<unsigned, 3> grid, std::array<unsigned, 3> block, void* argument) {
    void* arguments[] = {&argument};
    launch_kernel(function, grid[0], grid[1], grid[2], block[0], block[1], block[2], 0, stream,
                  arguments, nullptr);
  }
  void launch_together(unsigned blocks) {
    void* arguments[] = {&memory};
    launch_cooperative(function, blocks, 1, 1, 32, 1, 1, 0, stream, arguments);
  }
  void launch() { launch({1, 1, 1}, {32, 1, 1}, memory); }
  void wait() { cuda::synchronize(stream); }
  void capture() { cuda::begin_capture(stream, cudaStreamCaptureModeThreadLocal); }
};

const std::map<std::string, std::function<void()>> misuses{
    {"none",
     [] {
       session s(
           "__shared__ float y[32]; y[threadIdx.x] = x[threadIdx.x]; __syncthreads();\n"
           "if (threadIdx.x == 0) x[0] = y[31];");
       std::array<float, 32> host{};
       host[31] = 5;
       cuda::copy(s.memory, host.data(), sizeof host, cudaMemcpyHostToDevice, s.stream);
       s.launch();
       cuda::copy(host.data(), s.memory, sizeof host, cudaMemcpyDeviceToHost, s.stream);
       const bool was_late = host[0] == 0;
       s.wait();
       std::puts(was_late && host[0] == 5 ? "the kernel ran late" : "the kernel did not run late");
     }},
    {"divergent_barrier",
     [] {
       session s("__shared__ float y[32]; y[0] = 0; if (threadIdx.x < 16) __syncthreads();");
       s.launch();
       s.wait();
     }},
    {"different_barriers",
     [] {
       session s(
           "__shared__ float y[32]; y[0] = 0;\nif (threadIdx.x < 16)\n  __syncthreads();\n"
           "else\n  __syncthreads();");
       s.launch();
       s.wait();
     }},
    {"waiting_block",
     [] {
       session s("while (*(volatile float*)x != 1) SPIN;");
       s.launch();
       s.wait();
     }},
    {"grid_without_end",
     [] {
       session s("x[0] = 0; while (*(volatile float*)x != 1) SPIN;");
       s.launch_together(2);
       s.wait();
     }},
    {"divergent_grid",
     [] {
       session s("if (threadIdx.x < 16) __syncthreads();");
       s.launch_together(2);
       s.wait();
     }},
    {"large_cooperative_grid", [] { session{}.launch_together(5); }},
    {"large_block",
     [] {
       session{}.launch({1, 1, 1}, {32, 64, 1}, nullptr);
     }},
    {"launch_bounds",
     [] {
       session{"x[0] = 1;", "__launch_bounds__((4) * (4))"}.launch();
     }},
    {"large_grid",
     [] {
       session{}.launch({1, 65536, 1}, {1, 1, 1}, nullptr);
     }},
    {"empty_grid",
     [] {
       session{}.launch({0, 1, 1}, {1, 1, 1}, nullptr);
     }},
    {"shared_memory", [] { session{"__shared__ float y[12289]; y[0] = x[0]; x[0] = y[1];"}; }},
    {"host_memory",
     [] {
       session s;
       float host = 0;
       s.launch({1, 1, 1}, {1, 1, 1}, &host);
       s.wait();
     }},
    {"released_memory",
     [] {
       session s;
       cuda::release(s.memory);
       s.launch();
       s.wait();
     }},
    {"written_beside",
     [] {
       session s("x[256] = 0;");
       s.launch();
       cuda::release(s.memory);
     }},
    {"unloaded_module",
     [] {
       session s;
       s.launch();
       s.unload(s.module);
       s.wait();
     }},
    {"released_staging",
     [] {
       session s;
       void* host = nullptr;
       cuda::allocate_host(&host, 64);
       cuda::copy(s.memory, host, 64, cudaMemcpyHostToDevice, s.stream);
       cuda::release_host(host);
     }},
    {"other_device",
     [] {
       session s;
       cuda::set_device(1);
       s.launch();
     }},
    {"allocation_in_capture",
     [] {
       session s;
       s.capture();
       void* more = nullptr;
       cuda::allocate(&more, 64);
     }},
    {"wait_in_capture",
     [] {
       session s;
       s.capture();
       s.wait();
     }},
    {"copy_in_capture",
     [] {
       session s;
       s.capture();
       float host = 0;
       cuda::copy(s.memory, &host, sizeof host, cudaMemcpyHostToDevice, s.stream);
     }},
    {"library_in_capture",
     [] {
       session s;
       s.capture();
       cublasLtHandle_t handle = nullptr;
       cuda::create_blas(&handle);
     }},
};

}  // namespace

int main(int argc, char** argv) {
  const auto found = misuses.find(argc == 2 ? argv[1] : "");
  if (found == misuses.end()) {
    for (const auto& [name, run] : misuses) std::printf("%s\n", name.c_str());
    return 2;
  }
  // A signal would be a failure to ctest whatever was said.
  std::signal(SIGABRT, [](int) { std::_Exit(1); });
  found->second();
}

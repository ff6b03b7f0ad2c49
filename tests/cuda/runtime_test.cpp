// What the CUDA runtime asks of CUDA: devices, launches, copies, messages; over a call table
// without a GPU.

#include <cstring>
#include <string>

#include "chainrule/backend/device/device_backend.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace runtime_test {

using chainrule::backend_error;
using chainrule::index_t;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;
using fake_backend = chainrule::device_backend<fake_runtime, float>;

namespace {
[[nodiscard]] std::shared_ptr<fake_runtime> open() {
  return std::make_shared<fake_runtime>(fake_runtime::devices().front());
}
[[nodiscard]] bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}
}  // namespace

TEST_CASE("devices are listed with what there is to choose by", "[cuda][device]") {
  fake_cuda::reset();
  fake_cuda::now().devices = 2;
  const auto list = fake_runtime::devices();
  REQUIRE(list.size() == 2);
  CHECK(list[1].api == "cuda");
  CHECK(list[1].index == 1);
  CHECK(list[1].name == "Fake GPU 1");
  CHECK(list[1].memory == std::uint64_t{1} << 30);
  CHECK(list[1].units == 4);
  CHECK(list[1].kind == chainrule::device_kind::gpu);
  CHECK(list[1].has_double);
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("what is missing is said in one sentence", "[cuda][device]") {
  fake_cuda::reset();
  auto& fake = fake_cuda::now();
  const auto why = [] { return complaint<backend_error>([] { (void)fake_runtime::shared(); }); };

  fake.counting = cudaErrorInsufficientDriver;
  fake.driver = 0;
  CHECK(fake_runtime::devices().empty());
  CHECK(why() ==
        "CUDA: there is no NVIDIA driver on this machine; install one, or use another backend "
        "(cudaGetDeviceCount: cudaErrorInsufficientDriver)");
  fake.driver = 11040;
  CHECK(fake_runtime::devices().empty());
  CHECK(why() ==
        "CUDA: the driver supports CUDA 11.4, but this program was built with CUDA 13.0; install a "
        "newer driver, or build with an older toolkit (cudaGetDeviceCount: "
        "cudaErrorInsufficientDriver)");
  fake.driver = 13000;
  fake.counting = cudaErrorNoDevice;
  CHECK(fake_runtime::devices().empty());
  CHECK(has(why(), "CUDA: the driver finds no device"));
  CHECK(has(why(), "cudaErrorNoDevice"));
  fake.counting = cudaErrorInitializationError;
  CHECK(has(why(), "CUDA: cudaGetDeviceCount failed with cudaErrorInitializationError"));
  fake.counting = cudaSuccess;
  fake.devices = 0;
  CHECK(has(why(), "CUDA: the driver finds no device"));
}

TEST_CASE("kernels are compiled for the device or for the family that can run it",
          "[cuda][target]") {
  fake_cuda::reset();
  const auto target = [](int capability) {
    return chainrule::device::cuda_target_for<fake_cuda>(capability).option();
  };
  CHECK(target(90) == "--gpu-architecture=sm_90");
  CHECK(target(87) == "--gpu-architecture=sm_86");         // same family, older
  CHECK(target(103) == "--gpu-architecture=sm_100");       // likewise
  CHECK(target(110) == "--gpu-architecture=compute_100");  // a family that NVRTC does not know
  CHECK(target(200) == "--gpu-architecture=compute_120");
  CHECK(has(complaint<backend_error>([&] { (void)target(70); }),
            "NVRTC compiles for compute capability 7.5 and newer, the device has 7.0"));
  fake_cuda::now().capability = 70;
  CHECK(has(complaint<backend_error>([] { (void)open(); }), "7.0"));
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("work is cut into blocks within CUDA's limits", "[cuda][launch]") {
  using chainrule::device::launch_shape_of;
  using chainrule::device::work;
  struct expected {
    work w;
    unsigned grid[3];
    unsigned block[2];
  };
  // A device of 4 units: 1024 items and more make blocks of 256.
  for (const expected& e : {
           expected{{1, 1, 0, 0}, {1, 1, 1}, {1, 1}},
           expected{{10, 256, 0, 0}, {1, 16, 1}, {16, 16}},
           expected{{10, 20, 0, 0}, {1, 3, 1}, {16, 8}},  // few: 128 in a block
           expected{{1000, 1, 0, 0}, {8, 1, 1}, {128, 1}},
           expected{{1 << 20, 1, 0, 0}, {4096, 1, 1}, {256, 1}},
           expected{{1, 1 << 20, 0, 0}, {1, 4096, 1}, {1, 256}},
           expected{{784, 60000, 0, 0}, {13, 15000, 1}, {64, 4}},  // 832 across, not 1024
           expected{{257, 60000, 0, 0}, {9, 7500, 1}, {32, 8}},
           expected{{1000, 65535, 0, 0}, {4, 65535, 1}, {256, 1}},
           expected{{1000, 65536, 0, 0}, {4, 32768, 2}, {256, 1}},
           expected{{1000, 131071, 0, 0}, {4, 43691, 3}, {256, 1}},
           expected{{64, 32, 16, 16}, {4, 2, 1}, {16, 16}},
           expected{{256, 200000, 256, 1}, {1, 50000, 4}, {256, 1}},
       }) {
    const auto s = launch_shape_of(e.w, 4);
    INFO(e.w.width << " x " << e.w.height);
    CHECK(s.grid_x == e.grid[0]);
    CHECK(s.grid_y == e.grid[1]);
    CHECK(s.grid_z == e.grid[2]);
    CHECK(s.block_x == e.block[0]);
    CHECK(s.block_y == e.block[1]);
  }
  for (const unsigned width : {1U, 3U, 31U, 33U, 255U, 257U, 100000U})
    for (const unsigned height : {1U, 2U, 300U, 65535U, 65537U, 20000000U}) {
      const auto s = launch_shape_of({width, height, 0, 0}, 100);
      INFO(width << " x " << height);
      CHECK(s.block_x * s.block_y <= 256);
      CHECK(s.grid_y <= 65535);
      CHECK(s.grid_z <= 65535);
      CHECK(std::size_t{s.grid_x} * s.block_x >= width);
      CHECK(std::size_t{s.grid_y} * s.grid_z * s.block_y >= height);
      CHECK(std::size_t{s.grid_x - 1} * s.block_x < width);
      CHECK((std::size_t{s.grid_y} * s.grid_z - s.grid_z) * s.block_y < height);
    }
}

TEST_CASE("a kernel's arguments arrive in its order", "[cuda][launch]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(12);
    const auto y = be.allocate<float>(12);
    const fake_backend::matrix m(x.view().data() + 2, 2, 3, 4);
    const fake_backend::matrix out(y.view().data() + 1, 2, 3, 5);
    be.map(chainrule::fn::negate{}, out, m);
    REQUIRE(fake_cuda::now().launches.size() == 1);
    const auto& l = fake_cuda::now().launches.back();
    CHECK(has(l.text, "#define KERNEL extern \"C\" __global__ void"));
    const auto address = [](const auto& s) {
      return reinterpret_cast<std::uint64_t>(s.view().data().buffer);
    };
    // (rows, cols, out, its offset and stride, x, its offset and steps)
    CHECK(l.arguments == std::vector<std::uint64_t>{2, 3, address(y), 1, 5, address(x), 2, 4, 1});
    CHECK(be.statistics().launches == 1);
    CHECK(be.statistics().builds == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("copies keep to the rectangle and wait", "[cuda][copy]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(20);
    std::vector<float> all(20, 7);
    be.upload(x.view(), chainrule::matrix_view<const float>(all.data(), 1, 20));
    CHECK(fake_cuda::now().calls["cudaMemcpyAsync"] == 1);
    const fake_backend::matrix m(x.view().data() + 2, 3, 2, 5);
    const std::vector<float> part{1, 2, 99, 3, 4, 99, 5, 6, 99};
    be.upload(m, chainrule::matrix_view<const float>(part.data(), 3, 2, 3));
    CHECK(fake_cuda::now().calls["cudaMemcpy2DAsync"] == 1);
    be.download(chainrule::matrix_view<float>(all.data(), 1, 20),
                chainrule::matrix_view<const float, chainrule::device_pointer<void*, const float>>(
                    x.view()));
    CHECK(all == std::vector<float>{7, 7, 1, 2, 7, 7, 7, 3, 4, 7, 7, 7, 5, 6, 7, 7, 7, 7, 7, 7});
    // One row may come with any stride.
    be.upload(fake_backend::matrix(x.view().data(), 1, 2, 2),
              chainrule::matrix_view<const float>(part.data(), 1, 2, 1000));
    CHECK(be.statistics().synchronizations == 4);
    CHECK(fake_cuda::now().calls["cudaStreamSynchronize"] == 4);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a kernel that does not build is shown with the compiler's words", "[cuda][errors]") {
  fake_cuda::reset();
  {
    const auto runtime = open();
    fake_cuda::fail("nvrtcCompileProgram", 1, NVRTC_ERROR_COMPILATION);
    const std::string said =
        complaint<backend_error>([&] { (void)runtime->kernel("KERNEL cr_main() {}\n"); });
    CHECK(has(said,
              "CUDA: a kernel does not build for --gpu-architecture=sm_90 "
              "(nvrtcCompileProgram: NVRTC_ERROR_COMPILATION)"));
    CHECK(has(said, fake_cuda::said));
    CHECK(has(said, "\n2: #define KERNEL"));
    CHECK(has(said, ": KERNEL cr_main() {}\n"));
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("an error that comes to light later names the last verb and ends the device's use",
          "[cuda][errors]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(4);
    be.map(chainrule::fn::negate{}, x.view(), x.view());
    fake_cuda::fail("cudaStreamSynchronize", 1, cudaErrorIllegalAddress);
    const std::string said = complaint<backend_error>([&] { be.synchronize(); });
    CHECK(has(said, "CUDA: cudaStreamSynchronize failed with cudaErrorIllegalAddress"));
    CHECK(has(said, "on Fake GPU 0; the verb queued last was map"));
    CHECK(has(said, "CUDA_LAUNCH_BLOCKING=1"));
    for (const std::string& later :
         {complaint<backend_error>([&] { be.synchronize(); }),
          complaint<backend_error>([&] { be.map(chainrule::fn::negate{}, x.view(), x.view()); }),
          complaint<backend_error>([&] { (void)be.allocate<float>(1); })}) {
      CHECK(has(later,
                "cannot be used any more since an earlier error: CUDA: "
                "cudaStreamSynchronize failed with cudaErrorIllegalAddress"));
    }
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("an error of one call does not end the device's use", "[cuda][errors]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(4);
    be.map(chainrule::fn::negate{}, x.view(), x.view());
    fake_cuda::fail("cuLaunchKernel", 1, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
    CHECK(
        has(complaint<backend_error>([&] { be.map(chainrule::fn::negate{}, x.view(), x.view()); }),
            "CUDA: cuLaunchKernel failed with cudaErrorLaunchOutOfResources"));
    CHECK_NOTHROW(be.map(chainrule::fn::negate{}, x.view(), x.view()));
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("memory that runs out is looked for in the pool, then reported", "[cuda][memory]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    { const auto pooled = be.allocate<float>(1000); }
    CHECK(fake_cuda::now().memory.size() == 1);
    fake_cuda::fail("cudaMalloc", 1);
    const auto x = be.allocate<float>(100000);  // the second try has the pool's room
    CHECK(fake_cuda::now().memory.size() == 1);
    fake_cuda::fail("cudaMalloc", 1);
    const std::string said =
        complaint<chainrule::out_of_memory>([&] { (void)be.allocate<float>(100000); });
    CHECK(has(said, "CUDA: no room for a buffer of "));
    CHECK(has(said,
              " bytes on Fake GPU 0, which has 1073741824 (cudaMalloc: "
              "cudaErrorMemoryAllocation)"));
    CHECK_NOTHROW(be.synchronize());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("memory that the pool keeps is given up before a kernel lacks it", "[cuda][memory]") {
  fake_cuda::reset();
  {
    const auto runtime = open();
    runtime->release(runtime->acquire(1000));
    fake_cuda::fail("cuModuleLoadDataEx", 1, cudaErrorMemoryAllocation);
    CHECK_NOTHROW((void)runtime->kernel("KERNEL cr_main() {}\n"));
    CHECK(fake_cuda::now().memory.empty());
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("kernels are unloaded when the device has run them", "[cuda][memory]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(4);
    be.map(chainrule::fn::negate{}, x.view(), x.view());
    CHECK(fake_cuda::now().queued == 1);
  }
  CHECK(fake_cuda::now().cut_off == 0);
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("kernels for very many constants are forgotten again", "[cuda][memory]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(4);
    for (int i = 0; i < 5000; ++i) {
      be.map(chainrule::fn::affine{2.0 + i, 0}, x.view(), x.view());
      be.map(chainrule::fn::negate{}, x.view(), x.view());
    }
    CHECK(fake_cuda::now().modules.size() <= 1024);
    CHECK(fake_cuda::now().cut_off == 0);
    CHECK(be.statistics().builds == 5001);  // what is in use stays
    be.map(chainrule::fn::affine{5001, 0}, x.view(), x.view());
    CHECK(be.statistics().builds == 5001);
    be.map(chainrule::fn::affine{2, 0}, x.view(), x.view());
    CHECK(be.statistics().builds == 5002);
  }
  CHECK(fake_cuda::now().alive == 0);
}

namespace {
/// Has 4 bytes between its members that mean nothing.
struct with_padding {
  float a;
  double b;
  static inline int traced = 0;
  auto operator()(auto x) const {
    ++traced;
    return x * static_cast<double>(a) + b;
  }
};
}  // namespace

TEST_CASE("a kernel is found by the values of its functor", "[cuda][launch]") {
  fake_cuda::reset();
  {
    const fake_backend be(open());
    const auto x = be.allocate<float>(4);
    const auto text = [&] { return fake_cuda::now().launches.back().text; };
    // What a functor refers to may change.
    double factor = 2;
    const auto scale = [&factor](auto v) { return v * factor; };
    be.map(scale, x.view(), x.view());
    const std::string twice = text();
    factor = 3;
    be.map(scale, x.view(), x.view());
    CHECK(text() != twice);
    // Padding is no value. clang 14 cannot clear it and traces the functor again.
    alignas(with_padding) unsigned char memory[sizeof(with_padding)];
    const auto builds = be.statistics().builds;
    for (const int dirt : {0x00, 0xff, 0x5a}) {
      std::memset(memory, dirt, sizeof memory);
      auto* f = new (memory) with_padding;
      f->a = 2;
      f->b = 1;
      be.map(*f, x.view(), x.view());
    }
    CHECK(be.statistics().builds == builds + 1);
#if defined(__GNUC__) && !defined(__clang__)
    CHECK(with_padding::traced == 1);
#endif
  }
  CHECK(fake_cuda::now().alive == 0);
}

namespace {
/// A library whose look-ups are counted.
struct counted_library {
  static inline int lookups = 0;
  static void* library() {
    ++lookups;
    static void* const opened = dlopen(nullptr, RTLD_NOW);
    return opened;
  }
};
constexpr chainrule::device::function_of_library<counted_library, int(int)> absolute{"abs"};
constexpr chainrule::device::function_of_library<counted_library, int(int)> upper{"toupper"};
constexpr chainrule::device::function_of_library<counted_library, int(int)> missing{"cr_no_such"};
}  // namespace

TEST_CASE("a function of a library is looked up once", "[cuda]") {
  for (int i = 0; i < 3; ++i) {
    CHECK(absolute(-i) == i);
    CHECK(upper('a' + i) == 'A' + i);
  }
  CHECK(counted_library::lookups == 2);
  for (int i = 0; i < 2; ++i)
    CHECK(complaint<backend_error>([] { (void)missing(1); }) ==
          "CUDA: its library has no function cr_no_such");
}

}  // namespace runtime_test

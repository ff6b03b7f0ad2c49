/// \file
/// Matrix products on an OpenCL device, beside CLBlast's on the same device (where CMake finds it),
/// the CPU backend's on all processors and Eigen's on one.
///
///     build/benchmarks/opencl_gemm
///     build/benchmarks/opencl_gemm --benchmark_filter=512
///
/// Squares of 512 in all transposes, float and double, and all products of one training step of the
/// nets A, B and C: forward y = x W, weights dW = x' dy, inputs dx = dy W' but for the first layer.
/// A step's products are queued together, then the host waits, so launches count and copies do not.
/// CHAINRULE_OPENCL_DEVICE chooses the device.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/backend/opencl.hpp"
#include "contest.hpp"
#include "nets.hpp"
#ifdef CHAINRULE_BENCHMARK_CLBLAST
#include <clblast.h>
#endif

namespace {

using chainrule::index_t;

/// One product: c (m x n) = op(a) op(b).
struct product {
  index_t m, n, k;
  bool flip_a, flip_b;

  [[nodiscard]] chainrule::matrix_shape a() const {
    return flip_a ? chainrule::matrix_shape{k, m} : chainrule::matrix_shape{m, k};
  }
  [[nodiscard]] chainrule::matrix_shape b() const {
    return flip_b ? chainrule::matrix_shape{n, k} : chainrule::matrix_shape{k, n};
  }
};

/// Products on a backend, with matrices of its own.
template <class B>
class on_backend {
 public:
  using scalar = typename B::scalar;

  on_backend(const B& be, const std::vector<product>& products) : be_(be) {
    for (const product& p : products)
      items_.push_back({p, filled(p.a()), filled(p.b()), be_.allocate(p.m * p.n)});
  }
  void operator()() {
    using view = chainrule::const_matrix<B>;
    for (item& i : items_) {
      const view a(i.a.data(), i.p.a().rows, i.p.a().cols);
      const view b(i.b.data(), i.p.b().rows, i.p.b().cols);
      be_.gemm({i.c.data(), i.p.m, i.p.n}, chainrule::gemm_operand<view>(a, i.p.flip_a),
               chainrule::gemm_operand<view>(b, i.p.flip_b));
    }
    be_.synchronize();
  }

 private:
  using storage = typename B::template storage<scalar>;
  struct item {
    product p;
    storage a, b, c;
  };

  storage filled(chainrule::matrix_shape s) const {
    storage to = be_.allocate(s.size());
    be_.random({to.data(), s.rows, s.cols}, 1, 0);
    return to;
  }

  B be_;
  std::vector<item> items_;
};

/// The same with plain Eigen on one thread.
template <class T>
class on_eigen {
 public:
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  explicit on_eigen(const std::vector<product>& products) {
    for (const product& p : products)
      items_.push_back({p, matrix::Random(p.a().rows, p.a().cols),
                        matrix::Random(p.b().rows, p.b().cols), matrix(p.m, p.n)});
  }
  void operator()() {
    for (item& i : items_) {
      if (i.p.flip_a && i.p.flip_b)
        i.c.noalias() = i.a.transpose() * i.b.transpose();
      else if (i.p.flip_a)
        i.c.noalias() = i.a.transpose() * i.b;
      else if (i.p.flip_b)
        i.c.noalias() = i.a * i.b.transpose();
      else
        i.c.noalias() = i.a * i.b;
    }
  }

 private:
  struct item {
    product p;
    matrix a, b, c;
  };
  std::vector<item> items_;
};

#ifdef CHAINRULE_BENCHMARK_CLBLAST
/// Ends the program, for a benchmark has no use for a device that fails.
void require(bool is_good, const char* what) {
  if (is_good) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

/// The same with CLBlast, on the device of that name, in a context of its own.
template <class T>
class on_clblast {
 public:
  on_clblast(const std::string& device_name, const std::vector<product>& products) {
    const cl_device_id device = device_called(device_name);
    cl_int code = CL_SUCCESS;
    context_.reset(clCreateContext(nullptr, 1, &device, nullptr, nullptr, &code));
    require(code == CL_SUCCESS, "clCreateContext");
    queue_.reset(clCreateCommandQueue(context_.get(), device, 0, &code));
    require(code == CL_SUCCESS, "clCreateCommandQueue");
    for (const product& p : products)
      items_.push_back({p, filled(p.m * p.k), filled(p.k * p.n), filled(p.m * p.n)});
  }
  void operator()() {
    const auto transpose = [](bool flip) {
      return flip ? clblast::Transpose::kYes : clblast::Transpose::kNo;
    };
    const auto size = [](index_t n) { return static_cast<std::size_t>(n); };
    cl_command_queue queue = queue_.get();
    for (item& i : items_) {
      const product& p = i.p;
      const auto status = clblast::Gemm<T>(
          clblast::Layout::kRowMajor, transpose(p.flip_a), transpose(p.flip_b), size(p.m),
          size(p.n), size(p.k), T(1), i.a.get(), 0, size(p.a().cols), i.b.get(), 0,
          size(p.b().cols), T(0), i.c.get(), 0, size(p.n), &queue, nullptr);
      require(status == clblast::StatusCode::kSuccess, "clblast::Gemm");
    }
    require(clFinish(queue) == CL_SUCCESS, "clFinish");
  }

 private:
  template <class Handle, auto Release>
  struct deleter {
    using pointer = Handle;
    void operator()(Handle h) const { Release(h); }
  };
  template <class Handle, auto Release>
  using owner = std::unique_ptr<std::remove_pointer_t<Handle>, deleter<Handle, Release>>;
  using memory = owner<cl_mem, clReleaseMemObject>;
  struct item {
    product p;
    memory a, b, c;
  };

  static cl_device_id device_called(const std::string& name) {
    cl_uint count = 0;
    clGetPlatformIDs(0, nullptr, &count);
    std::vector<cl_platform_id> platforms(count);
    clGetPlatformIDs(count, platforms.data(), nullptr);
    for (const cl_platform_id platform : platforms) {
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
      std::vector<cl_device_id> devices(count);
      clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices.data(), nullptr);
      for (const cl_device_id device : devices) {
        char found[256] = "";
        clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof found - 1, found, nullptr);
        if (name == found) return device;
      }
    }
    require(false, "finding the device for CLBlast");
    return nullptr;
  }

  memory filled(index_t size) const {
    std::vector<T> values(static_cast<std::size_t>(size), T(0.5));
    cl_int code = CL_SUCCESS;
    memory m(clCreateBuffer(context_.get(), CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR,
                            values.size() * sizeof(T), values.data(), &code));
    require(code == CL_SUCCESS, "clCreateBuffer");
    return m;
  }

  owner<cl_context, clReleaseContext> context_;
  owner<cl_command_queue, clReleaseCommandQueue> queue_;
  std::vector<item> items_;
};
#endif

/// The products of a training step.
std::vector<product> step_of(const net_shape& s) {
  std::vector<product> products;
  for (std::size_t i = 1; i < s.extents.size(); ++i) {
    const index_t in = s.extents[i - 1];
    const index_t out = s.extents[i];
    products.push_back({s.batch, out, in, false, false});
    products.push_back({in, out, s.batch, true, false});
    if (i > 1) products.push_back({s.batch, in, out, false, true});
  }
  return products;
}

/// A contest of all who can do these products; about ten milliseconds a round for the fastest.
template <class T>
std::unique_ptr<contest> contest_of(const std::string& name, const std::vector<product>& products) {
  double work = 0;
  for (const product& p : products) work += 2.0 * static_cast<double>(p.m * p.n * p.k);
  auto c = std::make_unique<contest>("opencl_gemm/" + name, 1 + static_cast<int>(1e9 / work));
  // std::function copies what it holds.
  const auto add = [&](const std::string& who, auto runner) {
    c->add(who, [shared = std::make_shared<decltype(runner)>(std::move(runner))] { (*shared)(); });
  };
  const chainrule::basic_opencl<T> device{chainrule::opencl{}};
  add("chainrule, opencl", on_backend<chainrule::basic_opencl<T>>(device, products));
#ifdef CHAINRULE_BENCHMARK_CLBLAST
  add("CLBlast", on_clblast<T>(device.device_name(), products));
#endif
  add("chainrule, cpu", on_backend<chainrule::basic_cpu<T>>({}, products));
  add("Eigen, 1 thread", on_eigen<T>(products));
  return c;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<contest>> contests;
  try {
    for (const bool a : {false, true})
      for (const bool b : {false, true}) {
        const std::string factors = std::string(a ? "a' " : "a ") + (b ? "b'" : "b");
        contests.push_back(contest_of<float>("512 float " + factors, {{512, 512, 512, a, b}}));
        if (chainrule::opencl{}.info().has_double)
          contests.push_back(contest_of<double>("512 double " + factors, {{512, 512, 512, a, b}}));
      }
    for (const net_shape* s : {&net_a, &net_b, &net_c})
      contests.push_back(contest_of<float>(std::string("step/") + s->name, step_of(*s)));
  } catch (const chainrule::backend_error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 77;  // no device: skipped, not failed
  }
  std::printf("%s\n", chainrule::opencl{}.device_name().c_str());
  std::vector<contest*> all;
  for (const auto& c : contests) all.push_back(c.get());
  return run_contests(argc, argv, all, "us", 1e6, 11);
}

/// \file
/// What the device backend asks of OpenCL: memory, copies, compiling a kernel's text, launching it.
/// Needs the OpenCL headers and loader (1.2 or later); this is the only file that includes them.
#ifndef CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP
#define CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {

/// Where elements of T lie: a buffer and the number of elements before them.
template <class T>
struct opencl_pointer {
  cl_mem buffer = nullptr;
  index_t offset = 0;

  constexpr opencl_pointer() = default;
  constexpr opencl_pointer(cl_mem b, index_t o) : buffer(b), offset(o) {}
  /// A pointer to const elements.
  template <class U>
  requires(std::same_as<const U, T> && !std::same_as<U, T>) constexpr opencl_pointer(
      const opencl_pointer<U>& other)  // NOLINT: implicit by design
      : buffer(other.buffer), offset(other.offset) {}

  friend constexpr opencl_pointer operator+(opencl_pointer p, index_t n) {
    return {p.buffer, p.offset + n};
  }
};

namespace device {

/// The name of an OpenCL error code, for messages.
[[nodiscard]] inline std::string opencl_error_name(cl_int code) {
  switch (code) {
    case CL_DEVICE_NOT_FOUND:
      return "CL_DEVICE_NOT_FOUND";
    case CL_DEVICE_NOT_AVAILABLE:
      return "CL_DEVICE_NOT_AVAILABLE";
    case CL_COMPILER_NOT_AVAILABLE:
      return "CL_COMPILER_NOT_AVAILABLE";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
      return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case CL_OUT_OF_RESOURCES:
      return "CL_OUT_OF_RESOURCES";
    case CL_OUT_OF_HOST_MEMORY:
      return "CL_OUT_OF_HOST_MEMORY";
    case CL_MEM_COPY_OVERLAP:
      return "CL_MEM_COPY_OVERLAP";
    case CL_BUILD_PROGRAM_FAILURE:
      return "CL_BUILD_PROGRAM_FAILURE";
    case CL_INVALID_VALUE:
      return "CL_INVALID_VALUE";
    case CL_INVALID_BUFFER_SIZE:
      return "CL_INVALID_BUFFER_SIZE";
    case CL_INVALID_MEM_OBJECT:
      return "CL_INVALID_MEM_OBJECT";
    case CL_INVALID_KERNEL_ARGS:
      return "CL_INVALID_KERNEL_ARGS";
    case CL_INVALID_WORK_GROUP_SIZE:
      return "CL_INVALID_WORK_GROUP_SIZE";
    case -1001:
      return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
      return "error " + std::to_string(code);
  }
}

/// Throws backend_error unless `code` is CL_SUCCESS; `call` names what was called.
inline void opencl_check(cl_int code, const char* call) {
  if (code != CL_SUCCESS)
    throw backend_error(detail::concat("OpenCL: ", call, " failed with ", opencl_error_name(code)));
}

/// Calls a release function when it goes.
template <class Handle, auto Release>
struct opencl_deleter {
  using pointer = Handle;
  void operator()(Handle h) const { Release(h); }
};
template <class Handle, auto Release>
using opencl_owner =
    std::unique_ptr<std::remove_pointer_t<Handle>, opencl_deleter<Handle, Release>>;

}  // namespace device

/// One device with a context, a queue that runs in order, and the kernels that were built for it.
class opencl_runtime {
 public:
  static constexpr const char* api = "opencl";

  template <class T>
  using pointer = opencl_pointer<T>;
  using buffer = cl_mem;

  /// The argument of a kernel.
  struct argument {
    std::size_t size = 0;
    std::array<std::byte, 8> bytes{};
  };

  /// Opens the first device, GPUs before others. The environment variable CHAINRULE_OPENCL_DEVICE
  /// chooses another: its number in that order, or a part of its name. Throws backend_error if
  /// there is none.
  opencl_runtime() {
    const std::vector<cl_device_id> devices = all_devices();
    if (devices.empty())
      throw backend_error(
          "OpenCL: there is no device; install a driver (on Debian and Ubuntu, "
          "pocl-opencl-icd runs on the processor)");
    device_ = choose(devices);
    cl_int code = CL_SUCCESS;
    context_.reset(clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &code));
    device::opencl_check(code, "clCreateContext");
    queue_.reset(clCreateCommandQueue(context_.get(), device_, 0, &code));
    device::opencl_check(code, "clCreateCommandQueue");
  }

  /// The runtime that backends of all scalars share, opened at the first call.
  [[nodiscard]] static std::shared_ptr<opencl_runtime> shared() {
    static const auto runtime = std::make_shared<opencl_runtime>();
    return runtime;
  }

  [[nodiscard]] std::string device_name() const { return name_of(device_); }
  [[nodiscard]] bool has_double() const {
    cl_device_fp_config config = 0;
    return clGetDeviceInfo(device_, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof config, &config, nullptr) ==
               CL_SUCCESS &&
           config != 0;
  }

  /// All devices of all platforms, GPUs first.
  [[nodiscard]] static std::vector<cl_device_id> all_devices() {
    cl_uint platforms = 0;
    if (clGetPlatformIDs(0, nullptr, &platforms) != CL_SUCCESS || platforms == 0) return {};
    std::vector<cl_platform_id> ids(platforms);
    device::opencl_check(clGetPlatformIDs(platforms, ids.data(), nullptr), "clGetPlatformIDs");
    std::vector<cl_device_id> found;
    for (const cl_device_type type :
         {static_cast<cl_device_type>(CL_DEVICE_TYPE_GPU),
          static_cast<cl_device_type>(CL_DEVICE_TYPE_ALL) ^ CL_DEVICE_TYPE_GPU})
      for (const cl_platform_id id : ids) {
        cl_uint count = 0;
        if (clGetDeviceIDs(id, type, 0, nullptr, &count) != CL_SUCCESS || count == 0) continue;
        const std::size_t before = found.size();
        found.resize(before + count);
        device::opencl_check(clGetDeviceIDs(id, type, count, found.data() + before, nullptr),
                             "clGetDeviceIDs");
      }
    return found;
  }
  [[nodiscard]] static std::string name_of(cl_device_id id) {
    std::array<char, 256> name{};
    clGetDeviceInfo(id, CL_DEVICE_NAME, name.size() - 1, name.data(), nullptr);
    return name.data();
  }

  /// A buffer of that many bytes, not initialised. Throws backend_error.
  [[nodiscard]] cl_mem allocate(std::size_t bytes) const {
    cl_int code = CL_SUCCESS;
    const cl_mem b =
        clCreateBuffer(context_.get(), CL_MEM_READ_WRITE, bytes == 0 ? 1 : bytes, nullptr, &code);
    device::opencl_check(code, "clCreateBuffer");
    return b;
  }
  static void release(cl_mem b) { clReleaseMemObject(b); }

  /// A rectangle of bytes in memory: where it begins and how far its rows lie apart.
  struct rectangle {
    std::size_t at = 0;
    std::size_t stride = 0;
  };

  /// Copies `rows` rows of `bytes` bytes; returns when the host's memory may be used again.
  void write(cl_mem to, rectangle target, const void* from, std::size_t stride, std::size_t bytes,
             std::size_t rows) {
    const std::size_t to_origin[3] = {target.at, 0, 0};
    const std::size_t host_origin[3] = {0, 0, 0};
    const std::size_t region[3] = {bytes, rows, 1};
    device::opencl_check(
        clEnqueueWriteBufferRect(queue_.get(), to, CL_TRUE, to_origin, host_origin, region,
                                 target.stride, 0, stride, 0, from, 0, nullptr, nullptr),
        "clEnqueueWriteBufferRect");
  }
  void read(void* to, std::size_t stride, cl_mem from, rectangle source, std::size_t bytes,
            std::size_t rows) {
    const std::size_t from_origin[3] = {source.at, 0, 0};
    const std::size_t host_origin[3] = {0, 0, 0};
    const std::size_t region[3] = {bytes, rows, 1};
    device::opencl_check(
        clEnqueueReadBufferRect(queue_.get(), from, CL_TRUE, from_origin, host_origin, region,
                                source.stride, 0, stride, 0, to, 0, nullptr, nullptr),
        "clEnqueueReadBufferRect");
  }

  /// The kernel `cr_main` of a text; built once. Throws backend_error with the numbered text and
  /// the compiler's log if it does not build.
  [[nodiscard]] cl_kernel kernel(const std::string& text) {
    const std::lock_guard lock(mutex_);
    if (const auto found = kernels_.find(text); found != kernels_.end())
      return found->second.kernel.get();
    const std::string whole = prelude() + text;
    const char* source = whole.c_str();
    const std::size_t length = whole.size();
    cl_int code = CL_SUCCESS;
    built b;
    b.program.reset(clCreateProgramWithSource(context_.get(), 1, &source, &length, &code));
    device::opencl_check(code, "clCreateProgramWithSource");
    code = clBuildProgram(b.program.get(), 1, &device_, "-cl-std=CL1.2", nullptr, nullptr);
    if (code != CL_SUCCESS) throw backend_error(build_failure(b.program.get(), whole, code));
    b.kernel.reset(clCreateKernel(b.program.get(), "cr_main", &code));
    device::opencl_check(code, "clCreateKernel");
    return kernels_.emplace(text, std::move(b)).first->second.kernel.get();
  }

  /// Queues a kernel over width x height work items.
  void launch(cl_kernel k, std::size_t width, std::size_t height,
              std::span<const argument> arguments) {
    const std::lock_guard lock(mutex_);  // a kernel's arguments are part of the kernel
    for (std::size_t i = 0; i < arguments.size(); ++i)
      device::opencl_check(
          clSetKernelArg(k, static_cast<cl_uint>(i), arguments[i].size, arguments[i].bytes.data()),
          "clSetKernelArg");
    const std::size_t global[2] = {width, height};
    device::opencl_check(
        clEnqueueNDRangeKernel(queue_.get(), k, 2, nullptr, global, nullptr, 0, nullptr, nullptr),
        "clEnqueueNDRangeKernel");
  }

  void synchronize() { device::opencl_check(clFinish(queue_.get()), "clFinish"); }

 private:
  struct built {
    device::opencl_owner<cl_program, clReleaseProgram> program;
    device::opencl_owner<cl_kernel, clReleaseKernel> kernel;
  };

  /// What makes the common text OpenCL C.
  static const char* prelude() {
    return R"(#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#define KERNEL __kernel void
#define GLOBAL __global
#define FUNCTION static inline
#define INDEX(d) ((long)get_global_id(d))
#define MULTIPLY_HIGH(a, b) mul_hi((uint)(a), (uint)(b))
#define UNROLL _Pragma("unroll")
)";
  }

  [[nodiscard]] std::string build_failure(cl_program program, const std::string& text,
                                          cl_int code) const {
    std::size_t size = 0;
    clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
    std::string log(size, '\0');
    clGetProgramBuildInfo(program, device_, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
    while (!log.empty() && log.back() == '\0') log.pop_back();  // it ends a C string
    std::string message = detail::concat("OpenCL: a kernel does not build on ", device_name(), " (",
                                         device::opencl_error_name(code), ")\n", log, "\n");
    std::size_t number = 1;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      message += detail::concat(number++, ": ", text.substr(at, end - at), "\n");
      at = end == std::string::npos ? text.size() : end + 1;
    }
    return message;
  }

  static cl_device_id choose(const std::vector<cl_device_id>& devices) {
    const char* wanted = std::getenv("CHAINRULE_OPENCL_DEVICE");
    if (wanted == nullptr || *wanted == '\0') return devices.front();
    char* end = nullptr;
    const long number = std::strtol(wanted, &end, 10);
    if (*end == '\0' && number >= 0 && static_cast<std::size_t>(number) < devices.size())
      return devices[static_cast<std::size_t>(number)];
    std::string names;
    for (const cl_device_id id : devices) {
      if (name_of(id).find(wanted) != std::string::npos) return id;
      names += (names.empty() ? "" : ", ") + name_of(id);
    }
    throw backend_error(
        detail::concat("OpenCL: CHAINRULE_OPENCL_DEVICE is '", wanted,
                       "', which is no device's number or name; there are: ", names));
  }

  cl_device_id device_ = nullptr;
  device::opencl_owner<cl_context, clReleaseContext> context_;
  device::opencl_owner<cl_command_queue, clReleaseCommandQueue> queue_;
  std::mutex mutex_;
  std::map<std::string, built> kernels_;
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP

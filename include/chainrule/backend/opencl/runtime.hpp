/// \file
/// The OpenCL runtime of the device backend: devices, memory, copies, compilation and launch of
/// kernels. backend/device/runtime.hpp states the contract.
#ifndef CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP
#define CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/backend/device/choice.hpp"
#include "chainrule/backend/device/runtime_base.hpp"
#include "chainrule/backend/opencl/api.hpp"
#include "chainrule/backend/opencl/persistent_kernel.hpp"

namespace chainrule {

namespace device {

/// Owns a handle of the API.
template <auto* Release, class Handle>
struct opencl_deleter {
  using pointer = Handle;
  void operator()(Handle h) const { (*Release)(h); }
};
template <class Handle, auto* Release>
using opencl_owner =
    std::unique_ptr<std::remove_pointer_t<Handle>, opencl_deleter<Release, Handle>>;

/// A program that was built, and its kernel.
template <class Api>
struct opencl_module {
  opencl_owner<cl_program, &Api::release_program> program;
  opencl_owner<cl_kernel, &Api::release_kernel> kernel;
  std::size_t most_items = 0;  // that a group of this kernel may have
};

/// A captured step, ready to be replayed.
template <class Api, class Launch, class Kernel>
struct opencl_graph {
  /// The kernel that runs all launches, see opencl/persistent_kernel.hpp.
  struct persistent {
    Kernel kernel;
    std::vector<argument> arguments;
    opencl_owner<cl_mem, &Api::release_buffer> counters, numbers;
  };
  // On the heap, since replays that are deferred refer to it.
  struct replays {
    std::vector<Launch> launches;
    bool can_persist = false;  // and is not composed
    std::optional<persistent> composed;
  };
  std::unique_ptr<replays> state;
};

/// Host memory, with a queue for copies from it.
template <class Api>
struct opencl_staging {
  std::unique_ptr<std::byte[]> memory;
  opencl_owner<cl_command_queue, &Api::release_queue> queue;
  opencl_owner<cl_event, &Api::release_event> sent;  // the last copy; none before the first
  opencl_owner<cl_event, &Api::release_event> read;  // the verbs that read it; none if not marked

  [[nodiscard]] void* data() const { return memory.get(); }
};

}  // namespace device

/// One OpenCL device with a context, and a queue that runs in order.
template <class Api>
class basic_opencl_runtime
    : public device::runtime_base<basic_opencl_runtime<Api>, cl_mem, device::opencl_module<Api>> {
  using base = device::runtime_base<basic_opencl_runtime<Api>, cl_mem, device::opencl_module<Api>>;
  friend base;

 public:
  static constexpr const char* api = "opencl";
  using typename base::module;
  using staging = device::opencl_staging<Api>;
  using graph =
      device::opencl_graph<Api, typename base::captured_launch, typename base::kernel_handle>;
  /// Replays that one launch of a persistent kernel runs, at most.
  static constexpr unsigned most_deferred = 64;
  /// Compute units of a device with persistent kernels, at most: they share one counter.
  static constexpr int most_units = 16;
  /// Launches of a step that becomes one, and buffers that it uses, at most: compiling takes longer
  /// with each launch, and arguments have 1024 bytes.
  static constexpr std::size_t most_launches = 32;
  static constexpr std::size_t most_buffers = 120;

  /// All devices of all platforms, GPUs first; none if there is no driver.
  [[nodiscard]] static std::vector<device_info> devices() {
    std::vector<device_info> list;
    for (const cl_device_id id : device_ids()) {
      list.push_back(describe(id));
      list.back().index = static_cast<int>(list.size()) - 1;
    }
    return list;
  }

  /// The runtime that backends of all scalars share on a device of that list, opened at the first
  /// call. Without a number it is the one that the environment variable CHAINRULE_OPENCL_DEVICE
  /// names (its number, or a part of its name), else the first. Throws backend_error.
  [[nodiscard]] static std::shared_ptr<basic_opencl_runtime> shared(
      const device_choice& choice = {}) {
    return device::open_once<basic_opencl_runtime>(
        choice, "OpenCL", "CHAINRULE_OPENCL_DEVICE",
        "install a driver (on Debian and Ubuntu, pocl-opencl-icd runs on the processor)");
  }

  /// Opens device `info.index` of devices(). Use shared(), unless it must be a context of its own.
  explicit basic_opencl_runtime(const device_info& info) : base(info) {
    device_ = device_ids().at(static_cast<std::size_t>(info.index));
    cl_int code = CL_SUCCESS;
    context_.reset(Api::create_context(nullptr, 1, &device_, nullptr, nullptr, &code));
    check(code, "clCreateContext");
    queue_.reset(Api::create_queue(context_.get(), device_, 0, &code));
    check(code, "clCreateCommandQueue");
    if ((number_of<cl_device_fp_config>(device_, CL_DEVICE_SINGLE_FP_CONFIG) &
         CL_FP_CORRECTLY_ROUNDED_DIVIDE_SQRT) != 0)
      build_options_ += " -cl-fp32-correctly-rounded-divide-sqrt";  // as on other devices
    const char* wanted = std::getenv("CHAINRULE_OPENCL_PERSISTENT");
    persistent_ = wanted != nullptr && std::string_view(wanted) == "1" &&
                  info.kind == device_kind::processor && base::layout() == device_kind::processor &&
                  info.units <= most_units && !base::checks_memory();
  }
  ~basic_opencl_runtime() { base::close(); }

  /// Whether a training is to capture its steps. Queueing captured launches one by one saves
  /// nothing.
  [[nodiscard]] bool captures_steps() const { return persistent_; }

 private:
  /// The codes by which drivers report that a device is lost or that a kernel has crashed.
  [[nodiscard]] static constexpr bool is_fatal(cl_int code) {
    return code == CL_DEVICE_NOT_AVAILABLE || code == CL_INVALID_COMMAND_QUEUE ||
           code == CL_INVALID_CONTEXT;
  }
  /// Throws unless `code` is CL_SUCCESS; `call` is the name of the function.
  void check(cl_int code, const char* call) {
    if (code == CL_SUCCESS) return;
    const std::string said =
        detail::concat("OpenCL: ", call, " failed with ", device::opencl_error_name(code),
                       ", after the verb ", base::last_verb(), " on ", base::info().name);
    if (code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_HOST_MEMORY)
      throw out_of_memory(said);
    if (is_fatal(code)) base::poison(said);
    throw backend_error(said);
  }

  [[nodiscard]] cl_mem raw_allocate(std::size_t bytes) {
    cl_int code = CL_SUCCESS;
    const cl_mem b = Api::create_buffer(context_.get(), CL_MEM_READ_WRITE, bytes, nullptr, &code);
    if (code != CL_SUCCESS) throw_allocation_failure(code, bytes);
    return b;
  }
  [[noreturn]] void throw_allocation_failure(cl_int code, std::size_t bytes) {
    const std::string said = detail::concat(
        "OpenCL: no room for a buffer of ", bytes, " bytes on ", base::info().name, ", which has ",
        base::info().memory, " (clCreateBuffer: ", device::opencl_error_name(code), ")");
    if (is_fatal(code)) check(code, "clCreateBuffer");
    throw out_of_memory(said);
  }
  void raw_release(cl_mem b) noexcept { Api::release_buffer(b); }
  void raw_fill(cl_mem b, unsigned char value, std::size_t at, std::size_t bytes) {
    if (bytes == 0) return;
    check(Api::fill_buffer(queue_.get(), b, &value, 1, at, bytes, 0, nullptr, nullptr),
          "clEnqueueFillBuffer");
  }

  void write(cl_mem to, const device::rectangle& target, const void* from, std::size_t stride,
             std::size_t bytes, std::size_t rows) {
    if (rows == 1 || (target.stride == bytes && stride == bytes))
      return check(Api::write_bytes(queue_.get(), to, CL_TRUE, target.at, bytes * rows, from, 0,
                                    nullptr, nullptr),
                   "clEnqueueWriteBuffer");
    const std::size_t to_origin[3] = {target.at, 0, 0};
    const std::size_t host_origin[3] = {0, 0, 0};
    const std::size_t region[3] = {bytes, rows, 1};
    check(Api::write_rows(queue_.get(), to, CL_TRUE, to_origin, host_origin, region, target.stride,
                          0, stride, 0, from, 0, nullptr, nullptr),
          "clEnqueueWriteBufferRect");
  }
  void read(void* to, std::size_t stride, cl_mem from, const device::rectangle& source,
            std::size_t bytes, std::size_t rows) {
    if (rows == 1 || (source.stride == bytes && stride == bytes))
      return check(Api::read_bytes(queue_.get(), from, CL_TRUE, source.at, bytes * rows, to, 0,
                                   nullptr, nullptr),
                   "clEnqueueReadBuffer");
    const std::size_t from_origin[3] = {source.at, 0, 0};
    const std::size_t host_origin[3] = {0, 0, 0};
    const std::size_t region[3] = {bytes, rows, 1};
    check(Api::read_rows(queue_.get(), from, CL_TRUE, from_origin, host_origin, region,
                         source.stride, 0, stride, 0, to, 0, nullptr, nullptr),
          "clEnqueueReadBufferRect");
  }

  [[nodiscard]] module build(const std::string& text) {
    const char* source = text.c_str();
    const std::size_t length = text.size();
    cl_int code = CL_SUCCESS;
    module m;
    m.program.reset(Api::create_program(context_.get(), 1, &source, &length, &code));
    check(code, "clCreateProgramWithSource");
    code =
        Api::build_program(m.program.get(), 1, &device_, build_options_.c_str(), nullptr, nullptr);
    if (code != CL_SUCCESS)
      throw backend_error(detail::concat("OpenCL: a kernel does not build on ", base::info().name,
                                         " (clBuildProgram: ", device::opencl_error_name(code),
                                         ")\n", build_log(m.program.get()), "\n",
                                         device::numbered(text)));
    take_kernel(m);
    return m;
  }

  [[nodiscard]] std::string binary_of(const module& m) {
    std::size_t size = 0;
    if (Api::get_program_info(m.program.get(), CL_PROGRAM_BINARY_SIZES, sizeof size, &size,
                              nullptr) != CL_SUCCESS)
      return {};
    std::string binary(size, '\0');
    char* data = binary.data();
    if (Api::get_program_info(m.program.get(), CL_PROGRAM_BINARIES, sizeof data, &data, nullptr) !=
        CL_SUCCESS)
      return {};
    return binary;
  }

  [[nodiscard]] std::optional<module> load(const std::string& binary) {
    const auto* data = reinterpret_cast<const unsigned char*>(binary.data());
    const std::size_t size = binary.size();
    cl_int good = CL_SUCCESS;
    cl_int code = CL_SUCCESS;
    module m;
    m.program.reset(
        Api::create_program_from_binary(context_.get(), 1, &device_, &size, &data, &good, &code));
    if (code != CL_SUCCESS || good != CL_SUCCESS) return std::nullopt;
    if (Api::build_program(m.program.get(), 1, &device_, build_options_.c_str(), nullptr,
                           nullptr) != CL_SUCCESS)
      return std::nullopt;
    take_kernel(m);
    return m;
  }

  void take_kernel(module& m) {
    cl_int code = CL_SUCCESS;
    m.kernel.reset(Api::create_kernel(m.program.get(), "cr_main", &code));
    check(code, "clCreateKernel");
    check(Api::get_kernel_group_info(m.kernel.get(), device_, CL_KERNEL_WORK_GROUP_SIZE,
                                     sizeof m.most_items, &m.most_items, nullptr),
          "clGetKernelWorkGroupInfo");
  }

  /// Identifies the device and the driver that a binary is for.
  [[nodiscard]] std::string fingerprint() const {
    std::string print = base::info().name;
    constexpr cl_device_info versions[] = {CL_DEVICE_VENDOR, CL_DEVICE_VERSION, CL_DRIVER_VERSION};
    for (const cl_device_info what : versions) print += '\n' + text_of(device_, what);
    return print + '\n' + build_options_;
  }

  void raw_launch(module& m, const device::work& w, std::span<const device::argument> arguments) {
    if (!base::is_capturing()) queue_launch(m, w, arguments);
  }
  void queue_launch(module& m, const device::work& w, std::span<const device::argument> arguments) {
    for (std::size_t i = 0; i < arguments.size(); ++i)
      check(Api::set_argument(m.kernel.get(), static_cast<cl_uint>(i), arguments[i].size,
                              arguments[i].bytes.data()),
            "clSetKernelArg");
    const std::size_t wanted = w.local_width * w.local_height;
    if (wanted > m.most_items)
      throw backend_error(detail::concat(
          "OpenCL: a kernel of ", base::last_verb(), " works in groups of ", wanted,
          " work items, but ", base::info().name, " runs at most ", m.most_items,
          " of it in a group; CHAINRULE_DEVICE_LAYOUT=cpu chooses kernels that need no groups"));
    const device::work g =
        device::grouped(w, base::info().units, std::min<std::size_t>(256, m.most_items));
    const std::size_t global[2] = {g.width, g.height};
    const std::size_t local[2] = {g.local_width, g.local_height};
    check(Api::launch(queue_.get(), m.kernel.get(), 2, nullptr, global, local, 0, nullptr, nullptr),
          "clEnqueueNDRangeKernel");
  }

  void wait() { check(Api::finish(queue_.get()), "clFinish"); }

  // Graph capture, see runtime_base::begin_capture(): OpenCL 1.2 has none, so the launches that
  // the base class notes are queued again. On a CPU device they become one persistent kernel if
  // CHAINRULE_OPENCL_PERSISTENT is 1, and replays that follow each other one launch of it: a replay
  // is queued when other work is queued or the host waits, at the latest after most_deferred.

  void raw_begin_capture() {}
  void raw_abandon_capture() noexcept {}
  [[nodiscard]] graph raw_end_capture() { return {std::make_unique<typename graph::replays>()}; }
  void raw_prepare(graph& g, const typename base::held_resources& held) {
    g.state->launches = held.launches;
    g.state->can_persist = persistent_ && held.other == nullptr && !held.launches.empty() &&
                           held.launches.size() <= most_launches;
  }
  void raw_replay(const graph& g) {
    typename graph::replays& r = *g.state;
    if (base::is_capturing())
      throw backend_error("opencl: replay: a captured step cannot be a part of another one");
    if (deferred_ != &r) raw_queue_deferred();
    if (r.can_persist) compose(r);
    if (!r.composed) return launch_all(r);
    deferred_ = &r;
    if (++deferrals_ == most_deferred) raw_queue_deferred();
  }
  void launch_all(typename graph::replays& r) {
    for (const auto& l : r.launches) queue_launch(l.kernel->module, l.items, l.arguments);
  }
  /// Composes the launches, if that is possible; they are queued one by one otherwise.
  void compose(typename graph::replays& r) {
    std::vector<device::composed_launch> launches;
    for (const auto& l : r.launches) {
      r.can_persist = r.can_persist && l.items.local_width * l.items.local_height <= 1;
      launches.push_back({*l.kernel->text, l.items, l.arguments});
    }
    if (!r.can_persist) return;
    device::cpu_persistent_kernel k = device::compose_for_cpu(launches, base::info().units);
    r.can_persist = k.buffers.size() <= most_buffers;
    if (!r.can_persist) return;
    r.can_persist = false;
    try {
      typename graph::persistent made{base::built("persistent", k.text), {}, {}, {}};
      const std::vector<std::byte> zeros(k.counter_bytes);
      made.counters = filled_buffer(zeros);
      std::vector<std::byte> numbers;
      for (const device::argument& a : k.numbers)
        numbers.insert(numbers.end(), a.bytes.begin(), a.bytes.end());
      made.numbers = filled_buffer(numbers);
      made.arguments = {device::argument_of(0U), device::argument_of(made.counters.get()),
                        device::argument_of(made.numbers.get())};
      made.arguments.insert(made.arguments.end(), k.buffers.begin(), k.buffers.end());
      r.composed = std::move(made);
    } catch (const backend_error&) {  // the launches themselves may still be queued
      if (base::is_poisoned()) throw;
    }
  }
  [[nodiscard]] auto filled_buffer(const std::vector<std::byte>& bytes) {
    const std::size_t size = bytes.size();
    device::opencl_owner<cl_mem, &Api::release_buffer> b(raw_allocate(size));
    write(b.get(), {0, size}, bytes.data(), size, size, 1);
    return b;
  }
  /// Launches the replays that were deferred.
  void raw_queue_deferred() {
    if (deferred_ == nullptr) return;
    typename graph::persistent& p = *std::exchange(deferred_, nullptr)->composed;
    p.arguments[0] = device::argument_of(std::exchange(deferrals_, 0U));
    const auto units = static_cast<std::size_t>(base::info().units);
    queue_launch(p.kernel->module, {units, 1, 1, 1}, p.arguments);
    base::count_persistent_launch();
  }

  // Staging, see runtime_base::stage().

  [[nodiscard]] staging raw_stage(std::size_t bytes) {
    staging s;
    s.memory = std::make_unique_for_overwrite<std::byte[]>(bytes);
    cl_int code = CL_SUCCESS;
    s.queue.reset(Api::create_queue(context_.get(), device_, 0, &code));
    check(code, "clCreateCommandQueue");
    return s;
  }
  void raw_mark_read(staging& s) {
    cl_event read = nullptr;
    check(Api::barrier(queue_.get(), 0, nullptr, &read), "clEnqueueBarrierWithWaitList");
    device::opencl_owner<cl_event, &Api::release_event> owner(read);
    check(Api::flush(queue_.get()), "clFlush");  // else the other queue could wait forever
    s.read = std::move(owner);
  }
  void raw_send(staging& s, cl_mem to, std::size_t at, std::size_t bytes) {
    if (!s.read) raw_mark_read(s);
    const cl_event read = s.read.get();
    cl_event sent = nullptr;
    check(Api::write_bytes(s.queue.get(), to, CL_FALSE, at, bytes, s.data(), 1, &read, &sent),
          "clEnqueueWriteBuffer");
    s.sent.reset(sent);
    s.read.reset();
    check(Api::flush(s.queue.get()), "clFlush");
    check(Api::barrier(queue_.get(), 1, &sent, nullptr), "clEnqueueBarrierWithWaitList");
  }
  [[nodiscard]] bool raw_is_sent(const staging& s) {
    // The device starts the queued work while the host prepares the next matrix.
    check(Api::flush(queue_.get()), "clFlush");
    if (!s.sent) return true;
    cl_int status = CL_COMPLETE;
    check(Api::get_event_info(s.sent.get(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status,
                              &status, nullptr),
          "clGetEventInfo");
    if (status < 0) check(status, "clEnqueueWriteBuffer");
    return status == CL_COMPLETE;
  }
  void raw_await(staging& s) { check(Api::finish(s.queue.get()), "clFinish"); }

  /// The prelude that makes the common text valid OpenCL C.
  static const char* prelude() {
    return R"(#ifdef cl_khr_fp64
#pragma OPENCL EXTENSION cl_khr_fp64 : enable
#endif
#define KERNEL __kernel void
#define KERNEL_OF(width, height) \
  __kernel __attribute__((reqd_work_group_size(width, height, 1))) void
#define KERNEL_OF_TWO(width, height) KERNEL_OF(width, height)
#define GLOBAL __global
#define LOCAL __local
#define FUNCTION static inline
#define INDEX(d) ((long)get_global_id(d))
#define GROUP(d) ((long)get_group_id(d))
#define LOCAL_INDEX(d) ((int)get_local_id(d))
#define BARRIER barrier(CLK_LOCAL_MEM_FENCE)
#define MULTIPLY_HIGH(a, b) mul_hi((uint)(a), (uint)(b))
#define UNROLL _Pragma("unroll")
)";
  }

  [[nodiscard]] std::string build_log(cl_program program) const {
    std::size_t size = 0;
    Api::get_build_info(program, device_, CL_PROGRAM_BUILD_LOG, 0, nullptr, &size);
    std::string log(size, '\0');
    Api::get_build_info(program, device_, CL_PROGRAM_BUILD_LOG, size, log.data(), nullptr);
    while (!log.empty() && log.back() == '\0') log.pop_back();  // it ends a C string
    return log;
  }

  [[nodiscard]] static std::vector<cl_device_id> device_ids() {
    cl_uint count = 0;
    if (Api::get_platform_ids(0, nullptr, &count) != CL_SUCCESS || count == 0) return {};
    std::vector<cl_platform_id> platforms(count);
    if (Api::get_platform_ids(count, platforms.data(), nullptr) != CL_SUCCESS) return {};
    std::vector<cl_device_id> found;
    constexpr cl_device_type all = CL_DEVICE_TYPE_ALL;
    constexpr cl_device_type gpus = CL_DEVICE_TYPE_GPU;
    for (const cl_device_type type : {gpus, all ^ gpus})
      for (const cl_platform_id platform : platforms) {
        cl_uint more = 0;
        if (Api::get_device_ids(platform, type, 0, nullptr, &more) != CL_SUCCESS || more == 0)
          continue;
        std::vector<cl_device_id> ids(more);
        if (Api::get_device_ids(platform, type, more, ids.data(), nullptr) == CL_SUCCESS)
          found.insert(found.end(), ids.begin(), ids.end());
      }
    return found;
  }

  [[nodiscard]] static device_info describe(cl_device_id id) {
    device_info d;
    d.api = api;
    d.name = text_of(id, CL_DEVICE_NAME);
    d.memory = number_of<cl_ulong>(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    d.units = static_cast<int>(number_of<cl_uint>(id, CL_DEVICE_MAX_COMPUTE_UNITS));
    const auto type = number_of<cl_device_type>(id, CL_DEVICE_TYPE);
    d.kind = (type & CL_DEVICE_TYPE_GPU) != 0   ? device_kind::gpu
             : (type & CL_DEVICE_TYPE_CPU) != 0 ? device_kind::processor
                                                : device_kind::accelerator;
    d.vector_bytes =
        4 * static_cast<int>(number_of<cl_uint>(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT));
    d.group_items = static_cast<int>(number_of<std::size_t>(id, CL_DEVICE_MAX_WORK_GROUP_SIZE));
    d.has_double = number_of<cl_device_fp_config>(id, CL_DEVICE_DOUBLE_FP_CONFIG) != 0;
    return d;
  }
  template <class Number>
  [[nodiscard]] static Number number_of(cl_device_id id, cl_device_info what) {
    Number value = 0;
    Api::get_device_info(id, what, sizeof value, &value, nullptr);
    return value;
  }
  [[nodiscard]] static std::string text_of(cl_device_id id, cl_device_info what) {
    std::size_t size = 0;
    Api::get_device_info(id, what, 0, nullptr, &size);
    std::string text(size, '\0');
    Api::get_device_info(id, what, size, text.data(), nullptr);
    while (!text.empty() && text.back() == '\0') text.pop_back();
    return text;
  }

  cl_device_id device_ = nullptr;
  std::string build_options_ = "-cl-std=CL1.2";
  bool persistent_ = false;  // captured steps may become persistent kernels
  typename graph::replays* deferred_ = nullptr;
  unsigned deferrals_ = 0;  // replays of it that are not queued
  device::opencl_owner<cl_context, &Api::release_context> context_;
  device::opencl_owner<cl_command_queue, &Api::release_queue> queue_;
};

using opencl_runtime = basic_opencl_runtime<opencl_api>;

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_OPENCL_RUNTIME_HPP

/// \file
/// The CUDA runtime of the device backend: devices, memory, copies, compilation and launch of
/// kernels, products by cuBLASLt, graph capture. backend/device/runtime.hpp states the contract.
///
/// Every call sets the calling thread's current device and does not restore it.
#ifndef CHAINRULE_BACKEND_CUDA_RUNTIME_HPP
#define CHAINRULE_BACKEND_CUDA_RUNTIME_HPP

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/backend/cuda/compiler.hpp"
#include "chainrule/backend/cuda/gemm.hpp"
#include "chainrule/backend/cuda/launch_shape.hpp"
#include "chainrule/backend/cuda/persistent_kernel.hpp"
#include "chainrule/backend/device/choice.hpp"
#include "chainrule/backend/device/runtime_base.hpp"

namespace chainrule {

namespace device {

/// The driver's functions, found at run time.
struct cuda_driver {
  decltype(&cuModuleLoadDataEx) load_module = nullptr;
  decltype(&cuModuleUnload) unload_module = nullptr;
  decltype(&cuModuleGetFunction) find_function = nullptr;
  decltype(&cuLaunchKernel) launch = nullptr;
  // Null unless persistent kernels are wanted and the device can launch them.
  decltype(&cuLaunchCooperativeKernel) launch_cooperative = nullptr;
  decltype(&cuOccupancyMaxActiveBlocksPerMultiprocessor) blocks_at_once = nullptr;
};

/// Unloads a module by the driver's function.
struct cuda_unloader {
  using pointer = CUmodule;
  decltype(&cuModuleUnload) unload = nullptr;
  void operator()(CUmodule m) const { unload(m); }
};

/// A kernel on the device, and the image that it was loaded from, for the kernel cache.
struct cuda_module {
  std::unique_ptr<std::remove_pointer_t<CUmodule>, cuda_unloader> module;
  CUfunction function = nullptr;
  std::string image;
};

/// The kernel that runs the work of a graph, see cuda/persistent_kernel.hpp.
template <class Kernel>
struct cuda_persistent {
  Kernel kernel;
  std::vector<argument> arguments;
  unsigned blocks = 0;
  unsigned items = 0;  // of a block
};

/// A captured step, ready to be replayed.
template <class Api, class Kernel>
struct cuda_graph {
  cuda_owner<cudaGraphExec_t, &Api::destroy_executable> executable;
  // On the heap, since replays that are deferred refer to it.
  struct replays {
    cudaGraphExec_t executable = nullptr;
    std::optional<cuda_persistent<Kernel>> persistent;
    std::string why_not;  // it is not persistent
  };
  std::unique_ptr<replays> state;
};

/// Pinned host memory, with a stream for copies from it.
template <class Api>
struct cuda_staging {
  cuda_owner<void*, &Api::release_host> memory;
  cuda_owner<cudaStream_t, &Api::destroy_stream> stream;
  cuda_owner<cudaEvent_t, &Api::destroy_event> sent;  // the last copy
  cuda_owner<cudaEvent_t, &Api::destroy_event> read;  // the verbs that read it
  bool is_marked = false;                             // `read` is recorded

  [[nodiscard]] void* data() const { return memory.get(); }
};

}  // namespace device

/// One CUDA device with a stream.
template <class Api>
class basic_cuda_runtime
    : public device::runtime_base<basic_cuda_runtime<Api>, void*, device::cuda_module> {
  using base = device::runtime_base<basic_cuda_runtime<Api>, void*, device::cuda_module>;
  friend base;

 public:
  static constexpr const char* api = "cuda";
  using typename base::module;
  using graph = device::cuda_graph<Api, typename base::kernel_handle>;
  using staging = device::cuda_staging<Api>;

  /// All devices, in the order of the driver, which heeds CUDA_VISIBLE_DEVICES; none if there is no
  /// driver, or one that is too old.
  [[nodiscard]] static std::vector<device_info> devices() {
    int count = 0;
    if (Api::device_count(&count) != cudaSuccess) {
      Api::last_error();  // else a later call would report it again
      return {};
    }
    std::vector<device_info> list;
    for (int i = 0; i < count; ++i) list.push_back(describe(i));
    return list;
  }

  /// The runtime that backends of all scalars share on a device of that list, opened at the first
  /// call. Without a choice it is the one that the environment variable CHAINRULE_CUDA_DEVICE names
  /// (its number, or a part of its name), else the first. Throws backend_error.
  [[nodiscard]] static std::shared_ptr<basic_cuda_runtime> shared(
      const device_choice& choice = {}) {
    if (const std::string why = missing(); !why.empty()) throw backend_error("CUDA: " + why);
    return device::open_once<basic_cuda_runtime>(choice, "CUDA", "CHAINRULE_CUDA_DEVICE",
                                                 "CUDA_VISIBLE_DEVICES may hide it");
  }

  /// The reason why there is no device; "" if there is one.
  [[nodiscard]] static std::string missing() {
    int count = 0;
    const cudaError_t code = Api::device_count(&count);
    if (code == cudaSuccess && count > 0) return {};
    Api::last_error();
    int driver = 0;
    int runtime = 0;
    const auto version = [](int v) { return detail::concat(v / 1000, ".", v % 1000 / 10); };
    const std::string call = detail::concat(" (cudaGetDeviceCount: ", cudaGetErrorName(code), ")");
    if (Api::driver_version(&driver) != cudaSuccess || driver == 0)
      return "there is no NVIDIA driver on this machine; install one, or use another backend" +
             call;
    Api::runtime_version(&runtime);
    if (code == cudaErrorInsufficientDriver)
      return detail::concat("the driver supports CUDA ", version(driver),
                            ", but this program was built with CUDA ", version(runtime),
                            "; install a newer driver, or build with an older toolkit", call);
    if (code == cudaErrorNoDevice || code == cudaSuccess) {
      const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
      return detail::concat(
          "the driver finds no device",
          visible == nullptr ? "" : detail::concat("; CUDA_VISIBLE_DEVICES is '", visible, "'"),
          call);
    }
    return "cudaGetDeviceCount failed with " + device::cuda_error_name(code);
  }

  /// Opens device `info.index` of devices(). Use shared(), unless it must be a stream of its own.
  explicit basic_cuda_runtime(const device_info& info) : base(info) {
    activate();
    find(driver_.load_module, "cuModuleLoadDataEx");
    find(driver_.unload_module, "cuModuleUnload");
    find(driver_.find_function, "cuModuleGetFunction");
    find(driver_.launch, "cuLaunchKernel");
    int major = 0;
    int minor = 0;
    check(Api::device_attribute(&major, cudaDevAttrComputeCapabilityMajor, info.index),
          "cudaDeviceGetAttribute");
    check(Api::device_attribute(&minor, cudaDevAttrComputeCapabilityMinor, info.index),
          "cudaDeviceGetAttribute");
    target_ = device::cuda_target_for<Api>(major * 10 + minor);
    int driver = 0;
    check(Api::driver_version(&driver), "cudaDriverGetVersion");
    fingerprint_ =
        detail::concat(device::cuda_compiler_identity<Api>(target_), "\ndriver ", driver);
    cudaStream_t stream = nullptr;
    check(Api::create_stream(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    stream_.reset(stream);
    if (persistent_) find_persistent();
  }
  ~basic_cuda_runtime() {
    if (Api::set_device(base::info().index) == cudaErrorCudartUnloading) {
      // At the end of the process CUDA is unloaded first and has freed its resources.
      if (blas_) static_cast<void>(blas_.release());
      static_cast<void>(stream_.release());
    } else {
      Api::synchronize(stream_.get());  // running work needs its kernel and its memory
      blas_.reset();
      if (workspace_ != nullptr) raw_release(workspace_);
      if (arrived_ != nullptr) raw_release(arrived_);
    }
    base::close();
  }

  /// Queues a product by cuBLASLt, see device/vendor_gemm.hpp; returns false if that does not
  /// support it. CHAINRULE_CUDA_GEMM=text uses the kernel for all products, and
  /// CHAINRULE_CUDA_PERSISTENT=1 for those of up to 2^23 multiplications. During a capture the
  /// kernel is used for products that cuBLASLt has not planned before, since its heuristic may fail
  /// then.
  template <class T>
  [[nodiscard]] bool multiply(const device::vendor_gemm<void*, T>& p) {
    if (text_gemm_) return false;
    // A product by cuBLASLt cannot be a part of a persistent kernel.
    constexpr index_t most = index_t{1} << 23;
    if (driver_.launch_cooperative != nullptr &&
        p.count * p.rows * p.cols <= most / std::max<index_t>(p.inner, 1))
      return false;
    return base::queue("gemm", [&] {
      const bool may_plan = !base::is_capturing();
      if (!blas_ && !may_plan) return false;
      activate();
      const relaxed_capture relaxed(*this);  // the library may load kernels
      if (!blas_) {
        if (workspace_ == nullptr) workspace_ = base::take(device::cuda_blas<Api>::workspace_bytes);
        blas_ = base::with_room(
            [&] { return std::make_unique<device::cuda_blas<Api>>(stream_.get(), workspace_); });
      }
      try {
        return blas_->multiply(p, may_plan);
      } catch (const backend_error& e) {
        note_loss(e.what());
        throw;
      }
    });
  }

  /// The stream of all work, for other libraries that queue work on it. Ask for it each time, since
  /// replays that were deferred are queued first. Throws backend_error.
  [[nodiscard]] cudaStream_t stream() {
    base::queue_all();
    return stream_.get();
  }

  /// The reason, as a sentence, why the replays of a captured step are not launches of one kernel;
  /// "" if they are. Without an argument that of the step captured last.
  ///
  /// With CHAINRULE_CUDA_PERSISTENT=1 the launches of captured work are composed into one kernel
  /// (cuda/persistent_kernel.hpp), and replays that follow each other are one launch of it: a
  /// replay is queued when other work is queued or the host waits, at the latest after
  /// most_deferred replays.
  [[nodiscard]] std::string why_not_persistent(const graph& g) const {
    return base::locked([&] { return g.state->why_not; });
  }
  [[nodiscard]] std::string why_not_persistent() const {
    return base::locked([&] { return why_not_; });
  }
  /// Replays that one launch runs, at most.
  static constexpr unsigned most_deferred = 64;
  /// Groups of a launch for each block that the device holds at once, at most: beyond that, kernels
  /// run for longer than their launches take.
  static constexpr std::size_t most_rounds = 16;

 private:
  /// While it lives, this thread may allocate memory and load modules during a capture, which CUDA
  /// forbids by default. Neither uses the stream.
  class relaxed_capture {
   public:
    explicit relaxed_capture(basic_cuda_runtime& r) : active_(r.is_capturing()) {
      if (active_) Api::exchange_capture_mode(&mode_);
    }
    relaxed_capture(const relaxed_capture&) = delete;
    relaxed_capture& operator=(const relaxed_capture&) = delete;
    ~relaxed_capture() {
      if (active_) Api::exchange_capture_mode(&mode_);
    }

   private:
    cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
    bool active_ = false;
  };

  /// Throws unless `code` is a success; `call` is the name of the function. Kernels run
  /// asynchronously, so the error may be that of an earlier verb.
  void check(cudaError_t code, const char* call) {
    if (code == cudaSuccess) return;
    Api::last_error();  // else a later call would report it again
    const std::string said =
        detail::concat("CUDA: ", call, " failed with ", device::cuda_error_name(code), " on ",
                       base::info().name, "; the verb queued last was ", base::last_verb());
    if (code == cudaErrorMemoryAllocation) throw out_of_memory(said);
    if (device::is_fatal(code)) {
      base::poison(said);
      throw backend_error(said + " (with CUDA_LAUNCH_BLOCKING=1 it is the one that went wrong)");
    }
    throw backend_error(said);
  }
  void check(CUresult code, const char* call) { check(static_cast<cudaError_t>(code), call); }

  /// Marks the device as lost if the error of a library was fatal, which CUDA's last error shows.
  void note_loss(const char* said) {
    if (device::is_fatal(Api::last_error())) base::poison(said);
  }

  void activate() { check(Api::set_device(base::info().index), "cudaSetDevice"); }

  template <class Function>
  void find(Function& f, const char* name) {
    void* found = nullptr;
    check(Api::driver_function(name, &found), name);
    f = reinterpret_cast<Function>(found);
  }

  [[nodiscard]] void* raw_allocate(std::size_t bytes) {
    activate();
    const relaxed_capture relaxed(*this);
    void* b = nullptr;
    const cudaError_t code = Api::allocate(&b, bytes);
    if (code == cudaErrorMemoryAllocation) {
      Api::last_error();
      throw out_of_memory(detail::concat("CUDA: no room for a buffer of ", bytes, " bytes on ",
                                         base::info().name, ", which has ", base::info().memory,
                                         " (cudaMalloc: cudaErrorMemoryAllocation)"));
    }
    check(code, "cudaMalloc");
    return b;
  }
  void raw_release(void* b) noexcept { Api::release(b); }
  void raw_fill(void* b, unsigned char value, std::size_t at, std::size_t bytes) {
    if (bytes == 0) return;
    activate();
    check(Api::fill(byte_at(b, at), value, bytes, stream_.get()), "cudaMemsetAsync");
  }

  void write(void* to, const device::rectangle& target, const void* from, std::size_t stride,
             std::size_t bytes, std::size_t rows) {
    copy(byte_at(to, target.at), target.stride, from, stride, bytes, rows, cudaMemcpyHostToDevice);
  }
  void read(void* to, std::size_t stride, void* from, const device::rectangle& source,
            std::size_t bytes, std::size_t rows) {
    copy(to, stride, byte_at(from, source.at), source.stride, bytes, rows, cudaMemcpyDeviceToHost);
  }
  void copy(void* to, std::size_t to_stride, const void* from, std::size_t from_stride,
            std::size_t bytes, std::size_t rows, cudaMemcpyKind kind) {
    activate();
    if (rows == 1 || (to_stride == bytes && from_stride == bytes))
      check(Api::copy(to, from, bytes * rows, kind, stream_.get()), "cudaMemcpyAsync");
    else
      check(Api::copy_rows(to, to_stride, from, from_stride, bytes, rows, kind, stream_.get()),
            "cudaMemcpy2DAsync");
    wait();  // the caller may reuse or read the host's memory when this returns
  }
  [[nodiscard]] static void* byte_at(void* b, std::size_t at) { return static_cast<char*>(b) + at; }

  [[nodiscard]] module build(const std::string& text) {
    return loaded(device::cuda_compile<Api>(text, target_));
  }
  [[nodiscard]] std::string binary_of(const module& m) const { return m.image; }
  [[nodiscard]] std::optional<module> load(const std::string& binary) {
    try {
      return loaded(binary);
    } catch (const out_of_memory&) {
      throw;
    } catch (const backend_error&) {
      return std::nullopt;
    }
  }
  [[nodiscard]] module loaded(std::string image) {
    activate();
    const relaxed_capture relaxed(*this);
    module m;
    m.image = std::move(image);
    CUmodule handle = nullptr;
    check(driver_.load_module(&handle, m.image.c_str(), 0, nullptr, nullptr), "cuModuleLoadDataEx");
    m.module = {handle, {driver_.unload_module}};
    check(driver_.find_function(&m.function, handle, "cr_main"), "cuModuleGetFunction");
    return m;
  }
  /// Identifies the architecture, the compiler and the driver that a binary is for.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }
  [[nodiscard]] static const char* prelude() { return device::cuda_prelude; }

  void raw_launch(module& m, const device::work& w, std::span<const device::argument> arguments) {
    activate();
    std::array<void*, 128> values;
    if (arguments.size() > values.size())
      throw backend_error(detail::concat("CUDA: a kernel of ", arguments.size(),
                                         " arguments; there may be ", values.size()));
    for (std::size_t i = 0; i < arguments.size(); ++i)
      values[i] = const_cast<std::byte*>(arguments[i].bytes.data());
    const device::launch_shape s = device::launch_shape_of(w, base::info().units);
    check(driver_.launch(m.function, s.grid_x, s.grid_y, s.grid_z, s.block_x, s.block_y, 1, 0,
                         stream_.get(), values.data(), nullptr),
          "cuLaunchKernel");
  }

  void wait() {
    activate();
    check(Api::synchronize(stream_.get()), "cudaStreamSynchronize");
  }

  // Graph capture, see runtime_base::begin_capture().

  void raw_begin_capture() {
    activate();
    check(Api::begin_capture(stream_.get(), cudaStreamCaptureModeThreadLocal),
          "cudaStreamBeginCapture");
  }
  [[nodiscard]] graph raw_end_capture() {
    activate();
    cudaGraph_t captured = nullptr;
    check(Api::end_capture(stream_.get(), &captured), "cudaStreamEndCapture");
    const device::cuda_owner<cudaGraph_t, &Api::destroy_graph> owner(captured);
    cudaGraphExec_t ready = nullptr;
    check(Api::instantiate(&ready, captured, 0), "cudaGraphInstantiateWithFlags");
    graph g{device::cuda_owner<cudaGraphExec_t, &Api::destroy_executable>(ready),
            std::make_unique<typename graph::replays>()};
    g.state->executable = ready;
    return g;
  }
  void raw_abandon_capture() noexcept {
    Api::set_device(base::info().index);
    cudaGraph_t captured = nullptr;
    Api::end_capture(stream_.get(), &captured);
    if (captured != nullptr) Api::destroy_graph(captured);
    Api::last_error();
  }
  void raw_replay(const graph& g) {
    if (deferred_ != g.state.get()) raw_queue_deferred();
    if (!g.state->persistent || base::is_capturing()) return launch_graph(*g.state);
    deferred_ = g.state.get();
    if (++deferrals_ == most_deferred) raw_queue_deferred();
  }
  void launch_graph(const typename graph::replays& g) {
    activate();
    check(Api::launch_graph(g.executable, stream_.get()), "cudaGraphLaunch");
  }

  // Persistent kernels, see why_not_persistent().

  /// Looks for what they need; leaves the driver's functions null, and says why, without it.
  void find_persistent() {
    int can = 0;
    if (Api::device_attribute(&can, cudaDevAttrCooperativeLaunch, base::info().index) !=
            cudaSuccess ||
        can == 0) {
      Api::last_error();
      unsupported_ = "the device cannot launch a kernel whose blocks wait for each other";
      return;
    }
    try {
      find(driver_.blocks_at_once, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
      find(driver_.launch_cooperative, "cuLaunchCooperativeKernel");
    } catch (const backend_error& e) {
      driver_.launch_cooperative = nullptr;
      unsupported_ = e.what();
    }
  }

  /// Composes the launches of a capture that has ended, if that is possible.
  void raw_prepare(graph& g, const typename base::held_resources& held) noexcept {
    try {
      why_not_ = compose(*g.state, held);
    } catch (const std::exception& e) {
      g.state->persistent.reset();
      const std::string_view said = e.what();  // with the text, if that does not build
      why_not_ = said.substr(0, said.find('\n'));
    }
    g.state->why_not = why_not_;
  }
  /// The reason why it is not; "" if it was composed.
  [[nodiscard]] std::string compose(typename graph::replays& g,
                                    const typename base::held_resources& held) {
    if (!persistent_) return "persistent kernels are off; CHAINRULE_CUDA_PERSISTENT=1 enables them";
    if (driver_.launch_cooperative == nullptr) return unsupported_;
    if (held.other != nullptr)
      return detail::concat("the step has work that is not a kernel of this library: ", held.other);
    if (held.launches.empty()) return "the step launches nothing";
    std::vector<device::composed_launch> launches;
    std::size_t arguments = 2, items = 0, groups = 0;  // as device::compose states them
    for (const auto& l : held.launches) {
      launches.push_back(
          {*l.kernel->text, device::grouped(l.items, base::info().units), l.arguments});
      const device::work& w = launches.back().items;
      if (w.local_width * w.local_height % 32 != 0 &&
          (l.kernel->text->find("BARRIER") != std::string::npos ||
           l.kernel->text->find("LOCAL ") != std::string::npos))
        return detail::concat("a launch of the step has groups of ", w.local_width, " x ",
                              w.local_height, " work items, which are no whole warps");
      arguments += 2 + l.arguments.size();
      items = std::max(items, w.local_width * w.local_height);
      groups = std::max(groups, w.width / w.local_width * (w.height / w.local_height));
    }
    constexpr std::size_t most_arguments = 512;  // 4096 bytes
    if (arguments > most_arguments)
      return detail::concat("the kernel would have ", arguments, " arguments; there may be ",
                            most_arguments);
    const auto units = static_cast<std::size_t>(base::info().units);
    const auto too_many = [&](std::size_t at_once) {
      return groups <= most_rounds * at_once
                 ? std::string()
                 : detail::concat("a launch of the step has ", groups,
                                  " groups of work items; there may be ", most_rounds * at_once,
                                  ", as the device holds at most ", at_once, " at once");
    };
    // Before a text is built: no multiprocessor holds more than 2048 work items.
    if (std::string why = too_many(units * (2048 / items)); !why.empty()) return why;
    device::persistent_kernel k = device::compose(launches);
    device::cuda_persistent<typename base::kernel_handle> made{base::built("persistent", k.text),
                                                               std::move(k.arguments), 0,
                                                               static_cast<unsigned>(k.items)};
    int each = 0;
    activate();
    check(driver_.blocks_at_once(&each, made.kernel->module.function, static_cast<int>(k.items), 0),
          "cuOccupancyMaxActiveBlocksPerMultiprocessor");
    const std::size_t at_once = static_cast<std::size_t>(std::max(each, 0)) * units;
    if (at_once == 0) return "no block of the kernel fits into a multiprocessor";
    if (std::string why = too_many(at_once); !why.empty()) return why;
    made.blocks = static_cast<unsigned>(std::min(k.groups, at_once));
    if (arrived_ == nullptr) {
      constexpr std::size_t bytes = 64;
      void* const counter = base::take(bytes);
      try {
        raw_fill(counter, 0, 0, bytes);
      } catch (...) {
        raw_release(counter);
        throw;
      }
      arrived_ = counter;
    }
    made.arguments[1] = device::argument_of(arrived_);
    g.persistent = std::move(made);
    return {};
  }

  /// Launches the replays that were deferred. If the driver refuses, the graph is launched instead,
  /// then and later.
  void raw_queue_deferred() {
    if (deferred_ == nullptr) return;
    typename graph::replays& g = *std::exchange(deferred_, nullptr);
    const unsigned steps = std::exchange(deferrals_, 0);
    device::cuda_persistent<typename base::kernel_handle>& p = *g.persistent;
    p.arguments[0] = device::argument_of(steps);
    std::vector<void*>& values = values_;
    values.clear();
    for (device::argument& a : p.arguments) values.push_back(a.bytes.data());
    activate();
    const auto code = static_cast<cudaError_t>(driver_.launch_cooperative(
        p.kernel->module.function, p.blocks, 1, 1, p.items, 1, 1, 0, stream_.get(), values.data()));
    if (code == cudaSuccess) return base::count_persistent_launch();
    if (device::is_fatal(code)) check(code, "cuLaunchCooperativeKernel");
    Api::last_error();
    g.persistent.reset();
    g.why_not = why_not_ =
        detail::concat("cuLaunchCooperativeKernel failed with ", device::cuda_error_name(code));
    for (unsigned i = 0; i < steps; ++i) launch_graph(g);
  }

  // Staging, see runtime_base::stage().

  [[nodiscard]] staging raw_stage(std::size_t bytes) {
    activate();
    staging s;
    void* memory = nullptr;
    check(Api::allocate_host(&memory, bytes > 0 ? bytes : 1), "cudaHostAlloc");
    s.memory.reset(memory);
    cudaStream_t stream = nullptr;
    check(Api::create_stream(&stream, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    s.stream.reset(stream);
    for (auto* owner : {&s.sent, &s.read}) {
      cudaEvent_t event = nullptr;
      check(Api::create_event(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      owner->reset(event);
    }
    return s;
  }
  void raw_mark_read(staging& s) {
    activate();
    check(Api::record_event(s.read.get(), stream_.get()), "cudaEventRecord");
    s.is_marked = true;
  }
  void raw_send(staging& s, void* to, std::size_t at, std::size_t bytes) {
    if (!s.is_marked) raw_mark_read(s);
    activate();
    check(Api::let_stream_wait(s.stream.get(), s.read.get(), 0), "cudaStreamWaitEvent");
    s.is_marked = false;
    check(Api::copy(byte_at(to, at), s.data(), bytes, cudaMemcpyHostToDevice, s.stream.get()),
          "cudaMemcpyAsync");
    check(Api::record_event(s.sent.get(), s.stream.get()), "cudaEventRecord");
    check(Api::let_stream_wait(stream_.get(), s.sent.get(), 0), "cudaStreamWaitEvent");
  }
  [[nodiscard]] bool raw_is_sent(const staging& s) {
    activate();
    const cudaError_t code = Api::query_stream(s.stream.get());
    if (code == cudaErrorNotReady) {
      Api::last_error();  // else a later call would report it
      return false;
    }
    check(code, "cudaStreamQuery");
    return true;
  }
  void raw_await(staging& s) {
    activate();
    check(Api::synchronize(s.stream.get()), "cudaStreamSynchronize");
  }

  [[nodiscard]] static device_info describe(int index) {
    device_info d;
    d.api = api;
    d.index = index;
    std::size_t bytes = 0;
    if (Api::describe(index, d.name, bytes) != cudaSuccess) Api::last_error();
    d.memory = bytes;
    if (Api::device_attribute(&d.units, cudaDevAttrMultiProcessorCount, index) != cudaSuccess)
      Api::last_error();
    d.kind = device_kind::gpu;
    d.has_double = true;
    return d;
  }

  device::cuda_driver driver_;
  device::cuda_target target_;
  std::string fingerprint_;
  device::cuda_owner<cudaStream_t, &Api::destroy_stream> stream_;
  void* workspace_ = nullptr;
  std::unique_ptr<device::cuda_blas<Api>> blas_;
  bool text_gemm_ = text_gemm_wanted();
  bool persistent_ = device::is_set("CHAINRULE_CUDA_PERSISTENT");
  std::string unsupported_;  // why the device has no persistent kernels
  std::string why_not_;      // the step captured last has none
  void* arrived_ = nullptr;  // the counter of barriers over grids
  typename graph::replays* deferred_ = nullptr;
  unsigned deferrals_ = 0;     // replays of it that are not queued
  std::vector<void*> values_;  // arguments of a launch

  [[nodiscard]] static bool text_gemm_wanted() {
    const char* wanted = std::getenv("CHAINRULE_CUDA_GEMM");
    return wanted != nullptr && std::string_view(wanted) == "text";
  }
};

using cuda_runtime = basic_cuda_runtime<cuda_api>;

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CUDA_RUNTIME_HPP

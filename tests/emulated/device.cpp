// The part of the emulated device that stands for cudart and the driver.

#include "emulated/device.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "emulated/emulated_cuda.hpp"
#include "emulated/faults.hpp"
#include "emulated/kernel.hpp"

namespace emulated {

namespace {

constexpr int devices = 2;
constexpr std::size_t device_bytes = std::size_t{1} << 32;
/// Of multiprocessors: few, so that small products are large enough for large tiles.
constexpr int units = 4;
constexpr int capability = 90;
/// Blocks that a multiprocessor holds: so few that they compute several groups of a launch.
constexpr int blocks_of_unit = 1;
/// A stream takes so much work; then the host waits until some is done.
constexpr std::size_t most_queued = 1024;
constexpr std::size_t most_shared_bytes = 48 << 10;
/// Memory and the zones around it begin as NaN.
constexpr std::size_t guard_bytes = 256;
constexpr unsigned char unset = 0xff;

struct operation {
  const char* call = "";
  std::function<void()> work;
  const void* host = nullptr;  // memory of the host's that it reads or writes
};

struct stream;

/// A place in a stream that an event stands for.
struct mark {
  stream* in = nullptr;
  bool is_reached = false;
};
struct event {
  int device = 0;
  std::shared_ptr<mark> last;
};

struct capture {
  std::thread::id thread;
  std::vector<operation> noted;
};
struct stream {
  int device = 0;
  std::deque<operation> queue;
  std::optional<capture> captured;

  void run_one() {
    const operation next = std::move(queue.front());
    queue.pop_front();
    next.work();
  }
  void run() {
    while (!queue.empty()) run_one();
  }
};

struct graph {
  int device = 0;
  std::vector<operation> operations;
};

struct allocation {
  std::size_t bytes = 0;
  int device = 0;
};

struct program {
  std::string text;
  std::string log;
  std::string image;
};

struct module {
  std::unique_ptr<kernel> code;
  int device = 0;
};

/// All that the devices have. It is never destroyed: static runtimes outlive everything.
struct state {
  std::recursive_mutex mutex;
  std::set<const void*> alive;
  std::set<stream*> streams;
  std::map<const char*, allocation> memory;
  std::size_t used[devices] = {};
};
state& all() {
  static auto* const s = new state;
  return *s;
}

thread_local int current_device = 0;
thread_local cudaStreamCaptureMode capture_mode = cudaStreamCaptureModeGlobal;

/// The capture of the calling thread, if it has one.
[[nodiscard]] bool captures() {
  return std::any_of(all().streams.begin(), all().streams.end(), [](const stream* s) {
    return s->captured.has_value() && s->captured->thread == std::this_thread::get_id();
  });
}

[[nodiscard]] stream& stream_of(cudaStream_t s, const char* call) {
  if (s == nullptr) fail(call, ": on the default stream, which waits for all others");
  return at<stream>(s, call);
}
/// A stream that work is queued on, which has to be one of the current device.
[[nodiscard]] stream& current_stream(cudaStream_t s, const char* call) {
  stream& found = stream_of(s, call);
  if (found.device != current_device)
    fail(call, ": the stream is one of device ", found.device, ", but device ", current_device,
         " is the calling thread's");
  return found;
}

void enqueue(stream& s, operation o) {
  if (s.captured.has_value()) {
    if (s.captured->thread != std::this_thread::get_id())
      fail(o.call, ": another thread captures that stream");
    s.captured->noted.push_back(std::move(o));
    return;
  }
  s.queue.push_back(std::move(o));
  if (s.queue.size() > most_queued) s.run_one();
}

/// Everything on a device is done, as before memory is released.
void run_all(int device) {
  for (stream* s : all().streams)
    if (s->device == device) s->run();
}

/// The allocation that a pointer leads into.
[[nodiscard]] const std::pair<const char* const, allocation>* allocation_at(const void* p) {
  auto after = all().memory.upper_bound(static_cast<const char*>(p));
  if (after == all().memory.begin()) return nullptr;
  --after;
  return static_cast<const char*>(p) <= after->first + after->second.bytes ? &*after : nullptr;
}
void require_memory_of(int device, const void* p, std::size_t bytes, const char* what) {
  const auto* const a = allocation_at(p);
  if (a == nullptr) fail(what, " is no memory of a device's, or was released");
  if (a->second.device != device)
    fail(what, " is memory of device ", a->second.device, ", used on device ", device);
  if (static_cast<const char*>(p) + bytes > a->first + a->second.bytes)
    fail(what, " reaches ",
         bytes -
             (a->second.bytes - static_cast<std::size_t>(static_cast<const char*>(p) - a->first)),
         " bytes beyond memory of ", a->second.bytes);
}

void look_for_damage(const char* p, std::size_t bytes) {
  for (std::size_t i = 0; i < guard_bytes; ++i)
    for (const char* const at : {p - 1 - i, p + bytes + i})
      if (static_cast<unsigned char>(*at) != unset)
        fail("a kernel wrote byte ", at - p, " of memory of ", bytes, " bytes");
}

/// Copies rows, late: also what the host's memory holds is looked at when the copy is done.
cudaError_t copy_rows(const char* call, void* to, std::size_t to_stride, const void* from,
                      std::size_t from_stride, std::size_t bytes, std::size_t rows,
                      cudaMemcpyKind kind, cudaStream_t s) {
  const auto held = lock();
  stream& on = current_stream(s, call);
  if (rows > 1 && (to_stride < bytes || from_stride < bytes))
    fail(call, ": rows of ", bytes, " bytes lie ", to_stride, " and ", from_stride, " apart");
  if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToHost)
    fail(call, ": only copies from and to the host are emulated");
  if (on.captured.has_value()) fail(call, ": a copy of the host's memory in a capture");
  if (bytes == 0 || rows == 0) return cudaSuccess;
  const bool down = kind == cudaMemcpyDeviceToHost;
  const auto whole = (rows - 1) * (down ? from_stride : to_stride) + bytes;
  require_memory_of(on.device, down ? from : to, whole, call);
  if (allocation_at(down ? to : from) != nullptr) fail(call, ": the host's memory is a device's");
  enqueue(on, {call,
               [=] {
                 for (std::size_t i = 0; i < rows; ++i)
                   std::memcpy(static_cast<char*>(to) + i * to_stride,
                               static_cast<const char*>(from) + i * from_stride, bytes);
               },
               down ? to : from});
  return cudaSuccess;
}

/// Loads what compile_program() made.
CUresult load_module(CUmodule* m, const void* image, unsigned, CUjit_option*, void**) {
  const auto held = lock();
  require_no_capture("cuModuleLoadDataEx");
  module& made = make<module>(*m);
  made.code = std::make_unique<kernel>(static_cast<const char*>(image));
  made.device = current_device;
  if (made.code->about().shared_bytes > most_shared_bytes)
    fail("a kernel has ", made.code->about().shared_bytes, " bytes of shared memory; there are ",
         most_shared_bytes);
  return CUDA_SUCCESS;
}
CUresult unload_module(CUmodule m) {
  const auto held = lock();
  require_no_capture("cuModuleUnload");
  unmake<module>(m, "cuModuleUnload");
  return CUDA_SUCCESS;
}
CUresult find_function(CUfunction* f, CUmodule m, const char* name) {
  const auto held = lock();
  require_life(m, "cuModuleGetFunction");
  if (std::string_view(name) != "cr_main") return CUDA_ERROR_NOT_FOUND;
  *f = reinterpret_cast<CUfunction>(m);
  return CUDA_SUCCESS;
}
CUresult launch(const char* call, bool together, CUfunction f, unsigned gx, unsigned gy,
                unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream s,
                void** values, void** extra) {
  const auto held = lock();
  stream& on = current_stream(s, call);
  const module& m = at<module>(f, call);
  if (m.device != on.device) fail(call, ": a kernel of device ", m.device, " on ", on.device);
  if (gx == 0 || gy == 0 || gz == 0 || gx > 0x7fffffff || gy > 65535 || gz > 65535)
    fail(call, ": a grid of ", gx, " x ", gy, " x ", gz, " blocks");
  if (bx == 0 || by == 0 || bz == 0 || bx > 1024 || by > 1024 || bz > 64 || bx * by * bz > 1024)
    fail(call, ": a block of ", bx, " x ", by, " x ", bz, " threads");
  if (shared != 0 || extra != nullptr) fail(call, ": dynamic shared memory is not emulated");
  const kernel_interface& about = m.code->about();
  if (bx * by * bz > about.most_threads)
    fail(call, ": a block of ", bx * by * bz, " threads, of which the kernel may have ",
         about.most_threads, " by its launch bounds");
  if (together && gx * gy * gz > units * blocks_of_unit)
    fail(call, ": ", gx * gy * gz, " blocks are to wait for each other; the device runs ",
         units * blocks_of_unit, " at a time");
  if (together && on.captured.has_value()) fail(call, ": in a capture, which is not emulated");
  std::vector<std::uint64_t> arguments(about.parameters);
  for (unsigned i = 0; i < about.parameters; ++i)
    std::memcpy(&arguments[i], values[i], about.sizes[i]);
  enqueue(on, {call, [f, together, device = on.device, arguments = std::move(arguments),
                      blocks = index3{gx, gy, gz}, threads = index3{bx, by, bz}] {
                 const module& now = at<module>(f, "a launch whose module was unloaded");
                 const kernel_interface& i = now.code->about();
                 for (unsigned n = 0; n < i.parameters; ++n)
                   if (i.are_pointers[n])
                     require_memory_of(device, reinterpret_cast<const void*>(arguments[n]), 0,
                                       "an argument of a kernel");
                 if (together)
                   now.code->run_together(blocks, threads, arguments);
                 else
                   now.code->run(blocks, threads, arguments);
               }});
  return CUDA_SUCCESS;
}
CUresult launch_kernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                       unsigned by, unsigned bz, unsigned shared, CUstream s, void** values,
                       void** extra) {
  return launch("cuLaunchKernel", false, f, gx, gy, gz, bx, by, bz, shared, s, values, extra);
}
CUresult launch_cooperative(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                            unsigned by, unsigned bz, unsigned shared, CUstream s, void** values) {
  return launch("cuLaunchCooperativeKernel", true, f, gx, gy, gz, bx, by, bz, shared, s, values,
                nullptr);
}
CUresult blocks_at_once(int* blocks, CUfunction f, int, std::size_t) {
  const auto held = lock();
  require_life(f, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  *blocks = blocks_of_unit;
  return CUDA_SUCCESS;
}

}  // namespace

std::unique_lock<std::recursive_mutex> lock() {
  return std::unique_lock<std::recursive_mutex>(all().mutex);
}

void begin_life(const void* object) { all().alive.insert(object); }
void end_life(const void* object, const char* call) {
  require_life(object, call);
  all().alive.erase(object);
}
void require_life(const void* object, const char* call) {
  if (all().alive.count(object) == 0) fail(call, ": a handle that was destroyed, or none");
}

void require_memory(const void* p, std::size_t bytes, const char* what) {
  require_memory_of(current_device, p, bytes, what);
}

void enqueue(cudaStream_t s, const char* call, std::function<void()> work) {
  enqueue(current_stream(s, call), {call, std::move(work)});
}

bool is_capturing() { return captures(); }
void require_no_capture(const char* call) {
  if (capture_mode != cudaStreamCaptureModeRelaxed && captures())
    fail(call, ": forbidden while the thread captures a stream");
}

}  // namespace emulated

namespace support {

using namespace emulated;

cudaError_t emulated_cuda::device_count(int* count) {
  *count = devices;
  return cudaSuccess;
}
cudaError_t emulated_cuda::device_attribute(int* value, cudaDeviceAttr what, int) {
  switch (what) {
    case cudaDevAttrMultiProcessorCount:
      *value = units;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor:
      *value = capability / 10;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = capability % 10;
      return cudaSuccess;
    case cudaDevAttrCooperativeLaunch:
      *value = 1;
      return cudaSuccess;
    default:
      fail("cudaDeviceGetAttribute: attribute ", static_cast<int>(what), " is not emulated");
  }
}
cudaError_t emulated_cuda::driver_version(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t emulated_cuda::runtime_version(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t emulated_cuda::last_error() { return cudaSuccess; }
cudaError_t emulated_cuda::set_device(int device) {
  if (device < 0 || device >= devices) return cudaErrorInvalidDevice;
  current_device = device;
  return cudaSuccess;
}
cudaError_t emulated_cuda::describe(int device, std::string& name, std::size_t& bytes) {
  name = "Emulated GPU " + std::to_string(device);
  bytes = device_bytes;
  return cudaSuccess;
}
cudaError_t emulated_cuda::driver_function(const char* name, void** function) {
  const std::string_view wanted = name;
  *function = wanted == "cuModuleLoadDataEx"          ? reinterpret_cast<void*>(&load_module)
              : wanted == "cuModuleUnload"            ? reinterpret_cast<void*>(&unload_module)
              : wanted == "cuModuleGetFunction"       ? reinterpret_cast<void*>(&find_function)
              : wanted == "cuLaunchKernel"            ? reinterpret_cast<void*>(&launch_kernel)
              : wanted == "cuLaunchCooperativeKernel" ? reinterpret_cast<void*>(&launch_cooperative)
              : wanted == "cuOccupancyMaxActiveBlocksPerMultiprocessor"
                  ? reinterpret_cast<void*>(&blocks_at_once)
                  : nullptr;
  return *function == nullptr ? cudaErrorSymbolNotFound : cudaSuccess;
}

// Memory

cudaError_t emulated_cuda::allocate(void** p, std::size_t bytes) {
  const auto held = lock();
  require_no_capture("cudaMalloc");
  if (bytes > device_bytes - all().used[current_device]) return cudaErrorMemoryAllocation;
  const std::size_t whole = (bytes + 2 * guard_bytes + 255) / 256 * 256;
  auto* const memory = static_cast<char*>(std::aligned_alloc(256, whole));
  if (memory == nullptr) return cudaErrorMemoryAllocation;
  std::memset(memory, unset, whole);
  all().memory[memory + guard_bytes] = {bytes, current_device};
  all().used[current_device] += bytes;
  *p = memory + guard_bytes;
  return cudaSuccess;
}
cudaError_t emulated_cuda::release(void* p) {
  const auto held = lock();
  require_no_capture("cudaFree");
  if (p == nullptr) return cudaSuccess;
  const auto found = all().memory.find(static_cast<char*>(p));
  if (found == all().memory.end()) fail("cudaFree: no memory of a device's, or freed before");
  run_all(found->second.device);
  look_for_damage(found->first, found->second.bytes);
  all().used[found->second.device] -= found->second.bytes;
  all().memory.erase(found);
  std::free(static_cast<char*>(p) - guard_bytes);
  return cudaSuccess;
}
cudaError_t emulated_cuda::allocate_host(void** p, std::size_t bytes) {
  const auto held = lock();
  require_no_capture("cudaHostAlloc");
  *p = std::malloc(bytes);
  if (*p == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*p, unset, bytes);
  begin_life(*p);
  return cudaSuccess;
}
cudaError_t emulated_cuda::release_host(void* p) {
  const auto held = lock();
  require_no_capture("cudaFreeHost");
  for (const stream* s : all().streams)
    for (const operation& o : s->queue)
      if (o.host == p) fail("cudaFreeHost: a copy of that memory is still queued");
  end_life(p, "cudaFreeHost");
  std::free(p);
  return cudaSuccess;
}
cudaError_t emulated_cuda::fill(void* p, int value, std::size_t bytes, cudaStream_t s) {
  const auto held = lock();
  require_memory(p, bytes, "the target of cudaMemsetAsync");
  emulated::enqueue(s, "cudaMemsetAsync", [=] { std::memset(p, value, bytes); });
  return cudaSuccess;
}
cudaError_t emulated_cuda::copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                cudaStream_t s) {
  return emulated::copy_rows("cudaMemcpyAsync", to, bytes, from, bytes, bytes, 1, kind, s);
}
cudaError_t emulated_cuda::copy_rows(void* to, std::size_t to_stride, const void* from,
                                     std::size_t from_stride, std::size_t bytes, std::size_t rows,
                                     cudaMemcpyKind kind, cudaStream_t s) {
  return emulated::copy_rows("cudaMemcpy2DAsync", to, to_stride, from, from_stride, bytes, rows,
                             kind, s);
}

// Streams and events

cudaError_t emulated_cuda::create_stream(cudaStream_t* s, unsigned flags) {
  const auto held = lock();
  if (flags != cudaStreamNonBlocking) fail("a stream that waits for the default one");
  stream& made = make<stream>(*s);
  made.device = current_device;
  all().streams.insert(&made);
  return cudaSuccess;
}
cudaError_t emulated_cuda::destroy_stream(cudaStream_t s) {
  const auto held = lock();
  stream& gone = stream_of(s, "cudaStreamDestroy");
  if (gone.captured.has_value()) fail("cudaStreamDestroy: the stream is being captured");
  gone.run();
  all().streams.erase(&gone);
  unmake<stream>(s, "cudaStreamDestroy");
  return cudaSuccess;
}
cudaError_t emulated_cuda::synchronize(cudaStream_t s) {
  const auto held = lock();
  stream& on = stream_of(s, "cudaStreamSynchronize");
  if (on.captured.has_value()) fail("cudaStreamSynchronize: the stream is being captured");
  if (has_fault("synchronize")) on.queue.clear();  // as if the host looked before it is done
  on.run();
  return cudaSuccess;
}
cudaError_t emulated_cuda::query_stream(cudaStream_t s) {
  const auto held = lock();
  stream& on = stream_of(s, "cudaStreamQuery");
  if (on.captured.has_value()) fail("cudaStreamQuery: the stream is being captured");
  if (on.queue.empty()) return cudaSuccess;
  on.run_one();  // who asks again and again comes to an end
  return cudaErrorNotReady;
}
cudaError_t emulated_cuda::let_stream_wait(cudaStream_t s, cudaEvent_t e, unsigned) {
  const auto held = lock();
  stream& on = current_stream(s, "cudaStreamWaitEvent");
  if (on.captured.has_value()) fail("cudaStreamWaitEvent in a capture is not emulated");
  const std::shared_ptr<mark> until = at<event>(e, "cudaStreamWaitEvent").last;
  static int calls = 0;
  if (until == nullptr || has_fault(++calls % 2 == 1 ? "wait1" : "wait2")) return cudaSuccess;
  enqueue(on, {"cudaStreamWaitEvent", [until] {
                 while (!until->is_reached) until->in->run_one();
               }});
  return cudaSuccess;
}
cudaError_t emulated_cuda::create_event(cudaEvent_t* e, unsigned) {
  const auto held = lock();
  make<event>(*e).device = current_device;
  return cudaSuccess;
}
cudaError_t emulated_cuda::destroy_event(cudaEvent_t e) {
  const auto held = lock();
  unmake<event>(e, "cudaEventDestroy");
  return cudaSuccess;
}
cudaError_t emulated_cuda::record_event(cudaEvent_t e, cudaStream_t s) {
  const auto held = lock();
  stream& on = current_stream(s, "cudaEventRecord");
  event& now = at<event>(e, "cudaEventRecord");
  if (now.device != on.device) fail("cudaEventRecord: event and stream are of different devices");
  if (on.captured.has_value()) fail("cudaEventRecord in a capture is not emulated");
  now.last = std::make_shared<mark>(mark{&on, false});
  enqueue(on, {"cudaEventRecord", [m = now.last] { m->is_reached = true; }});
  return cudaSuccess;
}

// Graphs

cudaError_t emulated_cuda::begin_capture(cudaStream_t s, cudaStreamCaptureMode mode) {
  const auto held = lock();
  stream& on = current_stream(s, "cudaStreamBeginCapture");
  if (mode != cudaStreamCaptureModeThreadLocal)
    fail("cudaStreamBeginCapture: only captures of the calling thread's are emulated");
  if (on.captured.has_value()) fail("cudaStreamBeginCapture: the stream is being captured");
  on.captured.emplace(capture{std::this_thread::get_id(), {}});
  return cudaSuccess;
}
cudaError_t emulated_cuda::end_capture(cudaStream_t s, cudaGraph_t* g) {
  const auto held = lock();
  stream& on = current_stream(s, "cudaStreamEndCapture");
  if (!on.captured.has_value()) fail("cudaStreamEndCapture: the stream is not being captured");
  if (on.captured->thread != std::this_thread::get_id())
    fail("cudaStreamEndCapture: another thread began the capture");
  graph& made = make<graph>(*g);
  made.device = on.device;
  made.operations = std::move(on.captured->noted);
  on.captured.reset();
  return cudaSuccess;
}
cudaError_t emulated_cuda::exchange_capture_mode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, capture_mode);
  return cudaSuccess;
}
cudaError_t emulated_cuda::instantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  const auto held = lock();
  require_no_capture("cudaGraphInstantiate");
  const graph noted = at<graph>(g, "cudaGraphInstantiate");
  if (noted.device != current_device)
    fail("cudaGraphInstantiate: a graph of device ", noted.device, " on device ", current_device);
  make<graph>(*e) = noted;
  return cudaSuccess;
}
cudaError_t emulated_cuda::destroy_graph(cudaGraph_t g) {
  const auto held = lock();
  unmake<graph>(g, "cudaGraphDestroy");
  return cudaSuccess;
}
cudaError_t emulated_cuda::launch_graph(cudaGraphExec_t e, cudaStream_t s) {
  const auto held = lock();
  stream& on = current_stream(s, "cudaGraphLaunch");
  if (on.captured.has_value()) fail("cudaGraphLaunch in a capture is not emulated");
  const graph& ready = at<graph>(e, "cudaGraphLaunch");
  if (ready.device != on.device) fail("cudaGraphLaunch: graph and stream of different devices");
  for (const operation& o : ready.operations) enqueue(on, o);
  return cudaSuccess;
}
cudaError_t emulated_cuda::destroy_executable(cudaGraphExec_t e) {
  const auto held = lock();
  unmake<graph>(e, "cudaGraphExecDestroy");
  return cudaSuccess;
}

// NVRTC

nvrtcResult emulated_cuda::compiler_version(int* major, int* minor) {
  *major = CUDART_VERSION / 1000;
  *minor = emulated::compiler_version();  // what the cache of kernels goes by
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::architecture_count(int* count) {
  *count = 1;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::architectures(int* list) {
  *list = capability;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::create_program(nvrtcProgram* p, const char* text, const char*, int,
                                          const char* const*, const char* const*) {
  const auto held = lock();
  make<program>(*p).text = text;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::destroy_program(nvrtcProgram* p) {
  const auto held = lock();
  unmake<program>(*p, "nvrtcDestroyProgram");
  *p = nullptr;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::compile_program(nvrtcProgram p, int, const char* const*) {
  const auto held = lock();
  program& of = at<program>(p, "nvrtcCompileProgram");
  const std::optional<std::string> image = compile(with_fault(of.text), of.log);
  if (!image) return NVRTC_ERROR_COMPILATION;
  of.image = *image;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::log_size(nvrtcProgram p, std::size_t* size) {
  const auto held = lock();
  *size = at<program>(p, "nvrtcGetProgramLogSize").log.size() + 1;
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::log(nvrtcProgram p, char* text) {
  const auto held = lock();
  const std::string& said = at<program>(p, "nvrtcGetProgramLog").log;
  std::memcpy(text, said.c_str(), said.size() + 1);
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::cubin_size(nvrtcProgram p, std::size_t* size) {
  const auto held = lock();
  *size = at<program>(p, "nvrtcGetCUBINSize").image.size();
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::cubin(nvrtcProgram p, char* to) {
  const auto held = lock();
  const std::string& image = at<program>(p, "nvrtcGetCUBIN").image;
  std::memcpy(to, image.data(), image.size());
  return NVRTC_SUCCESS;
}
nvrtcResult emulated_cuda::ptx_size(nvrtcProgram p, std::size_t* size) {
  return cubin_size(p, size);
}
nvrtcResult emulated_cuda::ptx(nvrtcProgram p, char* to) { return cubin(p, to); }

}  // namespace support

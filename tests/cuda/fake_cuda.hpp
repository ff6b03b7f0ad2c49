/// \file
/// CUDA without a GPU: a call table over the host's memory, for tests of what the host does.
///
///     using fake_runtime = chainrule::basic_cuda_runtime<support::fake_cuda>;
///     fake_cuda::reset();
///     fake_cuda::fail("cudaMalloc", 3);               // the third call fails
///     ...
///     CHECK(fake_cuda::now().alive == 0);             // everything was given back
///
/// Copies and fills are done, launches are noted, programs "compile" to their own text. Products
/// are computed as cuBLASLt's documentation says. While a stream is being captured, what CUDA
/// forbids then fails as it does there.
#ifndef CHAINRULE_TESTS_CUDA_FAKE_CUDA_HPP
#define CHAINRULE_TESTS_CUDA_FAKE_CUDA_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/backend/cuda/runtime.hpp"

namespace support {

struct fake_cuda {
  /// A launch: of which text, over which grid, with which arguments (8 bytes of each).
  struct launched {
    std::string text;
    unsigned grid[3] = {};
    unsigned block[3] = {};
    const void* module = nullptr;
    std::vector<std::uint64_t> arguments;
    bool is_cooperative = false;
  };
  struct state {
    int devices = 1;
    cudaError_t counting = cudaSuccess;  // what cudaGetDeviceCount says
    int driver = 13000;
    int capability = 90;
    int units = 4;
    bool cooperates = true;  // blocks may wait for each other
    int blocks_of_unit = 2;
    std::vector<int> architectures{75, 80, 86, 89, 90, 100, 120};
    bool is_busy = false;            // what was queued is never found done
    bool knows_products = true;      // else the heuristic finds no algorithm
    cudaError_t lost = cudaSuccess;  // every call fails with it from now on

    int alive = 0;  // objects that were made and not yet destroyed
    std::map<void*, std::size_t> memory;
    std::map<std::string, int> calls;  // by name, those that failed too
    std::vector<launched> launches;    // done or replayed
    std::vector<std::string> texts;    // compiled
    std::vector<unsigned> alignments;  // that heuristics were asked for: A, B, C, D in turn
    int products = 0;
    int heuristics = 0;

    int current = 0;  // the calling thread's device
    int queued = 0;   // work that nobody has waited for
    int cut_off = 0;  // modules that were unloaded meanwhile, or before a graph of theirs ran
    std::set<const void*> modules;  // that are loaded
    int elsewhere = 0;              // captures that were ended while another device was current

    bool capturing = false;
    bool broken = false;  // the capture met a call that is forbidden
    bool relaxed = false;
    std::vector<launched> noted;

    std::string failing;
    int fails_at = 0;
    int fails_with = 0;
  };
  static state& now() {
    static state s;
    return s;
  }
  static void reset() {
    now() = state{};
    ::setenv("CHAINRULE_CACHE_DIR", "off", 1);  // what the fake compiles is no good to anybody
  }
  /// The k-th call of that name from now on fails with `code`; by default with the API's error for
  /// lack of memory or an unknown failure.
  static void fail(const std::string& call, int k, int code = 0) {
    now().failing = call;
    now().fails_at = now().calls[call] + k;
    now().fails_with = code;
  }

 private:
  template <class Code>
  static bool fails(const char* call, Code& code, Code usual) {
    const int number = ++now().calls[call];
    if (now().failing == call && number == now().fails_at) {
      code = now().fails_with == 0 ? usual : static_cast<Code>(now().fails_with);
      return true;
    }
    return false;
  }
  /// The state of a call of cudart: an error that is asked for, or that of a lost device.
  static cudaError_t outcome(const char* call, cudaError_t usual = cudaErrorInvalidValue) {
    cudaError_t code = cudaSuccess;
    if (fails(call, code, usual)) {
      if (chainrule::device::is_fatal(code)) now().lost = code;
      return code;
    }
    return now().lost;
  }
  static CUresult driver_outcome(const char* call) { return static_cast<CUresult>(outcome(call)); }
  static nvrtcResult compiler_outcome(const char* call) {
    nvrtcResult code = NVRTC_SUCCESS;
    fails(call, code, NVRTC_ERROR_INTERNAL_ERROR);
    return code;
  }
  static cublasStatus_t blas_outcome(const char* call) {
    cublasStatus_t code = CUBLAS_STATUS_SUCCESS;
    fails(call, code, CUBLAS_STATUS_INTERNAL_ERROR);
    return code;
  }
  /// What CUDA does not allow while a stream is being captured breaks the capture.
  static bool is_forbidden(bool although_relaxed) {
    if (!now().capturing || (now().relaxed && !although_relaxed)) return false;
    now().broken = true;
    return true;
  }

  struct object {
    std::string text;
    std::vector<launched> launches;
    std::map<int, std::vector<char>> attributes;
    std::int64_t rows = 0, cols = 0, stride = 0;
    int device = 0;
    std::int64_t step = 0;   // of a batch
    std::int32_t count = 1;  // likewise
    cudaDataType_t type = CUDA_R_32F;
  };
  template <class Handle>
  static object* make(Handle& h) {
    ++now().alive;
    auto* o = new object;
    h = reinterpret_cast<Handle>(o);
    return o;
  }
  template <class Handle>
  static object& at(Handle h) {
    return *reinterpret_cast<object*>(h);
  }
  template <class Handle>
  static void unmake(Handle h) {
    if (h == nullptr) return;
    --now().alive;
    delete reinterpret_cast<object*>(h);
  }
  static void perform(launched l) {
    if (!now().capturing) ++now().queued;
    (now().capturing ? now().noted : now().launches).push_back(std::move(l));
  }

 public:
  // cudart

  static cudaError_t device_count(int* count) {
    *count = now().devices;
    const cudaError_t code = outcome("cudaGetDeviceCount");
    return code == cudaSuccess ? now().counting : code;
  }
  static cudaError_t describe(int device, std::string& name, std::size_t& bytes) {
    name = "Fake GPU " + std::to_string(device);
    bytes = std::size_t{1} << 30;
    return outcome("cudaGetDeviceProperties");
  }
  static cudaError_t device_attribute(int* value, cudaDeviceAttr what, int) {
    *value = what == cudaDevAttrMultiProcessorCount      ? now().units
             : what == cudaDevAttrCooperativeLaunch      ? (now().cooperates ? 1 : 0)
             : what == cudaDevAttrComputeCapabilityMajor ? now().capability / 10
                                                         : now().capability % 10;
    return outcome("cudaDeviceGetAttribute");
  }
  static cudaError_t driver_version(int* v) {
    *v = now().driver;
    return outcome("cudaDriverGetVersion");
  }
  static cudaError_t runtime_version(int* v) {
    *v = 13000;
    return cudaSuccess;
  }
  static cudaError_t last_error() { return now().lost; }
  static cudaError_t set_device(int device) {
    const cudaError_t code = outcome("cudaSetDevice");
    if (code == cudaSuccess) now().current = device;
    return code;
  }
  static cudaError_t allocate(void** p, std::size_t bytes) {
    const cudaError_t code = outcome("cudaMalloc", cudaErrorMemoryAllocation);
    if (code != cudaSuccess) return code;
    if (is_forbidden(false)) return cudaErrorStreamCaptureUnsupported;
    *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
    now().memory[*p] = bytes;
    ++now().alive;
    return cudaSuccess;
  }
  static cudaError_t release(void* p) {
    if (now().memory.erase(p) == 0) std::abort();  // not ours, or freed twice
    --now().alive;
    std::free(p);
    return cudaSuccess;
  }
  static cudaError_t fill(void* p, int value, std::size_t bytes, cudaStream_t) {
    const cudaError_t code = outcome("cudaMemsetAsync");
    if (code == cudaSuccess && !now().capturing) std::memset(p, value, bytes);
    return code;
  }
  static cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                          cudaStream_t) {
    const cudaError_t code = outcome("cudaMemcpyAsync");
    if (code != cudaSuccess) return code;
    std::memcpy(to, from, bytes);
    return cudaSuccess;
  }
  static cudaError_t copy_rows(void* to, std::size_t to_stride, const void* from,
                               std::size_t from_stride, std::size_t bytes, std::size_t rows,
                               cudaMemcpyKind, cudaStream_t) {
    const cudaError_t code = outcome("cudaMemcpy2DAsync");
    if (code != cudaSuccess) return code;
    if (to_stride < bytes || from_stride < bytes) return cudaErrorInvalidPitchValue;
    for (std::size_t i = 0; i < rows; ++i)
      std::memcpy(static_cast<char*>(to) + i * to_stride,
                  static_cast<const char*>(from) + i * from_stride, bytes);
    return cudaSuccess;
  }
  static cudaError_t create_stream(cudaStream_t* s, unsigned) {
    const cudaError_t code = outcome("cudaStreamCreateWithFlags");
    if (code == cudaSuccess) make(*s)->device = now().current;
    return code;
  }
  static cudaError_t destroy_stream(cudaStream_t s) {
    unmake(s);
    return cudaSuccess;
  }
  static cudaError_t synchronize(cudaStream_t) {
    const cudaError_t code = outcome("cudaStreamSynchronize");
    if (code != cudaSuccess) return code;
    if (is_forbidden(true)) return cudaErrorStreamCaptureUnsupported;
    now().queued = 0;
    return cudaSuccess;
  }
  static cudaError_t query_stream(cudaStream_t) {
    const cudaError_t code = outcome("cudaStreamQuery");
    return code == cudaSuccess && now().is_busy ? cudaErrorNotReady : code;
  }
  static cudaError_t let_stream_wait(cudaStream_t, cudaEvent_t e, unsigned) {
    const cudaError_t code = outcome("cudaStreamWaitEvent");
    return code == cudaSuccess && e == nullptr ? cudaErrorInvalidResourceHandle : code;
  }
  static cudaError_t create_event(cudaEvent_t* e, unsigned) {
    const cudaError_t code = outcome("cudaEventCreateWithFlags");
    if (code == cudaSuccess) make(*e);
    return code;
  }
  static cudaError_t destroy_event(cudaEvent_t e) {
    unmake(e);
    return cudaSuccess;
  }
  static cudaError_t record_event(cudaEvent_t, cudaStream_t) { return outcome("cudaEventRecord"); }
  static cudaError_t allocate_host(void** p, std::size_t bytes) {
    const cudaError_t code = outcome("cudaHostAlloc", cudaErrorMemoryAllocation);
    if (code != cudaSuccess) return code;
    *p = std::malloc(bytes);
    ++now().alive;
    return cudaSuccess;
  }
  static cudaError_t release_host(void* p) {
    --now().alive;
    std::free(p);
    return cudaSuccess;
  }
  static cudaError_t begin_capture(cudaStream_t, cudaStreamCaptureMode mode) {
    const cudaError_t code = outcome("cudaStreamBeginCapture");
    if (code != cudaSuccess) return code;
    if (now().capturing || mode != cudaStreamCaptureModeThreadLocal) return cudaErrorIllegalState;
    now().capturing = true;
    now().broken = false;
    now().noted.clear();
    return cudaSuccess;
  }
  static cudaError_t end_capture(cudaStream_t s, cudaGraph_t* g) {
    *g = nullptr;
    if (at(s).device != now().current) ++now().elsewhere;
    if (!now().capturing) return cudaErrorIllegalState;
    now().capturing = false;
    const cudaError_t code = outcome("cudaStreamEndCapture");
    if (code != cudaSuccess) return code;
    if (now().broken) return cudaErrorStreamCaptureInvalidated;
    make(*g)->launches = now().noted;
    return cudaSuccess;
  }
  static cudaError_t exchange_capture_mode(cudaStreamCaptureMode* mode) {
    const bool was = now().relaxed;
    now().relaxed = *mode == cudaStreamCaptureModeRelaxed;
    *mode = was ? cudaStreamCaptureModeRelaxed : cudaStreamCaptureModeGlobal;
    return cudaSuccess;
  }
  static cudaError_t instantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
    const cudaError_t code = outcome("cudaGraphInstantiateWithFlags");
    if (code == cudaSuccess) make(*e)->launches = at(g).launches;
    return code;
  }
  static cudaError_t destroy_graph(cudaGraph_t g) {
    unmake(g);
    return cudaSuccess;
  }
  static cudaError_t launch_graph(cudaGraphExec_t e, cudaStream_t) {
    const cudaError_t code = outcome("cudaGraphLaunch");
    if (code == cudaSuccess)
      for (const launched& l : at(e).launches) {
        if (l.module != nullptr && now().modules.count(l.module) == 0) ++now().cut_off;
        perform(l);
      }
    return code;
  }
  static cudaError_t destroy_executable(cudaGraphExec_t e) {
    unmake(e);
    return cudaSuccess;
  }

  // The driver

  static cudaError_t driver_function(const char* name, void** function) {
    const std::string_view wanted = name;
    *function = wanted == "cuModuleLoadDataEx"    ? reinterpret_cast<void*>(&load_module)
                : wanted == "cuModuleUnload"      ? reinterpret_cast<void*>(&unload_module)
                : wanted == "cuModuleGetFunction" ? reinterpret_cast<void*>(&find_function)
                : wanted == "cuLaunchKernel"      ? reinterpret_cast<void*>(&launch)
                : wanted == "cuLaunchCooperativeKernel"
                    ? reinterpret_cast<void*>(&launch_cooperative)
                : wanted == "cuOccupancyMaxActiveBlocksPerMultiprocessor"
                    ? reinterpret_cast<void*>(&blocks_at_once)
                    : nullptr;
    return outcome("cudaGetDriverEntryPoint");
  }
  static CUresult load_module(CUmodule* m, const void* image, unsigned, CUjit_option*, void**) {
    const CUresult code = driver_outcome("cuModuleLoadDataEx");
    if (code != CUDA_SUCCESS) return code;
    if (is_forbidden(false)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    make(*m)->text = static_cast<const char*>(image);
    now().modules.insert(*m);
    return CUDA_SUCCESS;
  }
  static CUresult unload_module(CUmodule m) {
    if (now().queued > 0) ++now().cut_off;
    now().modules.erase(m);
    unmake(m);
    return CUDA_SUCCESS;
  }
  static CUresult find_function(CUfunction* f, CUmodule m, const char* name) {
    const CUresult code = driver_outcome("cuModuleGetFunction");
    if (code != CUDA_SUCCESS) return code;
    if (at(m).text.find(name) == std::string::npos) return CUDA_ERROR_NOT_FOUND;
    *f = reinterpret_cast<CUfunction>(m);
    return CUDA_SUCCESS;
  }
  static CUresult launch(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                         unsigned by, unsigned bz, unsigned, CUstream, void** arguments, void**) {
    return launch_by("cuLaunchKernel", f, gx, gy, gz, bx, by, bz, arguments);
  }
  static CUresult launch_cooperative(CUfunction f, unsigned gx, unsigned gy, unsigned gz,
                                     unsigned bx, unsigned by, unsigned bz, unsigned, CUstream,
                                     void** arguments) {
    return launch_by("cuLaunchCooperativeKernel", f, gx, gy, gz, bx, by, bz, arguments);
  }
  static CUresult blocks_at_once(int* blocks, CUfunction, int, std::size_t) {
    *blocks = now().blocks_of_unit;
    return driver_outcome("cuOccupancyMaxActiveBlocksPerMultiprocessor");
  }
  static CUresult launch_by(const char* call, CUfunction f, unsigned gx, unsigned gy, unsigned gz,
                         unsigned bx, unsigned by, unsigned bz, void** arguments) {
    const CUresult code = driver_outcome(call);
    if (code != CUDA_SUCCESS) return code;
    const bool together = call != std::string_view("cuLaunchKernel");
    if (together && gx * gy * gz > static_cast<unsigned>(now().units) *
                                       static_cast<unsigned>(now().blocks_of_unit))
      return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
    if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || bx * by * bz > 1024)
      return CUDA_ERROR_INVALID_VALUE;
    launched l{at(f).text, {gx, gy, gz}, {bx, by, bz}, f, {}, together};
    // As many arguments as the text's kernel has parameters.
    const std::size_t from = l.text.rfind(" cr_main(");
    const std::string parameters = l.text.substr(from, l.text.find('{', from) - from);
    const auto count = 1 + std::count(parameters.begin(), parameters.end(), ',');
    for (std::ptrdiff_t i = 0; i < count; ++i) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, arguments[i], sizeof bits);
      l.arguments.push_back(bits);
    }
    perform(std::move(l));
    return CUDA_SUCCESS;
  }

  // NVRTC: the machine code of a text is the text.

  static nvrtcResult compiler_version(int* major, int* minor) {
    *major = 13, *minor = 0;
    return compiler_outcome("nvrtcVersion");
  }
  static nvrtcResult architecture_count(int* count) {
    *count = static_cast<int>(now().architectures.size());
    return compiler_outcome("nvrtcGetNumSupportedArchs");
  }
  static nvrtcResult architectures(int* list) {
    std::copy(now().architectures.begin(), now().architectures.end(), list);
    return compiler_outcome("nvrtcGetSupportedArchs");
  }
  static nvrtcResult create_program(nvrtcProgram* p, const char* text, const char*, int,
                                    const char* const*, const char* const*) {
    const nvrtcResult code = compiler_outcome("nvrtcCreateProgram");
    if (code == NVRTC_SUCCESS) make(*p)->text = text;
    return code;
  }
  static nvrtcResult destroy_program(nvrtcProgram* p) {
    unmake(*p);
    return NVRTC_SUCCESS;
  }
  static nvrtcResult compile_program(nvrtcProgram p, int, const char* const*) {
    const nvrtcResult code = compiler_outcome("nvrtcCompileProgram");
    if (code == NVRTC_SUCCESS) now().texts.push_back(at(p).text);
    return code;
  }
  static nvrtcResult log_size(nvrtcProgram, std::size_t* size) {
    *size = sizeof said;
    return NVRTC_SUCCESS;
  }
  static nvrtcResult log(nvrtcProgram, char* text) {
    std::memcpy(text, said, sizeof said);
    return NVRTC_SUCCESS;
  }
  static nvrtcResult cubin_size(nvrtcProgram p, std::size_t* size) {
    *size = at(p).text.size();
    return compiler_outcome("nvrtcGetCUBINSize");
  }
  static nvrtcResult cubin(nvrtcProgram p, char* to) {
    std::memcpy(to, at(p).text.data(), at(p).text.size());
    return compiler_outcome("nvrtcGetCUBIN");
  }
  static nvrtcResult ptx_size(nvrtcProgram p, std::size_t* size) { return cubin_size(p, size); }
  static nvrtcResult ptx(nvrtcProgram p, char* to) { return cubin(p, to); }
  static constexpr char said[] = "kernel.cu(3): error: what the compiler says";

  // cuBLASLt

  static cublasStatus_t create_blas(cublasLtHandle_t* h) {
    if (is_forbidden(true)) return CUBLAS_STATUS_INTERNAL_ERROR;
    const cublasStatus_t code = blas_outcome("cublasLtCreate");
    if (code == CUBLAS_STATUS_SUCCESS) make(*h);
    return code;
  }
  static cublasStatus_t destroy_blas(cublasLtHandle_t h) {
    unmake(h);
    return CUBLAS_STATUS_SUCCESS;
  }
  static cublasStatus_t create_product(cublasLtMatmulDesc_t* p, cublasComputeType_t compute,
                                       cudaDataType_t) {
    const cublasStatus_t code = blas_outcome("cublasLtMatmulDescCreate");
    if (code == CUBLAS_STATUS_SUCCESS) make(*p)->rows = compute;
    return code;
  }
  static cublasStatus_t destroy_product(cublasLtMatmulDesc_t p) {
    unmake(p);
    return CUBLAS_STATUS_SUCCESS;
  }
  static cublasStatus_t set_product(cublasLtMatmulDesc_t p, cublasLtMatmulDescAttributes_t what,
                                    const void* value, std::size_t size) {
    const auto* bytes = static_cast<const char*>(value);
    at(p).attributes[what].assign(bytes, bytes + size);
    return blas_outcome("cublasLtMatmulDescSetAttribute");
  }
  static cublasStatus_t create_layout(cublasLtMatrixLayout_t* l, cudaDataType_t type,
                                      std::uint64_t rows, std::uint64_t cols, std::int64_t stride) {
    const cublasStatus_t code = blas_outcome("cublasLtMatrixLayoutCreate");
    if (code != CUBLAS_STATUS_SUCCESS) return code;
    if (stride < static_cast<std::int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
    object* o = make(*l);
    o->type = type;
    o->rows = static_cast<std::int64_t>(rows);
    o->cols = static_cast<std::int64_t>(cols);
    o->stride = stride;
    return code;
  }
  static cublasStatus_t destroy_layout(cublasLtMatrixLayout_t l) {
    unmake(l);
    return CUBLAS_STATUS_SUCCESS;
  }
  static cublasStatus_t set_layout(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t what,
                                   const void* value, std::size_t size) {
    object& o = at(l);
    if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && size == sizeof o.count)
      std::memcpy(&o.count, value, size);
    else if (what == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && size == sizeof o.step)
      std::memcpy(&o.step, value, size);
    else
      return CUBLAS_STATUS_INVALID_VALUE;
    return blas_outcome("cublasLtMatrixLayoutSetAttribute");
  }
  static cublasStatus_t create_preference(cublasLtMatmulPreference_t* p) {
    const cublasStatus_t code = blas_outcome("cublasLtMatmulPreferenceCreate");
    if (code == CUBLAS_STATUS_SUCCESS) make(*p);
    return code;
  }
  static cublasStatus_t destroy_preference(cublasLtMatmulPreference_t p) {
    unmake(p);
    return CUBLAS_STATUS_SUCCESS;
  }
  static cublasStatus_t set_preference(cublasLtMatmulPreference_t,
                                       cublasLtMatmulPreferenceAttributes_t what, const void* value,
                                       std::size_t size) {
    if (what != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES && size == sizeof(std::uint32_t))
      now().alignments.push_back(*static_cast<const std::uint32_t*>(value));
    return blas_outcome("cublasLtMatmulPreferenceSetAttribute");
  }
  static cublasStatus_t find_algorithms(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                        cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                        cublasLtMatmulPreference_t, int,
                                        cublasLtMatmulHeuristicResult_t* results, int* count) {
    if (is_forbidden(true)) return CUBLAS_STATUS_INTERNAL_ERROR;
    ++now().heuristics;
    *count = now().knows_products ? 1 : 0;
    results[0].state = CUBLAS_STATUS_SUCCESS;
    const cublasStatus_t code = blas_outcome("cublasLtMatmulAlgoGetHeuristic");
    return code == CUBLAS_STATUS_SUCCESS && !now().knows_products ? CUBLAS_STATUS_NOT_SUPPORTED
                                                                  : code;
  }
  static cublasStatus_t multiply(cublasLtHandle_t, cublasLtMatmulDesc_t p, const void* alpha,
                                 const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                 cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                                 cublasLtMatrixLayout_t c_layout, void* d,
                                 cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t*,
                                 void* workspace, std::size_t workspace_size, cudaStream_t) {
    const cublasStatus_t code = blas_outcome("cublasLtMatmul");
    if (code != CUBLAS_STATUS_SUCCESS) return code;
    if (now().memory.at(workspace) < workspace_size || c != d || c_layout != d_layout)
      return CUBLAS_STATUS_INVALID_VALUE;
    ++now().products;
    if (!now().capturing) ++now().queued;
    if (now().capturing) {
      launched l;
      l.text = "cublasLtMatmul";
      perform(std::move(l));
      return code;
    }
    const auto products = at(d_layout).count;
    if (at(a_layout).count != products || at(b_layout).count != products)
      return CUBLAS_STATUS_INVALID_VALUE;
    const bool is_float = at(a_layout).type == CUDA_R_32F;
    for (std::int32_t i = 0; i < products; ++i) {
      const cublasStatus_t done = is_float
                                      ? compute<float>(at(p), alpha, a, at(a_layout), b,
                                                       at(b_layout), beta, d, at(d_layout), i)
                                      : compute<double>(at(p), alpha, a, at(a_layout), b,
                                                        at(b_layout), beta, d, at(d_layout), i);
      if (done != CUBLAS_STATUS_SUCCESS) return done;
    }
    return code;
  }

 private:
  template <class Value>
  static Value attribute(const object& o, cublasLtMatmulDescAttributes_t what, Value value) {
    const auto found = o.attributes.find(what);
    if (found != o.attributes.end()) std::memcpy(&value, found->second.data(), sizeof value);
    return value;
  }
  /// D = epilogue(alpha op(A) op(B) + beta D + bias), all column-major; bias has an element per
  /// row. In a batch, product number `i`.
  template <class T>
  static cublasStatus_t compute(const object& p, const void* alpha, const void* a,
                                const object& a_layout, const void* b, const object& b_layout,
                                const void* beta, void* d, const object& d_layout,
                                std::int32_t number) {
    a = static_cast<const T*>(a) + number * a_layout.step;
    b = static_cast<const T*>(b) + number * b_layout.step;
    d = static_cast<T*>(d) + number * d_layout.step;
    const bool a_turned = attribute(p, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_N) == CUBLAS_OP_T;
    const bool b_turned = attribute(p, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N) == CUBLAS_OP_T;
    const auto rows = d_layout.rows;
    const auto cols = d_layout.cols;
    const auto inner = a_turned ? a_layout.rows : a_layout.cols;
    if ((a_turned ? a_layout.cols : a_layout.rows) != rows ||
        (b_turned ? b_layout.cols : b_layout.rows) != inner ||
        (b_turned ? b_layout.rows : b_layout.cols) != cols)
      return CUBLAS_STATUS_INVALID_VALUE;
    const auto element = [](const void* m, const object& l, std::int64_t i, std::int64_t j) {
      return static_cast<const T*>(m)[i + j * l.stride];
    };
    const int epilogue = attribute(p, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
    const auto* bias = static_cast<const T*>(
        attribute<const void*>(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr));
    const T al = *static_cast<const T*>(alpha);
    const T be = *static_cast<const T*>(beta);
    for (std::int64_t j = 0; j < cols; ++j)
      for (std::int64_t i = 0; i < rows; ++i) {
        T sum = 0;
        for (std::int64_t k = 0; k < inner; ++k)
          sum += (a_turned ? element(a, a_layout, k, i) : element(a, a_layout, i, k)) *
                 (b_turned ? element(b, b_layout, j, k) : element(b, b_layout, k, j));
        T value = al * sum;
        T& out = static_cast<T*>(d)[i + j * d_layout.stride];
        if (be != T(0)) value += be * out;
        if ((epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) value += bias[i];
        if ((epilogue & CUBLASLT_EPILOGUE_RELU) != 0) value = std::max(value, T(0));
        if ((epilogue & CUBLASLT_EPILOGUE_GELU) != 0)
          value = T(0.5) * value *
                  (1 + std::tanh(T(0.7978845608028654) *
                                 (value + T(0.044715) * value * value * value)));
        out = value;
      }
    return CUBLAS_STATUS_SUCCESS;
  }
};

using fake_runtime = chainrule::basic_cuda_runtime<fake_cuda>;

}  // namespace support

#endif  // CHAINRULE_TESTS_CUDA_FAKE_CUDA_HPP

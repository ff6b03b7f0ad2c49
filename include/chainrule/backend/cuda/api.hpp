/// \file
/// The functions of CUDA that the runtime calls, as a table, and the names of their error codes.
/// Needs the CUDA toolkit's headers and its libraries cudart and nvrtc (11.4 or later), and
/// cublasLt for products; this is the only file that includes them.
///
/// Modules and launches are functions of the driver, whose library is missing on machines without a
/// GPU: they are looked up at run time, so that a program starts there too.
///
/// The runtime is a template over the table, so that a test can replace it and let the k-th call
/// fail.
#ifndef CHAINRULE_BACKEND_CUDA_API_HPP
#define CHAINRULE_BACKEND_CUDA_API_HPP

#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nvrtc.h>

#include <atomic>
#include <string>

#include "chainrule/core/error.hpp"

namespace chainrule {

namespace device {

/// A library of the toolkit, opened when the first of its functions is called: these libraries have
/// tens to hundreds of megabytes, which programs without CUDA should not load. Throws backend_error
/// if it is not found.
[[nodiscard]] inline void* open_library(const std::string& name, const char* what) {
  void* const opened = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr)
    throw backend_error(detail::concat("CUDA: ", what, " cannot be opened (", dlerror(),
                                       "); install it from the CUDA toolkit ",
                                       CUDART_VERSION / 1000));
  return opened;
}
struct cublaslt {
  [[nodiscard]] static void* library() {
    static void* const opened =
        open_library("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR), "cuBLASLt");
    return opened;
  }
};
struct nvrtc {
  [[nodiscard]] static void* library() {
    // All of CUDA 11 from 11.2 on has that version.
    static void* const opened = open_library(
        CUDART_VERSION < 12000 ? "libnvrtc.so.11.2"
                               : "libnvrtc.so." + std::to_string(CUDART_VERSION / 1000),
        "NVRTC");
    return opened;
  }
};

/// A function of such a library, looked up when it is first called.
template <class Library, class Function>
struct function_of_library {
  const char* name;
  mutable std::atomic<Function*> found = nullptr;

  template <class... Args>
  auto operator()(Args... args) const {
    Function* function = found.load(std::memory_order_relaxed);
    if (function == nullptr) {
      function = reinterpret_cast<Function*>(dlsym(Library::library(), name));
      if (function == nullptr)
        throw backend_error(detail::concat("CUDA: its library has no function ", name));
      found.store(function, std::memory_order_relaxed);
    }
    return function(args...);
  }
};
template <class Function>
using in_cublaslt = function_of_library<cublaslt, Function>;
template <class Function>
using in_nvrtc = function_of_library<nvrtc, Function>;

}  // namespace device

/// The functions of CUDA's libraries.
struct cuda_api {
  static constexpr auto* device_count = &cudaGetDeviceCount;
  static constexpr auto* device_attribute = &cudaDeviceGetAttribute;
  static constexpr auto* driver_version = &cudaDriverGetVersion;
  static constexpr auto* runtime_version = &cudaRuntimeGetVersion;
  static constexpr auto* last_error = &cudaGetLastError;
  static constexpr auto* set_device = &cudaSetDevice;
  static constexpr auto* release = &cudaFree;
  static constexpr auto* fill = &cudaMemsetAsync;
  static constexpr auto* copy = &cudaMemcpyAsync;
  static constexpr auto* copy_rows = &cudaMemcpy2DAsync;
  static constexpr auto* create_stream = &cudaStreamCreateWithFlags;
  static constexpr auto* destroy_stream = &cudaStreamDestroy;
  static constexpr auto* synchronize = &cudaStreamSynchronize;
  static constexpr auto* query_stream = &cudaStreamQuery;
  static constexpr auto* let_stream_wait = &cudaStreamWaitEvent;
  static constexpr auto* create_event = &cudaEventCreateWithFlags;
  static constexpr auto* destroy_event = &cudaEventDestroy;
  static constexpr auto* record_event = &cudaEventRecord;
  static constexpr auto* release_host = &cudaFreeHost;
  static constexpr auto* begin_capture = &cudaStreamBeginCapture;
  static constexpr auto* end_capture = &cudaStreamEndCapture;
  static constexpr auto* exchange_capture_mode = &cudaThreadExchangeStreamCaptureMode;
  static constexpr auto* instantiate = &cudaGraphInstantiateWithFlags;
  static constexpr auto* destroy_graph = &cudaGraphDestroy;
  static constexpr auto* launch_graph = &cudaGraphLaunch;
  static constexpr auto* destroy_executable = &cudaGraphExecDestroy;

  // Functions of their own, for <cuda_runtime.h> overloads cudaMalloc.
  static cudaError_t allocate(void** p, std::size_t bytes) { return cudaMalloc(p, bytes); }
  /// Pinned host memory.
  static cudaError_t allocate_host(void** p, std::size_t bytes) {
    return cudaHostAlloc(p, bytes, cudaHostAllocDefault);
  }

  /// A device's name and memory.
  static cudaError_t describe(int device, std::string& name, std::size_t& bytes) {
    cudaDeviceProp p{};
    const cudaError_t code = cudaGetDeviceProperties(&p, device);
    name = p.name;
    bytes = p.totalGlobalMem;
    return code;
  }

  /// A function of the driver by its name.
  static cudaError_t driver_function(const char* name, void** function) {
    *function = nullptr;
#if CUDART_VERSION >= 12050
    cudaDriverEntryPointQueryResult found{};
    const cudaError_t code =
        cudaGetDriverEntryPointByVersion(name, function, 12000, cudaEnableDefault, &found);
#elif CUDART_VERSION >= 12000
    cudaDriverEntryPointQueryResult found{};
    const cudaError_t code = cudaGetDriverEntryPoint(name, function, cudaEnableDefault, &found);
#else
    const cudaError_t code = cudaGetDriverEntryPoint(name, function, cudaEnableDefault);
#endif
    return code == cudaSuccess && *function == nullptr ? cudaErrorSymbolNotFound : code;
  }

  static constexpr device::in_nvrtc<decltype(nvrtcVersion)> compiler_version{"nvrtcVersion"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetNumSupportedArchs)> architecture_count{
      "nvrtcGetNumSupportedArchs"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetSupportedArchs)> architectures{
      "nvrtcGetSupportedArchs"};
  static constexpr device::in_nvrtc<decltype(nvrtcCreateProgram)> create_program{
      "nvrtcCreateProgram"};
  static constexpr device::in_nvrtc<decltype(nvrtcDestroyProgram)> destroy_program{
      "nvrtcDestroyProgram"};
  static constexpr device::in_nvrtc<decltype(nvrtcCompileProgram)> compile_program{
      "nvrtcCompileProgram"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetProgramLogSize)> log_size{
      "nvrtcGetProgramLogSize"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetProgramLog)> log{"nvrtcGetProgramLog"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetCUBINSize)> cubin_size{"nvrtcGetCUBINSize"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetCUBIN)> cubin{"nvrtcGetCUBIN"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetPTXSize)> ptx_size{"nvrtcGetPTXSize"};
  static constexpr device::in_nvrtc<decltype(nvrtcGetPTX)> ptx{"nvrtcGetPTX"};

  static constexpr device::in_cublaslt<decltype(cublasLtCreate)> create_blas{"cublasLtCreate"};
  static constexpr device::in_cublaslt<decltype(cublasLtDestroy)> destroy_blas{"cublasLtDestroy"};
  static constexpr device::in_cublaslt<decltype(cublasLtGetVersion)> blas_version{
      "cublasLtGetVersion"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulDescCreate)> create_product{
      "cublasLtMatmulDescCreate"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulDescDestroy)> destroy_product{
      "cublasLtMatmulDescDestroy"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulDescSetAttribute)> set_product{
      "cublasLtMatmulDescSetAttribute"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatrixLayoutCreate)> create_layout{
      "cublasLtMatrixLayoutCreate"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatrixLayoutSetAttribute)> set_layout{
      "cublasLtMatrixLayoutSetAttribute"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatrixLayoutDestroy)> destroy_layout{
      "cublasLtMatrixLayoutDestroy"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulPreferenceCreate)> create_preference{
      "cublasLtMatmulPreferenceCreate"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulPreferenceDestroy)>
      destroy_preference{"cublasLtMatmulPreferenceDestroy"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulPreferenceSetAttribute)>
      set_preference{"cublasLtMatmulPreferenceSetAttribute"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmulAlgoGetHeuristic)> find_algorithms{
      "cublasLtMatmulAlgoGetHeuristic"};
  static constexpr device::in_cublaslt<decltype(cublasLtMatmul)> multiply{"cublasLtMatmul"};
};

namespace device {

// The error codes of the driver are those of cudart under other names.

/// The name and the meaning of an error, for messages.
[[nodiscard]] inline std::string cuda_error_name(cudaError_t code) {
  return std::string(cudaGetErrorName(code)) + " (" + cudaGetErrorString(code) + ")";
}
[[nodiscard]] inline std::string cuda_error_name(CUresult code) {
  return cuda_error_name(static_cast<cudaError_t>(code));
}
[[nodiscard]] inline std::string cuda_error_name(nvrtcResult code) {
  switch (code) {
    case NVRTC_ERROR_OUT_OF_MEMORY:
      return "NVRTC_ERROR_OUT_OF_MEMORY";
    case NVRTC_ERROR_PROGRAM_CREATION_FAILURE:
      return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case NVRTC_ERROR_INVALID_INPUT:
      return "NVRTC_ERROR_INVALID_INPUT";
    case NVRTC_ERROR_INVALID_PROGRAM:
      return "NVRTC_ERROR_INVALID_PROGRAM";
    case NVRTC_ERROR_INVALID_OPTION:
      return "NVRTC_ERROR_INVALID_OPTION";
    case NVRTC_ERROR_COMPILATION:
      return "NVRTC_ERROR_COMPILATION";
    case NVRTC_ERROR_BUILTIN_OPERATION_FAILURE:
      return "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE";
    case NVRTC_ERROR_INTERNAL_ERROR:
      return "NVRTC_ERROR_INTERNAL_ERROR";
    default:
      return "NVRTC error " + std::to_string(static_cast<int>(code));
  }
}
[[nodiscard]] inline std::string cuda_error_name(cublasStatus_t code) {
  switch (code) {
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "cuBLAS status " + std::to_string(static_cast<int>(code));
  }
}

/// Whether an error has ended the process's work on a device: every later call fails likewise.
[[nodiscard]] inline bool is_fatal(cudaError_t code) {
  switch (code) {
    case cudaErrorECCUncorrectable:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorContextIsDestroyed:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorUnknown:
      return true;
    default:
      break;
  }
  // Codes that older headers do not name: a contained error, a leak of tensor memory, the end of
  // another process, an external device.
  const int number = static_cast<int>(code);
  return number == 226 || number == 721 || number == 810 || number == 911;
}

}  // namespace device
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CUDA_API_HPP

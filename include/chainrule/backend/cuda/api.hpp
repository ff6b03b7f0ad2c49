/// \file
/// The calls of CUDA that the runtime makes, as a table, and what their error codes are called.
/// Needs the CUDA toolkit's headers and its libraries cudart, nvrtc and cublasLt (11.4 or later);
/// this is the only file that includes them.
///
/// Modules and launches belong to the driver, whose library machines without a GPU lack: its
/// functions are asked for at run time, so that a program starts there all the same.
///
/// The runtime is a template over the table, so that a test can put itself between the two and let
/// the k-th call fail.
#ifndef CHAINRULE_BACKEND_CUDA_API_HPP
#define CHAINRULE_BACKEND_CUDA_API_HPP

#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <nvrtc.h>

#include <string>

namespace chainrule {

/// The functions of CUDA's libraries.
struct cuda_api {
  static constexpr auto* device_count = &cudaGetDeviceCount;
  static constexpr auto* device_attribute = &cudaDeviceGetAttribute;
  static constexpr auto* driver_version = &cudaDriverGetVersion;
  static constexpr auto* runtime_version = &cudaRuntimeGetVersion;
  static constexpr auto* last_error = &cudaGetLastError;
  static constexpr auto* set_device = &cudaSetDevice;
  static constexpr auto* allocate = &cudaMalloc;
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

  /// Memory of the host's that the device reaches by itself.
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

  static constexpr auto* compiler_version = &nvrtcVersion;
  static constexpr auto* architecture_count = &nvrtcGetNumSupportedArchs;
  static constexpr auto* architectures = &nvrtcGetSupportedArchs;
  static constexpr auto* create_program = &nvrtcCreateProgram;
  static constexpr auto* destroy_program = &nvrtcDestroyProgram;
  static constexpr auto* compile_program = &nvrtcCompileProgram;
  static constexpr auto* log_size = &nvrtcGetProgramLogSize;
  static constexpr auto* log = &nvrtcGetProgramLog;
  static constexpr auto* cubin_size = &nvrtcGetCUBINSize;
  static constexpr auto* cubin = &nvrtcGetCUBIN;
  static constexpr auto* ptx_size = &nvrtcGetPTXSize;
  static constexpr auto* ptx = &nvrtcGetPTX;

  static constexpr auto* create_blas = &cublasLtCreate;
  static constexpr auto* destroy_blas = &cublasLtDestroy;
  static constexpr auto* blas_version = &cublasLtGetVersion;
  static constexpr auto* create_product = &cublasLtMatmulDescCreate;
  static constexpr auto* destroy_product = &cublasLtMatmulDescDestroy;
  static constexpr auto* set_product = &cublasLtMatmulDescSetAttribute;
  static constexpr auto* create_layout = &cublasLtMatrixLayoutCreate;
  static constexpr auto* destroy_layout = &cublasLtMatrixLayoutDestroy;
  static constexpr auto* create_preference = &cublasLtMatmulPreferenceCreate;
  static constexpr auto* destroy_preference = &cublasLtMatmulPreferenceDestroy;
  static constexpr auto* set_preference = &cublasLtMatmulPreferenceSetAttribute;
  static constexpr auto* find_algorithms = &cublasLtMatmulAlgoGetHeuristic;
  static constexpr auto* multiply = &cublasLtMatmul;
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
  return nvrtcGetErrorString(code);
}
[[nodiscard]] inline std::string cuda_error_name(cublasStatus_t code) {
  return cublasLtGetStatusName(code);
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
  // What older headers do not know: a contained error, a leak of tensor memory, another process's
  // end, a device outside.
  const int number = static_cast<int>(code);
  return number == 226 || number == 721 || number == 810 || number == 911;
}

}  // namespace device
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CUDA_API_HPP

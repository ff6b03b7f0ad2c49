/// \file
/// CUDA without a GPU: a call table that executes what the library asks of CUDA, on the host.
///
///     CHAINRULE_EMULATED_CUDA=1 build/tests/test_cuda_conformance
///     CHAINRULE_EMULATED_CUDA=1 CHAINRULE_EMULATED_ORDER=reverse build/tests/test_cuda_train
///
/// - NVRTC is the host's compiler, on the kernel's text behind kernel_side.cpp; see kernel.hpp.
/// - cuBLASLt is a loop; see blas.cpp.
/// - Work is done as late as CUDA permits: what is asked of a stream waits until the host waits for
///   it, or another stream has to. So a wait that is missing shows, also that of a copy.
/// - All memory begins as NaN and lies between guard zones.
/// - What CUDA forbids ends the program with a sentence: calls that may not be made while a stream
///   is captured, launches beyond the limits, divergent barriers, memory that is none of the
///   device's, handles that are gone, a device that is not the calling thread's.
///
/// Blocks of a cooperative launch all run, each until it waits for another one; the device holds
/// four of them.
///
/// There are two devices. The environment:
///
///     CHAINRULE_EMULATED_CUDA=1         take this table (support/chosen_cuda.hpp)
///     CHAINRULE_EMULATED_ORDER=reverse  blocks and threads run from the last to the first
///     CHAINRULE_EMULATED_FAULT          a fault that the suites have to find, see faults.hpp
///
/// What the host's compiler has built is kept by the library's own cache (CHAINRULE_CACHE_DIR).
///
/// See also cuda/fake_cuda.hpp, which lets calls fail and runs no kernels.
#ifndef CHAINRULE_TESTS_EMULATED_EMULATED_CUDA_HPP
#define CHAINRULE_TESTS_EMULATED_EMULATED_CUDA_HPP

#include <cublasLt.h>
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <nvrtc.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace support {

struct emulated_cuda {
  static cudaError_t device_count(int* count);
  static cudaError_t device_attribute(int* value, cudaDeviceAttr what, int device);
  static cudaError_t driver_version(int* version);
  static cudaError_t runtime_version(int* version);
  static cudaError_t last_error();
  static cudaError_t set_device(int device);
  static cudaError_t describe(int device, std::string& name, std::size_t& bytes);
  static cudaError_t driver_function(const char* name, void** function);

  static cudaError_t allocate(void** p, std::size_t bytes);
  static cudaError_t release(void* p);
  static cudaError_t allocate_host(void** p, std::size_t bytes);
  static cudaError_t release_host(void* p);
  static cudaError_t fill(void* p, int value, std::size_t bytes, cudaStream_t s);
  static cudaError_t copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                          cudaStream_t s);
  static cudaError_t copy_rows(void* to, std::size_t to_stride, const void* from,
                               std::size_t from_stride, std::size_t bytes, std::size_t rows,
                               cudaMemcpyKind kind, cudaStream_t s);

  static cudaError_t create_stream(cudaStream_t* s, unsigned flags);
  static cudaError_t destroy_stream(cudaStream_t s);
  static cudaError_t synchronize(cudaStream_t s);
  static cudaError_t query_stream(cudaStream_t s);
  static cudaError_t let_stream_wait(cudaStream_t s, cudaEvent_t e, unsigned flags);
  static cudaError_t create_event(cudaEvent_t* e, unsigned flags);
  static cudaError_t destroy_event(cudaEvent_t e);
  static cudaError_t record_event(cudaEvent_t e, cudaStream_t s);

  static cudaError_t begin_capture(cudaStream_t s, cudaStreamCaptureMode mode);
  static cudaError_t end_capture(cudaStream_t s, cudaGraph_t* g);
  static cudaError_t exchange_capture_mode(cudaStreamCaptureMode* mode);
  static cudaError_t instantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long flags);
  static cudaError_t destroy_graph(cudaGraph_t g);
  static cudaError_t launch_graph(cudaGraphExec_t e, cudaStream_t s);
  static cudaError_t destroy_executable(cudaGraphExec_t e);

  static nvrtcResult compiler_version(int* major, int* minor);
  static nvrtcResult architecture_count(int* count);
  static nvrtcResult architectures(int* list);
  static nvrtcResult create_program(nvrtcProgram* p, const char* text, const char* name,
                                    int headers, const char* const*, const char* const*);
  static nvrtcResult destroy_program(nvrtcProgram* p);
  static nvrtcResult compile_program(nvrtcProgram p, int options, const char* const*);
  static nvrtcResult log_size(nvrtcProgram p, std::size_t* size);
  static nvrtcResult log(nvrtcProgram p, char* text);
  static nvrtcResult cubin_size(nvrtcProgram p, std::size_t* size);
  static nvrtcResult cubin(nvrtcProgram p, char* to);
  static nvrtcResult ptx_size(nvrtcProgram p, std::size_t* size);
  static nvrtcResult ptx(nvrtcProgram p, char* to);

  static cublasStatus_t create_blas(cublasLtHandle_t* h);
  static cublasStatus_t destroy_blas(cublasLtHandle_t h);
  static std::size_t blas_version();
  static cublasStatus_t create_product(cublasLtMatmulDesc_t* p, cublasComputeType_t compute,
                                       cudaDataType_t type);
  static cublasStatus_t destroy_product(cublasLtMatmulDesc_t p);
  static cublasStatus_t set_product(cublasLtMatmulDesc_t p, cublasLtMatmulDescAttributes_t what,
                                    const void* value, std::size_t size);
  static cublasStatus_t create_layout(cublasLtMatrixLayout_t* l, cudaDataType_t type,
                                      std::uint64_t rows, std::uint64_t cols, std::int64_t stride);
  static cublasStatus_t set_layout(cublasLtMatrixLayout_t l, cublasLtMatrixLayoutAttribute_t what,
                                   const void* value, std::size_t size);
  static cublasStatus_t destroy_layout(cublasLtMatrixLayout_t l);
  static cublasStatus_t create_preference(cublasLtMatmulPreference_t* p);
  static cublasStatus_t destroy_preference(cublasLtMatmulPreference_t p);
  static cublasStatus_t set_preference(cublasLtMatmulPreference_t p,
                                       cublasLtMatmulPreferenceAttributes_t what, const void* value,
                                       std::size_t size);
  static cublasStatus_t find_algorithms(cublasLtHandle_t h, cublasLtMatmulDesc_t p,
                                        cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                        cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                        cublasLtMatmulPreference_t wish, int most,
                                        cublasLtMatmulHeuristicResult_t* results, int* count);
  static cublasStatus_t multiply(cublasLtHandle_t h, cublasLtMatmulDesc_t p, const void* alpha,
                                 const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                                 cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                                 cublasLtMatrixLayout_t c_layout, void* d,
                                 cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* how,
                                 void* workspace, std::size_t workspace_size, cudaStream_t s);
};

}  // namespace support

#endif  // CHAINRULE_TESTS_EMULATED_EMULATED_CUDA_HPP

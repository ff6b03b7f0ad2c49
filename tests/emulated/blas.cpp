// The part of the emulated device that stands for cuBLASLt.
// Source: NVIDIA, "cuBLAS Library", section "Using the cuBLASLt API".

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <vector>

#include "emulated/device.hpp"
#include "emulated/emulated_cuda.hpp"
#include "emulated/faults.hpp"

namespace emulated {

namespace {

struct blas {};
struct layout {
  cudaDataType_t type = CUDA_R_32F;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;
  std::int32_t count = 1;  // matrices of a batch, `step` elements apart
  std::int64_t step = 0;

  [[nodiscard]] std::size_t scalar_bytes() const { return type == CUDA_R_32F ? 4 : 8; }
  /// From the first element to the end of the last.
  [[nodiscard]] std::size_t bytes() const {
    return static_cast<std::size_t>((count - 1) * step + (cols - 1) * stride + rows) *
           scalar_bytes();
  }
};

/// Attributes by their number.
struct attributes {
  std::map<int, std::vector<char>> values;

  void set(int what, const void* value, std::size_t size) {
    const auto* bytes = static_cast<const char*>(value);
    values[what].assign(bytes, bytes + size);
  }
  template <class Value>
  [[nodiscard]] Value get(int what, Value value) const {
    const auto found = values.find(what);
    if (found != values.end()) std::memcpy(&value, found->second.data(), sizeof value);
    return value;
  }
};
struct product : attributes {};
struct preference : attributes {};

/// What an algorithm was found for, in the place that cuBLASLt has for it. Another product must not
/// be computed with it.
struct algorithm {
  std::uint32_t alignments[3] = {};  // of A, B and D
  std::uint32_t epilogue = 0;
  std::uint64_t workspace_bytes = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t inner = 0;
  std::int32_t count = 1;
  friend bool operator==(const algorithm&, const algorithm&) = default;
};
static_assert(sizeof(algorithm) <= sizeof(cublasLtMatmulAlgo_t));

[[nodiscard]] bool is_transposed(const product& p, cublasLtMatmulDescAttributes_t which) {
  return p.get(which, CUBLAS_OP_N) == CUBLAS_OP_T;
}

/// D (column-major) = epilogue(alpha op(A) op(B) + beta D + bias); the bias has an element per row.
struct task {
  layout a, b, d;
  bool a_transposed = false;
  bool b_transposed = false;
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  std::int64_t inner = 0;
  const void* bias = nullptr;

  [[nodiscard]] bool has_bias() const { return (epilogue & CUBLASLT_EPILOGUE_BIAS) != 0; }
  [[nodiscard]] bool is_consistent() const {
    return (a_transposed ? a.cols : a.rows) == d.rows &&
           (b_transposed ? b.rows : b.cols) == d.cols &&
           (b_transposed ? b.cols : b.rows) == inner && a.type == d.type && b.type == d.type &&
           d.rows > 0 && d.cols > 0 && inner > 0 && d.count > 0 && a.count == d.count &&
           b.count == d.count && (d.count == 1 || d.step >= d.rows);
  }

  template <class T>
  void compute_all(const T alpha, const T* left, const T* right, const T beta, T* out) const {
    for (std::int64_t i = 0; i < d.count; ++i)
      compute(alpha, left + i * a.step, right + i * b.step, beta, out + i * d.step);
  }
  template <class T>
  void compute(const T alpha, const T* left, const T* right, const T beta, T* out) const {
    const std::int64_t along_a = a_transposed ? 1 : a.stride;
    const std::int64_t down_a = a_transposed ? a.stride : 1;
    const std::int64_t down_b = b_transposed ? b.stride : 1;
    const std::int64_t along_b = b_transposed ? 1 : b.stride;
    for (std::int64_t j = 0; j < d.cols; ++j)
      for (std::int64_t i = 0; i < d.rows; ++i) {
        T sum = 0;
        for (std::int64_t k = 0; k < inner; ++k)
          sum += left[i * down_a + k * along_a] * right[k * down_b + j * along_b];
        T& element = out[i + j * d.stride];
        T value = alpha * sum;
        if (beta != T(0)) value += beta * element;
        if (has_bias()) value += static_cast<const T*>(bias)[i];
        if ((epilogue & CUBLASLT_EPILOGUE_RELU) != 0) value = value > 0 ? value : T(0);
        if ((epilogue & CUBLASLT_EPILOGUE_GELU) != 0)
          value *= T(0.5) * (1 + std::tanh(T(0.7978845608028654) *
                                           (value + T(0.044715) * value * value * value)));
        element = value;
      }
  }
};

[[nodiscard]] task task_of(const product& p, const layout& a, const layout& b, const layout& d) {
  task t{a, b, d};
  t.a_transposed = is_transposed(p, CUBLASLT_MATMUL_DESC_TRANSA);
  t.b_transposed = is_transposed(p, CUBLASLT_MATMUL_DESC_TRANSB);
  t.epilogue = p.get<int>(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
  t.inner = t.a_transposed ? a.rows : a.cols;
  t.bias = p.get<const void*>(CUBLASLT_MATMUL_DESC_BIAS_POINTER, nullptr);
  return t;
}

/// Of calls that CUDA permits in a capture whose mode is relaxed, but which fail there with some
/// versions of cuBLASLt: a product has to be prepared before.
void refuse_in_capture(const char* call) {
  if (is_capturing()) fail(call, ": may fail while a stream is captured");
}

[[nodiscard]] bool is_aligned(const void* p, std::uint32_t bytes) {
  return reinterpret_cast<std::uintptr_t>(p) % bytes == 0;
}

}  // namespace

}  // namespace emulated

namespace support {

using namespace emulated;

cublasStatus_t emulated_cuda::create_blas(cublasLtHandle_t* h) {
  const auto held = lock();
  refuse_in_capture("cublasLtCreate");
  make<blas>(*h);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::destroy_blas(cublasLtHandle_t h) {
  const auto held = lock();
  unmake<blas>(h, "cublasLtDestroy");
  return CUBLAS_STATUS_SUCCESS;
}
std::size_t emulated_cuda::blas_version() { return CUBLAS_VERSION; }
cublasStatus_t emulated_cuda::create_product(cublasLtMatmulDesc_t* p, cublasComputeType_t,
                                             cudaDataType_t) {
  const auto held = lock();
  make<product>(*p);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::destroy_product(cublasLtMatmulDesc_t p) {
  const auto held = lock();
  unmake<product>(p, "cublasLtMatmulDescDestroy");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::set_product(cublasLtMatmulDesc_t p,
                                          cublasLtMatmulDescAttributes_t what, const void* value,
                                          std::size_t size) {
  const auto held = lock();
  at<product>(p, "cublasLtMatmulDescSetAttribute").set(what, value, size);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::create_layout(cublasLtMatrixLayout_t* l, cudaDataType_t type,
                                            std::uint64_t rows, std::uint64_t cols,
                                            std::int64_t stride) {
  const auto held = lock();
  if (stride < static_cast<std::int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  make<layout>(*l) = {type, static_cast<std::int64_t>(rows), static_cast<std::int64_t>(cols),
                      stride};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::set_layout(cublasLtMatrixLayout_t l,
                                         cublasLtMatrixLayoutAttribute_t what, const void* value,
                                         std::size_t size) {
  const auto held = lock();
  layout& of = at<layout>(l, "cublasLtMatrixLayoutSetAttribute");
  if (what == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && size == sizeof of.count)
    std::memcpy(&of.count, value, size);
  else if (what == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET && size == sizeof of.step)
    std::memcpy(&of.step, value, size);
  else
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::destroy_layout(cublasLtMatrixLayout_t l) {
  const auto held = lock();
  unmake<layout>(l, "cublasLtMatrixLayoutDestroy");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::create_preference(cublasLtMatmulPreference_t* p) {
  const auto held = lock();
  make<preference>(*p);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::destroy_preference(cublasLtMatmulPreference_t p) {
  const auto held = lock();
  unmake<preference>(p, "cublasLtMatmulPreferenceDestroy");
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t emulated_cuda::set_preference(cublasLtMatmulPreference_t p,
                                             cublasLtMatmulPreferenceAttributes_t what,
                                             const void* value, std::size_t size) {
  const auto held = lock();
  at<preference>(p, "cublasLtMatmulPreferenceSetAttribute").set(what, value, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t emulated_cuda::find_algorithms(cublasLtHandle_t h, cublasLtMatmulDesc_t p,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wish, int,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  constexpr const char* call = "cublasLtMatmulAlgoGetHeuristic";
  const auto held = lock();
  require_life(h, call);
  refuse_in_capture(call);
  *count = 0;
  const layout& out = at<layout>(d, call);
  const task t = task_of(at<product>(p, call), at<layout>(a, call), at<layout>(b, call), out);
  if (c != d || !t.is_consistent()) return CUBLAS_STATUS_INVALID_VALUE;
  const preference& w = at<preference>(wish, call);
  algorithm found;
  found.alignments[0] = w.get(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 256U);
  found.alignments[1] = w.get(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 256U);
  found.alignments[2] = w.get(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 256U);
  found.epilogue = static_cast<std::uint32_t>(t.epilogue);
  found.workspace_bytes =
      w.get<std::uint64_t>(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{0});
  found.rows = out.rows;
  found.cols = out.cols;
  found.inner = t.inner;
  found.count = out.count;
  results[0] = {};
  results[0].state = CUBLAS_STATUS_SUCCESS;
  std::memcpy(&results[0].algo, &found, sizeof found);
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t emulated_cuda::multiply(cublasLtHandle_t h, cublasLtMatmulDesc_t p,
                                       const void* alpha, const void* a,
                                       cublasLtMatrixLayout_t a_layout, const void* b,
                                       cublasLtMatrixLayout_t b_layout, const void* beta,
                                       const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                                       cublasLtMatrixLayout_t d_layout,
                                       const cublasLtMatmulAlgo_t* how, void* workspace,
                                       std::size_t workspace_size, cudaStream_t s) {
  constexpr const char* call = "cublasLtMatmul";
  const auto held = lock();
  require_life(h, call);
  task t = task_of(at<product>(p, call), at<layout>(a_layout, call), at<layout>(b_layout, call),
                   at<layout>(d_layout, call));
  if (c != d || c_layout != d_layout || !t.is_consistent()) return CUBLAS_STATUS_INVALID_VALUE;
  algorithm found;
  std::memcpy(static_cast<void*>(&found), how, sizeof found);
  if (found.rows != t.d.rows || found.cols != t.d.cols || found.inner != t.inner ||
      found.count != t.d.count || found.epilogue != static_cast<std::uint32_t>(t.epilogue))
    fail(call, ": the algorithm was found for another product");
  if (!is_aligned(a, found.alignments[0]) || !is_aligned(b, found.alignments[1]) ||
      !is_aligned(d, found.alignments[2]))
    fail(call, ": the algorithm was found for operands that are aligned better");
  if (workspace_size < found.workspace_bytes)
    fail(call, ": the algorithm may use ", found.workspace_bytes, " bytes, and has ",
         workspace_size);
  require_memory(workspace, workspace_size, "the workspace of a product");
  require_memory(a, t.a.bytes(), "a factor of a product");
  require_memory(b, t.b.bytes(), "a factor of a product");
  require_memory(d, t.d.bytes(), "the result of a product");
  if (t.has_bias())
    require_memory(t.bias, static_cast<std::size_t>(t.d.rows) * t.d.scalar_bytes(),
                   "the bias of a product");
  if (has_fault("transpose") && t.a.rows == t.a.cols) t.a_transposed = !t.a_transposed;
  const auto work = [=]<class T>(T al, T be) {
    return [=] {
      // An algorithm uses what it is given.
      std::memset(workspace, 0xff, std::min<std::size_t>(workspace_size, 4096));
      t.compute_all<T>(al, static_cast<const T*>(a), static_cast<const T*>(b), be,
                       static_cast<T*>(d));
    };
  };
  if (t.d.type == CUDA_R_32F)
    enqueue(s, call, work(*static_cast<const float*>(alpha), *static_cast<const float*>(beta)));
  else
    enqueue(s, call, work(*static_cast<const double*>(alpha), *static_cast<const double*>(beta)));
  return CUBLAS_STATUS_SUCCESS;
}

}  // namespace support

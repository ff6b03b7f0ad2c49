/// \file
/// `cuda_blas`: products of matrices by cuBLASLt, with its bias, relu and gelu epilogues.
///
/// Results are reproducible: the workspace has a fixed size and belongs to one stream, and the
/// algorithm is the first of cuBLASLt's heuristic for a shape. TF32 is off unless
/// CHAINRULE_CUDA_TF32=1.
///
/// cuBLASLt's relu turns NaN into 0; the library's own propagates it.
/// Source: NVIDIA, "cuBLAS Library", section "Using the cuBLASLt API".
#ifndef CHAINRULE_BACKEND_CUDA_GEMM_HPP
#define CHAINRULE_BACKEND_CUDA_GEMM_HPP

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>

#include "chainrule/backend/cuda/api.hpp"
#include "chainrule/backend/device/vendor_gemm.hpp"

namespace chainrule::device {

/// Owns a CUDA handle; `Release` is the function of the table that releases it.
template <auto* Release, class Handle>
struct cuda_deleter {
  using pointer = Handle;
  void operator()(Handle h) const { (*Release)(h); }
};
template <class Handle, auto* Release>
using cuda_owner = std::unique_ptr<std::remove_pointer_t<Handle>, cuda_deleter<Release, Handle>>;

/// A setting that is on if its environment variable is there and neither empty nor 0.
[[nodiscard]] inline bool is_set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

template <class Api>
class cuda_blas {
 public:
  /// The size of the workspace of algorithms, as NVIDIA recommends for Hopper.
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;

  /// Opens the library on the current device; `workspace` is of workspace_bytes.
  cuda_blas(cudaStream_t stream, void* workspace) : stream_(stream), workspace_(workspace) {
    cublasLtHandle_t handle = nullptr;
    require(Api::create_blas(&handle), "cublasLtCreate");
    handle_.reset(handle);
  }

  /// Queues a product; returns false, and queues nothing, if the library cannot compute it. Without
  /// `may_plan` only products are queued that have a plan already. Throws backend_error.
  template <std::floating_point T>
  bool multiply(const vendor_gemm<void*, T>& p, bool may_plan) {
    if (p.inner == 0 || p.count > std::numeric_limits<std::int32_t>::max() ||
        !has_rows(p.c, p.rows, p.cols) ||
        !has_rows(p.a, p.a.transposed ? p.inner : p.rows, p.a.transposed ? p.rows : p.inner) ||
        !has_rows(p.b, p.b.transposed ? p.cols : p.inner, p.b.transposed ? p.inner : p.cols))
      return false;
    plan* const found = plan_of(p, may_plan);
    if (found == nullptr || !found->is_possible) return false;
    plan& how = *found;
    if (p.has_bias()) set_bias(how, address(p.bias));
    // Row-major matrices are the transposes of column-major ones: c' = b' a'.
    const cublasStatus_t code =
        Api::multiply(handle_.get(), how.product.get(), &p.alpha, address(p.b.data), how.left.get(),
                      address(p.a.data), how.right.get(), &p.beta, address(p.c.data),
                      how.result.get(), const_cast<void*>(address(p.c.data)), how.result.get(),
                      &how.algorithm, workspace_, workspace_bytes, stream_);
    if (code == CUBLAS_STATUS_NOT_SUPPORTED) return how.is_possible = false;
    require(code, "cublasLtMatmul");
    return true;
  }

 private:
  struct plan {
    cuda_owner<cublasLtMatmulDesc_t, &Api::destroy_product> product;
    cuda_owner<cublasLtMatrixLayout_t, &Api::destroy_layout> left, right, result;
    cublasLtMatmulAlgo_t algorithm{};
    bool is_possible = false;
  };
  using key = std::array<std::int64_t, 19>;

  /// Above this number all plans are dropped; programs rarely use so many shapes.
  static constexpr std::size_t most_plans = 4096;

  static void require(cublasStatus_t code, const char* call) {
    if (code == CUBLAS_STATUS_SUCCESS) return;
    const std::string said = detail::concat("CUDA: ", call, " failed with ", cuda_error_name(code));
    if (code == CUBLAS_STATUS_ALLOC_FAILED) throw out_of_memory(said);
    throw backend_error(said);
  }

  template <class T>
  [[nodiscard]] static const void* address(const device_pointer<void*, T>& p) {
    return static_cast<const std::remove_const_t<T>*>(p.buffer) + p.offset;
  }
  /// Whether the rows of a matrix do not overlap, as the library requires.
  template <class T>
  [[nodiscard]] static bool has_rows(const vendor_matrix<void*, T>& m, index_t rows, index_t cols) {
    return rows == 1 || m.stride >= cols;
  }
  /// The alignment of an address, a power of two up to 256: algorithms have different requirements.
  [[nodiscard]] static std::uint32_t alignment(const void* p, std::size_t step = 0) {
    const auto a = reinterpret_cast<std::uintptr_t>(p) | step | 256;
    return static_cast<std::uint32_t>(a & (~a + 1));
  }
  /// The alignment of all matrices of a batch.
  template <class T>
  [[nodiscard]] static std::uint32_t alignment(const vendor_matrix<void*, T>& m) {
    return alignment(address(m.data), static_cast<std::size_t>(m.step) * sizeof(T));
  }

  template <class T>
  [[nodiscard]] plan* plan_of(const vendor_gemm<void*, T>& p, bool may_plan) {
    const std::uint32_t align_a = alignment(p.a);
    const std::uint32_t align_b = alignment(p.b);
    const std::uint32_t align_c = alignment(p.c);
    // The heuristic depends on the address of the bias.
    const std::uint32_t align_bias = p.has_bias() ? alignment(address(p.bias)) : 0;
    const key k{static_cast<std::int64_t>(sizeof(T)),
                p.rows,
                p.cols,
                p.inner,
                p.c.stride,
                p.a.stride,
                p.b.stride,
                p.a.transposed,
                p.b.transposed,
                static_cast<std::int64_t>(p.epilogue) * 2 + p.has_bias(),
                p.beta == T(0),
                align_a,
                align_b,
                align_c,
                align_bias,
                p.count,
                p.c.step,
                p.a.step,
                p.b.step};
    const auto found = plans_.find(k);
    if (found != plans_.end()) return &found->second;
    if (!may_plan) return nullptr;
    if (plans_.size() >= most_plans) plans_.clear();
    plan made = make_plan(p, align_a, align_b, align_c);
    return &plans_.emplace(k, std::move(made)).first->second;
  }

  template <class T>
  [[nodiscard]] plan make_plan(const vendor_gemm<void*, T>& p, std::uint32_t align_a,
                               std::uint32_t align_b, std::uint32_t align_c) {
    constexpr bool single = sizeof(T) == sizeof(float);
    const cudaDataType_t type = single ? CUDA_R_32F : CUDA_R_64F;
    const cublasComputeType_t compute = !single ? CUBLAS_COMPUTE_64F
                                        : tf32_ ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                : CUBLAS_COMPUTE_32F;
    plan made;
    cublasLtMatmulDesc_t product = nullptr;
    require(Api::create_product(&product, compute, type), "cublasLtMatmulDescCreate");
    made.product.reset(product);
    const auto set = [&](cublasLtMatmulDescAttributes_t what, const auto& value) {
      require(Api::set_product(product, what, &value, sizeof value),
              "cublasLtMatmulDescSetAttribute");
    };
    set(CUBLASLT_MATMUL_DESC_TRANSA, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(p.epilogue, p.has_bias()));
    if (p.has_bias()) set_bias(made, address(p.bias));

    made.left = layout(type, p.b, p.b.transposed ? p.cols : p.inner,
                       p.b.transposed ? p.inner : p.cols, p.count);
    made.right = layout(type, p.a, p.a.transposed ? p.inner : p.rows,
                        p.a.transposed ? p.rows : p.inner, p.count);
    made.result = layout(type, p.c, p.rows, p.cols, p.count);

    cublasLtMatmulPreference_t wish = nullptr;
    require(Api::create_preference(&wish), "cublasLtMatmulPreferenceCreate");
    const cuda_owner<cublasLtMatmulPreference_t, &Api::destroy_preference> owner(wish);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      require(Api::set_preference(wish, what, &value, sizeof value),
              "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, align_b);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, align_a);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, align_c);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, align_c);

    cublasLtMatmulHeuristicResult_t best{};
    int found = 0;
    const cublasStatus_t code =
        Api::find_algorithms(handle_.get(), product, made.left.get(), made.right.get(),
                             made.result.get(), made.result.get(), wish, 1, &best, &found);
    if (code != CUBLAS_STATUS_NOT_SUPPORTED && code != CUBLAS_STATUS_INVALID_VALUE)
      require(code, "cublasLtMatmulAlgoGetHeuristic");
    made.is_possible =
        code == CUBLAS_STATUS_SUCCESS && found > 0 && best.state == CUBLAS_STATUS_SUCCESS;
    made.algorithm = best.algo;
    return made;
  }

  void set_bias(plan& how, const void* bias) {
    require(
        Api::set_product(how.product.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias),
        "cublasLtMatmulDescSetAttribute");
  }

  [[nodiscard]] static cublasLtEpilogue_t epilogue_of(vendor_epilogue f, bool has_bias) {
    switch (f) {
      case vendor_epilogue::none:
        break;
      case vendor_epilogue::relu:
        return has_bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
      case vendor_epilogue::gelu_tanh:
        return has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
    }
    return has_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
  }

  /// The column-major layout of a row-major matrix of rows x cols, or of a batch of them.
  template <class T>
  [[nodiscard]] static auto layout(cudaDataType_t type, const vendor_matrix<void*, T>& m,
                                   index_t rows, index_t cols, index_t count) {
    cublasLtMatrixLayout_t made = nullptr;
    require(Api::create_layout(&made, type, static_cast<std::uint64_t>(cols),
                               static_cast<std::uint64_t>(rows), std::max(m.stride, cols)),
            "cublasLtMatrixLayoutCreate");
    cuda_owner<cublasLtMatrixLayout_t, &Api::destroy_layout> owner(made);
    if (count == 1) return owner;
    const auto set = [&](cublasLtMatrixLayoutAttribute_t what, const auto& value) {
      require(Api::set_layout(made, what, &value, sizeof value),
              "cublasLtMatrixLayoutSetAttribute");
    };
    set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(count));
    set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, static_cast<std::int64_t>(m.step));
    return owner;
  }

  cuda_owner<cublasLtHandle_t, &Api::destroy_blas> handle_;
  cudaStream_t stream_ = nullptr;
  void* workspace_ = nullptr;
  std::map<key, plan> plans_;
  bool tf32_ = is_set("CHAINRULE_CUDA_TF32");
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_CUDA_GEMM_HPP

// Products as they are handed to cuBLASLt, computed by a table that does what its documentation
// says: operands are swapped and transposed the right way, nothing else is read or written.

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

using chainrule::backend_error;
using chainrule::index_t;
using chainrule::device::library_epilogue;
using chainrule::device::library_product;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;

namespace {

/// A row-major matrix in memory that has room around it.
template <class T>
struct sample {
  index_t stride;
  std::vector<T> values;
  index_t offset;

  sample(index_t rows, index_t cols, index_t gap, index_t at, int seed)
      : stride(cols + gap),
        values(static_cast<std::size_t>(at + rows * stride), T(77)),
        offset(at) {
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j)
        (*this)(i, j) = static_cast<T>((seed + i * 7 + j * 3) % 9 - 4);
  }
  T& operator()(index_t i, index_t j) {
    return values[static_cast<std::size_t>(offset + i * stride + j)];
  }
  chainrule::device_pointer<void*, const T> data() { return {values.data(), offset}; }
};

}  // namespace

TEMPLATE_TEST_CASE("products of all transposes, strides, scalars and epilogues", "[cuda][gemm]",
                   float, double) {
  using T = TestType;
  fake_cuda::reset();
  {
    fake_runtime runtime(fake_runtime::devices().front());
    int cases = 0;
    for (const bool a_turned : {false, true})
      for (const bool b_turned : {false, true})
        for (const index_t gap : {0, 3})
          for (const T beta : {T(0), T(2)})
            for (const bool has_bias : {false, true})
              for (const auto f : {library_epilogue::none, library_epilogue::relu}) {
                const index_t m = 5, n = 4, k = 3;
                sample<T> a(a_turned ? k : m, a_turned ? m : k, gap, 2, 1);
                sample<T> b(b_turned ? n : k, b_turned ? k : n, gap, 1, 5);
                sample<T> c(m, n, gap, 3, 2);
                sample<T> bias(1, n, 0, 1, 4);
                sample<T> want = c;
                for (index_t i = 0; i < m; ++i)
                  for (index_t j = 0; j < n; ++j) {
                    T sum = 0;
                    for (index_t l = 0; l < k; ++l)
                      sum += (a_turned ? a(l, i) : a(i, l)) * (b_turned ? b(j, l) : b(l, j));
                    T value = T(3) * sum;
                    if (beta != 0) value += beta * c(i, j);
                    if (has_bias) value += bias(0, j);
                    if (f == library_epilogue::relu && value < 0) value = 0;
                    want(i, j) = value;
                    if (beta == 0) c(i, j) = std::numeric_limits<T>::quiet_NaN();
                  }
                library_product<void*, T> p;
                p.rows = m, p.cols = n, p.inner = k;
                p.alpha = 3, p.beta = beta;
                p.a = {a.data(), a.stride, a_turned};
                p.b = {b.data(), b.stride, b_turned};
                p.c = {{c.values.data(), c.offset}, c.stride, false};
                if (has_bias) p.bias = bias.data();
                p.epilogue = f;
                INFO("a' " << a_turned << " b' " << b_turned << " gap " << gap << " beta " << beta
                           << " bias " << has_bias << " relu " << (f == library_epilogue::relu));
                REQUIRE(runtime.multiply(p));
                CHECK(c.values == want.values);  // what lies around the result, too
                ++cases;
              }
    CHECK(fake_cuda::now().products == cases);
    CHECK(runtime.statistics().launches == static_cast<std::uint64_t>(cases));
  }
  CHECK(fake_cuda::now().alive == 0);
}

namespace {
/// A product of 2 x 3 by 3 x 2 in memory of its own.
struct small_product : library_product<void*, float> {
  alignas(256) float a_[64] = {};
  alignas(256) float b_[64] = {};
  alignas(256) float c_[64] = {};
  small_product() {
    rows = 2, cols = 2, inner = 3;
    a = {{a_, 0}, 3, false};
    b = {{b_, 0}, 2, false};
    c = {{c_, 0}, 2, false};
  }
};
}  // namespace

TEST_CASE("the heuristic is asked once for a shape and an alignment", "[cuda][gemm]") {
  fake_cuda::reset();
  fake_runtime runtime(fake_runtime::devices().front());
  auto p = std::make_unique<small_product>();
  REQUIRE(runtime.multiply<float>(*p));
  REQUIRE(runtime.multiply<float>(*p));
  p->alpha = 2;
  REQUIRE(runtime.multiply<float>(*p));
  CHECK(fake_cuda::now().heuristics == 1);
  CHECK(fake_cuda::now().alignments == std::vector<unsigned>{256, 256, 256, 256});
  fake_cuda::now().alignments.clear();
  p->a.data.offset = 1;  // 4 bytes
  p->b.data.offset = 4;  // 16 bytes
  REQUIRE(runtime.multiply<float>(*p));
  CHECK(fake_cuda::now().heuristics == 2);
  // Our a is cuBLASLt's B: rows are its columns.
  CHECK(fake_cuda::now().alignments == std::vector<unsigned>{16, 4, 256, 256});
  // A plan is for its bias's alignment, not for its place.
  p->bias = {p->b_, 16};
  REQUIRE(runtime.multiply<float>(*p));
  p->bias = {p->b_, 48};
  REQUIRE(runtime.multiply<float>(*p));
  CHECK(fake_cuda::now().heuristics == 3);
  p->bias = {p->b_, 17};
  REQUIRE(runtime.multiply<float>(*p));
  CHECK(fake_cuda::now().heuristics == 4);
}

TEST_CASE("what cuBLASLt does not compute is left to the kernel's text", "[cuda][gemm]") {
  fake_cuda::reset();
  {
    fake_runtime runtime(fake_runtime::devices().front());
    auto p = std::make_unique<small_product>();
    p->inner = 0;
    CHECK_FALSE(runtime.multiply<float>(*p));
    p->inner = 3;
    p->b.stride = 1;  // rows on top of each other
    CHECK_FALSE(runtime.multiply<float>(*p));
    p->b.stride = 2;
    p->a.stride = 0;
    p->rows = 1;  // the stride of one row means nothing
    CHECK(runtime.multiply<float>(*p));
    fake_cuda::now().knows_products = false;
    p->inner = 2;
    CHECK_FALSE(runtime.multiply<float>(*p));
    CHECK_FALSE(runtime.multiply<float>(*p));
    CHECK(fake_cuda::now().heuristics == 2);
    fake_cuda::now().knows_products = true;
    p->inner = 1;
    fake_cuda::fail("cublasLtMatmul", 1, CUBLAS_STATUS_NOT_SUPPORTED);
    CHECK_FALSE(runtime.multiply<float>(*p));
    CHECK_FALSE(runtime.multiply<float>(*p));  // remembered
    CHECK(runtime.statistics().launches == 1);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("the environment leaves products to the kernel's text", "[cuda][gemm]") {
  fake_cuda::reset();
  ::setenv("CHAINRULE_CUDA_GEMM", "text", 1);
  fake_runtime runtime(fake_runtime::devices().front());
  ::unsetenv("CHAINRULE_CUDA_GEMM");
  auto p = std::make_unique<small_product>();
  CHECK_FALSE(runtime.multiply<float>(*p));
  CHECK(fake_cuda::now().calls["cublasLtCreate"] == 0);
}

TEST_CASE("memory that the pool keeps is given up before cuBLASLt lacks it",
          "[cuda][gemm][memory]") {
  struct {
    const char* call;
    int code;
  } const lacks[] = {{"cudaMalloc", cudaErrorMemoryAllocation},
                     {"cublasLtCreate", CUBLAS_STATUS_ALLOC_FAILED}};
  for (const auto& lack : lacks) {
    INFO(lack.call);
    fake_cuda::reset();
    {
      fake_runtime runtime(fake_runtime::devices().front());
      runtime.release(runtime.acquire(1000));
      auto p = std::make_unique<small_product>();
      fake_cuda::fail(lack.call, 1, lack.code);
      CHECK(runtime.multiply<float>(*p));
      CHECK(fake_cuda::now().memory.size() == 1);  // the workspace
      CHECK(runtime.statistics().allocated_bytes > std::uint64_t{32} << 20);
    }
    CHECK(fake_cuda::now().alive == 0);
  }
}

TEST_CASE("errors of cuBLASLt are named", "[cuda][gemm][errors]") {
  fake_cuda::reset();
  fake_runtime runtime(fake_runtime::devices().front());
  auto p = std::make_unique<small_product>();
  fake_cuda::fail("cublasLtMatmul", 1, CUBLAS_STATUS_EXECUTION_FAILED);
  CHECK(complaint<backend_error>([&] { (void)runtime.multiply<float>(*p); }) ==
        "CUDA: cublasLtMatmul failed with CUBLAS_STATUS_EXECUTION_FAILED");
  CHECK(runtime.multiply<float>(*p));
  fake_cuda::fail("cublasLtMatmul", 1, CUBLAS_STATUS_EXECUTION_FAILED);
  fake_cuda::now().lost = cudaErrorIllegalAddress;
  fake_cuda::fail("cudaSetDevice", 1, cudaErrorIllegalAddress);
  CHECK(complaint<backend_error>([&] { (void)runtime.multiply<float>(*p); }) != "");
  CHECK(complaint<backend_error>([&] { runtime.synchronize(); }).find("earlier error") !=
        std::string::npos);
}

TEST_CASE("epilogues that libraries have are known by their types", "[cuda][gemm]") {
  using namespace chainrule;
  using device::library_epilogue_of;
  CHECK(library_epilogue_of<fn::identity> == library_epilogue::none);
  CHECK(library_epilogue_of<add_bias_then<identity>> == library_epilogue::none);
  CHECK(library_epilogue_of<add_bias_then<relu>> == library_epilogue::relu);
  CHECK(library_epilogue_of<gelu_tanh> == library_epilogue::gelu_tanh);
  CHECK(library_epilogue_of<add_bias_then<gelu>> == std::nullopt);  // cuBLASLt's is the other one
  CHECK(library_epilogue_of<add_bias_then<sigmoid>> == std::nullopt);
}

// Products as they are handed to cuBLASLt, computed by a table that does what its documentation
// says: operands are swapped and transposed the right way, nothing else is read or written.

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/backend/device/device_backend.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace products_test {

using chainrule::backend_error;
using chainrule::index_t;
using chainrule::device::vendor_epilogue;
using chainrule::device::vendor_gemm;
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
              for (const auto f : {vendor_epilogue::none, vendor_epilogue::relu}) {
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
                    if (f == vendor_epilogue::relu && value < 0) value = 0;
                    want(i, j) = value;
                    if (beta == 0) c(i, j) = std::numeric_limits<T>::quiet_NaN();
                  }
                vendor_gemm<void*, T> p;
                p.rows = m, p.cols = n, p.inner = k;
                p.alpha = 3, p.beta = beta;
                p.a = {a.data(), a.stride, a_turned};
                p.b = {b.data(), b.stride, b_turned};
                p.c = {{c.values.data(), c.offset}, c.stride, false};
                if (has_bias) p.bias = bias.data();
                p.epilogue = f;
                INFO("a' " << a_turned << " b' " << b_turned << " gap " << gap << " beta " << beta
                           << " bias " << has_bias << " relu " << (f == vendor_epilogue::relu));
                REQUIRE(runtime.multiply(p));
                CHECK(c.values == want.values);  // what lies around the result, too
                ++cases;
              }
    CHECK(fake_cuda::now().products == cases);
    CHECK(runtime.statistics().launches == static_cast<std::uint64_t>(cases));
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEMPLATE_TEST_CASE("batches of products of all transposes, shared factors and scalars",
                   "[cuda][gemm]", float, double) {
  using T = TestType;
  fake_cuda::reset();
  {
    fake_runtime runtime(fake_runtime::devices().front());
    const index_t count = 3, m = 5, n = 4, k = 2;
    int cases = 0;
    for (const bool a_turned : {false, true})
      for (const bool b_turned : {false, true})
        for (const bool a_shared : {false, true})
          for (const bool b_shared : {false, true})
            for (const T beta : {T(0), T(2)}) {
              // a below each other, b side by side, c below each other with room between.
              sample<T> a((a_turned ? k : m) * count, a_turned ? m : k, 1, 2, 1);
              sample<T> b(b_turned ? n : k, (b_turned ? k : n) * count, 3, 1, 5);
              sample<T> c((m + 1) * count, n, 2, 3, 2);
              sample<T> want = c;
              const index_t a_rows = a_shared ? 0 : (a_turned ? k : m);
              const index_t b_cols = b_shared ? 0 : (b_turned ? k : n);
              for (index_t q = 0; q < count; ++q)
                for (index_t i = 0; i < m; ++i)
                  for (index_t j = 0; j < n; ++j) {
                    T sum = 0;
                    for (index_t l = 0; l < k; ++l)
                      sum += a(q * a_rows + (a_turned ? l : i), a_turned ? i : l) *
                             b(b_turned ? j : l, q * b_cols + (b_turned ? l : j));
                    T& out = c(q * (m + 1) + i, j);
                    want(q * (m + 1) + i, j) = T(3) * sum + (beta != 0 ? beta * out : T(0));
                    if (beta == 0) out = std::numeric_limits<T>::quiet_NaN();
                  }
              vendor_gemm<void*, T> p;
              p.rows = m, p.cols = n, p.inner = k, p.count = count;
              p.alpha = 3, p.beta = beta;
              p.a = {a.data(), a.stride, a_turned, a_rows * a.stride};
              p.b = {b.data(), b.stride, b_turned, b_cols};
              p.c = {{c.values.data(), c.offset}, c.stride, false, (m + 1) * c.stride};
              INFO("a' " << a_turned << " b' " << b_turned << " shared " << a_shared << b_shared
                         << " beta " << beta);
              REQUIRE(runtime.multiply(p));
              CHECK(c.values == want.values);  // what lies around the results, too
              ++cases;
            }
    CHECK(fake_cuda::now().products == cases);  // one call each
    CHECK(fake_cuda::now().heuristics == cases);
  }
  CHECK(fake_cuda::now().alive == 0);
}

TEST_CASE("a verb's batch of products is one call of cuBLASLt", "[cuda][gemm]") {
  fake_cuda::reset();
  {
    using B = chainrule::device_backend<fake_runtime, float>;
    const B be(std::make_shared<fake_runtime>(fake_runtime::devices().front()));
    const auto memory = be.allocate<float>(600);
    std::vector<float> host(600);
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<float>(i % 7) - 3;
    const chainrule::matrix_view<const float> values(host.data(), 1, 600);
    be.upload(memory.view(), values);
    const auto at = [&](index_t offset, index_t rows, index_t cols) {
      return chainrule::matrix<B>(memory.view().data() + offset, rows, cols);
    };
    be.gemm_batch(4, {at(300, 5, 6), 30}, {at(0, 5, 3), 15}, {transposed(at(100, 6, 3)), 0},
                  {2, 1});
    CHECK(fake_cuda::now().products == 1);
    CHECK(be.statistics().launches == 1);
    std::vector<float> now(600);
    be.download(chainrule::matrix_view<float>(now.data(), 1, 600), memory.view());
    std::vector<float> want = host;
    for (std::size_t q = 0; q < 4; ++q)
      for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t j = 0; j < 6; ++j)
          for (std::size_t l = 0; l < 3; ++l)
            want[300 + q * 30 + i * 6 + j] += 2 * host[q * 15 + i * 3 + l] * host[100 + j * 3 + l];
    CHECK(now == want);
    // The alignment of a batch is that of all its matrices: 15 floats part those of a.
    CHECK(fake_cuda::now().alignments == std::vector<unsigned>{16, 4, 8, 8});
    // What the library does not compute is one launch of the kernel's text.
    fake_cuda::now().knows_products = false;
    be.gemm_batch(7, {at(300, 5, 6), 30}, {at(0, 5, 2), 15}, {at(100, 2, 6), 0});
    CHECK(be.statistics().launches == 2);
    REQUIRE(fake_cuda::now().launches.size() == 1);
    CHECK(fake_cuda::now().launches[0].grid[1] == 7);
    be.gemm_batch(0, {at(300, 5, 6), 30}, {at(0, 5, 2), 15}, {at(100, 2, 6), 0});
    CHECK(be.statistics().launches == 2);
  }
  CHECK(fake_cuda::now().alive == 0);
}

namespace {
/// A product of 2 x 3 by 3 x 2 in memory of its own.
struct small_product : vendor_gemm<void*, float> {
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
  using device::vendor_epilogue_of;
  CHECK(vendor_epilogue_of<fn::identity> == vendor_epilogue::none);
  CHECK(vendor_epilogue_of<add_bias_then<identity>> == vendor_epilogue::none);
  CHECK(vendor_epilogue_of<add_bias_then<relu>> == vendor_epilogue::relu);
  CHECK(vendor_epilogue_of<gelu_tanh> == vendor_epilogue::gelu_tanh);
  CHECK(vendor_epilogue_of<add_bias_then<gelu>> == std::nullopt);  // cuBLASLt's is the other one
  CHECK(vendor_epilogue_of<add_bias_then<fn::sigmoid>> == std::nullopt);
}

}  // namespace products_test

// The backend over the CUDA runtime: which products the library computes, and captured steps.

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/backend/device/device_backend.hpp"
#include "cuda/fake_cuda.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace backend_test {

using namespace chainrule;
using support::complaint;
using support::fake_cuda;
using support::fake_runtime;

namespace {

template <class T>
using fake_backend = device_backend<fake_runtime, T>;
static_assert(capturing_backend<fake_backend<float>>);

/// A product of 4 x 3 by 3 x 2 with a bias; `done` says by what the last one was computed.
template <class T>
struct products {
  fake_backend<T> be;
  typename fake_backend<T>::template storage<T> memory;
  matrix<fake_backend<T>> a, b, c, bias;

  products()
      : be((fake_cuda::reset(), std::make_shared<fake_runtime>(fake_runtime::devices().front()))),
        memory(be.template allocate<T>(100)),
        a(memory.view().data(), 4, 3),
        b(memory.view().data() + 20, 3, 2),
        c(memory.view().data() + 40, 4, 2, 5),
        bias(memory.view().data() + 80, 1, 2) {
    std::vector<T> host(100);
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = static_cast<T>(i % 7) - 3;
    be.upload(memory.view(), matrix_view<const T>(host.data(), 1, 100));
  }

  template <class Work>
  [[nodiscard]] std::string done(Work&& work) {
    auto& fake = fake_cuda::now();
    const auto before = fake.products;
    const auto launches = fake.launches.size();
    work();
    return detail::concat(fake.products - before, " by the library, ",
                          fake.launches.size() - launches, " kernels");
  }
  [[nodiscard]] T at(const matrix<fake_backend<T>>& m, index_t i, index_t j) const {
    return static_cast<const T*>(m.data().buffer)[m.data().offset + i * m.stride() + j];
  }
};

}  // namespace

TEMPLATE_TEST_CASE("the library computes what it has an epilogue for", "[cuda][gemm]", float,
                   double) {
  using T = TestType;
  products<T> p;
  const auto& be = p.be;
  const auto expect = [&](auto&& f) {
    for (index_t i = 0; i < 4; ++i)
      for (index_t j = 0; j < 2; ++j) {
        T sum = 0;
        for (index_t k = 0; k < 3; ++k) sum += p.at(p.a, i, k) * p.at(p.b, k, j);
        CHECK(p.at(p.c, i, j) == Approx(f(sum, p.at(p.bias, 0, j))).margin(1e-6));
      }
  };
  const std::string alone = "1 by the library, 0 kernels";
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b); }) == alone);
  expect([](T x, T) { return x; });
  CHECK(p.done([&] {
    be.gemm(p.c, p.a, p.b, {2, 0}, add_bias_then<identity>{}, p.bias);
  }) == alone);
  expect([](T x, T bias) { return 2 * x + bias; });
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b, {}, add_bias_then<relu>{}, p.bias); }) == alone);
  expect([](T x, T bias) { return x + bias > 0 ? x + bias : 0; });
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b, {}, relu{}); }) == alone);
  expect([](T x, T) { return x > 0 ? x : 0; });
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b, {}, add_bias_then<gelu_tanh>{}, p.bias); }) == alone);
  expect([](T x, T bias) { return gelu_tanh{}(x + bias); });
  CHECK(be.statistics().launches == 5);
}

TEST_CASE("other epilogues are a map after the library's product, unless that is small",
          "[cuda][gemm]") {
  using matrices = matrix<fake_backend<float>>;
  products<float> p;
  const auto& be = p.be;
  const auto memory = be.allocate<float>(2000);
  const index_t inner = 257;  // more steps than a small product has
  const matrices wide(memory.view().data(), 4, inner), high(memory.view().data(), inner, 2);
  // A bias per row is no bias of cuBLASLt's.
  const matrices column(p.memory.view().data() + 90, 4, 1);
  const auto check = [&](const matrices& a, const matrices& b, const std::string& wanted) {
    CHECK(p.done([&] { be.gemm(p.c, a, b, {}, add_bias_then<fn::sigmoid>{}, p.bias); }) == wanted);
    CHECK(p.done([&] { be.gemm(p.c, a, b, {}, gelu{}); }) == wanted);
    CHECK(p.done([&] { be.gemm(p.c, a, b, {}, add_bias_then<relu>{}, column); }) == wanted);
  };
  check(wide, high, "1 by the library, 1 kernels");
  check(p.a, p.b, "0 by the library, 1 kernels");
}

TEST_CASE("the kernel's text computes what the library cannot", "[cuda][gemm]") {
  products<float> p;
  const auto& be = p.be;
  const std::string text = "0 by the library, 1 kernels";
  // Its operand would be overwritten by the product.
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b, {}, add_bias_then<fn::sigmoid>{}, p.c); }) == text);
  CHECK(p.done([&] { be.gemm(p.c, p.a.block(0, 0, 4, 0), p.b.block(0, 0, 0, 2)); }) == text);
  fake_cuda::now().knows_products = false;
  CHECK(p.done([&] { be.gemm(p.c, p.a, p.b, {}, relu{}); }) == text);
}

TEST_CASE("an operand is the result itself or no part of it", "[cuda][gemm][map]") {
  using B = fake_backend<float>;
  products<float> p;
  const auto& be = p.be;
  const auto product = [&](const matrix<B>& in) {
    return complaint<value_error>([&] { be.gemm(p.c, p.a, p.b, {}, add_bias_then<relu>{}, in); });
  };
  const auto sum = [&](const matrix<B>& in) {
    return complaint<value_error>([&] { be.map(fn::plus{}, p.c, p.c, in); });
  };
  const std::string why =
      ": an operand is a part of the result, so its elements could be written before they are "
      "read; give a copy of it";
  for (const matrix<B>& part : {p.c.block(1, 0, 1, 2),                  // a row,
                                p.c.block(0, 1, 4, 1),                  // a column,
                                p.c.block(3, 1, 1, 1),                  // an element,
                                matrix<B>(p.c.data() + 1, 4, 2, 5),     // moved on
                                matrix<B>(p.c.data() + 5, 4, 1, 5)}) {  // and down
    CHECK(product(part) == "gemm" + why);
    CHECK(sum(part) == "map" + why);
  }
  // The result itself, what lies beside it in the same rows, and other memory.
  for (const matrix<B>& apart :
       {p.c, matrix<B>(p.c.data() + 2, 4, 2, 5), matrix<B>(p.memory.view().data() + 37, 4, 2, 5),
        p.bias, matrix<B>(p.c.data() + 2, 1, 2), matrix<B>(p.memory.view().data() + 38, 1, 2),
        matrix<B>(p.c.data() + 20, 4, 2, 5)}) {
    CHECK(product(apart) == "");
    CHECK(sum(apart) == "");
  }
}

TEST_CASE("a step is captured and replayed through the backend", "[cuda][capture]") {
  {
    products<float> p;
    const auto& be = p.be;
    const auto work = [&] {
      be.gemm(p.c, p.a, p.b, {}, add_bias_then<relu>{}, p.bias);
      be.map(fn::negate{}, p.c, p.c);
    };
    work();
    CHECK(be.statistics().launches == 2);
    fake_cuda::now().launches.clear();
    const auto step = be.capture(work);
    CHECK(fake_cuda::now().launches.empty());
    be.replay(step);
    be.replay(step);
    REQUIRE(fake_cuda::now().launches.size() == 4);
    CHECK(fake_cuda::now().launches[2].text == "cublasLtMatmul");
    CHECK(be.statistics().replays == 2);
    CHECK(be.statistics().launches == 2);
  }
  CHECK(fake_cuda::now().alive == 0);
}

}  // namespace backend_test

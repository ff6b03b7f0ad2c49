// The epilogue of a product: c = f(alpha a b + beta c, operands...).
#include "chainrule/pointwise/activations.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace gemm_epilogue_test {

using namespace conformance;
namespace fn = chainrule::fn;

namespace {

/// Three operands besides the product.
struct weighted {
  constexpr auto operator()(const auto& p, const auto& full, const auto& column,
                            const auto& one) const {
    return p * column + full - one;
  }
};

/// A product of integers in the backend's memory, and the same on the host.
template <class B>
struct product {
  using T = scalar_t<B>;
  B be{};
  host_matrix<T> a, b, ab;
  framed<B> x, y;

  product(index_t m, index_t n, index_t k, layout l)
      : a(integers<T>({m, k}, 1)), b(integers<T>({k, n}, 2)), ab({m, n}), x(be, a, l), y(be, b, l) {
    for (index_t i = 0; i < m; ++i)
      for (index_t j = 0; j < n; ++j)
        for (index_t e = 0; e < k; ++e) ab(i, j) += a(i, e) * b(e, j);
  }
};

const struct {
  index_t m, n, k;
} all_extents[] = {{1, 1, 1},     {17, 17, 0},    {17, 1, 17}, {1, 1025, 17}, {17, 17, 5},
                   {1025, 17, 3}, {257, 129, 33}, {0, 17, 3},  {17, 0, 3},    {20, 17, 1030}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm adds a bias and applies an activation", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  for (const auto& [m, n, k] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(m << " x " << n << " x " << k);
      const product<TestType> p(m, n, k, l);
      const auto bias = integers<T>({1, n}, 3);
      const framed<TestType> b(p.be, bias, packed);
      const framed<TestType> c(p.be, unset<T>({m, n}), l);
      p.be.gemm(c.view(), p.x.view(), p.y.view(), {}, chainrule::add_bias_then<chainrule::relu>{},
                b.view());
      CHECK(c.differs([&](index_t i, index_t j) {
        const T z = p.ab(i, j) + bias(0, j);
        return z > 0 ? z : T(0);
      }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("gemm's epilogue sees alpha and beta", "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  for (const auto& [m, n, k] : all_extents) {
    INFO(m << " x " << n << " x " << k);
    const product<TestType> p(m, n, k, strided);
    const auto old = integers<T>({m, n}, 4);
    const framed<TestType> c(p.be, old, strided);
    // affine is also a functor that stands for "as it is" elsewhere: here it must be applied.
    p.be.gemm(c.view(), p.x.view(), p.y.view(), {2, 3}, fn::affine{-2, 1});
    CHECK(c.differs([&](index_t i, index_t j) {
      return -2 * (2 * p.ab(i, j) + 3 * old(i, j)) + 1;
    }) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("gemm's epilogue takes operands of every broadcast", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  for (const auto& [m, n, k] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(m << " x " << n << " x " << k);
      const product<TestType> p(m, n, k, l);
      const auto full = integers<T>({m, n}, 5);
      const auto column = integers<T>({m, 1}, 6);
      const auto one = integers<T>({1, 1}, 7);
      const framed<TestType> f(p.be, full, l);
      const framed<TestType> col(p.be, column, l);
      const framed<TestType> o(p.be, one, packed);
      const framed<TestType> c(p.be, unset<T>({m, n}), l);
      p.be.gemm(c.view(), p.x.view(), p.y.view(), {}, weighted{}, f.view(), col.view(), o.view());
      CHECK(c.differs([&](index_t i, index_t j) {
        return p.ab(i, j) * column(i, 0) + full(i, j) - one(0, 0);
      }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("gemm masks a gradient by a derivative", "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  const product<TestType> p(33, 17, 9, strided);
  const auto output = integers<T>({33, 17}, 8);
  const framed<TestType> y(p.be, output, strided);
  const framed<TestType> c(p.be, unset<T>({33, 17}), packed);
  p.be.gemm(c.view(), p.x.view(), p.y.view(), {}, chainrule::backward_of<chainrule::relu>{},
            y.view());
  CHECK(c.differs([&](index_t i, index_t j) { return output(i, j) > 0 ? p.ab(i, j) : T(0); }) ==
        "");
}

}  // namespace gemm_epilogue_test

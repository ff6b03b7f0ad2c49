// The product: c = alpha op(a) op(b) + beta c.

#include <cmath>
#include <limits>

#include "chainrule/memory/tensor.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace gemm_test {

using namespace conformance;
using chainrule::gemm_scalars;
using chainrule::transposed;

namespace {

struct extents {
  index_t m, n, k;
};
// Every extent is 0, 1, odd and beyond a block; the last ones are cut into several pieces.
const extents all_extents[] = {{0, 17, 17},   {17, 0, 17},   {17, 17, 0},    {1, 1, 1},
                               {1, 17, 1025}, {17, 1025, 1}, {1025, 1, 17},  {17, 17, 17},
                               {17, 1, 1025}, {1, 1025, 17}, {1025, 17, 65}, {129, 257, 33}};

// Rows that begin on a boundary of a vector, in all transposes: tiles that are not whole, and sums
// of more than 1000 terms, which GPUs cut into parts.
const extents aligned_extents[] = {
    {4, 4, 4}, {20, 36, 24}, {132, 260, 36}, {12, 20, 1036}, {260, 12, 1024}};

template <class T>
host_matrix<T> flipped(const host_matrix<T>& m) {
  host_matrix<T> t({m.extents.cols, m.extents.rows});
  for (index_t i = 0; i < m.extents.rows; ++i)
    for (index_t j = 0; j < m.extents.cols; ++j) t(j, i) = m(i, j);
  return t;
}

/// alpha a b + beta c and the sum of the absolute values of its terms, in long double.
template <class T>
struct oracle {
  host_matrix<long double> value;
  host_matrix<long double> size;

  oracle(const host_matrix<T>& a, const host_matrix<T>& b, const host_matrix<T>& c,
         gemm_scalars scalars)
      : value(c.extents), size(c.extents) {
    const index_t k = a.extents.cols;
    for (index_t i = 0; i < c.extents.rows; ++i) {
      for (index_t l = 0; l < k; ++l)
        for (index_t j = 0; j < c.extents.cols; ++j) {
          const long double term = static_cast<long double>(a(i, l)) * b(l, j);
          value(i, j) += term;
          size(i, j) += std::fabs(term);
        }
      for (index_t j = 0; j < c.extents.cols; ++j) {
        const long double old = scalars.beta == 0 ? 0 : scalars.beta * c(i, j);
        value(i, j) = scalars.alpha * value(i, j) + old;
        size(i, j) = std::fabs(scalars.alpha) * size(i, j) + std::fabs(old);
      }
    }
  }
};

/// Runs one product in all four transposes; `precision` times the size of the terms is the bound.
template <class B>
std::string all_transposes(const B& be, const host_matrix<scalar_t<B>>& a,
                           const host_matrix<scalar_t<B>>& b, const host_matrix<scalar_t<B>>& c,
                           gemm_scalars scalars, layout l, long double precision) {
  const oracle<scalar_t<B>> expected(a, b, c, scalars);
  for (const bool flip_a : {false, true})
    for (const bool flip_b : {false, true}) {
      const framed<B> left(be, flip_a ? flipped(a) : a, l);
      const framed<B> right(be, flip_b ? flipped(b) : b, l);
      const framed<B> result(be, c, l);
      const chainrule::gemm_operand<chainrule::const_matrix<B>> x(left.view(), flip_a);
      const chainrule::gemm_operand<chainrule::const_matrix<B>> y(right.view(), flip_b);
      be.gemm(result.view(), x, y, scalars);
      const std::string found = result.differs(
          expected.value, [&](index_t i, index_t j) { return precision * expected.size(i, j); });
      if (!found.empty())
        return std::string(flip_a ? "a' " : "a ") + (flip_b ? "b': " : "b: ") + found;
    }
  return {};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("gemm of integers is exact", "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [m, n, k] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(m << " x " << n << " x " << k << (l == packed ? " packed" : " strided"));
      const auto a = integers<T>({m, k}, 1);
      const auto b = integers<T>({k, n}, 2);
      // Not read with beta = 0, so NaN in it does not matter.
      CHECK(all_transposes(be, a, b, unset<T>({m, n}), {}, l, 0) == "");
      CHECK(all_transposes(be, a, b, integers<T>({m, n}, 3), {-2, 0.5}, l, 0) == "");
      CHECK(all_transposes(be, a, b, integers<T>({m, n}, 4), {1, 1}, l, 0) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("gemm of aligned integers is exact", "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [m, n, k] : aligned_extents) {
    INFO(m << " x " << n << " x " << k);
    const auto a = integers<T>({m, k}, 14);
    const auto b = integers<T>({k, n}, 15);
    CHECK(all_transposes(be, a, b, unset<T>({m, n}), {}, aligned, 0) == "");
    CHECK(all_transposes(be, a, b, integers<T>({m, n}, 16), {-2, 0.5}, aligned, 0) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("gemm of reals is as precise as k additions", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [m, n, k] : all_extents) {
    INFO(m << " x " << n << " x " << k);
    // Each term passes through at most k + 2 roundings: N. Higham, "Accuracy and Stability of
    // Numerical Algorithms", section 3.1.
    const long double bound =
        static_cast<long double>(k + 2) * std::numeric_limits<T>::epsilon() / 2 * 1.01L;
    CHECK(all_transposes(be, reals<T>({m, k}, 5), reals<T>({k, n}, 6), reals<T>({m, n}, 7),
                         {1.25, -0.75}, strided, bound) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("gemm takes a matrix and its own transpose", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto a = integers<T>({17, 33}, 8);
  const framed<TestType> x(be, a, strided);
  const framed<TestType> c(be, unset<T>({17, 17}), packed);
  be.gemm(c.view(), x.view(), transposed(x.view()));
  CHECK(c.differs(oracle<T>(a, flipped(a), unset<T>({17, 17}), {}).value) == "");
}

TEMPLATE_LIST_TEST_CASE("gemm carries NaN and infinity of its factors", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  auto a = integers<T>({17, 17}, 9, 1, 3);
  a(3, 5) = std::numeric_limits<T>::quiet_NaN();
  a(4, 16) = std::numeric_limits<T>::infinity();
  const auto b = integers<T>({17, 17}, 10, 1, 3);
  CHECK(all_transposes(be, a, b, unset<T>({17, 17}), {}, packed, 0) == "");
}

TEMPLATE_LIST_TEST_CASE("gemm names the shapes that do not fit", "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> a(be, integers<T>({2, 3}, 11), packed);
  const framed<TestType> b(be, integers<T>({4, 5}, 12), packed);
  const framed<TestType> c(be, integers<T>({2, 5}, 13), packed);
  const framed<TestType> d(be, integers<T>({3, 5}, 14), packed);
  CHECK(says(complaint<shape_error>([&] { be.gemm(c.view(), a.view(), b.view()); }), "gemm", "2x3",
             "4x5", "2x5"));
  CHECK(says(complaint<shape_error>([&] { be.gemm(d.view(), a.view(), d.view()); }), "gemm", "2x3",
             "3x5", "2x5"));
  CHECK(says(complaint<shape_error>([&] { be.gemm(c.view(), transposed(a.view()), b.view()); }),
             "gemm", "3x2", "4x5"));
  // The bias of another width.
  CHECK(says(complaint<shape_error>([&] {
               be.gemm(c.view(), a.view(), d.view(), {}, chainrule::fn::plus{}, a.view());
             }),
             "gemm", "2x3", "2x5"));
}

TEMPLATE_LIST_TEST_CASE("a product and the sum of its right factor's rows", "[conformance][gemm]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  // Not every backend has the verb.
  const auto check = [](const auto& b, extents e, bool flip, double beta, double beta_of_sums,
                        layout l) {
    if constexpr (requires(chainrule::matrix<TestType> m) {
                    b.gemm_and_sum(m, m, m, {1, 0}, m, 0);
                  }) {
      const auto left = integers<T>({e.m, e.k}, 1), right = integers<T>({e.k, e.n}, 2);
      const auto old = beta == 0 ? unset<T>({e.m, e.n}) : integers<T>({e.m, e.n}, 3);
      const auto old_sums = beta_of_sums == 0 ? unset<T>({1, e.n}) : integers<T>({1, e.n}, 4);
      const framed<TestType> x(b, flip ? flipped(left) : left, l), y(b, right, l);
      const framed<TestType> c(b, old, l), sums(b, old_sums, l);
      b.gemm_and_sum(c.view(), {x.view(), flip}, y.view(), {1, beta}, sums.view(), beta_of_sums);
      const oracle<T> expected(left, right, old, {1, beta});
      const oracle<T> total(host_matrix<T>({1, e.k}, 1), right, old_sums, {1, beta_of_sums});
      const std::string found = c.differs(expected.value);
      return found.empty() ? sums.differs(total.value) : found;
    } else {
      return std::string();
    }
  };
  for (const extents e : all_extents)
    for (const bool flip : {false, true})
      for (const double beta : {0, 1})
        for (const layout l : {packed, strided}) {
          INFO(e.m << " x " << e.n << ", " << e.k << " steps, flipped " << flip << ", beta "
                   << beta);
          CHECK(check(be, e, flip, beta, 1 - beta, l) == "");
          CHECK(check(be, e, flip, beta, beta, l) == "");
        }
}

TEMPLATE_LIST_TEST_CASE("many rows are summed beside a product as precisely as by reduce",
                        "[conformance][gemm]", backends) {
  using T = scalar_t<TestType>;
  const auto check = [](const auto& b) {
    if constexpr (requires(chainrule::matrix<TestType> m) {
                    b.gemm_and_sum(m, m, m, {1, 0}, m, 0);
                  }) {
      constexpr chainrule::index_t rows = 1 << 16;
      chainrule::tensor<TestType> x(b, rows, 1), y(b, rows, 2), c(b, 1, 2), sums(b, 1, 2);
      b.map(chainrule::fn::fill{1}, x.view());
      b.map(chainrule::fn::fill{0.1}, y.view());
      b.gemm_and_sum(c.view(), {x.view(), true}, y.view(), {1, 0}, sums.view(), 0);
      const double wanted = static_cast<double>(rows) * static_cast<double>(T(0.1));
      // In pieces of up to 1024 rows; one after another they would be off by five times as much.
      const double bound =
          wanted * (1024 + rows / 1024) * static_cast<double>(std::numeric_limits<T>::epsilon());
      for (const T found : to_host(b, chainrule::const_matrix<TestType>(sums.view())))
        CHECK(std::fabs(static_cast<double>(found) - wanted) <= bound);
    }
  };
  check(TestType{});
}

}  // namespace gemm_test

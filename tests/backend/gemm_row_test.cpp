// Products of one row with what follows them: the bits of the two apart, in exactly
// the elements of the result, whatever lies around the factors.
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "support/catch.hpp"

namespace gemm_row_test {

using namespace chainrule;

namespace {

/// Exactly `count` elements on the heap, so that a sanitizer sees what is read beyond them.
template <class T>
struct numbers {
  numbers(index_t count, std::uint64_t stream) : data(new T[static_cast<std::size_t>(count)]) {
    random_stream random(3, stream);
    for (index_t i = 0; i < count; ++i)
      data[static_cast<std::size_t>(i)] = static_cast<T>(random.below(2001)) / T(700) - T(1);
  }
  T& operator[](index_t i) const { return data[static_cast<std::size_t>(i)]; }
  std::unique_ptr<T[]> data;
};

template <class T>
bool same_bits(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0;
}

}  // namespace

TEMPLATE_TEST_CASE("a row and its epilogue have the bits of a product and of map", "", float,
                   double) {
  using T = TestType;
  const T nan = std::numeric_limits<T>::quiet_NaN();
  const add_bias_then<fn::tanh> f{};
  int rows = 0;
  for (const isa set : {isa::avx2, isa::avx512}) {
    if (!is_supported(set)) continue;
    const basic_cpu<T> be(1, set);
    for (const index_t k : {1, 2, 3, 5, 10, 33, 64})
      for (const index_t n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100, 129, 300})
        for (const index_t gap : {0, 3}) {
          CAPTURE(name_of(set), k, n, gap);
          const index_t stride = n + gap;
          const numbers<T> a(k, 1), b((k - 1) * stride + n, 2), bias(n, 3), wanted(n, 4);
          for (index_t p = 0; p + 1 < k; ++p)
            for (index_t j = n; j < stride; ++j) b[p * stride + j] = nan;
          const matrix_view<const T> left(a.data.get(), 1, k);
          const matrix_view<const T> right(b.data.get(), k, n, stride);
          const matrix_view<T> row(wanted.data.get(), 1, n);
          be.gemm(row, left, right);
          const matrix_view<const T> operand(bias.data.get(), 1, n);
          be.map(f, row, row, operand);

          std::vector<T> c(static_cast<std::size_t>(n + 2), nan);
          be.gemm({c.data() + 1, 1, n}, left, right, {}, f, operand);
          CHECK(std::isnan(c.front()));
          CHECK(std::isnan(c.back()));
          index_t different = 0;
          for (index_t j = 0; j < n; ++j)
            different += !same_bits(c[static_cast<std::size_t>(j + 1)], wanted[j]);
          CHECK(different == 0);
          ++rows;
        }
  }
  if (rows == 0) WARN("this processor has none of the kernels for rows");
}

TEMPLATE_TEST_CASE("a row is scaled and added to what c holds", "", float, double) {
  using T = TestType;
  const basic_cpu<T> be(1);
  for (const index_t n : {1, 3, 16, 19, 40, 150}) {
    CAPTURE(n);
    const index_t k = 40;
    const numbers<T> a(k, 1), b(k * n, 2), c(n, 3);
    std::vector<T> before(c.data.get(), c.data.get() + n);
    be.gemm({c.data.get(), 1, n}, matrix_view<const T>(a.data.get(), 1, k),
            matrix_view<const T>(b.data.get(), k, n), {2, -0.5});
    for (index_t j = 0; j < n; ++j) {
      double sum = 0;
      double size = 0;
      for (index_t p = 0; p < k; ++p) {
        const double product = static_cast<double>(a[p]) * static_cast<double>(b[p * n + j]);
        sum += product;
        size += std::abs(product);
      }
      const double old = static_cast<double>(before[static_cast<std::size_t>(j)]);
      // A sum of k terms is off by at most k roundings of their sizes.
      const double bound = static_cast<double>(k + 2) * (2 * size + std::abs(old)) *
                           static_cast<double>(std::numeric_limits<T>::epsilon());
      CHECK(std::abs(static_cast<double>(c[j]) - (2 * sum - old / 2)) <= bound);
    }
  }
}

}  // namespace gemm_row_test

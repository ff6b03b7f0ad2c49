// Products by the kernels of each instruction set: ragged shapes beside a sum in long double, and
// the same bits however c is cut.
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/core/philox.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"

namespace products_test {

using namespace chainrule;

namespace {

/// A matrix inside a larger one, whose other elements nobody may write.
template <class T>
struct matrix_in_frame {
  index_t rows, cols, stride;
  std::vector<T> elements;

  matrix_in_frame(index_t r, index_t c, index_t gap)
      : rows(r),
        cols(c),
        stride(c + gap),
        elements(static_cast<std::size_t>(r * stride + gap), std::numeric_limits<T>::quiet_NaN()) {}

  void fill(std::uint64_t stream) {
    random_stream random(7, stream);
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j) at(i, j) = static_cast<T>(random.uniform(-1, 1));
  }
  [[nodiscard]] T& at(index_t i, index_t j) {
    return elements[static_cast<std::size_t>(i * stride + j)];
  }
  [[nodiscard]] matrix_view<T> view() { return {elements.data(), rows, cols, stride}; }
  /// Whether what lies between the rows is still NaN.
  [[nodiscard]] bool frame_is_whole() {
    for (std::size_t e = 0; e < elements.size(); ++e) {
      const auto i = static_cast<index_t>(e) / stride;
      const auto j = static_cast<index_t>(e) % stride;
      if ((i >= rows || j >= cols) && elements[e] == elements[e]) return false;
    }
    return true;
  }
};

/// What is wrong with c = alpha a b + beta c on be; empty if nothing is.
template <class T>
std::string fault_of(const basic_cpu<T>& be, index_t m, index_t n, index_t k, bool at, bool bt,
                     index_t gap, gemm_scalars scalars) {
  matrix_in_frame<T> a(at ? k : m, at ? m : k, gap);
  matrix_in_frame<T> b(bt ? n : k, bt ? k : n, gap);
  matrix_in_frame<T> c(m, n, gap);
  a.fill(1);
  b.fill(2);
  if (scalars.beta != 0) c.fill(3);  // else NaN, which must not be read
  auto result = c;
  using factor = gemm_operand<matrix_view<const T>>;
  be.gemm(result.view(), factor(a.view(), at), factor(b.view(), bt), scalars);
  // N. Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1: k + 2 roundings.
  const long double unit = std::numeric_limits<T>::epsilon() / 2 * 1.01L;
  for (index_t i = 0; i < m; ++i)
    for (index_t j = 0; j < n; ++j) {
      long double sum = 0;
      long double size = 0;
      for (index_t p = 0; p < k; ++p) {
        const long double term =
            static_cast<long double>(at ? a.at(p, i) : a.at(i, p)) * (bt ? b.at(j, p) : b.at(p, j));
        sum += term;
        size += std::fabs(term);
      }
      const long double old = scalars.beta == 0 ? 0 : scalars.beta * c.at(i, j);
      const long double want = scalars.alpha * sum + old;
      const long double bound = static_cast<long double>(k + 2) * unit *
                                (std::fabs(scalars.alpha) * size + std::fabs(old));
      const long double got = result.at(i, j);
      if (!(std::fabs(got - want) <= bound))
        return chainrule::detail::concat("(", i, ", ", j, ") is ", static_cast<double>(got),
                                         ", expected ", static_cast<double>(want));
    }
  return result.frame_is_whole() ? "" : "something beside c was written";
}

}  // namespace

TEMPLATE_TEST_CASE("products of all small extents are right on each instruction set", "", float,
                   double) {
  using T = TestType;
  // Around the tiles' extents: 4, 6 and 12 rows, vectors of 4, 8 and 16, strips of two of them.
  const index_t heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 20, 21, 25};
  const index_t widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 23, 24, 31, 32, 33, 47, 65};
  const index_t depths[] = {1, 2, 3, 5, 8, 10, 15, 16, 17, 20};
  for (const isa set : supported_sets()) {
    const basic_cpu<T> be(1, set);
    int number = 0;
    for (const index_t m : heights)
      for (const index_t n : widths) {
        // Every depth, gap and pair of scalars meets every height and width, not each other.
        const index_t k = depths[++number % 10];
        const index_t gap = number % 3;
        const gemm_scalars scalars = number % 4 == 0   ? gemm_scalars{-0.5, 0.75}
                                     : number % 4 == 1 ? gemm_scalars{1, 1}
                                                       : gemm_scalars{};
        for (const bool at : {false, true})
          for (const bool bt : {false, true}) {
            CAPTURE(name_of(set), m, n, k, at, bt, gap, scalars.alpha, scalars.beta);
            REQUIRE(fault_of(be, m, n, k, at, bt, gap, scalars) == "");
          }
      }
  }
}

TEMPLATE_TEST_CASE("products of several blocks are right on each instruction set", "", float,
                   double) {
  using T = TestType;
  const struct {
    index_t m, n, k;
  } all[] = {{209, 37, 301},   // two blocks of rows, depths that do not divide k
             {50, 515, 65},    // three of columns
             {195, 261, 289},  // both
             {13, 10, 1100},  {1, 300, 700}, {300, 1, 700}, {64, 1024, 33}};
  for (const isa set : supported_sets())
    for (const auto& [m, n, k] : all)
      for (const bool at : {false, true})
        for (const bool bt : {false, true})
          for (const gemm_scalars scalars : {gemm_scalars{}, gemm_scalars{2, -1}}) {
            CAPTURE(name_of(set), m, n, k, at, bt, scalars.alpha);
            CHECK(fault_of(basic_cpu<T>(2, set), m, n, k, at, bt, 3, scalars) == "");
          }
}

TEST_CASE("what a factor is copied for changes no bit") {
  // The same product of packed factors and of factors whose rows are 4 KiB apart, which are copied;
  // as a whole and by single rows and columns, which other tiles compute.
  constexpr index_t m = 50;
  constexpr index_t n = 70;
  constexpr index_t k = 310;
  for (const isa set : supported_sets()) {
    if (set == isa::portable) continue;  // Eigen's edges add in another order
    const cpu be(1, set);
    const auto product = [&](index_t a_gap, index_t b_gap) {
      matrix_in_frame<float> a(m, k, a_gap);
      matrix_in_frame<float> b(k, n, b_gap);
      a.fill(1);
      b.fill(2);
      matrix_in_frame<float> c(m, n, 0);
      be.gemm(c.view(), a.view(), b.view());
      return c.elements;
    };
    const std::vector<float> whole = product(0, 0);
    CAPTURE(name_of(set));
    CHECK(product(1024 - k, 1024 - n) == whole);
    matrix_in_frame<float> a(m, k, 0);
    matrix_in_frame<float> b(k, n, 0);
    a.fill(1);
    b.fill(2);
    for (index_t i = 0; i < m; i += 7)
      for (index_t j = 0; j < n; j += 5) {
        float one = std::numeric_limits<float>::quiet_NaN();
        be.gemm(matrix_view<float>(&one, 1, 1), a.view().block(i, 0, 1, k),
                b.view().block(0, j, k, 1));
        REQUIRE(one == whole[static_cast<std::size_t>(i * n + j)]);
      }
  }
}

TEST_CASE("a small product has the bits of the same numbers in a large one") {
  constexpr index_t m = 40;
  constexpr index_t n = 40;
  constexpr index_t k = 20;
  matrix_in_frame<float> a(m, k, 0);
  matrix_in_frame<float> b(k, n, 0);
  a.fill(1);
  b.fill(2);
  for (const isa set : supported_sets()) {
    if (set == isa::portable) continue;  // Eigen's edges add in another order
    const cpu be(1, set);
    matrix_in_frame<float> whole(m, n, 0);
    be.gemm(whole.view(), a.view(), b.view());
    for (const index_t rows : {1, 3, 4, 9, 32})
      for (const index_t cols : {1, 2, 3, 5, 8, 10, 16}) {
        matrix_in_frame<float> part(rows, cols, 0);
        matrix_in_frame<float> columns(k, cols, 0);
        for (index_t p = 0; p < k; ++p)
          for (index_t j = 0; j < cols; ++j) columns.at(p, j) = b.at(p, n - cols + j);
        be.gemm(part.view(), a.view().middle_rows(m - rows, rows), columns.view());
        bool same = true;
        for (index_t i = 0; i < rows; ++i)
          for (index_t j = 0; j < cols; ++j)
            same = same && part.at(i, j) == whole.at(m - rows + i, n - cols + j);
        CAPTURE(name_of(set), rows, cols);
        CHECK(same);
      }
  }
}

}  // namespace products_test

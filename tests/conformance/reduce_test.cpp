// Reductions over rows, columns and all, exactly: sum, maximum and minimum of integers.
#include <array>

#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace reduce_test {

using namespace conformance;
namespace fn = chainrule::fn;
namespace reduction = chainrule::reduction;

namespace {

const matrix_shape wholes[] = {{1, 1},    {1, 17},    {17, 1},    {17, 17},
                               {1, 1025}, {1025, 1},  {17, 1025}, {1025, 17},
                               {300, 2},  {3, 20000}, {1025, 33}, {20011, 3}};

std::array<matrix_shape, 4> results_of(matrix_shape s) {
  return {matrix_shape{1, 1}, {1, s.cols}, {s.rows, 1}, s};
}

/// The reduction of `term(i, j)` to `result`, one after the other.
template <class T, class Op, class Term>
host_matrix<T> reduced(const Op& op, matrix_shape whole, matrix_shape result, const Term& term) {
  host_matrix<T> r(result, Op::template identity<T>());
  for (index_t i = 0; i < whole.rows; ++i)
    for (index_t j = 0; j < whole.cols; ++j) {
      T& x = r(result.rows == 1 ? 0 : i, result.cols == 1 ? 0 : j);
      x = static_cast<T>(op(x, static_cast<T>(term(i, j))));
    }
  return r;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("reduce integers in every direction", "[conformance][reduce]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto check = [&](const auto& op) {
    for (const matrix_shape s : wholes)
      for (const matrix_shape r : results_of(s))
        for (const layout l : {packed, strided}) {
          INFO(to_string(s) << " to " << to_string(r) << (l == packed ? " packed" : " strided"));
          const auto a = integers<T>(s, 1);
          const framed<TestType> x(be, a, l);
          const framed<TestType> out(be, unset<T>(r), l);
          be.reduce(op, out.view(), fn::identity{}, x.view());
          CHECK(out.differs(reduced<T>(op, s, r, a)) == "");
          CHECK(x.differs(a) == "");
        }
  };
  check(reduction::sum{});
  check(reduction::maximum{});
  check(reduction::minimum{});
}

TEMPLATE_LIST_TEST_CASE("the largest and the smallest may stand anywhere", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const index_t n : {1, 2, 17, 40})
    for (index_t place = 0; place < n; ++place) {
      CAPTURE(n, place);
      // Values of one sign only: the neutral element must not win.
      host_matrix<T> a({1, n}, T(-5));
      host_matrix<T> b({n, 1}, T(5));
      a(0, place) = -2;
      b(place, 0) = 2;
      const framed<TestType> x(be, a, packed);
      const framed<TestType> y(be, b, strided);
      const framed<TestType> most(be, unset<T>({1, 1}), packed);
      const framed<TestType> least(be, unset<T>({1, 1}), packed);
      be.reduce(reduction::maximum{}, most.view(), fn::identity{}, x.view());
      be.reduce(reduction::minimum{}, least.view(), fn::identity{}, y.view());
      CHECK(most.differs([](index_t, index_t) { return -2; }) == "");
      CHECK(least.differs([](index_t, index_t) { return 2; }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("maximum and minimum carry NaN from anywhere", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto nan = std::numeric_limits<T>::quiet_NaN();
  const matrix_shape s{5, 19};
  for (index_t row : {0, 2, 4})
    for (index_t place = 0; place < s.cols; ++place) {
      CAPTURE(row, place);
      auto a = integers<T>(s, 2);
      a(row, place) = nan;
      const framed<TestType> x(be, a, strided);
      for (const matrix_shape r : results_of(s)) {
        const framed<TestType> most(be, integers<T>(r, 3), packed);
        const framed<TestType> least(be, integers<T>(r, 3), packed);
        be.reduce(reduction::maximum{}, most.view(), fn::identity{}, x.view());
        be.reduce(reduction::minimum{}, least.view(), fn::identity{}, x.view());
        CHECK(most.differs(reduced<T>(reduction::maximum{}, s, r, a)) == "");
        CHECK(least.differs(reduced<T>(reduction::minimum{}, s, r, a)) == "");
      }
    }
}

TEMPLATE_LIST_TEST_CASE("reduce of nothing is the neutral element", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  constexpr T infinity = std::numeric_limits<T>::infinity();
  const TestType be{};
  const struct {
    matrix_shape whole, result;
  } cases[] = {{{0, 17}, {1, 17}}, {{17, 0}, {17, 1}}, {{0, 17}, {1, 1}}, {{17, 0}, {1, 1}},
               {{0, 0}, {1, 1}},   {{0, 1}, {1, 1}},   {{1, 0}, {1, 1}},  {{0, 17}, {0, 1}},
               {{17, 0}, {1, 0}},  {{0, 17}, {0, 17}}};
  for (const auto& [whole, result] : cases) {
    INFO(to_string(whole) << " to " << to_string(result));
    const framed<TestType> x(be, host_matrix<T>(whole), strided);
    const auto of = [&, r = result](const auto& op) {
      framed<TestType> out(be, unset<T>(r), strided);
      be.reduce(op, out.view(), fn::identity{}, x.view());
      return out;
    };
    CHECK(of(reduction::sum{}).differs([](index_t, index_t) { return T(0); }) == "");
    CHECK(of(reduction::maximum{}).differs([&](index_t, index_t) { return -infinity; }) == "");
    CHECK(of(reduction::minimum{}).differs([&](index_t, index_t) { return infinity; }) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("reduce names the shapes that do not fit", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> x(be, integers<T>({2, 3}, 4), packed);
  const framed<TestType> y(be, integers<T>({3, 2}, 5), packed);
  const framed<TestType> two(be, integers<T>({1, 2}, 6), packed);
  CHECK(says(complaint<shape_error>(
                 [&] { be.reduce(reduction::sum{}, two.view(), fn::identity{}, x.view()); }),
             "reduce", "1x2", "2x3"));
  CHECK(says(complaint<shape_error>(
                 [&] { be.reduce(reduction::sum{}, x.view(), fn::identity{}, two.view()); }),
             "reduce", "2x3", "1x2"));
  CHECK(says(complaint<shape_error>(
                 [&] { be.reduce(reduction::sum{}, two.view(), fn::plus{}, x.view(), y.view()); }),
             "reduce", "2x3", "3x2"));
}

TEMPLATE_LIST_TEST_CASE("reduce adds beta times the result", "[conformance][reduce]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes)
    for (const matrix_shape r : results_of(s))
      for (const layout l : {packed, strided})
        for (const double beta : {1.0, -0.5}) {
          INFO(to_string(s) << " to " << to_string(r) << (l == packed ? " packed" : " strided")
                            << " beta " << beta);
          // Whole numbers and halves: all that is added is exact.
          const auto a = integers<T>(s, 7, -2, 2);
          const auto before = integers<T>(r, 8);
          const framed<TestType> x(be, a, l);
          const framed<TestType> out(be, before, l);
          be.reduce(reduction::sum{}, out.view(), {.beta = beta}, fn::identity{}, x.view());
          const auto total = reduced<T>(reduction::sum{}, s, r, a);
          CHECK(out.differs([&](index_t i, index_t j) {
            return total(i, j) + static_cast<T>(beta) * before(i, j);
          }) == "");
          CHECK(x.differs(a) == "");
        }
}

TEMPLATE_LIST_TEST_CASE("reduce with beta = 0 assigns, bit for bit, whatever the result held",
                        "[conformance][reduce]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes)
    for (const matrix_shape r : results_of(s)) {
      INFO(to_string(s) << " to " << to_string(r));
      const framed<TestType> x(be, reals<T>(s, 9), strided);
      const framed<TestType> wanted(be, integers<T>(r, 10), strided);
      const framed<TestType> out(be, unset<T>(r), strided);
      be.reduce(reduction::sum{}, wanted.view(), fn::identity{}, x.view());
      be.reduce(reduction::sum{}, out.view(), {}, fn::identity{}, x.view());
      CHECK(out.differs(wanted.download()) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("reduce of products with beta is as precise as its additions",
                        "[conformance][reduce]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : {matrix_shape{17, 33}, matrix_shape{1025, 17}})
    for (const matrix_shape r : results_of(s)) {
      INFO(to_string(s) << " to " << to_string(r));
      const auto a = reals<T>(s, 11);
      const auto row = reals<T>({1, s.cols}, 12);
      const auto before = reals<T>(r, 13);
      const T beta = T(-1.25);
      host_matrix<long double> value(r);
      host_matrix<long double> size(r);
      for (index_t i = 0; i < r.rows; ++i)
        for (index_t j = 0; j < r.cols; ++j) {
          value(i, j) = static_cast<long double>(beta) * before(i, j);
          size(i, j) = std::fabs(value(i, j));
        }
      for (index_t i = 0; i < s.rows; ++i)
        for (index_t j = 0; j < s.cols; ++j) {
          const long double term = static_cast<long double>(a(i, j)) * row(0, j);
          value(r.rows == 1 ? 0 : i, r.cols == 1 ? 0 : j) += term;
          size(r.rows == 1 ? 0 : i, r.cols == 1 ? 0 : j) += std::fabs(term);
        }
      const framed<TestType> x(be, a, strided);
      const framed<TestType> y(be, row, packed);
      const framed<TestType> out(be, before, strided);
      be.reduce(reduction::sum{}, out.view(), {.beta = beta}, fn::multiplies{}, x.view(), y.view());
      // A term passes through its product and at most as many additions as there are terms:
      // N. Higham, "Accuracy and Stability of Numerical Algorithms", section 4.2.
      const long double terms = static_cast<long double>(s.size() / r.size());
      const long double bound = (terms + 2) * std::numeric_limits<T>::epsilon() / 2 * 1.01L;
      CHECK(out.differs(value, [&](index_t i, index_t j) { return bound * size(i, j); }) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("reduce of nothing with beta scales the result", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const struct {
    matrix_shape whole, result;
  } cases[] = {{{0, 17}, {1, 17}}, {{17, 0}, {17, 1}}, {{0, 17}, {1, 1}}, {{17, 0}, {1, 1}},
               {{0, 0}, {1, 1}},   {{1, 0}, {1, 1}},   {{0, 17}, {0, 1}}, {{0, 17}, {0, 17}}};
  for (const auto& [whole, result] : cases) {
    INFO(to_string(whole) << " to " << to_string(result));
    const framed<TestType> x(be, host_matrix<T>(whole), strided);
    const auto before = integers<T>(result, 14);
    const framed<TestType> out(be, before, strided);
    be.reduce(reduction::sum{}, out.view(), {.beta = 0.5}, fn::identity{}, x.view());
    CHECK(out.differs([&](index_t i, index_t j) { return before(i, j) / 2; }) == "");
  }
}

}  // namespace reduce_test

// Map-reduce: functors of one to three operands fused into the reduction, and its precision.
#include <array>

#include "chainrule/pointwise/functions.hpp"
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace reduce_fused_test {

using namespace conformance;
namespace fn = chainrule::fn;
namespace reduction = chainrule::reduction;

namespace {

const matrix_shape wholes[] = {{1, 1},     {1, 17},    {17, 1},   {17, 17},
                               {17, 1025}, {1025, 17}, {1, 1025}, {1025, 1}};

std::array<matrix_shape, 4> results_of(matrix_shape s) {
  return {matrix_shape{1, 1}, {1, s.cols}, {s.rows, 1}, s};
}

/// The column's number where x is its row's maximum, else infinity: argmax is the minimum of it.
struct column_of_maximum {
  constexpr auto operator()(const auto& x, const auto& max, const auto& column) const {
    return chainrule::math::where(x == max, column, std::numeric_limits<double>::infinity());
  }
};

struct squared_distance {
  constexpr auto operator()(const auto& a, const auto& b) const {
    return chainrule::math::sqr(a - b);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("reduce one, two and three operands with broadcast",
                        "[conformance][reduce]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes) {
    INFO(to_string(s));
    const auto a = integers<T>(s, 1);
    const auto row = integers<T>({1, s.cols}, 2);
    const auto column = integers<T>({s.rows, 1}, 3);
    const framed<TestType> x(be, a, strided);
    const framed<TestType> y(be, row, packed);
    const framed<TestType> z(be, column, strided);
    for (const matrix_shape r : results_of(s)) {
      const auto in_place_of = [&](index_t i, index_t j) {
        return std::pair(r.rows == 1 ? 0 : i, r.cols == 1 ? 0 : j);
      };
      host_matrix<T> squares(r), distances(r), products(r);
      for (index_t i = 0; i < s.rows; ++i)
        for (index_t j = 0; j < s.cols; ++j) {
          const auto [p, q] = in_place_of(i, j);
          squares(p, q) += a(i, j) * a(i, j);
          distances(p, q) += (row(0, j) - a(i, j)) * (row(0, j) - a(i, j));
          products(p, q) += column(i, 0) * row(0, j);
        }
      const framed<TestType> out(be, unset<T>(r), strided);
      be.reduce(reduction::sum{}, out.view(), fn::sqr{}, x.view());
      CHECK(out.differs(squares) == "");
      // The first operand may be the one that is repeated; all of them may be.
      be.reduce(reduction::sum{}, out.view(), squared_distance{}, y.view(), x.view());
      CHECK(out.differs(distances) == "");
      be.reduce(reduction::sum{}, out.view(), fn::multiplies{}, z.view(), y.view());
      CHECK(out.differs(products) == "");
    }
  }
}

TEMPLATE_LIST_TEST_CASE("argmax of rows is a reduction of three operands", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes) {
    INFO(to_string(s));
    const auto a = integers<T>(s, 4, -100, 100);
    host_matrix<T> most({s.rows, 1}), first({s.rows, 1}), numbers({1, s.cols});
    for (index_t j = 0; j < s.cols; ++j) numbers(0, j) = static_cast<T>(j);
    for (index_t i = 0; i < s.rows; ++i) {
      index_t best = 0;
      for (index_t j = 1; j < s.cols; ++j)
        if (a(i, j) > a(i, best)) best = j;
      most(i, 0) = a(i, best);
      first(i, 0) = static_cast<T>(best);
    }
    const framed<TestType> x(be, a, strided);
    const framed<TestType> columns(be, numbers, packed);
    const framed<TestType> max(be, unset<T>({s.rows, 1}), packed);
    const framed<TestType> out(be, unset<T>({s.rows, 1}), strided);
    be.reduce(reduction::maximum{}, max.view(), fn::identity{}, x.view());
    CHECK(max.differs(most) == "");
    be.reduce(reduction::minimum{}, out.view(), column_of_maximum{}, x.view(), max.view(),
              columns.view());
    CHECK(out.differs(first) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("sums of reals are as precise as n additions", "[conformance][reduce]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : {matrix_shape{17, 1025}, matrix_shape{1025, 17},
                               matrix_shape{1, 100001}, matrix_shape{100001, 1}}) {
    INFO(to_string(s));
    const auto a = reals<T>(s, 5);
    const auto b = reals<T>(s, 6);
    const framed<TestType> x(be, a, packed);
    const framed<TestType> y(be, b, strided);
    for (const matrix_shape r :
         {matrix_shape{1, 1}, matrix_shape{1, s.cols}, matrix_shape{s.rows, 1}}) {
      host_matrix<long double> value(r), size(r);
      for (index_t i = 0; i < s.rows; ++i)
        for (index_t j = 0; j < s.cols; ++j) {
          const index_t p = r.rows == 1 ? 0 : i;
          const index_t q = r.cols == 1 ? 0 : j;
          const long double term = static_cast<long double>(a(i, j)) * b(i, j);
          value(p, q) += term;
          size(p, q) += std::fabs(term);
        }
      // n additions and the product itself: N. Higham, section 4.2, with u = epsilon / 2.
      const auto n = static_cast<long double>(s.size() / r.size());
      const framed<TestType> out(be, unset<T>(r), packed);
      be.reduce(reduction::sum{}, out.view(), fn::multiplies{}, x.view(), y.view());
      CHECK(out.differs(value, [&](index_t i, index_t j) {
        return (n + 1) * std::numeric_limits<T>::epsilon() / 2 * 1.01L * size(i, j);
      }) == "");
    }
  }
}

}  // namespace reduce_fused_test

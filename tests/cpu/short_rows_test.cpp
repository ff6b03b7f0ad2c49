// Short rows, of which the CPU computes several at a time: every kind of operand and result, beside
// plain loops.
#include <cmath>
#include <vector>

#include "chainrule/memory/tensor.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace short_rows_test {

using namespace batches;

namespace {

struct mix {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c, const auto& d) const {
    return (a - b) * c + d;
  }
};
template <class T>
T mixed(T a, T b, T c, T d) {
  return (a - b) * c + d;
}

/// Columns 2 ... of a matrix with 5 more.
template <class B>
matrix<B> inside(const tensor<B>& wide) {
  return const_cast<tensor<B>&>(wide).view().block(0, 2, wide.rows(), wide.cols() - 5);
}

template <class T>
void check(const basic_cpu<T>& be, index_t rows, index_t cols) {
  using B = basic_cpu<T>;
  CAPTURE(name_of(be.isa()), rows, cols);
  const tensor<B> full = uniform(be, rows, cols, 1);
  const tensor<B> wide = uniform(be, rows, cols + 5, 2);
  const tensor<B> row = uniform(be, 1, cols, 3);
  const tensor<B> column = uniform(be, rows, 1, 4);
  const tensor<B> one = uniform(be, 1, 1, 5);
  const matrix<B> strided = inside(wide);
  const double eps = epsilon<B>;

  // Whole, repeated down, repeated along, and a single number; without gaps and with.
  const auto compare = [&](const matrix<B>& got, const auto& want) {
    double worst = 0;
    for (index_t i = 0; i < rows; ++i)
      for (index_t j = 0; j < cols; ++j) {
        const double off = std::fabs(static_cast<double>(got(i, j) - want(i, j)));
        worst = off <= worst ? worst : off;  // NaN stays
      }
    CHECK(worst <= 8 * eps);  // three operations on numbers of at most 2, perhaps contracted
  };
  const auto first = [&](index_t i, index_t j) {
    return mixed<T>(full.view()(i, j), row.view()(0, j), column.view()(i, 0), one.view()(0, 0));
  };
  const auto second = [&](index_t i, index_t j) {
    return mixed<T>(column.view()(i, 0), strided(i, j), full.view()(i, j), row.view()(0, j));
  };
  tensor<B> out(be, rows, cols);
  const tensor<B> frame = uniform(be, rows, cols + 5, 2);
  tensor<B> target = uniform(be, rows, cols + 5, 2);
  be.map(fn::fill{not_a_number}, out.view());
  be.map(mix{}, out.view(), full.view(), row.view(), column.view(), one.view());
  compare(out.view(), first);
  be.map(mix{}, out.view(), column.view(), strided, full.view(), row.view());
  compare(out.view(), second);
  be.map(mix{}, inside(target), full.view(), row.view(), column.view(), one.view());
  compare(inside(target), first);
  for (index_t i = 0; i < rows; ++i)
    for (const index_t j : {index_t{0}, index_t{1}, cols + 2, cols + 4})
      REQUIRE(target.view()(i, j) == frame.view()(i, j));  // nothing beside it was written
  // In place.
  tensor<B> same = uniform(be, rows, cols, 1);
  be.map(mix{}, same.view(), same.view(), row.view(), column.view(), one.view());
  compare(same.view(), first);

  tensor<B> down(be, 1, cols);
  tensor<B> along(be, rows, 1);
  be.map(fn::fill{not_a_number}, down.view());
  be.map(fn::fill{not_a_number}, along.view());
  be.reduce(reduction::sum{}, down.view(), mix{}, column.view(), strided, full.view(), row.view());
  be.reduce(reduction::sum{}, along.view(), mix{}, column.view(), strided, full.view(), row.view());
  for (index_t j = 0; j < cols; ++j) {
    double total = 0;
    for (index_t i = 0; i < rows; ++i) total += static_cast<double>(second(i, j));
    CHECK(std::fabs(static_cast<double>(down.view()(0, j)) - total) <=
          8 * eps * static_cast<double>(rows));
  }
  for (index_t i = 0; i < rows; ++i) {
    double total = 0;
    for (index_t j = 0; j < cols; ++j) total += static_cast<double>(second(i, j));
    CHECK(std::fabs(static_cast<double>(along.view()(i, 0)) - total) <=
          8 * eps * static_cast<double>(cols));
  }
  be.reduce(reduction::maximum{}, along.view(), fn::identity{}, strided);
  for (index_t i = 0; i < rows; ++i) {
    T most = strided(i, 0);
    for (index_t j = 1; j < cols; ++j) most = std::max(most, strided(i, j));
    CHECK(along.view()(i, 0) == most);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("short rows give what plain loops give", "", float, double) {
  for (const isa set : supported_sets()) {
    const basic_cpu<TestType> be(1, set);
    for (const index_t cols : {1, 2, 3, 10, 15, 16, 17, 31, 32, 33, 64, 100, 255, 256, 257})
      for (const index_t rows : {1, 2, 5, 33, 600}) check(be, rows, cols);
  }
}

TEMPLATE_TEST_CASE("a row's results do not depend on the rows around it", "", float, double) {
  using B = basic_cpu<TestType>;
  for (const isa set : supported_sets()) {
    const B be(1, set);
    for (const index_t cols : {3, 10, 40}) {
      const tensor<B> x = uniform(be, 200, cols, 1);
      tensor<B> whole(be, 200, 1);
      tensor<B> alone(be, 1, 1);
      be.reduce(reduction::sum{}, whole.view(), fn::sqr{}, x.view());
      for (const index_t i : {0, 7, 51, 199}) {
        be.reduce(reduction::sum{}, alone.view(), fn::sqr{}, x.view().middle_rows(i, 1));
        CHECK(alone.view()(0, 0) == whole.view()(i, 0));
      }
    }
  }
}

}  // namespace short_rows_test

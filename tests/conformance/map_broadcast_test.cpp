// Broadcast: an operand of extent 1 in a direction is repeated along it.
#include <array>

#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace map_broadcast_test {

using namespace conformance;
namespace fn = chainrule::fn;

namespace {

const matrix_shape wholes[] = {{1, 1},     {1, 17}, {17, 1}, {17, 17},  {17, 1025},
                               {1025, 17}, {0, 17}, {17, 0}, {1, 1025}, {1025, 1}};

struct weighted_sum {
  constexpr auto operator()(const auto& a, const auto& b, const auto& c) const {
    return a + 16 * b + 256 * c;
  }
};

/// The operands of a whole: all of it, a row, a column, one number.
std::array<matrix_shape, 4> parts_of(matrix_shape s) {
  return {s, {1, s.cols}, {s.rows, 1}, {1, 1}};
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("map repeats rows, columns and single numbers", "[conformance][map]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes)
    for (const matrix_shape part_a : parts_of(s))
      for (const matrix_shape part_b : parts_of(s)) {
        INFO(to_string(part_a) << " and " << to_string(part_b) << " to " << to_string(s));
        const auto a = integers<T>(part_a, 1);
        const auto b = integers<T>(part_b, 2);
        const auto c = integers<T>(s, 3);
        // In both of the two ways that a matrix may lie in memory, mixed.
        const framed<TestType> x(be, a, strided);
        const framed<TestType> y(be, b, packed);
        const framed<TestType> z(be, c, packed);
        for (const layout l : {packed, strided}) {
          const framed<TestType> out(be, unset<T>(s), l);
          be.map(weighted_sum{}, out.view(), x.view(), y.view(), z.view());
          CHECK(out.differs([&](index_t i, index_t j) {
            return a.repeated(i, j) + 16 * b.repeated(i, j) + 256 * c(i, j);
          }) == "");
        }
      }
}

TEMPLATE_LIST_TEST_CASE("map fills a whole from parts only", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes) {
    INFO(to_string(s));
    const auto column = integers<T>({s.rows, 1}, 4);
    const auto row = integers<T>({1, s.cols}, 5);
    const framed<TestType> x(be, column, strided);
    const framed<TestType> y(be, row, packed);
    const framed<TestType> out(be, unset<T>(s), packed);
    be.map(fn::multiplies{}, out.view(), x.view(), y.view());  // the outer product
    CHECK(out.differs([&](index_t i, index_t j) { return column(i, 0) * row(0, j); }) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("map in place beside a repeated row", "[conformance][map]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const matrix_shape s : wholes) {
    INFO(to_string(s));
    const auto a = integers<T>(s, 6);
    const auto row = integers<T>({1, s.cols}, 7);
    const framed<TestType> x(be, a, strided);
    const framed<TestType> y(be, row, packed);
    be.map(fn::plus{}, x.view(), x.view(), y.view());
    CHECK(x.differs([&](index_t i, index_t j) { return a(i, j) + row(0, j); }) == "");
  }
}

}  // namespace map_broadcast_test

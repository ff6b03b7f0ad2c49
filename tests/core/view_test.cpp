#include "chainrule/core/view.hpp"

#include <array>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

namespace view_test {

using chainrule::index_t;
using chainrule::matrix_view;

namespace {

// 0, 1, 2, ... so that every element names its place in memory.
std::vector<float> counting(std::size_t size) {
  std::vector<float> data(size);
  std::iota(data.begin(), data.end(), 0.0F);
  return data;
}

// A device's pointer: a handle with an offset, no address.
struct handle {
  int buffer = -1;
  index_t offset = 0;
  friend handle operator+(handle h, index_t n) { return {h.buffer, h.offset + n}; }
};
struct const_handle {
  int buffer = -1;
  index_t offset = 0;
  const_handle() = default;
  const_handle(handle h) : buffer(h.buffer), offset(h.offset) {}
  friend const_handle operator+(const_handle h, index_t n) {
    h.offset += n;
    return h;
  }
};

}  // namespace

TEST_CASE("a view reads and writes row-major") {
  auto data = counting(6);
  const matrix_view<float> m{data.data(), 2, 3};
  CHECK(m.rows() == 2);
  CHECK(m.cols() == 3);
  CHECK(m.stride() == 3);
  CHECK(m.size() == 6);
  CHECK(m.shape() == chainrule::matrix_shape{2, 3});
  CHECK(m.contiguous());
  CHECK_FALSE(m.empty());
  CHECK(m(0, 2) == 2.0F);
  CHECK(m(1, 0) == 3.0F);
  m(1, 2) = 42.0F;
  CHECK(data[5] == 42.0F);
}

TEST_CASE("rows lie a stride apart") {
  auto data = counting(10);
  const matrix_view<float> m{data.data(), 2, 3, 7};
  CHECK(m(0, 0) == 0.0F);
  CHECK(m(1, 0) == 7.0F);
  CHECK(m(1, 2) == 9.0F);
  CHECK(m.size() == 6);
  CHECK_FALSE(m.contiguous());
}

TEST_CASE("a single row and an empty view are contiguous whatever the stride") {
  auto data = counting(8);
  CHECK(matrix_view<float>{data.data(), 1, 3, 7}.contiguous());
  CHECK(matrix_view<float>{data.data(), 0, 3, 7}.contiguous());
  CHECK_FALSE(matrix_view<float>{data.data(), 2, 3, 4}.contiguous());
}

TEST_CASE("an empty view is empty") {
  const matrix_view<float> none;
  CHECK(none.empty());
  CHECK(none.data() == nullptr);
  CHECK(none.shape() == chainrule::matrix_shape{0, 0});
  CHECK(matrix_view<float>{nullptr, 0, 5}.empty());
  CHECK(matrix_view<float>{nullptr, 5, 0}.empty());
}

TEST_CASE("a view refuses extents that cannot be") {
  auto data = counting(6);
  CHECK_THROWS_AS((matrix_view<float>{data.data(), -1, 3}), chainrule::shape_error);
  CHECK_THROWS_AS((matrix_view<float>{data.data(), 2, -1}), chainrule::shape_error);
  CHECK_THROWS_WITH((matrix_view<float>{data.data(), 2, 3, 2}),
                    "a matrix view needs extents of at least 0 and a stride of at least one row, "
                    "got 2x3 with stride 2");
}

TEST_CASE("a block keeps the stride and its elements are the same memory") {
  auto data = counting(20);
  const matrix_view<float> m{data.data(), 4, 5};
  const auto b = m.block(1, 2, 2, 3);
  CHECK(b.shape() == chainrule::matrix_shape{2, 3});
  CHECK(b.stride() == 5);
  for (index_t i = 0; i < 2; ++i)
    for (index_t j = 0; j < 3; ++j) CHECK(&b(i, j) == &m(i + 1, j + 2));
  // A block of a block is counted from the inner one.
  CHECK(b.block(1, 1, 1, 2)(0, 0) == m(2, 3));
}

TEST_CASE("middle rows") {
  auto data = counting(20);
  const matrix_view<float> m{data.data(), 4, 5};
  const auto rows = m.middle_rows(1, 2);
  CHECK(rows.shape() == chainrule::matrix_shape{2, 5});
  CHECK(rows(0, 0) == 5.0F);
  CHECK(rows.contiguous());
  CHECK(m.middle_rows(0, 4).data() == m.data());
  CHECK(m.middle_rows(4, 0).empty());
}

TEST_CASE("a block must lie within the view") {
  auto data = counting(20);
  const matrix_view<float> m{data.data(), 4, 5};
  CHECK_THROWS_WITH(m.block(2, 3, 3, 2),
                    "the block of 3x2 at (2, 3) does not lie within a matrix of 4x5");
  CHECK_THROWS_AS(m.block(0, 4, 1, 2), chainrule::shape_error);
  CHECK_THROWS_AS(m.block(-1, 0, 1, 1), chainrule::shape_error);
  CHECK_THROWS_AS(m.block(0, -1, 1, 1), chainrule::shape_error);
  CHECK_THROWS_AS(m.block(0, 0, -1, 1), chainrule::shape_error);
  CHECK_THROWS_AS(m.block(0, 0, 1, -1), chainrule::shape_error);
  CHECK_THROWS_AS(m.middle_rows(3, 2), chainrule::shape_error);
  // Sums of these extents would overflow.
  const index_t huge = std::numeric_limits<index_t>::max();
  CHECK_THROWS_AS(m.block(huge, 0, huge, 1), chainrule::shape_error);
  CHECK_THROWS_AS(m.block(1, 0, huge, 1), chainrule::shape_error);
}

TEST_CASE("an empty block may start at the very end") {
  auto data = counting(20);
  const matrix_view<float> m{data.data(), 4, 5};
  CHECK(m.block(4, 5, 0, 0).empty());
  CHECK(m.block(4, 0, 0, 5).shape() == chainrule::matrix_shape{0, 5});
  CHECK_THROWS_AS(m.block(5, 0, 0, 5), chainrule::shape_error);
  // A view of no memory has empty blocks too.
  CHECK(matrix_view<float>{}.block(0, 0, 0, 0).data() == nullptr);
}

TEST_CASE("a view becomes a view of const, never the other way round") {
  auto data = counting(10);
  const matrix_view<float> m{data.data(), 2, 3, 7};
  const matrix_view<const float> c = m;
  CHECK(c.data() == m.data());
  CHECK(c.shape() == m.shape());
  CHECK(c.stride() == 7);
  STATIC_REQUIRE(std::is_convertible_v<matrix_view<float>, matrix_view<const float>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<matrix_view<const float>, matrix_view<float>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<matrix_view<float>, matrix_view<const double>>);
  STATIC_REQUIRE_FALSE(std::is_convertible_v<matrix_view<double>, matrix_view<float>>);
  STATIC_REQUIRE(std::is_trivially_copyable_v<matrix_view<float>>);
}

TEST_CASE("a view works over handles that are not addresses") {
  using device_view = matrix_view<float, handle>;
  const device_view m{handle{3, 100}, 4, 5, 8};
  const auto b = m.block(2, 1, 2, 2);
  CHECK(b.data().buffer == 3);
  CHECK(b.data().offset == 100 + 2 * 8 + 1);
  const matrix_view<const float, const_handle> c = b;
  CHECK(c.data().offset == b.data().offset);
  CHECK(c.stride() == 8);
  CHECK(c.block(1, 1, 1, 1).data().offset == b.data().offset + 8 + 1);
}

TEST_CASE("views work in constant expressions") {
  constexpr auto sum = [] {
    std::array<int, 6> data{1, 2, 3, 4, 5, 6};
    const matrix_view<int> m{data.data(), 2, 3};
    const matrix_view<const int> right = m.block(0, 1, 2, 2);
    return right(0, 0) + right(0, 1) + right(1, 0) + right(1, 1);
  }();
  STATIC_REQUIRE(sum == 2 + 3 + 5 + 6);
}

}  // namespace view_test

#include "chainrule/core/shape.hpp"

#include <limits>
#include <string>
#include <type_traits>

#include "support/catch.hpp"

namespace shape_test {

TEST_CASE("a shape counts, compares and prints") {
  constexpr chainrule::matrix_shape s{60000, 784};
  STATIC_REQUIRE(s.size() == 47040000);
  STATIC_REQUIRE(s == chainrule::matrix_shape{60000, 784});
  STATIC_REQUIRE_FALSE(s == chainrule::matrix_shape{784, 60000});
  STATIC_REQUIRE_FALSE(s == chainrule::matrix_shape{60000, 783});
  CHECK(to_string(s) == "60000x784");
}

TEST_CASE("a shape is empty by default and wherever an extent is zero") {
  STATIC_REQUIRE(chainrule::matrix_shape{} == chainrule::matrix_shape{0, 0});
  STATIC_REQUIRE(chainrule::matrix_shape{0, 5}.size() == 0);
  STATIC_REQUIRE(chainrule::matrix_shape{5, 0}.size() == 0);
  CHECK(to_string(chainrule::matrix_shape{0, 5}) == "0x5");
}

TEST_CASE("extents are signed and wide enough for large matrices") {
  STATIC_REQUIRE(std::is_signed_v<chainrule::index_t>);
  STATIC_REQUIRE(chainrule::dynamic < 0);
  constexpr chainrule::index_t wide = 100000;
  STATIC_REQUIRE(chainrule::matrix_shape{wide, wide}.size() == 10000000000);
}

}  // namespace shape_test

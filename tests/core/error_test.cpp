#include "chainrule/core/error.hpp"

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include "support/catch.hpp"

namespace error_test {

namespace {

template <class E>
void check_kind() {
  STATIC_REQUIRE(std::is_base_of_v<chainrule::error, E>);
  STATIC_REQUIRE(std::is_base_of_v<std::runtime_error, E>);
  try {
    throw E("what, where");
  } catch (const chainrule::error& e) {
    CHECK(std::string(e.what()) == "what, where");
    CHECK(dynamic_cast<const E*>(&e) != nullptr);
  }
}

}  // namespace

TEST_CASE("every error is a chainrule::error that keeps its message") {
  check_kind<chainrule::shape_error>();
  check_kind<chainrule::value_error>();
  check_kind<chainrule::format_error>();
  check_kind<chainrule::io_error>();
  check_kind<chainrule::backend_error>();
}

TEST_CASE("the kinds of error are told apart") {
  STATIC_REQUIRE_FALSE(std::is_base_of_v<chainrule::shape_error, chainrule::value_error>);
  STATIC_REQUIRE_FALSE(std::is_base_of_v<chainrule::io_error, chainrule::format_error>);
  CHECK_THROWS_AS(throw chainrule::io_error("x"), chainrule::io_error);
}

TEST_CASE("concat joins text, characters and numbers") {
  using chainrule::detail::concat;
  CHECK(concat().empty());
  CHECK(concat("layer ", 1, " (", std::string("dense"), ") expects ", std::string_view("64 x"),
               '!') == "layer 1 (dense) expects 64 x!");
  CHECK(concat(-3, ' ', 0U, ' ', std::size_t{18}) == "-3 0 18");
  CHECK(concat(std::numeric_limits<std::int64_t>::min()) == "-9223372036854775808");
  CHECK(concat(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
}

TEST_CASE("concat writes floating-point numbers in short form, whatever their size") {
  using chainrule::detail::concat;
  CHECK(concat(0.5F) == "0.5");
  CHECK(concat(-1.25) == "-1.25");
  CHECK(concat(1e-300) == "1e-300");
  CHECK(concat(-std::numeric_limits<double>::max()) == "-1.79769e+308");
  CHECK(concat(std::numeric_limits<double>::infinity()) == "inf");
}

}  // namespace error_test

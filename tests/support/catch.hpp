/// \file
/// Catch2, version 2 or 3, whichever is installed.
///
/// Tests include this header and use only what both versions have: TEST_CASE, TEMPLATE_TEST_CASE,
/// SECTION, GENERATE, CHECK, REQUIRE, CHECK_THROWS_AS, CHECK_THROWS_WITH, INFO, CAPTURE, FAIL.
#ifndef CHAINRULE_TESTS_SUPPORT_CATCH_HPP
#define CHAINRULE_TESTS_SUPPORT_CATCH_HPP

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#endif  // CHAINRULE_TESTS_SUPPORT_CATCH_HPP

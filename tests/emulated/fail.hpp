/// \file
/// How the emulated device ends a program that asks for what CUDA forbids: with a sentence.
#ifndef CHAINRULE_TESTS_EMULATED_FAIL_HPP
#define CHAINRULE_TESTS_EMULATED_FAIL_HPP

#include <cstdio>
#include <cstdlib>

#include "chainrule/core/error.hpp"

namespace emulated {

/// Not an exception: a catch clause must not hide it. Catch2 adds the name of the test.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::fprintf(stderr, "emulated CUDA: %s\n", chainrule::detail::concat(parts...).c_str());
  std::abort();
}

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_FAIL_HPP

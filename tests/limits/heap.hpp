/// \file
/// A heap that can be told to fail: every operator new of the program counts, and one of them, or
/// any that is too large for every machine, throws std::bad_alloc. heap_test.cpp replaces them.
///
///     heap::fail_after(3);             // the fourth allocation from now on fails
///     ...
///     const bool failed = heap::stop(); // no more do; whether there was a fourth
///
/// Memory that is freed is filled with the bytes of NaN: what is still used of it is seen.
#ifndef CHAINRULE_TESTS_LIMITS_HEAP_HPP
#define CHAINRULE_TESTS_LIMITS_HEAP_HPP

#include <atomic>
#include <cstddef>

namespace heap {

inline std::atomic<long> left{-1};   // allocations before the one that fails; -1: none, -2: it has
inline std::atomic<long> blocks{0};  // that are not freed
inline std::atomic<long long> bytes{0};       // of these
inline std::atomic<long long> most_bytes{0};  // at any time since reset_most()

/// No test needs as much in one piece, and no machine is asked for it.
inline constexpr std::size_t too_large = std::size_t{1} << 33;

inline void fail_after(long allocations) { left = allocations; }
inline bool stop() { return left.exchange(-1) == -2; }
inline void reset_most() { most_bytes = bytes.load(); }

}  // namespace heap

#endif  // CHAINRULE_TESTS_LIMITS_HEAP_HPP

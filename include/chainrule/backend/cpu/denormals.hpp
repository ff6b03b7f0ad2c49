/// \file
/// `flush_denormals`: a scope in which denormal numbers count as 0.
///
/// Arithmetic with denormal numbers, such as very small gradients, takes processors up to a hundred
/// times as long.
#ifndef CHAINRULE_BACKEND_CPU_DENORMALS_HPP
#define CHAINRULE_BACKEND_CPU_DENORMALS_HPP

#include <cstdint>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/compiler.hpp"

#if defined(__x86_64__) || (defined(__i386__) && defined(__SSE__))
#define CHAINRULE_HAS_MXCSR 1
#else
#define CHAINRULE_HAS_MXCSR 0
#endif

namespace chainrule {

namespace detail {
CHAINRULE_CPU_BEGIN

/// The floating-point control register of this thread: rounding, exceptions, denormals. 0 on
/// processors where it is not supported here.
[[nodiscard]] inline std::uint64_t floating_point_mode() {
#if CHAINRULE_HAS_MXCSR
  return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
  std::uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}
inline void set_floating_point_mode([[maybe_unused]] std::uint64_t mode) {
#if CHAINRULE_HAS_MXCSR
  __builtin_ia32_ldmxcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#endif
}

CHAINRULE_CPU_END
}  // namespace detail

CHAINRULE_CPU_BEGIN

/// While it lives, denormal results of this thread become 0, and denormal operands count as 0. The
/// workers of a thread_pool use the mode of the calling thread.
class flush_denormals {
 public:
  flush_denormals() : before_(detail::floating_point_mode()) {
#if CHAINRULE_HAS_MXCSR
    constexpr std::uint64_t flush = 1U << 15U | 1U << 6U;  // results, operands
    detail::set_floating_point_mode(before_ | flush);
#elif defined(__aarch64__)
    constexpr std::uint64_t flush = std::uint64_t{1} << 24U;  // both
    detail::set_floating_point_mode(before_ | flush);
#endif
  }
  ~flush_denormals() { detail::set_floating_point_mode(before_); }
  flush_denormals(const flush_denormals&) = delete;
  flush_denormals& operator=(const flush_denormals&) = delete;

 private:
  std::uint64_t before_;
};

CHAINRULE_CPU_END
}  // namespace chainrule

#undef CHAINRULE_HAS_MXCSR

#endif  // CHAINRULE_BACKEND_CPU_DENORMALS_HPP

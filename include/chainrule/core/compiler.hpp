/// \file
/// Requirements on the compiler and its flags, each with a message where it is not met.
///
/// With -ffast-math the compiler assumes that there are no NaN and infinities and reorders sums:
/// functions lose their bounds, kernels may drop a NaN, and results are not reproducible. Decisions
/// on the host (has the training diverged?) test bits and still work (core/finite.hpp).
/// CHAINRULE_ALLOW_FAST_MATH, if defined, silences the warning.
#ifndef CHAINRULE_CORE_COMPILER_HPP
#define CHAINRULE_CORE_COMPILER_HPP

#pragma GCC system_header  // else -Wpedantic reports #warning itself

#define CHAINRULE_STOP "chainrule: see the error above"
// Including a missing file ends the compilation: thousands of errors would hide the message.
#if __cplusplus < 202002L
#error "chainrule needs C++20: compile with -std=c++20"
#include CHAINRULE_STOP
#elif !defined(__cpp_exceptions)
#error "chainrule reports errors by exceptions: compile without -fno-exceptions"
#include CHAINRULE_STOP
#endif
#undef CHAINRULE_STOP

#if (defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)) && \
    !defined(CHAINRULE_ALLOW_FAST_MATH)
#warning \
    "chainrule: -ffast-math (-Ofast, -ffinite-math-only) makes functions less accurate and \
kernels blind to NaN; compile without it, or define CHAINRULE_ALLOW_FAST_MATH to accept that"
#endif

#endif  // CHAINRULE_CORE_COMPILER_HPP

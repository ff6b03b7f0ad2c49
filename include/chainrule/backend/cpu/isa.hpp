/// \file
/// `isa`: the instruction sets that kernels of the CPU backend are compiled for, and which of them
/// this program uses.
///
///     switch (chosen_isa()) { case isa::avx512: ... }
///     CHAINRULE_ISA=avx2 ./program      // forces one
///
/// A program contains the kernels for all of these sets whatever its flags (by the function
/// attribute `target`), and chooses at run time. Machines other than x86-64, and compilers other
/// than g++ and clang, have the portable kernels only.
///
/// Structure of a kernel, for both g++ and clang: generic functions without a target, always
/// inlined (CHAINRULE_INLINE), do the work; the function into which they are inlined has a target
/// (CHAINRULE_TARGET_AVX512), which determines the instructions. Compilers refuse the reverse, and
/// a call that is not inlined would pass wide vectors in a way that depends on the target.
#ifndef CHAINRULE_BACKEND_CPU_ISA_HPP
#define CHAINRULE_BACKEND_CPU_ISA_HPP

#include <cstdlib>
#include <string_view>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/error.hpp"

#define CHAINRULE_INLINE [[gnu::always_inline]] inline

#if defined(__x86_64__) && defined(__GNUC__)
#define CHAINRULE_HAS_X86_TARGETS 1
// The extensions that all processors with AVX-512 have since the first for servers (2017).
#define CHAINRULE_TARGET_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]]
#define CHAINRULE_TARGET_AVX2 [[gnu::target("avx2,fma")]]
#else
#define CHAINRULE_HAS_X86_TARGETS 0
#endif

namespace chainrule {
CHAINRULE_CPU_BEGIN

/// Instruction sets in ascending order; each contains those before it.
enum class isa { portable, avx2, avx512 };

/// Its name in CHAINRULE_ISA.
[[nodiscard]] constexpr std::string_view name_of(isa set) {
  return set == isa::avx512 ? "avx512" : (set == isa::avx2 ? "avx2" : "portable");
}

/// Whether processor and operating system support a set.
[[nodiscard]] inline bool is_supported(isa set) {
  if (set == isa::portable) return true;
#if CHAINRULE_HAS_X86_TARGETS
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (set == isa::avx2) return has_avx2;
  return has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  return false;
#endif
}

/// The widest set that this machine supports.
[[nodiscard]] inline isa best_isa() {
  for (const isa set : {isa::avx512, isa::avx2})
    if (is_supported(set)) return set;
  return isa::portable;
}

/// `set`, if this machine supports it; throws value_error otherwise.
inline isa require_supported(isa set) {
  if (!is_supported(set))
    detail::fail<value_error>("this processor does not support the instruction set ", name_of(set),
                              "; the widest that it does is ", name_of(best_isa()));
  return set;
}

/// The set that `text` names, or the widest if it is null or empty. Throws value_error if there is
/// no such set or this machine does not support it.
[[nodiscard]] inline isa isa_from(const char* text) {
  if (text == nullptr || *text == '\0') return best_isa();
  for (const isa set : {isa::portable, isa::avx2, isa::avx512})
    if (name_of(set) == text) return require_supported(set);
  detail::fail<value_error>(
      "the environment variable CHAINRULE_ISA "
      "must be portable, avx2 or avx512, got '",
      text, "'");
}

/// The set that CHAINRULE_ISA asks for, else the widest; decided once, when first asked. Throws as
/// isa_from does.
[[nodiscard]] inline isa chosen_isa() {
  static const isa set = isa_from(std::getenv("CHAINRULE_ISA"));
  return set;
}

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CPU_ISA_HPP

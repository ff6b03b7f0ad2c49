/// \file
/// Sums across the elements of lanes, transposes of blocks of them, and `with_lanes`, which
/// compiles a function of lanes for each instruction set.
///
///     with_lanes(chosen_isa(), [&](auto bytes) {
///       using X = math::lane<float, bytes>;
///       X rows[X::width] = ...;
///       transpose_block(rows);         // element l of lane k is element k of lane l
///     });
#ifndef CHAINRULE_BACKEND_CPU_LANE_LAYOUT_HPP
#define CHAINRULE_BACKEND_CPU_LANE_LAYOUT_HPP

#include <cstddef>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/lane.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// Before functions, and behind the parameters of lambdas, that with_lanes is to compile for an
/// instruction set. clang flattens only what the flattened function calls itself; with
/// always_inline in between, g++ would not inline functors.
#if defined(__clang__)
#define CHAINRULE_FLAT __attribute__((always_inline))
#else
#define CHAINRULE_FLAT
#endif

/// Of blocks of `Half` elements, the even ones of a beside the even ones of b; with `odd`, the odd
/// ones.
template <index_t Half, bool Odd, class X, std::size_t... L>
[[nodiscard]] CHAINRULE_INLINE X interleaved(const X& a, const X& b, std::index_sequence<L...>) {
  constexpr auto source = [](index_t l) {
    const bool from_a = l / Half % 2 == 0;
    return static_cast<int>(Odd ? (from_a ? l + Half : X::width + l)
                                : (from_a ? l : X::width + l - Half));
  };
  return X(__builtin_shufflevector(a.bits, b.bits, source(static_cast<index_t>(L))...));
}
template <index_t Half, bool Odd, class X>
[[nodiscard]] CHAINRULE_INLINE X interleaved(const X& a, const X& b) {
  return interleaved<Half, Odd>(a, b, std::make_index_sequence<X::width>{});
}

/// Element k of the result is the sum of the elements of lane k.
template <class X, index_t Half = X::width / 2>
[[nodiscard]] CHAINRULE_INLINE X sums_across(X (&lanes)[static_cast<std::size_t>(X::width)]) {
  [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline)) {
    ((lanes[K] = interleaved<Half, false>(lanes[K], lanes[K + Half]) +
                 interleaved<Half, true>(lanes[K], lanes[K + Half])),
     ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(Half)>{});
  if constexpr (Half > 1)
    return sums_across<X, Half / 2>(lanes);
  else
    return lanes[0];
}

/// Transposes a square block: afterwards element l of lane k is what was element k of lane l.
template <class X, index_t Half = X::width / 2>
CHAINRULE_INLINE void transpose_block(X (&lanes)[static_cast<std::size_t>(X::width)]) {
  const auto exchange = [](X & a, X & b) __attribute__((always_inline)) {
    const X odd = interleaved<Half, true>(a, b);
    a = interleaved<Half, false>(a, b);
    b = odd;
  };
  [&]<std::size_t... K>(std::index_sequence<K...>) __attribute__((always_inline)) {
    (exchange(lanes[K / Half * 2 * Half + K % Half], lanes[K / Half * 2 * Half + K % Half + Half]),
     ...);
  }
  (std::make_index_sequence<static_cast<std::size_t>(X::width / 2)>{});
  if constexpr (Half > 1) transpose_block<X, Half / 2>(lanes);
}

#if defined(__clang__)
#define CHAINRULE_VECTORS_AS_WRITTEN
#else
#define CHAINRULE_VECTORS_AS_WRITTEN [[gnu::optimize("no-tree-vectorize")]]  // as cpu/kernel.hpp
#endif
#define CHAINRULE_WITH_LANES(name, bytes, attribute)                                           \
  template <class F>                                                                           \
  attribute CHAINRULE_VECTORS_AS_WRITTEN [[gnu::flatten]] void with_lanes_##name(const F& f) { \
    f(std::integral_constant<int, bytes>{});                                                   \
  }
CHAINRULE_WITH_LANES(portable, math::portable_bytes, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_WITH_LANES(avx2, 32, CHAINRULE_TARGET_AVX2)
CHAINRULE_WITH_LANES(avx512, 64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_WITH_LANES
#undef CHAINRULE_VECTORS_AS_WRITTEN

/// Calls f(bytes), where `bytes` is a constant, the size of the lanes of an instruction set. g++
/// compiles all that f calls for that set; clang what is CHAINRULE_FLAT or small, and the rest for
/// the set of the file.
template <class F>
void with_lanes([[maybe_unused]] isa set, const F& f) {
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512) return with_lanes_avx512(f);
  if (set == isa::avx2) return with_lanes_avx2(f);
#endif
  with_lanes_portable(f);
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_LANE_LAYOUT_HPP

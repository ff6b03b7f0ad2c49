/// \file
/// The operations of vectors that depend on their target: constants, comparisons, selection, square
/// roots, whether any lane is true.
///
/// In g++ the result type of a comparison depends on the target of the enclosing function; inlined
/// into a function with another target, it is split into scalars, as constants sometimes are. So in
/// g++ these are functions with the target of their width. They cannot be inlined into a functor
/// without a target, but are once the functor is inlined into a kernel.
#ifndef CHAINRULE_BACKEND_CPU_VECTOR_OPS_HPP
#define CHAINRULE_BACKEND_CPU_VECTOR_OPS_HPP

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "chainrule/backend/cpu/vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

template <class T, int Bytes>
using mask_vector =
    typename simd<std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>, Bytes>::vector;

template <class T, int Bytes>
struct vector_ops;

#define CHAINRULE_VECTOR_OPS(bytes, attribute)                                                  \
  template <class T>                                                                            \
  struct vector_ops<T, bytes> {                                                                 \
    using vector = typename simd<T, bytes>::vector;                                             \
    using mask = mask_vector<T, bytes>;                                                         \
    attribute static void fill(vector& r, T c) { r = c - vector{}; }                            \
    attribute static void less(mask& m, const vector& a, const vector& b) { m = a < b; }        \
    attribute static void less_equal(mask& m, const vector& a, const vector& b) { m = a <= b; } \
    attribute static void equal(mask& m, const vector& a, const vector& b) { m = a == b; }      \
    attribute static void select(vector& r, const mask& m, const vector& a, const vector& b) {  \
      r = m ? a : b;                                                                            \
    }                                                                                           \
  };
CHAINRULE_VECTOR_OPS(16, CHAINRULE_INLINE)
#if CHAINRULE_HAS_X86_TARGETS && !defined(__clang__)
CHAINRULE_VECTOR_OPS(32, CHAINRULE_TARGET_AVX2 inline)
CHAINRULE_VECTOR_OPS(64, CHAINRULE_TARGET_AVX512 inline)
#else
CHAINRULE_VECTOR_OPS(32, CHAINRULE_INLINE)
CHAINRULE_VECTOR_OPS(64, CHAINRULE_INLINE)
#endif
#undef CHAINRULE_VECTOR_OPS

#if CHAINRULE_HAS_X86_TARGETS
#define CHAINRULE_SQUARE_ROOT(T, bytes, attribute, expression)                  \
  attribute inline void square_root(typename simd<T, bytes>::vector& r,         \
                                    const typename simd<T, bytes>::vector& a) { \
    r = expression;                                                             \
  }
CHAINRULE_SQUARE_ROOT(float, 16, , __builtin_ia32_sqrtps(a))
CHAINRULE_SQUARE_ROOT(double, 16, , __builtin_ia32_sqrtpd(a))
CHAINRULE_SQUARE_ROOT(float, 32, CHAINRULE_TARGET_AVX2, __builtin_ia32_sqrtps256(a))
CHAINRULE_SQUARE_ROOT(double, 32, CHAINRULE_TARGET_AVX2, __builtin_ia32_sqrtpd256(a))
#ifdef __clang__
CHAINRULE_SQUARE_ROOT(float, 64, CHAINRULE_TARGET_AVX512, __builtin_ia32_sqrtps512(a, 4))
CHAINRULE_SQUARE_ROOT(double, 64, CHAINRULE_TARGET_AVX512, __builtin_ia32_sqrtpd512(a, 4))
#else
CHAINRULE_SQUARE_ROOT(float, 64, CHAINRULE_TARGET_AVX512,
                      __builtin_ia32_sqrtps512_mask(a, a, static_cast<short>(-1), 4))
CHAINRULE_SQUARE_ROOT(double, 64, CHAINRULE_TARGET_AVX512,
                      __builtin_ia32_sqrtpd512_mask(a, a, static_cast<signed char>(-1), 4))
#endif
#undef CHAINRULE_SQUARE_ROOT
#define CHAINRULE_ANY(T, bytes, attribute, part, function)                         \
  attribute inline bool any(const mask_vector<T, bytes>& m) {                      \
    return function(reinterpret_cast<typename simd<part, bytes>::vector>(m)) != 0; \
  }
CHAINRULE_ANY(float, 16, , char, __builtin_ia32_pmovmskb128)
CHAINRULE_ANY(double, 16, , char, __builtin_ia32_pmovmskb128)
CHAINRULE_ANY(float, 32, CHAINRULE_TARGET_AVX2, char, __builtin_ia32_pmovmskb256)
CHAINRULE_ANY(double, 32, CHAINRULE_TARGET_AVX2, char, __builtin_ia32_pmovmskb256)
CHAINRULE_ANY(float, 64, CHAINRULE_TARGET_AVX512, int, __builtin_ia32_cvtd2mask512)
CHAINRULE_ANY(double, 64, CHAINRULE_TARGET_AVX512, int, __builtin_ia32_cvtd2mask512)
#undef CHAINRULE_ANY
#else
template <class Vector>
CHAINRULE_INLINE void square_root(Vector& r, const Vector& a) {
  for (std::size_t i = 0; i < sizeof(Vector) / sizeof(a[0]); ++i) r[i] = std::sqrt(a[i]);
}
template <class Mask>
[[nodiscard]] CHAINRULE_INLINE bool any(const Mask& m) {
  bool one = false;
  for (std::size_t i = 0; i < sizeof(Mask) / sizeof(m[0]); ++i) one = one || m[i] != 0;
  return one;
}
#endif

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_VECTOR_OPS_HPP

/// \file
/// `simd<T, Bytes>`: a vector of the vector extension of g++ and clang, from which kernels are
/// built.
///
/// The function into which the code is inlined determines the registers: see isa.hpp. Vectors are
/// passed by reference only, because passing them by value depends on the target.
#ifndef CHAINRULE_BACKEND_CPU_VECTOR_HPP
#define CHAINRULE_BACKEND_CPU_VECTOR_HPP

#include <cstddef>
#include <cstring>

#include "chainrule/backend/cpu/isa.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

template <class T, int Bytes>
struct simd {
  typedef T vector __attribute__((vector_size(Bytes)));
  /// The vector at an address without alignment.
  typedef T loose __attribute__((vector_size(Bytes), aligned(alignof(T)), may_alias));

  static constexpr index_t width = Bytes / static_cast<index_t>(sizeof(T));

  CHAINRULE_INLINE static void load(vector& v, const T* p) {
    v = *reinterpret_cast<const loose*>(p);
  }
  CHAINRULE_INLINE static void store(T* p, const vector& v) { *reinterpret_cast<loose*>(p) = v; }
};

/// Copies `count` < 2 Most elements, in pieces of halving length: a few moves
/// instead of a call.
template <index_t Most, class T>
CHAINRULE_INLINE void copy_few(T* to, const T* from, index_t count) {
  if (count & Most) {
    std::memcpy(to, from, static_cast<std::size_t>(Most) * sizeof(T));
    to += Most;
    from += Most;
  }
  if constexpr (Most > 1) copy_few<Most / 2>(to, from, count);
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_VECTOR_HPP

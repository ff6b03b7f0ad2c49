/// \file
/// Tiles whose sums are an operand of a functor and are not stored: the update of weights by a
/// gradient that is a product, which is neither written nor read.
#ifndef CHAINRULE_BACKEND_CPU_GEMM_MAP_TILE_HPP
#define CHAINRULE_BACKEND_CPU_GEMM_MAP_TILE_HPP

#include <array>
#include <cstddef>
#include <utility>

#include "chainrule/backend/cpu/gemm/tile.hpp"
#include "chainrule/backend/cpu/kernel.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// out[o] = f(in[0], c, in[2], ..., singles...), where c = a b and all matrices have c's strides.
template <class T>
struct gemm_map {
  void (*tile)(const gemm_tile<T>&);
  const void* functor;
  const T* c;
  std::array<const T*, most_operands> in;  // matrices, then single numbers, each in a whole vector
  std::array<T*, most_results> out;
};

#if CHAINRULE_HAS_X86_TARGETS
// As the kernels in kernel.hpp.
#if defined(__clang__)
#define CHAINRULE_VECTORS_AS_WRITTEN
#else
#define CHAINRULE_VECTORS_AS_WRITTEN [[gnu::optimize("no-tree-vectorize")]]
#endif
// A tile whose sums F takes: it has Outs results, and Outs + 1 matrices among its operands I. F is
// called as in kernel.hpp, by nothing that is always inlined.
#define CHAINRULE_MAP_TILE(name, bytes, attribute)                                                 \
  template <class T, class F, std::size_t Outs, std::size_t... I>                                  \
  attribute CHAINRULE_VECTORS_AS_WRITTEN                                                           \
      [[gnu::noinline, gnu::flatten]] void map_tile_##name(const gemm_tile<T>& t) {                \
    using X = math::lane<T, bytes>;                                                                \
    constexpr int rows = gemm_tile_sizes<bytes>::rows;                                             \
    constexpr int vecs = gemm_tile_sizes<bytes>::vecs;                                             \
    typename X::vector sums[rows * vecs];                                                          \
    multiply_tile<T, bytes, rows, vecs, true>(t, sums);                                            \
    const gemm_map<T>& map = *t.map;                                                               \
    held_functor<F> f = *static_cast<const F*>(map.functor);                                       \
    const index_t first = t.sums - map.c;                                                          \
    const T* in[] = {map.in[I] + (I <= Outs ? first : 0)...};                                      \
    T* out[Outs];                                                                                  \
    for (std::size_t o = 0; o < Outs; ++o) out[o] = map.out[o] + first;                            \
    const auto take = [&](int r, int v, const typename X::vector& sum) {                           \
      const index_t at = r * t.sums_row + v * X::width;                                            \
      store_results<X, Outs>(f((I == 1 ? X(sum) : X::load(in[I] + (I <= Outs ? at : 0)))...), out, \
                             at);                                                                  \
    };                                                                                             \
    [&]<int... S>(std::integer_sequence<int, S...>) {                                              \
      ((S / vecs >= t.skip ? take(S / vecs, S % vecs, sums[S]) : void()), ...);                    \
    }                                                                                              \
    (std::make_integer_sequence<int, rows * vecs>{});                                              \
  }
CHAINRULE_MAP_TILE(avx2, 32, CHAINRULE_TARGET_AVX2)
CHAINRULE_MAP_TILE(avx512, 64, CHAINRULE_TARGET_AVX512)
#undef CHAINRULE_MAP_TILE
#undef CHAINRULE_VECTORS_AS_WRITTEN

/// The tile that takes the sums for F with that many operands, for a set that is not portable.
template <class T, class F, std::size_t Outs, std::size_t... I>
[[nodiscard]] auto map_tile(isa set, std::index_sequence<I...>) {
  return set == isa::avx512 ? map_tile_avx512<T, F, Outs, I...> : map_tile_avx2<T, F, Outs, I...>;
}
#endif

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_GEMM_MAP_TILE_HPP

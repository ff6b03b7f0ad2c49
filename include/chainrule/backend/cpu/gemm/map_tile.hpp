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

/// What takes the sums of a tile for F, which has Outs results and Outs + 1 matrices among its
/// operands I.
template <class T, int Bytes, class F, std::size_t Outs, std::size_t... I>
class tile_map {
  using X = math::lane<T, Bytes>;

 public:
  /// Unrolled, a functor with state would be much code.
  static constexpr bool is_looped = Outs > 1;
  CHAINRULE_INLINE explicit tile_map(const gemm_tile<T>& t)
      : f_(*static_cast<const F*>(t.map->functor)) {
    const index_t offset = t.sums - t.map->c;
    for (std::size_t o = 0; o < Outs; ++o) out_[o] = t.map->out[o] + offset;
    ((in_[I] = t.map->in[I] + (I <= Outs ? offset : 0)), ...);
    ((I > Outs ? void(single_[I] = X::load(in_[I])) : void()), ...);
  }

  /// Takes the product of the elements `at` behind the first of the tile.
  CHAINRULE_INLINE void operator()(index_t at, const typename X::vector& product) const {
    const auto operand = [&]<std::size_t K>(std::integral_constant<std::size_t, K>)
        __attribute__((always_inline)) {
      if constexpr (K == 1)
        return X(product);
      else if constexpr (K <= Outs)
        return X::load(in_[K] + at);
      else
        return single_[K];
    };
    store_results<X, Outs>(f_(operand(std::integral_constant<std::size_t, I>{})...), out_, at);
  }

 private:
  held_functor<F> f_;
  const T* in_[sizeof...(I)];
  X single_[sizeof...(I)];
  T* out_[Outs];
};

#if CHAINRULE_HAS_X86_TARGETS
// As the kernels in kernel.hpp.
#if defined(__clang__)
#define CHAINRULE_VECTORS_AS_WRITTEN
#else
#define CHAINRULE_VECTORS_AS_WRITTEN [[gnu::optimize("no-tree-vectorize")]]
#endif
#define CHAINRULE_MAP_TILE(name, bytes, attribute)                                            \
  template <class T, class F, std::size_t Outs, std::size_t... I>                             \
  attribute CHAINRULE_VECTORS_AS_WRITTEN                                                      \
      [[gnu::noinline, gnu::flatten]] void map_tile_##name(const gemm_tile<T>& t) {           \
    multiply_tile<T, bytes, gemm_tile_sizes<bytes>::rows, gemm_tile_sizes<bytes>::vecs, true, \
                  tile_map<T, bytes, F, Outs, I...>>(t);                                      \
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

/// \file
/// The loops that run functors over lanes, one for each instruction set.
///
/// pointwise_run does the rest, once for all functors: it repeats single numbers and pads the end
/// of a row to a whole lane. So a new functor costs one small loop per instruction set, and the
/// result of an element does not depend on its position.
///
/// A kernel calls the functor directly in a function with a target that g++ flattens. With an
/// always-inlined function in between, g++ would not inline the functor.
#ifndef CHAINRULE_BACKEND_CPU_KERNEL_HPP
#define CHAINRULE_BACKEND_CPU_KERNEL_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "chainrule/backend/cpu/lane.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// An operand of a kernel: consecutive lanes are `step` elements apart; 0 repeats the same lane.
template <class T>
struct lane_operand {
  const T* data;
  index_t step;
};

/// Computes out[o][j] = f(in[0][j], in[1][j], ...) for a number of whole lanes. The results of a
/// lane are stored after all its operands are loaded, so that results may be operands.
template <class T>
using lane_kernel = void (*)(const void* functor, const lane_operand<T>* in, T* const* out,
                             index_t lanes);

/// Stores the result of a functor, one value or a std::tuple.
template <class X, std::size_t Outs, class T, class Result>
CHAINRULE_INLINE void store_results(const Result& result, T* const* out, index_t j) {
  if constexpr (math::number<Result>) {
    static_assert(Outs == 1, "chainrule: this functor gives one result, more are asked for");
    X(result).store(out[0] + j);
  } else {
    static_assert(std::tuple_size_v<Result> == Outs,
                  "chainrule: this functor gives another number of results than are asked for");
    [&]<std::size_t... O>(std::index_sequence<O...>) __attribute__((always_inline)) {
      (X(std::get<O>(result)).store(out[O] + j), ...);
    }
    (std::make_index_sequence<Outs>{});
  }
}

/// Small functors are copied, so that the compiler knows that stores do not change their constants.
template <class F>
using held_functor =
    std::conditional_t<std::is_trivially_copyable_v<F> && sizeof(F) <= 256, const F, const F&>;

// g++ 12's vectorisers miscompile `flag ? a : b` of vectors with a scalar flag: only the first lane
// is right. They are not needed in a loop over vectors.
#if defined(__clang__)
#define CHAINRULE_VECTORS_AS_WRITTEN
#else
#define CHAINRULE_VECTORS_AS_WRITTEN [[gnu::optimize("no-tree-vectorize")]]
#endif

// run: the kernel of a functor. combine: op of values in a fixed order, into lanes, by two chains
// of operations to hide their latency; returns the number of values combined. combine_each: out[j]
// = op(out[j], values[j]) for each row of values; returns the number of columns combined.
#define CHAINRULE_POINTWISE_KERNELS(name, bytes, attribute)                            \
  template <class T, class F, std::size_t Outs, std::size_t... I>                      \
  attribute CHAINRULE_VECTORS_AS_WRITTEN [[gnu::flatten]] void run_##name(             \
      const void* functor, const lane_operand<T>* in, T* const* out, index_t lanes) {  \
    using X = math::lane<T, bytes>;                                                    \
    held_functor<F> f = *static_cast<const F*>(functor);                               \
    [[maybe_unused]] const T* at[] = {in[I].data..., nullptr};                         \
    for (index_t j = 0; j < lanes * X::width; j += X::width) {                         \
      store_results<X, Outs>(f(X::load(at[I])...), out, j);                            \
      ((at[I] += in[I].step), ...);                                                    \
    }                                                                                  \
  }                                                                                    \
  template <class T, class Op>                                                         \
  attribute CHAINRULE_VECTORS_AS_WRITTEN [[gnu::flatten]] index_t combine_##name(      \
      const Op& op, const T* values, index_t count, T* lanes) {                        \
    using X = math::lane<T, bytes>;                                                    \
    X a(Op::template identity<T>());                                                   \
    X b = a;                                                                           \
    index_t j = 0;                                                                     \
    for (; j + 2 * X::width <= count; j += 2 * X::width) {                             \
      a = op(a, X::load(values + j));                                                  \
      b = op(b, X::load(values + j + X::width));                                       \
    }                                                                                  \
    X(op(a, b)).store(lanes);                                                          \
    return j;                                                                          \
  }                                                                                    \
  template <class T, class Op>                                                         \
  attribute CHAINRULE_VECTORS_AS_WRITTEN [[gnu::flatten]] index_t combine_each_##name( \
      const Op& op, const T* values, index_t count, T* out, index_t rows) {            \
    using X = math::lane<T, bytes>;                                                    \
    index_t j = 0;                                                                     \
    for (; j + X::width <= count; j += X::width) {                                     \
      X total = X::load(out + j);                                                      \
      for (index_t at = j; at < rows * count; at += count)                             \
        total = op(total, X::load(values + at));                                       \
      total.store(out + j);                                                            \
    }                                                                                  \
    return j;                                                                          \
  }

CHAINRULE_POINTWISE_KERNELS(portable, math::portable_bytes, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_POINTWISE_KERNELS(avx2, 32, CHAINRULE_TARGET_AVX2)
CHAINRULE_POINTWISE_KERNELS(avx512, 64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_POINTWISE_KERNELS

#if CHAINRULE_HAS_X86_TARGETS
/// to[j] = f(from[j]) for a number of whole lanes of bytes; only for wide vectors, since for narrow
/// ones the compiler's own conversion is as fast.
template <class T, class F>
CHAINRULE_TARGET_AVX512 CHAINRULE_VECTORS_AS_WRITTEN [[gnu::flatten]] void convert_bytes_avx512(
    const F& functor, const std::uint8_t* from, T* to, index_t lanes) {
  using X = math::lane<T, 64>;
  constexpr int width = static_cast<int>(X::width);
  using bytes = simd<std::uint8_t, width>;
  using integers = typename simd<std::int32_t, 4 * width>::vector;
  held_functor<F> f = functor;
  for (index_t j = 0; j < lanes * X::width; j += X::width) {
    typename bytes::vector b;
    bytes::load(b, from + j);
    integers whole;
#if defined(__clang__)
    whole = __builtin_convertvector(b, integers);
#else
    // g++ 12 converts to the fourfold width element by element, to the double by an instruction.
    if constexpr (width == 16) {
      using chars = char __attribute__((vector_size(16)));
      whole = __builtin_ia32_pmovzxbd512_mask(reinterpret_cast<chars>(b), integers{}, 0xffff);
    } else {
      using halves = typename simd<std::uint16_t, 2 * width>::vector;
      whole = __builtin_convertvector(__builtin_convertvector(b, halves), integers);
    }
#endif
    X(f(X(__builtin_convertvector(whole, typename X::vector)))).store(to + j);
  }
}
#endif
#undef CHAINRULE_VECTORS_AS_WRITTEN

/// The kernel of a functor for an instruction set.
template <class T, class F, std::size_t Outs, std::size_t... I>
[[nodiscard]] lane_kernel<T> pointwise_kernel([[maybe_unused]] isa set, std::index_sequence<I...>) {
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512) return run_avx512<T, F, Outs, I...>;
  if (set == isa::avx2) return run_avx2<T, F, Outs, I...>;
#endif
  return run_portable<T, F, Outs, I...>;
}

/// A part of one row of an operand; `splat`: one element, repeated. Not initialised, like all types
/// here that are used in arrays of the largest size: initialisation would take longer than a small
/// map.
template <class T>
struct run_operand {
  const T* data;
  bool splat;
};

inline constexpr std::size_t most_operands = 16;
inline constexpr std::size_t most_results = 8;

/// The number of elements in a vector of an instruction set.
template <class T>
[[nodiscard]] constexpr index_t vector_width(isa set) {
  constexpr index_t most = 64 / static_cast<index_t>(sizeof(T));
  return set == isa::avx512 ? most : (set == isa::avx2 ? most / 2 : most / 4);
}

/// The number of whole vectors of an instruction set in a number of elements.
template <class T>
[[nodiscard]] constexpr index_t whole_vectors(isa set, index_t count) {
  constexpr int most = sizeof(T) == 4 ? 4 : 3;  // as a power of 2: shifts are faster than divisions
  return count >> (set == isa::avx512 ? most : (set == isa::avx2 ? most - 1 : most - 2));
}

/// Runs a kernel along `count` elements.
template <class T>
void pointwise_run(isa set, lane_kernel<T> kernel, const void* functor, const run_operand<T>* in,
                   std::size_t operands, T* const* out, std::size_t results, index_t count) {
  constexpr index_t most = 64 / static_cast<index_t>(sizeof(T));
  const index_t width = vector_width<T>(set);
  // A lane for each operand and result.
  alignas(64) T buffer[(most_operands + most_results) * static_cast<std::size_t>(most)];
  const auto slot = [&](std::size_t i) { return buffer + i * static_cast<std::size_t>(most); };
  std::array<lane_operand<T>, most_operands> from;
  for (std::size_t i = 0; i < operands; ++i) {
    from[i] = {in[i].data, width};
    if (!in[i].splat) continue;
    for (index_t l = 0; l < most; ++l) slot(i)[l] = *in[i].data;
    from[i] = {slot(i), 0};
  }
  const index_t vectors = whole_vectors<T>(set, count);
  const index_t whole = vectors * width;
  if (vectors > 0) kernel(functor, from.data(), out, vectors);
  const index_t rest = count - whole;
  if (rest == 0) return;
  std::array<T*, most_results> target;
  for (std::size_t i = 0; i < operands; ++i) {
    if (in[i].splat) continue;
    std::memset(slot(i), 0, 64);  // of constant length: a few stores instead of a call
    copy_few<most / 2>(slot(i), in[i].data + whole, rest);
    from[i] = {slot(i), 0};
  }
  for (std::size_t o = 0; o < results; ++o) target[o] = slot(most_operands + o);
  kernel(functor, from.data(), target.data(), 1);
  for (std::size_t o = 0; o < results; ++o) copy_few<most / 2>(out[o] + whole, target[o], rest);
}

/// op of `count` values, starting from its neutral element, in a fixed order.
template <class T, class Op>
[[nodiscard]] T combine([[maybe_unused]] isa set, const Op& op, const T* values, index_t count) {
  constexpr index_t most = 64 / static_cast<index_t>(sizeof(T));
  std::array<T, static_cast<std::size_t>(most)> lanes;
  index_t width = math::lane<T>::width;
  index_t j = 0;
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512)
    j = combine_avx512(op, values, count, lanes.data()), width = most;
  else if (set == isa::avx2)
    j = combine_avx2(op, values, count, lanes.data()), width = most / 2;
  else
#endif
    j = combine_portable(op, values, count, lanes.data());
  T total = Op::template identity<T>();
  for (index_t i = 0; i < width; ++i)
    total = static_cast<T>(op(total, lanes[static_cast<std::size_t>(i)]));
  for (; j < count; ++j) total = static_cast<T>(op(total, values[j]));
  return total;
}

/// out[j] = op(out[j], values[j]) for `rows` rows of values, contiguous, one after another.
template <class T, class Op>
void combine_each([[maybe_unused]] isa set, const Op& op, const T* values, index_t count, T* out,
                  index_t rows = 1) {
  index_t j = 0;
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512)
    j = combine_each_avx512(op, values, count, out, rows);
  else if (set == isa::avx2)
    j = combine_each_avx2(op, values, count, out, rows);
  else
#endif
    j = combine_each_portable(op, values, count, out, rows);
  for (; j < count; ++j) {
    T total = out[j];
    for (index_t at = j; at < rows * count; at += count)
      total = static_cast<T>(op(total, values[at]));
    out[j] = total;
  }
}

/// The operation of a reduction, type-erased: reductions are compiled once per scalar.
template <class T>
class reduction_call {
 public:
  /// `op` must outlive the call.
  template <class Op>
  explicit reduction_call(const Op& op)
      : neutral(Op::template identity<T>()),
        op_(&op),
        values_([](const void* o, isa set, const T* values, index_t count) {
          return detail::combine(set, *static_cast<const Op*>(o), values, count);
        }),
        each_([](const void* o, isa set, const T* values, index_t count, T* out, index_t rows) {
          detail::combine_each(set, *static_cast<const Op*>(o), values, count, out, rows);
        }),
        two_([](const void* o, double a, double b) {
          return static_cast<double>((*static_cast<const Op*>(o))(a, b));
        }) {}

  /// The result for no values.
  T neutral;

  [[nodiscard]] T combine(isa set, const T* values, index_t count) const {
    return values_(op_, set, values, count);
  }
  void combine_each(isa set, const T* values, index_t count, T* out, index_t rows = 1) const {
    each_(op_, set, values, count, out, rows);
  }
  [[nodiscard]] double combine_two(double a, double b) const { return two_(op_, a, b); }

 private:
  const void* op_;
  T (*values_)(const void*, isa, const T*, index_t);
  void (*each_)(const void*, isa, const T*, index_t, T*, index_t);
  double (*two_)(const void*, double, double);
};

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_KERNEL_HPP

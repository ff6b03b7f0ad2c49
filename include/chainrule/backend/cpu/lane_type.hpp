/// \file
/// The class of cpu/lane.hpp, its operators and comparisons.
#ifndef CHAINRULE_BACKEND_CPU_LANE_TYPE_HPP
#define CHAINRULE_BACKEND_CPU_LANE_TYPE_HPP

#include <cstdint>
#include <type_traits>

#include "chainrule/backend/cpu/vector_ops.hpp"
#include "chainrule/pointwise/functions.hpp"

namespace chainrule::math {
CHAINRULE_CPU_BEGIN

/// Bytes of the smallest vectors, which compilers emulate by scalars where machines lack them.
inline constexpr int portable_bytes = 16;

template <class T, int Bytes = portable_bytes>
struct lane;

/// The result of a comparison: one truth value per lane.
template <class T, int Bytes = portable_bytes>
struct lane_mask {
  using number_type = lane<T, Bytes>;
  using vector = chainrule::detail::mask_vector<T, Bytes>;

  vector bits;  // all bits of a lane are set where it is true

  lane_mask() = default;
  CHAINRULE_INLINE explicit lane_mask(const vector& v) : bits(v) {}
  CHAINRULE_INLINE lane_mask(const lane_mask& m) : bits(m.bits) {}
  CHAINRULE_INLINE lane_mask& operator=(const lane_mask& m) {
    bits = m.bits;
    return *this;
  }

  CHAINRULE_INLINE friend lane_mask operator&(const lane_mask& a, const lane_mask& b) {
    return lane_mask(a.bits & b.bits);
  }
  CHAINRULE_INLINE friend lane_mask operator|(const lane_mask& a, const lane_mask& b) {
    return lane_mask(a.bits | b.bits);
  }
  CHAINRULE_INLINE friend lane_mask operator!(const lane_mask& a) { return lane_mask(~a.bits); }

  /// Not a bool, because lanes may differ; gives a compile-time error that says so.
  template <class Bool>
  requires std::same_as<Bool, bool>
  explicit operator Bool() const { return refuse_to_branch<Bool>(); }
};

/// `width` numbers of type T, on which every operation acts element by element.
template <class T, int Bytes>
struct lane {
  using simd = chainrule::detail::simd<T, Bytes>;
  using vector = typename simd::vector;
  using mask = lane_mask<T, Bytes>;
  using ops = chainrule::detail::vector_ops<T, Bytes>;
  static constexpr index_t width = simd::width;

  vector bits;

  lane() = default;
  CHAINRULE_INLINE explicit lane(const vector& v) : bits(v) {}
  CHAINRULE_INLINE lane(const lane& l) : bits(l.bits) {}
  CHAINRULE_INLINE lane& operator=(const lane& l) {
    bits = l.bits;
    return *this;
  }
  /// The constant in every lane, rounded to T.
  template <constant C>
  CHAINRULE_INLINE explicit lane(C c) {
    ops::fill(bits, static_cast<T>(c));
  }

  /// Compile-time error for std::exp(x), which takes plain numbers only.
  template <class Plain>
  requires std::same_as<Plain, double>
  operator Plain() const { return refuse_plain_number<Plain>(); }  // NOLINT: implicit, to be found

  [[nodiscard]] CHAINRULE_INLINE static lane load(const T* p) {
    lane l;
    simd::load(l.bits, p);
    return l;
  }
  /// The first `count` < width elements; the other lanes are 0.
  [[nodiscard]] CHAINRULE_INLINE static lane load(const T* p, index_t count) {
    T buffer[static_cast<std::size_t>(width)] = {};
    chainrule::detail::copy_few<width / 2>(buffer, p, count);
    return load(buffer);
  }
  CHAINRULE_INLINE void store(T* p) const { simd::store(p, bits); }
  /// Writes the first `count` <= width lanes.
  CHAINRULE_INLINE void store(T* p, index_t count) const {
    T buffer[static_cast<std::size_t>(width)];
    store(buffer);
    chainrule::detail::copy_few<width>(p, buffer, count);
  }

  CHAINRULE_INLINE friend lane operator-(const lane& a) { return lane(-a.bits); }
  CHAINRULE_INLINE friend lane operator+(const lane& a, const lane& b) {
    return lane(a.bits + b.bits);
  }
  CHAINRULE_INLINE friend lane operator-(const lane& a, const lane& b) {
    return lane(a.bits - b.bits);
  }
  CHAINRULE_INLINE friend lane operator*(const lane& a, const lane& b) {
    return lane(a.bits * b.bits);
  }
  CHAINRULE_INLINE friend lane operator/(const lane& a, const lane& b) {
    return lane(a.bits / b.bits);
  }
  CHAINRULE_INLINE friend mask operator<(const lane& a, const lane& b) {
    mask m;
    ops::less(m.bits, a.bits, b.bits);
    return m;
  }
  CHAINRULE_INLINE friend mask operator<=(const lane& a, const lane& b) {
    mask m;
    ops::less_equal(m.bits, a.bits, b.bits);
    return m;
  }
  CHAINRULE_INLINE friend mask operator==(const lane& a, const lane& b) {
    mask m;
    ops::equal(m.bits, a.bits, b.bits);
    return m;
  }
  CHAINRULE_INLINE friend mask operator>(const lane& a, const lane& b) { return b < a; }
  CHAINRULE_INLINE friend mask operator>=(const lane& a, const lane& b) { return b <= a; }
  CHAINRULE_INLINE friend mask operator!=(const lane& a, const lane& b) { return !(a == b); }
};

CHAINRULE_CPU_END

template <class T, int Bytes>
inline constexpr bool is_number<lane<T, Bytes>> = true;

CHAINRULE_CPU_BEGIN

// A constant operand is converted to a lane.
#define CHAINRULE_LANE_OPERATOR(op)                                 \
  template <class T, int Bytes, constant C>                         \
  CHAINRULE_INLINE auto operator op(const lane<T, Bytes>& a, C c) { \
    return a op lane<T, Bytes>(c);                                  \
  }                                                                 \
  template <class T, int Bytes, constant C>                         \
  CHAINRULE_INLINE auto operator op(C c, const lane<T, Bytes>& a) { \
    return lane<T, Bytes>(c) op a;                                  \
  }
CHAINRULE_LANE_OPERATOR(+)
CHAINRULE_LANE_OPERATOR(-)
CHAINRULE_LANE_OPERATOR(*)
CHAINRULE_LANE_OPERATOR(/)
CHAINRULE_LANE_OPERATOR(<)
CHAINRULE_LANE_OPERATOR(<=)
CHAINRULE_LANE_OPERATOR(>)
CHAINRULE_LANE_OPERATOR(>=)
CHAINRULE_LANE_OPERATOR(==)
CHAINRULE_LANE_OPERATOR(!=)
#undef CHAINRULE_LANE_OPERATOR

#define CHAINRULE_LANE_OPERATOR(op)                                                \
  template <class T, int Bytes, class B>                                           \
  CHAINRULE_INLINE lane<T, Bytes>& operator op##=(lane<T, Bytes>& a, const B& b) { \
    return a = a op b;                                                             \
  }
CHAINRULE_LANE_OPERATOR(+)
CHAINRULE_LANE_OPERATOR(-)
CHAINRULE_LANE_OPERATOR(*)
CHAINRULE_LANE_OPERATOR(/)
#undef CHAINRULE_LANE_OPERATOR

template <class T, int Bytes>
[[nodiscard]] CHAINRULE_INLINE lane<T, Bytes> select(const lane_mask<T, Bytes>& m,
                                                     const lane<T, Bytes>& a,
                                                     const lane<T, Bytes>& b) {
  lane<T, Bytes> r;
  lane<T, Bytes>::ops::select(r.bits, m.bits, a.bits, b.bits);
  return r;
}

CHAINRULE_CPU_END
}  // namespace chainrule::math

#endif  // CHAINRULE_BACKEND_CPU_LANE_TYPE_HPP

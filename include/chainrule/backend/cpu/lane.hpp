/// \file
/// `lane<T>`: a SIMD packet as a number type, so that a pointwise functor runs on several elements
/// at once and without temporaries.
///
/// This is the one file that names Eigen's packet functions. Where Eigen has no packet version of a
/// function, the scalar function runs lane by lane; where the target has no SIMD at all, a lane is
/// one scalar. A lane's result does not depend on its place in the packet.
///
/// Precision is a few units in the last place (tests/backend states them). Numbers below the
/// smallest normal one are not resolved by exp (results are 0), sqrt (arguments are 0) and log
/// (arguments are that number); the sign of a zero may be lost.
///
///     auto x = math::lane<float>::load(p);
///     (x / (1 + exp(-x))).store(q);
#ifndef CHAINRULE_BACKEND_CPU_LANE_HPP
#define CHAINRULE_BACKEND_CPU_LANE_HPP

#include <Eigen/Core>
#include <limits>
#include <type_traits>

#include "chainrule/core/shape.hpp"
#include "chainrule/pointwise/functions.hpp"

// A packet type as a template argument loses its alignment attribute, which nothing here relies on.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"

namespace chainrule::math {

template <class T>
struct lane;

/// One truth value per lane: what comparing lanes gives.
template <class T>
struct lane_mask {
  using number_type = lane<T>;
  using packet = typename Eigen::internal::packet_traits<T>::type;
  packet bits;

  friend lane_mask operator&(lane_mask a, lane_mask b) {
    return {Eigen::internal::pand(a.bits, b.bits)};
  }
  friend lane_mask operator|(lane_mask a, lane_mask b) {
    return {Eigen::internal::por(a.bits, b.bits)};
  }
  friend lane_mask operator!(lane_mask a) {
    const packet zero = Eigen::internal::pset1<packet>(T(0));
    return {Eigen::internal::pandnot(Eigen::internal::pcmp_eq(zero, zero), a.bits)};
  }

  /// Lanes may differ, so there is no one answer: not a bool.
  template <class Bool>
  requires std::same_as<Bool, bool>
  explicit operator Bool() const { return refuse_to_branch<Bool>(); }
};

/// `width` numbers of type T that go through every operation together.
template <class T>
struct lane {
  using packet = typename Eigen::internal::packet_traits<T>::type;
  static constexpr index_t width = Eigen::internal::unpacket_traits<packet>::size;

  packet bits;

  lane() = default;
  struct from_packet {};
  lane(packet p, from_packet) : bits(p) {}
  /// The constant in every lane, rounded to T.
  template <constant C>
  explicit lane(C c) : bits(Eigen::internal::pset1<packet>(static_cast<T>(c))) {}

  [[nodiscard]] static lane load(const T* p) {
    return {Eigen::internal::ploadu<packet>(p), from_packet{}};
  }
  /// The first `count` < width elements; the other lanes are 0.
  [[nodiscard]] static lane load(const T* p, index_t count) {
    T buffer[static_cast<std::size_t>(width)] = {};
    for (index_t i = 0; i < count; ++i) buffer[i] = p[i];
    return load(buffer);
  }
  void store(T* p) const { Eigen::internal::pstoreu(p, bits); }
  /// Writes the first `count` lanes.
  void store(T* p, index_t count) const {
    T buffer[static_cast<std::size_t>(width)];
    store(buffer);
    for (index_t i = 0; i < count; ++i) p[i] = buffer[i];
  }

  friend lane operator-(lane a) { return {Eigen::internal::pnegate(a.bits), from_packet{}}; }
  friend lane operator+(lane a, lane b) {
    return {Eigen::internal::padd(a.bits, b.bits), from_packet{}};
  }
  friend lane operator-(lane a, lane b) {
    return {Eigen::internal::psub(a.bits, b.bits), from_packet{}};
  }
  friend lane operator*(lane a, lane b) {
    return {Eigen::internal::pmul(a.bits, b.bits), from_packet{}};
  }
  friend lane operator/(lane a, lane b) {
    return {Eigen::internal::pdiv(a.bits, b.bits), from_packet{}};
  }
  friend lane_mask<T> operator<(lane a, lane b) {
    return {Eigen::internal::pcmp_lt(a.bits, b.bits)};
  }
  friend lane_mask<T> operator<=(lane a, lane b) {
    return {Eigen::internal::pcmp_le(a.bits, b.bits)};
  }
  friend lane_mask<T> operator>(lane a, lane b) { return b < a; }
  friend lane_mask<T> operator>=(lane a, lane b) { return b <= a; }
  friend lane_mask<T> operator==(lane a, lane b) {
    return {Eigen::internal::pcmp_eq(a.bits, b.bits)};
  }
  friend lane_mask<T> operator!=(lane a, lane b) { return !(a == b); }
};

template <class T>
inline constexpr bool is_number<lane<T>> = true;

// A constant on one side of an operator becomes a lane.
#define CHAINRULE_LANE_OPERATOR(op)         \
  template <class T, constant C>            \
  auto operator op(const lane<T>& a, C c) { \
    return a op lane<T>(c);                 \
  }                                         \
  template <class T, constant C>            \
  auto operator op(C c, const lane<T>& a) { \
    return lane<T>(c) op a;                 \
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

template <class T, class B>
lane<T>& operator+=(lane<T>& a, const B& b) {
  return a = a + b;
}
template <class T, class B>
lane<T>& operator-=(lane<T>& a, const B& b) {
  return a = a - b;
}
template <class T, class B>
lane<T>& operator*=(lane<T>& a, const B& b) {
  return a = a * b;
}
template <class T, class B>
lane<T>& operator/=(lane<T>& a, const B& b) {
  return a = a / b;
}

template <class T>
[[nodiscard]] lane<T> select(lane_mask<T> mask, lane<T> a, lane<T> b) {
  return {Eigen::internal::pselect(mask.bits, a.bits, b.bits), typename lane<T>::from_packet{}};
}

namespace detail {

/// The packet version of Op, or lane by lane.
template <class Op, class T>
[[nodiscard]] lane<T> on_packet(const lane<T>& x) {
  namespace packets = Eigen::internal;
  using traits = packets::packet_traits<T>;
  const auto lift = [](typename lane<T>::packet p) {
    return lane<T>(p, typename lane<T>::from_packet{});
  };
  // Eigen's polynomials clamp their argument and can lose a NaN there: put it back.
  const auto keep_nan = [&](const lane<T>& y) { return select(x == x, y, x); };
  if constexpr (std::same_as<Op, fn::abs>)
    return lift(packets::pabs(x.bits));
  else if constexpr (std::same_as<Op, fn::sign>)
    return select(x > 0, lane<T>(1), select(x < 0, lane<T>(-1), x));
  else if constexpr (std::same_as<Op, fn::sqrt> && traits::HasSqrt)
    // Eigen's fast form computes 0 * inf at infinity.
    return select(x < std::numeric_limits<T>::infinity(), lift(packets::psqrt(x.bits)), x);
  else if constexpr (std::same_as<Op, fn::exp> && traits::HasExp)
    // Where the result would be below the smallest normal number it is 0 (Eigen's clamp makes it
    // that number even for e^-inf).
    return select(x < (sizeof(T) == 4 ? -87.33654475055310898657 : -708.39641853226410622441),
                  lane<T>(0), keep_nan(lift(packets::pexp(x.bits))));
  else if constexpr (std::same_as<Op, fn::log> && traits::HasLog)
    return lift(packets::plog(x.bits));
  else if constexpr (std::same_as<Op, fn::tanh> && traits::HasTanh)
    return keep_nan(lift(packets::ptanh(x.bits)));
  else if constexpr (std::same_as<Op, fn::log1p> && traits::HasLog1p)
    return lift(packets::plog1p(x.bits));
  else if constexpr (std::same_as<Op, fn::floor> && traits::HasFloor)
    return lift(packets::pfloor(x.bits));
  else if constexpr (std::same_as<Op, fn::ceil> && traits::HasCeil)
    return lift(packets::pceil(x.bits));
  else {
    constexpr auto width = static_cast<std::size_t>(lane<T>::width);
    T values[width];
    x.store(values);
    for (T& v : values) v = Op::value(v);
    return lane<T>::load(values);
  }
}

}  // namespace detail

template <class Op, class T>
[[nodiscard]] lane<T> evaluate(const Op&, const lane<T>& x) {
  if constexpr (std::derived_from<Op, composite<Op>>)
    return Op::value(x);
  else
    return detail::on_packet<Op>(x);
}

template <class Op, class T>
[[nodiscard]] lane<T> evaluate(const Op&, const lane<T>& a, const lane<T>& b) {
  if constexpr (std::same_as<Op, fn::max>) {
    return select((a > b) | (a != a), a, b);
  } else if constexpr (std::same_as<Op, fn::min>) {
    return select((a < b) | (a != a), a, b);
  } else {
    constexpr auto width = static_cast<std::size_t>(lane<T>::width);
    T left[width];
    T right[width];
    a.store(left);
    b.store(right);
    for (std::size_t i = 0; i < width; ++i) left[i] = Op::value(left[i], right[i]);
    return lane<T>::load(left);
  }
}

}  // namespace chainrule::math

#pragma GCC diagnostic pop

#endif  // CHAINRULE_BACKEND_CPU_LANE_HPP

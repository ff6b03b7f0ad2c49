/// \file
/// The CPU's pointwise engine: map with broadcast, and map-reduce, over row-major matrices.
///
/// An operand of extent 1 in a direction is repeated along it, as in NumPy. A row is walked lane by
/// lane; what is left at its end goes through the same lanes, padded, so that an element's result
/// does not depend on where it stands.
#ifndef CHAINRULE_BACKEND_CPU_MAP_HPP
#define CHAINRULE_BACKEND_CPU_MAP_HPP

#include <array>
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>

#include "chainrule/backend/cpu/lane.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule::detail {

/// A matrix that is read as if it had the shape of the whole operation.
template <class T>
struct operand {
  const T* data = nullptr;
  index_t row_step = 0;  // 0: every row is the first
  bool splat = false;    // one element per row, repeated along it

  /// Throws shape_error, naming the verb, if `m` cannot be repeated to `whole`.
  static operand of(matrix_view<const T> m, shape whole, const char* verb) {
    if ((m.rows() != whole.rows && m.rows() != 1) || (m.cols() != whole.cols && m.cols() != 1))
      throw shape_error(concat(verb, ": an operand of ", to_string(m.shape()),
                               " does not broadcast to ", to_string(whole)));
    const bool one = m.rows() == 1 && m.cols() == 1;
    return {m.data(), m.rows() == 1 ? 0 : m.stride(), one || (m.cols() == 1 && whole.cols != 1)};
  }
};

/// One row of an operand: lanes from anywhere in it.
template <class T>
struct row_reader {
  const T* data;
  bool splat;
  math::lane<T> repeated;

  row_reader(const operand<T>& o, index_t row)
      : data(o.data + row * o.row_step),
        splat(o.splat),
        repeated(o.splat ? math::lane<T>(*data) : math::lane<T>(0)) {}
  [[nodiscard]] math::lane<T> at(index_t j) const {
    return splat ? repeated : math::lane<T>::load(data + j);
  }
  [[nodiscard]] math::lane<T> at(index_t j, index_t count) const {
    return splat ? repeated : math::lane<T>::load(data + j, count);
  }
};

/// What a functor returned, as a tuple of lanes: one value or a std::tuple of them.
template <class T, class Result>
auto as_lanes(const Result& result) {
  using X = math::lane<T>;
  if constexpr (math::number<Result>)
    return std::tuple(math::convert<X>(result));
  else
    return std::apply([](const auto&... r) { return std::tuple(math::convert<X>(r)...); }, result);
}

/// Writes f(in...) to `out` for the rows [first, last) of `cols` elements.
template <class T, class F, std::size_t Outs, std::size_t Ins>
void map_rows(const F& f, const std::array<matrix_view<T>, Outs>& out,
              const std::array<operand<T>, Ins>& in, index_t first, index_t last, index_t cols) {
  constexpr index_t width = math::lane<T>::width;
  [&]<std::size_t... O, std::size_t... I>(std::index_sequence<O...>, std::index_sequence<I...>) {
    for (index_t i = first; i < last; ++i) {
      const std::tuple row{row_reader<T>(in[I], i)...};
      const std::array<T*, Outs> target{(out[O].data() + i * out[O].stride())...};
      index_t j = 0;
      for (; j + width <= cols; j += width) {
        const auto result = as_lanes<T>(f(std::get<I>(row).at(j)...));
        (std::get<O>(result).store(target[O] + j), ...);
      }
      if (j < cols) {
        const index_t rest = cols - j;
        const auto result = as_lanes<T>(f(std::get<I>(row).at(j, rest)...));
        (std::get<O>(result).store(target[O] + j, rest), ...);
      }
    }
  }
  (std::make_index_sequence<Outs>{}, std::make_index_sequence<Ins>{});
}

/// The larger extent of the operands in each direction: the shape they are broadcast to.
template <class T, class... In>
[[nodiscard]] constexpr shape broadcast_shape(const matrix_view<const T>& first,
                                              const In&... more) {
  shape whole = first.shape();
  [[maybe_unused]] const auto widen = [&](shape s) {
    if (whole.rows == 1) whole.rows = s.rows;
    if (whole.cols == 1) whole.cols = s.cols;
  };
  (widen(more.shape()), ...);
  return whole;
}

/// Reduces f(in...) over the columns of the rows [first, last) into out[i].
template <class T, class Op, class F, std::size_t Ins>
void reduce_rows(const Op& op, const F& f, const std::array<operand<T>, Ins>& in, index_t first,
                 index_t last, index_t cols, T* out, index_t out_step) {
  using X = math::lane<T>;
  constexpr index_t width = X::width;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    for (index_t i = first; i < last; ++i) {
      const std::tuple row{row_reader<T>(in[I], i)...};
      T total = Op::template identity<T>();
      // Two accumulators: the chain of dependent additions is what limits the speed.
      X a(total);
      X b(total);
      index_t j = 0;
      for (; j + 2 * width <= cols; j += 2 * width) {
        a = op(a, math::convert<X>(f(std::get<I>(row).at(j)...)));
        b = op(b, math::convert<X>(f(std::get<I>(row).at(j + width)...)));
      }
      if (j + width <= cols) {
        a = op(a, math::convert<X>(f(std::get<I>(row).at(j)...)));
        j += width;
      }
      std::array<T, static_cast<std::size_t>(width)> lanes{};
      math::convert<X>(op(a, b)).store(lanes.data());
      for (const T x : lanes) total = static_cast<T>(op(total, x));
      if (j < cols) {
        math::convert<X>(f(std::get<I>(row).at(j, cols - j)...)).store(lanes.data());
        for (index_t k = 0; k < cols - j; ++k)
          total = static_cast<T>(op(total, lanes[static_cast<std::size_t>(k)]));
      }
      out[i * out_step] = total;
    }
  }
  (std::make_index_sequence<Ins>{});
}

/// Reduces f(in...) over all rows for the columns [first, last) into out[j].
template <class T, class Op, class F, std::size_t Ins>
void reduce_columns(const Op& op, const F& f, const std::array<operand<T>, Ins>& in, index_t rows,
                    index_t first, index_t last, T* out) {
  using X = math::lane<T>;
  constexpr index_t width = X::width;
  constexpr index_t block = 4 * width;  // columns that are summed in registers together
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    index_t j = first;
    for (; j + block <= last; j += block) {
      std::array<X, 4> total{X(Op::template identity<T>()), X(Op::template identity<T>()),
                             X(Op::template identity<T>()), X(Op::template identity<T>())};
      for (index_t i = 0; i < rows; ++i) {
        const std::tuple row{row_reader<T>(in[I], i)...};
        for (index_t k = 0; k < 4; ++k) {
          X& t = total[static_cast<std::size_t>(k)];
          t = op(t, math::convert<X>(f(std::get<I>(row).at(j + k * width)...)));
        }
      }
      for (index_t k = 0; k < 4; ++k) total[static_cast<std::size_t>(k)].store(out + j + k * width);
    }
    for (; j < last; j += width) {
      const index_t count = last - j < width ? last - j : width;
      X total(Op::template identity<T>());
      for (index_t i = 0; i < rows; ++i) {
        const std::tuple row{row_reader<T>(in[I], i)...};
        const X x = count == width ? math::convert<X>(f(std::get<I>(row).at(j)...))
                                   : math::convert<X>(f(std::get<I>(row).at(j, count)...));
        total = op(total, x);
      }
      total.store(out + j, count);
    }
  }
  (std::make_index_sequence<Ins>{});
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_MAP_HPP

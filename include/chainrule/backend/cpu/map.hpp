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

/// Runs of a row that are evaluated into a buffer on the stack before they are combined: short
/// enough for the L1 cache, long enough to forget the call.
inline constexpr index_t run_length = 512;

/// Hands f(in...) of row i, columns [first, last), to use(values, first, count), run by run. The
/// functor is compiled here only; what combines the values is the same for all functors.
template <class T, class F, std::size_t Ins, class Use>
void evaluate_runs(const F& f, const std::array<operand<T>, Ins>& in, index_t i, index_t first,
                   index_t last, Use&& use) {
  std::array<T, static_cast<std::size_t>(run_length)> values;
  for (index_t j = first; j < last; j += run_length) {
    const index_t count = last - j < run_length ? last - j : run_length;
    auto row = in;
    for (auto& o : row) o.data += i * o.row_step + (o.splat ? 0 : j);
    map_rows<T>(f, std::array{matrix_view<T>(values.data(), 1, count)}, row, 0, 1, count);
    use(values.data(), j, count);
  }
}

/// op of `count` values, beginning from its neutral element, in one fixed order.
template <class T, class Op>
[[nodiscard]] T combine(const Op& op, const T* values, index_t count) {
  using X = math::lane<T>;
  constexpr index_t width = X::width;
  // Two accumulators: the chain of dependent operations is what limits the speed.
  X a(Op::template identity<T>());
  X b = a;
  index_t j = 0;
  for (; j + 2 * width <= count; j += 2 * width) {
    a = op(a, X::load(values + j));
    b = op(b, X::load(values + j + width));
  }
  std::array<T, static_cast<std::size_t>(width)> lanes;
  op(a, b).store(lanes.data());
  T total = Op::template identity<T>();
  for (const T x : lanes) total = static_cast<T>(op(total, x));
  for (; j < count; ++j) total = static_cast<T>(op(total, values[j]));
  return total;
}

/// out[j] = op(out[j], values[j])
template <class T, class Op>
void combine_each(const Op& op, const T* values, index_t count, T* out) {
  using X = math::lane<T>;
  index_t j = 0;
  for (; j + X::width <= count; j += X::width)
    op(X::load(out + j), X::load(values + j)).store(out + j);
  for (; j < count; ++j) out[j] = static_cast<T>(op(out[j], values[j]));
}

/// Reduces f(in...) over the columns [begin, end) of the rows [first, last) into out[i].
template <class T, class Op, class F, std::size_t Ins>
void reduce_rows(const Op& op, const F& f, const std::array<operand<T>, Ins>& in, index_t first,
                 index_t last, index_t begin, index_t end, T* out, index_t out_step) {
  for (index_t i = first; i < last; ++i) {
    T total = Op::template identity<T>();
    evaluate_runs<T>(f, in, i, begin, end, [&](const T* values, index_t, index_t count) {
      total = static_cast<T>(op(total, combine(op, values, count)));
    });
    out[i * out_step] = total;
  }
}

/// Reduces f(in...) over all rows for the columns [first, last) into out[j].
template <class T, class Op, class F, std::size_t Ins>
void reduce_columns(const Op& op, const F& f, const std::array<operand<T>, Ins>& in, index_t rows,
                    index_t first, index_t last, T* out) {
  for (index_t j = first; j < last; ++j) out[j] = Op::template identity<T>();
  for (index_t i = 0; i < rows; ++i)
    evaluate_runs<T>(f, in, i, first, last, [&](const T* values, index_t j, index_t count) {
      combine_each(op, values, count, out + j);
    });
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_MAP_HPP

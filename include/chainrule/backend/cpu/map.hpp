/// \file
/// The CPU's pointwise engine: map with broadcast, and map-reduce, over row-major matrices.
///
/// A functor is compiled for each number of operands and results, and each instruction set, into a
/// kernel that runs along a part of one row (kernel.hpp); its type is erased outside the kernel.
/// Everything around it (broadcast, strides, division of work among threads, reduction, the
/// epilogue of gemm) is compiled once per scalar. So a new functor costs one small loop of machine
/// code.
///
/// An operand of extent 1 in a direction is repeated along it, as in NumPy.
#ifndef CHAINRULE_BACKEND_CPU_MAP_HPP
#define CHAINRULE_BACKEND_CPU_MAP_HPP

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/cpu/kernel.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The number of elements evaluated at a time into a buffer: small enough for the L1 cache, large
/// enough to make the cost of the call negligible.
inline constexpr index_t run_length = 512;
/// Shorter rows are computed several at a time, since the call would cost more than their elements.
inline constexpr index_t short_row = 256;

/// The number of short rows that are computed at a time: if there are more, a multiple of 16, which
/// are whole vectors.
[[nodiscard]] constexpr index_t rows_of_run(index_t rows, index_t cols) {
  if (rows * cols <= run_length) return rows;
  const index_t most = run_length / cols;
  return most < 16 ? most : most / 16 * 16;
}

/// An operand, broadcast to the shape of the operation.
template <class T>
struct operand {
  const T* data;
  index_t row_step;  // 0: every row is the first
  bool splat;        // one element per row, repeated along it
  bool one_run;      // contiguous, or a single number
};

/// A result.
template <class T>
struct result {
  T* data;
  index_t stride;
  bool contiguous;
};

/// A functor with its operands and results, type-erased.
template <class T>
class pointwise_call {
 public:
  template <class>
  using as_lane = math::lane<T>;  // those of other instruction sets behave the same

  /// f(in...) over the shape `whole`, by kernels for `set`; the functor must outlive the call.
  /// The first `results` of `out` are assigned; a reduction assigns none. Throws shape_error,
  /// naming the verb, if an operand cannot be repeated to that shape or a result has another.
  template <class F, std::size_t Outs, class... In>
  pointwise_call(isa set, const char* verb, const F& f, matrix_shape whole,
                 const std::array<matrix_view<T>, Outs>& out, std::size_t results, const In&... in)
      : functor_(&f),
        kernel_(pointwise_kernel<T, F, Outs>(set, std::make_index_sequence<sizeof...(In)>{})),
        set_(set),
        whole_(whole) {
    static_assert(
        std::is_invocable_v<const F&, as_lane<In>...>,
        "chainrule: a pointwise functor takes one argument per operand, each of any number "
        "type; write auto operator()(auto x) const");
    static_assert(sizeof...(In) <= most_operands && Outs <= most_results,
                  "chainrule: a pointwise functor takes at most 16 operands and gives at most 8 "
                  "results");
    const std::array<matrix_view<const T>, sizeof...(In)> operands{in...};
    connect(verb, operands.data(), operands.size(), out.data(), results);
  }

  [[nodiscard]] matrix_shape whole() const { return whole_; }
  [[nodiscard]] isa set() const { return set_; }

  /// Treats the matrices as one long row, if all are contiguous or single numbers.
  void flatten() {
    bool flat = true;
    for (std::size_t i = 0; i < operands_; ++i) flat = flat && in_[i].one_run;
    for (std::size_t o = 0; o < results_; ++o) flat = flat && out_[o].contiguous;
    if (flat) whole_ = {1, whole_.size()};
  }

  /// Computes row i, columns [first, last), into the results.
  void run(index_t i, index_t first, index_t last) const {
    std::array<T*, most_results> target;
    for (std::size_t o = 0; o < results_; ++o)
      target[o] = out_[o].data + (i * out_[o].stride + first);
    run_to(target.data(), i, first, last);
  }

  /// Computes rows [first, last), columns [left, right).
  void run_block(index_t first, index_t last, index_t left, index_t right) const {
    const index_t width = vector_width<T>(set_);
    const bool lanes = ((right - left) & (width - 1)) == 0;
    bool packed = left == 0 && right == whole_.cols && right < short_row && last - first > 1;
    for (std::size_t o = 0; o < results_; ++o) packed = packed && out_[o].contiguous;
    // A call of the kernel is worth several vectors, packing the operands several rows.
    const bool many = last - first >= 64 && right < 8 * width;
    if (lanes && !(packed && many)) return run_lanes(first, last, left, right);
    if (!packed) {
      for (index_t i = first; i < last; ++i) run(i, left, right);
      return;
    }
    std::array<T*, most_results> target;
    for (std::size_t o = 0; o < results_; ++o) target[o] = out_[o].data + first * whole_.cols;
    run_packed(target.data(), first, last);
  }
  void run_rows(index_t first, index_t last) const { run_block(first, last, 0, whole_.cols); }

  /// Computes row i, columns [first, last), into a buffer.
  void run_into(T* values, index_t i, index_t first, index_t last) const {
    run_to(&values, i, first, last);
  }

  /// Computes rows [first, last) of fewer than short_row columns into a contiguous buffer.
  void run_rows_into(T* values, index_t first, index_t last) const {
    run_packed(&values, first, last);
  }

 private:
  // Rows that are whole vectors: one call of the kernel each.
  [[gnu::noinline]] void run_lanes(index_t first, index_t last, index_t left, index_t right) const {
    const index_t width = vector_width<T>(set_);
    const index_t vectors = whole_vectors<T>(set_, right - left);
    constexpr std::size_t most = 64 / sizeof(T);
    alignas(64) T numbers[most_operands * most];  // those repeated along their row
    std::array<lane_operand<T>, most_operands> in;
    std::array<T*, most_results> out;
    for (std::size_t k = 0; k < operands_; ++k)
      in[k] = in_[k].splat ? lane_operand<T>{numbers + k * most, 0}
                           : lane_operand<T>{in_[k].data + (first * in_[k].row_step + left), width};
    for (std::size_t o = 0; o < results_; ++o)
      out[o] = out_[o].data + (first * out_[o].stride + left);
    for (index_t i = first; i < last; ++i) {
      for (std::size_t k = 0; k < operands_; ++k)
        if (in_[k].splat && (i == first || in_[k].row_step != 0)) {
          const T value = in_[k].data[i * in_[k].row_step];
          for (std::size_t l = 0; l < most; ++l) numbers[k * most + l] = value;
        }
      kernel_(functor_, in.data(), out.data(), vectors);
      for (std::size_t k = 0; k < operands_; ++k)
        if (!in_[k].splat) in[k].data += in_[k].row_step;
      for (std::size_t o = 0; o < results_; ++o) out[o] += out_[o].stride;
    }
  }

  /// Copies rows of an operand to a contiguous buffer, with repeated rows and numbers expanded. The
  /// buffer has room for 64 bytes more.
  void pack(T* to, const operand<T>& from, index_t first, index_t last) const {
    const index_t cols = whole_.cols;
    const index_t count = (last - first) * cols;
    const auto bytes = [](index_t n) { return static_cast<std::size_t>(n) * sizeof(T); };
    if (from.splat) {
      constexpr index_t step = 64 / static_cast<index_t>(sizeof(T));  // a loop of known length
      for (index_t i = first; i < last; ++i, to += cols) {
        const T value = from.data[i * from.row_step];
        for (index_t j = 0; j < cols; j += step)  // the next row overwrites the excess
          for (index_t k = 0; k < step; ++k) to[j + k] = value;
      }
    } else if (from.row_step == 0) {
      std::memcpy(to, from.data, bytes(cols));
      for (index_t done = cols; done < count; done *= 2)  // doubles the filled part
        std::memcpy(to + done, to, bytes(done < count - done ? done : count - done));
    } else {
      for (index_t i = first; i < last; ++i, to += cols)
        std::memcpy(to, from.data + i * from.row_step, bytes(cols));
    }
  }

  // Rows as one run, as many at a time as the buffer holds.
  [[gnu::noinline]] void run_packed(T* const* out, index_t first, index_t last) const {
    const index_t cols = whole_.cols;
    const index_t most = rows_of_run(last - first, cols);
    constexpr std::size_t room = run_length + 64 / sizeof(T);
    alignas(64) T buffer[most_operands * room];
    std::array<run_operand<T>, most_operands> in;
    std::array<bool, most_operands> changes;  // copied for each run
    for (std::size_t k = 0; k < operands_; ++k) {
      const operand<T>& from = in_[k];
      changes[k] = from.row_step != 0 && (from.splat || from.row_step != cols);
      in[k] = {from.data, from.splat};
      if (from.splat ? changes[k] : from.row_step == 0) in[k] = {buffer + k * room, false};
      if (!from.splat && from.row_step == 0) pack(buffer + k * room, from, 0, most);
    }
    std::array<T*, most_results> target;
    for (std::size_t o = 0; o < targets(); ++o) target[o] = out[o];
    for (index_t i = first; i < last; i += most) {
      const index_t end = i + most < last ? i + most : last;
      for (std::size_t k = 0; k < operands_; ++k) {
        if (changes[k]) {
          pack(buffer + k * room, in_[k], i, end);
          in[k] = {buffer + k * room, false};
        } else if (in_[k].row_step != 0) {
          in[k].data = in_[k].data + i * cols;
        }
      }
      pointwise_run(set_, kernel_, functor_, in.data(), operands_, target.data(), targets(),
                    (end - i) * cols);
      for (std::size_t o = 0; o < targets(); ++o) target[o] += (end - i) * cols;
    }
  }

  // Not inlined, to keep calls of verbs small.
  [[gnu::noinline]] void connect(const char* verb, const matrix_view<const T>* in,
                                 std::size_t operands, const matrix_view<T>* out,
                                 std::size_t results) {
    operands_ = operands;
    results_ = results;
    for (std::size_t i = 0; i < operands; ++i) {
      const matrix_view<const T>& m = in[i];
      contract::broadcasts(verb, m.shape(), whole_);
      const bool one = m.rows() == 1 && m.cols() == 1;
      in_[i] = {m.data(), m.rows() == 1 ? 0 : m.stride(),
                one || (m.cols() == 1 && whole_.cols != 1),
                one || (m.shape() == whole_ && m.contiguous())};
    }
    for (std::size_t o = 0; o < results; ++o) {
      contract::same_shape(verb, whole_, out[o].shape());
      out_[o] = {out[o].data(), out[o].stride(), out[o].contiguous()};
    }
  }

  /// The destinations of results; those of a reduction are written to a buffer.
  [[nodiscard]] std::size_t targets() const { return results_ == 0 ? 1 : results_; }

  void run_to(T* const* out, index_t i, index_t first, index_t last) const {
    std::array<run_operand<T>, most_operands> in;
    for (std::size_t k = 0; k < operands_; ++k)
      in[k] = {in_[k].data + (i * in_[k].row_step + (in_[k].splat ? 0 : first)), in_[k].splat};
    pointwise_run(set_, kernel_, functor_, in.data(), operands_, out, targets(), last - first);
  }

  const void* functor_;
  lane_kernel<T> kernel_;
  isa set_;
  matrix_shape whole_;
  std::size_t operands_ = 0;
  std::size_t results_ = 0;
  std::array<operand<T>, most_operands> in_;
  std::array<result<T>, most_results> out_;
};

/// Calls use(values, first, count) with the values of row i, columns [first, last), run by run.
template <class T, class Use>
void evaluate_runs(const pointwise_call<T>& call, index_t i, index_t first, index_t last,
                   Use&& use) {
  std::array<T, static_cast<std::size_t>(run_length)> values;
  for (index_t j = first; j < last; j += run_length) {
    const index_t count = last - j < run_length ? last - j : run_length;
    call.run_into(values.data(), i, j, j + count);
    use(values.data(), j, count);
  }
}

/// Whether f copies numbers without change.
template <class T, class U, class F>
inline constexpr bool is_copy = std::same_as<U, T>&& std::same_as<F, fn::identity>;

/// to[j] = f(from[j]), where f acts on numbers of type T.
template <class T, class U, class F>
void convert_run(isa set, const F& f, const U* from, T* to, index_t count) {
  if constexpr (is_copy<T, U, F>) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  } else if constexpr (std::same_as<U, T>) {
    const run_operand<T> in{from, false};
    pointwise_run(set, pointwise_kernel<T, F, 1>(set, std::index_sequence<0>{}), &f, &in, 1, &to, 1,
                  count);
  } else {
#if CHAINRULE_HAS_X86_TARGETS
    if constexpr (std::same_as<U, std::uint8_t>)
      if (set == isa::avx512) {
        const index_t vectors = whole_vectors<T>(set, count);
        const index_t whole = vectors * math::lane<T, 64>::width;
        convert_bytes_avx512(f, from, to, vectors);
        from += whole;
        to += whole;
        count -= whole;
      }
#endif
    constexpr index_t step = 16;  // compilers vectorise a loop of known length also at -O2
    std::array<T, static_cast<std::size_t>(run_length)> values;
    const run_operand<T> in{values.data(), false};
    const lane_kernel<T> kernel = pointwise_kernel<T, F, 1>(set, std::index_sequence<0>{});
    while (count > 0) {
      const index_t n = count < run_length ? count : run_length;
      index_t j = 0;
      for (; j + step <= n; j += step)
        for (index_t k = 0; k < step; ++k)
          values[static_cast<std::size_t>(j + k)] = static_cast<T>(from[j + k]);
      for (; j < n; ++j) values[static_cast<std::size_t>(j)] = static_cast<T>(from[j]);
      pointwise_run(set, kernel, &f, &in, 1, &to, 1, n);
      from += n;
      to += n;
      count -= n;
    }
  }
}

/// Converts rows [first, last) of `cols` elements, row i from row(i), to contiguous rows, several
/// at a time.
template <class T, class F, class Row>
void convert_short_rows(isa set, const F& f, const Row& row, index_t cols, index_t first,
                        index_t last, T* to) {
  using U = std::remove_cvref_t<decltype(*row(first))>;
  std::array<U, static_cast<std::size_t>(run_length)> buffer;
  const index_t most = rows_of_run(last - first, cols);
  for (index_t i = first; i < last; i += most) {
    const index_t end = i + most < last ? i + most : last;
    U* at = buffer.data();
    for (index_t r = i; r < end; ++r, at += cols)
      std::memcpy(at, row(r), static_cast<std::size_t>(cols) * sizeof(U));
    convert_run(set, f, static_cast<const U*>(buffer.data()), to + i * cols, (end - i) * cols);
  }
}

/// Prefetches the beginning of a row into the L2 cache; the hardware prefetcher continues from
/// there.
template <class U>
void prefetch(const U* row, index_t count) {
  constexpr index_t line = 64 / static_cast<index_t>(sizeof(U));
  constexpr index_t most = 16 * line;
  for (index_t j = 0; j < count && j < most; j += line) __builtin_prefetch(row + j, 0, 2);
}

/// The reduction of row i, columns [first, last).
template <class T>
[[nodiscard]] T reduce_row(const reduction_call<T>& op, const pointwise_call<T>& call, index_t i,
                           index_t first, index_t last) {
  T total = op.neutral;
  evaluate_runs(call, i, first, last, [&](const T* values, index_t, index_t count) {
    const T value = op.combine(call.set(), values, count);
    op.combine_each(call.set(), &value, 1, &total);
  });
  return total;
}

/// out = value + beta out; with beta = 0, out is not read.
template <class T>
void assign_scaled(T& out, T beta, T value) {
  out = beta == T(0) ? value : value + beta * out;
}

/// Reduces several contiguous rows, each in order, to out[r * step], whose values times beta are
/// added: columns are combined with columns, so that a lane holds a row.
template <class T>
void reduce_short_rows(isa set, const reduction_call<T>& op, const T* values, index_t rows,
                       index_t cols, T beta, T* out, index_t step) {
  constexpr index_t lanes = 64 / static_cast<index_t>(sizeof(T));
  const index_t padded = (rows + lanes - 1) / lanes * lanes;
  alignas(64) T columns[2 * run_length];
  alignas(64) T total[run_length];
  for (index_t r = 0; r < padded; ++r) total[r] = op.neutral;
  for (index_t j = 0; j < cols; ++j) {
    for (index_t r = 0; r < rows; ++r) columns[j * padded + r] = values[r * cols + j];
    for (index_t r = rows; r < padded; ++r) columns[j * padded + r] = T(0);
  }
  op.combine_each(set, columns, padded, total, cols);
  for (index_t r = 0; r < rows; ++r) assign_scaled(out[r * step], beta, total[r]);
}

/// The reductions of rows [first, last), whole, to out[i * step], whose values times beta are
/// added.
template <class T>
void reduce_rows(const reduction_call<T>& op, const pointwise_call<T>& call, index_t first,
                 index_t last, T beta, T* out, index_t step) {
  const index_t cols = call.whole().cols;
  if (cols == 0 || cols >= short_row) {
    for (index_t i = first; i < last; ++i)
      assign_scaled(out[i * step], beta, reduce_row(op, call, i, 0, cols));
    return;
  }
  // Longer rows are reduced one by one.
  constexpr index_t filling = 128 / static_cast<index_t>(sizeof(T));
  alignas(64) std::array<T, static_cast<std::size_t>(run_length)> values;
  const index_t most = rows_of_run(last - first, cols);
  for (index_t i = first; i < last; i += most) {
    const index_t end = i + most < last ? i + most : last;
    call.run_rows_into(values.data(), i, end);
    if (cols < filling) {
      reduce_short_rows(call.set(), op, values.data(), end - i, cols, beta, out + i * step, step);
      continue;
    }
    const T* v = values.data();
    for (index_t r = i; r < end; ++r, v += cols)
      assign_scaled(out[r * step], beta, op.combine(call.set(), v, cols));
  }
}

/// The reduction of rows [first, last) of fewer than short_row columns into out[j], assigned.
/// Several rows are combined with several rows at a time.
template <class T>
void reduce_tall(const reduction_call<T>& op, const pointwise_call<T>& call, index_t first,
                 index_t last, T* out) {
  alignas(64) std::array<T, run_length> values;
  alignas(64) std::array<T, run_length> totals;
  const index_t cols = call.whole().cols;
  // Sums are added in an order that depends on it.
  const index_t most = (last - first) * cols <= run_length ? last - first : run_length / cols;
  for (index_t j = 0; j < most * cols; ++j) totals[static_cast<std::size_t>(j)] = op.neutral;
  for (index_t i = first; i < last; i += most) {
    const index_t end = i + most < last ? i + most : last;
    call.run_rows_into(values.data(), i, end);
    op.combine_each(call.set(), values.data(), (end - i) * cols, totals.data());
  }
  for (index_t j = 0; j < cols; ++j) out[j] = op.neutral;
  op.combine_each(call.set(), totals.data(), cols, out, most);
}

/// The reduction of all rows, columns [first, last), into out[j], which begins at beta out[j]: 0
/// (not read) unless the operation is a sum.
template <class T>
void reduce_columns(const reduction_call<T>& op, const pointwise_call<T>& call, index_t first,
                    index_t last, T beta, T* out) {
  for (index_t j = first; j < last; ++j) out[j] = beta == T(0) ? op.neutral : beta * out[j];
  const auto [rows, cols] = call.whole();
  if (cols < short_row && first == 0 && last == cols && last > 0) {
    alignas(64) std::array<T, run_length> values;
    const index_t most = rows_of_run(rows, cols);
    for (index_t i = 0; i < rows; i += most) {
      const index_t end = i + most < rows ? i + most : rows;
      call.run_rows_into(values.data(), i, end);
      op.combine_each(call.set(), values.data(), cols, out, end - i);
    }
    return;
  }
  for (index_t i = 0; i < call.whole().rows; ++i)
    evaluate_runs(call, i, first, last, [&](const T* values, index_t j, index_t count) {
      op.combine_each(call.set(), values, count, out + j);
    });
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_MAP_HPP

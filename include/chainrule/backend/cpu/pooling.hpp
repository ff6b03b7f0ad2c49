/// \file
/// The CPU's kernels of pooling and resampling: an output row at a time, by vectors of channels.
///
///     const max_pool_rows<float> task{window, y, winners, x};
///     run_rows(isa, task, 0, x.rows() * window.height.count());
///
/// Each element of a result is computed from all that contributes to it, in a fixed order, so the
/// bits do not depend on how rows are divided among threads.
#ifndef CHAINRULE_BACKEND_CPU_POOLING_HPP
#define CHAINRULE_BACKEND_CPU_POOLING_HPP

#include <algorithm>
#include <limits>

#include "chainrule/backend/cpu/lane.hpp"
#include "chainrule/backend/pooling.hpp"
#include "chainrule/core/view.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// `count` elements as a vector, which they fill if Whole.
template <class X, bool Whole, class T>
[[nodiscard]] CHAINRULE_INLINE X load_channels(const T* p, index_t count) {
  if constexpr (Whole) return X::load(p);
  return X::load(p, count);
}
template <class X, bool Whole, class T>
CHAINRULE_INLINE void store_channels(const X& x, T* p, index_t count) {
  if constexpr (Whole) return x.store(p);
  x.store(p, count);
}

/// Calls task.template part<X, Whole>(channel, count, arguments...) for all channels of a pixel.
/// The last vector may continue into the pixels behind it, whose results are stored later, if it
/// does not exceed the `room` elements that images and the row of the result have from a pixel's
/// first channel on: loads and stores of a part of a vector take several times as long.
template <class X, class Task, class... Arguments>
CHAINRULE_INLINE void for_channels(const Task& task, index_t channels, index_t room,
                                   const Arguments&... arguments) {
  index_t c = 0;
  for (; c + X::width <= channels || (c < channels && c + X::width <= room); c += X::width)
    task.template part<X, true>(c, X::width, arguments...);
  if (c < channels) task.template part<X, false>(c, channels - c, arguments...);
}
/// The smaller number of elements from a pixel on: of an image whose last pixel that is read is
/// `read` of `pixels`, and of a result's row whose pixel `written` of `width` is stored.
[[nodiscard]] CHAINRULE_INLINE index_t room_for(index_t channels, index_t pixels, index_t read,
                                                index_t width, index_t written) {
  return channels * std::min(pixels - read, width - written);
}

/// y and winners of max_pool, either of which may be empty. Row r is row r % height of image
/// r / height.
template <class T>
struct max_pool_rows {
  chainrule::window window;
  matrix_view<T> y, winners;
  matrix_view<const T> x;

  template <int Bytes>
  CHAINRULE_INLINE void row(index_t r) const {
    const window_axis& v = window.width;
    const index_t height = window.height.count();
    const index_t width = v.count();
    const index_t image = r / height;
    const index_t p = r - image * height;
    const index_range rows = taps_inside(window.height, p);
    const T* const from = x.data() + image * x.stride();
    const index_t to = p * width * window.channels;
    T* const maxima = y.empty() ? nullptr : y.data() + (image * y.stride() + to);
    T* const numbers = winners.empty() ? nullptr : winners.data() + (image * winners.stride() + to);
    const index_t last_line = window.height.at(p, rows.last - 1) * v.size;
    for (index_t q = 0; q < width; ++q) {
      const index_range cols = taps_inside(v, q);
      const index_t room = room_for(window.channels, window.height.size * v.size,
                                    last_line + v.at(q, cols.last - 1), width, q);
      for_channels<math::lane<T, Bytes>>(*this, window.channels, room, rows, cols, from,
                                         window.height.at(p, 0), v.at(q, 0), q * window.channels,
                                         maxima, numbers);
    }
  }
  /// Elements come last to first, so that the first of equal ones is taken, and the first NaN.
  template <class X, bool Whole>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const index_range& rows,
                             const index_range& cols, const T* from, index_t top, index_t left,
                             index_t to, T* maxima, T* numbers) const {
    X best(-std::numeric_limits<T>::infinity());
    X winner(T(-1));
    for (index_t k = rows.last; k-- > rows.first;) {
      const T* const line =
          from + (top + k * window.height.dilation) * window.width.size * window.channels + channel;
      for (index_t l = cols.last; l-- > cols.first;) {
        const X value = load_channels<X, Whole>(
            line + (left + l * window.width.dilation) * window.channels, count);
        const auto is_better = (value >= best) | (value != value);
        best = select(is_better, value, best);
        winner = select(is_better, X(static_cast<T>(k * window.width.kernel + l)), winner);
      }
    }
    if (maxima != nullptr) store_channels<X, Whole>(best, maxima + to + channel, count);
    if (numbers != nullptr) store_channels<X, Whole>(winner, numbers + to + channel, count);
  }
};

/// The number of the window's element that lies at a position's distance, -1 if between two.
[[nodiscard]] CHAINRULE_INLINE index_t element_at(const window_axis& a, index_t distance) {
  if (a.dilation == 1) return distance;
  return distance % a.dilation == 0 ? distance / a.dilation : -1;
}

/// dx of max_pool. Row r is row r % height of image r / height.
template <class T>
struct unpool_rows {
  chainrule::window window;
  matrix_view<T> dx;
  matrix_view<const T> dy, winners;

  template <int Bytes>
  CHAINRULE_INLINE void row(index_t r) const {
    const window_axis& h = window.height;
    const window_axis& v = window.width;
    const index_t image = r / h.size;
    const index_t i = r - image * h.size;
    const index_range rows = positions_over(h, i);
    T* const to = dx.data() + (image * dx.stride() + i * v.size * window.channels);
    const T* const gradients = dy.data() + image * dy.stride();
    const T* const numbers = winners.data() + image * winners.stride();
    const index_t width = v.count();
    const index_t height = h.count();
    if (is_apart(h) && is_apart(v)) {
      // At most one position covers an element: q, of which it is element l of the line.
      const index_t p = rows.first;
      const index_t k = i + h.before - p * h.stride;
      index_t q = v.before / v.stride;
      index_t l = v.before % v.stride;
      for (index_t j = 0; j < v.size; ++j) {
        T* const pixel = to + j * window.channels;
        const index_t at = p * width + q;
        if (p < rows.last && l < v.kernel && q < width)
          for_channels<math::lane<T, Bytes>>(
              *this, window.channels, room_for(window.channels, height * width, at, v.size, j),
              gradients + at * window.channels, numbers + at * window.channels,
              static_cast<T>(k * v.kernel + l), pixel);
        else
          std::fill_n(pixel, window.channels, T(0));
        if (++l == v.stride) l = 0, ++q;
      }
      return;
    }
    position_sweep sweep(v);
    for (index_t j = 0; j < v.size; ++j) {
      const index_range cols = sweep.next();
      const index_t room = room_for(window.channels, height * width,
                                    (rows.last - 1) * width + cols.last - 1, v.size, j);
      for_channels<math::lane<T, Bytes>>(*this, window.channels, room, rows, cols, i + h.before,
                                         j + v.before, width, gradients, numbers,
                                         to + j * window.channels);
    }
  }
  template <class X, bool Whole>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const index_range& rows,
                             const index_range& cols, index_t row, index_t column, index_t width,
                             const T* gradients, const T* numbers, T* to) const {
    X sum(T(0));
    for (index_t p = rows.first; p < rows.last; ++p) {
      const index_t k = element_at(window.height, row - p * window.height.stride);
      if (k < 0) continue;
      for (index_t q = cols.first; q < cols.last; ++q) {
        const index_t l = element_at(window.width, column - q * window.width.stride);
        if (l < 0) continue;
        const index_t at = (p * width + q) * window.channels + channel;
        const X winner = load_channels<X, Whole>(numbers + at, count);
        const X gradient = load_channels<X, Whole>(gradients + at, count);
        const auto has_won = winner == X(static_cast<T>(k * window.width.kernel + l));
        sum = select(has_won, sum + gradient, sum);
      }
    }
    store_channels<X, Whole>(sum, to + channel, count);
  }
  /// The gradient where element `number` of the window is the winner, else 0.
  template <class X, bool Whole>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const T* gradients, const T* numbers,
                             T number, T* to) const {
    const X winner = load_channels<X, Whole>(numbers + channel, count);
    const X gradient = load_channels<X, Whole>(gradients + channel, count);
    store_channels<X, Whole>(select(winner == X(number), gradient, X(T(0))), to + channel, count);
  }

 private:
  /// Whether no two positions have an element in common.
  static bool is_apart(const window_axis& a) { return a.dilation == 1 && a.kernel <= a.stride; }
};

/// y of a resampling. Row r is row r % height of image r / height.
template <class T>
struct resample_rows {
  resampling by;
  matrix_view<T> y;
  matrix_view<const T> x;

  template <int Bytes>
  CHAINRULE_INLINE void row(index_t r) const {
    const auto& [h, v, channels] = by.window;
    const index_t height = by.to(h);
    const index_t width = by.to(v);
    const index_t image = r / height;
    const index_t p = r - image * height;
    const index_range rows = by.sources(h, p);
    const T* const from = x.data() + image * x.stride();
    T* const to = y.data() + (image * y.stride() + p * width * channels);
    const index_t line = by.from(v) * channels;
    // The weights of one element are equal but where they interpolate, or where averages of
    // different numbers of elements are transposed.
    const bool equal = by.weights != resampling::rule::linear &&
                       !(by.spreads && by.weights == resampling::rule::mean_inside);
    T row_weights[few];
    T weights[few];
    const auto weigh = [&](const window_axis& a, const index_range& range, index_t o, T* to_few)
        __attribute__((always_inline)) {
      for (index_t i = range.first; i < std::min(range.last, range.first + few); ++i)
        to_few[i - range.first] = by.weight<T>(a, o, i);
    };
    weigh(h, rows, p, row_weights);
    const T row_weight = by.weight<T>(h, p, 0);
    T column(0);
    position_sweep sweep(v);
    for (index_t q = 0; q < width; ++q) {
      const index_range cols = by.spreads ? sweep.next() : by.sources(v, q);
      const index_t room = room_for(channels, by.from(h) * by.from(v),
                                    (rows.last - 1) * by.from(v) + cols.last - 1, width, q);
      if (equal) {
        if (by.weights == resampling::rule::mean_inside || q == 0) column = by.weight<T>(v, q, 0);
        const T weight = row_weight * column;
        for_channels<math::lane<T, Bytes>>(*this, channels, room, rows, cols, from, line,
                                           to + q * channels, weight);
      } else {
        weigh(v, cols, q, weights);
        for_channels<math::lane<T, Bytes>>(
            *this, channels, room, rows, cols, from, line, to + q * channels, p, q,
            static_cast<const T*>(row_weights), static_cast<const T*>(weights));
      }
    }
  }
  /// `weight` times the sum.
  template <class X, bool Whole>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const index_range& rows,
                             const index_range& cols, const T* from, index_t line, T* to,
                             T weight) const {
    X sum(T(0));
    for (index_t i = rows.first; i < rows.last; ++i) {
      const T* const pixels = from + i * line + channel;
      for (index_t j = cols.first; j < cols.last; ++j)
        sum += load_channels<X, Whole>(pixels + j * by.window.channels, count);
    }
    store_channels<X, Whole>(sum * X(weight), to + channel, count);
  }
  /// The sum with a weight for each element, of which the first `few` are given.
  template <class X, bool Whole>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const index_range& rows,
                             const index_range& cols, const T* from, index_t line, T* to, index_t p,
                             index_t q, const T* row_weights, const T* weights) const {
    const auto& [h, v, channels] = by.window;
    X sum(T(0));
    for (index_t i = rows.first; i < rows.last; ++i) {
      const index_t k = i - rows.first;
      const T row_weight = k < few ? row_weights[k] : by.weight<T>(h, p, i);
      for (index_t j = cols.first; j < cols.last; ++j) {
        const index_t l = j - cols.first;
        const T weight = row_weight * (l < few ? weights[l] : by.weight<T>(v, q, j));
        sum += X(weight) * load_channels<X, Whole>(from + i * line + j * channels + channel, count);
      }
    }
    store_channels<X, Whole>(sum, to + channel, count);
  }

 private:
  /// So many weights of an axis are computed once for all channels.
  static constexpr index_t few = 8;
};

#define CHAINRULE_ROW_KERNEL(name, bytes, attribute)                                               \
  template <class Task>                                                                            \
  attribute [[gnu::flatten]] void run_rows_##name(const Task& task, index_t first, index_t last) { \
    for (index_t r = first; r < last; ++r) task.template row<bytes>(r);                            \
  }
CHAINRULE_ROW_KERNEL(portable, math::portable_bytes, )
#if CHAINRULE_HAS_X86_TARGETS
CHAINRULE_ROW_KERNEL(avx2, 32, CHAINRULE_TARGET_AVX2)
CHAINRULE_ROW_KERNEL(avx512, 64, CHAINRULE_TARGET_AVX512)
#endif
#undef CHAINRULE_ROW_KERNEL

/// Computes rows [first, last) of a task by the kernel of an instruction set.
template <class Task>
void run_rows([[maybe_unused]] isa set, const Task& task, index_t first, index_t last) {
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512) return run_rows_avx512(task, first, last);
  if (set == isa::avx2) return run_rows_avx2(task, first, last);
#endif
  run_rows_portable(task, first, last);
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_POOLING_HPP

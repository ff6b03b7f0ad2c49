/// \file
/// The CPU's kernels of pooling and resampling: an output row at a time, by vectors of channels.
///
///     const max_pool_rows<float> task{window, y, argmax, x};
///     run_rows(isa, task, 0, x.rows() * window.height.count());
///
/// Each element of a result is computed from all that contributes to it, in a fixed order, so the
/// bits do not depend on how rows are divided among threads.
#ifndef CHAINRULE_BACKEND_CPU_POOLING_HPP
#define CHAINRULE_BACKEND_CPU_POOLING_HPP

#include <algorithm>
#include <limits>
#include <type_traits>

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

/// The elements that may be read and written from a pixel's first channel on: of an image whose
/// last pixel that is read is `pixel` of `pixels`, and of a result's row whose pixel `place` of
/// `width` is stored.
struct channel_room {
  CHAINRULE_INLINE channel_room(index_t channels, index_t pixels, index_t pixel, index_t width,
                                index_t place)
      : read(channels * (pixels - pixel)), written(channels * (width - place)) {}
  index_t read, written;
};
/// Calls task.template part<X, WholeLoads, WholeStores>(channel, count, arguments...) for all
/// channels of a pixel. The last vector may continue into the pixels behind it, whose results are
/// stored later, as far as there is room: loads and stores of a part of a vector take several times
/// as long, loads above all.
template <class X, class Task, class... Arguments>
CHAINRULE_INLINE void for_channels(const Task& task, index_t channels, const channel_room& room,
                                   const Arguments&... arguments) {
  for (index_t c = 0; c < channels; c += X::width) {
    const index_t end = c + X::width;
    if (end <= channels || (end <= room.read && end <= room.written))
      task.template part<X, true, true>(c, X::width, arguments...);
    else if (end <= room.read)
      task.template part<X, true, false>(c, channels - c, arguments...);
    else
      task.template part<X, false, false>(c, channels - c, arguments...);
  }
}

/// y and argmax of max_pool, either of which may be empty. Row r is row r % height of image
/// r / height.
template <class T>
struct max_pool_rows {
  chainrule::window window;
  matrix_view<T> y, argmax;
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
    T* const numbers = argmax.empty() ? nullptr : argmax.data() + (image * argmax.stride() + to);
    const index_t last_line = window.height.at(p, rows.last - 1) * v.size;
    const bool is_small = v.kernel == 2 && window.height.kernel == 2 && rows.last - rows.first == 2;
    for (index_t q = 0; q < width; ++q) {
      const index_range cols = taps_inside(v, q);
      const channel_room room(window.channels, window.height.size * v.size,
                              last_line + v.at(q, cols.last - 1), width, q);
      const auto run = [&](const auto& rows_of_window, const auto& cols_of_window)
          __attribute__((always_inline)) {
        for_channels<math::lane<T, Bytes>>(*this, window.channels, room, rows_of_window,
                                           cols_of_window, from, window.height.at(p, 0), v.at(q, 0),
                                           q * window.channels, maxima, numbers);
      };
      if (is_small && cols.last - cols.first == 2)
        run(first_two{}, first_two{});
      else
        run(rows, cols);
    }
  }
  /// Elements come last to first, so that the first of equal ones is taken, and the first NaN.
  template <class X, bool WholeLoads, bool WholeStores, class Range>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const Range& rows, const Range& cols,
                             const T* from, index_t top, index_t left, index_t to, T* maxima,
                             T* numbers) const {
    X best(-std::numeric_limits<T>::infinity());
    X found(T(-1));
    const auto look = [&](auto names) __attribute__((always_inline)) {
      for (index_t k = rows.last; k-- > rows.first;) {
        const T* const line =
            from + (top + k * window.height.dilation) * window.width.size * window.channels +
            channel;
        for (index_t l = cols.last; l-- > cols.first;) {
          const X value = load_channels<X, WholeLoads>(
              line + (left + l * window.width.dilation) * window.channels, count);
          const auto is_better = (value >= best) | (value != value);
          best = select(is_better, value, best);
          if constexpr (names)
            found = select(is_better, X(static_cast<T>(k * window.width.kernel + l)), found);
        }
      }
    };
    if (numbers == nullptr)
      look(std::false_type{});
    else
      look(std::true_type{}), store_channels<X, WholeStores>(found, numbers + to + channel, count);
    if (maxima != nullptr) store_channels<X, WholeStores>(best, maxima + to + channel, count);
  }

 private:
  /// Elements 0 and 1 of a window: the range of the most common window, known to the compiler.
  struct first_two {
    static constexpr index_t first = 0, last = 2;
  };
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
  matrix_view<const T> dy, argmax;

  template <int Bytes>
  CHAINRULE_INLINE void row(index_t r) const {
    const window_axis& h = window.height;
    const window_axis& v = window.width;
    const index_t image = r / h.size;
    const index_t i = r - image * h.size;
    const index_range rows = positions_over(h, i);
    T* const to = dx.data() + (image * dx.stride() + i * v.size * window.channels);
    const T* const gradients = dy.data() + image * dy.stride();
    const T* const numbers = argmax.data() + image * argmax.stride();
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
              *this, window.channels, channel_room(window.channels, height * width, at, v.size, j),
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
      const channel_room room(window.channels, height * width,
                              (rows.last - 1) * width + cols.last - 1, v.size, j);
      for_channels<math::lane<T, Bytes>>(*this, window.channels, room, rows, cols, i + h.before,
                                         j + v.before, width, gradients, numbers,
                                         to + j * window.channels);
    }
  }
  template <class X, bool WholeLoads, bool WholeStores>
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
        const X found = load_channels<X, WholeLoads>(numbers + at, count);
        const X gradient = load_channels<X, WholeLoads>(gradients + at, count);
        const auto is_argmax = found == X(static_cast<T>(k * window.width.kernel + l));
        sum = select(is_argmax, sum + gradient, sum);
      }
    }
    store_channels<X, WholeStores>(sum, to + channel, count);
  }
  /// The gradient where element `number` of the window is the argmax, else 0.
  template <class X, bool WholeLoads, bool WholeStores>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const T* gradients, const T* numbers,
                             T number, T* to) const {
    const X found = load_channels<X, WholeLoads>(numbers + channel, count);
    const X gradient = load_channels<X, WholeLoads>(gradients + channel, count);
    store_channels<X, WholeStores>(select(found == X(number), gradient, X(T(0))), to + channel,
                                   count);
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
      const channel_room room(channels, by.from(h) * by.from(v),
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
  template <class X, bool WholeLoads, bool WholeStores>
  CHAINRULE_INLINE void part(index_t channel, index_t count, const index_range& rows,
                             const index_range& cols, const T* from, index_t line, T* to,
                             T weight) const {
    X sum(T(0));
    for (index_t i = rows.first; i < rows.last; ++i) {
      const T* const pixels = from + i * line + channel;
      for (index_t j = cols.first; j < cols.last; ++j)
        sum += load_channels<X, WholeLoads>(pixels + j * by.window.channels, count);
    }
    store_channels<X, WholeStores>(sum * X(weight), to + channel, count);
  }
  /// The sum with a weight for each element, of which the first `few` are given.
  template <class X, bool WholeLoads, bool WholeStores>
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
        sum += X(weight) *
               load_channels<X, WholeLoads>(from + i * line + j * channels + channel, count);
      }
    }
    store_channels<X, WholeStores>(sum, to + channel, count);
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

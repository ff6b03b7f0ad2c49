/// \file
/// The CPU's convolutions: forward, and the gradients of input and weights.
///
/// Images are processed one after another, so that an image stays in cache, in bands of output
/// rows. If there is padding, the input rows of a band are copied with their zeros. Which algorithm
/// is used (times were compared on AVX-512, one thread, with 28 x 28 to 8 x 8 images and 1 to 128
/// channels):
///
///     pass            condition                              algorithm
///     forward         kernels of the instruction set         tiles over pixels (rows)
///     weights         kernels of the instruction set         tiles over elements of the window
///     all             one channel in, one out of a group     vectors of channels (depthwise.hpp)
///     input           those, stride 1, at least a vector of  forward with turned weights over the
///                     channels, at most 1.3 times as many    padded results
///                     elements as results (`same` padding)
///     input           otherwise                              product per band, whose columns are
///                                                            added to the image (col2im)
///     forward,        portable instruction set               columns per band (im2col), then a
///     weights                                                product
///
/// Each sum has one order, whatever the number of threads.
#ifndef CHAINRULE_BACKEND_CPU_CONVOLUTION_HPP
#define CHAINRULE_BACKEND_CPU_CONVOLUTION_HPP

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/cpu/convolution_tile.hpp"
#include "chainrule/backend/cpu/depthwise.hpp"
#include "chainrule/backend/cpu/kernel.hpp"
#include "chainrule/backend/cpu/storage.hpp"
#include "chainrule/backend/window.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// Memory of the calling thread for `size` elements, until its next call with the same Use. A call
/// allocates nothing once the memory is large enough; the thread keeps it until it ends.
template <class T, int Use>
[[nodiscard]] T* convolution_memory(index_t size) {
  thread_local cpu_storage<T> memory;
  if (memory.size() < size) memory = cpu_storage<T>(size);
  return memory.data();
}

/// The convolutions of a matrix of images, whose rows are `stride` apart.
template <class T>
class cpu_convolution {
 public:
  cpu_convolution(isa set, const convolution& c)
      : set_(set),
        kernels_(convolution_kernels_for<T>(set)),
        c_(c),
        in_(c.window.channels / c.groups),
        out_(c.outputs / c.groups),
        rows_(c.window.height.count()),
        cols_(c.window.width.count()),
        width_((cols_ - 1) * c.window.width.stride + c.window.width.span()) {
    const window_axis& h = c.window.height;
    const window_axis& w = c.window.width;
    is_padded_ = h.before > 0 || w.before > 0 || (rows_ - 1) * h.stride + h.span() > h.size ||
                 width_ > w.size;
    pitch_ = (is_padded_ ? width_ : w.size) * c.window.channels;
    // Bands whose input fits the second-level cache beside weights and results.
    constexpr index_t most = 1 << 16;
    const index_t depth = kernels_ == nullptr ? c.window.taps() * in_ : c.outputs;
    const index_t each = std::max(pitch_ * h.stride, cols_ * depth);
    band_ = std::clamp(most / each, index_t{1}, rows_);
  }

  /// The convolution whose forward pass, over the gradient of the result, is the gradient of the
  /// input, where that is the faster algorithm.
  [[nodiscard]] std::optional<convolution> input_gradient_as_forward() const {
    const window_axis& h = c_.window.height;
    const window_axis& w = c_.window.width;
    if (kernels_ == nullptr || in_ < kernels_->width || h.stride > 1 || w.stride > 1 ||
        10 * h.size * w.size > 13 * rows_ * cols_)
      return {};
    const auto axis = [](const window_axis& a) {
      window_axis t{a.count(), a.kernel, 1, a.dilation, a.span() - 1 - a.before, 0};
      t.after = a.size - t.size - t.before + t.span() - 1;
      return t;
    };
    const convolution c{{axis(h), axis(w), c_.outputs}, c_.window.channels, c_.groups};
    for (const window_axis& a : {c.window.height, c.window.width})
      if (a.before < 0 || a.after < 0) return {};
    return c;
  }
  /// Its weights: to[(ky, kx, o), i] = from[(flipped ky, kx, i), o] in each group.
  void flip_and_transpose(const T* from, index_t from_row, T* to) const {
    const index_t taps = c_.window.taps();
    for (index_t t = 0; t < taps; ++t)
      for (index_t i = 0; i < in_; ++i) {
        const T* const row = from + ((taps - 1 - t) * in_ + i) * from_row;
        for (index_t o = 0; o < c_.outputs; ++o)
          to[(t * out_ + o % out_) * c_.window.channels + o / out_ * in_ + i] = row[o];
      }
  }

  /// y = x * w for one image, plus y if `resumes`; done(first, last) after each band of output
  /// rows. multiply(c, a, b, beta) is the product of matrices.
  template <class Multiply, class Done>
  void forward(const T* x, const T* w, index_t w_row, T* y, bool resumes, const Multiply& multiply,
               const Done& done) const {
    if (is_depthwise()) {
      run_depthwise<depthwise_pass::forward>(x, w, w_row, y, resumes);
      return done(0, rows_);
    }
    for (index_t first = 0; first < rows_; first += band_) {
      const index_t last = std::min(first + band_, rows_);
      const T* const band = rows_of(x, first, last);
      for (index_t g = 0; g < c_.groups; ++g)
        if (kernels_ != nullptr)
          for (index_t left = 0; left < out_; left += 2 * kernels_->width)
            forward_strip(band, first, last, g, left, w, w_row, y, resumes);
        else
          multiply(results(y, first, last, g), columns(band, first, last, g), weights(w, w_row, g),
                   resumes);
      done(first, last);
    }
  }

  /// dx += the gradient with respect to one image.
  template <class Multiply>
  void add_input(T* dx, const T* dy, const T* w, index_t w_row, const Multiply& multiply) const {
    if (is_depthwise()) return run_depthwise<depthwise_pass::input>(dx, w, w_row, dy);
    const index_t depth = c_.window.taps() * in_;
    const index_t rows = std::clamp((1 << 16) / (cols_ * depth), index_t{1}, rows_);
    T* const memory = convolution_memory<T, 1>(rows * cols_ * depth);
    for (index_t g = 0; g < c_.groups; ++g)
      for (index_t first = 0; first < rows_; first += rows) {
        const index_t last = std::min(first + rows, rows_);
        const matrix_view<T> all(memory, (last - first) * cols_, depth);
        multiply(all, matrix_view<const T>(results(dy, first, last, g)),
                 gemm_operand<matrix_view<const T>>(weights(w, w_row, g), true), false);
        each_segment(first, last, g, [&](index_t at, index_t pixel, index_t tap, index_t count) {
          combine_each(set_, reduction::sum{}, memory + pixel * depth + tap * in_, count * in_,
                       dx + at);
        });
      }
  }

  /// dw += the gradient of the weights by one image.
  template <class Multiply>
  void add_weights(T* dw, index_t dw_row, const T* x, const T* dy, const Multiply& multiply) const {
    if (is_depthwise()) return run_depthwise<depthwise_pass::weights>(x, dw, dw_row, dy);
    for (index_t first = 0; first < rows_; first += band_) {
      const index_t last = std::min(first + band_, rows_);
      const T* const band = rows_of(x, first, last);
      for (index_t g = 0; g < c_.groups; ++g)
        if (kernels_ != nullptr)
          for (index_t left = 0; left < out_; left += 2 * kernels_->width)
            weights_strip(band, first, last, g, left, dw, dw_row, dy);
        else
          multiply(weights(dw, dw_row, g),
                   gemm_operand<matrix_view<const T>>(columns(band, first, last, g), true),
                   matrix_view<const T>(results(dy, first, last, g)), true);
    }
  }

 private:
  [[nodiscard]] bool is_depthwise() const { return c_.groups > 1 && in_ == 1 && out_ == 1; }
  /// A pass writes one of the three matrices, whose pointer is not to const.
  template <depthwise_pass Pass>
  void run_depthwise(const T* x, const T* w, index_t w_row, const T* y,
                     bool resumes = false) const {
    depthwise<Pass>(set_, depthwise_task<T>{&c_.window, const_cast<T*>(x), const_cast<T*>(w), w_row,
                                            const_cast<T*>(y), 0, rows_, resumes});
  }
  /// Copies less than a strip, without a call.
  static void copy_part(const T* from, index_t count, T* to) {
    copy_few<simd<T, 64>::width>(to, from, count);
  }
  /// Copies less than a strip, and assigns zeros behind it.
  static void copy_padded(const T* from, index_t count, T* to, index_t strip) {
    for (index_t i = 0; i < strip; ++i) to[i] = T(0);
    copy_part(from, count, to);
  }

  /// Whether a row of the window lies side by side in memory; else only one element of it does.
  [[nodiscard]] bool joins_row() const { return c_.groups == 1 && c_.window.width.dilation == 1; }

  /// The input rows under output rows [first, last), `pitch_` apart.
  [[nodiscard]] const T* rows_of(const T* image, index_t first, index_t last) const {
    const window_axis& h = c_.window.height;
    const window_axis& w = c_.window.width;
    const index_t channels = c_.window.channels;
    if (!is_padded_) return image + first * h.stride * pitch_;
    const index_t count = (last - first - 1) * h.stride + h.span();
    T* const memory = convolution_memory<T, 0>(count * pitch_);
    const index_t left = std::min(w.before, width_) * channels;
    const index_t copied = std::min(w.size, width_ - std::min(w.before, width_)) * channels;
    for (index_t r = 0; r < count; ++r) {
      T* const to = memory + r * pitch_;
      const index_t row = first * h.stride - h.before + r;
      if (row < 0 || row >= h.size) {
        std::fill(to, to + pitch_, T(0));
        continue;
      }
      std::fill(to, to + left, T(0));
      std::copy_n(image + row * w.size * channels, copied, to + left);
      std::fill(to + left + copied, to + pitch_, T(0));
    }
    return memory;
  }

  /// The results of output rows in one group, a row for each pixel.
  template <class U>
  [[nodiscard]] matrix_view<U> results(U* y, index_t first, index_t last, index_t g) const {
    return {y + first * cols_ * c_.outputs + g * out_, (last - first) * cols_, out_, c_.outputs};
  }
  template <class U>
  [[nodiscard]] matrix_view<U> weights(U* w, index_t w_row, index_t g) const {
    return {w + g * out_, c_.window.taps() * in_, out_, w_row};
  }
  /// The elements under the window at each pixel of these output rows: im2col.
  [[nodiscard]] matrix_view<const T> columns(const T* band, index_t first, index_t last,
                                             index_t g) const {
    const window_axis& h = c_.window.height;
    const window_axis& w = c_.window.width;
    const index_t depth = c_.window.taps() * in_;
    const index_t pixels = (last - first) * cols_;
    T* to = convolution_memory<T, 1>(pixels * depth);
    const T* const all = to;
    for (index_t i = 0; i < last - first; ++i)
      for (index_t j = 0; j < cols_; ++j)
        for (index_t ky = 0; ky < h.kernel; ++ky)
          for (index_t kx = 0; kx < w.kernel; ++kx, to += in_)
            std::copy_n(band + (i * h.stride + ky * h.dilation) * pitch_ +
                            (j * w.stride + kx * w.dilation) * c_.window.channels + g * in_,
                        in_, to);
    return {all, pixels, depth};
  }
  /// f(element of the image, pixel, element of the window, elements of the window side by side) for
  /// all that lie within the image; pixels are counted from output row `first`.
  template <class F>
  void each_segment(index_t first, index_t last, index_t g, const F& f) const {
    const window_axis& h = c_.window.height;
    const window_axis& w = c_.window.width;
    const index_t channels = c_.window.channels;
    for (index_t i = first; i < last; ++i)
      for (index_t ky = 0; ky < h.kernel; ++ky) {
        const index_t row = h.at(i, ky);
        if (row < 0 || row >= h.size) continue;
        for (index_t j = 0; j < cols_; ++j) {
          const index_t pixel = (i - first) * cols_ + j;
          const index_t col = w.at(j, 0);
          if (joins_row() && col >= 0 && col + w.kernel <= w.size) {
            f((row * w.size + col) * channels, pixel, ky * w.kernel, w.kernel);
            continue;
          }
          for (index_t kx = 0; kx < w.kernel; ++kx)
            if (const index_t at = w.at(j, kx); at >= 0 && at < w.size)
              f((row * w.size + at) * channels + g * in_, pixel, ky * w.kernel + kx, 1);
        }
      }
  }

  /// Columns of a group that a tile computes at a time.
  struct strip_of_columns {
    index_t count, vecs, size;  // size: of whole vectors
    bool is_whole;
  };
  [[nodiscard]] strip_of_columns strip_at(index_t left) const {
    const index_t count = std::min(out_ - left, 2 * kernels_->width);
    const index_t vecs = (count + kernels_->width - 1) / kernels_->width;
    return {count, vecs, vecs * kernels_->width, count == vecs * kernels_->width};
  }

  /// Columns [left, left + two vectors) of the results of a group, for output rows [first, last).
  void forward_strip(const T* band, index_t first, index_t last, index_t g, index_t left,
                     const T* w, index_t w_row, T* y, bool resumes) const {
    const window_axis& vertical = c_.window.height;
    const window_axis& horizontal = c_.window.width;
    const index_t channels = c_.window.channels;
    const strip_of_columns strip = strip_at(left);
    convolution_tile<T> t{};
    t.y = w + g * out_ + left;
    t.y_step = w_row;
    if (!strip.is_whole) {  // the weights of the strip, with zeros up to a whole vector
      T* const copy = convolution_memory<T, 2>(c_.window.taps() * in_ * strip.size);
      for (index_t k = 0; k < c_.window.taps() * in_; ++k)
        copy_padded(t.y + k * w_row, strip.count, copy + k * strip.size, strip.size);
      t.y = copy;
      t.y_step = strip.size;
    }
    const T* const all_weights = t.y;
    t.x_row = horizontal.stride * channels;
    t.x_step = 1;
    t.segments = joins_row() ? 1 : horizontal.kernel;
    t.steps = joins_row() ? horizontal.kernel * in_ : in_;
    t.x_segment = horizontal.dilation * channels;
    t.y_segment = in_ * t.y_step;
    t.x_outer = vertical.dilation * pitch_;
    t.y_outer = horizontal.kernel * in_ * t.y_step;
    t.resumes = resumes;
    alignas(64) T partial[convolution_kernels<T>::most_rows * 2 * simd<T, 64>::width] = {};
    // A vector may store beyond the last channel of a pixel: pixels are computed in ascending order
    // by the thread that owns the image, so that the next pixels overwrite what was stored there.
    // In the last row of the image there may be none.
    const bool may_spill = !strip.is_whole && out_ == c_.outputs && left == 0 && !resumes;
    for (index_t i = first; i < last; ++i) {
      const bool is_direct =
          strip.is_whole || (may_spill && i + 1 < rows_ && strip.size <= cols_ * out_);
      // Rows of the window in padding above or below the image are left out.
      index_t top = 0;
      index_t bottom = vertical.kernel;
      while (top < bottom && vertical.at(i, top) < 0) ++top;
      while (bottom > top && vertical.at(i, bottom - 1) >= vertical.size) --bottom;
      t.outer = bottom - top;
      t.y = all_weights + top * t.y_outer;
      const T* const row =
          band + (i - first) * vertical.stride * pitch_ + top * t.x_outer + g * in_;
      T* const to = y + i * cols_ * c_.outputs + g * out_ + left;
      for (index_t j = 0; j < cols_;) {
        const index_t height = kernels_->rows(false, strip.vecs, cols_ - j);
        t.x = row + j * t.x_row;
        t.sums = is_direct ? to + j * c_.outputs : partial;
        t.sums_row = is_direct ? c_.outputs : strip.size;
        if (!is_direct && resumes)
          for (index_t r = 0; r < height; ++r)
            copy_part(to + (j + r) * c_.outputs, strip.count, partial + r * strip.size);
        run(false, strip.vecs, height)(t);
        if (!is_direct)
          for (index_t r = 0; r < height; ++r)
            copy_part(partial + r * strip.size, strip.count, to + (j + r) * c_.outputs);
        j += height;
      }
    }
  }

  /// Columns [left, left + two vectors) of the gradient of the weights of a group.
  void weights_strip(const T* band, index_t first, index_t last, index_t g, index_t left, T* dw,
                     index_t dw_row, const T* dy) const {
    const window_axis& vertical = c_.window.height;
    const window_axis& horizontal = c_.window.width;
    const index_t channels = c_.window.channels;
    const strip_of_columns strip = strip_at(left);
    convolution_tile<T> t{};
    t.y = dy + first * cols_ * c_.outputs + g * out_ + left;
    t.y_step = c_.outputs;
    // A vector may read beyond the last channel, into the next pixels, but not beyond the image:
    // the last rows are copied, with zeros up to a whole vector.
    const index_t row_size = cols_ * c_.outputs;
    const index_t copied =
        strip.is_whole ? 0 : std::min(last - first, 1 + (strip.size - strip.count) / row_size);
    const index_t direct = last - first - copied;
    T* const copy =
        strip.is_whole ? nullptr : convolution_memory<T, 1>(copied * cols_ * strip.size);
    for (index_t p = 0; p < copied * cols_; ++p)
      copy_padded(t.y + (direct * cols_ + p) * c_.outputs, strip.count, copy + p * strip.size,
                  strip.size);
    const T* const results = t.y;
    t.x_row = 1;
    t.x_step = horizontal.stride * channels;
    t.outer = 1;
    t.steps = cols_;
    t.x_segment = vertical.stride * pitch_;
    t.x_group = vertical.dilation * pitch_;
    t.resumes = true;
    alignas(64) T partial[convolution_kernels<T>::most_rows * 2 * simd<T, 64>::width] = {};
    // The sums of `height` rows of dw over output rows [begin, end), counted from `first`.
    const auto add = [&](auto kernel, index_t height, const T* x, T* sums, index_t begin,
                         index_t end) {
      t.sums = strip.is_whole ? sums : partial;
      t.sums_row = strip.is_whole ? dw_row : strip.size;
      if (!strip.is_whole)
        for (index_t r = 0; r < height; ++r)
          copy_part(sums + r * dw_row, strip.count, partial + r * strip.size);
      const auto rows = [&](index_t from_row, index_t to_row, const T* y, index_t y_step) {
        if (from_row >= to_row) return;
        t.x = x + from_row * t.x_segment;
        t.y = y;
        t.y_step = y_step;
        t.y_segment = cols_ * y_step;
        t.segments = to_row - from_row;
        kernel(t);
      };
      rows(begin, std::min(end, direct), results + begin * row_size, c_.outputs);
      const index_t behind = std::max(begin, direct);
      rows(behind, end, copy + (behind - direct) * cols_ * strip.size, strip.size);
      if (!strip.is_whole)
        for (index_t r = 0; r < height; ++r)
          copy_part(partial + r * strip.size, strip.count, sums + r * dw_row);
    };
    const index_t runs = joins_row() ? 1 : horizontal.kernel;
    const index_t length = joins_row() ? horizontal.kernel * in_ : in_;
    const index_t groups = joins_row() && length < 6 ? kernels_->groups(length) : 0;
    const auto grouped = kernels_->run_groups[static_cast<std::size_t>(strip.vecs - 1)]
                                             [static_cast<std::size_t>(groups > 0 ? length : 0)];
    for (index_t ky = 0; ky < vertical.kernel; ++ky) {
      const T* const x = band + ky * t.x_group;
      T* const sums = dw + ky * horizontal.kernel * in_ * dw_row + g * out_ + left;
      if (grouped != nullptr && ky + groups <= vertical.kernel) {
        add(grouped, groups * length, x, sums, 0, last - first);
        ky += groups - 1;
        continue;
      }
      // Output rows under which this row of the window lies in the image.
      const window_axis::range inside = vertical.inside(ky);
      const index_t begin = std::max(first, inside.first);
      const index_t end = std::min(last, inside.last);
      if (begin >= end) continue;
      for (index_t kx = 0; kx < runs; ++kx)
        for (index_t k = 0; k < length;) {
          const index_t height = kernels_->rows(true, strip.vecs, length - k);
          add(run(true, strip.vecs, height), height,
              x + kx * horizontal.dilation * channels + g * in_ + k, sums + (kx * in_ + k) * dw_row,
              begin - first, end - first);
          k += height;
        }
    }
  }

  [[nodiscard]] auto run(bool side_by_side, index_t vecs, index_t rows) const {
    return kernels_->run[side_by_side ? 1 : 0][static_cast<std::size_t>(vecs - 1)]
                        [static_cast<std::size_t>(rows)];
  }

  isa set_;
  const convolution_kernels<T>* kernels_;
  convolution c_;
  index_t in_, out_;     // channels of a group
  index_t rows_, cols_;  // positions of the window
  index_t width_;        // elements of a padded row that the window covers
  bool is_padded_;
  index_t pitch_;  // from a row of the band to the next
  index_t band_;   // output rows of a band
};

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_CONVOLUTION_HPP

/// \file
/// The CPU's depthwise convolutions: one input and one output channel in each group, so that
/// channels are the elements of vectors.
#ifndef CHAINRULE_BACKEND_CPU_DEPTHWISE_HPP
#define CHAINRULE_BACKEND_CPU_DEPTHWISE_HPP

#include <algorithm>

#include "chainrule/backend/cpu/vector.hpp"
#include "chainrule/backend/window.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// Forward: y (+)= x * w; input: x += its gradient; weights: w += their gradient, where y is the
/// gradient of the result.
enum class depthwise_pass { forward, input, weights };

/// One image, result rows [first, last). A pass writes one of the three and reads the others.
template <class T>
struct depthwise_task {
  const window* geometry;
  T* x;
  T* w;
  index_t w_row;
  T* y;
  index_t first, last;
  bool resumes;  // of forward: adds to what is in y
};

/// The first `count` elements at p, and zeros.
template <class T, int Bytes>
CHAINRULE_INLINE void load_part(typename simd<T, Bytes>::vector& v, const T* p, index_t count) {
  using S = simd<T, Bytes>;
  if (count == S::width) return S::load(v, p);
  v = typename S::vector{};
  copy_few<S::width / 2>(reinterpret_cast<T*>(&v), p, count);
}
template <class T, int Bytes>
CHAINRULE_INLINE void store_part(T* p, const typename simd<T, Bytes>::vector& v, index_t count) {
  using S = simd<T, Bytes>;
  if (count == S::width) return S::store(p, v);
  copy_few<S::width / 2>(p, reinterpret_cast<const T*>(&v), count);
}

template <depthwise_pass Pass, class T, int Bytes>
CHAINRULE_INLINE void run_depthwise(const depthwise_task<T>& t) {
  using S = simd<T, Bytes>;
  const window_axis& h = t.geometry->height;
  const window_axis& w = t.geometry->width;
  const index_t channels = t.geometry->channels;
  const index_t cols = w.count();
  // The elements [from, to) of a window at position p that lie within the image.
  const auto inside = [](const window_axis& a, index_t p, index_t& from, index_t& to)
      __attribute__((always_inline)) {
    from = 0;
    to = a.kernel;
    while (from < to && a.at(p, from) < 0) ++from;
    while (to > from && a.at(p, to - 1) >= a.size) --to;
  };
  for (index_t i = t.first; i < t.last; ++i) {
    index_t top, bottom;
    inside(h, i, top, bottom);
    for (index_t j = 0; j < cols; ++j) {
      index_t left, right;
      inside(w, j, left, right);
      T* const result = t.y + (i * cols + j) * channels;
      for (index_t c = 0; c < channels; c += S::width) {
        const index_t count = std::min(channels - c, S::width);
        typename S::vector y{};
        if (Pass != depthwise_pass::forward || t.resumes) load_part<T, Bytes>(y, result + c, count);
        for (index_t ky = top; ky < bottom; ++ky)
          for (index_t kx = left; kx < right; ++kx) {
            T* const x = t.x + (h.at(i, ky) * w.size + w.at(j, kx)) * channels + c;
            T* const weight = t.w + (ky * w.kernel + kx) * t.w_row + c;
            typename S::vector a, b;
            load_part<T, Bytes>(a, x, count);
            load_part<T, Bytes>(b, weight, count);
            if constexpr (Pass == depthwise_pass::forward) {
              y += a * b;
            } else if constexpr (Pass == depthwise_pass::input) {
              a += y * b;
              store_part<T, Bytes>(x, a, count);
            } else {
              b += a * y;
              store_part<T, Bytes>(weight, b, count);
            }
          }
        if constexpr (Pass == depthwise_pass::forward) store_part<T, Bytes>(result + c, y, count);
      }
    }
  }
}

#if CHAINRULE_HAS_X86_TARGETS
template <depthwise_pass Pass, class T>
CHAINRULE_TARGET_AVX512 [[gnu::noinline]] void depthwise_avx512(const depthwise_task<T>& t) {
  run_depthwise<Pass, T, 64>(t);
}
template <depthwise_pass Pass, class T>
CHAINRULE_TARGET_AVX2 [[gnu::noinline]] void depthwise_avx2(const depthwise_task<T>& t) {
  run_depthwise<Pass, T, 32>(t);
}
#endif
template <depthwise_pass Pass, class T>
[[gnu::noinline]] void depthwise_portable(const depthwise_task<T>& t) {
  run_depthwise<Pass, T, 16>(t);
}

template <depthwise_pass Pass, class T>
void depthwise([[maybe_unused]] isa set, const depthwise_task<T>& t) {
#if CHAINRULE_HAS_X86_TARGETS
  if (set == isa::avx512) return depthwise_avx512<Pass>(t);
  if (set == isa::avx2) return depthwise_avx2<Pass>(t);
#endif
  depthwise_portable<Pass>(t);
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_DEPTHWISE_HPP

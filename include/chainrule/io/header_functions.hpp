/// \file
/// The functions of exported headers, as text: C++11 without dependencies. See
/// io/header_export.hpp.
#ifndef CHAINRULE_IO_HEADER_FUNCTIONS_HPP
#define CHAINRULE_IO_HEADER_FUNCTIONS_HPP

#include <string_view>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// A function of exported headers, which holds those that the network calls. Images lie row by row,
/// channels last; `window` is that of backend/window.hpp.
struct header_function {
  std::string_view name, text;
};
inline constexpr header_function header_functions[] = {{"dense", R"(
inline void dense(const real* x, real* y, int positions, int inputs, int outputs, const real* w,
                  const real* b) {
  for (int p = 0; p < positions; ++p)
    for (int o = 0; o < outputs; ++o) {
      real sum = b[o];
      for (int i = 0; i < inputs; ++i) sum += x[p * inputs + i] * w[i * outputs + o];
      y[p * outputs + o] = sum;
    }
}
)"},
                                                       {"convolve", R"(
// b may be null. Output channels of a group see the input channels of that group.
inline void convolve(const real* x, real* y, const window& v, int outputs, int groups, const real* w,
                     const real* b) {
  const int from = v.c / groups, to = outputs / groups;
  for (int p = 0; p < v.oh; ++p)
    for (int q = 0; q < v.ow; ++q)
      for (int o = 0; o < outputs; ++o) {
        real sum = b ? b[o] : real(0);
        for (int k = 0; k < v.kh; ++k)
          for (int l = 0; l < v.kw; ++l) {
            const int i = p * v.sh - v.top + k * v.dh, j = q * v.sw - v.left + l * v.dw;
            if (i < 0 || i >= v.h || j < 0 || j >= v.w) continue;
            for (int c = 0; c < from; ++c)
              sum += x[(i * v.w + j) * v.c + o / to * from + c] *
                     w[((k * v.kw + l) * from + c) * outputs + o];
          }
        y[(p * v.ow + q) * outputs + o] = sum;
      }
}
)"},
                                                       {"convolve_transposed", R"(
// The window lies over y.
inline void convolve_transposed(const real* x, real* y, const window& v, int inputs, int groups,
                                const real* w, const real* b) {
  const int from = inputs / groups, to = v.c / groups;
  for (int i = 0; i < v.h * v.w; ++i)
    for (int c = 0; c < v.c; ++c) y[i * v.c + c] = b ? b[c] : real(0);
  for (int p = 0; p < v.oh; ++p)
    for (int q = 0; q < v.ow; ++q)
      for (int k = 0; k < v.kh; ++k)
        for (int l = 0; l < v.kw; ++l) {
          const int i = p * v.sh - v.top + k * v.dh, j = q * v.sw - v.left + l * v.dw;
          if (i < 0 || i >= v.h || j < 0 || j >= v.w) continue;
          for (int n = 0; n < inputs; ++n)
            for (int c = 0; c < to; ++c)
              y[(i * v.w + j) * v.c + n / from * to + c] +=
                  x[(p * v.ow + q) * inputs + n] * w[((k * v.kw + l) * to + c) * inputs + n];
        }
}
)"},
                                                       {"max_pool", R"(
inline void max_pool(const real* x, real* y, const window& v) {
  for (int p = 0; p < v.oh; ++p)
    for (int q = 0; q < v.ow; ++q)
      for (int c = 0; c < v.c; ++c) {
        real most = -std::numeric_limits<real>::infinity();
        for (int k = 0; k < v.kh; ++k)
          for (int l = 0; l < v.kw; ++l) {
            const int i = p * v.sh - v.top + k * v.dh, j = q * v.sw - v.left + l * v.dw;
            if (i < 0 || i >= v.h || j < 0 || j >= v.w) continue;
            const real value = x[(i * v.w + j) * v.c + c];
            if (!(value <= most)) most = value;
          }
        y[(p * v.ow + q) * v.c + c] = most;
      }
}
)"},
                                                       {"average_pool", R"(
inline void average_pool(const real* x, real* y, const window& v, bool count_padding) {
  for (int p = 0; p < v.oh; ++p)
    for (int q = 0; q < v.ow; ++q)
      for (int c = 0; c < v.c; ++c) {
        real sum = 0;
        int count = 0;
        for (int k = 0; k < v.kh; ++k)
          for (int l = 0; l < v.kw; ++l) {
            const int i = p * v.sh - v.top + k * v.dh, j = q * v.sw - v.left + l * v.dw;
            if (i < 0 || i >= v.h || j < 0 || j >= v.w) continue;
            sum += x[(i * v.w + j) * v.c + c];
            ++count;
          }
        if (count_padding) count = v.kh * v.kw;
        y[(p * v.ow + q) * v.c + c] = count > 0 ? sum / real(count) : real(0);
      }
}
)"},
                                                       {"place", R"(
// The pixel at p, q of y is that at p * stride - top, q * stride - left of x, or 0 outside of it.
inline void place(const real* x, real* y, int h, int w, int c, int to_h, int to_w, int to_c, int top,
                  int left, int stride) {
  for (int p = 0; p < to_h; ++p)
    for (int q = 0; q < to_w; ++q)
      for (int n = 0; n < to_c; ++n) {
        const int i = p * stride - top, j = q * stride - left;
        const bool inside = i >= 0 && i < h && j >= 0 && j < w && n < c;
        y[(p * to_w + q) * to_c + n] = inside ? x[(i * w + j) * c + n] : real(0);
      }
}
)"},
                                                       {"enlarge", R"(
inline void enlarge(const real* x, real* y, int h, int w, int c, int by_h, int by_w) {
  for (int p = 0; p < h * by_h; ++p)
    for (int q = 0; q < w * by_w; ++q)
      for (int n = 0; n < c; ++n)
        y[(p * w * by_w + q) * c + n] = x[(p / by_h * w + q / by_w) * c + n];
}
)"},
                                                       {"interpolate", R"(
// Between the centres of pixels, bilinear.
inline void interpolate(const real* x, real* y, int h, int w, int c, int by_h, int by_w) {
  for (int p = 0; p < h * by_h; ++p)
    for (int q = 0; q < w * by_w; ++q) {
      real s = real(2 * p + 1 - by_h) / real(2 * by_h), t = real(2 * q + 1 - by_w) / real(2 * by_w);
      s = s < 0 ? 0 : s > real(h - 1) ? real(h - 1) : s;
      t = t < 0 ? 0 : t > real(w - 1) ? real(w - 1) : t;
      const int i = int(s), j = int(t);
      const int below = i + 1 < h ? i + 1 : i, right = j + 1 < w ? j + 1 : j;
      const real a = s - real(i), b = t - real(j);
      for (int n = 0; n < c; ++n)
        y[(p * w * by_w + q) * c + n] =
            (1 - a) * ((1 - b) * x[(i * w + j) * c + n] + b * x[(i * w + right) * c + n]) +
            a * ((1 - b) * x[(below * w + j) * c + n] + b * x[(below * w + right) * c + n]);
    }
}
)"},
                                                       {"normalize", R"(
// Sets of positions * size elements, one for each of outer * groups, are given mean 0 (if centred)
// and mean square 1.
inline void normalize(const real* x, real* y, int outer, int positions, int groups, int size,
                      real eps, bool centred) {
  const real count = real(positions) * real(size);
  for (int o = 0; o < outer; ++o)
    for (int g = 0; g < groups; ++g) {
      real mean = 0, square = 0;
      for (int p = 0; p < positions && centred; ++p)
        for (int k = 0; k < size; ++k) mean += x[((o * positions + p) * groups + g) * size + k];
      mean /= count;
      for (int p = 0; p < positions; ++p)
        for (int k = 0; k < size; ++k) {
          const real d = x[((o * positions + p) * groups + g) * size + k] - mean;
          square += d * d;
        }
      const real root = std::sqrt(square / count + eps);
      for (int p = 0; p < positions; ++p)
        for (int k = 0; k < size; ++k) {
          const int i = ((o * positions + p) * groups + g) * size + k;
          y[i] = (x[i] - mean) / root;
        }
    }
}
)"},
                                                       {"scale", R"(
// shift may be null.
inline void scale(const real* x, real* y, int n, int channels, const real* factor,
                  const real* shift) {
  for (int i = 0; i < n; ++i)
    y[i] = x[i] * factor[i % channels] + (shift ? shift[i % channels] : real(0));
}
)"},
                                                       {"respond", R"(
// Local response normalization over the channels from c - before to c + after.
inline void respond(const real* x, real* y, int positions, int channels, int before, int after,
                    real share, real beta, real k) {
  for (int p = 0; p < positions; ++p)
    for (int c = 0; c < channels; ++c) {
      real sum = 0;
      for (int i = c - before; i <= c + after; ++i)
        if (i >= 0 && i < channels) sum += x[p * channels + i] * x[p * channels + i];
      y[p * channels + c] = x[p * channels + c] * std::pow(k + share * sum, -beta);
    }
}
)"},
                                                       {"rectify", R"(
inline void rectify(const real* x, real* y, int n, int slopes, const real* slope) {
  for (int i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : slope[i % slopes] * x[i];
}
)"},
                                                       {"add", R"(
inline void add(const real* a, const real* b, real* y, int n) {
  for (int i = 0; i < n; ++i) y[i] = a[i] + b[i];
}
)"},
                                                       {"copy", R"(
// x to the channels of y from `first` on.
inline void copy(const real* x, real* y, int positions, int channels, int first, int to_channels) {
  for (int p = 0; p < positions; ++p)
    for (int c = 0; c < channels; ++c) y[p * to_channels + first + c] = x[p * channels + c];
}
)"}};

/// The functions beyond those of <cmath> that traces call (backend/device/kernels/common.hpp).
inline constexpr std::string_view header_prelude = R"(
const real cr_nan = std::numeric_limits<real>::quiet_NaN();
const real cr_infinity = std::numeric_limits<real>::infinity();
inline real cr_max(real a, real b) { return a > b || a != a ? a : b; }
inline real cr_min(real a, real b) { return a < b || a != a ? a : b; }
inline real cr_sign(real a) { return a > 0 ? real(1) : a < 0 ? real(-1) : a; }
inline real cr_tanh(real a) { return std::tanh(a); }
)";

}  // namespace chainrule::detail

#endif  // CHAINRULE_IO_HEADER_FUNCTIONS_HPP

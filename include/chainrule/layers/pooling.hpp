/// \file
/// `max_pool`, `average_pool`, `global_max_pool` and `global_average_pool`: one value for each
/// window and channel.
///
///     network{cpu{}, input{28, 28, 1}, max_pool{2}, flatten{}, dense{10}};  // 14 x 14 x 1
///     max_pool{3, {.stride = 2, .pad = 1}}
///     average_pool{{2, 3}, {.pad = {0, 1}, .count_padding = false}}
///
/// Samples are {height, width, channels}, or {time, channels}, along which the width's numbers
/// count. Names and defaults are PyTorch's. See also ops/pooling.hpp, layers/resizing.hpp.
#ifndef CHAINRULE_LAYERS_POOLING_HPP
#define CHAINRULE_LAYERS_POOLING_HPP

#include "chainrule/layers/layer.hpp"
#include "chainrule/layers/window_options.hpp"
#include "chainrule/ops/pooling.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

/// Options of max_pool.
struct max_pool_options {
  extent2d stride = 0;    ///< 0: as the kernel
  extent2d dilation = 1;  ///< between two elements of a window
  padding pad = 0;        ///< of -infinity; at most half of what the window spans
};

/// Options of average_pool.
struct average_pool_options {
  extent2d stride = 0;        ///< 0: as the kernel
  padding pad = 0;            ///< of zeros; at most half of the kernel
  bool count_padding = true;  ///< padding counts as elements of which the average is taken
};

namespace detail {

/// The stride of a pooling layer, whose default is the kernel.
[[nodiscard]] constexpr extent2d pooling_stride(extent2d stride, extent2d kernel) {
  return {stride.h == 0 ? kernel.h : stride.h, stride.w == 0 ? kernel.w : stride.w};
}

/// The window of a pooling layer. Throws as window_over, and value_error if the padding exceeds
/// half of what the window spans, since whole windows would lie in it.
[[nodiscard]] inline window pooling_window(const std::string& layer, const shape& in,
                                           extent2d kernel, extent2d stride, extent2d dilation,
                                           const padding& pad) {
  const window w = window_over(layer, in, kernel, stride, dilation, pad);
  for (const window_axis& a : {w.height, w.width})
    if (std::max(a.before, a.after) > a.span() / 2)
      detail::fail<value_error>(layer, " has padding of ", std::max(a.before, a.after),
                                " for a window that spans ", a.span(),
                                "; the most is half of the span");
  for (const window_axis& a : {w.height, w.width})
    if (a.before + a.after > 0 && a.dilation > a.size)
      detail::fail<value_error>(layer, " has a dilation of ", a.dilation, " for an axis of ",
                                a.size, " with padding: a window could lie in padding only");
  return w;
}
/// The window that covers whole samples.
[[nodiscard]] inline window whole_window(const std::string& layer, const shape& in) {
  const bool image = in.rank() == 3;
  return window_over(layer, in, image ? extent2d(in[0], in[1]) : extent2d(1, in[0]), 1, 1, 0);
}

/// The passes of a layer that takes maxima.
class takes_maxima {
 public:
  static constexpr bool keeps_features = true;

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    ops::max_pool_op{window_}.forward(p.backend(), y, x,
                                      p.training() ? p.saved(argmax_) : matrix<B>{});
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (dx.empty()) return;
    ops::unpool_op{window_}.forward(p.backend(), dx, dy, const_matrix<B>(p.saved(argmax_)));
  }

 protected:
  /// Throws value_error if the elements of a window are more than a float counts exactly.
  void declare(plan& p, const window& w) {
    if (w.taps() > index_t{1} << 24)
      detail::fail<value_error>(p.layer(), " has windows of ", w.height.kernel, " x ",
                                w.width.kernel, " elements; the most are 2^24");
    window_ = w;
    argmax_ = p.save(w.positions() * w.channels);
  }

 private:
  window window_;
  saved_id argmax_;
};

/// The passes of a layer that is a resampling.
class resamples_images {
 public:
  static constexpr bool keeps_features = true;

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    ops::resample_op{by_}.forward(p.backend(), y, x);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (!dx.empty()) ops::resample_op{by_.transposed()}.forward(p.backend(), dx, dy);
  }

 protected:
  resampling by_;
};

}  // namespace detail

/// The largest value under a window in each channel. The first of equal ones, row by row, has the
/// gradient; NaN counts as the largest.
class max_pool : public detail::takes_maxima {
 public:
  static constexpr const char* name = "max_pool";

  /// Takes maxima of windows of this extent; the stride is the kernel unless the options give one.
  constexpr explicit max_pool(extent2d kernel, const max_pool_options& o = {})
      : kernel_(kernel),
        stride_(detail::pooling_stride(o.stride, kernel)),
        dilation_(o.dilation),
        pad_(o.pad) {}

  /// Throws as window_over does, value_error if the padding exceeds half of what the window spans.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    const window w = detail::pooling_window(p.layer(), x, kernel_, stride_, dilation_, pad_);
    declare(p, w);
    return shape_over(w, x.rank(), x.last());
  }
  void describe(archive& a) const {
    a.extent("kernel", to_string(kernel_));
    if (stride_ != kernel_) a.extent("stride", to_string(stride_));
    if (dilation_ != extent2d{}) a.extent("dilation", to_string(dilation_));
    if (pad_ != padding{}) a.extent("pad", to_string(pad_));
  }

 private:
  extent2d kernel_, stride_, dilation_;
  padding pad_;
};

/// The average of the values under a window in each channel.
class average_pool : public detail::resamples_images {
 public:
  static constexpr const char* name = "average_pool";

  /// Averages windows of this extent; the stride is the kernel unless the options give one.
  constexpr explicit average_pool(extent2d kernel, const average_pool_options& o = {})
      : kernel_(kernel),
        stride_(detail::pooling_stride(o.stride, kernel)),
        pad_(o.pad),
        count_padding_(o.count_padding) {}

  /// Throws as window_over does, value_error if the padding exceeds half of the kernel.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    const window w = detail::pooling_window(p.layer(), x, kernel_, stride_, 1, pad_);
    by_ = {w, count_padding_ ? resampling::rule::mean : resampling::rule::mean_inside};
    return shape_over(w, x.rank(), x.last());
  }
  void describe(archive& a) const {
    a.extent("kernel", to_string(kernel_));
    if (stride_ != kernel_) a.extent("stride", to_string(stride_));
    if (pad_ != padding{}) a.extent("pad", to_string(pad_));
    if (!count_padding_) a.extent("count_padding", index_t{0});
  }

 private:
  extent2d kernel_, stride_;
  padding pad_;
  bool count_padding_;
};

/// The largest value of each channel: {height, width, channels} or {time, channels} to {channels}.
class global_max_pool : public detail::takes_maxima {
 public:
  static constexpr const char* name = "global_max_pool";

  /// Throws shape_error for samples of another rank.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    declare(p, detail::whole_window(p.layer(), x));
    return {x.last()};
  }
  void describe(archive&) const {}
};

/// The average of each channel: {height, width, channels} or {time, channels} to {channels}.
class global_average_pool : public detail::resamples_images {
 public:
  static constexpr const char* name = "global_average_pool";

  /// Throws shape_error for samples of another rank.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    by_ = {detail::whole_window(p.layer(), x), resampling::rule::mean};
    return {x.last()};
  }
  void describe(archive&) const {}
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_POOLING_HPP

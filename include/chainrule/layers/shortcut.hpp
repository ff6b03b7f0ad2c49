/// \file
/// `shortcut`: the parameter-free shortcut of residual networks where a block halves an image.
///
///     residual{conv2d{32, 3, ...}, ...}.projection(shortcut{2, 32})
///
/// See also layers/sequence.hpp (residual).
#ifndef CHAINRULE_LAYERS_SHORTCUT_HPP
#define CHAINRULE_LAYERS_SHORTCUT_HPP

#include "chainrule/layers/layer.hpp"

namespace chainrule {

/// Each `stride`-th position of a sample of {..., channels} on every axis, with zeros behind its
/// channels up to `channels`: {h, w, c} becomes {⌈h / stride⌉, ⌈w / stride⌉, channels}. Source: K.
/// He et al., CVPR 2016, section 3.3, option A.
class shortcut {
 public:
  static constexpr const char* name = "shortcut";

  /// Throws value_error unless both are at least 1.
  constexpr shortcut(index_t stride, index_t channels) : stride_(stride), channels_(channels) {
    constexpr index_t most = index_t{1} << 30;
    if (stride < 1 || channels < 1 || stride > most || channels > most)
      detail::fail<value_error>(
          "shortcut needs a stride and a number of channels of at least 1 and at most 2^30, got ",
          stride, " and ", channels);
  }

  /// Throws shape_error unless samples have one to three axes, and at most as many channels.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    in_ = p.input(in);
    if (in_.rank() > 3 || in_.last() > channels_)
      detail::fail<shape_error>(p.layer(),
                                " takes samples of {h, w, c}, {t, c} or {c} with "
                                "at most ",
                                channels_, " channels, got ", to_string(in_));
    out_ = {};
    for (index_t a = 0; a + 1 < in_.rank(); ++a)
      out_ = out_.followed_by((in_[a] + stride_ - 1) / stride_);
    return out_ = out_.followed_by(channels_);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    if (channels_ > in_.last()) p.backend().map(fn::fill{0}, y);
    each(x, y,
         [&](const const_matrix<B>& from, const matrix<B>& to) { p.backend().copy(to, from); });
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (dx.empty()) return;
    if (stride_ > 1) p.backend().map(fn::fill{0}, dx);
    each(dx, dy,
         [&](const matrix<B>& to, const const_matrix<B>& from) { p.backend().copy(to, from); });
  }
  void describe(archive& a) const {
    a.extent("stride", stride_);
    a.extent("channels", channels_);
  }

 private:
  /// f(part of x, part of y) for parts that correspond: rows are samples and, where that leaves
  /// rows at one distance, rows of images; columns are the channels of one position.
  template <class X, class Y, class F>
  void each(const X& x, const Y& y, const F& f) const {
    const index_t c = in_.last();
    const index_t width = in_.rank() > 1 ? in_[in_.rank() - 2] : 1;
    const index_t height = in_.rank() > 2 ? in_[0] : 1;
    const index_t out_width = (width + stride_ - 1) / stride_;
    const index_t out_height = (height + stride_ - 1) / stride_;
    const bool whole = height % stride_ == 0 && x.contiguous() && y.contiguous();
    const index_t rows = whole ? x.rows() * out_height : x.rows();
    const index_t x_distance = whole ? stride_ * width * c : x.stride();
    const index_t y_distance = whole ? out_width * channels_ : y.stride();
    for (index_t i = 0; i < (whole ? 1 : out_height); ++i)
      for (index_t j = 0; j < out_width; ++j)
        f(X(x.data() + (i * width + j) * stride_ * c, rows, c, x_distance),
          Y(y.data() + (i * out_width + j) * channels_, rows, c, y_distance));
  }

  index_t stride_, channels_;
  shape in_, out_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_SHORTCUT_HPP

/// \file
/// `upsample`, `pad` and `crop`: layers that change the height and width of images.
///
///     upsample{2}                                // 14 x 14 x 8 to 28 x 28 x 8, nearest pixel
///     upsample{{1, 2}, upsampling::bilinear}     // 14 x 14 x 8 to 14 x 28 x 8
///     pad{{.top = 1, .left = 2}}                 // zeros around
///     crop{2}                                    // without 2 pixels at each side
///
/// Samples are {height, width, channels}, or {time, channels}, along which the width's numbers
/// count: left is before, right after. See also layers/pooling.hpp, ops/pooling.hpp.
#ifndef CHAINRULE_LAYERS_RESIZING_HPP
#define CHAINRULE_LAYERS_RESIZING_HPP

#include "chainrule/layers/pooling.hpp"

namespace chainrule {

/// How upsample fills new pixels.
enum class upsampling {
  nearest,  ///< each pixel is repeated
  bilinear  ///< between the centres of pixels, PyTorch's align_corners = false
};

/// Enlarges images by whole factors.
class upsample : public detail::resamples_images {
 public:
  static constexpr const char* name = "upsample";

  /// Enlarges height and width by whole factors.
  constexpr explicit upsample(extent2d factor, upsampling mode = upsampling::nearest)
      : factor_(factor), mode_(mode) {}

  /// Throws shape_error for samples of another rank, value_error unless factors are at least 1.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    const window coarse = window_over(p.layer(), x, 1, factor_, 1, 0);
    const auto fine = [&](const window_axis& a, index_t factor) {
      return mode_ == upsampling::bilinear ? interpolated_axis(a.size, factor)
                                           : window_axis{a.size * factor, factor, factor};
    };
    const bool image = x.rank() == 3;
    by_ = {{fine(coarse.height, image ? factor_.h : 1), fine(coarse.width, factor_.w), x.last()},
           mode_ == upsampling::bilinear ? resampling::rule::linear : resampling::rule::one,
           true};
    by_.window.check();
    return image ? shape{x[0] * factor_.h, x[1] * factor_.w, x[2]} : shape{x[0] * factor_.w, x[1]};
  }
  void describe(archive& a) const {
    a.extent("factor", to_string(factor_));
    if (mode_ == upsampling::bilinear) a.extent("mode", "bilinear");
  }

 private:
  extent2d factor_;
  upsampling mode_;
};

/// Pixels at the sides of images.
struct sides {
  /// Rows above.
  index_t top = 0;
  /// Rows below.
  index_t bottom = 0;
  /// Columns on the left.
  index_t left = 0;
  /// Columns on the right.
  index_t right = 0;

  friend constexpr bool operator==(const sides&, const sides&) = default;
};

namespace detail {

/// What pad and crop share: images within larger ones.
class has_sides : public resamples_images {
 public:
  void describe(archive& a) const {
    for (const auto& [name, n] : {std::pair{"top", sides_.top}, std::pair{"bottom", sides_.bottom},
                                  std::pair{"left", sides_.left}, std::pair{"right", sides_.right}})
      if (n != 0) a.extent(name, n);
  }

 protected:
  constexpr explicit has_sides(const sides& s) : sides_(s) {
    for (const index_t n : {s.top, s.bottom, s.left, s.right})
      if (n < 0 || n > index_t{1} << 30)
        detail::fail<value_error>("the sides of pad and crop are at least 0 and at most 2^30, got ",
                                  n);
  }
  /// Binds to a sample of shape `in` that becomes smaller, or larger with `pads`.
  [[nodiscard]] shape bind_sides(plan& p, const shape& in, bool pads) {
    const shape x = p.input(in);
    const window inner = window_over(p.layer(), x, 1, 1, 1, 0);
    const auto axis = [&](index_t size, index_t before, index_t after) {
      if (pads) size += before + after;
      if (size <= before + after)
        detail::fail<shape_error>(p.layer(), " cuts ", before, " + ", after, " pixels from ",
                                  to_string(x), ", which leaves none");
      return window_axis{size, 1, 1, 1, -before, -after};
    };
    const bool image = x.rank() == 3;
    by_ = {{image ? axis(inner.height.size, sides_.top, sides_.bottom) : window_axis{},
            axis(inner.width.size, sides_.left, sides_.right), x.last()},
           resampling::rule::one,
           pads};
    const index_t width = by_.to(by_.window.width);
    return image ? shape{by_.to(by_.window.height), width, x.last()} : shape{width, x.last()};
  }

 private:
  sides sides_;
};

}  // namespace detail

/// Surrounds images with zeros.
class pad : public detail::has_sides {
 public:
  static constexpr const char* name = "pad";

  /// Throws value_error if a number is negative.
  constexpr explicit pad(const sides& s) : has_sides(s) {}
  /// Adds that many zeros at each side. Throws value_error if the number is negative.
  constexpr explicit pad(index_t each) : has_sides({each, each, each, each}) {}

  [[nodiscard]] shape bind(plan& p, const shape& in) { return bind_sides(p, in, true); }
};

/// Cuts pixels off the sides of images.
class crop : public detail::has_sides {
 public:
  static constexpr const char* name = "crop";

  /// Throws value_error if a number is negative.
  constexpr explicit crop(const sides& s) : has_sides(s) {}
  /// Cuts that many pixels off each side. Throws value_error if the number is negative.
  constexpr explicit crop(index_t each) : has_sides({each, each, each, each}) {}

  /// Throws shape_error if nothing is left.
  [[nodiscard]] shape bind(plan& p, const shape& in) { return bind_sides(p, in, false); }
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_RESIZING_HPP

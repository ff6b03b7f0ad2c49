/// \file
/// Digits that look written by hand, without any file: for examples, tests and benchmarks.
///
///     chainrule::labelled_images train = synthetic_digits(10000, /*seed*/ 1);
///     chainrule::labelled_images test = synthetic_digits(2000, /*seed*/ 2);
///
/// Each digit is the path of a pen: one of three hands, every point moved a little, then rotated,
/// scaled, slanted and shifted, drawn with a round tip of some width and ink of some strength, on
/// paper with a little noise. 28x28 bytes, ink is bright, as in MNIST.
///
/// Image i depends on the seed and on i only. All arithmetic is on integers, so that the pixels
/// are the same bits with every compiler, every flag (also -ffast-math) and on every machine.
///
/// See also chainrule/data/mnist.hpp (digits that people wrote), digit_strokes.hpp (the paths).
#ifndef CHAINRULE_EXAMPLES_SUPPORT_SYNTHETIC_DIGITS_HPP
#define CHAINRULE_EXAMPLES_SUPPORT_SYNTHETIC_DIGITS_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <utility>

#include "chainrule/core/error.hpp"
#include "chainrule/core/host_vector.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/data/images.hpp"
#include "chainrule/data/sampler.hpp"
#include "digit_strokes.hpp"

namespace synthetic {

using chainrule::index_t, chainrule::labelled_images, chainrule::random_stream;

inline constexpr int digit_side = 28;                       // pixels
inline constexpr int digit_area = digit_side * digit_side;  // pixels
inline constexpr std::int32_t subpixel = 256;               // steps per pixel
inline constexpr std::int32_t one_q12 = 4096;               // 1 with 12 binary places

/// Whole number in [low, high], (nearly) uniform.
[[nodiscard]] inline std::int32_t whole(random_stream& random, std::int32_t low,
                                        std::int32_t high) {
  const std::uint64_t choices = static_cast<std::uint64_t>(high - low) + 1;
  return low + static_cast<std::int32_t>((random.bits() * choices) >> 32U);
}

/// Whole number in [-reach, reach], those near 0 more likely (a triangle).
[[nodiscard]] inline std::int32_t jitter(random_stream& random, std::int32_t reach) {
  const std::int32_t first = whole(random, -reach, reach);
  const std::int32_t second = whole(random, -reach, reach);
  return (first + second) / 2;
}

/// floor(sqrt(x)), bit by bit.
[[nodiscard]] constexpr std::int32_t integer_sqrt(std::int32_t x) {
  std::int32_t root = 0;
  for (std::int32_t bit = 1 << 14; bit > 0; bit >>= 1)
    if ((root + bit) * (root + bit) <= x) root += bit;
  return root;
}

/// In subpixels, from the upper left corner of the image.
struct ink_point {
  std::int32_t x = 0;
  std::int32_t y = 0;
};

/// How one image is held and written: the coefficients of an affine map from the paths' units to
/// subpixels, with 12 binary places.
struct handwriting {
  std::int32_t xx, xy, yx, yy;
  std::int32_t shift_x, shift_y;  // subpixels
  std::int32_t tip;               // the pen's radius in subpixels
  std::int32_t ink;               // the brightest value, up to 255

  explicit handwriting(random_stream& random) {
    // A digit is 20 pixels high, as in MNIST.
    constexpr std::int32_t unit = 20 * subpixel * one_q12 / 100;
    const std::int32_t scale = one_q12 * 94 / 100 + jitter(random, one_q12 * 22 / 100);
    const std::int32_t breadth_ratio = one_q12 * 108 / 100 + jitter(random, one_q12 * 34 / 100);
    const std::int32_t slant = one_q12 * 12 / 100 + jitter(random, one_q12 * 42 / 100);
    // The angle a by t = tan(a / 2): cos a = (1 - t^2)/(1 + t^2), sin a = 2t/(1 + t^2).
    const std::int64_t t = jitter(random, one_q12 * 20 / 100);
    const std::int64_t square = std::int64_t{one_q12} * one_q12;
    const std::int64_t cosine = (square - t * t) * one_q12 / (square + t * t);
    const std::int64_t sine = 2 * t * square / (square + t * t);

    const std::int64_t height = std::int64_t{unit} * scale / one_q12;
    const std::int64_t breadth = height * breadth_ratio / one_q12;
    const std::int64_t lean = -height * slant / one_q12;  // upwards (y < 0) leans to the right
    xx = static_cast<std::int32_t>(cosine * breadth / one_q12);
    xy = static_cast<std::int32_t>((cosine * lean - sine * height) / one_q12);
    yx = static_cast<std::int32_t>(sine * breadth / one_q12);
    yy = static_cast<std::int32_t>((sine * lean + cosine * height) / one_q12);
    shift_x = digit_side * subpixel / 2 + jitter(random, 5 * subpixel / 2);
    shift_y = digit_side * subpixel / 2 + jitter(random, 5 * subpixel / 2);
    tip = 280 + jitter(random, 170);
    ink = whole(random, 190, 255);
  }

  /// Where the point goes, each time a little elsewhere.
  [[nodiscard]] ink_point place(pen_point point, random_stream& random) const {
    constexpr std::int32_t fine = 16;  // a wobble is finer than the paths' grid
    constexpr std::int32_t wobble = 8 * fine;
    const std::int32_t x = (point.x - 50) * fine + jitter(random, wobble);
    const std::int32_t y = (point.y - 50) * fine + jitter(random, wobble);
    return {shift_x + divide(std::int64_t{xx} * x + std::int64_t{xy} * y, fine),
            shift_y + divide(std::int64_t{yx} * x + std::int64_t{yy} * y, fine)};
  }

 private:
  [[nodiscard]] static std::int32_t divide(std::int64_t value, std::int32_t fine) {
    return static_cast<std::int32_t>(value / (std::int64_t{one_q12} * fine));
  }
};

/// Paper that a pen with a round tip is drawn over: knows for each pixel how near the tip came.
class pen_and_paper {
 public:
  explicit pen_and_paper(std::int32_t tip) : tip_(tip) { nearest_.fill(far_away); }

  /// Draws a smooth curve through the points.
  void draw(std::span<const ink_point> points) {
    const std::size_t last = points.size() - 1;
    for (std::size_t i = 0; i < last; ++i)
      draw_span(points[i == 0 ? 0 : i - 1], points[i], points[i + 1],
                points[i + 1 == last ? last : i + 2]);
  }

  /// How much of pixel k is covered, 0 to 256: falls from the tip's radius over one pixel's width.
  [[nodiscard]] std::int32_t coverage(std::size_t k) const {
    if (nearest_[k] == far_away) return 0;
    const std::int32_t edge = tip_ + subpixel / 2 - integer_sqrt(nearest_[k]);
    return std::clamp(edge, 0, subpixel);
  }

 private:
  static constexpr std::int32_t far_away = 1 << 28;

  /// From b to c. Source: E. Catmull, R. Rom, "A class of local interpolating splines", 1974.
  void draw_span(ink_point a, ink_point b, ink_point c, ink_point d) {
    constexpr std::int32_t spacing = 80;  // of the stamps: about a third of a pixel
    const std::int32_t length = std::max(std::abs(c.x - b.x), std::abs(c.y - b.y));
    const std::int32_t steps = length / spacing + 1;
    for (std::int32_t k = 0; k <= steps; ++k) {
      const std::int32_t t = k * 1024 / steps;
      stamp({spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)});
    }
  }

  /// t counts in 1024ths.
  [[nodiscard]] static std::int32_t spline(std::int32_t a, std::int32_t b, std::int32_t c,
                                           std::int32_t d, std::int32_t t) {
    std::int32_t sum = -a + 3 * b - 3 * c + d;
    sum = 2 * a - 5 * b + 4 * c - d + sum * t / 1024;
    sum = -a + c + sum * t / 1024;
    return b + sum * t / 2048;
  }

  void stamp(ink_point centre) {
    const std::int32_t reach = tip_ + subpixel / 2;
    const auto [first_x, last_x] = pixels_within(centre.x, reach);
    const auto [first_y, last_y] = pixels_within(centre.y, reach);
    for (std::int32_t row = first_y; row <= last_y; ++row) {
      const std::int32_t dy = row * subpixel + subpixel / 2 - centre.y;
      std::int32_t* line = &nearest_[static_cast<std::size_t>(row * digit_side)];
      for (std::int32_t column = first_x; column <= last_x; ++column) {
        const std::int32_t dx = column * subpixel + subpixel / 2 - centre.x;
        line[column] = std::min(line[column], dx * dx + dy * dy);
      }
    }
  }

  /// The pixels of a row or column whose centres lie within `reach` of `centre`; cut at the edge.
  [[nodiscard]] static std::pair<std::int32_t, std::int32_t> pixels_within(std::int32_t centre,
                                                                           std::int32_t reach) {
    const std::int32_t first = (centre - reach + subpixel / 2) / subpixel;
    const std::int32_t last = (centre + reach - subpixel / 2) / subpixel;
    return {std::max(first, 0), std::min(last, digit_side - 1)};
  }

  std::int32_t tip_;
  std::array<std::int32_t, digit_area> nearest_;  // squared distance to the tip's path
};

/// The random streams of labels and pixels, with the image's number in the lower half: apart from
/// each other and from those of chainrule/data/sampler.hpp.
inline constexpr std::uint64_t label_streams = std::uint64_t{0x64696c61} << 32;
inline constexpr std::uint64_t pixel_streams = std::uint64_t{0x64697069} << 32;

/// The label of image i: each run of ten images has each digit once, in an order of its own.
[[nodiscard]] inline std::uint8_t label_of(std::uint64_t seed, std::uint64_t i) {
  std::array<std::int32_t, 10> order{};
  chainrule::detail::random_order(random_stream{seed, label_streams + i / 10}, order);
  return static_cast<std::uint8_t>(order[static_cast<std::size_t>(i % 10)]);
}

/// Assigns the pixels of image i, row by row.
inline void draw(std::uint64_t seed, std::uint64_t i, std::uint8_t label,
                 std::span<std::uint8_t, digit_area> pixels) {
  random_stream random{seed, pixel_streams + i};
  const auto& hands = digit_paths[label];
  const digit_path& path = hands[random.below(static_cast<std::uint32_t>(hands.size()))];
  const handwriting hand{random};
  pen_and_paper paper{hand.tip};

  std::array<ink_point, std::tuple_size_v<decltype(path.points)>> stroke;
  std::size_t length = 0;
  for (std::size_t k = 0; k < path.size; ++k) {
    const pen_point point = path.points[k];
    if (point == pen_up) {
      paper.draw({stroke.data(), length});
      length = 0;
    } else {
      const bool corner = length > 0 && point == path.points[k - 1];
      stroke[length] = corner ? stroke[length - 1] : hand.place(point, random);
      ++length;
    }
  }
  paper.draw({stroke.data(), length});

  std::uint32_t bits = 0;
  for (std::size_t k = 0; k < pixels.size(); ++k) {
    bits = k % 4 == 0 ? random.bits() : bits >> 8U;
    const std::int32_t noise = static_cast<std::int32_t>(bits & 31U) - 16;
    const std::int32_t value = paper.coverage(k) * hand.ink / subpixel + noise;
    pixels[k] = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
  }
}

}  // namespace synthetic

/// `count` images of 28x28 with labels 0 to 9, as equally many of each as can be, in mixed order.
/// The first n images of a longer set with the same seed are the same. Throws value_error unless
/// 0 <= count <= 2^31 - 1.
[[nodiscard]] inline chainrule::labelled_images synthetic_digits(chainrule::index_t count,
                                                                 std::uint64_t seed) {
  if (count < 0 || count > chainrule::largest_sample_count)
    throw chainrule::value_error(chainrule::detail::concat(
        "can draw 0 to 2147483647 synthetic digits, was asked for ", count));
  const auto size = static_cast<std::size_t>(count);
  constexpr auto area = static_cast<std::size_t>(synthetic::digit_area);
  chainrule::labelled_images images{
      "synthetic digits", count, synthetic::digit_side, synthetic::digit_side, 10, {}, {}};
  images.pixels = chainrule::detail::host_vector<std::uint8_t>(count * synthetic::digit_area);
  images.labels.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    images.labels[i] = synthetic::label_of(seed, i);
    synthetic::draw(seed, i, images.labels[i],
                    std::span<std::uint8_t, area>(images.pixels.data() + i * area, area));
  }
  return images;
}

#endif  // CHAINRULE_EXAMPLES_SUPPORT_SYNTHETIC_DIGITS_HPP

/// \file
/// `augmentation`: random changes of training images, drawn anew for each sample in each epoch.
///
///     t.fit(train, {.epochs = 20, .seed = 7,
///                   .augment = {.flip = true, .shift = 4, .rotate = 10, .erase = 0.2}});
///
/// What is drawn for a sample is a function of the seed, the number of the epoch and the number of
/// the sample only. Elements keep their type: bytes are rounded to bytes, and normalized
/// afterwards. See also train/data_loader.hpp, which prepares augmented batches on the host.
#ifndef CHAINRULE_DATA_AUGMENTATION_HPP
#define CHAINRULE_DATA_AUGMENTATION_HPP

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/data/sampler.hpp"

namespace chainrule {

/// The elements outside of an image.
enum class border : unsigned char {
  zero,
  edge  // those of the nearest pixel
};

struct augmentation;

namespace detail {
class image_augmenter;

/// What changes images. Programs that do not ask for a change do not compile it.
struct image_code {
  image_augmenter (*augmenter)(const augmentation&, const shape& sample, std::uint64_t seed);
  void (*bytes)(const image_augmenter&, std::uint64_t epoch, std::int32_t sample,
                const std::uint8_t* from, std::uint8_t* to);
  void (*floats)(const image_augmenter&, std::uint64_t epoch, std::int32_t sample,
                 const float* from, float* to);
  void (*doubles)(const image_augmenter&, std::uint64_t epoch, std::int32_t sample,
                  const double* from, double* to);
};
[[nodiscard]] image_code code_of_images();

/// A number that says how images are changed, with what it takes to change them.
template <class T>
class image_option {
 public:
  constexpr image_option(T value) : value_(value), code_(&code_of_images) {}  // NOLINT: implicit
  constexpr operator T() const { return value_; }                             // NOLINT: implicit
  constexpr image_option(T value, image_code (*how)()) : value_(value), code_(how) {}
  [[nodiscard]] constexpr auto code() const { return code_; }

 private:
  T value_;
  image_code (*code_)();
};
/// A number of an augmentation without that change.
template <class T>
[[nodiscard]] constexpr image_option<T> unchanged(T value) {
  return {value, nullptr};
}
}  // namespace detail

/// Random changes of images, in this order; without any, images stay as they are.
struct augmentation {
  /// Mirror left and right, with probability 1/2.
  detail::image_option<bool> flip = detail::unchanged(false);
  /// The smallest fraction of height and width that a random crop retains, in (0, 1]; the part is
  /// enlarged to the size of the image (bilinear).
  detail::image_option<double> crop = detail::unchanged(1.0);
  /// Degrees: by a uniform angle of at most this, about the centre (bilinear).
  detail::image_option<double> rotate = detail::unchanged(0.0);
  /// Pixels: by a uniform whole number of at most this, down or up and right or left. It is the
  /// same as to pad the image by as many pixels and to crop it to its size.
  detail::image_option<index_t> shift = detail::unchanged(index_t{0});
  /// The probability to assign 0 to a random rectangle.
  detail::image_option<double> erase = detail::unchanged(0.0);
  /// What stands where a shifted image has no pixels.
  border outside = border::zero;

  /// Whether images stay as they are.
  [[nodiscard]] constexpr bool is_none() const {
    return !flip && crop == 1 && rotate == 0 && shift == 0 && erase == 0;
  }
  /// What changes images: known unless is_none().
  [[nodiscard]] constexpr auto code() const {
    auto known = flip.code();
    for (const auto other : {crop.code(), rotate.code(), shift.code(), erase.code()})
      if (known == nullptr) known = other;
    return known;
  }
};

namespace detail {

/// The changes that were drawn for a sample. The rectangle to erase may be empty.
struct image_change {
  bool flip = false;
  double zoom = 1;           // the fraction of height and width that is retained
  double top = 0, left = 0;  // the corner of that part, pixels
  double angle = 0;          // radians
  index_t down = 0, right = 0;
  index_t erase_top = 0, erase_left = 0, erase_height = 0, erase_width = 0;
};

/// Draws and applies the changes of images of height x width x channels.
class image_augmenter {
 public:
  image_augmenter() = default;
  /// Throws value_error if a change is out of range, or if samples are no images.
  image_augmenter(const augmentation& a, const shape& sample, std::uint64_t seed)
      : options_(a), code_(code_of_images()), seed_(seed) {
    if (a.is_none()) return;
    if (sample.rank() != 3)
      detail::fail<value_error>(
          "augmentation needs samples of height x width x channels, these are ",
          sample.is_known() ? to_string(sample) : "of unknown shape",
          "; give the data set their shape by dataset_options::sample");
    height_ = sample[0];
    width_ = sample[1];
    channels_ = sample[2];
    require(is_finite(double{a.crop}) && a.crop > 0 && a.crop <= 1, "crop", "a fraction in (0, 1]",
            a.crop);
    require(is_finite(double{a.rotate}) && a.rotate >= 0 && a.rotate <= 180, "rotate",
            "an angle of 0 to 180 degrees", a.rotate);
    require(is_finite(double{a.erase}) && a.erase >= 0 && a.erase <= 1, "erase",
            "a probability in [0, 1]", a.erase);
    if (a.shift < 0 || a.shift >= std::min(height_, width_))
      detail::fail<value_error>(
          "augmentation: shift is at least 0 and less than the extents of the ",
          "images, which are ", to_string(sample), ", got ", index_t{a.shift});
  }

  [[nodiscard]] bool is_none() const { return options_.is_none(); }

  /// Assigns the image of a sample, as it is changed in an epoch, to `to`, which must not overlap
  /// `from`.
  template <class T>
  void change(std::uint64_t epoch, std::int32_t sample, const T* from, T* to) const {
    if constexpr (std::is_same_v<T, std::uint8_t>)
      code_.bytes(*this, epoch, sample, from, to);
    else if constexpr (std::is_same_v<T, float>)
      code_.floats(*this, epoch, sample, from, to);
    else
      code_.doubles(*this, epoch, sample, from, to);
  }

  /// The changes of a sample in an epoch.
  [[nodiscard]] image_change draw(std::uint64_t epoch, std::int32_t sample) const {
    random_stream random{seed_, stream_of(data_stream::augment, epoch),
                         static_cast<std::uint64_t>(sample) << 32U};
    // What is not asked for is drawn too, so that options do not alter each other's draws.
    const auto whole = [&](index_t low, index_t high) {
      return low + static_cast<index_t>(
                       std::floor(random.uniform() * static_cast<double>(high - low + 1)));
    };
    image_change c;
    c.flip = random.uniform() < 0.5 && options_.flip;
    c.zoom = random.uniform(options_.crop, 1);
    c.top = random.uniform() * (1 - c.zoom) * static_cast<double>(height_);
    c.left = random.uniform() * (1 - c.zoom) * static_cast<double>(width_);
    c.angle = random.uniform(-options_.rotate, options_.rotate) * 0.017453292519943295769;
    c.down = whole(-options_.shift, options_.shift);
    c.right = whole(-options_.shift, options_.shift);
    if (random.uniform() >= options_.erase) return c;
    // Area 0.02 to 0.4 of the image, aspect ratio 0.3 to 1 / 0.3. Source: Z. Zhong, L. Zheng,
    // G. Kang, S. Li, Y. Yang, "Random erasing data augmentation", 2017. The position is drawn
    // among those where the rectangle fits.
    for (int attempt = 0; attempt < 10 && c.erase_height == 0; ++attempt) {
      const double area = random.uniform(0.02, 0.4) * static_cast<double>(height_ * width_);
      const double ratio = random.uniform(0.3, 1 / 0.3);
      const auto height = static_cast<index_t>(std::floor(std::sqrt(area * ratio) + 0.5));
      const auto width = static_cast<index_t>(std::floor(std::sqrt(area / ratio) + 0.5));
      if (height < 1 || height > height_ || width < 1 || width > width_) continue;
      c.erase_height = height;
      c.erase_width = width;
      c.erase_top = whole(0, height_ - height);
      c.erase_left = whole(0, width_ - width);
    }
    return c;
  }

  /// Assigns the changed image to `to`, which must not overlap `from`.
  template <class T>
  void apply(const image_change& c, const T* from, T* to) const {
    if (c.zoom == 1 && c.angle == 0)
      move(c, from, to);
    else
      resample(c, from, to);
    for (index_t y = c.erase_top; y < c.erase_top + c.erase_height; ++y)
      std::fill_n(to + (y * width_ + c.erase_left) * channels_, c.erase_width * channels_, T{});
  }

  /// Flips and shifts: no element changes its value.
  template <class T>
  void move(const image_change& c, const T* from, T* to) const {
    for (index_t y = 0; y < height_; ++y) {
      const index_t source_y = y - c.down;
      const T* const row = from + nearest(source_y, height_) * width_ * channels_;
      for (index_t x = 0; x < width_; ++x, to += channels_) {
        const index_t source_x = c.flip ? width_ - 1 - x + c.right : x - c.right;
        const T* const pixel = row + nearest(source_x, width_) * channels_;
        const bool is_zero = !has(source_y, height_) || !has(source_x, width_);
        for (index_t k = 0; k < channels_; ++k) to[k] = is_zero ? T{} : pixel[k];
      }
    }
  }

  /// All changes of position, bilinear.
  template <class T>
  void resample(const image_change& c, const T* from, T* to) const {
    const double cosine = std::cos(c.angle);
    const double sine = std::sin(c.angle);
    const double centre_y = static_cast<double>(height_ - 1) / 2;
    const double centre_x = static_cast<double>(width_ - 1) / 2;
    for (index_t y = 0; y < height_; ++y)
      for (index_t x = 0; x < width_; ++x, to += channels_) {
        // From the result back to the source: shift, rotation, crop, flip. Pixel i covers
        // [i - 1/2, i + 1/2).
        const double v = static_cast<double>(y - c.down) - centre_y;
        const double u = static_cast<double>(x - c.right) - centre_x;
        const double turned_y = cosine * v + sine * u + centre_y;
        const double turned_x = cosine * u - sine * v + centre_x;
        const double source_y = c.zoom * (turned_y + 0.5) - 0.5 + c.top;
        const double cropped_x = c.zoom * (turned_x + 0.5) - 0.5 + c.left;
        const double source_x = c.flip ? static_cast<double>(width_ - 1) - cropped_x : cropped_x;
        const neighbours rows(*this, source_y, height_);
        const neighbours columns(*this, source_x, width_);
        const T* const first = from + rows.first * width_ * channels_;
        const T* const second = from + rows.second * width_ * channels_;
        for (index_t k = 0; k < channels_; ++k) {
          const index_t a = columns.first * channels_ + k;
          const index_t b = columns.second * channels_ + k;
          to[k] = rounded<T>(rows.of_first * (columns.of_first * value(first[a]) +
                                              columns.of_second * value(first[b])) +
                             rows.of_second * (columns.of_first * value(second[a]) +
                                               columns.of_second * value(second[b])));
        }
      }
  }

 private:
  /// The two pixels beside a position along one axis, and their weights.
  struct neighbours {
    neighbours(const image_augmenter& images, double position, index_t extent) {
      // The floor of the position, without the call that std::floor is on plain x86-64.
      auto i = static_cast<index_t>(position);
      if (static_cast<double>(i) > position) --i;
      const double fraction = position - static_cast<double>(i);
      first = nearest(i, extent);
      second = nearest(i + 1, extent);
      of_second = images.has(i + 1, extent) ? fraction : 0;
      of_first = images.has(i, extent) ? 1 - fraction : 0;
    }
    index_t first, second;
    double of_first, of_second;
  };

  static void require(bool holds, const char* name, const char* expected, double got) {
    if (!holds) detail::fail<value_error>("augmentation: ", name, " is ", expected, ", got ", got);
  }
  [[nodiscard]] static index_t nearest(index_t i, index_t extent) {
    return std::clamp<index_t>(i, 0, extent - 1);
  }
  /// Whether position i has a value: it is inside, or the border has values.
  [[nodiscard]] bool has(index_t i, index_t extent) const {
    return options_.outside == border::edge || (i >= 0 && i < extent);
  }
  template <class T>
  [[nodiscard]] static double value(T x) {
    return static_cast<double>(x);
  }
  template <class T>
  [[nodiscard]] static T rounded(double x) {
    return static_cast<T>(std::is_integral_v<T> ? x + 0.5 : x);
  }

  augmentation options_;
  image_code code_{};
  std::uint64_t seed_ = 0;
  index_t height_ = 0, width_ = 0, channels_ = 0;
};

template <class T>
void change_image(const image_augmenter& a, std::uint64_t epoch, std::int32_t sample, const T* from,
                  T* to) {
  a.apply(a.draw(epoch, sample), from, to);
}

[[nodiscard]] inline image_code code_of_images() {
  return {[](const augmentation& a, const shape& sample, std::uint64_t seed) {
            return image_augmenter(a, sample, seed);
          },
          &change_image<std::uint8_t>, &change_image<float>, &change_image<double>};
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_DATA_AUGMENTATION_HPP

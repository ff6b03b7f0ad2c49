/// \file
/// `labelled_images`: images of one size, with the class of each.
///
/// Pixels stay bytes, as they were in the file, until a batch of them is gathered.
///
///     auto [train, validation] = images.split(0.1, /*seed*/ 7);
///     train.view();    // count x features, a matrix_view<const std::uint8_t>
///     train.image(3);  // height x (width * channels)
///     train.labels[3];
///
/// See also data/mnist.hpp and data/image_folder.hpp (where they come from), data/sampler.hpp.
#ifndef CHAINRULE_DATA_IMAGES_HPP
#define CHAINRULE_DATA_IMAGES_HPP

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/huge_pages.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/core/view.hpp"
#include "chainrule/data/sampler.hpp"

namespace chainrule {

/// `count` images of `height` x `width` pixels of `channels` bytes, one after another, each row by
/// row, the channels of a pixel side by side.
struct labelled_images {
  std::string name;  ///< of the data set, for messages
  index_t count = 0;
  /// Rows of pixels of an image.
  index_t height = 0;
  /// Pixels of a row.
  index_t width = 0;
  int classes = 0;                   ///< labels lie in 0, ..., classes - 1
  std::vector<std::uint8_t> pixels;  ///< count * height * width * channels
  std::vector<std::uint8_t> labels;  ///< count
  index_t channels = 1;              ///< 1: grey; 3: red, green, blue

  /// The number of bytes of an image. Throws shape_error if they cannot be counted.
  [[nodiscard]] index_t features() const {
    return detail::elements_of(detail::elements_of(height, width), channels);
  }
  /// The shape of an image, {height, width, channels}; not known if one of them is 0. Throws
  /// shape_error as features does.
  [[nodiscard]] shape sample_shape() const {
    return features() == 0 ? shape{} : shape{height, width, channels};
  }

  /// All images: count x features.
  [[nodiscard]] matrix_view<const std::uint8_t> view() const {
    return {pixels.data(), count, features()};
  }

  /// Image number i: height x (width * channels). Throws value_error if there is none.
  [[nodiscard]] matrix_view<const std::uint8_t> image(index_t i) const {
    if (i < 0 || i >= count)
      detail::fail<value_error>("there is no image ", i, " in ", name, ", which has ", count,
                                " images, numbered from 0");
    return {pixels.data() + i * features(), height, detail::elements_of(width, channels)};
  }

  /// Checks the invariants of the other members. Throws shape_error if the sizes do not fit
  /// together, value_error for a label outside its classes.
  void check() const {
    if (count < 0 || height < 0 || width < 0 || channels < 0 || classes < 0)
      detail::fail<shape_error>(name, ": ", count, " images of ", height, "x", width, "x", channels,
                                " in ", classes, " classes: none of these may be negative");
    // By division, which cannot overflow.
    auto rest = static_cast<index_t>(pixels.size());
    bool fits = true;
    for (const index_t extent : {count, height, width, channels}) {
      fits = fits && (extent == 0 ? rest == 0 : rest % extent == 0);
      if (extent > 0) rest /= extent;
    }
    const bool is_empty = count == 0 || height == 0 || width == 0 || channels == 0;
    if (!fits || rest != (is_empty ? 0 : 1))
      detail::fail<shape_error>(name, ": ", count, " images of ", height, "x", width, "x", channels,
                                " do not have ", pixels.size(), " bytes");
    if (static_cast<index_t>(labels.size()) != count)
      detail::fail<shape_error>(name, ": ", count, " images do not go with ", labels.size(),
                                " labels");
    if (classes == 0 && count > 0)
      detail::fail<value_error>(name, ": ", count, " labelled images need at least 1 class, got 0");
    for (index_t i = 0; i < count; ++i) {
      const int label = labels[static_cast<std::size_t>(i)];
      if (label >= classes)
        detail::fail<value_error>(name, ": the label of image ", i, " is ", label,
                                  ", expected 0 to ", classes - 1);
    }
  }

  /// The images with the given numbers, in that order; a number may occur more than once.
  /// Throws value_error for a number out of range.
  [[nodiscard]] labelled_images select(std::span<const std::int32_t> numbers) const {
    labelled_images result{
        name, static_cast<index_t>(numbers.size()), height, width, classes, {}, {}, channels};
    const auto size = static_cast<std::size_t>(features());
    result.pixels.reserve(numbers.size() * size);
    detail::prefer_huge_pages(result.pixels.data(), numbers.size() * size);
    result.labels.reserve(numbers.size());
    for (const std::int32_t number : numbers) {
      const std::uint8_t* first = image(number).data();
      result.pixels.insert(result.pixels.end(), first, first + size);
      result.labels.push_back(labels[static_cast<std::size_t>(number)]);
    }
    return result;
  }

  /// The first n images. Throws value_error unless 0 <= n <= count.
  [[nodiscard]] labelled_images first(index_t n) const {
    if (n < 0 || n > count)
      detail::fail<value_error>("cannot take the first ", n, " images of ", name, ", which has ",
                                count);
    return {name,
            n,
            height,
            width,
            classes,
            {pixels.begin(), pixels.begin() + n * features()},
            {labels.begin(), labels.begin() + n},
            channels};
  }

  /// Two parts: what stays, and round(fraction * count) images drawn at random without
  /// replacement (a half rounds up). Every image is in exactly one part, in both in the order that
  /// it had here; the same seed draws the same images. Throws value_error unless
  /// 0 <= fraction <= 1 or if there are more images than a sampler numbers.
  [[nodiscard]] std::pair<labelled_images, labelled_images> split(double fraction,
                                                                  std::uint64_t seed) const {
    if (detail::is_nan(fraction) || fraction < 0 || fraction > 1)
      detail::fail<value_error>("the fraction to split off ", name, " lies in 0 to 1, got ",
                                fraction);
    if (count > largest_sample_count)
      detail::fail<value_error>("cannot split ", name, ": it has ", count,
                                " images, at most 2147483647 can be numbered");
    const auto total = static_cast<std::size_t>(count);
    const auto drawn =
        static_cast<std::size_t>(std::floor(fraction * static_cast<double>(total) + 0.5));

    std::vector<std::int32_t> order(total);
    detail::random_order(random_stream{seed, detail::stream_of(detail::data_stream::split, 0)},
                         order);
    std::vector<bool> taken(total);
    for (std::size_t i = 0; i < drawn; ++i) taken[static_cast<std::size_t>(order[i])] = true;
    std::vector<std::int32_t> stays;
    std::vector<std::int32_t> leaves;
    stays.reserve(total - drawn);
    leaves.reserve(drawn);
    for (std::size_t i = 0; i < total; ++i)
      (taken[i] ? leaves : stays).push_back(static_cast<std::int32_t>(i));
    return {select(stays), select(leaves)};
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_DATA_IMAGES_HPP

/// \file
/// Makes `read_image` read PNG files, through libpng.
///
/// Needs libpng, and uses it only where CHAINRULE_WITH_PNG is defined: linking the CMake target
/// `chainrule::images` defines it. Without it the header compiles all the same, and reading a PNG
/// file throws a format_error that says what to do.
///
///     const image i = read_image("cat.png");  // 8 bits per channel
///
/// Palettes and grey of less than 8 bits are expanded, transparency is left out, 16 bits are
/// refused. A file that states a gamma is converted to that of sRGB.
///
/// See also data/image_file.hpp.
#ifndef CHAINRULE_DATA_PNG_HPP
#define CHAINRULE_DATA_PNG_HPP

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"

#ifdef CHAINRULE_WITH_PNG
#include <png.h>
#endif

namespace chainrule {

/// A picture: height x width pixels of `channels` bytes, row by row.
struct image {
  /// Rows of pixels.
  index_t height = 0;
  /// Pixels of a row.
  index_t width = 0;
  index_t channels = 0;              ///< 1: grey; 3: red, green, blue
  std::vector<std::uint8_t> pixels;  ///< height * width * channels
};

namespace detail {

/// The number of bytes of an image. Throws format_error if it is 0 or above `max_bytes`.
[[nodiscard]] inline std::size_t image_bytes(const std::string& path, std::uint64_t height,
                                             std::uint64_t width, std::uint64_t channels,
                                             std::uint64_t max_bytes) {
  if (height == 0 || width == 0)
    throw format_error(concat(path, " is an image of ", height, "x", width,
                              " pixels, expected at least one pixel"));
  // By division, which cannot overflow.
  if (height > max_bytes / width / channels)
    throw format_error(concat(path, " is an image of ", height, "x", width, " pixels of ", channels,
                              " bytes, more than the ", max_bytes, " bytes accepted"));
  return static_cast<std::size_t>(height * width * channels);
}

/// Decodes a PNG file, whose content is given; `path` is for messages.
using png_decoder = image (*)(const std::string& path, std::span<const std::uint8_t> content,
                              std::uint64_t max_bytes);

/// Set wherever this header is compiled with libpng. A variable, and not a second definition of a
/// function, so that a program may mix sources compiled with and without libpng.
inline constinit png_decoder decode_png = nullptr;

#ifdef CHAINRULE_WITH_PNG

/// Throws format_error if the file is damaged or not accepted.
[[nodiscard]] inline image decode_png_with_libpng(const std::string& path,
                                                  std::span<const std::uint8_t> content,
                                                  std::uint64_t max_bytes) {
  struct decoder {
    ~decoder() { png_image_free(&state); }
    png_image state{};
  } png;
  png.state.version = PNG_IMAGE_VERSION;
  const auto require = [&](int done) {
    if (done == 0)
      throw format_error(concat(
          path, " is damaged or no PNG file: ", static_cast<const char*>(png.state.message)));
  };
  require(png_image_begin_read_from_memory(&png.state, content.data(), content.size()));
  if ((png.state.format & PNG_FORMAT_FLAG_LINEAR) != 0)
    throw format_error(
        concat(path,
               " has 16 bits per channel, expected 8: convert it, for example with convert "
               "-depth 8"));
  // Transparency is read and then left out: libpng would blend it with a background.
  const bool has_alpha = (png.state.format & PNG_FORMAT_FLAG_ALPHA) != 0;
  const bool has_colour = (png.state.format & PNG_FORMAT_FLAG_COLOR) != 0;
  png.state.format = (has_colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY) |
                     (has_alpha ? std::uint32_t{PNG_FORMAT_FLAG_ALPHA} : 0U);
  const std::size_t channels = has_colour ? 3 : 1;
  const std::size_t stored = channels + (has_alpha ? 1 : 0);
  const std::size_t size = image_bytes(path, png.state.height, png.state.width, stored, max_bytes);
  image result{static_cast<index_t>(png.state.height), static_cast<index_t>(png.state.width),
               static_cast<index_t>(channels), std::vector<std::uint8_t>(size)};
  require(png_image_finish_read(&png.state, nullptr, result.pixels.data(), 0, nullptr));
  if (has_alpha) {
    std::vector<std::uint8_t>& p = result.pixels;
    for (std::size_t i = 0; i < size / stored; ++i)
      for (std::size_t k = 0; k < channels; ++k) p[i * channels + k] = p[i * stored + k];
    p.resize(size / stored * channels);
  }
  return result;
}

inline const bool png_is_readable = [] {
  decode_png = decode_png_with_libpng;
  return true;
}();

#endif  // CHAINRULE_WITH_PNG

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_DATA_PNG_HPP

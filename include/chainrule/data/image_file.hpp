/// \file
/// `read_image`: one picture from a PNG, PPM or PGM file.
///
///     const image i = read_image("cat.ppm");
///     i.pixels[(y * i.width + x) * i.channels];  // the red of pixel (y, x)
///
/// Files are told by their first bytes, not by their names. PPM and PGM are the binary formats P6
/// and P5 with 8 bits per channel, "P6", width, height, 255 and the pixels, with comments from # to
/// the end of a line. Every length is checked, memory is reserved only for what the file holds
/// (PPM, PGM) or below a limit (PNG). Source of the formats: netpbm's ppm(5) and pgm(5).
///
/// See also data/png.hpp (which says when PNG is available), data/image_folder.hpp.
#ifndef CHAINRULE_DATA_IMAGE_FILE_HPP
#define CHAINRULE_DATA_IMAGE_FILE_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/data/byte_source.hpp"
#include "chainrule/data/png.hpp"

namespace chainrule {

/// What `read_image` accepts unless told otherwise, of a file and of its pixels.
inline constexpr std::uint64_t default_max_image_bytes = std::uint64_t{64} << 20U;

namespace detail {

/// The content of a file. Throws io_error if it cannot be read, format_error if it is longer than
/// `max_bytes`.
[[nodiscard]] inline std::vector<std::uint8_t> read_whole(const std::string& path,
                                                          std::uint64_t max_bytes) {
  byte_source source{path};
  std::vector<std::uint8_t> content;
  constexpr std::size_t step = std::size_t{1} << 16U;
  for (std::size_t there = step; there == step;) {
    const std::size_t begin = content.size();
    content.resize(begin + step);
    there = source.read(content.data() + begin, step);
    content.resize(begin + there);
    if (content.size() > max_bytes)
      throw format_error(concat(path, " is longer than the ", max_bytes, " bytes accepted"));
  }
  return content;
}

/// Reads the header of a PPM or PGM file.
class netpbm_header {
 public:
  netpbm_header(const std::string& path, std::span<const std::uint8_t> content)
      : path_(path), content_(content) {}

  /// The next number, after white space and comments. Throws format_error if there is none, or if
  /// it is above 2^31 - 1.
  [[nodiscard]] std::uint64_t number(const char* what) {
    const std::size_t before = position_;
    skip_space();
    const std::size_t begin = position_;
    std::uint64_t value = 0;
    while (is_digit(at(position_)) && value <= largest)
      value = 10 * value + static_cast<std::uint64_t>(at(position_++) - '0');
    if (begin == before || position_ == begin || value > largest)
      throw format_error(concat(path_, " is damaged: its header lacks ", what,
                                ", a number up to 2147483647, at byte ", begin));
    return value;
  }
  /// The position after the single white space that ends the header. Throws format_error if there
  /// is none.
  [[nodiscard]] std::size_t end() const {
    if (!is_space(at(position_)))
      throw format_error(concat(
          path_, " is damaged: its header does not end with white space, at byte ", position_));
    return position_ + 1;
  }

 private:
  static constexpr std::uint64_t largest = 2147483647;
  static constexpr int none = -1;

  [[nodiscard]] int at(std::size_t i) const { return i < content_.size() ? content_[i] : none; }
  [[nodiscard]] static bool is_digit(int c) { return c >= '0' && c <= '9'; }
  [[nodiscard]] static bool is_space(int c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
  void skip_space() {
    bool in_comment = false;
    for (; position_ < content_.size(); ++position_) {
      const int c = content_[position_];
      in_comment = in_comment ? c != '\n' : c == '#';
      if (!in_comment && !is_space(c)) break;
    }
  }

  const std::string& path_;
  std::span<const std::uint8_t> content_;
  std::size_t position_ = 2;  // after "P5" or "P6"
};

/// Decodes a file that begins with "P5" or "P6". Throws format_error.
[[nodiscard]] inline image decode_netpbm(const std::string& path,
                                         std::span<const std::uint8_t> content,
                                         std::uint64_t max_bytes) {
  const index_t channels = content[1] == '6' ? 3 : 1;
  netpbm_header header{path, content};
  const std::uint64_t width = header.number("the width");
  const std::uint64_t height = header.number("the height");
  if (const std::uint64_t largest = header.number("the largest value"); largest != 255)
    throw format_error(concat(path, " has values of 0 to ", largest,
                              ", expected 0 to 255: convert it to 8 bits per channel"));
  const std::size_t size =
      image_bytes(path, height, width, static_cast<std::uint64_t>(channels), max_bytes);
  const std::span<const std::uint8_t> pixels = content.subspan(header.end());
  if (pixels.size() != size)
    throw format_error(concat(path, pixels.size() < size ? " is truncated" : " goes on", ": ",
                              height, "x", width, " pixels of ", channels, " bytes need ", size,
                              " bytes, it has ", pixels.size()));
  return {static_cast<index_t>(height),
          static_cast<index_t>(width),
          channels,
          {pixels.begin(), pixels.end()}};
}

}  // namespace detail

/// Reads a picture of 8 bits per channel, grey or red, green, blue. Throws io_error if the file
/// cannot be read, format_error if it is damaged, of no format that is read, or if it or its pixels
/// are more than `max_bytes`.
[[nodiscard]] inline image read_image(const std::string& path,
                                      std::uint64_t max_bytes = default_max_image_bytes) {
  const std::vector<std::uint8_t> content = detail::read_whole(path, max_bytes);
  constexpr std::array<std::uint8_t, 8> png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  if (content.size() >= png.size() && std::equal(png.begin(), png.end(), content.begin())) {
    if (detail::decode_png == nullptr)
      throw format_error(detail::concat(
          path, " is a PNG file and this program was built without libpng: link the CMake target ",
          "chainrule::images (or define CHAINRULE_WITH_PNG and link libpng), or convert the file ",
          "to PPM"));
    return detail::decode_png(path, content, max_bytes);
  }
  if (content.size() >= 2 && content[0] == 'P' && (content[1] == '5' || content[1] == '6'))
    return detail::decode_netpbm(path, content, max_bytes);
  throw format_error(
      detail::concat(path, " is no image that is read: expected PNG, PPM (P6) or PGM (P5)"));
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_IMAGE_FILE_HPP

/// \file
/// The parts of which io/chart.hpp, io/matrix_chart.hpp and io/image_grid.hpp compose SVG, and
/// `write_svg`.
///
///     write_svg("loss.svg", chart{}.line("training", epochs, losses).svg());
///
/// The same data give the same text in every locale. The colours of classes are those of M. Okabe
/// and K. Ito, "Color universal design", 2008, which colour-blind readers tell apart.
#ifndef CHAINRULE_IO_SVG_HPP
#define CHAINRULE_IO_SVG_HPP

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/io/atomic_file.hpp"

namespace chainrule {

/// Writes an SVG document, or any text, as a whole file. Throws io_error.
inline void write_svg(const std::string& path, std::string_view svg) {
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(svg.data(), svg.size()))};
  write_file_atomically(path, parts);
}

namespace detail {

/// Length of the valid UTF-8 character that `text` begins with if XML allows it, else 0.
[[nodiscard]] inline std::size_t xml_character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return first >= 0x20 || first == '\n' || first == '\t' ? 1 : 0;
  const std::size_t n = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (first < 0xc2 || first > 0xf4 || n > text.size()) return 0;
  unsigned code = first & (0xffU >> (n + 1));
  for (std::size_t k = 1; k < n; ++k) {
    const auto byte = static_cast<unsigned char>(text[k]);
    if ((byte & 0xc0U) != 0x80) return 0;
    code = code << 6U | (byte & 0x3fU);
  }
  // Not overlong, no surrogate, no noncharacter, none beyond Unicode.
  const bool allowed = code >= (n == 2   ? 0x80U
                                : n == 3 ? 0x800U
                                         : 0x10000U) &&
                       code < 0x110000 && (code < 0xd800 || code > 0xdfff) && code != 0xfffe &&
                       code != 0xffff;
  return allowed ? n : 0;
}

/// `text` as the content of an XML element or attribute. What XML does not allow becomes '?'.
[[nodiscard]] inline std::string xml_text(std::string_view text) {
  std::string out;
  for (; !text.empty();) {
    const std::size_t n = xml_character(text);
    const char c = text[0];
    if (c == '&' || c == '<' || c == '>' || c == '"')
      out += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&quot;";
    else
      out += n == 0 ? "?" : text.substr(0, n);
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

/// A number for a reader: 0.05, 1e-7.
[[nodiscard]] inline std::string number_text(double value, int digits = 10) {
  char buffer[40];
  char* const begin = buffer;
  const auto end = std::to_chars(begin, begin + 40, value, std::chars_format::general, digits).ptr;
  std::string text(begin, end);
  if (const auto e = text.find('e'); e != std::string::npos) {
    if (text[e + 2] == '0') text.erase(e + 2, 1);
    if (text[e + 1] == '+') text.erase(e + 1, 1);
  }
  return text;
}
/// A coordinate of an SVG document, to a tenth of a unit.
[[nodiscard]] inline std::string coordinate(double value) {
  return number_text(std::round(value * 10) / 10 + 0.0);
}

/// What charts show: not NaN, not infinity and nothing whose range could overflow.
[[nodiscard]] inline bool can_draw(double v) { return std::fabs(v) <= 1e100; }

[[nodiscard]] inline const char* class_colour(std::size_t c) {
  static constexpr const char* colours[] = {"#0072b2", "#e69f00", "#009e73", "#d55e00",
                                            "#cc79a7", "#56b4e9", "#000000", "#b3a800"};
  return colours[c % 8];
}

/// The width of text, roughly.
[[nodiscard]] inline double text_width(std::string_view text) {
  return 6.8 * static_cast<double>(std::count_if(text.begin(), text.end(), [](char c) {
           return (static_cast<unsigned char>(c) & 0xc0U) != 0x80;
         }));
}
/// Text at (x, y), nothing for no text; anchor: start, middle or end.
[[nodiscard]] inline std::string svg_text(double x, double y, const char* anchor,
                                          std::string_view text, const std::string& more = "") {
  if (text.empty()) return "";
  return concat("<text x=\"", coordinate(x), "\" y=\"", coordinate(y), "\" text-anchor=\"", anchor,
                "\"", more, ">", xml_text(text), "</text>\n");
}
/// Text that is read upwards, around (x, y).
[[nodiscard]] inline std::string svg_text_upwards(double x, double y, std::string_view text) {
  return svg_text(x, y, "middle", text,
                  concat(" transform=\"rotate(-90 ", coordinate(x), " ", coordinate(y), ")\""));
}
[[nodiscard]] inline std::string svg_frame(double x, double y, double width, double height) {
  return concat("<path d=\"M", coordinate(x), " ", coordinate(y), "h", coordinate(width), "v",
                coordinate(height), "h", coordinate(-width),
                "z\" fill=\"none\" stroke=\"#888\"/>\n");
}

/// rows × columns cells from (x, y) on; colour_of(row, column) is the colour of a cell, or nothing.
/// Equal neighbours of a row are one stroke, and each colour is one path.
template <class F>
[[nodiscard]] std::string svg_cells(double x, double y, double cell_width, double cell_height,
                                    index_t rows, index_t columns, const F& colour_of) {
  std::map<std::string, std::string> paths;
  for (index_t r = 0; r < rows; ++r)
    for (index_t c = 0; c < columns;) {
      const std::string colour = colour_of(r, c);
      const index_t first = c;
      while (c < columns && colour_of(r, c) == colour) ++c;
      if (!colour.empty()) paths[colour] += concat("M", first, " ", r, "h", c - first);
    }
  std::string text =
      concat("<g transform=\"translate(", coordinate(x), " ", coordinate(y + cell_height / 2),
             ") scale(", number_text(cell_width, 5), " ", number_text(cell_height, 5),
             ")\" shape-rendering=\"crispEdges\">\n");
  for (const auto& [colour, path] : paths)
    text += concat("<path stroke=\"", colour, "\" d=\"", path, "\"/>\n");
  return text + "</g>\n";
}

/// The whole document: a white ground, the title above, `body`.
[[nodiscard]] inline std::string svg_document(double width, double height, const std::string& title,
                                              const std::string& body) {
  const std::string w = coordinate(std::max(width, text_width(title) * 1.3 + 16));
  const std::string h = coordinate(height);
  std::string text = concat("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"", w, "\" height=\"",
                            h, "\" viewBox=\"0 0 ", w, " ", h, "\" role=\"img\" font-family=\"",
                            "sans-serif\" font-size=\"12\" fill=\"#222\">\n");
  if (!title.empty()) text += concat("<title>", xml_text(title), "</title>\n");
  return concat(text, "<path d=\"M0 0h", w, "v", h, "H0z\" fill=\"#fff\"/>\n",
                svg_text(12, 20, "start", title, " font-size=\"14\" font-weight=\"bold\""), body,
                "</svg>\n");
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_IO_SVG_HPP

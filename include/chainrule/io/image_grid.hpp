/// \file
/// `image_grid`: grey images side by side, such as digits, filters or what layers make of an image.
///
///     write_svg("digits.svg", image_grid({{pixels, 28, 28, "digit 7"}}, {.title = "Unseen"}));
#ifndef CHAINRULE_IO_IMAGE_GRID_HPP
#define CHAINRULE_IO_IMAGE_GRID_HPP

#include <vector>

#include "chainrule/io/svg.hpp"

namespace chainrule {

/// One grey image of an `image_grid`: height × width values, `step` apart.
struct grid_image {
  std::span<const float> values;
  /// Rows of pixels.
  index_t height = 0;
  /// Pixels of a row.
  index_t width = 0;
  std::string caption{};  // below the image
  /// Elements from one pixel to the next.
  index_t step = 1;
};

/// Options of `image_grid`.
struct image_grid_options {
  /// Above the picture.
  std::string title{};
  /// Images in a row of the grid.
  int columns = 8;
  int pixel = 3;  // units
};

/// Grey images, row by row of the grid. The least value of an image is black, its largest white,
/// NaN has no colour. Throws shape_error for an image of fewer values than pixels, value_error for
/// options that are not positive.
[[nodiscard]] inline std::string image_grid(const std::vector<grid_image>& images,
                                            const image_grid_options& options = {}) {
  if (options.columns < 1 || options.pixel < 1)
    throw value_error(detail::concat("a grid of images needs columns and pixels, got ",
                                     options.columns, " columns and pixels of ", options.pixel));
  const double pixel = options.pixel;
  double cell_width = 0, cell_height = 0;
  for (const grid_image& g : images) {
    if (g.height < 1 || g.width < 1 || g.step < 1 ||
        index_t(g.values.size()) <= (g.height * g.width - 1) * g.step)
      throw shape_error(detail::concat("an image of ", g.height, " x ", g.width, " pixels, ",
                                       g.step, " apart, does not fit ", g.values.size(),
                                       " values"));
    cell_width = std::max({cell_width, double(g.width) * pixel, detail::text_width(g.caption)});
    cell_height = std::max(cell_height, double(g.height) * pixel + (g.caption.empty() ? 0 : 14));
  }
  cell_width += 8;
  cell_height += 8;
  const auto columns = std::size_t(options.columns);
  const double top = options.title.empty() ? 8 : 34;
  std::string text;
  for (std::size_t k = 0; k < images.size(); ++k) {
    const grid_image& g = images[k];
    const auto value = [&g](index_t r, index_t c) {
      return double(g.values[std::size_t((r * g.width + c) * g.step)]);
    };
    double low = 1e100, high = -1e100;
    for (index_t i = 0; i < g.height * g.width; ++i)
      if (const double v = value(i / g.width, i % g.width); detail::can_draw(v)) {
        low = std::min(low, v);
        high = std::max(high, v);
      }
    const double x = 8 + cell_width * double(k % columns);
    const double y = top + cell_height * double(k / columns);
    text += detail::svg_cells(
        x, y, pixel, pixel, g.height, g.width, [&](index_t r, index_t c) -> std::string {
          const double v = value(r, c);
          if (!detail::can_draw(v)) return "";
          const double level = high > low ? (v - low) / (high - low) : 0;
          return "#" + std::string(3, "0123456789abcdef"[static_cast<int>(level * 15 + 0.5)]);
        });
    text += detail::svg_text(x + double(g.width) * pixel / 2, y + double(g.height) * pixel + 14,
                             "middle", g.caption);
  }
  const std::size_t rows = (images.size() + columns - 1) / columns;
  return detail::svg_document(8 + cell_width * double(std::min(columns, images.size())),
                              top + cell_height * double(rows), options.title, text);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_IMAGE_GRID_HPP

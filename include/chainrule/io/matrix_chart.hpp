/// \file
/// `matrix_chart`: a matrix as coloured cells, such as weights or counts.
///
///     write_svg("weights.svg", matrix_chart(weights, 16, {.title = "Weights", .numbers = false}));
///
/// See also train/report.hpp for confusion matrices.
#ifndef CHAINRULE_IO_MATRIX_CHART_HPP
#define CHAINRULE_IO_MATRIX_CHART_HPP

#include <vector>

#include "chainrule/io/svg.hpp"

namespace chainrule {
namespace detail {
/// White at 0, blue at 1, orange at -1, in 16 steps each.
[[nodiscard]] inline std::string signed_colour(double t) {
  const int ends[2][3] = {{0, 84, 150}, {213, 94, 0}};
  const double step = std::round(std::fmin(std::fabs(t), 1) * 16) / 16;
  std::string colour = "#";
  for (const int end : ends[t < 0]) {
    const auto part = static_cast<int>(255 + step * (end - 255));
    colour += {"0123456789abcdef"[part / 16], "0123456789abcdef"[part % 16]};
  }
  return colour;
}
}  // namespace detail

/// Options of `matrix_chart`.
struct matrix_chart_options {
  /// Above the picture.
  std::string title{};
  std::string x{};                       // what the columns are
  std::string y{};                       // what the rows are
  std::vector<std::string> row_names{};  // 0, 1, ... where there is none
  /// Names of the columns; 0, 1, ... where there is none.
  std::vector<std::string> column_names{};
  bool numbers = true;        // in the cells: whole ones in full, others to 3 digits
  bool shade_by_row = false;  // by the fraction of the row's sum instead of the largest size
};

/// A matrix as coloured cells: blue for positive values, orange for negative ones, white for 0 and
/// for NaN and infinity. Without numbers the range of the values stands below. values: row by row.
/// Throws shape_error unless they fill whole rows.
[[nodiscard]] inline std::string matrix_chart(std::span<const double> values, index_t columns,
                                              const matrix_chart_options& options = {}) {
  const auto count = index_t(values.size());
  if (columns < 1 || count % columns != 0)
    throw shape_error(detail::concat("a matrix chart of ", columns, " columns cannot show ", count,
                                     " values; give whole rows"));
  const index_t rows = count / columns;
  const auto name = [](const std::vector<std::string>& names, index_t i) {
    return std::size_t(i) < names.size() ? names[std::size_t(i)] : std::to_string(i);
  };
  const auto widest_of = [&](const std::vector<std::string>& names, index_t n) {
    double width = 0;
    for (index_t i = 0; i < n; ++i) width = std::max(width, detail::text_width(name(names, i)));
    return width;
  };
  const auto number = [](double v) { return detail::number_text(v, v == std::floor(v) ? 10 : 3); };
  double least = 0, most = 0, widest = 20;
  std::vector<double> sums(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!detail::can_draw(values[i])) continue;
    least = std::min(least, values[i]);
    most = std::max(most, values[i]);
    sums[i / std::size_t(columns)] += std::fabs(values[i]);
    widest = std::max(widest, detail::text_width(number(values[i])));
  }
  const double largest = std::max(most, -least);
  const auto shade = [&](index_t i) {
    const auto row = std::size_t(i / columns);
    const double whole = options.shade_by_row ? sums[row] : largest;
    return whole > 0 ? values[std::size_t(i)] / whole : 0;
  };

  const double cell = options.numbers
                          ? widest + 10
                          : std::clamp(320.0 / double(std::max(rows, columns)), 2.0, 40.0);
  const double line = std::min(cell, 30.0);          // the height of a row
  const auto every = index_t(std::ceil(14 / line));  // a name takes 14 units
  const double column_names = widest_of(options.column_names, columns);
  const bool upwards = column_names > cell * double(every);
  const double title = options.title.empty() ? 20 : 42;
  const double left = (options.y.empty() ? 16 : 34) + widest_of(options.row_names, rows);
  const double top = title - (options.x.empty() ? 14 : 0) + (upwards ? column_names : 12) + 10;
  const double width = cell * double(columns), height = line * double(rows);
  const auto centre = [](index_t i, double extent) { return extent * (double(i) + 0.5); };

  std::string text = detail::svg_cells(
      left, top, cell, line, rows, columns, [&](index_t r, index_t c) -> std::string {
        const index_t i = r * columns + c;
        return detail::can_draw(values[std::size_t(i)]) ? detail::signed_colour(shade(i)) : "";
      });
  text += detail::svg_frame(left, top, width, height);
  for (index_t r = 0; r < rows; r += every)
    text +=
        detail::svg_text(left - 6, top + centre(r, line) + 4, "end", name(options.row_names, r));
  for (index_t c = 0; c < columns; c += every) {
    const std::string column = name(options.column_names, c);
    const double x = left + centre(c, cell), y = top - 6;
    text += upwards ? detail::svg_text_upwards(x + 4, y - detail::text_width(column) / 2, column)
                    : detail::svg_text(x, y, "middle", column);
  }
  for (index_t i = 0; options.numbers && i < count; ++i)
    if (const double v = values[std::size_t(i)]; detail::can_draw(v))
      text +=
          detail::svg_text(left + centre(i % columns, cell), top + centre(i / columns, line) + 4,
                           "middle", number(v), std::fabs(shade(i)) > 0.5 ? " fill=\"#fff\"" : "");
  if (!options.x.empty()) text += detail::svg_text(left + width / 2, title, "middle", options.x);
  if (!options.y.empty()) text += detail::svg_text_upwards(16, top + height / 2, options.y);
  double below = 12, right = width;
  if (!options.numbers) {
    const std::string scale = detail::concat("from ", detail::number_text(least, 3), " to ",
                                             detail::number_text(most, 3), "; white: 0");
    text += detail::svg_text(left, top + height + 18, "start", scale);
    right = std::max(width, detail::text_width(scale));
    below = 28;
  }
  return detail::svg_document(left + right + 16, top + height + below, options.title, text);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_MATRIX_CHART_HPP

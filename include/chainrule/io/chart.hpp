/// \file
/// `chart`: lines, points and decision regions over two axes, as SVG.
///
///     chart c({.title = "Loss", .x = "epoch", .log_y = true});
///     c.line("training", epochs, losses).line("validation", epochs, others);
///     write_svg("loss.svg", c.svg());
///
/// NaN, infinity and what exceeds 1e100 are left out. See also io/matrix_chart.hpp,
/// io/image_grid.hpp, train/report.hpp.
#ifndef CHAINRULE_IO_CHART_HPP
#define CHAINRULE_IO_CHART_HPP

#include <utility>
#include <vector>

#include "chainrule/io/svg.hpp"

namespace chainrule {
namespace detail {

template <class Range>
[[nodiscard]] std::vector<double> chart_values(const Range& range) {
  std::vector<double> values;
  for (const auto& v : range) values.push_back(static_cast<double>(v));
  return values;
}

/// One axis: its extent is that of the values, widened to round numbers.
struct chart_axis {
  bool log = false;
  double low = 0, high = 0;  // of the values, then of the axis (its logarithms on a log axis)
  bool any = false, whole = true;
  std::vector<double> ticks{};

  [[nodiscard]] bool shows(double v) const { return can_draw(v) && (!log || v > 1e-100); }
  void include(double v) {
    if (!shows(v)) return;
    low = any ? std::min(low, v) : v;
    high = any ? std::max(high, v) : v;
    any = true;
    whole = whole && v == std::floor(v);
  }
  /// Chooses the ticks, about `wanted` of them.
  void finish(double wanted) {
    if (!any) low = log ? 1 : 0, high = log ? 10 : 1;
    const double size = std::max(std::fabs(low), std::fabs(high));
    const bool equal = !(high - low > std::max(1e-9 * size, 1e-90));
    if (log)
      finish_log(equal ? low / 2 : low, equal ? high * 2 : high);
    else
      finish_linear(equal ? low - (size > 1e-90 ? size / 2 : 1) : low,
                    equal ? high + (size > 1e-90 ? size / 2 : 1) : high, wanted);
  }
  /// From 0 to 1 along the axis.
  [[nodiscard]] double place(double v) const {
    return ((log ? std::log10(v) : v) - low) / (high - low);
  }

 private:
  void finish_linear(double from, double to, double wanted) {
    const double least = (to - from) / wanted;
    const double power = std::pow(10, std::floor(std::log10(least)));
    double step = power;
    for (const double m : {1.0, 2.0, 5.0, 10.0})
      if (step < least * (1 - 1e-9)) step = m * power;
    if (whole && to - from >= 1) step = std::max(step, 1.0);
    const double last = std::ceil(to / step - 1e-6);
    for (double i = std::floor(from / step + 1e-6); i <= last; ++i) ticks.push_back(i * step);
    low = ticks.front();
    high = ticks.back();
  }
  void finish_log(double from, double to) {
    const double decades = std::log10(to / from);
    const double stride = std::max(1.0, std::ceil(decades / 7));
    const double end = std::ceil(std::log10(to) / stride - 1e-9) * stride;
    for (double k = std::floor(std::log10(from) / stride + 1e-9) * stride; k <= end; k += stride)
      for (const double m : {1.0, 2.0, 5.0}) {
        if (m > 1 && decades > 2.5) continue;
        const double v = m * std::pow(10, k);
        if (v <= from * (1 + 1e-9)) ticks.clear();  // the last of these is where the axis begins
        if (ticks.empty() || ticks.back() < to * (1 - 1e-9)) ticks.push_back(v);
      }
    low = std::log10(ticks.front());
    high = std::log10(ticks.back());
  }
};

}  // namespace detail

/// Options of `chart`.
struct chart_options {
  /// Above the picture.
  std::string title{};
  std::string x{};  // labels of the axes
  /// Label of the vertical axis.
  std::string y{};
  bool log_x = false;  // what is not positive is left out
  /// Whether the vertical axis is logarithmic.
  bool log_y = false;
  int width = 460;  // of the area within the axes
  /// Height of the area within the axes.
  int height = 280;
};

/// Lines, points and regions over two axes. The k-th line or group of points has colour k, and a
/// region of class k as well. The legend names what has a name.
class chart {
 public:
  /// An empty chart. Throws value_error unless width and height are positive.
  explicit chart(chart_options options = {}) : options_(std::move(options)) {
    if (options_.width < 1 || options_.height < 1)
      throw value_error(detail::concat("a chart of ", options_.width, " x ", options_.height,
                                       " units cannot be drawn; give a positive width and height"));
  }

  /// Adds a line through (x[i], y[i]), which is broken where a point is left out. Throws
  /// shape_error if the counts differ.
  template <class X, class Y>
  chart& line(std::string name, const X& x, const Y& y) {
    return add({std::move(name), detail::chart_values(x), detail::chart_values(y), true});
  }
  /// Adds points (x[i], y[i]). Throws shape_error if the counts differ.
  template <class X, class Y>
  chart& points(std::string name, const X& x, const Y& y) {
    return add({std::move(name), detail::chart_values(x), detail::chart_values(y), false});
  }
  /// Colours the rectangle by class_of(x, y), asked at the centre of each of 100 × 100 cells; a
  /// negative class has no colour, and regions over one another are darker. Throws value_error on
  /// a log axis or if the limits are not in order.
  template <class F>
  chart& regions(const F& class_of, double x_low, double x_high, double y_low, double y_high) {
    if (options_.log_x || options_.log_y || !(x_low < x_high) || !(y_low < y_high))
      throw value_error("the regions of a chart need linear axes, and limits in order");
    region r{x_low, x_high, y_low, y_high, {}};
    for (int row = 0; row < cells; ++row)
      for (int col = 0; col < cells; ++col)
        r.classes.push_back(
            static_cast<int>(class_of(x_low + (col + 0.5) * (x_high - x_low) / cells,
                                      y_high - (row + 0.5) * (y_high - y_low) / cells)));
    regions_.push_back(std::move(r));
    return *this;
  }

  /// The chart as a document.
  [[nodiscard]] std::string svg() const;

 private:
  static constexpr int cells = 100;
  struct series {
    std::string name;
    std::vector<double> x, y;
    bool joined;
  };
  struct region {
    double x_low, x_high, y_low, y_high;
    std::vector<int> classes;  // the upper row first
  };

  chart& add(series s) {
    if (s.x.size() != s.y.size())
      throw shape_error(detail::concat("a chart cannot draw ", s.x.size(), " x with ", s.y.size(),
                                       " y; give as many of both"));
    series_.push_back(std::move(s));
    return *this;
  }
  /// Groups of points differ in shape too. A line of no length with round ends is a disc.
  [[nodiscard]] static const char* mark(std::size_t k) {
    static constexpr const char* marks[] = {"h0", "m-3-3h6v6h-6z", "m0-4l4 7h-8z",
                                            "m0-4l4 4l-4 4l-4-4z"};
    return marks[k % 4];
  }
  [[nodiscard]] std::string path(std::size_t k, const std::string& d) const {
    const bool joined = series_[k].joined;
    return detail::concat("<path d=\"", d, "\" fill=\"", joined ? "none" : detail::class_colour(k),
                          "\" stroke=\"", joined || k % 4 == 0 ? detail::class_colour(k) : "none",
                          "\" stroke-linecap=\"round\" stroke-width=\"", joined ? 2 : 6, "\"",
                          joined && k >= 8 ? " stroke-dasharray=\"7 5\"" : "", "/>\n");
  }

  chart_options options_;
  std::vector<series> series_;
  std::vector<region> regions_;
};

inline std::string chart::svg() const {
  detail::chart_axis across{options_.log_x}, up{options_.log_y};
  const auto shows = [&](double x, double y) { return across.shows(x) && up.shows(y); };
  const auto include = [&](double x, double y) {
    if (shows(x, y)) across.include(x), up.include(y);
  };
  for (const series& s : series_)
    for (std::size_t i = 0; i < s.x.size(); ++i) include(s.x[i], s.y[i]);
  for (const region& r : regions_) include(r.x_low, r.y_low), include(r.x_high, r.y_high);
  const double width = options_.width, height = options_.height;
  across.finish(std::max(2.0, width / 70));
  up.finish(std::max(2.0, height / 45));

  double labels = 0, names = 0;
  for (const double v : up.ticks)
    labels = std::max(labels, detail::text_width(detail::number_text(v)));
  const double left = (options_.y.empty() ? 16 : 34) + labels;
  const double top = options_.title.empty() ? 12 : 34, bottom = top + height;
  const auto px = [&](double v) { return left + across.place(v) * width; };
  const auto py = [&](double v) { return bottom - up.place(v) * height; };

  std::string grid, text;
  for (const double v : across.ticks) {
    grid += detail::concat("M", detail::coordinate(px(v)), " ", detail::coordinate(top), "v",
                           detail::coordinate(height));
    text += detail::svg_text(px(v), bottom + 16, "middle", detail::number_text(v));
  }
  for (const double v : up.ticks) {
    grid += detail::concat("M", detail::coordinate(left), " ", detail::coordinate(py(v)), "h",
                           detail::coordinate(width));
    text += detail::svg_text(left - 6, py(v) + 4, "end", detail::number_text(v));
  }
  text += "<path d=\"" + grid + "\" stroke=\"#ddd\"/>\n";
  for (const region& r : regions_)
    text += "<g opacity=\"0.25\">\n" +
            detail::svg_cells(px(r.x_low), py(r.y_high), (px(r.x_high) - px(r.x_low)) / cells,
                              (py(r.y_low) - py(r.y_high)) / cells, cells, cells,
                              [&](index_t row, index_t col) -> std::string {
                                const int c = r.classes[std::size_t(row * cells + col)];
                                return c < 0 ? "" : detail::class_colour(std::size_t(c));
                              }) +
            "</g>\n";
  text += detail::svg_frame(left, top, width, height);
  double legend = top + 10;
  for (std::size_t k = 0; k < series_.size(); ++k) {
    const series& s = series_[k];
    const std::string each = s.joined ? "h0" : mark(k);  // h0: a point alone on a line is a dot
    std::string d, last;
    bool open = false;  // the line goes on from the point before
    for (std::size_t i = 0; i < s.x.size(); ++i) {
      const bool shown = shows(s.x[i], s.y[i]);
      if (shown) {
        std::string at = detail::coordinate(px(s.x[i])) + " " + detail::coordinate(py(s.y[i]));
        if (s.joined && open && at != last) d += "L" + at;
        if (s.joined ? !open : at != last) d += "M" + at + each;
        last = std::move(at);
      }
      open = shown;
    }
    if (!d.empty()) text += path(k, d);
    if (s.name.empty()) continue;
    const double x = left + width + 14;
    text += path(k, detail::concat("M", detail::coordinate(x + (s.joined ? 0 : 8)), " ",
                                   detail::coordinate(legend), s.joined ? "h16" : mark(k))) +
            detail::svg_text(x + 22, legend + 4, "start", s.name);
    names = std::max(names, 40 + detail::text_width(s.name));
    legend += 20;
  }
  text += detail::svg_text(left + width / 2, bottom + 36, "middle", options_.x) +
          detail::svg_text_upwards(16, top + height / 2, options_.y);
  return detail::svg_document(left + width + std::max(24.0, names + 8),
                              std::max(bottom + (options_.x.empty() ? 26 : 46), legend),
                              options_.title, text);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_CHART_HPP

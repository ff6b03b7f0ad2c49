/// \file
/// A cloud of points in a square, as lines of text: the more points, the darker.
#ifndef CHAINRULE_EXAMPLES_REGRESSION_PLOT_HPP
#define CHAINRULE_EXAMPLES_REGRESSION_PLOT_HPP

#include <algorithm>
#include <string>
#include <vector>

/// Points (x, y) with both coordinates from `low` to `high`; those beyond lie on the edge.
class cloud {
 public:
  cloud(double low, double high) : low_(low), high_(high) {}

  void add(double x, double y) { points_.push_back({place(x), place(y)}); }

  /// rows lines of 2 * rows characters; y grows upwards.
  [[nodiscard]] std::string text(int rows) const {
    const std::string ink = " .:*#";
    const std::vector<int> counts = counted(2 * rows, rows);
    const int most = std::max(1, *std::max_element(counts.begin(), counts.end()));
    std::string lines;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const int level = counts[i] == 0 ? 0 : 1 + 3 * counts[i] / most;
      lines += ink[static_cast<std::size_t>(level)];
      if ((i + 1) % (2 * static_cast<std::size_t>(rows)) == 0) lines += '\n';
    }
    return lines;
  }

 private:
  struct point {
    double x, y;  // in [0, 1]
  };

  [[nodiscard]] double place(double v) const {
    return std::clamp((v - low_) / (high_ - low_), 0.0, 1.0);
  }
  /// How many points each cell holds, the upper row first.
  [[nodiscard]] std::vector<int> counted(int cols, int rows) const {
    std::vector<int> counts(static_cast<std::size_t>(cols * rows));
    for (const point& p : points_) {
      const int col = std::min(cols - 1, static_cast<int>(p.x * cols));
      const int row = rows - 1 - std::min(rows - 1, static_cast<int>(p.y * rows));
      ++counts[static_cast<std::size_t>(row * cols + col)];
    }
    return counts;
  }

  double low_, high_;
  std::vector<point> points_;
};

#endif  // CHAINRULE_EXAMPLES_REGRESSION_PLOT_HPP

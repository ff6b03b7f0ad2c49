/// \file
/// `gradient_comparison`: compares derivatives with central differences, element by element; shared
/// by the checkers of networks and of functions.
#ifndef CHAINRULE_TESTING_GRADIENT_COMPARISON_HPP
#define CHAINRULE_TESTING_GRADIENT_COMPARISON_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/core/finite.hpp"
#include "chainrule/testing/gradient_report.hpp"

namespace chainrule::detail {

/// A function of many numbers in a backend's memory.
struct function_at_a_point {
  virtual ~function_at_a_point() = default;
  /// Changes element (i, j) of the matrix that is compared.
  virtual void put(index_t i, index_t j, double value) = 0;
  /// The value of the function at its present elements.
  [[nodiscard]] virtual double value() = 0;
};

/// Collects a report.
class gradient_comparison {
 public:
  gradient_comparison(double tolerance, double floor, bool allow_zero) : floor_(floor) {
    report_.tolerance = tolerance;
    report_.allow_zero = allow_zero;
  }

  [[nodiscard]] const gradient_report& report() const { return report_; }

  /// Compares the gradient with respect to a matrix. points: its elements, row by row; analytic:
  /// the computed gradient; at_point: the value of the function. Restores each element.
  void compare(const std::string& name, matrix_shape s, const std::vector<double>& points,
               const std::vector<double>& analytic, function_at_a_point& f, double at_point) {
    bool zero = true;
    for (index_t i = 0; i < s.rows; ++i)
      for (index_t j = 0; j < s.cols; ++j) {
        const auto e = static_cast<std::size_t>(i * s.cols + j);
        const double numeric = compare_element(name, i, j, points[e], analytic[e], f, at_point);
        zero = zero && analytic[e] == 0 && numeric == 0;
      }
    if (zero && !points.empty() && report_.zero.empty()) report_.zero = name;
  }

 private:
  /// Compares one derivative; returns its value by differences.
  double compare_element(const std::string& name, index_t i, index_t j, double point,
                         double analytic, function_at_a_point& f, double at_point) {
    // The truncation error grows with h², the rounding error with 1/h: they balance about here.
    const double h =
        std::cbrt(std::numeric_limits<double>::epsilon()) * std::max(1.0, std::fabs(point));
    const double right = point + h;  // rounded: divide by the steps that were really made
    const double left = point - h;
    f.put(i, j, right);
    const double at_right = f.value();
    f.put(i, j, left);
    const double at_left = f.value();
    f.put(i, j, point);

    const double numeric = (at_right - at_left) / (right - left);
    const double off = std::fabs(analytic - numeric);
    double error = off / std::max({std::fabs(analytic), std::fabs(numeric),
                                   floor_ * std::max(1.0, std::fabs(at_point))});
    if (is_nan(error)) error = std::numeric_limits<double>::infinity();
    if (error > report_.tolerance) {
      // A kink within the step: the one-sided derivatives differ by twice the error to be
      // explained, since the analytic derivative is that of one side.
      const double jump =
          (at_right - at_point) / (right - point) - (at_point - at_left) / (point - left);
      if (off <= 0.6 * std::fabs(jump)) {
        ++report_.skipped;
        return numeric;
      }
    }
    if (report_.compared++ == 0 || error > report_.worst) {
      report_.worst = error;
      report_.parameter = name;
      report_.row = i;
      report_.col = j;
      report_.analytic = analytic;
      report_.numeric = numeric;
    }
    return numeric;
  }

  gradient_report report_;
  double floor_;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_TESTING_GRADIENT_COMPARISON_HPP

/// \file
/// `scaler`: columns of numbers brought to similar sizes, and back.
///
///     const scaler s = scaler::standard(train_x);     // fitted on training data only
///     const dataset<cpu> train(be, s.transform(train_x), y);
///     save_weights(net, "net.safetensors", {{"scaler", s.text()}});   // one file for both
///
///     const scaler same = scaler::from_text(load_weights(net, "net.safetensors").at("scaler"));
///
/// Text keeps every bit. See also data/normalization.hpp (channels of images).
#ifndef CHAINRULE_DATA_SCALER_HPP
#define CHAINRULE_DATA_SCALER_HPP

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/data/host_matrix.hpp"

namespace chainrule {

/// Maps each column to (x - offset) / unit, in double.
class scaler {
 public:
  /// An offset and a unit for each column. Throws shape_error unless they are as many, value_error
  /// if a number is not finite or a unit not positive.
  scaler(std::vector<double> offsets, std::vector<double> units)
      : offsets_(std::move(offsets)), units_(std::move(units)) {
    if (offsets_.size() != units_.size())
      throw shape_error(detail::concat("a scaler needs a unit for each offset, got ",
                                       offsets_.size(), " offsets and ", units_.size(), " units"));
    for (std::size_t j = 0; j < units_.size(); ++j)
      if (!detail::is_finite(offsets_[j]) || !detail::is_finite(units_[j]) || !(units_[j] > 0))
        throw value_error(detail::concat("a scaler needs finite offsets and positive units, got ",
                                         offsets_[j], " and ", units_[j], " for column ", j));
  }

  /// Brings columns to mean 0 and standard deviation 1 (biased: divided by the number of rows); a
  /// constant column to 0. Throws value_error if there are no rows or an element is not finite.
  [[nodiscard]] static scaler standard(const host_matrix& x) {
    require_finite(x);
    std::vector<double> means, deviations;
    for (index_t j = 0; j < x.cols(); ++j) {
      const auto count = static_cast<double>(x.rows());
      double mean = 0, square = 0;
      for (index_t i = 0; i < x.rows(); ++i) mean += x(i, j) / count;
      for (index_t i = 0; i < x.rows(); ++i) square += (x(i, j) - mean) * (x(i, j) - mean) / count;
      // The mean of equal numbers may differ from them by rounding, and so may the deviation from
      // 0.
      bool is_constant = true;
      for (index_t i = 1; i < x.rows(); ++i) is_constant = is_constant && x(i, j) == x(0, j);
      means.push_back(is_constant ? x(0, j) : mean);
      deviations.push_back(is_constant ? 1 : std::sqrt(square));
    }
    return {std::move(means), std::move(deviations)};
  }
  /// Brings the smallest element of each column to 0 and the largest to 1; a constant column to 0.
  /// Throws as `standard`.
  [[nodiscard]] static scaler min_max(const host_matrix& x) {
    require_finite(x);
    std::vector<double> least, extent;
    for (index_t j = 0; j < x.cols(); ++j) {
      double low = x(0, j), high = x(0, j);
      for (index_t i = 1; i < x.rows(); ++i) {
        low = std::min(low, x(i, j));
        high = std::max(high, x(i, j));
      }
      least.push_back(low);
      extent.push_back(high > low ? high - low : 1);
    }
    return {std::move(least), std::move(extent)};
  }

  /// Number of columns that are scaled.
  [[nodiscard]] index_t columns() const { return static_cast<index_t>(units_.size()); }
  /// Subtracted from each column.
  [[nodiscard]] const std::vector<double>& offsets() const { return offsets_; }
  /// Divisor of each column, after its offset was subtracted.
  [[nodiscard]] const std::vector<double>& units() const { return units_; }

  /// (x - offset) / unit. Throws shape_error if x has another number of columns.
  [[nodiscard]] host_matrix transform(const host_matrix& x) const {
    return mapped(x, [](double v, double offset, double unit) { return (v - offset) / unit; });
  }
  /// y unit + offset. Throws shape_error if y has another number of columns.
  [[nodiscard]] host_matrix inverse(const host_matrix& y) const {
    return mapped(y, [](double v, double offset, double unit) { return v * unit + offset; });
  }

  /// "offset 1 2 3 unit 0.5 1 2", for the metadata of a file.
  [[nodiscard]] std::string text() const {
    std::string words = "offset";
    for (const double x : offsets_) words += " " + detail::digits_of(x);
    words += " unit";
    for (const double x : units_) words += " " + detail::digits_of(x);
    return words;
  }
  /// The scaler whose text this is. Throws format_error if it is that of none.
  [[nodiscard]] static scaler from_text(std::string_view words) {
    std::vector<double> numbers[2];
    int part = -1;
    while (!words.empty()) {
      const std::string_view word = words.substr(0, words.find(' '));
      words.remove_prefix(std::min(words.size(), word.size() + 1));
      double x = 0;
      if ((part == -1 && word == "offset") || (part == 0 && word == "unit"))
        ++part;
      else if (part >= 0 && detail::parse_number(word, x))
        numbers[part].push_back(x);
      else
        throw format_error(detail::concat("the text of a scaler is 'offset', numbers, 'unit' and ",
                                          "as many numbers, got ", detail::name_text(word, 40)));
    }
    if (part != 1) throw format_error("the text of a scaler ends before 'unit'");
    try {
      return {std::move(numbers[0]), std::move(numbers[1])};
    } catch (const error& e) {
      throw format_error(detail::concat("this is not the text of a scaler: ", e.what()));
    }
  }

  friend bool operator==(const scaler&, const scaler&) = default;

 private:
  static void require_finite(const host_matrix& x) {
    if (x.rows() == 0) throw value_error("there are no rows to fit a scaler to");
    for (index_t i = 0; i < x.rows(); ++i)
      for (index_t j = 0; j < x.cols(); ++j)
        if (!detail::is_finite(x(i, j)))
          throw value_error(detail::concat("a scaler is fitted to finite numbers, column ", j,
                                           " has ", x(i, j), " in row ", i));
  }
  template <class F>
  [[nodiscard]] host_matrix mapped(const host_matrix& x, const F& f) const {
    if (x.cols() != columns())
      throw shape_error(detail::concat("a scaler of ", columns(), " columns does not suit ",
                                       x.cols(), " columns"));
    host_matrix result(x.rows(), x.cols());
    for (index_t i = 0; i < x.rows(); ++i)
      for (index_t j = 0; j < x.cols(); ++j)
        result(i, j) =
            f(x(i, j), offsets_[static_cast<std::size_t>(j)], units_[static_cast<std::size_t>(j)]);
    return result;
  }

  std::vector<double> offsets_;
  std::vector<double> units_;
};

}  // namespace chainrule

#endif  // CHAINRULE_DATA_SCALER_HPP

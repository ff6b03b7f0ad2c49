/// \file
/// `table`: named columns of numbers or of text, as a CSV file has them.
///
///     const table t = read_csv("houses.csv");                     // data/csv.hpp
///     const host_matrix x = t.values({"area", "rooms"}), y = t.values({"price"});
///     const class_column kind = t.classes("kind");                // numbers, and what they stand
///     for const dataset<cpu> data(be, join_columns(x, one_hot(kind.numbers, kind.count())), y);
#ifndef CHAINRULE_DATA_TABLE_HPP
#define CHAINRULE_DATA_TABLE_HPP

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/data/host_matrix.hpp"

namespace chainrule {

/// The class number of each row, and the names of classes 0, 1, ...
struct class_column {
  /// Class of each row.
  std::vector<int> numbers;
  /// Text of each class.
  std::vector<std::string> names;
  /// Number of classes.
  [[nodiscard]] int count() const { return static_cast<int>(names.size()); }
};

/// Named columns of equal length.
class table {
 public:
  /// What is said of itself in messages: the path of the file.
  explicit table(std::string name = "the table") : name_(std::move(name)) {}

  [[nodiscard]] index_t rows() const { return rows_; }
  /// The names of the columns, in their order.
  [[nodiscard]] std::vector<std::string> names() const { return names_without({}); }
  /// The names of the columns but for these. Throws value_error if there is no such column.
  [[nodiscard]] std::vector<std::string> names_without(
      const std::vector<std::string>& unwanted) const {
    for (const std::string& u : unwanted) (void)at(u);
    std::vector<std::string> result;
    for (const column& c : columns_)
      if (std::find(unwanted.begin(), unwanted.end(), c.name) == unwanted.end())
        result.push_back(c.name);
    return result;
  }
  /// Whether there is a column with this name.
  [[nodiscard]] bool contains(std::string_view name) const { return find(name) != columns_.end(); }
  /// Whether the column is of text. Throws value_error if there is no such column.
  [[nodiscard]] bool is_text(std::string_view name) const { return at(name).is_text(); }

  /// The numbers of those columns, rows × columns in that order. Throws value_error if there is no
  /// such column, or if it is of text.
  [[nodiscard]] host_matrix values(const std::vector<std::string>& names) const {
    host_matrix result(rows_, static_cast<index_t>(names.size()));
    for (index_t j = 0; j < result.cols(); ++j) {
      const column& c = at(names[static_cast<std::size_t>(j)]);
      if (c.is_text())
        throw value_error(detail::concat(name_, ": column ", detail::name_text(c.name),
                                         " is of text", c.why_text,
                                         ", expected numbers; use classes()"));
      for (index_t i = 0; i < rows_; ++i) result(i, j) = c.numbers[static_cast<std::size_t>(i)];
    }
    return result;
  }

  /// The text of a row of a column of text. Throws value_error if there is none.
  [[nodiscard]] const std::string& text(std::string_view name, index_t row) const {
    const column& c = at(name);
    if (!c.is_text() || row < 0 || row >= rows_)
      throw value_error(detail::concat(name_, ": there is no text in row ", row, " of column ",
                                       detail::name_text(c.name)));
    return c.texts[static_cast<std::size_t>(c.codes[static_cast<std::size_t>(row)])];
  }

  /// The classes of a column: its different texts, sorted by their bytes, or its different numbers,
  /// sorted by value. Throws value_error if there is no such column or if a number is NaN.
  [[nodiscard]] class_column classes(std::string_view name) const {
    const column& c = at(name);
    if (c.is_text()) {
      std::vector<std::string> sorted = c.texts;
      std::sort(sorted.begin(), sorted.end());
      return classes(name, std::move(sorted));
    }
    std::vector<double> sorted = c.numbers;
    for (std::size_t i = 0; i < sorted.size(); ++i)
      if (detail::is_nan(sorted[i]))
        throw value_error(detail::concat(name_, ": column ", detail::name_text(c.name),
                                         " has no value in row ", i,
                                         ", which therefore has no class"));
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    class_column result;
    for (const double x : sorted) result.names.push_back(detail::digits_of(x));
    for (const double x : c.numbers)
      result.numbers.push_back(
          static_cast<int>(std::lower_bound(sorted.begin(), sorted.end(), x) - sorted.begin()));
    return result;
  }
  /// The classes of a column of text, numbered as `names` are: those of the training data. Throws
  /// value_error if a text is not among them, or if it is not a column of text.
  [[nodiscard]] class_column classes(std::string_view name, std::vector<std::string> names) const {
    const column& c = at(name);
    if (!c.is_text())
      throw value_error(detail::concat(name_, ": column ", detail::name_text(c.name),
                                       " is of numbers, not text"));
    std::map<std::string_view, int> number_of;
    for (std::size_t i = 0; i < names.size(); ++i) number_of[names[i]] = static_cast<int>(i);
    std::vector<int> numbers_of_codes;
    for (const std::string& text : c.texts) {
      const auto found = number_of.find(text);
      if (found == number_of.end())
        throw value_error(detail::concat(
            name_, ": column ", detail::name_text(c.name), " has the text ",
            detail::name_text(text), ", which is none of the ", names.size(), " classes given"));
      numbers_of_codes.push_back(found->second);
    }
    class_column result;
    for (const std::int32_t code : c.codes)
      result.numbers.push_back(numbers_of_codes[static_cast<std::size_t>(code)]);
    result.names = std::move(names);
    return result;
  }

  /// Adds a column of numbers. Throws value_error if its name is taken, shape_error if its length
  /// is not that of the others.
  void add(std::string name, std::vector<double> numbers) {
    require_new(name, numbers.size());
    columns_.push_back({std::move(name), std::move(numbers), {}, {}, {}});
  }
  /// Adds a column of text: `texts` are different, and `codes` says which of them is in each row.
  /// `why_text` is for messages. Throws as above, and value_error if a code is none.
  void add(std::string name, std::vector<std::int32_t> codes, std::vector<std::string> texts,
           std::string why_text = "") {
    require_new(name, codes.size());
    for (const std::int32_t code : codes)
      if (code < 0 || static_cast<std::size_t>(code) >= texts.size())
        throw value_error(detail::concat(name_, ": column ", detail::name_text(name),
                                         " has the code ", code, ", expected 0 to ", texts.size(),
                                         " - 1"));
    columns_.push_back({std::move(name), {}, std::move(codes), std::move(texts), why_text});
  }

 private:
  /// Numbers, or texts of which each is stored once.
  struct column {
    std::string name;
    std::vector<double> numbers;
    std::vector<std::int32_t> codes;
    std::vector<std::string> texts;
    std::string why_text;
    [[nodiscard]] bool is_text() const { return !codes.empty(); }
  };

  [[nodiscard]] std::vector<column>::const_iterator find(std::string_view name) const {
    return std::find_if(columns_.begin(), columns_.end(),
                        [&](const column& c) { return c.name == name; });
  }
  [[nodiscard]] const column& at(std::string_view name) const {
    const auto c = find(name);
    if (c != columns_.end()) return *c;
    std::string all;
    for (const column& other : columns_)
      if (all.size() < 200) all += (all.empty() ? "" : ", ") + detail::name_text(other.name);
    throw value_error(detail::concat(name_, ": there is no column ", detail::name_text(name),
                                     "; the first are ", all));
  }
  void require_new(const std::string& name, std::size_t length) {
    if (contains(name))
      throw value_error(detail::concat(name_, ": there are two columns ", detail::name_text(name)));
    if (!columns_.empty() && static_cast<index_t>(length) != rows_)
      throw shape_error(detail::concat(name_, ": column ", detail::name_text(name), " has ", length,
                                       " rows, expected ", rows_));
    rows_ = static_cast<index_t>(length);
  }

  std::string name_;
  index_t rows_ = 0;
  std::vector<column> columns_;
};

}  // namespace chainrule

#endif  // CHAINRULE_DATA_TABLE_HPP

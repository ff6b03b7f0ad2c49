/// \file
/// Reading of CSV files: fields with a separator between them, a line for each row.
///
///     const table t = read_csv("houses.csv");
///     const table u = read_csv("data.txt", {.separator = ';', .header = false,
///                                           .missing = missing_values::as_nan,
///                                           .missing_texts = {"NA", "?"}});
///
/// A field in double quotes may hold separators, line breaks and quotes, which are doubled: "a
/// ""b""". Lines end with LF or CR LF; lines without any character are skipped, a UTF-8 byte order
/// mark too. A column is of numbers if all of its fields are, else of text. Numbers are finite and
/// written with a decimal point, whatever the locale is; spaces around them are ignored. Files may
/// be compressed by gzip, see data/gzip.hpp. Format: RFC 4180. See also data/table.hpp.
#ifndef CHAINRULE_DATA_CSV_HPP
#define CHAINRULE_DATA_CSV_HPP

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/text.hpp"
#include "chainrule/data/byte_source.hpp"
#include "chainrule/data/gzip.hpp"
#include "chainrule/data/table.hpp"

namespace chainrule {

/// What becomes of a field without a value.
enum class missing_values : unsigned char {
  refuse,
  as_nan  // NaN in a column of numbers, an empty text in one of text
};

/// How a CSV file is read, and the largest one that is accepted.
struct csv_options {
  /// Character between two fields.
  char separator = ',';
  bool header = true;  // the first row has the names; else, and if empty, these are "0", "1", ...
  /// What becomes of a field without a value.
  missing_values missing = missing_values::refuse;
  std::vector<std::string> missing_texts{};          // that have no value, beside empty fields
  std::uint64_t max_bytes = std::uint64_t{1} << 30;  // of the text, decompressed
  /// Greatest number of rows that is accepted.
  index_t max_rows = std::numeric_limits<std::int32_t>::max();
  /// Greatest number of columns that is accepted.
  index_t max_columns = 10000;
};

namespace detail {

/// Walks over the fields of a CSV text.
class csv_cursor {
 public:
  csv_cursor(std::string_view text, char separator, const std::string& name)
      : text_(text), separator_(separator), name_(name) {
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  /// Goes to the next row; false if there is none.
  bool next_row() {
    while (skip_line_end()) {
    }
    row_ended_ = at_ == text_.size();
    column_ = 0;
    return !row_ended_;
  }
  /// Goes to the next field of the row; false if there is none. Throws format_error.
  bool next_field() {
    if (row_ended_) return false;
    ++column_;
    line_of_field_ = line_;
    field_.clear();
    is_quoted_ = at_ < text_.size() && text_[at_] == '"';
    if (is_quoted_) {
      read_quoted();
    } else {
      const std::size_t end = end_of_plain();
      field_ = text_.substr(at_, end - at_);
      at_ = end;
    }
    if (at_ == text_.size() || skip_line_end())
      row_ended_ = true;
    else
      ++at_;  // the separator
    return true;
  }

  [[nodiscard]] const std::string& field() const { return field_; }
  [[nodiscard]] bool is_quoted() const { return is_quoted_; }
  /// The place of the field, from 1.
  [[nodiscard]] index_t line() const { return line_of_field_; }
  [[nodiscard]] index_t column() const { return column_; }

  template <class... Part>
  [[noreturn]] void refuse(const Part&... what) const {
    throw format_error(
        concat(name_, ", line ", line_of_field_, ", column ", column_, ": ", what...));
  }

 private:
  bool skip_line_end() {
    const std::size_t length = line_end_at(at_);
    at_ += length;
    if (length > 0) ++line_;
    return length > 0;
  }
  [[nodiscard]] std::size_t line_end_at(std::size_t at) const {
    if (text_.substr(at, 1) == "\n") return 1;
    return text_.substr(at, 2) == "\r\n" ? 2 : 0;
  }
  [[nodiscard]] std::size_t end_of_plain() const {
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != separator_ && text_[end] != '\n') ++end;
    const bool is_crlf =
        end < text_.size() && text_[end] == '\n' && end > at_ && text_[end - 1] == '\r';
    return is_crlf ? end - 1 : end;
  }
  void read_quoted() {
    for (++at_;; ++at_) {
      if (at_ == text_.size()) refuse("the quote that opens this field is not closed");
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '"') {
        if (text_.substr(at_ + 1, 1) != "\"") break;
        ++at_;
      }
      field_ += text_[at_];
    }
    ++at_;
    if (at_ < text_.size() && text_[at_] != separator_ && line_end_at(at_) == 0)
      refuse("text follows the quote that closes this field; quotes within a field are doubled");
  }

  std::string_view text_;
  char separator_;
  const std::string& name_;
  std::size_t at_ = 0;
  index_t line_ = 1;
  index_t line_of_field_ = 1;
  index_t column_ = 0;
  bool row_ended_ = false;
  bool is_quoted_ = false;
  std::string field_;
};

}  // namespace detail

/// The table that a CSV text holds; `name` is what messages call it. Throws format_error, with line
/// and column, if a field has no value where that is refused, a quote is not closed, rows differ in
/// length, two columns have one name, or the text is larger than the options accept; value_error if
/// the separator is a quote or a line break.
[[nodiscard]] inline table parse_csv(std::string_view text, const csv_options& options = {},
                                     const std::string& name = "the text") {
  if (options.separator == '"' || options.separator == '\n' || options.separator == '\r')
    throw value_error("the separator of a CSV file is neither a quote nor a line break");
  if (text.size() > options.max_bytes)
    throw format_error(detail::concat(name, " has ", text.size(), " bytes, more than the ",
                                      options.max_bytes, " accepted (csv_options::max_bytes)"));
  struct column {
    std::string name;
    std::string why_text{};  // "" while all fields are numbers
    std::vector<double> numbers{};
    std::vector<std::int32_t> codes{};
    std::vector<std::string> texts{};
    std::map<std::string, std::int32_t, std::less<>> code_of{};
  };
  std::vector<column> columns;
  const auto is_missing = [&](const detail::csv_cursor& c) {
    return (c.field().empty() && !c.is_quoted()) ||
           std::find(options.missing_texts.begin(), options.missing_texts.end(), c.field()) !=
               options.missing_texts.end();
  };

  // The first pass checks everything and finds out of what kind each column is; the second stores.
  index_t rows = 0;
  detail::csv_cursor c(text, options.separator, name);
  for (bool is_first = true; c.next_row(); is_first = false) {
    const bool is_header = is_first && options.header;
    if (!is_header && ++rows > options.max_rows)
      throw format_error(detail::concat(name, " has more than the ", options.max_rows,
                                        " rows accepted (csv_options::max_rows)"));
    index_t count = 0;
    for (; c.next_field(); ++count) {
      if (is_first) {
        if (count == options.max_columns)
          c.refuse("there are more than the ", options.max_columns,
                   " columns accepted (csv_options::max_columns)");
        columns.push_back({is_header && !c.field().empty() ? c.field() : detail::concat(count)});
        if (is_header) continue;
      }
      if (count == static_cast<index_t>(columns.size()))
        c.refuse("this row has more fields than the ", columns.size(), " of the first row");
      column& to = columns[static_cast<std::size_t>(count)];
      double x = 0;
      if (is_missing(c)) {
        if (options.missing == missing_values::refuse)
          c.refuse("column ", detail::name_text(to.name),
                   " has no value here; csv_options::missing may accept that");
      } else if (to.why_text.empty() && !detail::parse_number(c.field(), x)) {
        to.why_text =
            detail::concat(" (", detail::name_text(c.field(), 40), " in line ", c.line(), ")");
      }
    }
    if (count < static_cast<index_t>(columns.size()))
      c.refuse("this row has ", count, " fields, expected the ", columns.size(),
               " of the first row");
  }

  detail::csv_cursor again(text, options.separator, name);
  if (options.header && again.next_row())
    while (again.next_field()) {
    }
  for (column& to : columns)
    if (to.why_text.empty()) to.numbers.reserve(static_cast<std::size_t>(rows));
  while (again.next_row())
    for (auto to = columns.begin(); again.next_field(); ++to) {
      const bool has_value = !is_missing(again);
      if (to->why_text.empty()) {
        double x = std::numeric_limits<double>::quiet_NaN();
        if (has_value) (void)detail::parse_number(again.field(), x);
        to->numbers.push_back(x);
        continue;
      }
      const std::string_view field = has_value ? std::string_view(again.field()) : "";
      auto found = to->code_of.find(field);
      if (found == to->code_of.end()) {
        found = to->code_of.emplace(field, static_cast<std::int32_t>(to->texts.size())).first;
        to->texts.emplace_back(field);
      }
      to->codes.push_back(found->second);
    }

  table result(name);
  try {
    for (column& from : columns)
      if (from.why_text.empty())
        result.add(std::move(from.name), std::move(from.numbers));
      else
        result.add(std::move(from.name), std::move(from.codes), std::move(from.texts),
                   std::move(from.why_text));
  } catch (const value_error& e) {  // two columns of one name
    throw format_error(e.what());
  }
  return result;
}

/// Reads a CSV file. Throws io_error if it cannot be read, and as parse_csv.
[[nodiscard]] inline table read_csv(const std::string& path, const csv_options& options = {}) {
  byte_source source(path);
  std::string text;
  constexpr std::size_t at_once = std::size_t{1} << 20;
  while (!source.at_end() && text.size() <= options.max_bytes) {
    const std::size_t before = text.size();
    text.resize(before + at_once);
    text.resize(before + source.read(text.data() + before, at_once));
  }
  return parse_csv(text, options, path);
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_CSV_HPP

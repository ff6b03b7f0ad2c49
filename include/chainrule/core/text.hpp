/// \file
/// Formatted text: numbers in a given format and back, cells of tables, names in messages.
#ifndef CHAINRULE_CORE_TEXT_HPP
#define CHAINRULE_CORE_TEXT_HPP

#include <charconv>
#include <concepts>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule::detail {

/// What printf would print, up to 127 characters. Not a template: one function for all patterns.
[[nodiscard, gnu::noinline, gnu::format(printf, 1, 2)]] inline std::string format(
    const char* pattern, ...) {
  char text[128];
  std::va_list args;
  va_start(args, pattern);
  std::vsnprintf(text, sizeof text, pattern, args);
  va_end(args);
  return text;
}

/// Appends the bytes of a word, the lowest first, on every host.
template <std::unsigned_integral Word>
void append_little_endian(std::string& out, Word word) {
  for (std::size_t i = 0; i < sizeof(Word); ++i)
    out += static_cast<char>(static_cast<unsigned char>(word >> (8 * i)));
}

/// `text` with spaces before it, `width` characters in all; a longer text as it is.
[[nodiscard, gnu::noinline]] inline std::string padded_left(std::string_view text,
                                                            std::size_t width) {
  std::string padded(text.size() < width ? width - text.size() : 0, ' ');
  return padded += text;
}

/// `text` with spaces after it, `width` characters in all; a longer text as it is.
[[nodiscard, gnu::noinline]] inline std::string padded_right(std::string_view text,
                                                             std::size_t width) {
  std::string padded(text);
  if (padded.size() < width) padded.resize(width, ' ');
  return padded;
}

/// 101770 as "101,770"; the number is not negative.
[[nodiscard, gnu::noinline]] inline std::string grouped(index_t number) {
  std::string digits = concat(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

/// The shortest digits that are read as the same number again.
[[nodiscard, gnu::noinline]] inline std::string digits_of(double value) {
  char digits[32];
  char* const begin = digits;
  return {begin, std::to_chars(begin, begin + sizeof digits, value).ptr};
}

/// Assigns the number that all of a text is, but for spaces around it; false if it is none or not
/// finite, or too small or too large for a double.
[[nodiscard]] inline bool parse_number(std::string_view text, double& x) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  const char* const end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, x);
  return status == std::errc{} && stop == end && is_finite(x);
}

/// `text` in single quotes for a message. What comes from a file may be hostile: whatever could
/// confuse a terminal is shown as '?', and what is longer than `longest` is cut.
[[nodiscard]] inline std::string name_text(std::string_view text, std::size_t longest = 100) {
  std::string out = "'";
  for (const char c : text.substr(0, longest)) out += c >= ' ' && c <= '~' ? c : '?';
  return out + (text.size() > longest ? "...'" : "'");
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_TEXT_HPP

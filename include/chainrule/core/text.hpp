/// \file
/// Formatted text: numbers in a given format, and cells of tables.
#ifndef CHAINRULE_CORE_TEXT_HPP
#define CHAINRULE_CORE_TEXT_HPP

#include <cstdio>
#include <string>

#include "chainrule/core/shape.hpp"

namespace chainrule::detail {

/// What printf would print, up to 127 characters.
template <class... Args>
[[nodiscard]] std::string format(const char* pattern, Args... args) {
  char text[128];
  std::snprintf(text, sizeof text, pattern, args...);
  return text;
}

/// `text` with spaces before it, `width` characters in all; a longer text as it is.
[[nodiscard]] inline std::string padded_left(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

/// `text` with spaces after it, `width` characters in all; a longer text as it is.
[[nodiscard]] inline std::string padded_right(const std::string& text, std::size_t width) {
  return text.size() < width ? text + std::string(width - text.size(), ' ') : text;
}

/// 101770 as "101,770"; the number is not negative.
[[nodiscard]] inline std::string grouped(index_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_TEXT_HPP

/// \file
/// Numbers as text and back, whatever the locale is.
///
///     detail::digits_of(0.1);              // "0.1"
///     double x;
///     detail::parse_number(" +1e3", x);    // true, x is 1000
#ifndef CHAINRULE_CORE_NUMBER_TEXT_HPP
#define CHAINRULE_CORE_NUMBER_TEXT_HPP

#include <charconv>
#include <string>
#include <string_view>

#include "chainrule/core/finite.hpp"

namespace chainrule::detail {

/// The shortest digits that are read as the same number again.
[[nodiscard]] inline std::string digits_of(double value) {
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

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_NUMBER_TEXT_HPP

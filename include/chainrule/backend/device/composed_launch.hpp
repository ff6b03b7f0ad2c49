/// \file
/// Launches that are composed into one kernel, and what that needs to know of their texts.
///
/// See cuda/persistent_kernel.hpp and opencl/persistent_kernel.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_COMPOSED_LAUNCH_HPP
#define CHAINRULE_BACKEND_DEVICE_COMPOSED_LAUNCH_HPP

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// A launch: the text of its kernel, its work items, its arguments.
struct composed_launch {
  std::string_view text;
  work items;
  std::span<const argument> arguments;
};

/// An argument of that value.
template <class Value>
[[nodiscard]] argument argument_of(const Value& value) {
  argument a;
  static_assert(sizeof value <= sizeof a.bytes);
  a.size = sizeof value;
  std::memcpy(a.bytes.data(), &value, sizeof value);
  return a;
}

namespace persistent_detail {

[[nodiscard]] inline bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}
/// The end of the name that begins at `from`.
[[nodiscard]] inline std::size_t end_of_name(std::string_view text, std::size_t from) {
  while (from < text.size() && is_of_name(text[from])) ++from;
  return from;
}
/// The last name that ends at or before `to`, and where it begins.
[[nodiscard]] inline std::string_view last_name(std::string_view text) {
  while (!text.empty() && !is_of_name(text.back())) text.remove_suffix(1);
  std::size_t from = text.size();
  while (from > 0 && is_of_name(text[from - 1])) --from;
  return text.substr(from);
}

/// Whether a text has a typedef of that name, each of which is a line.
[[nodiscard]] inline bool defines(std::string_view text, std::string_view type) {
  static constexpr std::string_view begin = "typedef ";
  for (std::size_t at = text.find(begin); at != std::string_view::npos; at = text.find(begin, at)) {
    const std::size_t end = text.find('\n', at);
    if (last_name(text.substr(at, end - at)) == type) return true;
    at += begin.size();
  }
  return false;
}

/// A parameter of a kernel: its type and its name.
struct parameter {
  std::string type, name;
};
[[nodiscard]] inline parameter parameter_of(std::string_view source, std::string_view text,
                                            const std::string& prefix) {
  parameter p;
  p.name = last_name(text);
  const std::string_view type = text.substr(0, text.rfind(p.name));
  for (std::size_t at = 0; at < type.size();) {
    const std::size_t end = std::max(end_of_name(type, at), at + 1);
    const std::string_view word = type.substr(at, end - at);
    if (defines(source, word)) p.type += prefix;
    if (is_of_name(word[0]) || word == "*")
      p.type += word;
    else if (!p.type.empty() && p.type.back() != ' ')
      p.type += ' ';
    at = end;
  }
  return p;
}

/// The parameters of a text's kernel; `prefix` precedes the names of types that the text defines.
[[nodiscard]] inline std::vector<parameter> parameters_of(std::string_view source,
                                                          const std::string& prefix) {
  std::vector<parameter> list;
  std::size_t at = source.find('(', source.find("cr_main(")) + 1;
  for (const std::size_t end = source.find(')', at); at < end;) {
    const std::size_t next = std::min(source.find(',', at), end);
    list.push_back(parameter_of(source, source.substr(at, next - at), prefix));
    at = next + 1;
  }
  return list;
}

/// The lines that undo the definitions of a text.
[[nodiscard]] inline std::string undefined(std::string_view text) {
  static constexpr std::string_view define = "#define ";
  std::string lines;
  for (std::size_t at = text.find(define); at != std::string_view::npos;
       at = text.find(define, at)) {
    at += define.size();
    const std::string_view name = text.substr(at, end_of_name(text, at) - at);
    const std::string line = "#undef " + std::string(name) + "\n";
    if (lines.find(line) == std::string::npos) lines += line;
  }
  return lines;
}

}  // namespace persistent_detail
}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_COMPOSED_LAUNCH_HPP

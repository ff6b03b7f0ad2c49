/// \file
/// The numbers and words of a description, for what is built from it: a network, a file of another
/// format.
///
///     detail::extent_of(describe(dense{128}), "outputs");     // 128
#ifndef CHAINRULE_LAYERS_DESCRIPTION_VALUES_HPP
#define CHAINRULE_LAYERS_DESCRIPTION_VALUES_HPP

#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/layers/description.hpp"
#include "chainrule/layers/window_options.hpp"

namespace chainrule::detail {

[[noreturn]] inline void refuse_description(const description& d, const std::string& why) {
  throw value_error(
      concat("a layer cannot be built from its description ", to_string(d), ": ", why));
}

/// The text under a name, or null.
[[nodiscard]] inline const std::string* find_text(
    const named_texts& pairs, std::string_view name) {
  for (const auto& [key, value] : pairs)
    if (key == name) return &value;
  return nullptr;
}
/// The text under a name. Throws value_error if there is none.
[[nodiscard]] inline const std::string& text_of(
    const description& d, const named_texts& pairs,
    std::string_view name) {
  const std::string* const text = find_text(pairs, name);
  if (text == nullptr) refuse_description(d, concat("it has no '", name, "'"));
  return *text;
}

/// All of a text as a number. Throws value_error.
template <class T>
[[nodiscard]] T number_of(const description& d, std::string_view text) {
  T value{};
  const char* const end = text.data() + text.size();
  const auto [stopped, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc{} || stopped != end)
    refuse_description(d, concat("expected a number, got '", text, "'"));
  return value;
}

[[nodiscard]] inline index_t extent_of(const description& d, std::string_view name) {
  return number_of<index_t>(d, text_of(d, d.extents, name));
}

[[nodiscard]] inline double constant_of(const description& d, std::string_view name) {
  return number_of<double>(d, text_of(d, d.constants, name));
}
/// An extent of 0 or 1, or what it is where it was not stated.
[[nodiscard]] inline bool flag_of(const description& d, std::string_view name, bool otherwise) {
  const std::string* const text = find_text(d.extents, name);
  return text == nullptr ? otherwise : number_of<int>(d, *text) != 0;
}

/// The parts of "28x28x1", of "0.1, 2" or of "3.1".
[[nodiscard]] inline std::vector<std::string_view> parts_of(std::string_view text,
                                                            std::string_view between) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(between);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + between.size());
  }
}

[[nodiscard]] inline shape shape_of(const description& d, std::string_view name) {
  shape s;
  for (const std::string_view n : parts_of(text_of(d, d.extents, name), "x"))
    s = s.followed_by(number_of<index_t>(d, n));
  return s;
}

/// "2x3" as extents of height and width; `otherwise` where there is none of that name.
[[nodiscard]] inline extent2d extent2d_of(const description& d, std::string_view name,
                                          extent2d otherwise) {
  const std::string* const text = find_text(d.extents, name);
  if (text == nullptr) return otherwise;
  const auto parts = parts_of(*text, "x");
  if (parts.size() != 2) refuse_description(d, concat("expected two extents, got '", *text, "'"));
  return {number_of<index_t>(d, parts[0]), number_of<index_t>(d, parts[1])};
}
[[nodiscard]] inline padding padding_of(const description& d) {
  const std::string* const text = find_text(d.extents, "pad");
  return text != nullptr && *text == "same" ? same : padding(extent2d_of(d, "pad", 0));
}
/// The text of an extent, or `otherwise` where there is none of that name.
[[nodiscard]] inline std::string_view text_or(const description& d, std::string_view name,
                                              std::string_view otherwise) {
  const std::string* const text = find_text(d.extents, name);
  return text == nullptr ? otherwise : std::string_view(*text);
}
/// An extent, 0 where there is none of that name.
[[nodiscard]] inline index_t extent_or_0(const description& d, std::string_view name) {
  return find_text(d.extents, name) == nullptr ? 0 : extent_of(d, name);
}
/// "leaky_relu(0.2)" as its name and constants.
struct call_in_words {
  std::string_view name;
  std::vector<double> constants;

  call_in_words(const description& d, std::string_view text)
      : name(text.substr(0, text.find('('))) {
    if (name.size() == text.size()) return;
    if (text.back() != ')') refuse_description(d, concat("expected ')' behind '", text, "'"));
    const std::string_view list = text.substr(name.size() + 1, text.size() - name.size() - 2);
    for (const std::string_view c : parts_of(list, ", "))
      constants.push_back(number_of<double>(d, c));
  }
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_LAYERS_DESCRIPTION_VALUES_HPP

/// \file
/// Descriptions as JSON, which files of weights carry.
///
///     const std::string text = to_json(net.describe());
///     // {"kind":"network","extents":{"input":"784"},"layers":[{"kind":"dense",...}]}
///     const description d = description_from_json(text, "net.safetensors");
///
/// What is read is not trusted: depth and lengths are limited, and every key must be known.
#ifndef CHAINRULE_IO_DESCRIPTION_HPP
#define CHAINRULE_IO_DESCRIPTION_HPP

#include <string>
#include <string_view>
#include <utility>

#include "chainrule/io/json_cursor.hpp"
#include "chainrule/layers/description.hpp"

namespace chainrule {

namespace detail {

inline constexpr int max_description_depth = 32;
inline constexpr std::size_t max_description_text = 256;  // of a name or a value
inline constexpr std::size_t max_description_pairs = 64;

/// Whether a name or a value can be read again.
[[nodiscard]] inline bool is_readable(const std::string& text) {
  return !text.empty() && text.size() <= max_description_text;
}

/// Throws value_error if the layer, at that depth, could not be read again.
inline void require_readable(const description& d, int depth) {
  bool readable = depth <= max_description_depth && is_readable(d.kind) &&
                  d.activation.size() <= max_description_text;
  for (const auto* pairs : {&d.extents, &d.constants, &d.options}) {
    readable = readable && pairs->size() <= max_description_pairs;
    for (const auto& [name, value] : *pairs)
      readable = readable && is_readable(name) && is_readable(value);
  }
  if (!readable)
    throw value_error(concat("the description of a layer (", d.kind,
                             ") does not fit a file: its "
                             "names and values have 1 to ",
                             max_description_text, " bytes, at most ", max_description_pairs,
                             " of each kind, in blocks of depth ", max_description_depth,
                             " at most"));
}

inline void append_pairs(std::string& out, const char* key, const named_texts& pairs) {
  if (pairs.empty()) return;
  out += concat(",\"", key, "\":");
  char before = '{';
  for (const auto& [name, value] : pairs) {
    out += std::exchange(before, ',');
    append_json_string(out, name);
    out += ':';
    append_json_string(out, value);
  }
  out += '}';
}

inline void append_description(std::string& out, const description& d, int depth) {
  require_readable(d, depth);
  out += "{\"kind\":";
  append_json_string(out, d.kind);
  append_pairs(out, "extents", d.extents);
  append_pairs(out, "constants", d.constants);
  if (!d.activation.empty()) {
    out += ",\"activation\":";
    append_json_string(out, d.activation);
  }
  append_pairs(out, "options", d.options);
  if (!d.layers.empty()) {
    out += ",\"layers\":";
    char before = '[';
    for (const description& l : d.layers) {
      out += std::exchange(before, ',');
      append_description(out, l, depth + 1);
    }
    out += ']';
  }
  out += '}';
}

[[nodiscard]] inline description read_description(json_cursor& in, int depth) {
  if (depth > max_description_depth) in.refuse("blocks of layers are nested too deeply");
  description d;
  const auto text = [&] {
    std::string s = in.string();
    if (!is_readable(s)) in.refuse("a name or value is empty or too long");
    return s;
  };
  const auto pairs = [&](detail::named_texts& list) {
    in.members([&](const std::string& name) {
      if (!is_readable(name)) in.refuse("a name or value is empty or too long");
      list.push_back({name, text()});
    });
  };
  in.members([&](const std::string& key) {
    if (key == "kind")
      d.kind = text();
    else if (key == "extents")
      pairs(d.extents);
    else if (key == "constants")
      pairs(d.constants);
    else if (key == "activation")
      d.activation = text();
    else if (key == "options")
      pairs(d.options);
    else if (key == "layers")
      in.elements([&] { d.layers.push_back(read_description(in, depth + 1)); });
    else
      in.refuse("a layer has a key that is not known");
  });
  if (d.kind.empty()) in.refuse("a layer needs a kind");
  if ((d.kind == "frozen" || d.kind == "in_group") && d.layers.size() != 1)
    in.refuse("a layer that wraps another holds exactly one");
  return d;
}

}  // namespace detail

/// One line of JSON. Throws value_error if names or values are longer than what is read.
[[nodiscard]] inline std::string to_json(const description& d) {
  std::string out;
  detail::append_description(out, d, 0);
  return out;
}

/// The description that to_json wrote. Throws format_error, beginning with `where`, for any other
/// text.
[[nodiscard]] inline description description_from_json(std::string_view text,
                                                       std::string_view where) {
  detail::json_cursor in(text, where, detail::max_description_pairs);
  description d = detail::read_description(in, 0);
  in.finish();
  return d;
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_DESCRIPTION_HPP

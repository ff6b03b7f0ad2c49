/// \file
/// Reads the JSON whose structure is known beforehand, strictly and front to back: the caller says
/// what must come next, and everything else is an error. No tree is built, and the cursor itself
/// does not recurse, whatever a file holds.
///
///     chainrule::detail::json_cursor in(R"({"rows":3})", "settings.json");
///     in.members([&](const std::string& key) {
///       if (key != "rows") in.refuse("the key is not known");
///       rows = in.unsigned_integer();
///     });
///     in.finish();
///
/// See also io/safetensors_header.hpp.
#ifndef CHAINRULE_IO_JSON_CURSOR_HPP
#define CHAINRULE_IO_JSON_CURSOR_HPP

#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"

namespace chainrule::detail {

/// Walks over one JSON text (RFC 8259). Every member throws format_error where the text is not
/// what it asks for.
class json_cursor {
 public:
  /// `where` begins every message; it and `text` must outlive the cursor. No object may have more
  /// than `most_keys`.
  json_cursor(std::string_view text, std::string_view where,
              std::size_t most_keys = std::numeric_limits<std::size_t>::max())
      : text_(text), where_(where), most_keys_(most_keys) {}

  /// Throws format_error: `what` is wrong where the cursor stands.
  [[noreturn]] void refuse(std::string_view what) const {
    throw format_error(concat(where_, ": the header is malformed near its byte ", at_, ": ", what));
  }

  /// An object: calls `each(key)` before every value, which `each` must read. Refuses equal keys.
  template <class Each>
  void members(Each each) {
    expect('{');
    if (take('}')) return;
    std::set<std::string> seen;
    do {
      if (seen.size() == most_keys_)
        refuse(concat("an object has more than ", most_keys_, " keys"));
      skip_space();
      const auto [key, is_new] = seen.insert(string());
      if (!is_new) refuse("the same key stands there twice");
      expect(':');
      each(*key);
    } while (take(','));
    expect('}');
  }

  /// An array: calls `each()` before every value, which `each` must read.
  template <class Each>
  void elements(Each each) {
    expect('[');
    if (take(']')) return;
    do each();
    while (take(','));
    expect(']');
  }

  /// A string, as UTF-8.
  [[nodiscard]] std::string string() {
    expect('"');
    std::string out;
    for (char c = next(); c != '"'; c = next()) {
      if (static_cast<unsigned char>(c) < 0x20) refuse("a string holds a control character");
      if (c == '\\')
        append_escaped(out);
      else if (static_cast<unsigned char>(c) < 0x80)
        out += c;
      else
        append_multibyte(out, static_cast<unsigned char>(c));
    }
    return out;
  }

  /// A whole number from 0 to 2^64 - 1, in digits alone.
  [[nodiscard]] std::uint64_t unsigned_integer() {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    skip_space();
    const std::size_t first = at_;
    std::uint64_t value = 0;
    for (; is_digit(); ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (most - digit) / 10) refuse("a number has more than 64 bits");
      value = 10 * value + digit;
    }
    if (at_ == first) refuse("expected a whole number of at least 0");
    if (at_ - first > 1 && text_[first] == '0') refuse("a number begins with 0");
    // A fraction or an exponent fails where the caller expects what follows the number.
    return value;
  }

  /// Nothing but space may follow.
  void finish() {
    skip_space();
    if (at_ != text_.size()) refuse("expected its end");
  }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }

  [[nodiscard]] bool is_digit() const {
    return at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9';
  }

  /// Steps over `c` and says so, or stays.
  [[nodiscard]] bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  void expect(char c) {
    if (!take(c)) refuse(concat("expected ", c));
  }

  [[nodiscard]] char next() {
    if (at_ == text_.size()) refuse("it ends within a string");
    return text_[at_++];
  }

  [[nodiscard]] std::uint32_t four_hex_digits() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = next();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) refuse("\\u needs four hexadecimal digits");
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    return value;
  }

  /// What follows a backslash.
  void append_escaped(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    const char c = next();
    if (const auto which = letters.find(c); which != std::string_view::npos) {
      out += meanings[which];
      return;
    }
    if (c != 'u') refuse("a backslash is followed by what JSON does not know");
    std::uint32_t code = four_hex_digits();
    if (code >= 0xD800 && code < 0xDC00) {
      if (next() != '\\' || next() != 'u') refuse("half of a surrogate pair is missing");
      const std::uint32_t low = four_hex_digits();
      if (low < 0xDC00 || low > 0xDFFF) refuse("half of a surrogate pair is missing");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xDC00 && code <= 0xDFFF) {
      refuse("half of a surrogate pair is missing");
    }
    append_code_point(out, code);
  }

  /// The rest of a character of which `lead` is the first byte (RFC 3629).
  void append_multibyte(std::string& out, unsigned char lead) {
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    constexpr std::uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
    if (lead < 0xC2 || lead > 0xF4) refuse("a string is not valid UTF-8");
    std::uint32_t code = lead & (0x3FU >> more);
    for (int i = 0; i < more; ++i) {
      const auto c = static_cast<unsigned char>(next());
      if ((c & 0xC0U) != 0x80U) refuse("a string is not valid UTF-8");
      code = code << 6 | (c & 0x3FU);
    }
    if (code < smallest[more] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
      refuse("a string is not valid UTF-8");
    append_code_point(out, code);
  }

  static void append_code_point(std::string& out, std::uint32_t code) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr std::uint32_t leads[] = {0, 0xC0, 0xE0, 0xF0};
    out += static_cast<char>(leads[more] | code >> (6 * more));
    for (int i = more - 1; i >= 0; --i) out += static_cast<char>(0x80U | (code >> (6 * i) & 0x3FU));
  }

  std::string_view text_;
  std::string_view where_;
  std::size_t most_keys_;
  std::size_t at_ = 0;
};

/// Appends `text` as a JSON string. Bytes that are not UTF-8 stay, and a cursor refuses them.
inline void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20) {
      out += "\\u00";
      out += digits[code >> 4];
      out += digits[code & 0xFU];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_IO_JSON_CURSOR_HPP

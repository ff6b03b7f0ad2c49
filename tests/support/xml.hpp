/// \file
/// As much of an XML reader as tests of SVG and of pages need: elements, attributes in double
/// quotes, the entities amp, lt, gt and quot.
#ifndef CHAINRULE_TESTS_SUPPORT_XML_HPP
#define CHAINRULE_TESTS_SUPPORT_XML_HPP

#include <cctype>
#include <string>
#include <vector>

namespace xml {

inline bool is_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == ':';
}

/// `text` with entities replaced; false if there is another one, or a character that must not be.
inline bool decode(const std::string& text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '<' || (static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t')) return false;
    if (c != '&') {
      out += c;
      continue;
    }
    const std::size_t end = text.find(';', i);
    const std::string name = end == std::string::npos ? "" : text.substr(i + 1, end - i - 1);
    if (name == "amp")
      out += '&';
    else if (name == "lt")
      out += '<';
    else if (name == "gt")
      out += '>';
    else if (name == "quot")
      out += '"';
    else
      return false;
    i = end;
  }
  return true;
}

/// What keeps the text from being one well-formed element, or nothing. `wanted`: collects the text
/// directly within elements of this name.
inline std::string error_in(const std::string& text, const std::string& wanted = "",
                            std::vector<std::string>* found = nullptr) {
  std::vector<std::string> open;
  bool done = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t tag = text.find('<', i);
    std::string between;
    if (!decode(text.substr(i, tag - i), between)) return "a forbidden character or entity";
    if (open.empty() && between.find_first_not_of(" \n") != std::string::npos)
      return "text outside the root";
    if (!open.empty() && found != nullptr && open.back() == wanted) found->push_back(between);
    if (tag == std::string::npos) break;
    i = tag + 1;
    const bool closing = i < text.size() && text[i] == '/';
    if (closing) ++i;
    std::string name;
    while (i < text.size() && is_name(text[i])) name += text[i++];
    if (name.empty()) return "a tag without a name";
    std::vector<std::string> attributes;
    while (i < text.size() && (text[i] == ' ' || text[i] == '\n')) {
      ++i;
      std::string attribute, value;
      while (i < text.size() && is_name(text[i])) attribute += text[i++];
      const std::size_t end = text.find('"', i + 2);
      if (attribute.empty() || text.substr(i, 2) != "=\"" || end == std::string::npos ||
          !decode(text.substr(i + 2, end - i - 2), value))
        return "a bad attribute of " + name;
      for (const std::string& other : attributes)
        if (other == attribute) return "two attributes " + attribute;
      attributes.push_back(attribute);
      i = end + 1;
    }
    const bool empty = i < text.size() && text[i] == '/';
    if (empty) ++i;
    if (i >= text.size() || text[i++] != '>') return "a tag without an end: " + name;
    if (closing) {
      if (open.empty() || open.back() != name) return "no open element " + name;
      open.pop_back();
    } else {
      if (open.empty() && done) return "a second root";
      done = true;
      if (!empty) open.push_back(name);
    }
  }
  return open.empty() ? done ? "" : "no element" : "not closed: " + open.back();
}

inline std::vector<std::string> texts(const std::string& text, const std::string& element) {
  std::vector<std::string> found;
  (void)error_in(text, element, &found);
  return found;
}

}  // namespace xml

#endif  // CHAINRULE_TESTS_SUPPORT_XML_HPP

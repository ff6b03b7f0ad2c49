/// \file
/// What the library throws, and how its messages are put together.
///
/// Every message is one sentence: what is wrong, where, what was expected, what was found and,
/// where it helps, what to do.
///
///     try {
///       chainrule::network net{chainrule::cpu{}, dense{784, 128}, dense{64, 10}};
///     } catch (const chainrule::shape_error& e) {
///       std::puts(e.what());  // layer 1 (dense) expects 64 features, layer 0 (dense) produces 128
///     }
#ifndef CHAINRULE_CORE_ERROR_HPP
#define CHAINRULE_CORE_ERROR_HPP

#include <concepts>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

namespace chainrule {

/// The base of everything the library throws.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Extents that do not fit together.
class shape_error : public error {
 public:
  using error::error;
};

/// A value outside its range: an option, a rate, a class index.
class value_error : public error {
 public:
  using error::error;
};

/// A file whose content is not what its format or the caller demands.
class format_error : public error {
 public:
  using error::error;
};

/// The operating system refused: a missing file, a full disk, a denied permission.
class io_error : public error {
 public:
  using error::error;
};

/// A device, its driver or its compiler failed.
class backend_error : public error {
 public:
  using error::error;
};

namespace detail {

inline void append(std::string& out, std::string_view text) { out += text; }
inline void append(std::string& out, char c) { out += c; }
inline void append(std::string& out, std::integral auto value) { out += std::to_string(value); }
inline void append(std::string& out, std::floating_point auto value) {
  char digits[32];
  std::snprintf(digits, sizeof digits, "%g", static_cast<double>(value));
  out += digits;
}

/// The arguments as one text: strings as they are, numbers in decimal.
template <class... Args>
[[nodiscard]] std::string concat(const Args&... args) {
  std::string out;
  (append(out, args), ...);
  return out;
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_CORE_ERROR_HPP

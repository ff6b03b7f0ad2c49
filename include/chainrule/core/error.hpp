/// \file
/// The exceptions of the library, and the composition of their messages.
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
#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "chainrule/core/compiler.hpp"

namespace chainrule {

/// The base of all exceptions of the library. Exceptions of callbacks, and std::bad_alloc where
/// there is no memory even for a string, are passed on.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Extents do not match.
class shape_error : public error {
 public:
  using error::error;
};

/// A value outside its range: an option, a rate, a class index.
class value_error : public error {
 public:
  using error::error;
};

/// The content of a file is not what its format or the caller requires.
class format_error : public error {
 public:
  using error::error;
};

/// An error of the operating system: a missing file, a full disk, a denied permission.
class io_error : public error {
 public:
  using error::error;
};

/// A device, its driver or its compiler failed.
class backend_error : public error {
 public:
  using error::error;
};

/// Another process of a training does not answer, or was lost.
class communication_error : public error {
 public:
  using error::error;
};

/// The host or a device is out of memory.
class out_of_memory : public backend_error {
 public:
  using backend_error::backend_error;
};

namespace detail {

/// A part of a message: text, or a number that is written in decimal. Two words, which hundreds of
/// places write to the stack.
class message_part {
 public:
  message_part(std::string_view text)
      : size_(text.size()), text_(text.data()) {}                           // NOLINT: implicit
  message_part(const char* text) : message_part(std::string_view(text)) {}  // NOLINT: implicit
  message_part(const std::string& text)
      : message_part(std::string_view(text)) {}               // NOLINT: implicit
  message_part(char c) : size_(is_character), integer_(c) {}  // NOLINT: implicit
  message_part(std::signed_integral auto value)               // NOLINT: implicit
      : size_(is_integer), integer_(value) {}
  message_part(std::unsigned_integral auto value)  // NOLINT: implicit
      : size_(is_natural), natural_(value) {}
  message_part(std::floating_point auto value)  // NOLINT: implicit
      : size_(is_real), real_(static_cast<double>(value)) {}

  void append_to(std::string& out) const {
    char digits[32];
    int count = 1;
    if (size_ == is_character)
      digits[0] = static_cast<char>(integer_);
    else if (size_ == is_integer)
      count = std::snprintf(digits, sizeof digits, "%lld", integer_);
    else if (size_ == is_natural)
      count = std::snprintf(digits, sizeof digits, "%llu", natural_);
    else if (size_ == is_real)
      count = std::snprintf(digits, sizeof digits, "%g", real_);
    else
      count = -1;
    if (count < 0)
      out.append(text_, size_);
    else
      out.append(digits, static_cast<std::size_t>(count));
  }

 private:
  // Sizes that no text has.
  static constexpr std::size_t is_character = static_cast<std::size_t>(-1);
  static constexpr std::size_t is_integer = static_cast<std::size_t>(-2);
  static constexpr std::size_t is_natural = static_cast<std::size_t>(-3);
  static constexpr std::size_t is_real = static_cast<std::size_t>(-4);

  std::size_t size_;
  union {
    const char* text_;
    long long integer_;
    unsigned long long natural_;
    double real_;
  };
};

[[nodiscard, gnu::noinline]] inline std::string join(const message_part* parts, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) parts[i].append_to(out);
  return out;
}

// For up to six arguments, which most messages have, `concat` and `fail` are no templates over
// their types: a literal of each length is one of its own.
/// The arguments as one text: strings as they are, numbers in decimal. Calls are many and rarely
/// executed, so their code is small: each lists its parts, and one function joins them.
template <class... Args>
requires(sizeof...(Args) == 0 || sizeof...(Args) > 6) [[nodiscard]] std::string
    concat(const Args&... args) {
  const message_part parts[] = {message_part(args)..., message_part("")};
  return join(parts, sizeof...(Args));
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a) {
  const message_part parts[] = {a};
  return join(parts, 1);
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a, message_part b) {
  const message_part parts[] = {a, b};
  return join(parts, 2);
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a, message_part b,
                                                       message_part c) {
  const message_part parts[] = {a, b, c};
  return join(parts, 3);
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a, message_part b,
                                                       message_part c, message_part d) {
  const message_part parts[] = {a, b, c, d};
  return join(parts, 4);
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a, message_part b,
                                                       message_part c, message_part d,
                                                       message_part e) {
  const message_part parts[] = {a, b, c, d, e};
  return join(parts, 5);
}
[[nodiscard, gnu::noinline]] inline std::string concat(message_part a, message_part b,
                                                       message_part c, message_part d,
                                                       message_part e, message_part f) {
  const message_part parts[] = {a, b, c, d, e, f};
  return join(parts, 6);
}

template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void throw_joined(const message_part* parts,
                                                         std::size_t count) {
  throw Error(join(parts, count));
}

/// Throws Error with the arguments as its text: see concat. A throw expression in its place is
/// three times as much code, at hundreds of places.
template <class Error, class... Args>
requires(sizeof...(Args) > 6) [[noreturn]] void fail(const Args&... args) {
  const message_part parts[] = {message_part(args)...};
  throw_joined<Error>(parts, sizeof...(Args));
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a) {
  const message_part parts[] = {a};
  throw_joined<Error>(parts, 1);
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a, message_part b) {
  const message_part parts[] = {a, b};
  throw_joined<Error>(parts, 2);
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a, message_part b, message_part c) {
  const message_part parts[] = {a, b, c};
  throw_joined<Error>(parts, 3);
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a, message_part b, message_part c,
                                                 message_part d) {
  const message_part parts[] = {a, b, c, d};
  throw_joined<Error>(parts, 4);
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a, message_part b, message_part c,
                                                 message_part d, message_part e) {
  const message_part parts[] = {a, b, c, d, e};
  throw_joined<Error>(parts, 5);
}
template <class Error>
[[noreturn, gnu::cold, gnu::noinline]] void fail(message_part a, message_part b, message_part c,
                                                 message_part d, message_part e, message_part f) {
  const message_part parts[] = {a, b, c, d, e, f};
  throw_joined<Error>(parts, 6);
}

[[noreturn, gnu::cold, gnu::noinline]] inline void throw_out_of_memory(long long elements,
                                                                       std::size_t bytes_each) {
  fail<out_of_memory>("the memory of the host does not suffice for ", elements, " elements of ",
                      bytes_each, " bytes; use smaller batches or a smaller network");
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_CORE_ERROR_HPP

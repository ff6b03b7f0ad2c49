/// \file
/// An owning POSIX file descriptor, and complete read, write and sync calls on it (short and
/// interrupted calls are repeated).
///
///     const chainrule::detail::file_descriptor file{::open(path, O_RDONLY | O_CLOEXEC)};
///     if (!file) throw chainrule::io_error(chainrule::detail::system_says("cannot open", path));
///
/// See also core/temporary_file.hpp, io/atomic_file.hpp.
#ifndef CHAINRULE_CORE_FILE_DESCRIPTOR_HPP
#define CHAINRULE_CORE_FILE_DESCRIPTOR_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "chainrule/core/error.hpp"

namespace chainrule::detail {

/// "<what> '<path>': <the text for errno>". Call it before anything else can change errno.
[[nodiscard]] inline std::string system_says(std::string_view what, std::string_view path,
                                             int code = errno) {
  return concat(what, " '", path, "': ", std::generic_category().message(code));
}

/// Owns a file descriptor; -1 is none.
class file_descriptor {
 public:
  file_descriptor() = default;
  explicit file_descriptor(int number) : number_(number) {}
  file_descriptor(file_descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  file_descriptor& operator=(file_descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~file_descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  explicit operator bool() const { return number_ >= 0; }
  [[nodiscard]] int number() const { return number_; }

  /// Closes now; false (errno says why) where a delayed write failed.
  [[nodiscard]] bool close() {
    const int number = std::exchange(number_, -1);
    // On Linux the descriptor is closed even after EINTR; closing it again could close another
    // file.
    return ::close(number) == 0 || errno == EINTR;
  }

 private:
  int number_ = -1;
};

/// Makes a folder and those above it, where they are missing; false (errno says why) if one cannot
/// be made.
[[nodiscard]] inline bool make_folders(const std::string& path, mode_t mode = 0777) {
  for (std::size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    if (::mkdir(path.substr(0, end).c_str(), mode) != 0 && errno != EEXIST) return false;
  }
  return true;
}

/// Writes all of `bytes`; false (errno says why) if that cannot be done.
[[nodiscard]] inline bool write_fully(const file_descriptor& file,
                                      std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.number(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

/// Reads until `bytes` is full or the file ends; returns how many were read, -1 (errno says why)
/// on failure.
[[nodiscard]] inline std::ptrdiff_t read_fully(const file_descriptor& file,
                                               std::span<std::byte> bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(file.number(), bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return static_cast<std::ptrdiff_t>(done);
}

/// Forces written data to the disk; false (errno says why) if that cannot be done.
[[nodiscard]] inline bool sync_fully(const file_descriptor& file) {
  int result = 0;
  do {
    result = ::fsync(file.number());
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_FILE_DESCRIPTOR_HPP

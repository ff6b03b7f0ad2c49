/// \file
/// `log_file`: a file that grows by whole records, such as the lines of a log.
///
///     log_file file("log.txt", false);
///     file.write("a line\n");
///
/// Each record is passed to the system at once: a program that is killed leaves whole records, and
/// so does a disk that is full.
/// Needs POSIX. See also train/csv_log.hpp, io/event_file.hpp.
#ifndef CHAINRULE_IO_LOG_FILE_HPP
#define CHAINRULE_IO_LOG_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"

namespace chainrule {

class log_file {
 public:
  /// A text file to append lines to, else any file, which is emptied when it is opened.
  log_file(std::string path, bool append) : path_(std::move(path)), append_(append) {}

  /// Opens the file, as the first call of write does, unless it is open. Throws io_error if it
  /// cannot be written, format_error if it is appended to and its last line has no end.
  void open() {
    if (file_) return;
    const int mode = append_ ? O_RDWR : O_WRONLY | O_TRUNC;
    detail::file_descriptor file(
        ::open(path_.c_str(), O_CREAT | O_APPEND | O_CLOEXEC | mode, 0666));
    if (!file) fail();
    struct stat status {};
    char last = '\n';
    if (append_ && ::fstat(file.number(), &status) == 0 && status.st_size > 0 &&
        ::pread(file.number(), &last, 1, status.st_size - 1) < 0)
      fail();
    if (last != '\n')
      throw format_error(detail::concat("cannot append to '", path_,
                                        "': its last line has no end; remove that line or write "
                                        "another file"));
    file_ = std::move(file);
  }

  [[nodiscard]] const std::string& path() const { return path_; }

  /// Appends a record. Throws io_error if it cannot be written, format_error as open(); where the
  /// file can be made shorter, no part of the record is left.
  void write(std::string_view record) {
    open();
    struct stat before {};
    const bool has_size = ::fstat(file_.number(), &before) == 0 && S_ISREG(before.st_mode);
    if (detail::write_fully(file_, std::as_bytes(std::span(record.data(), record.size())))) return;
    const int why = errno;
    if (has_size) static_cast<void>(!::ftruncate(file_.number(), before.st_size));
    fail(why);
  }

  /// The first line of an open file that is appended to, without its end; nothing if it is empty or
  /// the file was emptied. Throws io_error.
  [[nodiscard]] std::string first_line() const {
    std::string line;
    if (!append_) return line;
    char piece[256];
    while (true) {
      const ssize_t n =
          ::pread(file_.number(), piece, sizeof piece, static_cast<off_t>(line.size()));
      if (n < 0) fail();
      line.append(piece, static_cast<std::size_t>(n));
      const std::size_t end = line.find('\n');
      if (n == 0 || end != std::string::npos) return line.substr(0, end);
    }
  }

 private:
  [[noreturn]] void fail(int why = errno) const {
    throw io_error(detail::system_says("cannot write", path_, why));
  }

  std::string path_;
  bool append_;
  detail::file_descriptor file_;
};

}  // namespace chainrule

#endif  // CHAINRULE_IO_LOG_FILE_HPP

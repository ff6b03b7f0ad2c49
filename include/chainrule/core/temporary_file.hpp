/// \file
/// A new file with a name of its own, to be written and then renamed to what it replaces: others
/// see the old content or the new one, never a part.
///
///     chainrule::detail::temporary_file file("folder/", 0666, path);
///     if (write_fully(file.file(), bytes) && file.file().close()) (void)file.rename_to(path);
///
/// Needs POSIX. See also io/atomic_file.hpp.
#ifndef CHAINRULE_CORE_TEMPORARY_FILE_HPP
#define CHAINRULE_CORE_TEMPORARY_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"

namespace chainrule::detail {

/// A new file, removed again unless it was renamed.
class temporary_file {
 public:
  /// In `folder` (with its final slash; empty for the current one), with `permissions` less the
  /// umask. Throws io_error, which says that `path` cannot be written.
  temporary_file(const std::string& folder, mode_t permissions, const std::string& path) {
    static std::atomic<unsigned> counter{0};
    // A name in use is somebody's, or left from a crash of a process that had our number: go on.
    for (int attempt = 0; !file_ && attempt < 1000; ++attempt) {
      name_ = concat(folder, ".chainrule-", ::getpid(), "-", counter.fetch_add(1), ".tmp");
      file_ = file_descriptor{
          ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, permissions)};
      if (!file_ && errno != EEXIST && errno != EINTR) break;
    }
    if (!file_) throw io_error(system_says("cannot write", path));
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  [[nodiscard]] file_descriptor& file() { return file_; }

  /// Makes it the file at `path`; false (errno says why) if that cannot be done.
  [[nodiscard]] bool rename_to(const std::string& path) {
    if (std::rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  file_descriptor file_;
  std::string name_;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_TEMPORARY_FILE_HPP

/// \file
/// A new file with a unique name, to be written and then renamed to the file that it replaces:
/// readers see the old content or the new one, never a part.
///
///     chainrule::detail::temporary_file file("folder/", 0666, path);
///     if (write_fully(file.file(), bytes) && file.file().close()) (void)file.rename_to(path);
///
/// The file is locked (flock) while it is written, and the lock ends with the process: unlocked
/// files are leftovers of killed processes, which the next temporary file of the folder removes.
///
/// Needs POSIX. See also io/atomic_file.hpp.
#ifndef CHAINRULE_CORE_TEMPORARY_FILE_HPP
#define CHAINRULE_CORE_TEMPORARY_FILE_HPP

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"

namespace chainrule::detail {

inline constexpr std::string_view temporary_prefix = ".chainrule-";
inline constexpr std::string_view temporary_suffix = ".tmp";

/// Removes unlocked temporary files of `folder`. Files that cannot be opened or locked are kept:
/// some file systems do not support locks.
inline void remove_abandoned_files(const std::string& folder) {
  struct closer {
    DIR* stream;
    ~closer() {
      if (stream != nullptr) ::closedir(stream);
    }
  };
  const closer entries{::opendir(folder.empty() ? "." : folder.c_str())};
  if (entries.stream == nullptr) return;
  while (const dirent* const entry = ::readdir(entries.stream)) {
    const std::string_view name = static_cast<const char*>(entry->d_name);
    if (!name.starts_with(temporary_prefix) || !name.ends_with(temporary_suffix)) continue;
    const std::string path = concat(folder, name);
    const file_descriptor file{
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    struct stat status {};
    if (file && ::flock(file.number(), LOCK_SH | LOCK_NB) == 0 &&
        ::fstat(file.number(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink > 0)
      ::unlink(path.c_str());
  }
}

/// A new file, removed again unless it was renamed.
class temporary_file {
 public:
  /// In `folder` (with its final slash; empty for the current one), with `permissions` less the
  /// umask. Throws io_error, which says that `path` cannot be written.
  temporary_file(const std::string& folder, mode_t permissions, const std::string& path) {
    static std::atomic<unsigned> counter{0};
    remove_abandoned_files(folder);
    // The name is in use: try the next one.
    for (int attempt = 0; !file_ && attempt < 1000; ++attempt) {
      name_ =
          concat(folder, temporary_prefix, ::getpid(), "-", counter.fetch_add(1), temporary_suffix);
      file_ = file_descriptor{
          ::open(name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, permissions)};
      if (!file_ && errno != EEXIST && errno != EINTR) break;
      if (file_ && !lock()) file_ = {};
    }
    if (!file_) throw io_error(system_says("cannot write", path));
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;
  ~temporary_file() {
    if (!name_.empty()) ::unlink(name_.c_str());
  }

  [[nodiscard]] file_descriptor& file() { return file_; }

  /// Renames it to `path`; false (errno says why) on failure.
  [[nodiscard]] bool rename_to(const std::string& path) {
    if (std::rename(name_.c_str(), path.c_str()) != 0) return false;
    name_.clear();
    return true;
  }

 private:
  /// False if another process that removes leftover files has locked it first.
  [[nodiscard]] bool lock() {
    // A lock belongs to all duplicates of a descriptor: this one keeps it while file_ is closed.
    lock_ = file_descriptor{::fcntl(file_.number(), F_DUPFD_CLOEXEC, 0)};
    if (!lock_) return true;
    if (::flock(lock_.number(), LOCK_EX | LOCK_NB) != 0) return errno != EWOULDBLOCK;
    struct stat status {};
    return ::fstat(lock_.number(), &status) != 0 || status.st_nlink > 0;
  }

  file_descriptor file_;
  file_descriptor lock_;
  std::string name_;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_TEMPORARY_FILE_HPP

/// \file
/// Replaces a file as a whole: also after a crash or on a full disk it has the old content or the
/// new one, never a part.
///
///     const std::span<const std::byte> parts[] = {header, body};
///     chainrule::write_file_atomically("weights.safetensors", parts);
///
/// Needs POSIX. See also io/safetensors.hpp.
#ifndef CHAINRULE_IO_ATOMIC_FILE_HPP
#define CHAINRULE_IO_ATOMIC_FILE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>

#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"
#include "chainrule/core/temporary_file.hpp"

namespace chainrule {
namespace detail {

/// Where the bytes end up: `path` with symbolic links followed, and what is there now.
struct write_target {
  std::string path;
  std::string folder;  ///< with its final slash; empty for the current folder
  bool exists = false;
  mode_t permissions = 0666;  ///< of the existing file, else what open() masks with the umask
};

/// Follows links at `path` itself, so that a link stays a link and its target is replaced (the
/// target need not exist yet). Throws io_error where a file cannot or should not be replaced.
[[nodiscard]] inline write_target find_write_target(const std::string& path) {
  if (path.empty()) throw io_error("cannot write '': a file needs a name");
  write_target target;
  target.path = path;
  struct stat status {};
  for (int hops = 0;; ++hops) {
    const auto slash = target.path.rfind('/');
    target.folder = slash == std::string::npos ? "" : target.path.substr(0, slash + 1);
    if (::lstat(target.path.c_str(), &status) != 0) {
      // What is not there can be made; a name that is too long, say, could be no file's.
      if (errno != ENOENT) throw io_error(system_says("cannot write", path));
      return target;
    }
    if (!S_ISLNK(status.st_mode)) break;
    if (hops == 40) throw io_error(system_says("cannot write", path, ELOOP));
    char link[4096];
    const ssize_t length = ::readlink(target.path.c_str(), link, sizeof link);
    if (length < 0) throw io_error(system_says("cannot write", path));
    if (length == static_cast<ssize_t>(sizeof link))
      throw io_error(system_says("cannot write", path, ENAMETOOLONG));
    const std::string to(link, static_cast<std::size_t>(length));
    target.path = to.starts_with('/') ? to : target.folder + to;
  }
  // rename() would replace a device or a pipe by a plain file: /dev/null must survive this.
  if (!S_ISREG(status.st_mode))
    throw io_error(concat("cannot write '", path, "': it exists and is not a regular file"));
  target.exists = true;
  target.permissions = status.st_mode & 0777;
  return target;
}

}  // namespace detail

/// Makes `parts`, one after another, the content of the file at `path`.
///
/// They are written to a temporary file in the same folder, forced to the disk and renamed. A new
/// file gets the permissions that the umask gives, a replaced one keeps its own; a symbolic link
/// stays and the file that it leads to is replaced. Throws io_error; then the temporary file is
/// gone and what was at `path` is untouched, except where the message says that the last step,
/// making the renaming itself durable, was the one that failed.
inline void write_file_atomically(const std::string& path,
                                  std::span<const std::span<const std::byte>> parts) {
  const detail::write_target target = detail::find_write_target(path);
  detail::temporary_file temporary(target.folder, target.permissions, path);
  const auto require = [&](bool success) {
    if (!success) throw io_error(detail::system_says("cannot write", path));
  };
  if (target.exists) require(::fchmod(temporary.file().number(), target.permissions) == 0);
  for (const auto& part : parts) require(detail::write_fully(temporary.file(), part));
  // Without this the new name may reach the disk before the bytes do.
  require(detail::sync_fully(temporary.file()));
  require(temporary.file().close());
  require(temporary.rename_to(target.path));

  const char* folder = target.folder.empty() ? "." : target.folder.c_str();
  const detail::file_descriptor entry{::open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  // A folder that may be written but not read cannot be synced, and some file systems need no
  // sync and refuse it: the renaming has been done, and there is nothing further to do.
  if (entry && !detail::sync_fully(entry) && errno != EINVAL && errno != ENOTSUP)
    throw io_error(
        detail::system_says("the new content is in place but may not survive a power failure, "
                            "cannot sync the folder of",
                            path));
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_ATOMIC_FILE_HPP

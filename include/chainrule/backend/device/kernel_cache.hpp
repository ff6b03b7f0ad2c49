/// \file
/// `kernel_cache`: binaries of kernels, kept on disk between runs of a program.
///
///     const kernel_cache cache("opencl", fingerprint, text);
///     if (auto binary = cache.load()) ...  // else build it, and
///     cache.save(binary);
///
/// The folder is $CHAINRULE_CACHE_DIR (no caching if it is empty or `off`), else
/// $XDG_CACHE_HOME/chainrule, else $HOME/.cache/chainrule. It may be deleted at any time, and
/// processes may share it. If it cannot be read or written, kernels are built as without it.
///
/// CHAINRULE_DUMP_KERNELS=folder writes the text of each kernel that is used to that folder.
///
/// Used by backend/device/runtime_base.hpp. Needs POSIX.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNEL_CACHE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNEL_CACHE_HPP

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"
#include "chainrule/core/hash.hpp"
#include "chainrule/core/temporary_file.hpp"
#include "chainrule/version.hpp"

namespace chainrule::device {

/// The cache entry of one kernel: its text for a device, a driver and a compiler.
///
/// An entry is a file whose name is the hash of its key. It holds the key as a whole (api,
/// fingerprint, version of the library, text, each after its length), the binary after its length,
/// and the hash of all that. Any other file is ignored.
class kernel_cache {
 public:
  /// `fingerprint` identifies everything besides the text that the binary depends on; `verb` is a
  /// part of the name of dumped files.
  kernel_cache(std::string_view api, std::string_view fingerprint, std::string_view text,
               std::string_view verb = {})
      : api_(api), text_(text), verb_(verb), folder_(cache_folder()) {
    key_ = magic;
    for (const std::string_view part :
         {api, fingerprint, std::string_view(CHAINRULE_VERSION), text})
      append(key_, part);
    hash_ = detail::hash128{}.add(key_).text();
  }

  /// The path of the entry; empty if nothing is cached.
  [[nodiscard]] std::string path() const {
    return folder_.empty() ? "" : detail::concat(folder_, api_, '-', hash_, ".program");
  }

  /// The saved binary, if there is one and it is intact.
  [[nodiscard]] std::optional<std::string> load() const {
    std::optional<std::string> entry = file_at(path());
    if (!entry || !entry->starts_with(key_)) return std::nullopt;
    const std::size_t at = key_.size() + length_bytes;
    const std::size_t around = at + hash_.size();
    if (entry->size() < around || length_at(*entry, key_.size()) != entry->size() - around)
      return std::nullopt;
    const std::size_t end = entry->size() - hash_.size();
    const std::string_view all = *entry;
    if (detail::hash128{}.add(all.substr(0, end)).text() != all.substr(end)) return std::nullopt;
    return entry->substr(at, end - at);
  }

  /// Saves a binary in place of an earlier one; does nothing if it is empty. Errors of the file
  /// system are ignored.
  void save(std::string_view binary) const {
    if (binary.empty() || folder_.empty()) return;
    std::string entry = key_;
    append(entry, binary);
    entry += detail::hash128{}.add(entry).text();
    if (entry.size() <= most_bytes) replace(folder_, path(), entry, readers::owner);
  }

  /// Writes the text to the folder CHAINRULE_DUMP_KERNELS, if that is set, as
  /// <api>-<verb>-<hash>.cl (.cu for CUDA). Errors of the file system are ignored.
  void dump() const {
    const std::string folder = folder_of(std::getenv("CHAINRULE_DUMP_KERNELS"), "");
    if (folder.empty()) return;
    const char* ending = api_ == "cuda" ? ".cu" : ".cl";
    const std::string name =
        detail::concat(api_, '-', verb_, verb_.empty() ? "" : "-", hash_, ending);
    replace(folder, folder + name, text_, readers::all);
  }

 private:
  enum class readers : char { owner, all };

  static constexpr std::string_view magic = "chainrule program 1\n";
  static constexpr std::size_t length_bytes = 8;
  static constexpr std::size_t most_bytes = std::size_t{1} << 28;

  static void append(std::string& to, std::string_view part) {
    for (std::size_t i = 0; i < length_bytes; ++i)
      to += static_cast<char>((static_cast<std::uint64_t>(part.size()) >> (8 * i)) & 0xFFU);
    to += part;
  }
  [[nodiscard]] static std::uint64_t length_at(std::string_view entry, std::size_t at) {
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < length_bytes; ++i)
      length |= static_cast<std::uint64_t>(static_cast<unsigned char>(entry[at + i])) << (8 * i);
    return length;
  }

  /// `base` and what follows it, with a slash at the end; empty where there is no base.
  [[nodiscard]] static std::string folder_of(const char* base, const char* below) {
    return base == nullptr || *base == '\0' ? "" : detail::concat(base, below, "/");
  }
  [[nodiscard]] static std::string cache_folder() {
    if (const char* own = std::getenv("CHAINRULE_CACHE_DIR"))
      return std::string_view(own) == "off" ? "" : folder_of(own, "");
    const char* shared = std::getenv("XDG_CACHE_HOME");
    // One that is relative is to be ignored, as the XDG specification says.
    if (shared != nullptr && *shared == '/') return folder_of(shared, "/chainrule");
    return folder_of(std::getenv("HOME"), "/.cache/chainrule");
  }

  /// The bytes of a file, if it can be read and belongs to this user or to root: they are executed,
  /// so files of others are not trusted.
  [[nodiscard]] static std::optional<std::string> file_at(const std::string& path) {
    if (path.empty()) return std::nullopt;
    // Without O_NONBLOCK, opening a pipe of that name would block.
    const detail::file_descriptor file{
        ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)};
    struct stat status {};
    if (!file || ::fstat(file.number(), &status) != 0 || !S_ISREG(status.st_mode) ||
        (status.st_uid != ::geteuid() && status.st_uid != 0) || status.st_size <= 0 ||
        static_cast<std::uint64_t>(status.st_size) > most_bytes)
      return std::nullopt;
    std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
    if (detail::read_fully(file, std::as_writable_bytes(std::span(bytes))) != status.st_size)
      return std::nullopt;
    return bytes;
  }

  /// Writes `content` to the file `path` in `folder`, creating the folder. Concurrent readers see
  /// the old content or the new one. After a crash of the machine the file may hold neither; load()
  /// ignores it then.
  static void replace(const std::string& folder, const std::string& path, std::string_view content,
                      readers who) {
    const mode_t of_folders = who == readers::all ? 0777 : 0700;
    const mode_t of_file = who == readers::all ? 0666 : 0600;
    if (!detail::make_folders(folder, of_folders)) return;  // the kernel is built again next time
    try {
      detail::temporary_file temporary(folder, of_file, path);
      if (detail::write_fully(temporary.file(), std::as_bytes(std::span(content))) &&
          temporary.file().close())
        static_cast<void>(temporary.rename_to(path));
    } catch (const io_error&) {  // as above
    }
  }

  std::string api_;
  std::string text_;
  std::string verb_;
  std::string folder_;  // with its final slash; empty if nothing is cached
  std::string key_;
  std::string hash_;
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNEL_CACHE_HPP

/// \file
/// What the tests of files share: a folder of their own that disappears again, and whole files read
/// and written with plain C.
#ifndef CHAINRULE_TESTS_SUPPORT_SCRATCH_HPP
#define CHAINRULE_TESTS_SUPPORT_SCRATCH_HPP

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "support/complaint.hpp"

namespace scratch {

[[nodiscard]] inline std::vector<std::string> entries_of(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* const stream = ::opendir(folder.c_str())) {
    while (const dirent* const entry = ::readdir(stream)) {
      const std::string name = static_cast<const char*>(entry->d_name);
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(stream);
  }
  return names;
}

/// A new folder; it and everything in it is removed at the end of the scope.
class folder {
 public:
  folder() {
    const char* const base = std::getenv("TMPDIR");
    path_ = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/chainrule-XXXXXX";
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("cannot make " + path_);
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { remove(path_); }

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::size_t count() const { return entries_of(path_).size(); }

 private:
  static void remove(const std::string& path) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
      for (const std::string& name : entries_of(path)) remove(path + "/" + name);
    std::remove(path.c_str());
  }

  std::string path_;
};

inline void write(const std::string& path, const std::string& content) {
  std::FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  const std::size_t written = std::fwrite(content.data(), 1, content.size(), file);
  if (std::fclose(file) != 0 || written != content.size())
    throw std::runtime_error("cannot write " + path);
}

[[nodiscard]] inline std::string read(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path);
  std::string content;
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, file))
    content.append(buffer, n);
  std::fclose(file);
  return content;
}

[[nodiscard]] inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

using support::complaint;

[[nodiscard]] inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace scratch

#endif  // CHAINRULE_TESTS_SUPPORT_SCRATCH_HPP

// Saves that are killed leave the old file or the new one, and nothing behind after the next save.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "chainrule/core/philox.hpp"
#include "chainrule/core/temporary_file.hpp"
#include "chainrule/io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace chainrule;

namespace {

void save(const std::string& path, float value) {
  const std::vector<float> values(2000, value);
  const std::vector<tensor_to_save> tensors{{"x", "F32", {2000}, std::as_bytes(std::span(values))}};
  save_safetensors(path, tensors);
}

/// Whether the file is that of one save. Throws if it is damaged.
bool is_whole(const std::string& path) {
  std::vector<float> values(2000);
  load_safetensors(path).copy_to("x", {2000}, std::span(values));
  return values == std::vector<float>(2000, values[0]);
}

std::string make_temporary(const scratch::folder& folder, const std::string& name) {
  scratch::write(folder / name, "part");
  return folder / name;
}

}  // namespace

TEST_CASE("500 saves that are killed leave no temporary file after the next, and no damage") {
  // In memory, where that can be: a disk makes each save wait.
  const char* const set = std::getenv("TMPDIR");
  const std::string before = set == nullptr ? "" : set;
  if (::access("/dev/shm", W_OK) == 0) ::setenv("TMPDIR", "/dev/shm", 1);
  const scratch::folder folder;
  before.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", before.c_str(), 1);
  const std::string path = folder / "file";
  save(path, 0);
  random_stream random(1);
  int left_behind = 0;
  for (int i = 0; i < 500; ++i) {
    int ready[2];
    REQUIRE(::pipe(ready) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int k = 1;; ++k) {
        save(path, static_cast<float>(k));
        if (k == 1 && ::write(ready[1], "x", 1) != 1) ::_exit(1);
      }
    }
    char byte = 0;
    REQUIRE(::read(ready[0], &byte, 1) == 1);
    ::usleep(random.below(300));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    ::close(ready[0]);
    ::close(ready[1]);
    REQUIRE(is_whole(path));
    left_behind += folder.count() > 1 ? 1 : 0;
  }
  CHECK(left_behind > 0);  // else nothing was tested
  save(path, -1);
  CHECK(folder.count() == 1);
}

TEST_CASE("a save removes what dead processes left, and only that") {
  const scratch::folder folder;
  detail::temporary_file at_work(folder.path() + "/", 0666, folder / "big");
  const std::string left = make_temporary(folder, ".chainrule-1-0.tmp");  // whatever process 1 is
  const std::string other = make_temporary(folder, ".chainrule-notes");
  REQUIRE(::symlink(other.c_str(), (folder / ".chainrule-2-0.tmp").c_str()) == 0);
  REQUIRE(::mkdir((folder / ".chainrule-3-0.tmp").c_str(), 0777) == 0);
  REQUIRE(folder.count() == 5);
  save(folder / "file", 1);
  CHECK(folder.count() == 5);  // `left` is gone, `file` is there
  REQUIRE(at_work.file().close());
  save(folder / "file", 2);
  REQUIRE(at_work.rename_to(folder / "big"));
  const auto exists = [](const std::string& path) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0;
  };
  CHECK(!exists(left));
  CHECK(exists(other));
  CHECK(exists(folder / ".chainrule-2-0.tmp"));
  CHECK(exists(folder / ".chainrule-3-0.tmp"));
  CHECK(exists(folder / "big"));
}

#include "chainrule/io/atomic_file.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace atomic_file_test {

using chainrule::io_error;
using chainrule::write_file_atomically;

namespace {

void write(const std::string& path, const std::string& content) {
  const std::span<const std::byte> parts[] = {scratch::bytes(content)};
  write_file_atomically(path, parts);
}

mode_t permissions_of(const std::string& path) {
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  return status.st_mode & 0777;
}

bool is_link(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

}  // namespace

TEST_CASE("an atomic write makes and replaces files") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  write(path, "old");
  CHECK(scratch::read(path) == "old");
  write(path, "");
  CHECK(scratch::read(path).empty());
  const std::string head = "he";
  const std::string big(3'000'001, 'x');
  const std::span<const std::byte> parts[] = {scratch::bytes(head), {}, scratch::bytes(big)};
  write_file_atomically(path, parts);
  CHECK(scratch::read(path) == head + big);
  CHECK(folder.count() == 1);
}

TEST_CASE("an atomic write takes the longest file name and a name without folder") {
  const scratch::folder folder;
  write(folder / std::string(255, 'n'), "x");
  CHECK(folder.count() == 1);

  char before[4096];
  REQUIRE(::getcwd(before, sizeof before) != nullptr);
  REQUIRE(::chdir(folder.path().c_str()) == 0);
  const std::string message = scratch::complaint<io_error>([] { write("here", "y"); });
  REQUIRE(::chdir(before) == 0);
  CHECK(message.empty());
  CHECK(scratch::read(folder / "here") == "y");
}

TEST_CASE("an atomic write follows the umask for new files and keeps the mode of old ones") {
  const scratch::folder folder;
  const mode_t before = ::umask(027);
  write(folder / "new", "x");
  write(folder / "old", "x");
  REQUIRE(::chmod((folder / "old").c_str(), 0606) == 0);
  write(folder / "old", "y");
  ::umask(before);
  CHECK(permissions_of(folder / "new") == 0640);
  CHECK(permissions_of(folder / "old") == 0606);
}

TEST_CASE("an atomic write keeps symbolic links and replaces what they lead to") {
  const scratch::folder folder;
  REQUIRE(::mkdir((folder / "sub").c_str(), 0777) == 0);
  scratch::write(folder / "sub/target", "old");
  REQUIRE(::symlink("target", (folder / "sub/relative").c_str()) == 0);
  REQUIRE(::symlink((folder / "sub/relative").c_str(), (folder / "absolute").c_str()) == 0);
  write(folder / "absolute", "new");
  CHECK(scratch::read(folder / "sub/target") == "new");
  CHECK(is_link(folder / "absolute"));
  CHECK(is_link(folder / "sub/relative"));

  SECTION("a link to nothing makes the file there") {
    REQUIRE(::symlink("sub/fresh", (folder / "dangling").c_str()) == 0);
    write(folder / "dangling", "x");
    CHECK(scratch::read(folder / "sub/fresh") == "x");
    CHECK(is_link(folder / "dangling"));
  }
  SECTION("links in a circle are an error") {
    REQUIRE(::symlink("b", (folder / "a").c_str()) == 0);
    REQUIRE(::symlink("a", (folder / "b").c_str()) == 0);
    CHECK(scratch::contains(scratch::complaint<io_error>([&] { write(folder / "a", "x"); }),
                            folder / "a"));
  }
}

TEST_CASE("an atomic write replaces files only") {
  const scratch::folder folder;
  REQUIRE(::mkdir((folder / "sub").c_str(), 0777) == 0);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0666) == 0);
  for (const std::string name : {"sub", "pipe"}) {
    const auto message = scratch::complaint<io_error>([&] { write(folder / name, "x"); });
    CHECK(scratch::contains(message, "'" + folder / name + "'"));
    CHECK(scratch::contains(message, "not a regular file"));
  }
  CHECK(folder.count() == 2);
}

TEST_CASE("an atomic write says which path failed and why") {
  const scratch::folder folder;
  scratch::write(folder / "file", "x");
  const std::string below = folder / "file/below";
  auto message = scratch::complaint<io_error>([&] { write(below, "x"); });
  CHECK(scratch::contains(message, "'" + below + "': Not a directory"));
  const std::string missing = folder / "missing/file";
  message = scratch::complaint<io_error>([&] { write(missing, "x"); });
  CHECK(scratch::contains(message, "'" + missing + "': No such file or directory"));
  CHECK(scratch::read(folder / "file") == "x");
  CHECK(folder.count() == 1);
}

TEST_CASE("a write that fails half-way leaves the old file and nothing else") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string fresh = folder / "fresh";
  write(path, "old content");
  const std::string big(100'000, 'x');

  // A limit on the size of files stands for a full disk: it works for root, too.
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  rlimit limited = before;
  limited.rlim_cur = 10'000;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
  const std::string replacing = scratch::complaint<io_error>([&] { write(path, big); });
  const std::string creating = scratch::complaint<io_error>([&] { write(fresh, big); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  ::signal(SIGXFSZ, handler);

  CHECK(scratch::contains(replacing, "'" + path + "': File too large"));
  CHECK(scratch::contains(creating, "'" + fresh + "': File too large"));
  CHECK(scratch::read(path) == "old content");
  CHECK(folder.count() == 1);
}

TEST_CASE("readers and writers at the same time see whole files only") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  write(path, std::string(50'000, 'a'));
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (const char letter : {'b', 'c', 'd'})
    writers.emplace_back([&path, letter] {
      for (int i = 0; i < 10; ++i) write(path, std::string(50'000, letter));
    });
  bool whole = true;
  std::thread reader([&] {
    while (!done) {
      const std::string content = scratch::read(path);
      whole = whole && content == std::string(50'000, content.at(0));
    }
  });
  for (std::thread& writer : writers) writer.join();
  done = true;
  reader.join();
  CHECK(whole);
  CHECK(folder.count() == 1);
}

}  // namespace atomic_file_test

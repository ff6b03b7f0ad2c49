#include "chainrule/backend/device/kernel_cache.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace kernel_cache_test {

using chainrule::device::kernel_cache;

namespace {

/// An environment variable that has its old value again at the end of the scope.
class variable {
 public:
  variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;
  ~variable() { set(old_); }

 private:
  void set(const std::optional<std::string>& value) {
    value ? ::setenv(name_, value->c_str(), 1) : ::unsetenv(name_);
  }
  const char* name_;
  std::optional<std::string> old_;
};

const std::string text = "KERNEL cr_main(void) {}\n";
const std::string binary("\x7f\0ELF\xff and so on", 16);

kernel_cache store_of(const std::string& of_text = text) {
  return kernel_cache("opencl", "device\ndriver 1", of_text);
}

bool same(const std::optional<std::string>& a, const std::string& b) { return a && *a == b; }

}  // namespace

TEST_CASE("a program that was saved is loaded by the next process's store") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch / "not/there/yet");
  CHECK(!store_of().load());
  store_of().save(binary);
  CHECK(same(store_of().load(), binary));
  CHECK(store_of().path().starts_with(scratch / "not/there/yet/opencl-"));

  const std::string big(3'000'001, 'x');
  store_of().save(big);
  CHECK(same(store_of().load(), big));
  CHECK(scratch::entries_of(scratch / "not/there/yet").size() == 1);

  struct stat status {};
  REQUIRE(::stat(store_of().path().c_str(), &status) == 0);
  CHECK((status.st_mode & 0077) == 0);
}

TEST_CASE("an empty binary is not kept") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  store_of().save("");
  CHECK(!store_of().load());
  CHECK(scratch.count() == 0);
}

TEST_CASE("another api, device, driver, text or division of them is another program") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  store_of().save(binary);
  CHECK(!kernel_cache("cuda", "device\ndriver 1", text).load());
  CHECK(!kernel_cache("opencl", "device\ndriver 2", text).load());
  CHECK(!kernel_cache("opencl", "device\ndriver 1", text + " ").load());
  CHECK(!kernel_cache("opencl", "device\ndriver 1" + text, "").load());
  CHECK(!kernel_cache("opencl", "", "device\ndriver 1" + text).load());
  CHECK(same(store_of().load(), binary));
}

TEST_CASE("an entry under another's name is not that program") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  const kernel_cache other("opencl", "device\ndriver 1", "KERNEL cr_main(void) {;}");
  other.save("other");
  // As if the two texts had the same hash.
  scratch::write(store_of().path(), scratch::read(other.path()));
  CHECK(!store_of().load());
}

TEST_CASE("an entry of another version of the library is not taken") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  store_of().save(binary);
  std::string entry = scratch::read(store_of().path());
  const auto at = entry.find(CHAINRULE_VERSION);
  REQUIRE(at != std::string::npos);
  ++entry[at];
  // Whole but for that: with a checksum that fits.
  entry.resize(entry.size() - 32);
  entry += chainrule::detail::hash128{}.add(entry).text();
  scratch::write(store_of().path(), entry);
  CHECK(!store_of().load());
}

TEST_CASE("a damaged entry is none and is replaced") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  const kernel_cache store = store_of();
  store.save(binary);
  const std::string whole = scratch::read(store.path());
  REQUIRE(same(store.load(), binary));

  std::size_t taken = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    scratch::write(store.path(), whole.substr(0, size));
    taken += store.load() ? 1U : 0U;
  }
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      scratch::write(store.path(), damaged);
      taken += store.load() ? 1U : 0U;
    }
  for (const std::string& more : {whole + '\0', whole + whole, std::string(1000, '\xff')}) {
    scratch::write(store.path(), more);
    taken += store.load() ? 1U : 0U;
  }
  CHECK(taken == 0);

  store.save(binary);
  CHECK(scratch::read(store.path()) == whole);
  CHECK(same(store.load(), binary));
}

TEST_CASE("what is not a plain file is no entry") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  const kernel_cache store = store_of();
  REQUIRE(::mkdir(store.path().c_str(), 0700) == 0);
  CHECK(!store.load());
  store.save(binary);  // cannot replace a folder
  CHECK(!store.load());
  REQUIRE(::rmdir(store.path().c_str()) == 0);

  REQUIRE(::mkfifo(store.path().c_str(), 0600) == 0);
  CHECK(!store.load());  // and does not wait for a writer
  store.save(binary);
  CHECK(same(store.load(), binary));

  REQUIRE(::rename(store.path().c_str(), (scratch / "elsewhere").c_str()) == 0);
  REQUIRE(::symlink("elsewhere", store.path().c_str()) == 0);
  CHECK(!store.load());
}

TEST_CASE("processes that write one entry at a time leave one that is whole") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", scratch.path());
  const kernel_cache store = store_of();
  // Different in length, so that a mixture of two would be seen.
  const auto binary_of = [](int writer) {
    return std::string(static_cast<std::size_t>(40000 + 30000 * writer),
                       static_cast<char>('a' + writer));
  };
  std::vector<pid_t> writers;
  for (int writer = 0; writer < 3; ++writer) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      for (int i = 0; i < 200; ++i) store.save(binary_of(writer));
      ::_exit(0);
    }
    writers.push_back(child);
  }
  int damaged = 0;
  int whole = 0;
  for (int ended = 0; ended < 3;) {
    if (::access(store.path().c_str(), F_OK) == 0) {
      const std::optional<std::string> found = store.load();
      const bool good =
          same(found, binary_of(0)) || same(found, binary_of(1)) || same(found, binary_of(2));
      ++(good ? whole : damaged);
    }
    int status = 0;
    if (::waitpid(writers[static_cast<std::size_t>(ended)], &status, WNOHANG) != 0) {
      CHECK(status == 0);
      ++ended;
    }
  }
  CHECK(damaged == 0);
  CHECK(whole > 0);
  CHECK(scratch.count() == 1);  // no temporary file is left
}

TEST_CASE("a folder that cannot be used is no error") {
  const scratch::folder scratch;
  scratch::write(scratch / "file", "");
  for (const char* name : {"/proc/no such thing", "/dev/null/below"}) {
    const variable folder("CHAINRULE_CACHE_DIR", name);
    store_of().save(binary);
    CHECK(!store_of().load());
  }
  const variable folder("CHAINRULE_CACHE_DIR", scratch / "file");
  store_of().save(binary);
  CHECK(!store_of().load());
  const variable dump("CHAINRULE_DUMP_KERNELS", scratch / "file/below");
  store_of().dump();
  CHECK(scratch.count() == 1);
}

TEST_CASE("environment variables say where programs are kept") {
  const scratch::folder scratch;
  const variable xdg("XDG_CACHE_HOME", scratch / "xdg");
  const variable home("HOME", scratch / "home");
  {
    const variable own("CHAINRULE_CACHE_DIR", scratch / "own");
    CHECK(store_of().path().starts_with(scratch / "own/opencl-"));
  }
  for (const char* off : {"", "off"}) {
    const variable own("CHAINRULE_CACHE_DIR", off);
    CHECK(store_of().path().empty());
    store_of().save(binary);
    CHECK(!store_of().load());
  }
  const variable own("CHAINRULE_CACHE_DIR", std::nullopt);
  CHECK(store_of().path().starts_with(scratch / "xdg/chainrule/opencl-"));
  for (const auto& no : {std::optional<std::string>{}, std::optional<std::string>{""},
                         std::optional<std::string>{"relative"}}) {
    const variable without("XDG_CACHE_HOME", no);
    CHECK(store_of().path().starts_with(scratch / "home/.cache/chainrule/opencl-"));
    const variable homeless("HOME", std::nullopt);
    CHECK(store_of().path().empty());
    store_of().save(binary);
    CHECK(!store_of().load());
  }
  CHECK(scratch.count() == 0);
}

TEST_CASE("texts of kernels are written for people on request") {
  const scratch::folder scratch;
  const variable folder("CHAINRULE_CACHE_DIR", "off");
  store_of().dump();  // nothing is asked for
  const variable dump("CHAINRULE_DUMP_KERNELS", scratch / "a/b");
  store_of().dump();
  store_of().dump();
  kernel_cache("cuda", "device", text, "gemm").dump();
  std::string opencl;
  std::string cuda;
  for (const std::string& name : scratch::entries_of(scratch / "a/b"))
    (name.ends_with(".cu") ? cuda : opencl) = name;
  CHECK(scratch::entries_of(scratch / "a/b").size() == 2);
  CHECK(opencl.starts_with("opencl-"));
  CHECK(opencl.ends_with(".cl"));
  CHECK(cuda.starts_with("cuda-gemm-"));
  CHECK(scratch::read(scratch / ("a/b/" + opencl)) == text);
  CHECK(scratch::read(scratch / ("a/b/" + cuda)) == text);
}

}  // namespace kernel_cache_test

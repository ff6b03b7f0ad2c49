#include "emulated/kernel.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "emulated/fail.hpp"
#include "emulated/faults.hpp"
#include "emulated/fibers.hpp"

#if !defined(CHAINRULE_EMULATED_COMPILER) || !defined(CHAINRULE_EMULATED_FOLDER)
#error "tests/cuda.cmake says which compiler builds kernels, and in which folder this file lies"
#endif

extern char** environ;

namespace emulated {

namespace {

/// Neither fast math nor the contraction of a product and a sum, which the compilers of GPUs may
/// do: results are to be close to other devices', and equal on every host.
const char* const flags[] = {"-std=c++17",
                             "-O1",
                             "-w",
                             "-fno-math-errno",
                             "-shared",
                             "-fPIC",
                             "-nostdlib",
                             "-ffp-contract=off",
                             "-fvisibility=hidden"};

[[nodiscard]] std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A file of this folder.
[[nodiscard]] std::string beside(const char* name) {
  return std::string(CHAINRULE_EMULATED_FOLDER "/") + name;
}

/// A folder that goes with its content.
class scratch_folder {
 public:
  scratch_folder() {
    std::string name = std::filesystem::temp_directory_path() / "chainrule-kernel-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) fail("cannot make a folder like ", name);
    path_ = name;
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Runs a program, whose words go to a file; whether it succeeds.
[[nodiscard]] bool succeeds(const std::vector<std::string>& command, const std::string& words) {
  std::vector<char*> arguments;
  for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 2, words.c_str(), O_WRONLY | O_CREAT, 0600);
  pid_t child = 0;
  const int code =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (code != 0) fail("the compiler ", command[0], " cannot be run: ", std::strerror(code));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// An image is its length and then a shared library.
constexpr std::size_t length_bytes = sizeof(std::uint64_t);

[[nodiscard]] bool is_reversed() {
  const char* order = std::getenv("CHAINRULE_EMULATED_ORDER");
  return order != nullptr && std::string_view(order) == "reverse";
}

}  // namespace

std::optional<std::string> compile(const std::string& text, std::string& log) {
  const scratch_folder folder;
  const std::string source = folder.file("kernel.cu");
  std::ofstream(source, std::ios::binary) << text;
  std::vector<std::string> command{CHAINRULE_EMULATED_COMPILER};
  command.insert(command.end(), std::begin(flags), std::end(flags));
  command.insert(command.end(), {"-DEMULATED_TEXT=\"" + source + "\"", beside("kernel_side.cpp"),
                                 "-o", folder.file("kernel.so")});
  const bool done = succeeds(command, folder.file("log"));
  log = content_of(folder.file("log"));
  if (!done) return std::nullopt;
  const std::string library = content_of(folder.file("kernel.so"));
  const std::uint64_t size = library.size();
  std::string image(length_bytes, '\0');
  std::memcpy(image.data(), &size, sizeof size);
  return image + library;
}

int compiler_version() {
  static const int version = [] {
    std::string all = CHAINRULE_EMULATED_COMPILER " " __VERSION__;
    for (const char* flag : flags) all += flag;
    all += content_of(beside("kernel_side.cpp"));
    all += content_of(beside("kernel_interface.hpp"));
    all += fault();
    return static_cast<int>(std::hash<std::string>{}(all)&0x3fffffff);
  }();
  return version;
}

kernel::kernel(const char* image) {
  std::uint64_t size = 0;
  std::memcpy(&size, image, sizeof size);
  // A file of a name of its own: the loader takes the same name for the same library.
  const scratch_folder folder;
  std::ofstream(folder.file("kernel.so"), std::ios::binary)
      .write(image + length_bytes, static_cast<std::streamsize>(size));
  library_ = ::dlopen(folder.file("kernel.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) fail("a kernel cannot be loaded: ", ::dlerror());
  auto* const describe =
      reinterpret_cast<void (*)(kernel_interface*)>(::dlsym(library_, "emulated_interface"));
  describe(&about_);
}

kernel::~kernel() { ::dlclose(library_); }

namespace {

fibers team;
const kernel_interface* running = nullptr;

[[nodiscard]] index3 place_of(std::uint64_t i, index3 extents) {
  return {static_cast<unsigned>(i % extents.x), static_cast<unsigned>(i / extents.x % extents.y),
          static_cast<unsigned>(i / extents.x / extents.y)};
}
[[nodiscard]] unsigned count_of(index3 extents) { return extents.x * extents.y * extents.z; }

[[nodiscard]] std::vector<void*> list_of(const std::vector<std::uint64_t>& arguments) {
  std::vector<void*> list;
  for (const std::uint64_t& a : arguments) list.push_back(const_cast<std::uint64_t*>(&a));
  return list;
}

/// What a thread calls that waits: others run meanwhile, and change the running thread's number.
void wait_at(int line, unsigned count) {
  const index3 self = *running->thread;
  fibers::wait(line, count);
  *running->thread = self;
}
void spin() {
  const index3 self = *running->thread;
  fibers::spin();
  *running->thread = self;
}

}  // namespace

void kernel::run(index3 blocks, index3 threads, const std::vector<std::uint64_t>& arguments) const {
  const bool reversed = is_reversed();
  std::vector<void*> list = list_of(arguments);
  *about_.blocks = blocks;
  *about_.threads = threads;
  *about_.spin = [] { fail("a block of a kernel waits for another one"); };
  const std::uint64_t block_count = std::uint64_t{blocks.x} * blocks.y * blocks.z;
  for (std::uint64_t i = 0; i < block_count; ++i) {
    *about_.block = place_of(reversed ? block_count - 1 - i : i, blocks);
    if (about_.shared_bytes == 0) {
      *about_.barrier = [](int line, unsigned) {
        fail("a barrier at line ", line, " of a kernel without shared memory");
      };
      about_.run_block(list.data(), reversed);
      continue;
    }
    std::memset(about_.shared, 0xff, about_.shared_bytes);  // NaN
    running = &about_;
    *about_.barrier = wait_at;
    team.run(count_of(threads), reversed, [&](unsigned t) {
      *about_.thread = place_of(t, threads);
      about_.run_thread(list.data());
    });
  }
}

void kernel::run_together(index3 blocks, index3 threads,
                          const std::vector<std::uint64_t>& arguments) const {
  std::vector<void*> list = list_of(arguments);
  *about_.blocks = blocks;
  *about_.threads = threads;
  *about_.barrier = wait_at;
  *about_.spin = spin;
  running = &about_;
  const unsigned count = count_of(threads);
  // Each block has shared memory of its own, which lies in the kernel's place while the block runs.
  std::vector<std::string> shared(count_of(blocks), std::string(about_.shared_bytes, '\xff'));
  team.run_grid(
      count_of(blocks), count, is_reversed(),
      [&](unsigned t) {
        *about_.thread = place_of(t % count, threads);
        about_.run_thread(list.data());
      },
      [&](unsigned b) {
        *about_.block = place_of(b, blocks);
        std::memcpy(about_.shared, shared[b].data(), about_.shared_bytes);
      },
      [&](unsigned b) { std::memcpy(shared[b].data(), about_.shared, about_.shared_bytes); });
}

}  // namespace emulated

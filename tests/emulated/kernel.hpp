/// \file
/// Kernels of the emulated device: the host's compiler builds them, the calling thread runs them.
///
///     const std::optional<std::string> image = compile(text, log);
///     const kernel k(*image);
///     k.run({4, 1, 1}, {256, 1, 1}, arguments);
///
/// Blocks run in turn. The threads of a block run one after the other; in a kernel that has shared
/// memory they do so from barrier to barrier, as fibers. With CHAINRULE_EMULATED_ORDER=reverse both
/// run from the last to the first.
#ifndef CHAINRULE_TESTS_EMULATED_KERNEL_HPP
#define CHAINRULE_TESTS_EMULATED_KERNEL_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulated/kernel_interface.hpp"

namespace emulated {

/// The machine code of a text of CUDA C++ that has a kernel cr_main. Nothing if it does not
/// compile; then the compiler's words are in `log`.
[[nodiscard]] std::optional<std::string> compile(const std::string& text, std::string& log);

/// A number that changes when the same text becomes other machine code.
[[nodiscard]] int compiler_version();

class kernel {
 public:
  /// Loads what compile() made, which says itself how long it is.
  explicit kernel(const char* image);
  kernel(const kernel&) = delete;
  kernel& operator=(const kernel&) = delete;
  ~kernel();

  [[nodiscard]] const kernel_interface& about() const { return about_; }

  /// Runs the kernel over a grid. Arguments lie in 8 bytes each.
  void run(index3 blocks, index3 threads, const std::vector<std::uint64_t>& arguments) const;
  /// Runs it over a grid whose blocks wait for each other: all of them run in turn.
  void run_together(index3 blocks, index3 threads,
                    const std::vector<std::uint64_t>& arguments) const;

 private:
  void* library_ = nullptr;
  kernel_interface about_{};
};

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_KERNEL_HPP

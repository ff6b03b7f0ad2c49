/// \file
/// `fibers`: functions that run in turn on stacks of their own and wait for each other.
///
///     fibers all;
///     all.run(256, false, [&](unsigned thread) { ...; fibers::wait(line); ... });
#ifndef CHAINRULE_TESTS_EMULATED_FIBERS_HPP
#define CHAINRULE_TESTS_EMULATED_FIBERS_HPP

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace emulated {

class fibers {
 public:
  fibers();
  fibers(const fibers&) = delete;
  fibers& operator=(const fibers&) = delete;
  ~fibers();

  /// Calls body(0), ..., body(count - 1), or the other way round if `reversed`, each until it waits
  /// or returns; then each of them goes on. Ends the program with a sentence unless all of them
  /// wait at the same place or all have returned.
  void run(unsigned count, bool reversed, const std::function<void(unsigned)>& body);

  /// In a body: lets the others run until all have come here. `place` is a line of the text.
  static void wait(int place);
  /// The number of the body that runs.
  [[nodiscard]] static unsigned current();

 private:
  struct fiber;
  void resume(fiber& f);
  static void begin();

  std::vector<std::unique_ptr<fiber>> all_;
  const std::function<void(unsigned)>* body_ = nullptr;
};

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_FIBERS_HPP

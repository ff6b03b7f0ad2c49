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

  /// Calls body(0), ..., body(blocks * threads - 1) likewise, `threads` of them after `enter` of
  /// their block and before `leave`. Those of one block wait for each other; when one of them
  /// spins, the next block goes on. Ends the program with a sentence unless all of them return.
  void run_grid(unsigned blocks, unsigned threads, bool reversed,
                const std::function<void(unsigned)>& body,
                const std::function<void(unsigned)>& enter,
                const std::function<void(unsigned)>& leave);

  /// In a body: lets the others run until all have come here, in run_grid all of the block or, if
  /// it is not 0, `count` of them. `place` is a line of the text.
  static void wait(int place, unsigned count = 0);
  /// In a body of run_grid: waits for something that another block does.
  static void spin();
  /// The number of the body that runs.
  [[nodiscard]] static unsigned current();

 private:
  struct fiber;
  void resume(fiber& f);
  void make(unsigned count);
  [[nodiscard]] bool release(unsigned first, unsigned threads);
  static void begin();

  std::vector<std::unique_ptr<fiber>> all_;
  const std::function<void(unsigned)>* body_ = nullptr;
};

}  // namespace emulated

#endif  // CHAINRULE_TESTS_EMULATED_FIBERS_HPP

/// \file
/// `thread_pool`: fork and join over numbered pieces of work.
///
///     thread_pool pool{2};
///     pool.for_each(8, [&](index_t piece) { ... });  // returns when all eight are done
///
/// Any thread may run any piece. Callers cut work by its shape and never by the number of threads,
/// so that results have the same bits for any number of threads. Workers compute in the caller's
/// floating-point mode (denormals.hpp). Calls from within a piece, and calls while another thread
/// uses the pool, run serially.
#ifndef CHAINRULE_BACKEND_CPU_PARALLEL_HPP
#define CHAINRULE_BACKEND_CPU_PARALLEL_HPP

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "chainrule/backend/cpu/denormals.hpp"
#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/core/error.hpp"
#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/core/shape.hpp"

namespace chainrule {
CHAINRULE_CPU_BEGIN

class thread_pool {
 public:
  /// A pool of `threads` threads, the calling thread included. Throws value_error below 1.
  [[gnu::noinline]] explicit thread_pool(int threads) {
    if (threads < 1 || threads > max_threads)
      detail::fail<value_error>("the number of threads must be between 1 and ", max_threads,
                                ", got ", threads);
    try {
      workers_.reserve(static_cast<std::size_t>(threads - 1));
      for (int i = 1; i < threads; ++i) workers_.push_back(std::thread([this] { serve(); }));
    } catch (const std::system_error&) {
      stop();
      detail::fail<backend_error>("the system allows only ", workers_.size() + 1, " of the ",
                                  threads, " threads asked for");
    } catch (...) {  // out of memory: running threads must end before their handles are destroyed
      stop();
      throw;
    }
  }

  ~thread_pool() { stop(); }

  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  [[nodiscard]] int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// Runs work(0) ... work(count - 1), in any order and on any thread, and returns when all have
  /// returned. Rethrows the first exception of a piece after all pieces have run.
  template <class Work>
  void for_each(index_t count, Work&& work) {
    using Callable = std::remove_reference_t<Work>;
    run(
        count, [](void* context, index_t i) { (*static_cast<Callable*>(context))(i); },
        const_cast<void*>(static_cast<const void*>(std::addressof(work))));
  }

 private:
  static constexpr int max_threads = 1024;
  static constexpr index_t max_pieces = (1 << 20) - 1;
  static constexpr int spins_before_sleep = 2000;

  /// The current job and its remaining pieces, [next, end), in one word, so that a delayed thread
  /// can never take a piece of a finished job. The caller takes pieces from the front and workers
  /// from the back, so that in consecutive jobs a thread processes the same part of the data, which
  /// its cache still holds.
  struct remaining_pieces {
    std::uint32_t generation = 0;  // 24 bits
    std::uint32_t end = 0;         // 20 bits
    std::uint32_t next = 0;        // 20 bits

    [[nodiscard]] std::uint64_t packed() const {
      return std::uint64_t{generation} << 40U | std::uint64_t{end} << 20U | next;
    }
    static remaining_pieces unpacked(std::uint64_t word) {
      return {static_cast<std::uint32_t>(word >> 40U),
              static_cast<std::uint32_t>((word >> 20U) & 0xfffffU),
              static_cast<std::uint32_t>(word & 0xfffffU)};
    }
  };

  static bool& inside_piece() {
    thread_local bool inside = false;
    return inside;
  }

  /// Runs the pieces one after another; all run even if one throws.
  static void run_serially(index_t count, void (*call)(void*, index_t), void* context) {
    std::exception_ptr failure;
    for (index_t i = 0; i < count; ++i) {
      try {
        call(context, i);
      } catch (...) {
        if (!failure) failure = std::current_exception();
      }
    }
    if (failure) std::rethrow_exception(failure);
  }

  /// for_each without a template parameter, to keep its many callers small.
  void run(index_t count, void (*call)(void*, index_t), void* context) {
    std::unique_lock<std::mutex> lock(busy_, std::defer_lock);
    if (count <= 1 || workers_.empty() || inside_piece() || count > max_pieces ||
        !lock.try_lock()) {
      run_serially(count, call, context);
      return;
    }
    call_ = call;
    context_ = context;
    mode_ = detail::floating_point_mode();
    done_.store(0, std::memory_order_relaxed);
    generation_ = (generation_ + 1) & 0xffffffU;
    remaining_.store(remaining_pieces{generation_, static_cast<std::uint32_t>(count), 0}.packed());
    if (sleeping_.load() > 0) {
      wake_.fetch_add(1);
      wake_.notify_all();
    }
    while (run_one(true)) {
    }
    for (int spins = 0; done_.load(std::memory_order_acquire) != count; ++spins) pause(spins);
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  static void pause(int spins) {
    if (spins > 64 && spins % 64 == 0) std::this_thread::yield();
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

  void stop() {
    stopping_.store(true);
    wake_.fetch_add(1);
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  /// Takes the first or the last piece and runs it; false if none is left. The caller waits for
  /// every piece taken, so call_ and context_ do not change before done_ is incremented.
  bool run_one(bool from_front) {
    std::uint64_t word = remaining_.load();
    index_t piece = 0;
    remaining_pieces left;
    do {
      left = remaining_pieces::unpacked(word);
      if (left.next >= left.end) return false;
      piece = from_front ? left.next++ : --left.end;
    } while (!remaining_.compare_exchange_weak(word, left.packed()));
    inside_piece() = true;
    if (detail::floating_point_mode() != mode_) detail::set_floating_point_mode(mode_);
    try {
      call_(context_, piece);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
    inside_piece() = false;
    done_.fetch_add(1, std::memory_order_release);
    return true;
  }

  void serve() {
    int spins = 0;
    while (!stopping_.load()) {
      if (run_one(false)) {
        spins = 0;
        continue;
      }
      if (++spins < spins_before_sleep) {
        pause(spins);
        continue;
      }
      sleeping_.fetch_add(1);
      const std::uint32_t seen = wake_.load();
      const remaining_pieces left = remaining_pieces::unpacked(remaining_.load());
      if (left.next >= left.end && !stopping_.load()) wake_.wait(seen);
      sleeping_.fetch_sub(1);
      spins = 0;
    }
  }

  std::atomic<std::uint64_t> remaining_{0};
  std::atomic<index_t> done_{0};
  std::atomic<std::uint32_t> wake_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> stopping_{false};
  void (*call_)(void*, index_t) = nullptr;
  void* context_ = nullptr;
  std::uint64_t mode_ = 0;  // of the caller
  std::uint32_t generation_ = 0;
  std::exception_ptr failure_;
  std::mutex failure_mutex_;
  std::mutex busy_;
  detail::plain_vector<std::thread> workers_;
};

/// The number of threads that CHAINRULE_THREADS asks for, else that of the processors. Throws
/// value_error if the variable is not a number between 1 and 1024.
[[nodiscard]] inline int default_threads() {
  const char* text = std::getenv("CHAINRULE_THREADS");
  if (text == nullptr || *text == '\0') {
    const unsigned processors = std::thread::hardware_concurrency();
    return processors == 0 ? 1 : static_cast<int>(processors < 1024 ? processors : 1024);
  }
  char* end = nullptr;
  const long threads = std::strtol(text, &end, 10);
  if (*end != '\0' || threads < 1 || threads > 1024)
    detail::fail<value_error>(
        "the environment variable CHAINRULE_THREADS must be a number between 1 and 1024, got '",
        text, "'");
  return static_cast<int>(threads);
}

/// The pool of handles that were not given a number of threads, made by the first call.
[[nodiscard, gnu::noinline]] inline const detail::shared<thread_pool>& shared_thread_pool() {
  static const auto pool = detail::make_shared<thread_pool>(default_threads());
  return pool;
}

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CPU_PARALLEL_HPP

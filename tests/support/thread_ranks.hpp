/// \file
/// Ranks that are threads of one process, to test what ranks do together without MPI. One runs at a
/// time, until it waits for another: some backends of the tests belong to one thread.
///
///     run_thread_ranks(4, [](communicator& c) { ... });      // throws what the first rank threw
#ifndef CHAINRULE_TESTS_SUPPORT_THREAD_RANKS_HPP
#define CHAINRULE_TESTS_SUPPORT_THREAD_RANKS_HPP

#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "chainrule/train/communicator.hpp"

namespace support {

/// What all ranks share: a queue of messages for each pair of ranks.
struct thread_mail {
  explicit thread_mail(int size) : queues(static_cast<std::size_t>(size * size)) {}
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::deque<std::vector<std::byte>>> queues;
  bool failed = false;
  std::int64_t messages = 0;
};

class thread_communicator final : public chainrule::communicator {
 public:
  /// `turn` is a lock of the mail's mutex, which a rank has while it runs.
  thread_communicator(thread_mail& mail, std::unique_lock<std::mutex>& turn, int rank, int size)
      : mail_(&mail), turn_(&turn), rank_(rank), size_(size) {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  /// The memory of the emulated device is the host's.
  [[nodiscard]] bool takes_device_memory() const override {
    return std::getenv("CHAINRULE_EMULATED_CUDA") != nullptr;
  }
  void exchange(std::span<const std::span<const std::byte>> sends,
                std::span<const std::span<std::byte>> receives, const char* what) override {
    for (int r = 0; r < size_; ++r) {
      const auto bytes = sends[static_cast<std::size_t>(r)];
      if (r == rank_ || bytes.empty()) continue;
      queue(rank_, r).emplace_back(bytes.begin(), bytes.end());
      ++mail_->messages;
    }
    mail_->changed.notify_all();
    for (int r = 0; r < size_; ++r) {
      const auto bytes = receives[static_cast<std::size_t>(r)];
      if (r == rank_ || bytes.empty()) continue;
      mail_->changed.wait(*turn_, [&] { return mail_->failed || !queue(r, rank_).empty(); });
      if (mail_->failed)
        throw chainrule::communication_error(std::string("another rank failed in ") + what);
      const std::vector<std::byte> message = std::move(queue(r, rank_).front());
      queue(r, rank_).pop_front();
      if (message.size() != bytes.size())
        throw chainrule::communication_error("a message has another length than was expected");
      std::memcpy(bytes.data(), message.data(), message.size());
    }
  }

 private:
  std::deque<std::vector<std::byte>>& queue(int from, int to) {
    return mail_->queues[static_cast<std::size_t>(from * size_ + to)];
  }

  thread_mail* mail_;
  std::unique_lock<std::mutex>* turn_;
  int rank_;
  int size_;
};

/// Runs body(communicator) on each rank, and throws what the lowest rank threw that did not only
/// wait for another. Returns the number of messages.
template <class Body>
std::int64_t run_thread_ranks(int size, const Body& body) {
  thread_mail mail(size);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
  std::vector<std::exception_ptr> waits(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      const auto at = static_cast<std::size_t>(r);
      std::unique_lock turn(mail.mutex);
      try {
        thread_communicator c(mail, turn, r, size);
        body(c);
        return;
      } catch (const chainrule::communication_error&) {
        waits[at] = std::current_exception();
      } catch (...) {
        errors[at] = std::current_exception();
      }
      mail.failed = true;
      mail.changed.notify_all();
    });
  for (std::thread& t : threads) t.join();
  for (const auto* all : {&errors, &waits})
    for (const std::exception_ptr& e : *all)
      if (e) std::rethrow_exception(e);
  return mail.messages;
}

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_THREAD_RANKS_HPP

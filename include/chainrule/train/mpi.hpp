/// \file
/// Ranks over MPI: `run_ranks` and `mpi_communicator`. Programs link chainrule::mpi.
///
///     int main(int argc, char** argv) {
///       return run_ranks<cpu>(argc, argv, [](const cpu& be, rank_group<cpu>& ranks) {
///         ...                                       // the same data, network and trainer on all
///         t.fit(train, {.epochs = 10, .micro_batches = 8, .ranks = &ranks});
///       });
///     }
///     // mpirun -n 4 ./train
///
/// See docs/ranks.md.
#ifndef CHAINRULE_TRAIN_MPI_HPP
#define CHAINRULE_TRAIN_MPI_HPP

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <type_traits>
#include <vector>

// The interface for C only: that for C++ was removed from MPI.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX 1
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX 1
#endif
#include <mpi.h>
#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif
#include <sched.h>
#include <time.h>

#include "chainrule/backend/select.hpp"
#include "chainrule/train/communicator.hpp"

namespace chainrule {

/// Options of `run_ranks` and `mpi_communicator`.
struct mpi_options {
  /// Seconds to wait for another rank before the training ends with an error; 0: without end. A
  /// rank that saves a checkpoint or reads data lets the others wait for as long.
  double patience = 300;
};

namespace detail {

/// This process among those on the same machine.
struct place_on_machine {
  int rank = 0;
  int size = 1;
  int processors = 0;  // that one of them may run on; 0 if that is not known
};
[[nodiscard]] inline place_on_machine find_place_on_machine(MPI_Comm of = MPI_COMM_WORLD) {
  MPI_Comm local = MPI_COMM_NULL;
  place_on_machine p;
  MPI_Comm_split_type(of, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local);
  MPI_Comm_rank(local, &p.rank);
  MPI_Comm_size(local, &p.size);
#ifdef CPU_COUNT
  // mpirun or srun may have given each process processors of its own, or the same ones to all.
  cpu_set_t set;
  CPU_ZERO(&set);
  ::sched_getaffinity(0, sizeof(set), &set);
  MPI_Allreduce(MPI_IN_PLACE, &set, static_cast<int>(sizeof(set)), MPI_BYTE, MPI_BOR, local);
  p.processors = CPU_COUNT(&set);
#endif
  MPI_Comm_free(&local);
  return p;
}

}  // namespace detail

/// Messages over MPI, between the processes of a communicator of MPI. MPI must be initialized, and
/// finalized after the object is gone. All calls come from one thread.
class mpi_communicator final : public communicator {
 public:
  /// Duplicates the communicator of MPI. Throws value_error if the patience is negative,
  /// communication_error if MPI fails.
  explicit mpi_communicator(const mpi_options& options = {}, MPI_Comm of = MPI_COMM_WORLD)
      : options_(options) {
    if (!(options_.patience >= 0))
      detail::fail<value_error>("the patience of ranks is at least 0 s, got ", options_.patience);
    check(MPI_Comm_dup(of, &comm_), "MPI_Comm_dup");  // messages of its own
    MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(comm_, &rank_);
    MPI_Comm_size(comm_, &size_);
    const detail::place_on_machine p = detail::find_place_on_machine(comm_);
    polls_without_yield_ = p.processors > 0 && p.size > p.processors ? 0 : 20'000;
  }
  ~mpi_communicator() override { MPI_Comm_free(&comm_); }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }
  /// Whether this MPI says that it does ("CUDA-aware").
  [[nodiscard]] bool takes_device_memory() const override {
#if defined(MPIX_CUDA_AWARE_SUPPORT) && MPIX_CUDA_AWARE_SUPPORT
    return MPIX_Query_cuda_support() == 1;
#else
    return false;
#endif
  }

  void exchange(std::span<const std::span<const std::byte>> sends,
                std::span<const std::span<std::byte>> receives, const char* what) override {
    begin();
    for (int step = 1; step < size_; ++step) {  // each rank begins with another one
      const int from = (rank_ + size_ - step) % size_;
      for_pieces(receives[static_cast<std::size_t>(from)], [&](std::byte* at, int count) {
        check(MPI_Irecv(at, count, MPI_BYTE, from, 0, comm_, add_request(from)), "MPI_Irecv");
      });
    }
    received_ = requests_.size();
    for (int step = 1; step < size_; ++step) {
      const int to = (rank_ + step) % size_;
      for_pieces(sends[static_cast<std::size_t>(to)], [&](const std::byte* at, int count) {
        check(MPI_Isend(at, count, MPI_BYTE, to, 0, comm_, add_request(to)), "MPI_Isend");
      });
    }
    wait(what);
  }

  [[nodiscard]] std::int64_t maximum(std::int64_t mine, const char* what) override {
    begin();
    mine_ = mine;
    check(MPI_Iallreduce(&mine_, &greatest_, 1, MPI_INT64_T, MPI_MAX, comm_, add_request(-1)),
          "MPI_Iallreduce");
    wait(what);
    return greatest_;
  }

 private:
  /// f(address, bytes) for pieces that MPI can count by an int.
  template <class Byte, class F>
  static void for_pieces(std::span<Byte> bytes, const F& f) {
    constexpr std::size_t most = std::size_t{1} << 30;
    for (std::size_t at = 0; at < bytes.size(); at += most)
      f(bytes.data() + at, static_cast<int>(std::min(most, bytes.size() - at)));
  }
  [[nodiscard]] MPI_Request* add_request(int peer) {
    peers_.push_back(peer);
    return &requests_.emplace_back(MPI_REQUEST_NULL);
  }

  void wait(const char* what) {
    const auto count = static_cast<int>(requests_.size());
    if (options_.patience == 0)
      return check(MPI_Waitall(count, requests_.data(), MPI_STATUSES_IGNORE), what);
    double begin = 0;
    for (std::int64_t polls = 1;; ++polls) {
      int is_done = 0;
      check(MPI_Testall(count, requests_.data(), &is_done, MPI_STATUSES_IGNORE), what);
      if (is_done != 0) return;
      // A message takes less time than a turn of another process on this processor.
      if (polls > polls_without_yield_) ::sched_yield();
      if (polls % 64 != 0) continue;
      const double now = MPI_Wtime();
      if (begin == 0) begin = now;
      if (now - begin > options_.patience) detail::fail<communication_error>(who_is_missing(what));
      if (now - begin > 0.01) {
        const timespec nap{0, 100'000};
        ::nanosleep(&nap, nullptr);
      }
    }
  }
  /// Gives up what was not received: its memory may be gone when it comes. Names the ranks it was
  /// to come from, or that did not take what was sent.
  [[nodiscard]] std::string who_is_missing(const char* what) {
    has_failed_ = true;
    std::vector<bool> is_missing(static_cast<std::size_t>(size_));
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      int is_done = 0;
      MPI_Test(&requests_[i], &is_done, MPI_STATUS_IGNORE);
      if (is_done != 0 || peers_[i] < 0) continue;
      is_missing[static_cast<std::size_t>(peers_[i])] = true;
      if (i >= received_) continue;
      MPI_Cancel(&requests_[i]);
      MPI_Wait(&requests_[i], MPI_STATUS_IGNORE);
    }
    std::string missing;
    for (int r = 0; r < size_; ++r)
      if (is_missing[static_cast<std::size_t>(r)])
        missing += detail::concat(missing.empty() ? "rank " : ", ", r);
    return detail::concat("no answer from ", missing.empty() ? "another rank" : missing, " for ",
                          options_.patience, " s, while waiting for ", what,
                          "; start again from the last checkpoint, or have more patience");
  }
  void begin() {
    if (has_failed_)
      detail::fail<communication_error>(
          "the ranks lost each other in an earlier wait; start all of them again");
    requests_.clear();
    peers_.clear();
    received_ = 0;
  }
  void check(int status, const char* what) const {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = {};
    int length = 0;
    MPI_Error_string(status, text, &length);
    detail::fail<communication_error>("MPI failed in ", what, ": ", static_cast<const char*>(text));
  }

  mpi_options options_;
  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  std::int64_t polls_without_yield_ = 0;  // some 2 ms, unless ranks share processors
  bool has_failed_ = false;
  std::vector<MPI_Request> requests_;
  std::size_t received_ = 0;              // of the requests: the first ones, the others send
  std::vector<int> peers_;                // of the requests
  std::int64_t mine_ = 0, greatest_ = 0;  // MPI may still write here after a wait that failed
};

namespace detail {

/// While it lives, a call of exit() ends all ranks, which would wait for this one.
class exit_guard {
 public:
  exit_guard() {
    static const int registered = std::atexit([] {
      if (!is_active()) return;
      is_active() = false;
      int rank = 0;
      MPI_Comm_rank(MPI_COMM_WORLD, &rank);
      std::fprintf(stderr, "chainrule: rank %d called exit() in run_ranks\n", rank);
      MPI_Abort(MPI_COMM_WORLD, 1);
    });
    (void)registered;
    is_active() = true;
  }
  exit_guard(const exit_guard&) = delete;
  exit_guard& operator=(const exit_guard&) = delete;
  ~exit_guard() { is_active() = false; }

 private:
  static bool& is_active() {
    static bool active = false;
    return active;
  }
};

}  // namespace detail

/// A backend for this rank: with its share of the processors of the machine, at least one thread
/// and at most as many as B{} has, or on one of the devices of the machine, in turn. All ranks call
/// it, in run_ranks.
template <backend B>
[[nodiscard]] B backend_of_rank() {
  const detail::place_on_machine p = detail::find_place_on_machine();
  if constexpr (requires(const B& be) { B(int{1}), be.threads(); }) {
    const int all = p.processors > 0 ? p.processors : B{}.threads();
    return p.size == 1 ? B{} : B(std::clamp(all / p.size, 1, B{}.threads()));
  } else if constexpr (std::is_constructible_v<B, const device_choice&>) {
    const auto count = static_cast<int>(devices<B>().size());
    return count < 2 ? B{} : B(device_choice(p.rank % count));
  } else {
    return B{};
  }
}

/// Runs body(communicator&) between the initialization of MPI and its end, and returns what it
/// returns, or 0. If it throws, says so on stderr and ends all ranks with status 1. To be called
/// once in a program, by main.
template <class Body>
requires std::is_invocable_v<const Body&, communicator&>
int run_ranks(int argc, char** argv, const Body& body, const mpi_options& options = {}) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  int status = 0;
  try {
    const detail::exit_guard guard;
    mpi_communicator c(options);
    if constexpr (std::is_void_v<std::invoke_result_t<const Body&, communicator&>>)
      body(c);
    else
      status = body(c);
  } catch (const std::exception& e) {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    std::fprintf(stderr, "chainrule: rank %d: %s\n", rank, e.what());
    std::fflush(nullptr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    return 1;
  }
  MPI_Finalize();
  return status;
}

/// Runs body(be, ranks) on a backend for each rank: with this machine's processors, or devices,
/// divided among the ranks on it. Otherwise as above.
template <backend B, class Body>
int run_ranks(int argc, char** argv, const Body& body, const mpi_options& options = {}) {
  return run_ranks(
      argc, argv,
      [&](communicator& c) {
        const auto be = backend_of_rank<B>();
        communicating_ranks<B> ranks(be, c);
        rank_group<B>& group = ranks;
        return body(be, group);
      },
      options);
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_MPI_HPP

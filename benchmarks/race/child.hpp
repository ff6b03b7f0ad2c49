/// \file
/// `child`: a contender's process, which answers lines with lines (peers/contender.hpp). While it
/// is not asked anything it is stopped, so that no thread of it waits busily beside those that run.
#ifndef CHAINRULE_BENCHMARKS_RACE_CHILD_HPP
#define CHAINRULE_BENCHMARKS_RACE_CHILD_HPP

#include <fcntl.h>
#include <poll.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <ctime>
#include <string>

class child {
 public:
  /// Starts `command` by the shell, with `threads` threads; what it says to its standard error goes
  /// to the file `log`.
  child(const std::string& command, int threads, const std::string& log) {
    int to[2];
    int from[2];
    // What is ours must not be open in others: they would never see their input end.
    if (::pipe2(to, O_CLOEXEC) != 0) return;
    if (::pipe2(from, O_CLOEXEC) != 0) {
      ::close(to[0]);
      ::close(to[1]);
      return;
    }
    pid_ = ::fork();
    if (pid_ > 0) ::setpgid(pid_, pid_);  // here too: whoever comes first
    if (pid_ == 0) become(command, threads, log, to[0], from[1]);
    ::close(to[0]);
    ::close(from[1]);
    to_ = to[1];
    from_ = from[0];
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() {
    if (to_ >= 0) ::close(to_);
    if (from_ >= 0) ::close(from_);
    if (pid_ > 0) {
      ::kill(-pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  /// Its next line, without the end; empty if it ended, or said nothing for so many seconds. Then
  /// it is not to be asked again.
  [[nodiscard]] std::string listen(int seconds) {
    for (;;) {
      const auto end = heard_.find('\n');
      if (end != std::string::npos) {
        std::string line = heard_.substr(0, end);
        heard_.erase(0, end + 1);
        ::kill(-pid_, SIGSTOP);
        return line;
      }
      pollfd waits{from_, POLLIN, 0};
      char some[512];
      ssize_t got = 0;
      if (pid_ > 0 && ::poll(&waits, 1, seconds * 1000) > 0) got = ::read(from_, some, sizeof some);
      if (got <= 0) return {};
      heard_.append(some, static_cast<std::size_t>(got));
    }
  }

  /// Sends it a line; it runs until listen() has its answer. False if it cannot be reached.
  [[nodiscard]] bool send(const std::string& line) {
    const std::string all = line + "\n";
    ::kill(-pid_, SIGCONT);
    return ::write(to_, all.data(), all.size()) == static_cast<ssize_t>(all.size());
  }

  /// Its answer to a line; empty as of listen().
  [[nodiscard]] std::string ask(const std::string& line, int seconds) {
    return send(line) ? listen(seconds) : std::string{};
  }

  /// Of all its threads so far; 0 where the system does not say.
  [[nodiscard]] double processor_seconds() const {
    clockid_t clock{};
    timespec t{};
    if (pid_ <= 0 || ::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &t) != 0)
      return 0;
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }

 private:
  [[noreturn]] static void become(const std::string& command, int threads, const std::string& log,
                                  int in, int out) {
    ::setpgid(0, 0);  // a group, with whatever it starts itself
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody stays behind, stopped
#endif
    const std::string count = std::to_string(threads);
    for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"})
      ::setenv(name, count.c_str(), 1);
    ::setenv("PYTHONDONTWRITEBYTECODE", "1", 1);  // nothing new among the sources
    // GNU's OpenMP spins for milliseconds by default; where another program has the processor, each
    // of its joins takes as long. This is longer than any gap within a step.
    ::setenv("GOMP_SPINCOUNT", "20000", 0);
    const int errors = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    ::dup2(in, 0);
    ::dup2(out, 1);
    if (errors >= 0) ::dup2(errors, 2);
    ::execl("/bin/sh", "sh", "-c", ("exec " + command).c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }

  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string heard_;
};

#endif  // CHAINRULE_BENCHMARKS_RACE_CHILD_HPP

/// \file
/// Whether code makes system calls: it runs in a child process that the kernel ends at the first.
#ifndef CHAINRULE_TESTS_SUPPORT_SYSTEM_CALLS_HPP
#define CHAINRULE_TESTS_SUPPORT_SYSTEM_CALLS_HPP

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace support {

enum class system_calls { none, some, unknown };

/// Calls `work` in a copy of this process, in which other threads do not run, while only reads,
/// writes and the end of the thread are allowed. Unknown where the kernel does not offer that.
template <class Work>
[[nodiscard]] system_calls system_calls_of(Work&& work) {
  const pid_t child = ::fork();
  if (child < 0) return system_calls::unknown;
  if (child == 0) {
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) ::_exit(1);
    work();
    ::syscall(SYS_exit, 0);  // _exit would end all threads by a call that is not allowed
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return system_calls::unknown;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return system_calls::some;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? system_calls::none : system_calls::unknown;
}

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_SYSTEM_CALLS_HPP

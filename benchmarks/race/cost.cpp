/// \file
/// Runs a command and prints what it and everything it started cost: processor seconds, and the
/// peak memory of the largest process, as a line of JSON.
///
///     build/benchmarks/race/cost cmake --build build --target mnist
///
/// The exit status is the command's.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("cost: expected a command to run, as in: cost g++ -c a.cpp\n", stderr);
    return 2;
  }
  const pid_t child = fork();
  if (child < 0) {
    std::perror("cost: fork");
    return 1;
  }
  if (child == 0) {
    execvp(argv[1], argv + 1);
    std::perror(argv[1]);
    _exit(127);
  }
  int status = 0;
  rusage used{};
  if (wait4(child, &status, 0, &used) != child) {
    std::perror("cost: wait4");
    return 1;
  }
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
#ifdef __APPLE__
  const double bytes_per_unit = 1;
#else
  const double bytes_per_unit = 1024;
#endif
  std::printf("{\"processor_seconds\": %.2f, \"peak_megabytes\": %.0f}\n",
              seconds(used.ru_utime) + seconds(used.ru_stime),
              static_cast<double>(used.ru_maxrss) * bytes_per_unit / 1e6);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

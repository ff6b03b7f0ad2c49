/// \file
/// `contest`: several ways to do the same work, measured in turns.
///
/// A shared machine is never equally fast twice, so times of different runs say little. Here each
/// round runs every contender once, one after another, and what is reported is the median of the
/// rounds' ratios to the first contender. Google Benchmark gives the frame: names,
/// --benchmark_filter and the JSON of --benchmark_out, where a repetition is a round.
///
///     contest c{"gemm/A", 100};
///     c.add("Eigen", [&] { ... });
///     c.add("chainrule", [&] { ... });
///     return run_contests(argc, argv, {&c}, "microseconds", 1e6);
#ifndef CHAINRULE_BENCHMARKS_CONTEST_HPP
#define CHAINRULE_BENCHMARKS_CONTEST_HPP

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

/// The middle one; 0 of nothing.
[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class contest {
 public:
  /// Work that is short is done `repeats` times between two looks at the clock.
  explicit contest(std::string name, int repeats = 1) : name_(std::move(name)), repeats_(repeats) {}

  void set_repeats(int repeats) { repeats_ = repeats; }

  void add(std::string name, std::function<void()> work) {
    contenders_.push_back({std::move(name), std::move(work), {}, {}});
  }

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::size_t size() const { return contenders_.size(); }
  [[nodiscard]] const std::string& name(std::size_t i) const { return contenders_[i].name; }
  [[nodiscard]] std::size_t rounds() const { return contenders_[0].seconds.size(); }

  /// The seconds that contender i took in a round; runs the rounds that are missing, after one that
  /// warms up and does not count.
  double seconds(std::size_t i, std::size_t round) {
    if (rounds() == 0)
      for (contender& c : contenders_) c.work();
    while (rounds() <= round)
      for (contender& c : contenders_) time(c);
    return contenders_[i].seconds[round];
  }

  [[nodiscard]] double median_seconds(std::size_t i) const {
    return median(contenders_[i].seconds);
  }
  /// How many times as long as the first contender took, round by round; below 1 is faster.
  [[nodiscard]] double median_ratio(std::size_t i) const { return ratio(i, &contender::seconds); }
  /// The same of the processors' time, all threads together: what a busy machine does not distort.
  [[nodiscard]] double median_work_ratio(std::size_t i) const {
    return ratio(i, &contender::work_seconds);
  }

 private:
  struct contender {
    std::string name;
    std::function<void()> work;
    std::vector<double> seconds, work_seconds;
  };

  [[nodiscard]] static double processor_seconds() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  }

  void time(contender& c) const {
    const auto start = std::chrono::steady_clock::now();
    const double work = processor_seconds();
    for (int i = 0; i < repeats_; ++i) c.work();
    c.work_seconds.push_back((processor_seconds() - work) / repeats_);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    c.seconds.push_back(taken.count() / repeats_);
  }

  [[nodiscard]] double ratio(std::size_t i, std::vector<double> contender::*times) const {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < rounds(); ++r)
      ratios.push_back((contenders_[i].*times)[r] / (contenders_[0].*times)[r]);
    return median(ratios);
  }

  std::string name_;
  int repeats_;
  std::vector<contender> contenders_;
};

/// The table at the end says it all.
struct silent_reporter : benchmark::BenchmarkReporter {
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

/// Prints what was measured of each contest: time, and ratio to the first contender.
inline void print_contests(const std::vector<contest*>& contests, const char* unit,
                           double per_second) {
  std::size_t width = 0;
  for (const contest* c : contests)
    for (std::size_t i = 0; i < c->size(); ++i)
      width = std::max(width, c->name().size() + c->name(i).size() + 3);
  for (const contest* c : contests) {
    if (c->size() == 0 || c->rounds() == 0) continue;
    for (std::size_t i = 0; i < c->size(); ++i)
      std::printf("%-*s %10.4g %-4s %7.3f %7.3f\n", static_cast<int>(width),
                  (c->name() + "  " + c->name(i)).c_str(), c->median_seconds(i) * per_second, unit,
                  c->median_ratio(i), c->median_work_ratio(i));
  }
  std::printf(
      "(medians over the rounds: time; time over that of the first line; the same of the "
      "processor time of all threads)\n");
}

/// Writes the same as JSON, one object per contender, to the file that CHAINRULE_BENCHMARK_JSON
/// names, if any. False if that fails.
inline bool write_contests(const std::vector<contest*>& contests) {
  const char* path = std::getenv("CHAINRULE_BENCHMARK_JSON");
  if (path == nullptr || *path == '\0') return true;
  std::FILE* file = std::fopen(path, "w");
  if (file == nullptr) {
    std::fprintf(stderr, "cannot write %s\n", path);
    return false;
  }
  const char* separator = "";
  for (const contest* c : contests)
    for (std::size_t i = 0; i < c->size() && c->rounds() > 0; ++i) {
      std::fprintf(file,
                   "%s    {\"name\": \"%s\", \"contender\": \"%s\", \"rounds\": %zu, "
                   "\"seconds\": %.4g, \"ratio\": %.4f, \"processor_ratio\": %.4f}",
                   separator, c->name().c_str(), c->name(i).c_str(), c->rounds(),
                   c->median_seconds(i), c->median_ratio(i), c->median_work_ratio(i));
      separator = ",\n";
    }
  std::fputs("\n", file);
  return std::fclose(file) == 0;
}

/// Runs the contests that --benchmark_filter leaves (`only`, if none is given) as benchmarks of
/// Google's and prints the table. Returns the exit status.
inline int run_contests(int argc, char** argv, const std::vector<contest*>& contests,
                        const char* unit, double per_second, int rounds, const char* only = "") {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (benchmark::GetBenchmarkFilter().empty() && *only != '\0') benchmark::SetBenchmarkFilter(only);
  for (contest* c : contests)
    for (std::size_t i = 0; i < c->size(); ++i)
      benchmark::RegisterBenchmark((c->name() + "/" + c->name(i)).c_str(),
                                   [c, i, round = std::size_t{0}](benchmark::State& state) mutable {
                                     for (auto _ : state)
                                       state.SetIterationTime(c->seconds(i, round++));
                                   })
          ->UseManualTime()
          ->Iterations(1)
          ->Repetitions(rounds);
  silent_reporter silent;
  benchmark::RunSpecifiedBenchmarks(&silent);
  print_contests(contests, unit, per_second);
  return write_contests(contests) ? 0 : 1;
}

#endif  // CHAINRULE_BENCHMARKS_CONTEST_HPP

/// \file
/// What a race came to: the times of each contender on each net, round by round, and their medians.
#ifndef CHAINRULE_BENCHMARKS_RACE_RESULTS_HPP
#define CHAINRULE_BENCHMARKS_RACE_RESULTS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

/// The middle one; 0 of nothing.
[[nodiscard]] inline double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// A contender on a net with some threads.
struct entry {
  std::string name, net;
  int threads = 1;
  bool gemms = false;  // products alone; else it trains
  std::string version;
  std::vector<double> seconds;  // of an epoch, by rounds
  std::vector<double> work;     // the same of the processors' time, all threads together
  double first_loss = 0;
  double loss = 0;
  std::string figure;  // "accuracy" or "error"
  double value = 0;
  bool same_start = false;
  std::string wrong;  // why it does not count; empty if it does

  [[nodiscard]] double median() const { return median_of(seconds); }
  /// Those of one thread are compared by the time they had a processor, which other programs on the
  /// machine distort less.
  [[nodiscard]] const std::vector<double>& times_beside(const entry& other) const {
    return threads == 1 && other.threads == 1 ? work : seconds;
  }
};

/// The median of the rounds' ratios; both have the same rounds.
[[nodiscard]] inline double ratio_of(const entry& a, const entry& b) {
  const std::vector<double>& over = a.times_beside(b);
  const std::vector<double>& under = b.times_beside(a);
  std::vector<double> ratios;
  for (std::size_t i = 0; i < over.size() && i < under.size(); ++i)
    ratios.push_back(over[i] / under[i]);
  return median_of(ratios);
}

/// What a compiler took for something.
struct compilation {
  std::string what, compiler, seconds, megabytes;
};

struct results {
  std::vector<std::pair<std::string, std::string>> notes;    // machine, compiler, ...
  std::vector<std::pair<std::string, std::string>> skipped;  // who, why
  std::vector<entry> entries;
  std::vector<compilation> compilations;
  std::vector<std::pair<std::string, double>> ratios;

  /// How much of a processor those of one thread had: near 1 on a machine that does nothing else.
  [[nodiscard]] double share_of_processor() const {
    std::vector<double> shares;
    for (const entry& e : entries)
      for (std::size_t i = 0; e.threads == 1 && i < e.seconds.size(); ++i)
        shares.push_back(e.work[i] / e.seconds[i]);
    return median_of(shares);
  }

  /// Null if it did not run, or does not count.
  [[nodiscard]] const entry* find(const std::string& name, const std::string& net, int threads,
                                  bool gemms = false) const {
    for (const entry& e : entries)
      if (e.name == name && e.net == net && e.threads == threads && e.gemms == gemms &&
          e.wrong.empty())
        return &e;
    return nullptr;
  }

  /// The fastest that `fits`; null if there is none.
  template <class Fits>
  [[nodiscard]] const entry* fastest(Fits&& fits) const {
    const entry* best = nullptr;
    for (const entry& e : entries)
      if (e.wrong.empty() && !e.seconds.empty() && fits(e) &&
          (best == nullptr || median_of(e.times_beside(*best)) < median_of(best->times_beside(e))))
        best = &e;
    return best;
  }
};

/// As the text of a JSON string, with its quotes.
[[nodiscard]] inline std::string quoted(const std::string& text) {
  std::string all = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') all += '\\';
    all += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return all + '"';
}

/// Writes everything as JSON; false if that fails.
[[nodiscard]] inline bool write_json(const results& r, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) return false;
  std::fputs("{\n", file);
  for (const auto& [key, value] : r.notes)
    std::fprintf(file, "  %s: %s,\n", quoted(key).c_str(), quoted(value).c_str());
  std::fprintf(file, "  \"share_of_processor\": %.3g,\n", r.share_of_processor());
  const char* separator = "";
  std::fputs("  \"ratios\": {", file);
  for (const auto& [name, value] : r.ratios) {
    std::fprintf(file, "%s\n    %s: %.4g", separator, quoted(name).c_str(), value);
    separator = ",";
  }
  std::fputs("\n  },\n  \"skipped\": {", file);
  separator = "";
  for (const auto& [who, why] : r.skipped) {
    std::fprintf(file, "%s\n    %s: %s", separator, quoted(who).c_str(), quoted(why).c_str());
    separator = ",";
  }
  std::fputs("\n  },\n  \"compilations\": [", file);
  separator = "";
  for (const compilation& c : r.compilations) {
    std::fprintf(file,
                 "%s\n    {\"what\": %s, \"compiler\": %s, \"processor_seconds\": %s, "
                 "\"peak_megabytes\": %s}",
                 separator, quoted(c.what).c_str(), quoted(c.compiler).c_str(), c.seconds.c_str(),
                 c.megabytes.c_str());
    separator = ",";
  }
  std::fputs("\n  ],\n  \"results\": [", file);
  separator = "";
  for (const entry& e : r.entries) {
    std::fprintf(file,
                 "%s\n    {\"net\": %s, \"threads\": %d, \"kind\": \"%s\", \"name\": %s, "
                 "\"version\": %s, \"seconds\": %.4g, \"processor_seconds\": %.4g",
                 separator, quoted(e.net).c_str(), e.threads, e.gemms ? "products" : "epoch",
                 quoted(e.name).c_str(), quoted(e.version).c_str(), e.median(), median_of(e.work));
    if (!e.figure.empty()) std::fprintf(file, ", \"%s\": %.4g", e.figure.c_str(), e.value);
    if (!e.wrong.empty()) std::fprintf(file, ", \"wrong\": %s", quoted(e.wrong).c_str());
    std::fputs(", \"rounds\": [", file);
    for (std::size_t i = 0; i < e.seconds.size(); ++i)
      std::fprintf(file, "%s%.4g", i == 0 ? "" : ", ", e.seconds[i]);
    std::fputs("]}", file);
    separator = ",";
  }
  std::fputs("\n  ]\n}\n", file);
  return std::fclose(file) == 0;
}

#endif  // CHAINRULE_BENCHMARKS_RACE_RESULTS_HPP

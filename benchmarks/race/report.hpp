/// \file
/// `print_report`: the tables of a race, in Markdown.
#ifndef CHAINRULE_BENCHMARKS_RACE_REPORT_HPP
#define CHAINRULE_BENCHMARKS_RACE_REPORT_HPP

#include <cstdio>
#include <string>
#include <vector>

#include "results.hpp"

namespace report {

inline const char* const ours = "chainrule";
inline const char* const ours_native = "chainrule, -march=native";
inline const char* const our_pair = "chainrule, two processes";
inline constexpr int steps_of_t = 128;

/// Rows of cells, each column as wide as it must be; the first row is the head.
inline void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(3);
      widths[i] = std::max(widths[i], row[i].size());
    }
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string cell = i < rows[r].size() ? rows[r][i] : "";
      std::printf(i == 0 ? "| %-*s " : "| %*s ", static_cast<int>(widths[i]), cell.c_str());
    }
    std::puts("|");
    if (r > 0) continue;
    for (std::size_t i = 0; i < widths.size(); ++i)
      std::printf("|%s%s", std::string(widths[i] + 1, '-').c_str(), i == 0 ? "-" : ":");
    std::puts("|");
  }
  std::puts("");
}

[[nodiscard]] inline std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

/// Seconds, or nanoseconds per step of T.
[[nodiscard]] inline std::string time_of(const entry* e) {
  if (e == nullptr) return "";
  if (e->net != "T") return number(e->median());
  char text[32];
  std::snprintf(text, sizeof text, "%.0f", e->median() * 1e9 / steps_of_t);
  return text;
}

/// A line per name, a column per net and number of threads.
inline void print_times(const results& r, const std::vector<std::string>& nets, bool gemms) {
  std::vector<std::vector<std::string>> rows{{""}};
  std::vector<std::pair<std::string, int>> columns;
  for (const int threads : {1, 2})
    for (const std::string& net : nets)
      for (const entry& e : r.entries)
        if (e.net == net && e.threads == threads && e.gemms == gemms) {
          columns.emplace_back(net, threads);
          rows[0].push_back(net + (threads == 1 ? ", 1 thread" : ", 2 threads"));
          break;
        }
  if (columns.empty()) return;
  std::vector<std::string> names;
  for (const entry& e : r.entries)
    if (e.gemms == gemms && std::find(names.begin(), names.end(), e.name) == names.end() &&
        std::find(nets.begin(), nets.end(), e.net) != nets.end())
      names.push_back(e.name);
  for (const std::string& name : names) {
    rows.push_back({name});
    for (const auto& [net, threads] : columns)
      rows.back().push_back(time_of(r.find(name, net, threads, gemms)));
  }
  print_table(rows);
}

/// Adds `factor` times the ratio, if both are there, and its text to the row.
inline void add_ratio(results& r, std::vector<std::string>& row, const std::string& name,
                      const entry* over, const entry* under, double factor) {
  if (over == nullptr || under == nullptr) {
    row.emplace_back();
    return;
  }
  r.ratios.emplace_back(name, factor * ratio_of(*over, *under));
  row.push_back(number(r.ratios.back().second));
}

/// Our epochs beside others, as ratios of the same rounds.
inline void print_ratios(results& r, const std::vector<std::string>& nets) {
  std::vector<std::vector<std::string>> rows{{"ratio"}};
  for (const std::string& net : nets) rows[0].push_back(net);
  const auto add = [&](const std::string& what, const auto& over, const auto& under,
                       double factor = 1) {
    rows.push_back({what});
    for (const std::string& net : nets)
      add_ratio(r, rows.back(), what + ", " + net, over(net), under(net), factor);
  };
  const auto our = [&](int threads) {
    return [&r, threads](const std::string& net) { return r.find(ours, net, threads); };
  };
  // Ours in place of the others' best would compare us with ourselves.
  const auto products = [&](int threads, bool own) {
    return [&r, threads, own](const std::string& net) {
      return r.fastest([&](const entry& e) {
        return e.gemms && e.net == net && e.threads == threads && (e.name == ours) == own;
      });
    };
  };
  const auto torch = [&](int most_threads, const char* how) {
    return [&r, most_threads, how](const std::string& net) {
      return r.fastest([&](const entry& e) {
        return !e.gemms && e.net == net && e.threads <= most_threads &&
               e.name.rfind("PyTorch", 0) == 0 && e.name.find(how) != std::string::npos;
      });
    };
  };
  const auto our_best = [&](const std::string& net) {
    return r.fastest([&](const entry& e) { return !e.gemms && e.net == net && e.name == ours; });
  };
  const auto eigen = [&](const std::string& net) {
    return r.find("plain Eigen, -march=native", net, 1);
  };
  const auto native = [&](const std::string& net) { return r.find(ours_native, net, 1); };
  const auto pair = [&](const std::string& net) { return r.find(our_pair, net, 2); };
  const auto numpy = [&](const std::string& net) {
    return r.fastest([&](const entry& e) { return e.net == net && e.name.rfind("NumPy", 0) == 0; });
  };
  add("our epoch over the fastest library's products alone, 1 thread", our(1), products(1, false));
  add("the same, 2 threads", our(2), products(2, false));
  add("our products alone over theirs, 1 thread", products(1, true), products(1, false));
  add("our epoch over our own products alone, 1 thread", our(1), products(1, true));
  add("one thread over two", our(1), our(2));
  add("two processes of one thread, their work over one's: what the machine allows", our(1), pair,
      2);
  add("two threads' work over that of two processes", pair, our(2), 0.5);
  add("-O2 over -march=native, 1 thread", our(1), native);
  add("plain Eigen, -march=native, over ours, 1 thread", eigen, our(1));
  add("NumPy, its best, over our best", numpy, our_best);
  add("PyTorch eager over ours, 1 thread", torch(1, "eager"), our(1));
  add("PyTorch eager, its best, over our best", torch(2, "eager"), our_best);
  add("PyTorch compiled, its best, over our best", torch(2, "compiled"), our_best);
  print_table(rows);

  for (const std::string& net : nets)
    for (const int threads : {1, 2})
      if (const entry* e = products(threads, false)(net))
        std::printf("Fastest products of %s, %d thread%s: %s.\n", net.c_str(), threads,
                    threads == 1 ? "" : "s", e->name.c_str());
  std::puts("");
}

inline void print_compilations(const results& r) {
  if (r.compilations.empty()) return;
  std::vector<std::vector<std::string>> rows{{"compiled at -O2", "compiler", "seconds", "peak MB"}};
  for (const compilation& c : r.compilations)
    rows.push_back({c.what, c.compiler, c.seconds, c.megabytes});
  print_table(rows);
}

/// The step of T, by who has taken it, and ours beside the rest.
inline void print_steps(results& r) {
  print_times(r, {"T"}, false);
  const entry* our = r.find(ours, "T", 1);
  const entry* typed = r.find("chainrule, extents in the type", "T", 1);
  const entry* fixed = r.find("Eigen, extents in the type", "T", 1);
  for (const entry* e : {our, typed})
    if (e != nullptr)
      r.ratios.emplace_back(e->name + ", nanoseconds per step of T",
                            e->median() * 1e9 / steps_of_t);
  if (our != nullptr && fixed != nullptr)
    r.ratios.emplace_back("our step of T over Eigen's with extents in the type",
                          ratio_of(*our, *fixed));
}

}  // namespace report

/// Prints everything, and assigns r.ratios.
inline void print_report(results& r) {
  std::vector<std::string> nets;
  for (const char* net : {"A", "B", "C", "D"})
    for (const entry& e : r.entries)
      if (e.net == net) {
        nets.emplace_back(net);
        break;
      }
  std::puts("");
  for (const auto& [key, value] : r.notes) std::printf("- %s: %s\n", key.c_str(), value.c_str());
  std::printf("- share of a processor that programs of one thread had: %.2f\n",
              r.share_of_processor());
  std::puts("\n**Seconds per epoch** (60,000 images; medians over the rounds)\n");
  report::print_times(r, nets, false);
  std::puts("**The products of an epoch's steps alone**, seconds\n");
  report::print_times(r, nets, true);
  std::puts(
      "**Ratios** (medians of the rounds' ratios; between programs of one thread, of processor "
      "time)\n");
  report::print_ratios(r, nets);
  std::puts("**One step of net T** (10-3-2, batches of 8), nanoseconds\n");
  report::print_steps(r);
  report::print_compilations(r);
  for (const auto& [who, why] : r.skipped)
    std::printf("Skipped: %s: %s.\n", who.c_str(), why.c_str());
}

#endif  // CHAINRULE_BENCHMARKS_RACE_REPORT_HPP

/// \file
/// Numbers beside those of a text: prints them, and counts those that are off.
///
///     figures table;
///     table.line("K4", "after a step", out.item(), -5.8706);
///     return table.status();  // 0 if all agree
#ifndef CHAINRULE_EXAMPLES_FIGURES_HPP
#define CHAINRULE_EXAMPLES_FIGURES_HPP

#include <cmath>
#include <cstdio>

class figures {
 public:
  /// `last` is a unit of the last digit that the text has; 0 where it is exact, but for rounding.
  void line(const char* id, const char* what, double ours, double text, double last = 0,
            const char* note = "") {
    const bool good =
        std::fabs(ours - text) <= 0.501 * last + 1e-14 * std::fmax(1, std::fabs(text));
    std::printf("%-4s %-34s %15.11g %15.11g  %s%s\n", id, what, ours, text, good ? "" : "OFF ",
                note);
    if (!good) ++off_;
  }
  /// For what is no number of a text.
  void check(const char* id, const char* what, double ours, bool good) {
    std::printf("%-4s %-34s %15.11g %15s  %s\n", id, what, ours, "", good ? "" : "OFF");
    if (!good) ++off_;
  }
  /// The exit status: 1 if a number is off.
  [[nodiscard]] int status() const {
    if (off_ > 0) std::fprintf(stderr, "%d numbers are off\n", off_);
    return off_ > 0 ? 1 : 0;
  }

 private:
  int off_ = 0;
};

#endif  // CHAINRULE_EXAMPLES_FIGURES_HPP

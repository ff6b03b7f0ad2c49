/// \file
/// A table of computed numbers beside the expected ones; counts those that are off.
///
///     figures table("Expected are the numbers of ...");
///     table.part("f = x y at (-2, 3)");
///     table.line("f after a step of 0.01", out.item(), -5.8706);
///     return table.status();  // 0 if all agree
#ifndef CHAINRULE_EXAMPLES_FIGURES_HPP
#define CHAINRULE_EXAMPLES_FIGURES_HPP

#include <cmath>
#include <cstdio>
#include <string>

class figures {
 public:
  /// Prints where the expected numbers come from, and the heads of the columns.
  explicit figures(const char* source) {
    std::printf("%s\n\n%-52s %15s %15s\n", source, "", "computed", "expected");
  }
  /// Prints what the following lines are about.
  static void part(const char* title) { std::printf("%s\n", title); }

  /// `last` is a unit of the last digit of `expected`; 0 where that is exact, but for rounding.
  void line(const std::string& what, double computed, double expected, double last = 0,
            const char* note = "") {
    const bool good =
        std::fabs(computed - expected) <= 0.501 * last + 1e-14 * std::fmax(1, std::fabs(expected));
    std::printf("  %-50s %15.11g %15.11g  %s%s\n", what.c_str(), computed, expected,
                good ? "" : "OFF ", note);
    if (!good) ++off_;
  }
  /// A number that must fulfil a condition and has no expected value.
  void check(const char* what, double computed, bool good) {
    std::printf("  %-50s %15.11g %15s  %s\n", what, computed, "", good ? "" : "OFF");
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

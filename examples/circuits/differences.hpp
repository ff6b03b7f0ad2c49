/// \file
/// The derivative of f = (2 x1 + 3 x2)^2 + 3 at (1, 3): by differences, of which the best step
/// depends on the type, and as a graph ("Feedforward Networks", part 3).
#ifndef CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP
#define CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>

#include "../figures.hpp"

/// Adds the rows F1 to F6.
inline void differences(chainrule::tape<chainrule::basic_cpu<double>>& t, figures& table) {
  const auto f = [](auto x1) { return (2 * x1 + 9) * (2 * x1 + 9) + 3; };
  // The text's h is the distance of the two points.
  const auto central = [&](auto h) { return (f(1 + h / 2) - f(1 - h / 2)) / h; };
  table.line("F1", "f(1 + h/2, 3), h = .02", f(1.01), 124.4404);
  table.line("F1", "f(1 - h/2, 3)", f(0.99), 123.5604);
  table.line("F1", "central difference", central(0.02), 44, 1e-9, "the text's 43.9999 is cut off");
  table.line("F2", "one-sided difference", (f(1.02) - f(1.0)) / 0.02, 44.08, 1e-9);
  const auto x1 = t.variable(1.0), x2 = t.variable(3.0);
  const auto p = 2 * x1, q = 3 * x2, s = p + q, square = sqr(s), y = square + 3;
  const auto slope = [](const auto& of, const auto& by) {
    return gradient(of, by, {.keep_graph = true}).item();
  };
  table.line("F3", "df/dx1", slope(y, x1), 44);
  table.line("F3", "df/dx2", slope(y, x2), 66);
  const double forward[] = {2, 9, 11, 121, 124};
  int i = 0;
  for (const auto& v : {p, q, s, square, y}) table.line("F4", "forward", v.item(), forward[i++]);
  table.line("F5", "backward: + 3", slope(y, square), 1);
  table.line("F5", "backward: square", slope(square, s), 22);
  table.line("F5", "backward: sum", slope(s, p), 1);
  table.line("F5", "backward: 2 x1", slope(p, x1), 2);
  table.line("F6", "central, float, h = 1e-5", static_cast<double>(central(1e-5F)), 41.96, 1e-2);
  table.line("F6", "central, float, h = 1e-2", static_cast<double>(central(1e-2F)), 44.001, 1e-3);
  table.line("F6", "central, double, h = 1e-5", central(1e-5), 43.99999999, 2e-8);
}

#endif  // CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP

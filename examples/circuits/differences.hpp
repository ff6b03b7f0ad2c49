/// \file
/// The derivative of f = (2 x1 + 3 x2)^2 + 3 at (1, 3): by differences, of which the best step
/// depends on the type, and as a graph ("Feedforward Networks", part 3).
#ifndef CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP
#define CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP

#include <chainrule/autodiff/autodiff.hpp>
#include <chainrule/backend/cpu.hpp>

#include "../figures.hpp"

/// Adds the derivatives of f to the table.
inline void differences(chainrule::tape<chainrule::basic_cpu<double>>& t, figures& table) {
  const auto f = [](auto x1) { return (2 * x1 + 9) * (2 * x1 + 9) + 3; };
  // The text's h is the distance of the two points.
  const auto central = [&](auto h) { return (f(1 + h / 2) - f(1 - h / 2)) / h; };
  table.part("f(x1, x2) = (2 x1 + 3 x2)^2 + 3 at x1 = 1, x2 = 3");
  table.line("f(1 + h/2, 3), h = 0.02", f(1.01), 124.4404);
  table.line("f(1 - h/2, 3)", f(0.99), 123.5604);
  table.line("df/dx1 by a central difference", central(0.02), 44, 1e-9,
             "the text's 43.9999 is cut off");
  table.line("df/dx1 by a one-sided difference", (f(1.02) - f(1.0)) / 0.02, 44.08, 1e-9);
  const auto x1 = t.variable(1.0), x2 = t.variable(3.0);
  const auto p = 2 * x1, q = 3 * x2, s = p + q, square = sqr(s), y = square + 3;
  const auto slope = [](const auto& of, const auto& by) {
    return gradient(of, by, {.keep_graph = true}).item();
  };
  table.line("df/dx1 by the chain rule", slope(y, x1), 44);
  table.line("df/dx2 by the chain rule", slope(y, x2), 66);
  table.line("forward: p = 2 x1", p.item(), 2);
  table.line("forward: q = 3 x2", q.item(), 9);
  table.line("forward: s = p + q", s.item(), 11);
  table.line("forward: s^2", square.item(), 121);
  table.line("forward: f = s^2 + 3", y.item(), 124);
  table.line("backward: df/d(s^2)", slope(y, square), 1);
  table.line("backward: d(s^2)/ds", slope(square, s), 22);
  table.line("backward: ds/dp", slope(s, p), 1);
  table.line("backward: dp/dx1", slope(p, x1), 2);
  table.line("df/dx1 by a difference in float, h = 1e-5", static_cast<double>(central(1e-5F)),
             41.96, 1e-2);
  table.line("df/dx1 by a difference in float, h = 1e-2", static_cast<double>(central(1e-2F)),
             44.001, 1e-3);
  table.line("df/dx1 by a difference in double, h = 1e-5", central(1e-5), 43.99999999, 2e-8);
}

#endif  // CHAINRULE_EXAMPLES_CIRCUITS_DIFFERENCES_HPP

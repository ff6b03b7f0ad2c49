/// \file
/// A graph as a picture: the text that Graphviz draws.
///
///     std::fputs(to_dot(y, {{"x", x}, {"w", w}}).c_str(), stdout);   // | dot -Tsvg > circuit.svg
///
/// One box per value: its name or operation and its shape; for small ones also the value and the
/// stored gradient. Of a graph that a backward pass has freed only the last value is left: draw it
/// before, or keep it (`backward(y, {.keep_graph = true})`).
#ifndef CHAINRULE_AUTODIFF_DOT_HPP
#define CHAINRULE_AUTODIFF_DOT_HPP

#include <cstdio>
#include <string>
#include <utility>

#include "chainrule/autodiff/variable.hpp"

namespace chainrule {

namespace detail {

/// The elements of a small matrix, "-1.5" or "1 2; 3 4"; of a larger one nothing.
template <backend B>
[[nodiscard]] std::string small_text(const B& be, const_matrix<B> m) {
  constexpr index_t most = 9;
  std::string text;
  if (m.size() > most || m.empty()) return text;
  const auto host = to_host(be, m);
  char digits[32];
  for (std::size_t i = 0; i < host.size(); ++i) {
    std::snprintf(digits, sizeof digits, "%.4g", static_cast<double>(host[i]));
    const bool begins_row = i % static_cast<std::size_t>(m.cols()) == 0;
    text += i == 0 ? "" : (begins_row ? "; " : " ");
    text += digits;
  }
  return text;
}

[[nodiscard]] inline std::string quoted(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace detail

namespace math {

/// The graph that y was made from, in the language of Graphviz. Variables may be given names.
template <backend B>
[[nodiscard]] std::string to_dot(
    const variable<B>& y,
    const std::vector<std::pair<std::string, std::type_identity_t<variable<B>>>>& names = {}) {
  namespace d = chainrule::detail;
  auto& g = y.graph();
  std::vector<d::node<B>*> order;  // numbered by their cursors
  g.walk(
      &y.node(), [](const d::node<B>*) { return true; },
      [&](d::node<B>* n) {
        n->cursor = static_cast<std::uint32_t>(order.size());
        order.push_back(n);
      });

  std::string text = "digraph {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n";
  for (std::size_t i = 0; i < order.size(); ++i) {
    const d::node<B>* const n = order[i];
    std::string title;
    for (const auto& [name, x] : names)
      if (!x.is_constant() && &x.node() == n) title = name;
    if (n->made_by != nullptr) {
      title += (title.empty() ? "" : " = ") + std::string(n->made_by->name);
      if (n->made_by->describe != nullptr) title += n->made_by->describe(*n);
    } else if (title.empty()) {
      title = n->wants_gradient && !n->is_released ? "variable" : "constant";
    }
    text += d::concat("  n", i, " [label=\"", d::quoted(title), "\\n", to_string(n->value.shape()));
    if (const std::string value = d::small_text(g.backend(), n->value); !value.empty())
      text += "\\nvalue " + value;
    if (n->gradient != nullptr) {
      const std::string gradient = d::small_text(g.backend(), n->gradient->value);
      text += gradient.empty() ? "\\nhas a gradient" : "\\ngradient " + gradient;
    }
    text += n->made_by == nullptr ? "\", style=rounded];\n" : "\"];\n";
    for (std::uint32_t k = 0; k < n->input_count; ++k)
      text += d::concat("  n", n->inputs[k]->cursor, " -> n", i, ";\n");
  }
  return text + "}\n";
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_DOT_HPP

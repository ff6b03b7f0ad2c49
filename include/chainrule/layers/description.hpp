/// \file
/// `description`: a layer as data, for the summary, the check of files and rebuilding.
///
///     void describe(archive& a) const { a.activation(f_); a.extent("outputs", outputs_); }
///
///     to_string(describe(dense{784, 128, leaky_relu{0.2}}));
///     // dense(outputs=128, activation=leaky_relu(0.2))
#ifndef CHAINRULE_LAYERS_DESCRIPTION_HPP
#define CHAINRULE_LAYERS_DESCRIPTION_HPP

#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/core/sample_shape.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule {

/// What a layer is, apart from the values of its parameters.
struct description {
  std::string kind;                                            // "dense"
  std::vector<std::pair<std::string, std::string>> extents;    // "outputs", "128"
  std::vector<std::pair<std::string, std::string>> constants;  // "p", "0.5"
  std::string activation;                                      // "leaky_relu(0.2)", or empty
  std::vector<description> layers;                             // of a block

  /// The line of the layer in a summary: "dense + relu", "dropout 0.5".
  [[nodiscard]] std::string label() const {
    std::string text = kind;
    for (const auto& [name, value] : constants) text += " " + value;
    if (!activation.empty())
      text =
          (kind == "activation" ? "" : text + " + ") + activation.substr(0, activation.find('('));
    return text;
  }
};

/// All of a description in one line.
[[nodiscard]] inline std::string to_string(const description& d) {
  std::string inner;
  const auto add = [&](const std::string& item) { inner += (inner.empty() ? "" : ", ") + item; };
  for (const auto* list : {&d.extents, &d.constants})
    for (const auto& [name, value] : *list) add(name + "=" + value);
  if (!d.activation.empty()) add("activation=" + d.activation);
  for (const description& l : d.layers) add(to_string(l));
  return inner.empty() ? d.kind : d.kind + "(" + inner + ")";
}

namespace detail {
/// The shortest decimal number that is read back as x.
[[nodiscard]] inline std::string shortest(double x) {
  char text[32];
  for (const int digits : {6, 15, 16, 17}) {
    std::snprintf(text, sizeof text, "%.*g", digits, x);
    double back = 0;
    if (std::sscanf(text, "%lf", &back) == 1 && back == x) break;
  }
  return text;
}
}  // namespace detail

/// The name of a layer's kind, for messages: a static member, or a function of an erased layer.
template <class Layer>
[[nodiscard]] constexpr const char* name_of_layer(const Layer& layer) {
  if constexpr (requires { layer.name(); })
    return layer.name();
  else
    return Layer::name;
}

/// Collects what a layer says of itself.
class archive {
 public:
  explicit archive(std::string kind) { description_.kind = std::move(kind); }

  void extent(std::string_view name, index_t n) {
    description_.extents.emplace_back(name, std::to_string(n));
  }
  void extent(std::string_view name, const sample_shape& s) {
    description_.extents.emplace_back(name, to_string(s));
  }
  void constant(std::string_view name, double value) {
    description_.constants.emplace_back(name, detail::shortest(value));
  }
  /// An activation, whose constants are its data members of type double. The identity is none.
  template <class F>
  void activation(const F& f) {
    if constexpr (std::is_same_v<F, identity>) return;
    std::string& text = description_.activation;
    text = name_of<F>();
    if constexpr (requires { f.constants(); }) {
      std::string list;
      for (const double c : f.constants()) list += (list.empty() ? "" : ", ") + detail::shortest(c);
      text += "(" + list + ")";
    }
  }
  /// A layer of a block.
  template <class Layer>
  void child(const Layer& layer);

  [[nodiscard]] const description& result() const { return description_; }

 private:
  description description_;
};

/// What a layer says of itself.
template <class Layer>
[[nodiscard]] description describe(const Layer& layer) {
  archive a(name_of_layer(layer));
  layer.describe(a);
  return a.result();
}

template <class Layer>
void archive::child(const Layer& layer) {
  description_.layers.push_back(chainrule::describe(layer));
}

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DESCRIPTION_HPP

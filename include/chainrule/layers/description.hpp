/// \file
/// `description`: a layer as data, for the summary, the check of files and rebuilding.
///
///     void describe(archive& a) const { a.activation(f_); a.extent("outputs", outputs_); }
///
///     to_string(describe(dense{784, 128, leaky_relu{0.2}}));
///     // dense(outputs=128, activation=leaky_relu(0.2))
#ifndef CHAINRULE_LAYERS_DESCRIPTION_HPP
#define CHAINRULE_LAYERS_DESCRIPTION_HPP

#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/core/shape.hpp"
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
    if (!activation.empty()) text = (kind == "activation" ? "" : text + " + ") + activation;
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
  void extent(std::string_view name, const shape& s) {
    description_.extents.emplace_back(name, to_string(s));
  }
  void constant(std::string_view name, double value) {
    char digits[32];
    const char* const end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    description_.constants.emplace_back(name, std::string(static_cast<const char*>(digits), end));
  }
  /// An activation, with the constants that it states. The identity is none.
  template <class F>
  void activation(const F& f) {
    // A member that is a reference, as in a lambda that captures by one, ends standard layout.
    static_assert(std::is_trivially_copy_constructible_v<F> &&
                      std::is_trivially_destructible_v<F> && std::is_standard_layout_v<F> &&
                      sizeof(F) <= 64,
                  "chainrule: an activation is a small plain value (its constants, at most 64 "
                  "bytes, trivially copyable, of standard layout); let a lambda capture by value, "
                  "not by reference");
    if constexpr (std::is_same_v<F, identity>) return;
    description_.activation = detail::name_with_constants(f);
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

/// \file
/// `description`: a layer as data, for the summary, the check of files and rebuilding.
///
///     void describe(archive& a) const { a.activation(f_); a.extent("outputs", outputs_); }
///
///     to_string(describe(dense{128, leaky_relu{0.2}}));
///     // dense(outputs=128, activation=leaky_relu(0.2))
#ifndef CHAINRULE_LAYERS_DESCRIPTION_HPP
#define CHAINRULE_LAYERS_DESCRIPTION_HPP

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/core/text.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace chainrule {

namespace detail {
/// Names and their values.
using named_texts = plain_vector<std::pair<std::string, std::string>>;
}  // namespace detail

/// What a layer is, apart from the values of its parameters.
struct description {
  /// Kind of the layer, such as "dense".
  std::string kind;                          // "dense"
  detail::named_texts extents;               // "outputs", "128"
  detail::named_texts constants;             // "p", "0.5"
  std::string activation;                    // "leaky_relu(0.2)", or empty
  detail::named_texts options;               // "weights", "normal(0, 0.01)"
  detail::plain_vector<description> layers;  // of a block

  /// The line of the layer in a summary: "dense + relu", "dropout 0.5".
  [[nodiscard, gnu::noinline]] std::string label() const {
    std::string text = kind;
    for (const auto& [name, value] : constants) text += detail::concat(" ", value);
    if (layers.size() == 1 && (kind == "frozen" || kind == "in_group"))
      text += detail::concat(" ", layers.front().label());
    if (activation.empty()) return text;
    return kind == "activation" ? activation : detail::concat(text, " + ", activation);
  }

  friend bool operator==(const description&, const description&) = default;
};

/// All of a description in one line.
[[nodiscard]] inline std::string to_string(const description& d) {
  std::string inner;
  const auto add = [&](const std::string& item) { inner += (inner.empty() ? "" : ", ") + item; };
  for (const auto* list : {&d.extents, &d.constants})
    for (const auto& [name, value] : *list) add(name + "=" + value);
  if (!d.activation.empty()) add("activation=" + d.activation);
  for (const auto& [name, value] : d.options) add(name + "=" + value);
  for (const description& l : d.layers) add(to_string(l));
  return inner.empty() ? d.kind : d.kind + "(" + inner + ")";
}

/// The description without options and without which layers are frozen or in a parameter group:
/// networks of equal ones compute the same from the same parameters.
[[nodiscard]] inline description without_options(description d) {
  while (d.layers.size() == 1 && (d.kind == "frozen" || d.kind == "in_group"))
    d = description(d.layers.front());
  d.options.clear();
  for (description& l : d.layers) l = without_options(std::move(l));
  return d;
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
  /// Begins the description of a layer of this kind, such as "dense".
  explicit archive(std::string kind) { description_.kind = std::move(kind); }

  /// Describes an extent of the layer.
  void extent(std::string_view name, index_t n) { extent(name, detail::concat(n)); }
  /// Describes a shape as an extent of the layer.
  void extent(std::string_view name, const shape& s) { extent(name, to_string(s)); }
  /// Extents or options on which the result depends, in words: "2x3", "same".
  void extent(std::string_view name, std::string text) {
    description_.extents.push_back({std::string(name), std::move(text)});
  }
  /// Describes a number of the layer.
  void constant(std::string_view name, double value) {
    description_.constants.push_back({std::string(name), detail::digits_of(value)});
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
  /// What a network that has its parameters computes without, where it was stated.
  void option(std::string_view name, std::string value) {
    description_.options.push_back({std::string(name), std::move(value)});
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

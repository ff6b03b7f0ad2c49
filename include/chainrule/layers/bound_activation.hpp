/// \file
/// `bound_activation<B>`: an activation with the verbs that layers need of it over backend B, its
/// type forgotten.
///
///     bound_activation<cpu> f(gelu{});
///     f.linear(be, x, w, b, y);   // y = gelu(x W + b)
///
/// The type of an activation decides which kernels are made, and is known where a spec is bound;
/// after that a layer calls them through pointers, one call per verb. So layers, and all that walks
/// over them, are compiled once per backend and not once per activation.
#ifndef CHAINRULE_LAYERS_BOUND_ACTIVATION_HPP
#define CHAINRULE_LAYERS_BOUND_ACTIVATION_HPP

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>

#include "chainrule/ops/linear.hpp"

namespace chainrule {

template <backend B>
class bound_activation {
 public:
  static constexpr std::size_t largest = 64;

  template <class F>
  explicit bound_activation(const F& f) : verbs_(&verbs_of<F>) {
    // A member that is a reference, as in a lambda that captures by one, ends standard layout.
    static_assert(std::is_trivially_copy_constructible_v<F> &&
                      std::is_trivially_destructible_v<F> && std::is_standard_layout_v<F> &&
                      sizeof(F) <= largest && alignof(F) <= alignof(std::max_align_t),
                  "chainrule: an activation is a small plain value (its constants, at most 64 "
                  "bytes, trivially copyable, of standard layout); let a lambda capture by value, "
                  "not by reference");
    if constexpr (!std::is_empty_v<F>) std::memcpy(constants_.data(), &f, sizeof(F));
  }

  /// The name with its constants: "leaky_relu(0.01)".
  [[nodiscard]] std::string name() const { return verbs_->in_words(constants_.data()); }
  [[nodiscard]] bool is_identity() const { return verbs_->is_identity; }
  /// Whether the derivative is taken from the output, else from the argument.
  [[nodiscard]] bool from_output() const { return verbs_->from_output; }

  /// y = f(x W + b), assigned.
  void linear(const B& be, const_matrix<B> x, const_matrix<B> w, const_matrix<B> b,
              matrix<B> y) const {
    verbs_->linear(constants_.data(), be, x, w, b, y);
  }
  /// y = f(z), assigned.
  void apply(const B& be, const_matrix<B> z, matrix<B> y) const {
    verbs_->apply(constants_.data(), be, z, y);
  }
  /// dz = dy f'(z), assigned; `kept` is f(z) if from_output(), else z. dz may be dy.
  void backward(const B& be, const_matrix<B> dy, const_matrix<B> kept, matrix<B> dz) const {
    verbs_->backward(constants_.data(), be, dy, kept, dz);
  }

 private:
  struct verbs {
    void (*linear)(const void*, const B&, const_matrix<B>, const_matrix<B>, const_matrix<B>,
                   matrix<B>);
    void (*apply)(const void*, const B&, const_matrix<B>, matrix<B>);
    void (*backward)(const void*, const B&, const_matrix<B>, const_matrix<B>, matrix<B>);
    std::string (*in_words)(const void*);
    bool is_identity;
    bool from_output;
  };

  template <class F>
  static constexpr verbs verbs_of{
      [](const void* f, const B& be, const_matrix<B> x, const_matrix<B> w, const_matrix<B> b,
         matrix<B> y) { ops::linear(be, x, w, b, y, *static_cast<const F*>(f)); },
      [](const void* f, const B& be, const_matrix<B> z, matrix<B> y) {
        be.map(*static_cast<const F*>(f), y, z);
      },
      [](const void* f, const B& be, const_matrix<B> dy, const_matrix<B> kept, matrix<B> dz) {
        be.map(backward_of<F>{*static_cast<const F*>(f)}, dz, dy, kept);
      },
      [](const void* f) { return in_words(*static_cast<const F*>(f)); },
      std::same_as<F, identity>,
      derivable_from_output<F>};

  const verbs* verbs_;
  alignas(std::max_align_t) std::array<std::byte, largest> constants_{};
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_BOUND_ACTIVATION_HPP

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
    static_assert(std::is_trivially_copyable_v<F> && sizeof(F) <= largest &&
                      alignof(F) <= alignof(std::max_align_t),
                  "chainrule: an activation is a small value (its constants, at most 64 bytes, "
                  "trivially copyable)");
    if constexpr (!std::is_empty_v<F>) std::memcpy(constants_.data(), &f, sizeof(F));
  }

  [[nodiscard]] std::string name() const { return std::string(verbs_->name); }
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
    std::string_view name;
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
      name_of<F>(),
      std::same_as<F, identity>,
      derivable_from_output<F>};

  const verbs* verbs_;
  alignas(std::max_align_t) std::array<std::byte, largest> constants_{};
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_BOUND_ACTIVATION_HPP

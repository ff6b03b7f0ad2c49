/// \file
/// How an optimizer treats the parameters of a layer, or of all layers of a block.
///
///     network{cpu{}, frozen{dense{784, 128, relu{}}}, dense{10}}         // trains the last layer
///     network{cpu{}, in_group{1, dense{784, 128, relu{}}}, dense{10}}
///     chain(adam{.rate = 1e-3}, group_rates{1, 0.1})                     // group 1 learns slower
///
/// Names of parameters are those of the layer itself, so files fit with and without. See also
/// memory/arena.hpp (slot_tags), optim/rules.hpp (group_rates).
#ifndef CHAINRULE_LAYERS_TAGS_HPP
#define CHAINRULE_LAYERS_TAGS_HPP

#include "chainrule/layers/layer.hpp"

namespace chainrule {

namespace detail {
/// The passes of the layer that another one wraps.
template <class Layer>
class wrapping {
 public:
  constexpr explicit wrapping(const Layer& l) : layer_(l) {}

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    layer_.forward(p, x, y);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    layer_.backward(p, x, y, dy, dx);
  }

 protected:
  Layer layer_;
};
}  // namespace detail

/// A layer whose parameters are not trained: updates leave them and the optimizer's state for them
/// as they are, and their gradients are 0. Untrained state, such as running statistics, is still
/// updated.
template <class Layer>
class frozen : public detail::wrapping<Layer> {
 public:
  static constexpr const char* name = "frozen";

  /// Wraps a copy of the layer.
  constexpr explicit frozen(const Layer& l) : detail::wrapping<Layer>(l) {}

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    p.freeze();
    return this->layer_.bind(p, in);
  }
  void describe(archive& a) const { a.child(this->layer_); }
};

/// A layer whose parameters belong to a parameter group other than 0.
template <class Layer>
class in_group : public detail::wrapping<Layer> {
 public:
  static constexpr const char* name = "in_group";

  /// Throws value_error if the group is below 0.
  constexpr in_group(int group, const Layer& l) : detail::wrapping<Layer>(l), group_(group) {
    if (group < 0) detail::fail<value_error>("parameter groups are counted from 0, got ", group);
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    p.set_group(group_);
    return this->layer_.bind(p, in);
  }
  void describe(archive& a) const {
    a.extent("group", group_);
    a.child(this->layer_);
  }

 private:
  int group_;
};

template <class Layer>
frozen(Layer) -> frozen<Layer>;
template <class Layer>
in_group(int, Layer) -> in_group<Layer>;

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_TAGS_HPP

/// \file
/// `dense_block`: each layer takes the features of all layers before it.
///
///     dense_block{dense{12, relu{}}, dense{12, relu{}}}    // {..., c} becomes {..., c + 24}
///
/// See also layers/sequence.hpp (sequence, concat).
#ifndef CHAINRULE_LAYERS_DENSE_BLOCK_HPP
#define CHAINRULE_LAYERS_DENSE_BLOCK_HPP

#include "chainrule/layers/activation.hpp"
#include "chainrule/layers/sequence.hpp"

namespace chainrule {

/// y = [x, f1(x), f2([x, f1(x)]), ...], side by side on the last axis, where each layer keeps the
/// other axes. It is a sequence of `concat`s of the input itself and a layer, by which its
/// parameters are named: those of f2 are "1.1.weight", ... Source: G. Huang et al., CVPR 2017,
/// eq. 2.
template <class... Layers>
class dense_block : public sequence<concat<activation<identity>, Layers>...> {
 public:
  /// Runs copies of these layers, each on its input and all outputs before it.
  constexpr explicit dense_block(const Layers&... layers)
      : sequence<concat<activation<identity>, Layers>...>(
            concat<activation<identity>, Layers>(activation<identity>(identity{}), layers)...) {}
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DENSE_BLOCK_HPP

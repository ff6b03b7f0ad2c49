/// \file
/// `layer_chain`: the buffers between layers that are called one after another, and the two walks
/// over them. Networks and blocks (layers/sequence.hpp) own the layers; the walks are written here
/// once.
#ifndef CHAINRULE_LAYERS_CHAIN_HPP
#define CHAINRULE_LAYERS_CHAIN_HPP

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/layers/layer.hpp"

namespace chainrule {

class layer_chain {
 public:
  /// Binds the next layer behind those bound so far. `in` is the input of the chain for the first.
  template <class Layer>
  [[gnu::cold, gnu::noinline]] void bind_next(plan& p, std::string_view name, Layer& layer,
                                              const shape& in) {
    const index_t uses = p.parameter_uses();
    const shape out = p.child(name, layer, links_.empty() ? in : links_.back().out);
    if (p.parameter_uses() == uses && first_trained_ == size()) ++first_trained_;
    p.produced_by(detail::concat("layer ", p.scoped(name), " (", name_of_layer(layer), ")"));
    links_.push_back({out, {}, p.child_scratch_in_dy()});
  }
  /// Declares the buffers once all layers are bound. The chain of a network (`is_network`) also
  /// owns its output and the gradient with respect to it; a block is given both.
  [[gnu::cold, gnu::noinline]] void finish(plan& p, bool is_network) {
    index_t widest = 0;
    for (link& l : links_) {
      if (&l == &links_.back() && !is_network) break;
      l.output = p.intermediate(l.out.size());
      widest = std::max(widest, l.out.size());
    }
    // The gradients between layers: the one behind a layer is free once the one before is written.
    if (widest > 0)
      for (scratch_id& d : gradients_) d = p.scratch(widest);
    p.set_scratch_in_dy(links_.back().in_dy);
  }

  /// Number of layers.
  [[nodiscard]] index_t size() const { return static_cast<index_t>(links_.size()); }
  /// The shape of the output of layer i.
  [[nodiscard]] const shape& output_shape(index_t i) const { return at(i).out; }
  /// The output of layer i in a pass that ran; of the last layer only in the chain of a network.
  template <backend B>
  [[nodiscard]] matrix<B> output(pass<B>& p, index_t i) const {
    return p.saved(at(i).output);
  }
  /// The gradient with respect to the output of layer i.
  template <backend B>
  [[nodiscard]] matrix<B> gradient(pass<B>& p, index_t i) const {
    return p.scratch(gradients_[static_cast<std::size_t>((i + 1) % 2)], output_shape(i).size());
  }

  /// Assigns y from x by the forward pass of each layer, first to last. visit(i, f) calls f(layer
  /// i).
  template <backend B, class Visit>
  void forward(pass<B>& p, const const_matrix<B>& x, const matrix<B>& y, const Visit& visit) const {
    const_matrix<B> in = x;
    for (index_t i = 0; i < size(); ++i) {
      const matrix<B> out = i + 1 == size() ? y : output(p, i);
      visit(i, [&](const auto& layer) { layer.forward(p, in, out); });
      in = out;
    }
  }
  /// Adds the forward pass of one sample, into y, to the pass's plan; false if a layer has none.
  template <row_backend B, class Visit>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y, const Visit& visit) const {
    bool is_planned = true;
    for (index_t i = 0; i < size() && is_planned; ++i) {
      const matrix<B> out = i + 1 == size() ? y : output(p, i);
      visit(i, [&](const auto& layer) { is_planned = chainrule::plan_row(layer, p, out); });
    }
    return is_planned;
  }
  /// From dy, accumulates gradients and assigns dx, unless that is empty, by the backward pass of
  /// each layer, last to first. With `is_linked`, layers may end by what the one before begins
  /// with, so that gradient(p, i) is not always the gradient with respect to an output; with
  /// `is_begun`, dy is the dz of the last layer.
  template <backend B, class Visit>
  void backward(pass<B>& p, const const_matrix<B>& x, const const_matrix<B>& y,
                const const_matrix<B>& dy, const matrix<B>& dx, const Visit& visit,
                [[maybe_unused]] bool is_linked = true,
                [[maybe_unused]] bool is_begun = false) const {
    // Where dx is not wanted, neither are the gradients before the first parameter to be trained.
    const index_t first = dx.empty() ? first_trained_ : 0;
    backward_link<B> between;
    between.updates = p.take_updates();  // for these layers, but not for layers within them
    if constexpr (tracing_backend<B>) between.is_begun = is_begun;
    for (index_t i = size(); i-- > first;) {
      const bool last = i + 1 == size();
      const const_matrix<B> in = i == 0 ? x : const_matrix<B>(output(p, i - 1));
      const matrix<B> din = i == first ? dx : gradient(p, i - 1);
      const const_matrix<B> out = last ? y : const_matrix<B>(output(p, i));
      const const_matrix<B> dout = last ? dy : const_matrix<B>(gradient(p, i));
      // The chain's own dy is the caller's, who may have placed the last layer's scratch in it.
      if (!last) p.place_in_dy(at(i).in_dy, gradient(p, i));
      if constexpr (tracing_backend<B>) {
        between.of_layer_before.reset();
        between.has_ended = false;
        if (is_linked && i > first)
          visit(i - 1, [&](const auto& l) { between.of_layer_before = begin_of_backward<B>(l); });
      }
      visit(i,
            [&](const auto& layer) { backward_in_chain(layer, p, in, out, dout, din, between); });
      if constexpr (tracing_backend<B>) between.is_begun = between.has_ended;
    }
  }
  /// Allows the last layer to overwrite the chain's dy.
  template <backend B>
  void place_in_dy(pass<B>& p, matrix<B> dy) const {
    p.place_in_dy(links_.back().in_dy, dy);
  }

 private:
  struct link {
    shape out;
    saved_id output;
    scratch_id in_dy;
  };
  [[nodiscard]] const link& at(index_t i) const { return links_[static_cast<std::size_t>(i)]; }

  detail::plain_vector<link> links_;
  index_t first_trained_ = 0;  // the first layer with parameters to be trained, or size()
  std::array<scratch_id, 2> gradients_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_CHAIN_HPP

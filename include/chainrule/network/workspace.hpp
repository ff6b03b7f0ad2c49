/// \file
/// `workspace<B>`: what one pass of a network keeps. Each thread that runs a network has its own.
///
///     auto pass = net.make_workspace(64);   // for up to 64 samples at a time
///     auto logits = net.forward(x, pass);
#ifndef CHAINRULE_NETWORK_WORKSPACE_HPP
#define CHAINRULE_NETWORK_WORKSPACE_HPP

#include <array>
#include <vector>

#include "chainrule/memory/tensor.hpp"

namespace chainrule {

/// The extents of one layer: features in and out, and features kept for the backward pass.
struct layer_extents {
  index_t inputs = 0;
  index_t outputs = 0;
  index_t kept = 0;
};

/// Buffers for a pass of up to `capacity` samples. Move-only.
template <backend B>
class workspace {
 public:
  workspace() = default;

  /// Buffers for layers of those extents; with `training`, also what a backward pass needs.
  workspace(const B& be, const std::vector<layer_extents>& layers, index_t capacity, bool training)
      : capacity_(capacity), training_(training) {
    if (capacity < 1)
      throw value_error(
          detail::concat("a workspace needs room for at least 1 sample, got ", capacity));
    index_t widest = 0;
    for (const layer_extents& l : layers) {
      outputs_.emplace_back(be, capacity, l.outputs);
      kept_.emplace_back(be, capacity, training ? l.kept : 0);
      widest = widest > l.outputs ? widest : l.outputs;
      widest = widest > l.inputs ? widest : l.inputs;
    }
    if (training)
      for (tensor<B>& d : deltas_) d = tensor<B>(be, capacity, widest);
  }

  [[nodiscard]] index_t capacity() const { return capacity_; }
  [[nodiscard]] bool training() const { return training_; }
  /// The samples of the pass that ran last.
  [[nodiscard]] index_t rows() const { return rows_; }

  /// The gradient with respect to the network's output, rows() x outputs: a loss writes it here
  /// before backward. Throws shape_error if the workspace is not one for training.
  [[nodiscard]] matrix<B> output_gradient() {
    require_buffers();
    if (!training_)
      throw shape_error("this workspace was made for inference; make one with training = true");
    return delta(static_cast<index_t>(outputs_.size()), outputs_.back().cols());
  }

  // For networks: the buffers of layer i in the pass under way.
  void begin(index_t rows, index_t layers, bool in_training) {
    if (layers != static_cast<index_t>(outputs_.size()))
      throw shape_error(detail::concat("the workspace was made by another network, of ",
                                       outputs_.size(), " layers instead of ", layers));
    if (in_training && !training_)
      throw shape_error("a pass of training needs a workspace made with training = true");
    if (rows > capacity_)
      throw shape_error(detail::concat("a pass of ", rows, " samples does not fit a workspace for ",
                                       capacity_, "; make a larger one or pass fewer at a time"));
    rows_ = rows;
    in_training_ = in_training;
  }
  /// Throws shape_error unless the pass that ran last was one in training, of as many samples.
  void require_forward(index_t rows) const {
    require_buffers();
    if (!in_training_)
      throw shape_error(
          "backward needs what a forward pass in training keeps; give forward the phase "
          "phase::train(seed, step)");
    if (rows != rows_)
      throw shape_error(detail::concat("backward with ", rows,
                                       " samples follows a forward pass of ", rows_,
                                       "; give it those of the forward"));
  }
  [[nodiscard]] matrix<B> output(index_t i) {
    return outputs_[static_cast<std::size_t>(i)].top_rows(rows_);
  }
  [[nodiscard]] matrix<B> kept(index_t i) {
    return kept_[static_cast<std::size_t>(i)].top_rows(rows_);
  }
  /// The gradient that flows between layer i - 1 and layer i. Two buffers are enough: the one
  /// behind a layer is free once the one before it is written.
  [[nodiscard]] matrix<B> delta(index_t i, index_t features) {
    return matrix<B>(deltas_[static_cast<std::size_t>(i % 2)].view().data(), rows_, features);
  }

 private:
  void require_buffers() const {
    if (outputs_.empty())
      throw shape_error("this workspace was moved from, or never made; use make_workspace");
  }

  index_t capacity_ = 0;
  index_t rows_ = 0;
  bool training_ = false;     // there is room for what a backward pass needs
  bool in_training_ = false;  // and the pass that ran last kept it
  std::vector<tensor<B>> outputs_;
  std::vector<tensor<B>> kept_;
  std::array<tensor<B>, 2> deltas_;
};

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_WORKSPACE_HPP

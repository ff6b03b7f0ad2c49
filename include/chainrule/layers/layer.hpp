/// \file
/// What a layer is, in two steps: a spec that the user writes, and the layer that `bind` makes of
/// it inside a network.
///
/// A spec is a small value (`dense{784, 128, relu{}}`). It says how many features it takes and
/// gives (`dynamic` where it takes what comes), and binds:
///
///     static constexpr index_t static_inputs, static_outputs;   // dynamic if not in the type
///     index_t inputs() const;                                    // dynamic: any number
///     template <backend B> auto bind(index_t inputs, parameter_plan&) const;  // the layer
///
/// A layer knows its slices of the parameter arena and no memory: what a pass keeps lives in the
/// pass, so a forward is const and threads may share a network. `forward` and `backward` are what
/// the concept below lists.
#ifndef CHAINRULE_LAYERS_LAYER_HPP
#define CHAINRULE_LAYERS_LAYER_HPP

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/layers/initializers.hpp"
#include "chainrule/memory/arena.hpp"

namespace chainrule {

/// What a forward pass is for.
struct phase {
  bool training = false;   // layers such as dropout act only then
  std::uint64_t seed = 0;  // of the random numbers that layers draw
  std::uint64_t step = 0;  // counts the passes: each draws new numbers

  /// A phase of training.
  [[nodiscard]] static constexpr phase train(std::uint64_t seed, std::uint64_t step) {
    return {true, seed, step};
  }
};

/// One parameter of a network.
struct parameter {
  std::string name;  // "0.weight": layer, then role
  slice place;
  initializer initial;
  index_t inputs = 0;  // features in and out of the layer, for scaled initialisers
  index_t outputs = 0;
};

/// Collects the parameters of the layers while they are bound, one layer after another.
class parameter_plan {
 public:
  /// Reserves a rows x cols parameter for the layer that is being bound.
  slice add(role kind, index_t rows, index_t cols, initializer initial, index_t inputs,
            index_t outputs) {
    const slice place = arena_.add(kind, rows, cols);
    parameters_.push_back({detail::concat(layer_, kind == role::weight ? ".weight" : ".bias"),
                           place, initial, inputs, outputs});
    return place;
  }

  /// The number of the layer that is being bound.
  [[nodiscard]] index_t layer() const { return layer_; }
  void next_layer() { ++layer_; }

  [[nodiscard]] const std::vector<parameter>& parameters() const { return parameters_; }
  [[nodiscard]] const arena_plan& arena() const { return arena_; }

 private:
  std::vector<parameter> parameters_;
  arena_plan arena_;
  index_t layer_ = 0;
};

/// A stream of random numbers of its own for each layer and each pass.
[[nodiscard]] constexpr std::uint64_t layer_stream(index_t layer, std::uint64_t step) {
  // Initialisers use the streams 0 ... 2^32 - 1; bit 63 keeps the two apart.
  return std::uint64_t{1} << 63U | static_cast<std::uint64_t>(layer) << 48U |
         (step & 0xffffffffffffU);
}

/// A phase as the layers of backend B see it: the number of the pass may be counted in the
/// backend's memory, so that a step that was recorded draws new numbers each time.
template <backend B>
struct layer_phase : phase {
  layer_phase(const phase& p, const counter_t<B>* more = nullptr)  // NOLINT: implicit by design
      : phase(p), passes(more) {}

  /// Uniform numbers in [0, 1) for layer `number` in this pass, a row for each of its samples.
  void draw(const B& be, matrix<B> out, index_t number) const {
    const std::uint64_t stream = layer_stream(number, step);
    if constexpr (counting_backend<B>)
      if (passes != nullptr) return be.random(out, seed, stream, *passes);
    if constexpr (forking_backend<B>) return be.random(out, seed, stream, first_row * out.cols());
    be.random(out, seed, stream);
  }

  const counter_t<B>* passes = nullptr;  // to be added to `step`, where there is one
  index_t first_row = 0;  // of the batch that this pass sees, where it is but a part of it
};

/// What a network asks of a layer over backend B.
///
/// A layer whose outputs for one sample do not depend on the other samples of the batch, nor on how
/// many they are, may say so by a member function, `static constexpr bool samples_are_independent()
/// { return true; }`: a batch may then be cut into parts that are computed side by side. Nothing
/// else depends on it.
///
/// forward: assigns y (n × outputs) from x (n × inputs), and in training whatever backward needs
/// to `kept` (n × kept()); `kept` is empty outside of training. A layer that draws nothing may take
/// the phase as a plain `const phase&`.
///
/// backward: from dy = dL/dy, which it may overwrite, assigns the layer's gradients and dx = dL/dx;
/// an empty dx is not wanted. x, y and kept are those of the forward pass.
template <class L, class B>
concept layer = requires(const L& l, const B& be, const arena<B>& parameters, arena<B>& gradients,
                         const_matrix<B> x, matrix<B> y, const layer_phase<B>& p) {
  { l.inputs() } -> std::same_as<index_t>;
  { l.outputs() } -> std::same_as<index_t>;
  { l.kept() } -> std::same_as<index_t>;
  { l.name() } -> std::convertible_to<std::string>;
  l.forward(be, parameters, x, y, y, p);
  l.backward(be, parameters, gradients, x, x, x, y, y);
};

/// Whether a layer, or a loss, says that it treats each sample for itself.
template <class L>
[[nodiscard]] constexpr bool samples_are_independent(const L& l) {
  if constexpr (requires { l.samples_are_independent(); })
    return l.samples_are_independent();
  else
    return false;
}

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_LAYER_HPP

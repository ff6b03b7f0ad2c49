/// \file
/// How many bytes a network needs: `network::memory`.
///
///     const network_memory m = net.memory(32);   // of batches of up to 32 samples
///     m.inference.total();  m.training.gradients;
#ifndef CHAINRULE_NETWORK_MEMORY_HPP
#define CHAINRULE_NETWORK_MEMORY_HPP

#include <cstdint>

#include "chainrule/layers/plan.hpp"

namespace chainrule {

/// Bytes in the backend's memory, by what they are for.
struct memory_use {
  std::uint64_t parameters = 0;
  std::uint64_t states = 0;     ///< untrained state; in training also its next values
  std::uint64_t gradients = 0;  ///< of the parameters; 0 in inference
  std::uint64_t saved = 0;      ///< outputs of layers, and what backward reads of forward
  std::uint64_t scratch = 0;    ///< between two layers and within one

  /// Sum of all parts, in bytes.
  [[nodiscard]] std::uint64_t total() const {
    return parameters + states + gradients + saved + scratch;
  }
};

/// What a network, one pass and, in training, one arena of gradients take.
struct network_memory {
  /// Memory of a pass of inference, and of one in training with its gradients.
  memory_use inference, training;
};

namespace detail {

/// What make_pass(samples, training) and the arenas of a network allocate, with `padding` elements
/// behind each saved matrix.
[[nodiscard]] inline memory_use memory_of(const plan& p, index_t samples, bool training,
                                          std::size_t scalar_bytes, index_t padding) {
  const auto bytes = [](index_t count, std::size_t each) {
    return static_cast<std::uint64_t>(count) * each;
  };
  memory_use m;
  m.parameters = bytes(p.parameter_arena().size(), scalar_bytes);
  m.states = bytes(p.state_arena().size(), scalar_bytes) * (training ? 2 : 1);
  if (training) m.gradients = m.parameters;
  for (const plan::saved_matrix& s : p.saved())
    if (training || s.in_inference)
      m.saved += bytes(
          (s.per_sample == 0 ? s.rows * s.cols : elements_of(samples, s.per_sample)) + padding,
          scalar_bytes);
  if (training)
    for (const index_t cols : p.saved_indices())
      m.saved += bytes(elements_of(samples, cols), sizeof(std::int32_t));
  const plan::memory s = p.scratch_size();
  m.scratch = bytes(elements_of(s.per_sample, samples) + s.once, scalar_bytes);
  return m;
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_MEMORY_HPP

/// \file
/// The division of a launch's work items into blocks, within CUDA's limits.
#ifndef CHAINRULE_BACKEND_CUDA_LAUNCH_SHAPE_HPP
#define CHAINRULE_BACKEND_CUDA_LAUNCH_SHAPE_HPP

#include <cstddef>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// The extents of a grid and of its blocks.
struct launch_shape {
  unsigned grid_x = 1;
  unsigned grid_y = 1;
  unsigned grid_z = 1;
  unsigned block_x = 1;
  unsigned block_y = 1;
};

/// The most blocks that CUDA has along y and along z; along x there may be 2^31 - 1.
inline constexpr std::size_t most_blocks_down = 65535;

/// The groups of the work as blocks. Blocks of rows beyond 65535 continue along z; the last blocks
/// may then lie completely outside the work.
[[nodiscard]] inline launch_shape launch_shape_of(const work& w, int units) {
  const auto pieces = [](std::size_t n, std::size_t size) { return (n + size - 1) / size; };
  const work g = grouped(w, units);
  const std::size_t blocks = g.height / g.local_height;
  const std::size_t layers = pieces(blocks, most_blocks_down);
  launch_shape s;
  s.grid_x = static_cast<unsigned>(g.width / g.local_width);
  s.grid_y = static_cast<unsigned>(pieces(blocks, layers));
  s.grid_z = static_cast<unsigned>(layers);
  s.block_x = static_cast<unsigned>(g.local_width);
  s.block_y = static_cast<unsigned>(g.local_height);
  return s;
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_CUDA_LAUNCH_SHAPE_HPP

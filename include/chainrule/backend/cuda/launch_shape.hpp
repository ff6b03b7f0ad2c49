/// \file
/// How a launch's work items are cut into blocks, within CUDA's limits.
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

/// Blocks of the size that the kernel says, or else of up to 256 threads, as wide as the work or
/// 256 at most, so that neighbours touch neighbouring memory; 128 where that gives work to more of
/// the device's `units`. Rows beyond 65535 blocks go on along z: the last blocks may then lie
/// beyond the work in whole.
[[nodiscard]] inline launch_shape launch_shape_of(const work& w, int units) {
  const auto pieces = [](std::size_t n, std::size_t size) { return (n + size - 1) / size; };
  const auto power_of_two = [](std::size_t at_least, std::size_t at_most) {
    std::size_t p = 1;
    while (p < at_least && p < at_most) p *= 2;
    return p;
  };
  std::size_t across = w.local_width;
  std::size_t down = w.local_height;
  if (across == 0) {
    const auto few = static_cast<std::size_t>(units) * 256;
    const std::size_t threads = w.width * w.height < few ? 128 : 256;
    across = power_of_two(w.width, threads);
    down = power_of_two(w.height, threads / across);
  }
  const std::size_t blocks = pieces(w.height, down);
  const std::size_t layers = pieces(blocks, most_blocks_down);
  launch_shape s;
  s.grid_x = static_cast<unsigned>(pieces(w.width, across));
  s.grid_y = static_cast<unsigned>(pieces(blocks, layers));
  s.grid_z = static_cast<unsigned>(layers);
  s.block_x = static_cast<unsigned>(across);
  s.block_y = static_cast<unsigned>(down);
  return s;
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_CUDA_LAUNCH_SHAPE_HPP

/// \file
/// Allocation of host vectors whose length comes from data or from a network.
#ifndef CHAINRULE_CORE_HOST_VECTOR_HPP
#define CHAINRULE_CORE_HOST_VECTOR_HPP

#include <new>
#include <vector>

#include "chainrule/core/shape.hpp"

namespace chainrule::detail {

/// `count` elements, all 0. Throws value_error if count is negative or the size overflows,
/// out_of_memory.
template <class T, class Vector = std::vector<T>>
[[nodiscard]] Vector host_vector(index_t count) {
  require_countable(count);
  try {
    return Vector(static_cast<std::size_t>(count));
  } catch (const std::bad_alloc&) {
  }
  throw_out_of_memory(count, sizeof(T));
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_HOST_VECTOR_HPP

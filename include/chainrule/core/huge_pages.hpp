/// \file
/// Advice to the system to keep large memory in huge pages.
#ifndef CHAINRULE_CORE_HUGE_PAGES_HPP
#define CHAINRULE_CORE_HUGE_PAGES_HPP

#include <cstddef>
#include <cstdint>

#include "chainrule/core/compiler.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace chainrule::detail {

/// The size of a huge page where the system has them, and the alignment of their addresses.
inline constexpr std::size_t huge_page = std::size_t{1} << 21U;

/// Advises the system to keep the whole huge pages of this memory, at least two, in such pages; to
/// be called before the memory is written.
inline void prefer_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] std::size_t bytes) {
#ifdef MADV_HUGEPAGE
  // Rows that are gathered at random miss the TLB on small pages. A refusal costs speed only.
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const std::size_t before = (huge_page - address % huge_page) % huge_page;
  if (bytes < before + 2 * huge_page) return;
  madvise(static_cast<char*>(memory) + before, (bytes - before) / huge_page * huge_page,
          MADV_HUGEPAGE);
#endif
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_HUGE_PAGES_HPP

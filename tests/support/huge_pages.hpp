/// \file
/// Whether memory was advised to be in huge pages.
#ifndef CHAINRULE_TESTS_SUPPORT_HUGE_PAGES_HPP
#define CHAINRULE_TESTS_SUPPORT_HUGE_PAGES_HPP

#include <cstdint>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "support/catch.hpp"

/// The flag of the mapping that holds an address; nothing where the system does not say.
[[nodiscard]] inline std::optional<bool> prefers_huge_pages(const void* address) {
  const auto unknown = [] {
    WARN("the system does not say which memory prefers huge pages: not checked");
    return std::nullopt;
  };
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled")) return unknown();
  std::ifstream maps("/proc/self/smaps");
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  bool is_inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream words(line);
    std::uintptr_t first = 0;
    std::uintptr_t last = 0;
    char dash = 0;
    if (words >> std::hex >> first >> dash >> last && dash == '-')
      is_inside = first <= at && at < last;
    else if (is_inside && line.rfind("VmFlags:", 0) == 0)
      return (line + ' ').find(" hg ") != std::string::npos;
  }
  return unknown();
}

#endif  // CHAINRULE_TESTS_SUPPORT_HUGE_PAGES_HPP

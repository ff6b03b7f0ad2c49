/// \file
/// The processor as a device in lists.
#ifndef CHAINRULE_BACKEND_CPU_PROCESSOR_HPP
#define CHAINRULE_BACKEND_CPU_PROCESSOR_HPP

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

/// The name in /proc/cpuinfo (Linux on x86); "processor" if there is none.
[[nodiscard]] inline std::string processor_name() {
  std::string name = "processor";
  if (std::FILE* const file = std::fopen("/proc/cpuinfo", "re")) {
    char line[512];
    while (std::fgets(line, sizeof line, file) != nullptr) {
      std::string_view text = line;
      if (!text.starts_with("model name")) continue;
      text.remove_prefix(std::min(text.find(':') + 1, text.size()));
      while (text.starts_with(' ')) text.remove_prefix(1);
      while (text.ends_with('\n') || text.ends_with(' ')) text.remove_suffix(1);
      if (!text.empty()) name = text;
      break;
    }
    std::fclose(file);
  }
  return name;
}

/// The processor: its name, the hardware's threads and memory; 0 where unknown.
[[nodiscard]] inline device_info processor_info() {
  const auto known = [](long value) { return value > 0 ? static_cast<std::uint64_t>(value) : 0U; };
  device_info d;
  d.api = "cpu";
  d.name = processor_name();
  d.memory = known(::sysconf(_SC_PHYS_PAGES)) * known(::sysconf(_SC_PAGESIZE));
  d.units = static_cast<int>(known(::sysconf(_SC_NPROCESSORS_ONLN)));
  d.kind = device_kind::processor;
  return d;
}

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_PROCESSOR_HPP

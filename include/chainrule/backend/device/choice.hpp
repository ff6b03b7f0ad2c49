/// \file
/// Choice of a device of an API: by number, by a part of its name, or by an environment variable.
#ifndef CHAINRULE_BACKEND_DEVICE_CHOICE_HPP
#define CHAINRULE_BACKEND_DEVICE_CHOICE_HPP

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/backend/device/runtime.hpp"

namespace chainrule {

/// A device by its number in the list of its API, or by a part of its name; by default the one
/// that the environment names, else the first.
class device_choice {
 public:
  device_choice() = default;
  device_choice(int index) : text_(std::to_string(index)) {}       // NOLINT: implicit
  device_choice(std::string name) : text_(std::move(name)) {}      // NOLINT: implicit
  device_choice(const char* name) : text_(name) {}                 // NOLINT: implicit
  device_choice(const device_info& d) : device_choice(d.index) {}  // NOLINT: implicit

  /// A number or a name, "" for the default.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

namespace device {

/// The device of `list` with this number, or with this part of a name (case is ignored). Throws
/// backend_error, which lists the devices; `source` names the setting in the message.
[[nodiscard]] inline const device_info& find_device(const std::vector<device_info>& list,
                                                    const std::string& wanted, const char* api,
                                                    const char* source) {
  if (wanted.empty()) return list.front();
  char* end = nullptr;
  const long number = std::strtol(wanted.c_str(), &end, 10);
  if (*end == '\0' && number >= 0 && static_cast<std::size_t>(number) < list.size())
    return list[static_cast<std::size_t>(number)];
  std::string names;
  const auto lower = [](std::string text) {
    for (char& c : text)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return text;
  };
  for (const device_info& d : list) {
    if (lower(d.name).find(lower(wanted)) != std::string::npos) return d;
    names += detail::concat(names.empty() ? "" : ", ", d.index, " (", d.name, ")");
  }
  throw backend_error(detail::concat(api, ": ", source, " is '", wanted,
                                     "', which is no device's number or part of its name; there ",
                                     "are: ", names));
}

/// The open runtime for a choice: one per device, opened at the first call. Throws backend_error.
template <class Runtime>
[[nodiscard]] std::shared_ptr<Runtime> open_once(const device_choice& choice, const char* api,
                                                 const char* variable, const char* advice) {
  static std::mutex mutex;
  // Never destroyed: at the end of a program the driver may be unloaded first, and releasing its
  // resources then would crash. The driver frees them by itself.
  static auto& open = *new std::map<int, std::shared_ptr<Runtime>>;
  const std::vector<device_info> list = Runtime::devices();
  if (list.empty()) throw backend_error(detail::concat(api, ": there is no device; ", advice));
  const char* named = std::getenv(variable);
  const bool by_environment = choice.text().empty() && named != nullptr;
  const device_info& wanted = find_device(list, by_environment ? named : choice.text(), api,
                                          by_environment ? variable : "the device asked for");
  const std::lock_guard lock(mutex);
  std::shared_ptr<Runtime>& runtime = open[wanted.index];
  // A lost runtime stays with its present owners; new backends get a new one.
  if (!runtime || runtime->is_lost()) runtime = std::make_shared<Runtime>(wanted);
  return runtime;
}

/// The text with line numbers, as messages of compilers count them.
[[nodiscard]] inline std::string numbered(const std::string& text) {
  std::string out;
  std::size_t number = 1;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    out += detail::concat(number++, ": ", text.substr(at, end - at), "\n");
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

}  // namespace device
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_CHOICE_HPP

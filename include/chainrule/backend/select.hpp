/// \file
/// Lists backends and devices, and chooses one by name at run time.
///
///     if (auto has = available<opencl>(); !has) std::puts(has.reason.c_str());
///     for (const device_info& d : devices<opencl>()) std::puts(d.name.c_str());
///
///     with_backend<cpu, opencl>("auto", [](const auto& be, const selection& chosen) {
///       std::puts(chosen.note.c_str());  // auto: opencl: there is no device; ...; using cpu
///       train(be);
///     });
///
/// The body of with_backend is compiled once for each backend. Include the headers of those that
/// are named. See also backend/concept.hpp.
#ifndef CHAINRULE_BACKEND_SELECT_HPP
#define CHAINRULE_BACKEND_SELECT_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/backend/cpu/flags.hpp"
#include "chainrule/backend/cpu/processor.hpp"
#include "chainrule/backend/device/choice.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule {

CHAINRULE_CPU_BEGIN
template <class T>
class basic_cpu;
CHAINRULE_CPU_END

/// The name of a backend and its devices, without constructing one. For a backend of your own,
/// specialise this, or give the backend `static constexpr const char* api` and
/// `static std::vector<device_info> devices()`.
template <class B>
struct backend_traits {
  [[nodiscard]] static std::string name() {
    if constexpr (requires { B::api; })
      return B::api;
    else
      return B::runtime_type::api;
  }
  /// Devices that this machine has for the backend.
  [[nodiscard]] static std::vector<device_info> devices() {
    if constexpr (requires { B::devices(); })
      return B::devices();
    else
      return B::runtime_type::devices();
  }
};

template <class T>
struct backend_traits<basic_cpu<T>> {
  [[nodiscard]] static std::string name() { return "cpu"; }
  [[nodiscard]] static std::vector<device_info> devices() { return {detail::processor_info()}; }
};

/// The devices of B by number; empty without a driver. Opens no device and throws nothing.
template <class B>
[[nodiscard]] std::vector<device_info> devices() {
  return backend_traits<B>::devices();
}

/// Whether a backend or device can be used, and the reason if not.
struct availability {
  std::string reason;  ///< a sentence; empty if it can be used
  /// Whether it can be used.
  explicit operator bool() const { return reason.empty(); }
};

/// The choice of with_backend.
struct selection {
  std::string name;    ///< of the backend: "cpu"
  std::string device;  ///< its name
  std::string note;    ///< the request, the backends skipped with the reasons, and the one used
};

namespace detail {

/// Constructs a B on a device: a number, a part of a name, or empty for the default. Throws what B
/// throws, and value_error if B has no devices to choose from.
template <class B>
[[nodiscard]] B open_backend(const std::string& device) {
  if (device.empty()) return B();
  if constexpr (std::is_constructible_v<B, const device_choice&>)
    return B(device_choice(device));
  else
    throw value_error(concat("the backend ", backend_traits<B>::name(),
                             " has one device: leave out ':", device, "'"));
}

template <class B>
[[nodiscard]] device_info info_of(const B& be) {
  if constexpr (requires { be.info(); }) {
    return be.info();
  } else {
    const std::vector<device_info> list = backend_traits<B>::devices();
    return list.empty() ? device_info{} : list.front();
  }
}

/// `sentence` without a leading backend name, to avoid repeating it: "OpenCL: there is ...".
[[nodiscard]] inline std::string without_name(const std::string& sentence,
                                              const std::string& name) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  if (sentence.size() < name.size() + 2 || sentence.compare(name.size(), 2, ": ") != 0)
    return sentence;
  for (std::size_t i = 0; i < name.size(); ++i)
    if (lower(sentence[i]) != lower(name[i])) return sentence;
  return sentence.substr(name.size() + 2);
}

/// The names in a sentence: "cpu, opencl".
[[nodiscard]] inline std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

/// Calls f with a backend and, if f takes it, the selection.
template <class F, class B>
decltype(auto) call_with(F& f, const B& be, const selection& chosen) {
  if constexpr (std::is_invocable_v<F&, const B&, const selection&>)
    return f(be, chosen);
  else
    return f(be);
}
template <class F, class B>
using result_with = decltype(call_with(std::declval<F&>(), std::declval<const B&>(),
                                       std::declval<const selection&>()));

/// The search for a backend among Bs.
template <class... Bs>
class backend_search {
  static constexpr std::size_t count = sizeof...(Bs);

 public:
  explicit backend_search(const std::string& wanted) {
    const std::size_t colon = wanted.find(':');
    const std::string name = wanted.substr(0, colon);
    const std::string device = colon == std::string::npos ? "" : wanted.substr(colon + 1);
    const auto at =
        static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
    if (wanted == "auto") {
      find_best();
    } else if (at < count) {
      open(at, device);
      chosen_.note = concat("using ", in_words(at));
    } else {
      refuse(name, wanted);
    }
  }

  template <class F>
  decltype(auto) call(F&& f) {
    return call_at<0>(f);
  }

 private:
  /// Tries CUDA first, then the others in their order, the CPU backend last. A device backend that
  /// has only CPU devices is used if nothing else can be.
  void find_best() {
    std::vector<std::size_t> order;
    const auto rank = [&](std::size_t i) {
      return names_[i] == "cuda" ? 0 : names_[i] == "cpu" ? 2 : 1;
    };
    for (int r = 0; r < 3; ++r)
      for (std::size_t i = 0; i < count; ++i)
        if (rank(i) == r) order.push_back(i);

    std::string passed_over;
    const auto pass_over = [&](std::size_t i, const std::string& why) {
      passed_over += concat(names_[i], ": ", without_name(why, names_[i]), "; ");
    };
    std::vector<std::size_t> spare;
    const auto keep_as_spare = [&](std::size_t i, const std::string& device) {
      pass_over(i, concat("only a CPU device (", device, ")"));
      spare.push_back(i);
    };
    std::size_t found = count;
    const auto try_to_open = [&](std::size_t i) {
      try {
        open(i, "");
        found = i;
      } catch (const error& e) {
        pass_over(i, e.what());
      }
    };
    for (const std::size_t i : order) {
      const bool is_device = names_[i] != "cpu";
      const std::vector<device_info> list = is_device ? devices_[i]() : std::vector<device_info>{};
      if (!list.empty() && std::all_of(list.begin(), list.end(), is_processor)) {
        keep_as_spare(i, list.front().name);
        continue;
      }
      try_to_open(i);
      if (found == count) continue;
      if (!is_device || !is_processor(info_)) break;
      keep_as_spare(i, info_.name);  // chosen by an environment variable
      found = count;
    }
    for (std::size_t k = 0; k < spare.size() && found == count; ++k) try_to_open(spare[k]);
    if (found == count)
      throw backend_error(
          concat("auto: no backend can be used: ", passed_over.substr(0, passed_over.size() - 2)));
    chosen_.note = concat("auto: ", passed_over, "using ", in_words(found));
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const {
    for (const char* known : {"cpu", "opencl", "cuda"})
      if (name == known)
        throw backend_error(concat("this program was built without the backend ", name,
                                   "; it has: ", listed({names_.begin(), names_.end()})));
    throw value_error(concat("there is no backend '", wanted,
                             "'; choose auto or one of: ", listed({names_.begin(), names_.end()}),
                             ", with ':' and a device's number or a part of its name if need be"));
  }

  void open(std::size_t i, const std::string& device) { open_at<0>(i, device); }
  template <std::size_t I>
  void open_at(std::size_t i, const std::string& device) {
    if constexpr (I < count) {
      if (i != I) return open_at<I + 1>(i, device);
      auto& place = std::get<I>(opened_);
      using B = typename std::remove_reference_t<decltype(place)>::value_type;
      place.emplace(open_backend<B>(device));
      info_ = info_of(*place);
      chosen_.name = names_[I];
      chosen_.device = info_.name;
      index_ = I;
    }
  }

  template <std::size_t I, class F>
  decltype(auto) call_at(F&& f) {
    if constexpr (I + 1 < count)
      if (index_ != I) return call_at<I + 1>(f);
    return call_with(f, *std::get<I>(opened_), chosen_);
  }

  [[nodiscard]] std::string in_words(std::size_t i) const {
    return concat(names_[i], " (", chosen_.device, ")");
  }

  static bool is_processor(const device_info& d) { return d.kind == device_kind::processor; }

  std::array<std::string, count> names_{backend_traits<Bs>::name()...};
  std::array<std::vector<device_info> (*)(), count> devices_{&backend_traits<Bs>::devices...};
  std::tuple<std::optional<Bs>...> opened_;
  std::size_t index_ = 0;
  device_info info_;  // of the device that was opened last
  selection chosen_;
};

}  // namespace detail

/// Whether a B can be constructed on a device (a number, a part of a name, empty for the default),
/// and the reason if not. Opens the device; throws nothing.
template <class B>
[[nodiscard]] availability available(const std::string& device = {}) {
  try {
    static_cast<void>(detail::open_backend<B>(device));
    return {};
  } catch (const error& e) {
    return {e.what()};
  }
}

/// Calls f(backend), or f(backend, selection) if f takes that, with the backend called `name`, and
/// returns its result, whose type must be the same for all backends. `name` is
///
///     "auto"       a GPU if there is one, CUDA before others; else the CPU
///     "opencl"     that backend, on its default device
///     "opencl:1"   on device 1; "opencl:nvidia" on the first whose name contains this
///
/// Throws value_error for an unknown name, and backend_error, with the reason, if that backend or
/// device cannot be used or is not among the types. Exceptions of f are passed on.
template <class First, class... Others, class F>
decltype(auto) with_backend(const std::string& name, F&& f) {
  static_assert(
      (std::is_same_v<detail::result_with<F, First>, detail::result_with<F, Others>> && ...),
      "chainrule: what with_backend calls must return one type for all backends");
  return detail::backend_search<First, Others...>(name).call(f);
}

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_SELECT_HPP

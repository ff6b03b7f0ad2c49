/// \file
/// Weights of other programs: from a state_dict of PyTorch in a safetensors file, and to one.
///
///     constexpr auto layout = weights_layout::pytorch;
///     const loaded_weights r = load_weights(net, "lenet.safetensors", {.layout = layout});
///     std::puts(to_string(r).c_str());  // which tensor was loaded into which parameter
///     save_weights(net, "out.safetensors", {.layout = layout});
///
/// In Python: save_file(model.state_dict(), path), and model.load_state_dict(load_file(path)).
/// See also io/weights.hpp (files of the library), io/weights_layout.hpp (orders of elements).
#ifndef CHAINRULE_IO_PYTORCH_HPP
#define CHAINRULE_IO_PYTORCH_HPP

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/io/weights.hpp"
#include "chainrule/io/weights_layout.hpp"

namespace chainrule {

/// How weights of another program are read.
struct load_weights_options {
  weights_layout layout;  ///< is never guessed
  /// Comes before all names: "encoder." reads that part of a larger model and passes over the rest.
  std::string prefix{};
  /// Names in the file of parameters ("0.weight" -> "fc1.weight") or of layers ("0" -> "fc1").
  std::map<std::string, std::string> names{};
  /// Modules are matched with layers in their order, which export.py writes into the file.
  bool by_order = false;
  /// Parameters that the file does not hold keep their values; further tensors are passed over.
  bool partial = false;
  /// Refuse larger files, before memory is allocated for them.
  std::uint64_t max_bytes = std::uint64_t{1} << 32;
};

/// How weights are written for another program.
struct save_weights_options {
  /// Layout of the matrices and filters in the file.
  weights_layout layout;
  std::string prefix{};                           ///< as that of load_weights_options
  std::map<std::string, std::string> names{};     ///< as those of load_weights_options
  std::map<std::string, std::string> metadata{};  ///< of your own
};

/// What load_weights found.
struct loaded_weights {
  /// A parameter and the tensor that was loaded into it.
  struct match {
    std::string name;    ///< in the network
    std::string theirs;  ///< in the file
    /// Element type of the tensor in the file.
    std::string dtype;
  };
  /// Parameters that were loaded.
  std::vector<match> matched;
  std::vector<std::string> missing;  ///< parameters that the file does not hold; unchanged
  std::vector<std::string> unused;   ///< tensors of the file that were passed over
  /// Metadata of the file.
  std::map<std::string, std::string> metadata;
};

/// A line for each match, and for what was left.
[[nodiscard]] inline std::string to_string(const loaded_weights& r) {
  std::string text;
  for (const auto& m : r.matched)
    text += detail::concat(m.name, " = ", detail::name_text(m.theirs), " (", m.dtype, ")\n");
  for (const auto& name : r.missing) text += detail::concat(name, " is not in the file\n");
  for (const auto& name : r.unused)
    text += detail::concat(detail::name_text(name), " was not used\n");
  return text;
}

namespace detail {

inline constexpr const char* order_key = "state_dict_order";

/// The number in 16 bits of IEEE 754.
[[nodiscard]] inline double half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double fraction = bits & 1023;
  const double size = exponent == 0    ? std::ldexp(fraction, -24)
                      : exponent == 31 ? (fraction == 0 ? std::numeric_limits<double>::infinity()
                                                        : std::numeric_limits<double>::quiet_NaN())
                                       : std::ldexp(1024 + fraction, exponent - 25);
  return std::copysign(size, bits >> 15 == 0 ? 1.0 : -1.0);
}

/// The elements of a tensor of F16, BF16, F32 or F64, which double has exactly.
[[nodiscard]] inline std::vector<double> widened(const loaded_tensor& t) {
  const std::uint64_t bytes = element_bytes(t.dtype);
  auto values = host_vector<double>(static_cast<index_t>(t.data.size() / bytes));
  const auto read = [&]<class Bits, class F>(Bits bits, const F& f) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&bits, t.data.data() + i * sizeof bits, sizeof bits);
      values[i] = f(bits);
    }
  };
  if (t.dtype == "F16") read(std::uint16_t{}, half_value);
  if (t.dtype == "BF16")
    read(std::uint16_t{},
         [](std::uint32_t b) { return static_cast<double>(std::bit_cast<float>(b << 16)); });
  if (t.dtype == "F32") read(float{}, [](float x) { return static_cast<double>(x); });
  if (t.dtype == "F64") read(double{}, [](double x) { return x; });
  return values;
}

/// The part of a name before its last dot.
[[nodiscard]] inline std::string module_of(const std::string& name) {
  return name.substr(0, name.rfind('.'));
}

/// Renames by a table of parameters and layers, then puts the prefix before all. Throws value_error
/// if the table has a name that the network does not have.
inline void rename(std::vector<weights_mapping>& list,
                   const std::map<std::string, std::string>& names, const std::string& prefix) {
  std::set<std::string> known;
  for (weights_mapping& m : list) {
    const std::string layer = module_of(m.name);
    known.insert({m.name, layer});
    if (const auto p = names.find(m.name); p != names.end())
      m.theirs = p->second;
    else if (const auto l = names.find(layer); l != names.end())
      m.theirs = l->second + m.name.substr(layer.size());
    m.theirs = prefix + m.theirs;
  }
  for (const auto& [own, theirs] : names)
    if (!known.contains(own))
      throw value_error(concat("the table of names has ", name_text(own),
                               ", but the network has no parameter and no layer with parameters "
                               "of that name"));
}

/// Running statistics of PyTorch count batches, which the library does not.
[[nodiscard]] inline bool is_counter(std::string_view name) {
  return name.ends_with(".num_batches_tracked");
}

/// Names the k-th layer by the k-th module of the file's state_dict. Throws format_error if the
/// file does not state their order, or if there are more or fewer and not `partial`.
inline void rename_by_order(std::vector<weights_mapping>& list, const safetensors_file& file,
                            const load_weights_options& o) {
  const auto order = file.metadata().find(order_key);
  if (order == file.metadata().end())
    throw format_error(concat(file.path(),
                              ": the file does not say in which order its modules "
                              "are (safetensors sorts names); write it by export.py, which adds "
                              "the metadata '",
                              order_key, "', or give names"));
  std::vector<std::string> modules;
  const std::string& text = order->second;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string name = text.substr(at, end - at);
    at = end + 1;
    if (!name.starts_with(o.prefix)) continue;
    if (std::string module = module_of(name); modules.empty() || modules.back() != module)
      modules.push_back(std::move(module));
  }
  std::vector<std::string> layers;
  for (const weights_mapping& m : list)
    if (layers.empty() || layers.back() != module_of(m.name)) layers.push_back(module_of(m.name));
  if (layers.size() != modules.size() && !o.partial)
    throw format_error(concat(file.path(), ": the file has ", modules.size(),
                              " modules with parameters, the network ", layers.size(),
                              " layers with parameters"));
  std::size_t k = 0;
  for (weights_mapping& m : list) {
    while (layers[k] != module_of(m.name)) ++k;
    // Modules that are not there get a name that no tensor has.
    m.theirs = k < modules.size() ? modules[k] + m.name.substr(layers[k].size()) : std::string();
  }
}

/// Refuses what cannot be meant: a file whose own words contradict the layout. Throws format_error.
inline void require_layout(const safetensors_file& file, weights_layout layout) {
  const auto stated = file.metadata().find(layout_key);
  if (layout == weights_layout::pytorch && file.metadata().contains(model_key))
    throw format_error(file.path() +
                       ": the file is in the library's own layout, not in PyTorch's; load it "
                       "without a layout");
  if (layout == weights_layout::native && stated != file.metadata().end() &&
      stated->second == "pytorch")
    throw format_error(file.path() +
                       ": the file is in PyTorch's layout; load it with .layout = "
                       "weights_layout::pytorch");
}

/// Finds the tensor of each mapping, null where `partial` allows it. Throws format_error, naming
/// the first tensor that is missing, differs or is not expected.
[[nodiscard]] inline std::vector<const loaded_tensor*> match_tensors(
    const safetensors_file& file, std::vector<weights_mapping>& list, const load_weights_options& o,
    loaded_weights& record) {
  require_layout(file, o.layout);
  if (o.by_order && !o.names.empty())
    throw value_error("load_weights takes names or an order, not both");
  if (o.by_order)
    rename_by_order(list, file, o);
  else
    rename(list, o.names, o.prefix);
  std::set<std::string> used;
  std::vector<const loaded_tensor*> found;
  for (const weights_mapping& m : list) {
    const auto refuse = [&](const auto&... what) {
      throw format_error(concat(file.path(), ": tensor ", name_text(m.theirs), ", for ", m.name,
                                " of the network, ", what...));
    };
    if (!file.contains(m.theirs)) {
      if (!o.partial) refuse("is missing; state its name by .names or .prefix, or load .partial");
      record.missing.push_back(m.name);
      found.push_back(nullptr);
      continue;
    }
    const loaded_tensor& t = file.tensor(m.theirs);
    const bool is_row = t.shape.size() == 1 && m.extents.size() == 2 && m.extents[0] == 1 &&
                        m.extents[1] == t.shape[0];
    if (t.shape != m.extents && !is_row)
      refuse("has the shape ", extents_text(t.shape), ", expected ", extents_text(m.extents),
             o.layout == weights_layout::pytorch ? " in PyTorch's layout"
                                                 : " in the library's layout");
    if (t.dtype != "F16" && t.dtype != "BF16" && t.dtype != "F32" && t.dtype != "F64")
      refuse("has the dtype ", t.dtype, ", expected F16, BF16, F32 or F64");
    if (!used.insert(m.theirs).second) refuse("is given to another parameter too");
    record.matched.push_back({m.name, m.theirs, t.dtype});
    found.push_back(&t);
  }
  for (const loaded_tensor& t : file.tensors()) {
    if (used.contains(t.name) || is_counter(t.name)) continue;
    if (!o.partial && t.name.starts_with(o.prefix))
      throw format_error(concat(file.path(), ": tensor ", name_text(t.name), " with the shape ",
                                extents_text(t.shape),
                                " has no parameter in the network; load "
                                ".partial to pass over it"));
    record.unused.push_back(t.name);
  }
  if (used.empty() && !list.empty())
    throw format_error(concat(file.path(),
                              ": no tensor of the file has a parameter in the network; "
                              "the first of the network would be ",
                              name_text(list[0].theirs)));
  record.metadata = file.metadata();
  return found;
}

}  // namespace detail

/// Reads parameters and states of `net` from a file in the layout of `options`, and returns what
/// was matched. F16, BF16, F32 and F64 are converted. Checksums are compared where the file has
/// them. Throws io_error if it cannot be read, format_error, naming what differs, if it is damaged
/// or another network's, and value_error for layers that PyTorch does not have; the network is then
/// unchanged.
template <class Network>
loaded_weights load_weights(Network& net, const std::string& path,
                            const load_weights_options& options) {
  using T = typename Network::backend_type::scalar;
  const safetensors_file file =
      load_safetensors(path, {.require_checksums = false, .max_bytes = options.max_bytes});
  auto list = detail::mappings_of(net.describe(), net.declared(), options.layout);
  loaded_weights record;
  const auto tensors = detail::match_tensors(file, list, options, record);
  std::vector<std::vector<T>> values;
  for (std::size_t i = 0; i < list.size(); ++i) {
    values.emplace_back();
    if (tensors[i] == nullptr) continue;
    const std::vector<double> theirs = detail::widened(*tensors[i]);
    values.back() = detail::host_vector<T>(list[i].place.rows * list[i].place.cols);
    list[i].each([&](index_t own, index_t in_file) {
      values.back()[static_cast<std::size_t>(own)] =
          static_cast<T>(theirs[static_cast<std::size_t>(in_file)]);
    });
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (tensors[i] == nullptr) continue;
    const slice& s = list[i].place;
    net.backend().upload((list[i].is_state ? net.states() : net.parameters())[s],
                         matrix_view<const T>(values[i].data(), s.rows, s.cols));
  }
  net.backend().synchronize();  // the host's copies are about to go
  return record;
}

/// Writes parameters and states of `net` in the layout of `options`, in the scalar of the network,
/// with checksums. Throws value_error for layers that PyTorch does not have or if the metadata has
/// a key of the library, and io_error if the file cannot be written.
template <class Network>
void save_weights(const Network& net, const std::string& path,
                  const save_weights_options& options) {
  using T = typename Network::backend_type::scalar;
  auto list = detail::mappings_of(net.describe(), net.declared(), options.layout);
  detail::rename(list, options.names, options.prefix);
  std::vector<std::vector<T>> values;
  std::vector<tensor_to_save> tensors;
  for (const detail::weights_mapping& m : list) {
    const auto own =
        to_host(net.backend(), (m.is_state ? net.states() : net.parameters())[m.place]);
    auto& theirs = values.emplace_back(detail::host_vector<T>(m.place.rows * m.place.cols));
    m.each([&](index_t i, index_t in_file) {
      theirs[static_cast<std::size_t>(in_file)] = own[static_cast<std::size_t>(i)];
    });
    tensors.push_back(
        {m.theirs, sizeof(T) == 4 ? "F32" : "F64", m.extents, std::as_bytes(std::span(theirs))});
  }
  auto metadata = options.metadata;
  detail::add_own_key(metadata, detail::layout_key,
                      options.layout == weights_layout::pytorch ? "pytorch" : "native");
  save_safetensors(path, tensors, metadata);
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_PYTORCH_HPP

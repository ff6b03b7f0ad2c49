/// \file
/// Saving and loading the weights of a network, or of a parameter_set, as a safetensors file.
///
///     save_weights(net, "digits.safetensors");
///     load_weights(net, "digits.safetensors");
///     network<cpu> net = load_network(cpu{}, "digits.safetensors");   // with network/model.hpp
///
/// Tensors are named like the parameters ("0.weight": inputs × outputs, "0.bias": 1 × outputs), so
/// Python's safetensors package reads the file too. What is saved is written to a temporary file,
/// synchronised and renamed; what fails to load leaves the network as it was.
/// See also io/pytorch.hpp (files of other programs, and for them).
#ifndef CHAINRULE_IO_WEIGHTS_HPP
#define CHAINRULE_IO_WEIGHTS_HPP

#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/io/atomic_file.hpp"
#include "chainrule/io/description.hpp"
#include "chainrule/io/safetensors.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule {

namespace detail {

/// The layers in words, which files of version 0.1 carry: "784, dense + relu 128, dense 10". A
/// parameter_set has none.
template <class Network>
[[nodiscard]] std::string layers_in_words(const Network& net) {
  if constexpr (requires { net.layers(); }) {
    std::string words = std::to_string(net.inputs());
    for (const auto& l : net.layers()) words += concat(", ", l.name, " ", l.outputs.size());
    return words;
  } else {
    return {};
  }
}

/// Layers in words without constants in parentheses, as version 0.1 wrote them.
[[nodiscard]] inline std::string without_constants(std::string words) {
  for (auto open = words.find('('); open != std::string::npos; open = words.find('('))
    words.erase(open, words.find(')', open) - open + 1);
  return words;
}

inline constexpr const char* layers_key = "layers";  // of version 0.1
inline constexpr const char* model_key = "model";
inline constexpr const char* layout_key = "layout";  // of files for other programs
/// The prefix of the names of the optimizer's tensors.
inline constexpr const char* state_prefix = "optimizer.";

/// Adds a key of the library to a user's metadata. Throws value_error if the user has it already.
inline void add_own_key(std::map<std::string, std::string>& metadata, const char* key,
                        std::string value) {
  if (!metadata.emplace(key, std::move(value)).second)
    throw value_error(
        concat("the metadata key '", key, "' is the library's own; choose another name"));
}

/// An arena of a network, the list of its slots, and what comes before their names in a file.
template <class Arena, class List>
struct named_arena {
  std::string prefix;
  Arena* values;
  const List* slots;
};
template <class Prefix, class Arena, class List>
named_arena(Prefix, Arena*, const List*) -> named_arena<Arena, List>;

inline constexpr index_t max_layers = 10000;
/// The layers of a description, repeated ones counted each; in double, which does not overflow.
[[nodiscard]] inline double layer_count(const description& d) {
  double count = 1;
  for (const description& l : d.layers) count += layer_count(l);
  for (const auto& [name, value] : d.extents)
    if (const double times = std::strtod(value.c_str(), nullptr);
        d.kind == "repeat" && name == "times" && times > 1)  // neither NaN nor negative
      count *= times;
  return count;
}

/// The network that a file describes. Throws format_error if it is none.
[[nodiscard]] inline description described_network(const std::string& json,
                                                   const std::string& path) {
  description d = description_from_json(json, path + ", metadata 'model'");
  if (d.kind != "network" || d.layers.empty() || layer_count(d) > max_layers)
    throw format_error(concat(path, ": the metadata 'model' describes no network of 1 to ",
                              max_layers, " layers"));
  return d;
}

/// Throws format_error if the network in the file computes something else from its parameters than
/// `own`. The shape of the input may differ.
inline void require_same_layers(const description& in_file, const description& own,
                                const std::string& path) {
  if (in_file.layers.size() != own.layers.size())
    throw format_error(concat(path, ": these are the weights of ", in_file.layers.size(),
                              " layers, this network has ", own.layers.size()));
  for (std::size_t i = 0; i < own.layers.size(); ++i) {
    const description a = without_options(in_file.layers[i]);
    const description b = without_options(own.layers[i]);
    if (a != b)
      throw format_error(concat(path, ": layer ", i, " is ", name_text(to_string(a), 1000),
                                " in the file and ", name_text(to_string(b), 1000),
                                " in this network"));
  }
}

/// The extents of a slot as a file states them.
template <class Slot>
[[nodiscard]] std::vector<index_t> extents_in_file(const Slot& slot) {
  std::vector<index_t> extents;
  for (index_t i = 0; i < slot.extents.rank(); ++i) extents.push_back(slot.extents[i]);
  return extents;
}

/// What a network holds: parameters and untrained state.
template <class Network>
[[nodiscard]] auto arenas_of_network(Network& net) {
  return std::vector{named_arena{"", &net.parameters(), &net.declared().parameters()},
                     named_arena{"", &net.states(), &net.declared().states()}};
}

/// Writes the slices of all arenas, with metadata that has the library's own keys already.
template <class Network, class Arenas>
void save_arenas(const Network& net, const Arenas& arenas, const std::string& path,
                 std::map<std::string, std::string> metadata) {
  using T = typename Network::backend_type::scalar;
  std::vector<std::vector<T>> values;
  std::vector<tensor_to_save> tensors;
  for (const auto& a : arenas)
    for (const auto& p : *a.slots) {
      values.push_back(to_host(net.backend(), std::as_const(*a.values)[p.place]));
      tensors.push_back({a.prefix + p.name, sizeof(T) == 4 ? "F32" : "F64", extents_in_file(p),
                         std::as_bytes(std::span(values.back()))});
    }
  add_own_key(metadata, model_key, to_json(net.describe()));
  save_safetensors(path, tensors, metadata);
}

/// Throws format_error unless the file holds just these tensors, and perhaps a training's state
/// beside them where `ignore_state`.
inline void require_tensors(const safetensors_file& file, std::vector<tensor_expectation> expected,
                            bool ignore_state) {
  if (ignore_state)
    for (const loaded_tensor& t : file.tensors())
      if (t.name.starts_with(state_prefix)) expected.push_back({t.name, t.shape});
  require_same_tensors(file, expected);
}

/// Throws format_error if nothing says that a file without a description has the layout of the
/// library: a square weight would be loaded transposed in silence.
inline void require_own_layout(const safetensors_file& file) {
  const auto stated = file.metadata().find(layout_key);
  const bool is_stated = stated != file.metadata().end();
  if (is_stated ? stated->second == "native" : file.verified()) return;
  throw format_error(concat(
      file.path(),
      is_stated ? ": the file is in another layout" : ": another program wrote the file",
      ", and load_weights without a layout reads dense weights as inputs × outputs; name it: "
      "load_weights(net, path, {.layout = weights_layout::pytorch}), or native, with "
      "io/pytorch.hpp"));
}

/// Reads the slices of all arenas from a file that holds just these, and perhaps a training's
/// state beside them where `ignore_state`. Nothing is changed if it throws (a
/// device that fails while it is sent them excepted).
template <class Network, class Arenas>
void load_arenas(const Network& net, const Arenas& arenas, const safetensors_file& file,
                 bool ignore_state) {
  using T = typename Network::backend_type::scalar;
  const auto model = file.metadata().find(model_key);
  const auto layers = file.metadata().find(layers_key);
  if (model == file.metadata().end() && layers == file.metadata().end()) require_own_layout(file);
  std::vector<tensor_expectation> expected;
  for (const auto& a : arenas)
    for (const auto& p : *a.slots) expected.push_back({a.prefix + p.name, extents_in_file(p)});
  const std::size_t wanted = expected.size();
  require_tensors(file, expected, ignore_state);
  if (model != file.metadata().end()) {
    require_same_layers(described_network(model->second, file.path()), net.describe(), file.path());
  } else if (layers != file.metadata().end()) {
    const std::string own = layers_in_words(net);
    if (layers->second != own && layers->second != without_constants(own))
      throw format_error(concat(file.path(), ": these are the weights of the layers ",
                                name_text(layers->second, 1000), ", this network has '", own, "'"));
  }

  std::vector<std::vector<T>> values;
  for (std::size_t i = 0; i < wanted; ++i) {
    const auto& shape = expected[i].shape;
    index_t size = 1;
    for (const index_t extent : shape) size = elements_of(size, extent);
    values.push_back(host_vector<T>(size));
    file.copy_to(expected[i].name, shape, std::span(values.back()));
  }
  std::size_t next = 0;
  for (const auto& a : arenas)
    for (const auto& p : *a.slots) {
      const std::vector<T>& v = values[next++];
      net.backend().upload((*a.values)[p.place],
                           matrix_view<const T>(v.data(), p.place.rows, p.place.cols));
    }
  net.backend().synchronize();  // the host's copies are about to go
}

}  // namespace detail

/// Writes all parameters of `net`, with metadata of your own beside the library's, whose key is
/// "model". Throws value_error if yours has that key, io_error if the file cannot be written; the
/// old file, if there was one, is then untouched.
template <class Network>
void save_weights(const Network& net, const std::string& path,
                  std::map<std::string, std::string> metadata = {}) {
  detail::save_arenas(net, detail::arenas_of_network(net), path, std::move(metadata));
}

/// Throws io_error if no file can be written at `path` now. Call it before a long training whose
/// result is saved there. A file that exists is not changed.
inline void require_can_save(const std::string& path) {
  const detail::write_target target = detail::find_write_target(path);
  const detail::temporary_file made_and_removed(target.folder, target.permissions, path);
}

/// Reads all parameters of `net` from a file that holds just these, of these shapes (what
/// io/checkpoint.hpp saves beside them is ignored), and returns the file's metadata. Throws
/// io_error if it cannot be read and format_error, naming what differs, if it is damaged, another
/// network's or written by another program (see io/pytorch.hpp); the network is then unchanged.
template <class Network>
std::map<std::string, std::string> load_weights(Network& net, const std::string& path,
                                                load_safetensors_options options = {}) {
  const safetensors_file file = load_safetensors(path, options);
  auto metadata = file.metadata();  // copied before anything changes: that may throw
  detail::load_arenas(net, detail::arenas_of_network(net), file, true);
  return metadata;
}

/// The network that a file holds, built from its description; include network/model.hpp, and see
/// there for layers that are not the library's. Throws io_error if the file cannot be read, and
/// format_error if it is damaged or has no description, or one that cannot be built or whose
/// parameters are not the file's: that is found before memory is allocated for them.
template <class B>
[[nodiscard]] auto load_network(const B& be, const std::string& path,
                                load_safetensors_options options = {}) {
  const safetensors_file file = load_safetensors(path, options);
  const auto model = file.metadata().find(detail::model_key);
  if (model == file.metadata().end())
    throw format_error(path +
                       ": the file does not describe its network; make the network and use "
                       "load_weights");
  const auto check = [&](const auto& plan) {
    std::vector<tensor_expectation> expected;
    for (const auto* slots : {&plan.parameters(), &plan.states()})
      for (const auto& p : *slots) expected.push_back({p.name, detail::extents_in_file(p)});
    detail::require_tensors(file, std::move(expected), true);
  };
  const auto build = [&] {
    try {
      return network_from(be, detail::described_network(model->second, path), check);
    } catch (const value_error& e) {
      throw format_error(path + ": " + e.what());
    } catch (const shape_error& e) {
      throw format_error(path + ": " + e.what());
    }
  };
  auto net = build();
  detail::load_arenas(net, detail::arenas_of_network(net), file, true);
  return net;
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_WEIGHTS_HPP

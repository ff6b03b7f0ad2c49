/// \file
/// How the parameters of a network lie in the state_dict of the same network in PyTorch.
///
///     for (const auto& m : detail::mappings_of(net.describe(), net.declared(), layout)) ...
///
/// Samples are channels last here and channels first in PyTorch, wherever a layer says so
/// (convolutions, pooling, normalization over channels); dense layers on {time, features} and
/// embeddings are channels last in both. A dense layer behind a flatten therefore has its rows in
/// another order, and one before a reshape_to its columns. Works on descriptions and opens no file.
/// See also io/pytorch.hpp, which is what programs include.
#ifndef CHAINRULE_IO_WEIGHTS_LAYOUT_HPP
#define CHAINRULE_IO_WEIGHTS_LAYOUT_HPP

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/layers/description_values.hpp"
#include "chainrule/layers/plan.hpp"

namespace chainrule {

/// The order of elements in a file of weights, and what its tensors are named by default.
enum class weights_layout {
  native,  ///< the library's own: dense weights are inputs × outputs, named "0.weight"
  /// PyTorch's: Linear outputs × inputs, convolutions outputs × inputs × height × width; named by
  /// the places in an nn.Sequential, in which each activation is a module of its own.
  pytorch
};

namespace detail {

/// One parameter or state of a network and its place in a file. Element (s, a, o) of the network's
/// spatial × inner × outer elements is element (outer_order[o], inner_order[a], s) of the file's
/// outer × inner × spatial; an empty order leaves the index as it is.
struct weights_mapping {
  std::string name;    // "2.weight"
  std::string theirs;  // "4.weight"
  slice place;
  bool is_state = false;
  std::vector<index_t> extents;  // in the file
  index_t spatial = 1, inner = 1, outer = 1;
  std::vector<index_t> inner_order, outer_order;

  /// f(index in the network, index in the file) for each element.
  template <class F>
  void each(const F& f) const {
    const auto at = [](const std::vector<index_t>& order, index_t i) {
      return order.empty() ? i : order[static_cast<std::size_t>(i)];
    };
    index_t own = 0;
    for (index_t s = 0; s < spatial; ++s)
      for (index_t a = 0; a < inner; ++a)
        for (index_t o = 0; o < outer; ++o)
          f(own++, (at(outer_order, o) * inner + at(inner_order, a)) * spatial + s);
  }
};

[[nodiscard]] inline std::vector<index_t> extents_of(const shape& s) {
  std::vector<index_t> extents;
  for (index_t i = 0; i < s.rank(); ++i) extents.push_back(s[i]);
  return extents;
}

/// Walks the layers of a network in the order of their passes and maps what each has declared.
class pytorch_mapper {
 public:
  explicit pytorch_mapper(const plan& declared) : declared_(declared) {}

  /// Throws value_error, naming the layer, where PyTorch's order of elements is not known.
  [[nodiscard]] std::vector<weights_mapping> map(const description& net) {
    (void)chain(net.layers, net.layers.size(), "", "", new_edge());
    for (const bool state : {false, true})
      for (const parameter& p : slots(state))
        if (!is_mapped(p.name)) add_unknown(p, state, p.name, "");
    for (const auto& [e, path] : unordered_)
      if (!order_of(e, path).empty())
        refuse(path,
               "takes features that are the channels-last elements of a flattened sample, "
               "whose order is another in PyTorch");
    for (std::size_t i = 0; i < list_.size(); ++i) resolve(list_[i], orders_[i]);
    return std::move(list_);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  /// Where PyTorch's samples have their channels; ambiguous where its network has to move them and
  /// may move them back.
  enum class channels { unknown, come_first, come_last, ambiguous };
  /// The samples between two layers, or layers that leave the order of elements as it is.
  struct edge {
    std::size_t same;                         // the edge that this one was united with, or itself
    channels in_pytorch = channels::unknown;  // of samples with several axes
    shape joined{};                           // features that are the elements of samples of that
    std::size_t samples = none;               // shape, on that edge
  };
  /// The edges whose elements the indices of a mapping follow, and its layer.
  struct orders {
    std::size_t inner, outer;
    std::string path;
    bool is_sample = false;  // the tensor has the extents of a sample
  };

  [[noreturn]] static void refuse(std::string_view path, std::string_view what) {
    throw value_error(concat("weights of PyTorch: layer ", path, " ", what));
  }
  static std::string joined(const std::string& path, std::string_view name) {
    return path.empty() ? std::string(name) : concat(path, ".", name);
  }
  [[nodiscard]] const plain_vector<parameter>& slots(bool state) const {
    return state ? declared_.states() : declared_.parameters();
  }
  [[nodiscard]] bool is_mapped(const std::string& name) const {
    for (const weights_mapping& m : list_)
      if (m.name == name) return true;
    return false;
  }
  [[nodiscard]] shape input_of(const std::string& path) const {
    for (const auto& [name, in] : declared_.layer_inputs())
      if (name == path && in.is_known()) return in;
    return declared_.input();  // of the first layer
  }

  std::size_t new_edge(channels c = channels::unknown) {
    edges_.push_back({edges_.size(), c});
    return edges_.size() - 1;
  }
  [[nodiscard]] std::size_t find(std::size_t e) const {
    while (edges_[e].same != e) e = edges_[e].same;
    return e;
  }
  /// Features that are the elements of samples of that shape.
  std::size_t flattened(const shape& s, std::size_t samples) {
    const std::size_t e = new_edge();
    edges_[e].joined = s;
    edges_[e].samples = samples;
    return e;
  }
  /// Two edges whose elements have one order, as the summands of a residual block have.
  void unite(std::size_t a, std::size_t b, const std::string& path) {
    a = find(a);
    b = find(b);
    if (a == b) return;
    edge& to = edges_[a];
    const edge& from = edges_[b];
    if (to.joined.is_known() && from.joined.is_known()) {
      if (to.joined != from.joined)
        refuse(path, "joins features in the orders of two different samples");
      unite(to.samples, from.samples, path);
    }
    if (!edges_[a].joined.is_known()) {
      edges_[a].joined = edges_[b].joined;
      edges_[a].samples = edges_[b].samples;
    }
    if (edges_[a].in_pytorch == channels::unknown) edges_[a].in_pytorch = edges_[b].in_pytorch;
    edges_[b].same = a;
  }
  /// The edge, for a layer that needs the channels there. Features stay as they are.
  std::size_t with(channels c, std::size_t e, const shape& s) {
    if (s.rank() < 2) return e;
    channels& now = edges_[find(e)].in_pytorch;
    if (now == channels::unknown) now = c;
    return now == c ? e : new_edge(channels::ambiguous);
  }
  /// The edge of samples that are made of those of two edges.
  std::size_t made_of(std::size_t a, std::size_t b) {
    if (find(a) == find(b)) return a;
    const channels c = edges_[find(a)].in_pytorch;
    return new_edge(c == edges_[find(b)].in_pytorch ? c : channels::ambiguous);
  }
  /// Where PyTorch has each element of a sample of an edge; empty if it is where it is here.
  [[nodiscard]] std::vector<index_t> order_of(std::size_t e, const std::string& path) const {
    if (e == none) return {};
    const edge& f = edges_[find(e)];
    if (f.joined.rank() < 2) return {};
    const index_t c = f.joined.last();
    const index_t positions = f.joined.positions();
    if (c == 1 || positions == 1 || !comes_first(f.samples, f.joined, path)) return {};
    std::vector<index_t> order;
    for (index_t i = 0; i < f.joined.size(); ++i) order.push_back(i % c * positions + i / c);
    return order;
  }
  [[nodiscard]] bool comes_first(std::size_t samples, const shape& s,
                                 const std::string& path) const {
    const channels c = edges_[find(samples)].in_pytorch;
    if (c == channels::ambiguous || (c == channels::unknown && s.rank() == 2))
      refuse(path, concat("depends on the order of the elements of samples of ", to_string(s),
                          ", and the layers before it do not say whether their channels are first "
                          "or last in PyTorch there"));
    return c != channels::come_last;  // images are channels first
  }

  /// Puts extents and orders into a mapping once all edges are known.
  void resolve(weights_mapping& m, const orders& o) const {
    m.inner_order = order_of(o.inner, o.path);
    m.outer_order = order_of(o.outer, o.path);
    if (!o.is_sample) return;
    const shape& s = edges_[o.outer].joined;
    m.extents = extents_of(s);
    if (comes_first(edges_[o.outer].samples, s, o.path)) {
      m.extents.pop_back();
      m.extents.insert(m.extents.begin(), s.last());
    }
  }

  weights_mapping& add(const parameter& p, bool state, const std::string& theirs, orders o) {
    weights_mapping m;
    m.name = p.name;
    m.theirs = theirs;
    m.place = p.place;
    m.is_state = state;
    m.extents = {p.extents.size()};
    m.outer = p.extents.size();
    orders_.push_back(std::move(o));
    list_.push_back(std::move(m));
    return list_.back();
  }
  /// A parameter of a layer that PyTorch does not have: only a row of numbers has one order.
  void add_unknown(const parameter& p, bool state, const std::string& theirs,
                   std::string_view kind) {
    if (p.place.rows > 1)
      refuse(p.name.substr(0, p.name.rfind('.')),
             concat(kind.empty() ? "" : concat("(", kind, ") "),
                    "is not a layer of PyTorch, so the "
                    "order of the elements of ",
                    p.name, " there is not known"));
    add(p, state, theirs, {none, none, p.name});
  }

  /// f(parameter, whether it is a state, its name in PyTorch) for those of one layer.
  template <class F>
  void each_slot(const std::string& path, const std::string& torch, const F& f) {
    const std::string prefix = path + ".";
    for (const bool state : {false, true})
      for (const parameter& p : slots(state))
        if (p.name.starts_with(prefix) && p.name.find('.', prefix.size()) == p.name.npos &&
            !is_mapped(p.name))
          f(p, state, joined(torch, p.name.substr(prefix.size())));
  }
  /// Rows with a number for each channel, or for each feature of the edge.
  void add_rows(const std::string& path, const std::string& torch, const shape& in, std::size_t e) {
    each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
      const bool follows = in.rank() == 1 && p.extents.size() == in.size();
      add(p, state, theirs, {none, follows ? e : none, path});
    });
  }

  std::size_t chain(const std::vector<description>& layers, std::size_t count,
                    const std::string& path, const std::string& torch, std::size_t e) {
    index_t place = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const description& d = unwrapped(layers[i]);
      e = layer(d, joined(path, std::to_string(i)), joined(torch, std::to_string(place)), e);
      place += d.activation.empty() || d.kind == "activation" ? 1 : 2;
    }
    return e;
  }
  static const description& unwrapped(const description& d) {
    return (d.kind == "frozen" || d.kind == "in_group") && d.layers.size() == 1
               ? unwrapped(d.layers.front())
               : d;
  }

  /// Maps a layer that reads edge e. Returns the edge of its output.
  std::size_t layer(const description& d, const std::string& path, const std::string& torch,
                    std::size_t e) {
    const std::string_view k = d.kind;
    const shape in = input_of(path);
    const auto is = [&](auto... kinds) { return ((k == kinds) || ...); };
    if (is("activation", "dropout")) return e;
    if (is("prelu")) {
      add_rows(path, torch, in, e);
      return e;
    }
    if (is("dense")) return dense_layer(path, torch, in, e);
    if (is("conv2d", "conv1d", "conv_transpose2d")) {
      (void)with(channels::come_first, e, in);
      add_convolution(path, torch);
      return new_edge(channels::come_first);
    }
    if (is("batch_norm", "group_norm", "instance_norm", "local_response_norm", "dropout2d")) {
      // Groups of features in another order are other groups.
      if (in.rank() == 1 && !is("batch_norm")) unordered_.emplace_back(e, path);
      e = with(channels::come_first, e, in);
      add_rows(path, torch, in, e);
      return e;
    }
    if (is("layer_norm") && flag_of(d, "all_axes", false) && in.rank() > 1) {
      each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
        add(p, state, theirs, {none, flattened(in, e), path, true});
      });
      return e;
    }
    if (is("layer_norm", "rms_norm")) {
      e = with(channels::come_last, e, in);
      add_rows(path, torch, in, e);
      return e;
    }
    if (is("max_pool", "average_pool", "global_max_pool", "global_average_pool", "upsample", "pad",
           "crop")) {
      (void)with(channels::come_first, e, in);
      return new_edge(channels::come_first);
    }
    if (is("embedding")) {
      each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
        add(p, state, theirs, {none, none, path}).extents = extents_of(p.extents);
      });
      return new_edge(channels::come_last);
    }
    if (is("flatten")) return in.rank() < 2 ? e : flattened(in, e);
    if (is("reshape_to")) return reshaped(shape_of(d, "shape"), in, e, path);
    if (is("sequence")) return chain(d.layers, d.layers.size(), path, torch, e);
    if (is("residual", "projected_residual")) {
      const bool projected = is("projected_residual");
      const std::size_t f = chain(d.layers, d.layers.size() - (projected ? 1 : 0), path, torch, e);
      const std::size_t other = projected
                                    ? layer(unwrapped(d.layers.back()), joined(path, "projection"),
                                            joined(torch, "projection"), e)
                                    : e;
      if (in.rank() > 1) return made_of(other, f);
      unite(other, f, path);
      return f;
    }
    if (is("repeat")) {
      const auto times = static_cast<std::size_t>(extent_of(d, "times"));
      return chain(std::vector<description>(times, d.layers.at(0)), times, path, torch, e);
    }
    if (is("concat")) {
      std::size_t out = none;  // of the layers so far
      for (std::size_t i = 0; i < d.layers.size(); ++i) {
        const std::string number = std::to_string(i);
        const std::size_t next =
            layer(unwrapped(d.layers[i]), joined(path, number), joined(torch, number), e);
        unordered_.emplace_back(next, path);
        out = out == none ? next : made_of(out, next);
      }
      return new_edge(edges_[find(out)].in_pytorch);
    }
    if (in.rank() == 1) unordered_.emplace_back(e, path);
    each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
      add_unknown(p, state, theirs, k);
    });
    return new_edge();
  }

  std::size_t dense_layer(const std::string& path, const std::string& torch, const shape& in,
                          std::size_t e) {
    const channels now = edges_[find(with(channels::come_last, e, in))].in_pytorch;
    const std::size_t out = new_edge(now);
    each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
      const bool is_weight = p.name.ends_with(".weight");
      const bool features = in.rank() == 1;
      weights_mapping& m =
          add(p, state, theirs, {features && is_weight ? e : none, features ? out : none, path});
      if (!is_weight) return;
      m.inner = p.place.rows;
      m.outer = p.place.cols;
      m.extents = {m.outer, m.inner};
    });
    return out;
  }
  void add_convolution(const std::string& path, const std::string& torch) {
    each_slot(path, torch, [&](const parameter& p, bool state, const std::string& theirs) {
      weights_mapping& m = add(p, state, theirs, {none, none, path});
      if (!p.name.ends_with(".weight")) return;
      const std::vector<index_t> own = extents_of(p.extents);
      m.outer = own.back();
      m.inner = own[own.size() - 2];
      m.spatial = p.extents.size() / (m.outer * m.inner);
      m.extents = {m.outer, m.inner};
      m.extents.insert(m.extents.end(), own.begin(), own.end() - 2);
    });
  }
  std::size_t reshaped(const shape& out, const shape& in, std::size_t e, const std::string& path) {
    if (in.rank() == 1 && out.rank() == 1) return e;
    if (out.rank() == 1) return flattened(in, e);
    if (in.rank() == 1) {
      const std::size_t samples = new_edge();
      unite(e, flattened(out, samples), path);
      return samples;
    }
    if (in.last() != out.last())
      refuse(path, concat("(reshape_to) gives samples of ", to_string(in), " the shape ",
                          to_string(out), ", which moves other elements in PyTorch"));
    return e;
  }

  const plan& declared_;
  std::vector<edge> edges_;
  std::vector<weights_mapping> list_;
  std::vector<orders> orders_;                                  // of each in list_
  std::vector<std::pair<std::size_t, std::string>> unordered_;  // edges that need the order here
};

/// How each parameter and state of a network lies in a file of that layout.
[[nodiscard]] inline std::vector<weights_mapping> mappings_of(const description& net,
                                                              const plan& declared,
                                                              weights_layout layout) {
  if (layout == weights_layout::pytorch) return pytorch_mapper(declared).map(net);
  std::vector<weights_mapping> list;
  for (const bool state : {false, true})
    for (const parameter& p : state ? declared.states() : declared.parameters()) {
      weights_mapping& m = list.emplace_back();
      m.name = m.theirs = p.name;
      m.place = p.place;
      m.is_state = state;
      m.extents = extents_of(p.extents);
      m.outer = p.extents.size();
    }
  return list;
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_IO_WEIGHTS_LAYOUT_HPP

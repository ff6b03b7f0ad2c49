/// \file
/// What static and dynamic networks have in common: the parameters, and the passes over a chain of
/// layers. `network` and `sequential` say how to walk their layers; the rest is written here once.
#ifndef CHAINRULE_NETWORK_LAYER_STACK_HPP
#define CHAINRULE_NETWORK_LAYER_STACK_HPP

#include <algorithm>
#include <string>
#include <vector>

#include "chainrule/layers/layer.hpp"
#include "chainrule/network/workspace.hpp"

namespace chainrule {

/// The line of one layer in a summary.
struct layer_summary {
  std::string name;
  index_t outputs = 0;
  index_t parameters = 0;
};

/// Binds the spec of layer `plan.layer()` behind a layer of `features` outputs, whose name is
/// `previous` (empty: there is none). Throws shape_error if the two do not fit.
template <backend B, class Spec>
[[nodiscard]] auto bind_behind(const Spec& spec, index_t features, const std::string& previous,
                               parameter_plan& plan) {
  const index_t wanted = spec.inputs();
  if (previous.empty() && wanted == dynamic)
    throw shape_error(detail::concat("layer 0 (", Spec::name, ") takes any number of features; ",
                                     "begin with a layer that says how many, such as dense"));
  if (!previous.empty() && wanted != dynamic && wanted != features)
    throw shape_error(detail::concat("layer ", plan.layer(), " (", Spec::name, ") expects ", wanted,
                                     " features, layer ", plan.layer() - 1, " (", previous,
                                     ") produces ", features));
  auto bound = spec.template bind<B>(wanted == dynamic ? features : wanted, plan);
  static_assert(layer<decltype(bound), B>,
                "chainrule: a spec must bind to a layer (layers/layer.hpp)");
  plan.next_layer();
  return bound;
}

/// The base of networks. `Derived` has each_layer(f) and each_layer_reversed(f), which call
/// f(number, layer) in order of the forward and the backward pass.
template <class Derived, backend B>
class layer_stack {
 public:
  using backend_type = B;

  [[nodiscard]] const B& backend() const { return be_; }
  /// The features of a sample, in and out. Throw value_error, as all that needs layers does, if the
  /// network was moved from.
  [[nodiscard]] index_t inputs() const {
    require_layers();
    return extents_.front().inputs;
  }
  [[nodiscard]] index_t outputs() const {
    require_layers();
    return extents_.back().outputs;
  }
  /// Throws value_error if the network was moved from.
  void require_layers() const {
    if (extents_.empty())
      throw value_error("this network was moved from; use the one that it was moved to");
  }
  [[nodiscard]] index_t depth() const { return static_cast<index_t>(extents_.size()); }

  /// Every parameter, in the order of the layers.
  [[nodiscard]] const std::vector<parameter>& parameter_list() const { return plan_.parameters(); }
  [[nodiscard]] arena<B>& parameters() { return parameters_; }
  [[nodiscard]] const arena<B>& parameters() const { return parameters_; }
  /// The values of one parameter: W of layer 0 is `net.values("0.weight")`. Throws value_error
  /// if there is none of that name.
  [[nodiscard]] matrix<B> values(const std::string& name) { return parameters_[place_of(name)]; }
  [[nodiscard]] const_matrix<B> values(const std::string& name) const {
    return parameters_[place_of(name)];
  }
  [[nodiscard]] slice place_of(const std::string& name) const {
    for (const auto& p : plan_.parameters())
      if (p.name == name) return p.place;
    throw value_error(detail::concat("the network has no parameter '", name,
                                     "'; they are named like '0.weight'"));
  }
  /// Whether all layers say that they treat each sample for itself (layers/layer.hpp).
  [[nodiscard]] bool samples_are_independent() const {
    require_layers();
    bool all = true;
    self().each_layer(
        [&](index_t, const auto& l) { all = all && chainrule::samples_are_independent(l); });
    return all;
  }
  /// How many numbers can be learned.
  [[nodiscard]] index_t parameter_count() const {
    index_t count = 0;
    for (const auto& p : plan_.parameters()) count += p.place.rows * p.place.cols;
    return count;
  }

  /// Gives every parameter its first values; the same seed gives the same values on any backend.
  void initialize(std::uint64_t seed) {
    require_layers();
    std::uint64_t stream = 0;
    for (const auto& p : plan_.parameters()) {
      auto values = detail::host_vector<double>(p.place.rows * p.place.cols);
      auto rounded = detail::host_vector<scalar_t<B>>(p.place.rows * p.place.cols);
      random_stream random(seed, stream++);
      p.initial.fill({values.data(), p.place.rows, p.place.cols}, p.inputs, p.outputs, random);
      std::copy(values.begin(), values.end(), rounded.begin());
      be_.upload(parameters_[p.place],
                 matrix_view<const scalar_t<B>>(rounded.data(), p.place.rows, p.place.cols));
      be_.synchronize();  // `rounded` must live until it is read
    }
  }

  /// Takes the parameters of a network with the same layers, which may be on another backend or of
  /// another scalar. Throws shape_error if its parameters are others.
  template <class Other, chainrule::backend From>
  void assign(const layer_stack<Other, From>& other) {
    require_layers();
    other.require_layers();
    const auto& theirs = other.parameter_list();
    const auto& mine = plan_.parameters();
    if (theirs.size() != mine.size())
      throw shape_error(detail::concat("a network of ", mine.size(),
                                       " parameters cannot take those of one with ",
                                       theirs.size()));
    for (std::size_t i = 0; i < mine.size(); ++i)
      if (mine[i].name != theirs[i].name || mine[i].place.rows != theirs[i].place.rows ||
          mine[i].place.cols != theirs[i].place.cols)
        throw shape_error(detail::concat("parameter ", mine[i].name, " is ", mine[i].place.rows,
                                         "x", mine[i].place.cols, ", that to take is ",
                                         theirs[i].name, " of ", theirs[i].place.rows, "x",
                                         theirs[i].place.cols));
    assign_elements(be_, parameters_,
                    elements_for(parameters_, other.backend(), other.parameters()));
  }

  /// An arena for gradients, all 0; its slices are those of the parameters.
  [[nodiscard]] arena<B> make_gradients() const {
    require_layers();
    return arena<B>(be_, plan_.arena());
  }

  /// Buffers for passes of up to `capacity` samples.
  [[nodiscard]] workspace<B> make_workspace(index_t capacity, bool training = false) const {
    require_layers();
    return workspace<B>(be_, extents_, capacity, training);
  }

  /// The outputs for x (n × inputs), n × outputs. They live in `pass` until its next use. Throws
  /// shape_error.
  const_matrix<B> forward(const_matrix<B> x, workspace<B>& pass,
                          const layer_phase<B>& p = phase{}) const {
    if (x.cols() != inputs())
      throw shape_error(detail::concat("the network expects ", inputs(),
                                       " features, the samples have ", x.cols()));
    pass.begin(x.rows(), depth(), p.training);
    const_matrix<B> input = x;
    self().each_layer([&](index_t i, const auto& l) {
      const matrix<B> output = pass.output(i);
      l.forward(be_, parameters_, input, output, pass.kept(i), p);
      input = output;
    });
    return input;
  }

  /// From pass.output_gradient(), which it overwrites, assigns dL/dparameters to `gradients` and,
  /// if wanted, dL/dx to `input_gradient` (n × inputs). `x` and `pass` are those of the forward,
  /// which was one in training. Throws shape_error.
  void backward(const_matrix<B> x, workspace<B>& pass, arena<B>& gradients,
                matrix<B> input_gradient = {}) const {
    require_layers();
    pass.require_forward(x.rows());
    if (gradients.all().size() != parameters_.all().size())
      throw shape_error(detail::concat("the gradients have room for ", gradients.all().size(),
                                       " numbers, the parameters are ", parameters_.all().size(),
                                       "; use make_gradients() of this network"));
    self().each_layer_reversed([&](index_t i, const auto& l) {
      const matrix<B> dx = i == 0 ? input_gradient : pass.delta(i, l.inputs());
      const const_matrix<B> input = i == 0 ? x : const_matrix<B>(pass.output(i - 1));
      l.backward(be_, parameters_, gradients, input, pass.output(i), pass.kept(i),
                 pass.delta(i + 1, l.outputs()), dx);
    });
  }

  /// The outputs for x (n × inputs), as a tensor of their own. May be called from several threads.
  [[nodiscard]] tensor<B> predict(const_matrix<B> x) const {
    tensor<B> result(be_, x.rows(), outputs());
    const index_t at_once = x.rows() < 256 ? (x.rows() < 1 ? 1 : x.rows()) : 256;
    workspace<B> pass = make_workspace(at_once);
    for (index_t i = 0; i < x.rows(); i += at_once) {
      const index_t count = x.rows() - i < at_once ? x.rows() - i : at_once;
      be_.copy(result.view().middle_rows(i, count), forward(x.middle_rows(i, count), pass));
    }
    return result;
  }

  /// One line per layer: its name, the shape of its output, its number of parameters.
  [[nodiscard]] std::vector<layer_summary> layers() const {
    require_layers();
    std::vector<layer_summary> lines;
    self().each_layer([&](index_t i, const auto& l) {
      index_t count = 0;
      const std::string prefix = detail::concat(i, ".");
      for (const auto& p : plan_.parameters())
        if (p.name.compare(0, prefix.size(), prefix) == 0) count += p.place.rows * p.place.cols;
      lines.push_back({l.name(), l.outputs(), count});
    });
    return lines;
  }

 protected:
  explicit layer_stack(const B& be) : be_(be) {}
  ~layer_stack() = default;
  layer_stack(layer_stack&&) noexcept = default;
  layer_stack& operator=(layer_stack&&) noexcept = default;

  /// To be called by the derived constructor once its layers are bound.
  void finish(parameter_plan plan) {
    plan_ = std::move(plan);
    self().each_layer([&](index_t, const auto& l) {
      extents_.push_back({l.inputs(), l.outputs(), l.kept()});
    });
    parameters_ = arena<B>(be_, plan_.arena());
    initialize(0);
  }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }

  B be_;
  parameter_plan plan_;
  std::vector<layer_extents> extents_;
  arena<B> parameters_;
};

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_LAYER_STACK_HPP

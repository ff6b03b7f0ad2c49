/// \file
/// `plan`: what layers declare while they are bound to a shape.
///
/// A layer's `bind` names every parameter, buffer and stream of random numbers that its passes will
/// use and keeps the handles; a pass (layers/pass.hpp) delivers the memory behind them.
///
///     shape bind(plan& p, shape in) {
///       weight_ = p.weight("weight", {in.last(), outputs_}, init::he_normal());
///       bias_ = p.bias("bias", outputs_);
///       z_ = p.save(in.positions() * outputs_);
///       return in.with_last(outputs_);
///     }
///
/// See also layers/layer.hpp (the contract of a layer).
#ifndef CHAINRULE_LAYERS_PLAN_HPP
#define CHAINRULE_LAYERS_PLAN_HPP

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/layers/description.hpp"
#include "chainrule/layers/initializers.hpp"
#include "chainrule/memory/arena.hpp"

namespace chainrule {

// Handles of what a layer has declared, valid in every pass of the network that it is bound in.

/// A trained parameter: plan::weight, plan::bias; pass::value, pass::gradient_to_add.
struct parameter_id {
  index_t number = -1;
};
/// Untrained state: plan::state; pass::state, pass::new_state.
struct state_id {
  index_t number = -1;
};
/// A matrix that forward writes and backward reads: plan::save, plan::intermediate; pass::saved.
struct saved_id {
  index_t number = -1;
};
/// Indices that forward writes and backward reads: plan::save_indices; pass::saved.
struct saved_indices_id {
  index_t number = -1;
};
/// A matrix that lives within one call: plan::scratch; pass::scratch.
struct scratch_id {
  index_t number = -1;
};
/// A stream of random numbers: plan::stream; pass::draw.
struct stream_id {
  index_t number = -1;
};

/// One trained parameter, or one matrix of untrained state.
struct parameter {
  std::string name;  // scopes and the layer's own name for it: "3.1.weight"
  /// Place in the arena.
  slice place;
  /// Rule for the first values.
  initializer initial;
  index_t inputs = 0;  // the fans that scaled initializers divide by
  /// Outputs that a weight leads to, for rules that scale by it.
  index_t outputs = 0;
  shape extents;  // as the layer declared them; place has them as a matrix
  /// Weight decay, frozen, group.
  slot_tags tags{};
};

/// A parameter as it is declared.
struct parameter_spec {
  std::string name;
  shape extents;  // a matrix with a row per element of all axes but the last
  /// Rule for the first values.
  initializer initial = init::zeros();
  bool decay = true;  // whether weight decay applies
};

/// Collects the declarations of all layers of a network.
class plan {
 public:
  // What a layer declares.

  /// A weight of those extents: a matrix with a row per element of all axes but the last. Weight
  /// decay applies. Scaled initializers divide by `inputs` and `outputs`, which are the matrix's
  /// rows and columns unless given.
  parameter_id weight(std::string_view name, const shape& extents, initializer initial,
                      index_t inputs = 0, index_t outputs = 0) {
    return add(name, extents, initial, inputs, outputs, true);
  }
  /// A row of n numbers to which weight decay does not apply.
  parameter_id bias(std::string_view name, index_t n, initializer initial = init::zeros()) {
    return add(name, {1, n}, initial, 0, 0, false);
  }
  /// A parameter of any extents, with or without weight decay; `inputs` and `outputs` as for
  /// weight.
  parameter_id declare(const parameter_spec& p, index_t inputs = 0, index_t outputs = 0) {
    return add(p.name, p.extents, p.initial, inputs, outputs, p.decay);
  }
  /// Numbers that are saved, moved and resumed with the network but not trained, such as running
  /// statistics. They are those of a whole batch: see needs_whole_batch.
  state_id state(std::string_view name, const shape& extents, double initial) {
    require_extents(name, extents);
    const index_t cols = extents.last();
    std::string full = scoped(name);
    if (find(parameters_, full) >= 0 || find(states_, full) >= 0) refuse_twice(full);
    needs_whole_batch_ = true;
    const slice place = state_arena_.add({}, extents.size() / cols, cols);
    states_.push_back({std::move(full), place, init::constant(initial), 0, 0, extents, {}});
    return {static_cast<index_t>(states_.size()) - 1};
  }
  /// A matrix n × `per_sample` that forward writes and backward reads.
  saved_id save(index_t per_sample) {
    saved_.push_back({per_sample, 0, 0, false});
    return {static_cast<index_t>(saved_.size()) - 1};
  }
  /// A matrix rows × cols, independent of the number of samples, that forward writes and backward
  /// reads.
  saved_id save_once(index_t rows, index_t cols) {
    saved_.push_back({0, rows, cols, false});
    return {static_cast<index_t>(saved_.size()) - 1};
  }
  /// Indices n × `per_sample` (std::int32_t) that forward writes and backward reads, such as where
  /// a maximum was.
  saved_indices_id save_indices(index_t per_sample) {
    saved_indices_.push_back(per_sample);
    return {static_cast<index_t>(saved_indices_.size()) - 1};
  }
  /// A matrix n × `per_sample` between two layers of a block: backward reads it, and passes of
  /// inference have it too.
  saved_id intermediate(index_t per_sample) {
    saved_.push_back({per_sample, 0, 0, true});
    return {static_cast<index_t>(saved_.size()) - 1};
  }
  /// A matrix n × `per_sample` that keeps its values within one call of forward or backward. Layers
  /// that do not contain each other share the memory.
  scratch_id scratch(index_t per_sample) { return add_scratch(per_sample, 0, 0); }
  /// A matrix rows × cols, independent of the number of samples, that keeps its values within one
  /// call of forward or backward.
  scratch_id scratch_once(index_t rows, index_t cols) { return add_scratch(0, rows, cols); }
  /// A scratch matrix n × `per_sample`, as wide as the layer's output, for what backward computes
  /// from dy element by element: it lies in dy's own memory where dy is not read afterwards.
  scratch_id scratch_in_dy(index_t per_sample) { return scope_.in_dy = scratch(per_sample); }
  /// A stream of random numbers that is this layer's alone.
  [[nodiscard]] stream_id stream() {
    // The first stream of a layer has the layer's number, further ones are counted from above.
    draws_ = true;
    return {std::exchange(scope_.has_stream, true) ? --further_streams_ : scope_.number};
  }
  /// The outputs for one sample depend on the other samples of the batch, or on their number: a
  /// batch is then never cut into micro-batches.
  void needs_whole_batch() { needs_whole_batch_ = true; }

  /// Excludes the parameters that the layer being bound declares from here on, and those of the
  /// layers in it, from training.
  void freeze() { scope_.tags.frozen = true; }
  /// Puts them in a parameter group.
  void set_group(int group) { scope_.tags.group = group; }

  /// Binds a layer that is a part of the one that is being bound; its parameters are named
  /// "<name>.<own name>". Binding two layers under one name gives both the same parameters. Returns
  /// the shape of its output. Throws shape_error, naming the layer, if `in` does not fit.
  template <class Layer>
  [[nodiscard, gnu::cold]] shape child(std::string_view name, Layer& layer, const shape& in) {
    const scope outer = scope_;
    const std::string producer = producer_;
    scope_.path = scoped(name);
    scope_.layer = detail::concat("layer ", scope_.path, " (", name_of_layer(layer), ")");
    scope_.number = layers_++;
    scope_.has_stream = false;
    scope_.in_dy = {};
    scope_.peak = scope_.top;
    const std::size_t place = inputs_.size();
    inputs_.push_back({scope_.path, in});
    outputs_.push_back({});
    const shape out = layer.bind(*this, in);
    outputs_[place] = out;
    child_scratch_in_dy_ = scope_.in_dy;
    const memory peak = scope_.peak;
    scope_ = outer;
    scope_.peak = {std::max(peak.per_sample, outer.peak.per_sample),
                   std::max(peak.once, outer.peak.once)};
    producer_ = producer;
    return out;
  }
  /// What the layer bound last by `child` declared by scratch_in_dy; its number is -1 if that is
  /// nothing. A block that does not read dy after it calls that layer may place it there
  /// (pass::place_in_dy).
  [[nodiscard]] scratch_id child_scratch_in_dy() const { return child_scratch_in_dy_; }
  /// Declares a child's scratch_in_dy as that of the block, whose last layer is called with the
  /// block's own dy; {} where the block reads dy itself.
  void set_scratch_in_dy(scratch_id id) { scope_.in_dy = id; }

  /// The layer that is being bound, for messages: "layer 3 (dense)".
  [[nodiscard]] const std::string& layer() const { return scope_.layer; }

  /// The shape of the input of a layer that takes `features` on its last axis: `in`, or
  /// {features} in a network whose first layer this is. Throws shape_error if they differ, or if
  /// neither is known (`features` is then `dynamic`).
  [[nodiscard]] shape input(const shape& in, index_t features = dynamic) {
    if (!in.is_known()) {
      if (features == dynamic)
        detail::fail<shape_error>(
            scope_.layer,
            " takes any number of features; begin with a layer that says how many, such as "
            "input{784} or dense{784, 128}");
      return input_ = {features};
    }
    if (reads_network_input()) require_one_kind_of_input(false);
    if (features != dynamic && in.last() != features)
      detail::fail<shape_error>(scope_.layer, " expects ", features, " features, ", producer_,
                                " produces ", to_string(in));
    return in;
  }
  /// The shape of the network's input for a layer that reads it as indices (pass::indices) of
  /// `count` things: -1, 0, ..., count - 1. Its x is then empty. Throws shape_error if the shape is
  /// not known, if the layer reads another layer's output, or if a layer reads the input as
  /// scalars.
  [[nodiscard]] shape input_indices(const shape& in, index_t count) {
    if (!reads_network_input())
      detail::fail<shape_error>(scope_.layer,
                                " takes indices, which only the input of the "
                                "network holds, but ",
                                producer_,
                                " produces numbers; let it "
                                "be the first layer");
    if (!in.is_known())
      detail::fail<shape_error>(scope_.layer,
                                " takes any number of indices; begin with a "
                                "layer that says how many, such as input{128}");
    require_one_kind_of_input(true);
    index_count_ = index_count_ == 0 ? count : std::min(index_count_, count);
    return in;
  }
  /// Sets the shape of the network's input. Throws shape_error unless `in` is not known or the
  /// same.
  [[nodiscard]] shape first_input(const shape& in, const shape& expected) {
    if (in.is_known() && in != expected)
      detail::fail<shape_error>(scope_.layer, " expects samples of ", to_string(expected), ", ",
                                producer_, " produces ", to_string(in));
    if (!in.is_known()) input_ = expected;
    return expected;
  }
  /// A name within the scope of the layer that is being bound: "3.1.weight".
  [[nodiscard]] std::string scoped(std::string_view name) const {
    return scope_.path.empty() ? std::string(name) : detail::concat(scope_.path, ".", name);
  }
  /// Names the layer whose output the next one reads; without one that is the network's input.
  void produced_by(std::string layer) { producer_ = std::move(layer); }

  // What was declared.

  /// Memory for n samples: n * per_sample + once elements.
  struct memory {
    /// Scalars for each sample.
    index_t per_sample = 0;
    /// Scalars whatever the number of samples.
    index_t once = 0;
  };
  /// A matrix that forward saves for backward.
  struct saved_matrix {
    /// Columns of a matrix with a row per sample; 0: rows × cols.
    index_t per_sample;
    /// Extents of a matrix that does not depend on the number of samples.
    index_t rows, cols;
    /// Whether it is written in inference, too.
    bool in_inference;
  };
  /// A matrix of scratch memory, and its place.
  struct scratch_matrix {
    /// Place in the scratch memory.
    memory offset;
    /// Columns of a matrix with a row per sample; 0: rows × cols.
    index_t per_sample;
    /// Extents of a matrix that does not depend on the number of samples.
    index_t rows, cols;
  };

  [[nodiscard]] const detail::plain_vector<parameter>& parameters() const { return parameters_; }
  [[nodiscard]] const detail::plain_vector<parameter>& states() const { return states_; }
  /// Places of all parameters.
  [[nodiscard]] const arena_plan& parameter_arena() const { return parameter_arena_; }
  /// Places of all state.
  [[nodiscard]] const arena_plan& state_arena() const { return state_arena_; }
  /// Matrices that are saved for backward.
  [[nodiscard]] const detail::plain_vector<saved_matrix>& saved() const { return saved_; }
  /// The columns of each matrix of saved indices.
  [[nodiscard]] const detail::plain_vector<index_t>& saved_indices() const {
    return saved_indices_;
  }
  /// Matrices of scratch memory.
  [[nodiscard]] const detail::plain_vector<scratch_matrix>& scratches() const { return scratches_; }
  /// The scratch memory of a pass.
  [[nodiscard]] memory scratch_size() const { return scope_.peak; }
  /// Shape of a sample at the input of the network.
  [[nodiscard]] const shape& input() const { return input_; }
  /// The names of all layers, those of blocks included, and the shapes of their inputs.
  [[nodiscard]] const detail::plain_vector<std::pair<std::string, shape>>& layer_inputs() const {
    return inputs_;
  }
  /// The shapes of their outputs, in the same order.
  [[nodiscard]] const detail::plain_vector<shape>& layer_outputs() const { return outputs_; }
  /// What the indices of the network's input are below; 0 if its input is scalars.
  [[nodiscard]] index_t index_count() const { return index_count_; }
  /// Whether a layer draws random numbers in training.
  [[nodiscard]] bool draws() const { return draws_; }
  /// Whether a batch may be cut into micro-batches.
  [[nodiscard]] bool is_cut_by_samples() const { return !needs_whole_batch_; }
  /// The declarations of parameters to be trained so far, shared ones counted again.
  [[nodiscard]] index_t parameter_uses() const { return uses_; }
  /// Whether some layers share a parameter.
  [[nodiscard]] bool shares_parameters() const { return shares_parameters_; }

 private:
  /// What belongs to the layer that is being bound.
  struct scope {
    std::string path;  // "3.1"
    std::string layer = "the network";
    index_t number = 0;
    bool has_stream = false;
    slot_tags tags;    // of parameters; decay is the layer's own
    scratch_id in_dy;  // may lie in dy's memory
    memory top;        // the scratch offset behind the layer's own declarations
    memory peak;       // and behind those of the layers in it, at most
  };

  static index_t find(const detail::plain_vector<parameter>& list, const std::string& name) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (list[i].name == name) return static_cast<index_t>(i);
    return -1;
  }
  /// Whether the layer that is being bound reads the input of the network.
  [[nodiscard]] bool reads_network_input() const { return producer_ == network_input; }
  void require_one_kind_of_input(bool indices) {
    (indices ? reads_indices_ : reads_scalars_) = true;
    if (reads_indices_ && reads_scalars_)
      detail::fail<shape_error>(scope_.layer, " reads the input of the network as ",
                                indices ? "indices" : "scalars", ", another layer as ",
                                indices ? "scalars" : "indices",
                                "; a network has one input, of one kind");
  }
  void require_extents(std::string_view name, const shape& extents) const {
    if (!extents.is_known())
      detail::fail<shape_error>(scope_.layer, " declares '", name,
                                "' without extents; give it at least one, such as {1}");
  }
  [[noreturn]] void refuse_twice(const std::string& name) const {
    detail::fail<value_error>(scope_.layer, " declares ", name, " twice");
  }

  [[gnu::cold]] parameter_id add(std::string_view name, const shape& extents, initializer initial,
                                 index_t inputs, index_t outputs, bool decay) {
    require_extents(name, extents);
    std::string full = scoped(name);
    slot_tags tags = scope_.tags;
    tags.decay = decay;
    if (!tags.frozen) ++uses_;
    if (find(states_, full) >= 0) refuse_twice(full);
    if (const index_t i = find(parameters_, full); i >= 0) {
      // Two layers that are bound under one name share it; one layer has a name for each.
      if (declared_by_[static_cast<std::size_t>(i)] == scope_.number) refuse_twice(full);
      const parameter& p = parameters_[static_cast<std::size_t>(i)];
      if (p.extents != extents)
        detail::fail<shape_error>(scope_.layer, " shares the parameter ", full, " of ",
                                  to_string(p.extents), " but needs ", to_string(extents));
      if (p.tags != tags)
        detail::fail<value_error>(scope_.layer, " shares the parameter ", full,
                                  " but trains it differently; give both layers the same tags");
      shares_parameters_ = true;
      return {i};
    }
    declared_by_.push_back(scope_.number);
    const index_t cols = extents.last();
    const index_t rows = extents.size() / cols;
    parameters_.push_back({std::move(full), parameter_arena_.add(tags, rows, cols), initial,
                           inputs == 0 ? rows : inputs, outputs == 0 ? cols : outputs, extents,
                           tags});
    return {static_cast<index_t>(parameters_.size()) - 1};
  }

  /// Memory beyond everything that the layer being bound, and the layers in it so far, declared.
  scratch_id add_scratch(index_t per_sample, index_t rows, index_t cols) {
    constexpr index_t a = arena_plan::alignment;
    scratches_.push_back({scope_.peak, per_sample, rows, cols});
    scope_.peak.per_sample += (per_sample + a - 1) / a * a;
    scope_.peak.once += (detail::elements_of(rows, cols) + a - 1) / a * a;
    detail::require_countable(scope_.peak.per_sample);
    detail::require_countable(scope_.peak.once);
    scope_.top = scope_.peak;
    return {static_cast<index_t>(scratches_.size()) - 1};
  }

  detail::plain_vector<parameter> parameters_;
  detail::plain_vector<index_t> declared_by_;  // the number of the layer that declared each first
  index_t uses_ = 0;
  bool shares_parameters_ = false;
  detail::plain_vector<parameter> states_;
  arena_plan parameter_arena_;
  arena_plan state_arena_;
  detail::plain_vector<saved_matrix> saved_;
  detail::plain_vector<index_t> saved_indices_;
  detail::plain_vector<scratch_matrix> scratches_;
  scope scope_;
  scratch_id child_scratch_in_dy_;
  shape input_;
  detail::plain_vector<std::pair<std::string, shape>> inputs_;
  detail::plain_vector<shape> outputs_;
  static constexpr const char* network_input = "the input";
  std::string producer_ = network_input;
  index_t index_count_ = 0;
  bool reads_indices_ = false;
  bool reads_scalars_ = false;
  index_t layers_ = 0;  // bound so far, blocks included
  index_t further_streams_ = index_t{1} << 15;
  bool needs_whole_batch_ = false;
  bool draws_ = false;
};

namespace detail {

/// Assigns the first values of a parameter; a seed gives the same values on any backend.
template <backend B>
void initialize(const B& be, arena<B>& values, const parameter& p, std::uint64_t seed,
                std::uint64_t stream) {
  auto drawn = host_vector<double, plain_vector<double>>(p.place.rows * p.place.cols);
  auto rounded = host_vector<scalar_t<B>, plain_vector<scalar_t<B>>>(p.place.rows * p.place.cols);
  random_stream random(seed, stream);
  p.initial.fill({drawn.data(), p.place.rows, p.place.cols}, p.inputs, p.outputs, random);
  for (std::size_t i = 0; i < drawn.size(); ++i) rounded[i] = static_cast<scalar_t<B>>(drawn[i]);
  be.upload(values[p.place],
            matrix_view<const scalar_t<B>>(rounded.data(), p.place.rows, p.place.cols));
  be.synchronize();  // `rounded` must live until it is read
}

}  // namespace detail
}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_PLAN_HPP

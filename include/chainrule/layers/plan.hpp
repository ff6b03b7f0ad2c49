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
#include <vector>

#include "chainrule/core/shape.hpp"
#include "chainrule/layers/description.hpp"
#include "chainrule/layers/initializers.hpp"
#include "chainrule/memory/arena.hpp"

namespace chainrule {

/// Handles of what a layer has declared, valid in every pass of the network that it is bound in.
struct parameter_id {
  index_t number = -1;
};
struct state_id {
  index_t number = -1;
};
struct saved_id {
  index_t number = -1;
};
struct scratch_id {
  index_t number = -1;
};
struct stream_id {
  index_t number = -1;
};

/// One trained parameter, or one matrix of untrained state.
struct parameter {
  std::string name;  // scopes and the layer's own name for it: "3.1.weight"
  slice place;
  initializer initial;
  index_t inputs = 0;  // the fans that scaled initializers divide by
  index_t outputs = 0;
  shape extents;  // as the layer declared them; place has them as a matrix
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
  /// Numbers that are saved, moved and resumed with the network but not trained, such as running
  /// statistics.
  state_id state(std::string_view name, const shape& extents, double initial) {
    const index_t cols = extents.last();
    std::string full = scoped(name);
    for (const auto* list : {&parameters_, &states_})
      for (const parameter& p : *list)
        if (p.name == full) throw value_error(detail::concat(layer_, " declares ", full, " twice"));
    const slice place = state_arena_.add({}, extents.size() / cols, cols);
    states_.push_back({std::move(full), place, init::constant(initial), 0, 0, extents});
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
  /// A matrix n × `per_sample` between two layers of a block: backward reads it, and passes of
  /// inference have it too.
  saved_id output(index_t per_sample) {
    saved_.push_back({per_sample, 0, 0, true});
    return {static_cast<index_t>(saved_.size()) - 1};
  }
  /// A matrix n × `per_sample` that keeps its values within one call of forward or backward. Layers
  /// that do not contain each other share the memory.
  scratch_id scratch(index_t per_sample) { return add_scratch(per_sample, 0, 0); }
  /// A matrix rows × cols, independent of the number of samples, that keeps its values within one
  /// call of forward or backward.
  scratch_id scratch_once(index_t rows, index_t cols) { return add_scratch(0, rows, cols); }
  /// A scratch matrix n × `per_sample`, as wide as the layer's output, for a backward pass that
  /// rewrites dy: where nobody reads dy afterwards, it is dy's own memory.
  scratch_id scratch_for_dy(index_t per_sample) { return dy_scratch_ = scratch(per_sample); }
  /// A stream of random numbers that is this layer's alone.
  [[nodiscard]] stream_id stream() {
    // The first stream of a layer has the layer's number, further ones are counted from above.
    return {std::exchange(layer_has_stream_, true) ? --further_streams_ : layer_number_};
  }
  /// The outputs for one sample depend on the other samples of the batch, or on their number: a
  /// batch is then never cut into micro-batches.
  void needs_whole_batch() { needs_whole_batch_ = true; }
  /// Multiplications of a forward pass per sample: batches are cut into micro-batches by them.
  void work(index_t multiplications) { work_ += multiplications; }

  /// Binds a layer that is a part of the one that is being bound; its parameters are named
  /// "<name>.<own name>". Binding two layers under one name gives both the same parameters. Returns
  /// the shape of its output. Throws shape_error, naming the layer, if `in` does not fit.
  template <class Layer>
  [[nodiscard]] shape child(std::string_view name, Layer& layer, const shape& in) {
    const scope outer{path_, layer_, layer_number_, layer_has_stream_, scratch_top_, scratch_peak_};
    dy_scratch_ = {};
    path_ = scoped(name);
    layer_ = detail::concat("layer ", path_, " (", name_of_layer(layer), ")");
    layer_number_ = layers_++;
    layer_has_stream_ = false;
    scratch_peak_ = scratch_top_;
    const shape out = layer.bind(*this, in);
    path_ = outer.path;
    layer_ = outer.layer;
    layer_number_ = outer.number;
    layer_has_stream_ = outer.has_stream;
    scratch_top_ = outer.top;
    scratch_peak_ = {std::max(scratch_peak_.per_sample, outer.peak.per_sample),
                     std::max(scratch_peak_.once, outer.peak.once)};
    return out;
  }

  /// The scratch matrix that the layer bound last by `child` declared by scratch_for_dy, which a
  /// block may replace by dy's memory (pass::grant); its number is -1 if there is none.
  [[nodiscard]] scratch_id dy_scratch() const { return dy_scratch_; }
  /// For blocks whose last layer is called with the block's own dy: passes its scratch on.
  void set_dy_scratch(scratch_id id) { dy_scratch_ = id; }

  /// The layer that is being bound, for messages: "layer 3 (dense)".
  [[nodiscard]] const std::string& layer() const { return layer_; }

  /// The shape of the input of a layer that takes `features` on its last axis: `in`, or
  /// {features} in a network whose first layer this is. Throws shape_error if they differ, or if
  /// neither is known (`features` is then `dynamic`).
  [[nodiscard]] shape input(const shape& in, index_t features = dynamic) {
    if (!in.is_known()) {
      if (features == dynamic)
        throw shape_error(detail::concat(
            layer_,
            " takes any number of features; begin with a layer that says how many, such as "
            "input{784} or dense{784, 128}"));
      return input_ = {features};
    }
    if (features != dynamic && in.last() != features)
      throw shape_error(detail::concat(layer_, " expects ", features, " features, ", producer_,
                                       " produces ",
                                       in.rank() == 1 ? std::to_string(in.last()) : to_string(in)));
    return in;
  }
  /// Sets the shape of the network's input. Throws shape_error unless `in` is not known or the
  /// same.
  [[nodiscard]] shape first_input(const shape& in, const shape& expected) {
    if (in.is_known() && in != expected)
      throw shape_error(detail::concat(layer_, " expects samples of ", to_string(expected), ", ",
                                       producer_, " produces ", to_string(in)));
    if (!in.is_known()) input_ = expected;
    return expected;
  }
  /// A name within the scope of the layer that is being bound: "3.1.weight".
  [[nodiscard]] std::string scoped(std::string_view name) const {
    return path_.empty() ? std::string(name) : detail::concat(path_, ".", name);
  }
  /// Names the layer whose output the next one is bound to, for messages.
  void produced_by(std::string layer) { producer_ = std::move(layer); }

  // What was declared.

  /// Memory for n samples: n * per_sample + once elements.
  struct memory {
    index_t per_sample = 0;
    index_t once = 0;
  };
  struct saved_matrix {
    index_t per_sample;  // columns of a matrix with a row per sample; 0: rows × cols
    index_t rows, cols;
    bool in_inference;
  };
  struct scratch_matrix {
    memory offset;
    index_t per_sample;
    index_t rows, cols;
  };

  [[nodiscard]] const std::vector<parameter>& parameters() const { return parameters_; }
  [[nodiscard]] const std::vector<parameter>& states() const { return states_; }
  [[nodiscard]] const arena_plan& parameter_arena() const { return parameter_arena_; }
  [[nodiscard]] const arena_plan& state_arena() const { return state_arena_; }
  [[nodiscard]] const std::vector<saved_matrix>& saved() const { return saved_; }
  [[nodiscard]] const std::vector<scratch_matrix>& scratches() const { return scratches_; }
  /// The scratch memory of a pass.
  [[nodiscard]] memory scratch_size() const { return scratch_peak_; }
  [[nodiscard]] const shape& input() const { return input_; }
  [[nodiscard]] bool is_cut_by_samples() const { return !needs_whole_batch_; }
  [[nodiscard]] index_t work_per_sample() const { return work_; }

 private:
  /// What belongs to the layer that is being bound.
  struct scope {
    std::string path, layer;
    index_t number;
    bool has_stream;
    memory top, peak;
  };

  parameter_id add(std::string_view name, const shape& extents, initializer initial, index_t inputs,
                   index_t outputs, bool decay) {
    std::string full = scoped(name);
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      if (parameters_[i].name == full) {
        if (parameters_[i].extents != extents)
          throw shape_error(detail::concat(layer_, " shares the parameter ", full, " of ",
                                           to_string(parameters_[i].extents), " but needs ",
                                           to_string(extents)));
        return {static_cast<index_t>(i)};
      }
    const index_t cols = extents.last();
    const index_t rows = extents.size() / cols;
    slot_tags tags = tags_;
    tags.decay = decay;
    parameters_.push_back({std::move(full), parameter_arena_.add(tags, rows, cols), initial,
                           inputs == 0 ? rows : inputs, outputs == 0 ? cols : outputs, extents});
    return {static_cast<index_t>(parameters_.size()) - 1};
  }

  /// Memory beyond everything that the layer being bound, and the layers in it so far, declared.
  scratch_id add_scratch(index_t per_sample, index_t rows, index_t cols) {
    constexpr index_t a = arena_plan::alignment;
    scratches_.push_back({scratch_peak_, per_sample, rows, cols});
    scratch_peak_.per_sample += (per_sample + a - 1) / a * a;
    scratch_peak_.once += (rows * cols + a - 1) / a * a;
    scratch_top_ = scratch_peak_;
    return {static_cast<index_t>(scratches_.size()) - 1};
  }

  std::vector<parameter> parameters_;
  std::vector<parameter> states_;
  arena_plan parameter_arena_;
  arena_plan state_arena_;
  std::vector<saved_matrix> saved_;
  std::vector<scratch_matrix> scratches_;
  scratch_id dy_scratch_;
  memory scratch_top_;   // the end of what the layer being bound has declared
  memory scratch_peak_;  // and of what the layers in it have
  shape input_;
  slot_tags tags_;
  std::string path_;  // the scope: "3.1"
  std::string layer_ = "the network";
  std::string producer_ = "the input";
  index_t layers_ = 0;        // bound so far, blocks included
  index_t layer_number_ = 0;  // of the layer that is being bound
  bool layer_has_stream_ = false;
  index_t further_streams_ = index_t{1} << 15;
  index_t work_ = 0;
  bool needs_whole_batch_ = false;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_PLAN_HPP

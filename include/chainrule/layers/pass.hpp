/// \file
/// `pass<B>`: the memory of one pass through a network, and the access that layers have to it.
///
///     auto p = net.make_pass(64);            // for up to 64 samples at a time
///     const auto logits = net.forward(x, p); // lives in p until its next use
///
/// A pass does not change its network: threads may run one network at the same time, each with a
/// pass of its own.
///
/// A layer reads and writes what it declared when it was bound (layers/plan.hpp):
///
///     void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
///                   matrix<B> dx) const {
///       const auto [dw, beta] = p.gradient_to_add(w_);
///       p.backend().gemm(dw, transposed(x), dy, {1, beta});
///       if (!dx.empty()) p.backend().gemm(dx, dy, transposed(p.value(w_)));
///     }
#ifndef CHAINRULE_LAYERS_PASS_HPP
#define CHAINRULE_LAYERS_PASS_HPP

#include <cstdint>
#include <optional>
#include <utility>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/layers/plan.hpp"
#include "chainrule/memory/tensor.hpp"

namespace chainrule {

/// What a forward pass is for.
struct phase {
  bool training = false;   // layers such as dropout act only then
  std::uint64_t seed = 0;  // of the random numbers that layers draw
  std::uint64_t step = 0;  // counts the passes: each draws new numbers

  /// A phase of training.
  [[nodiscard]] static constexpr phase train(std::uint64_t seed, std::uint64_t step) {
    return {true, seed, step};
  }
};

/// A phase, and what a step executor adds to it: the number of the pass may be counted in the
/// backend's memory, so that a captured step draws new numbers each time that it is replayed.
template <backend B>
struct pass_phase : phase {
  /// A phase whose number of the step grows by the backend's counter, unless that is null.
  pass_phase(const phase& p, const counter_t<B>* more = nullptr)  // NOLINT: implicit by design
      : phase(p), passes(more) {}

  const counter_t<B>* passes = nullptr;  // is added to `step`, unless null
  index_t first_row = 0;                 // of the batch, where the pass sees a micro-batch of it
};

/// Indices in B's memory that are only read.
template <class B>
using const_indices = typename B::template view<const std::int32_t>;

/// Inputs of samples, a row each: scalars, or the indices of a network that takes those.
template <backend B>
struct batch_inputs {
  const_matrix<B> scalars;
  const_indices<B> indices;
  bool are_indices = false;

  [[nodiscard]] index_t rows() const { return are_indices ? indices.rows() : scalars.rows(); }
  [[nodiscard]] index_t cols() const { return are_indices ? indices.cols() : scalars.cols(); }
};

/// Where a layer adds to the gradient of a parameter: gradient = what it computed + beta gradient.
/// beta is 0 at the parameter's first use in a backward pass, and 1 after it.
template <backend B>
struct gradient_sum {
  /// Where the gradient is to be written.
  matrix<B> gradient;
  /// 0 where the gradient is assigned, 1 where it is added.
  double beta;
};

/// Updates weights by gradients that are products, while these are computed: in a step where
/// nothing else reads them. See optim/product_updates.hpp.
template <backend B>
class weight_updates {
 public:
  /// Updates the weights from element `first` of the arenas on, whose gradient is dw = a b, which
  /// is not assigned. Returns false, and does nothing, where that does not pay.
  [[nodiscard]] virtual bool update(index_t first, matrix<B> dw,
                                    const gemm_operand<const_matrix<B>>& a,
                                    const gemm_operand<const_matrix<B>>& b) = 0;

 protected:
  ~weight_updates() = default;
};

/// What neighbours in a chain of layers compute for each other in a backward pass (nothing on a
/// backend that cannot take functors of erased type), and what updates their weights in it.
template <class B>
struct backward_link {
  /// The functor (dy, y) -> dz by which a layer begins its backward pass.
  struct functor {};
  static constexpr bool is_begun = false;
  weight_updates<B>* updates = nullptr;  // unless null, may update instead of assigning a gradient
};
template <tracing_backend B>
struct backward_link<B> {
  using functor = std::optional<typename B::traced_functor>;
  bool is_begun = false;                 // the layer's dy is its dz already
  functor of_layer_before;               // if any, the layer may apply it to (dx, x),
  bool has_ended = false;                // and says so here
  weight_updates<B>* updates = nullptr;  // unless null, may update instead of assigning a gradient
};

/// The memory behind the handles of a plan, for up to `capacity` samples. Move-only.
template <backend B>
class pass {
 public:
  /// Elements behind each saved matrix: the steps for one sample write whole vectors.
  static constexpr index_t padding =
      row_backend<B> ? 64 / static_cast<index_t>(sizeof(scalar_t<B>)) : 0;

  pass() = default;
  pass(pass&&) noexcept = default;
  pass& operator=(pass&&) noexcept = default;
  // Not inlined, and with a body, since g++ warns of it without.
  [[gnu::noinline]] ~pass() {}  // NOLINT
  /// Memory for what the plan declares; with `training`, also for what only a backward pass reads.
  /// Throws value_error unless capacity is at least 1.
  pass(const B& be, detail::shared<const plan> declared_plan, index_t capacity, bool training)
      : be_(be), plan_(std::move(declared_plan)), capacity_(capacity), has_training_(training) {
    if (capacity < 1)
      detail::fail<value_error>("a pass needs room for at least 1 sample, got ", capacity);
    const plan& declared = *plan_;
    for (const plan::saved_matrix& m : declared.saved()) {
      const bool needed = training || m.in_inference;
      const bool once = m.per_sample == 0;
      const index_t cols = once ? m.cols : m.per_sample;
      saved_.push_back(tensor<B>(
          be, 1, needed ? detail::elements_of(once ? m.rows : capacity, cols) + padding : 0));
      saved_at_.push_back(
          {saved_.back().view().data(), needed ? m.rows : 0, cols, needed && !once});
    }
    if (training)
      for (const index_t cols : declared.saved_indices())
        saved_indices_.push_back(
            be.template allocate<std::int32_t>(detail::elements_of(capacity, cols)));
    const plan::memory s = declared.scratch_size();
    scratch_ = tensor<B>(be, 1, detail::elements_of(s.per_sample, capacity) + s.once);
    for (const plan::scratch_matrix& m : declared.scratches())
      scratch_at_.push_back(
          {scratch_.view().data() + (m.offset.per_sample * capacity + m.offset.once), m.rows,
           m.per_sample == 0 ? m.cols : m.per_sample, m.per_sample != 0});
    if (training && !declared.states().empty()) new_state_ = arena<B>(be, declared.state_arena());
    for (const parameter& q : declared.parameters())
      places_.push_back({declared.parameter_arena().begin(q.place.region) + q.place.offset,
                         q.place.rows, q.place.cols, !q.tags.frozen});
    touched_.resize(places_.size());
  }

  // What layers ask for.

  [[nodiscard]] const B& backend() const { return *be_; }
  /// The samples of this pass.
  [[nodiscard]] index_t rows() const { return rows_; }
  /// Whether layers behave as in training.
  [[nodiscard]] bool training() const { return phase_.training; }
  /// The input of a network that takes indices (plan::input_indices), a row per sample.
  [[nodiscard]] const const_indices<B>& indices() const { return indices_; }

  /// Where a parameter lies in every arena of the network.
  struct place {
    index_t first;
    index_t rows, cols;
    bool is_trained;
  };
  /// The place of a parameter.
  [[nodiscard]] const place& place_of(parameter_id id) const { return places_[at(id)]; }
  /// The offset of a state in the network's arena of states.
  [[nodiscard]] index_t offset_of(state_id id) const {
    const slice& s = plan_->states()[at(id)].place;
    return plan_->state_arena().begin(s.region) + s.offset;
  }
  /// Value of a parameter.
  [[nodiscard]] const_matrix<B> value(parameter_id id) const {
    const place& q = places_[at(id)];
    return const_matrix<B>::unchecked(parameters_->all().data() + q.first, q.rows, q.cols, q.cols);
  }
  /// The gradient of a parameter, and the factor of what it holds: the first use in a backward pass
  /// assigns, further ones add. To be called once for each use; parameters for which it is not
  /// called get a gradient of 0.
  [[nodiscard]] gradient_sum<B> gradient_to_add(parameter_id id) {
    return {gradient(id), static_cast<double>(std::exchange(touched_[at(id)], char{1}))};
  }
  /// Whether the gradient of a parameter is wanted; that of one that is frozen is set to 0.
  [[nodiscard]] bool is_trained(parameter_id id) const { return places_[at(id)].is_trained; }
  /// Untrained state as the last update left it.
  [[nodiscard]] const_matrix<B> state(state_id id) const {
    return (*states_)[plan_->states()[at(id)].place];
  }
  /// Where a pass of training assigns the state's next value. It becomes the state's when the step
  /// executor commits the pass, once for each update; passes of inference never do.
  [[nodiscard]] matrix<B> new_state(state_id id) {
    return new_state_[plan_->states()[at(id)].place];
  }
  /// What backward reads of forward. Empty in a pass made for inference.
  [[nodiscard]] matrix<B> saved(saved_id id) { return of_this_pass(saved_at_[at(id)]); }
  /// Indices that forward saves for backward, n × columns, in a pass for training.
  [[nodiscard]] typename B::template view<std::int32_t> saved(saved_indices_id id) {
    return {saved_indices_[at(id)].data(), rows_, plan_->saved_indices()[at(id)]};
  }
  /// Scratch memory, whose content does not survive the call of a layer.
  [[nodiscard]] matrix<B> scratch(scratch_id id) {
    if (id.number == in_dy_ && !dy_.empty()) return dy_;
    return of_this_pass(scratch_at_[at(id)]);
  }
  /// The first n × cols elements of a scratch matrix that is at least as wide, without gaps.
  [[nodiscard]] matrix<B> scratch(scratch_id id, index_t cols) {
    return matrix<B>::unchecked(scratch_at_[at(id)].data, rows_, cols, cols);
  }

  /// Assigns uniform numbers in [0, 1), a row for each sample, that depend on the seed, the stream,
  /// the step and the sample's place in the batch.
  void draw(stream_id id, matrix<B> out) const {
    const std::uint64_t stream = stream_number(id, phase_.step);
    const index_t first = phase_.first_row * out.cols();
    if constexpr (has_device_counter<B>)
      if (phase_.passes != nullptr)
        return be_->random(out, phase_.seed, stream, first, *phase_.passes);
    be_->random(out, phase_.seed, stream, first);
  }

  /// Places what a layer declared by scratch_in_dy in the memory of the dy that it is called with;
  /// with an empty matrix it has memory of its own.
  void place_in_dy(scratch_id id, matrix<B> dy) {
    in_dy_ = id.number;
    dy_ = dy;
  }

  /// Says that what the network's output gradient holds is the dz of the last layer; for the next
  /// backward pass.
  void set_output_gradient_begun(bool is_begun) { is_output_gradient_begun_ = is_begun; }
  /// Whether that was said; no longer after this call.
  [[nodiscard]] bool take_output_gradient_begun() {
    return std::exchange(is_output_gradient_begun_, false);
  }

  /// Allows the network's own layers to update their weights in the next backward pass, unless
  /// null.
  void set_updates(weight_updates<B>* updates) { updates_ = updates; }
  /// What was given; null after this call.
  [[nodiscard]] weight_updates<B>* take_updates() { return std::exchange(updates_, nullptr); }

  // What networks and their users ask for.

  /// The steps of the forward pass of one sample, if the network planned one; otherwise empty.
  [[nodiscard]] row_chain_t<B>& row() { return row_; }
  /// Greatest number of samples of the pass.
  [[nodiscard]] index_t capacity() const { return capacity_; }
  /// Whether there is room for what a backward pass needs.
  [[nodiscard]] bool has_training() const { return has_training_; }

  /// Throws shape_error if the pass was made by another network, was moved from or never made.
  void require_plan(const plan& declared) const {
    if (plan_.get() != &declared)
      detail::fail<shape_error>(
          plan_ ? "the pass was made by another network; use make_pass() of this one"
                : "this pass was moved from, or never made; use make_pass()");
  }
  /// Begins a forward pass. Throws shape_error if the pass is another network's or too small.
  void begin_forward(const plan& declared, const arena<B>& parameters, const arena<B>& states,
                     index_t rows, const pass_phase<B>& p, const const_indices<B>& indices = {}) {
    require_plan(declared);
    if (p.training && !has_training_)
      detail::fail<shape_error>(
          "a forward pass in training needs a pass made with training = true");
    if (rows > capacity_)
      detail::fail<shape_error>("a batch of ", rows, " samples does not fit a pass for ", capacity_,
                                "; make a larger one or pass fewer at a time");
    parameters_ = &parameters;
    states_ = &states;
    rows_ = rows;
    indices_ = indices;
    phase_ = p;
    is_complete_ = false;
    // A layer that this pass does not reach leaves its state as it was.
    if (p.training && !new_state_.all().empty()) be_->copy(new_state_.all(), states.all());
  }
  /// Ends a forward pass: one that threw cannot be followed by a backward pass.
  void end_forward() { is_complete_ = true; }
  /// Begins a backward pass that assigns `gradients`, or adds to them. Throws shape_error unless
  /// the last forward pass was one in training, of as many samples.
  void begin_backward(const plan& declared, const arena<B>& parameters, const arena<B>& states,
                      arena<B>& gradients, index_t rows, const_indices<B> indices = {},
                      bool add = false) {
    require_plan(declared);
    if (!phase_.training || !is_complete_)
      detail::fail<shape_error>(
          "backward needs what a forward pass in training saves; give forward the phase "
          "phase::train(seed, step)");
    if (rows != rows_)
      detail::fail<shape_error>("backward with ", rows, " samples follows a forward pass of ",
                                rows_, "; give it those of the forward");
    indices_ = indices;
    parameters_ = &parameters;  // the network may have been moved
    states_ = &states;
    gradients_ = &gradients;
    for (char& t : touched_) t = char{add};
  }
  /// Ends a backward pass: parameters that no layer used, or that are frozen, have a gradient of 0.
  void end_backward() {
    for (std::size_t i = 0; i < touched_.size(); ++i)
      if (touched_[i] == 0 || !places_[i].is_trained)
        be_->map(fn::fill{0}, gradient({static_cast<index_t>(i)}));
  }
  /// The next values of the untrained state, in the places of the network's states.
  [[nodiscard]] const arena<B>& new_states() const { return new_state_; }

 private:
  template <class Id>
  static constexpr std::size_t at(Id id) {
    return static_cast<std::size_t>(id.number);
  }
  [[nodiscard]] matrix<B> gradient(parameter_id id) {
    const place& q = places_[at(id)];
    return matrix<B>::unchecked(gradients_->all().data() + q.first, q.rows, q.cols, q.cols);
  }
  /// Memory that was declared: of a fixed number of rows, or with a row per sample.
  struct declared_matrix {
    typename matrix<B>::pointer data;
    index_t rows, cols;
    bool per_sample;
  };
  [[nodiscard]] matrix<B> of_this_pass(const declared_matrix& m) const {
    return matrix<B>::unchecked(m.data, m.per_sample ? rows_ : m.rows, m.cols, m.cols);
  }
  /// Initializers use the streams 0 ... 2^32 - 1; bit 63 keeps the two apart.
  static constexpr std::uint64_t stream_number(stream_id id, std::uint64_t step) {
    return std::uint64_t{1} << 63U | static_cast<std::uint64_t>(id.number) << 48U |
           (step & 0xffffffffffffU);
  }

  detail::maybe<B> be_;  // none by default: making a backend would open its device
  detail::shared<const plan> plan_;
  index_t capacity_ = 0;
  index_t rows_ = 0;
  bool has_training_ = false;
  bool is_output_gradient_begun_ = false;
  bool is_complete_ = false;  // the last forward pass ran to its end
  weight_updates<B>* updates_ = nullptr;
  const_indices<B> indices_{};
  pass_phase<B> phase_{phase{}};
  const arena<B>* parameters_ = nullptr;
  const arena<B>* states_ = nullptr;
  arena<B>* gradients_ = nullptr;
  detail::plain_vector<tensor<B>> saved_;
  detail::plain_vector<declared_matrix> saved_at_, scratch_at_;
  detail::plain_vector<typename B::template storage<std::int32_t>> saved_indices_;
  tensor<B> scratch_;
  arena<B> new_state_;
  detail::plain_vector<place> places_;
  // Whether the gradient of a parameter was written in this backward pass.
  detail::plain_vector<char> touched_;
  [[no_unique_address]] row_chain_t<B> row_;
  matrix<B> dy_{};  // where the scratch matrix in_dy_ lies
  index_t in_dy_ = -1;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_PASS_HPP

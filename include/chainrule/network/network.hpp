/// \file
/// `network`: layers one after another, bound to a backend, with their parameters.
///
///     network net{cpu{}, dense{784, 128, relu{}}, dense{10}};
///     net.initialize(7);
///     tensor<cpu> logits = net.predict(images);
///
///     std::vector<any_layer<cpu>> layers{input{784}};      // known at run time
///     for (index_t width : widths) layers.push_back(dense{width, relu{}});
///     network<cpu> deep{cpu{}, layers};
///
/// Both are of the type `network<B>`: functions take a `network<B>&`. Extents that do not fit fail
/// to compile where they stand in the types (`dense<784, 128>{}`), and throw a shape_error where
/// they are values. See also network/model.hpp (layers as a value, without a backend).
#ifndef CHAINRULE_NETWORK_NETWORK_HPP
#define CHAINRULE_NETWORK_NETWORK_HPP

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/layers/chain.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/layers/sequence.hpp"
#include "chainrule/network/memory.hpp"

namespace chainrule {

/// The line of one layer in a summary.
struct layer_summary {
  std::string name;  // "dense + relu"
  shape outputs;     // of one sample
  index_t parameters = 0;
};

/// A matrix of std::int32_t in the memory of backend B.
template <class X, class B>
concept indices_of = std::convertible_to<X, const_indices<B>>;

template <backend B, class... Layers>
class network;

/// Any network over backend B. Move-only; `clone` copies.
template <backend B>
class network<B> {
 public:
  using backend_type = B;

  /// Binds copies of the layers one after another and initializes the parameters from seed 0.
  /// Throws shape_error if neighbours do not fit, value_error if there are none.
  network(const B& be, const std::vector<any_layer<B>>& layers)
      : network(be, layers.data(), layers.size()) {}
  /// Refuses, at compile time, a network without layers.
  template <class None = void>
  explicit network(const B& be) : be_(be) {
    static_assert(!std::is_void_v<None>, "chainrule: a network needs at least one layer");
  }
  // Not inlined, and with a body, since g++ warns of it without. Networks of listed layers derive
  // from this one.
  [[gnu::noinline]] virtual ~network() {}  // NOLINT
  network(network&&) noexcept = default;
  network& operator=(network&&) noexcept = default;
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  /// A network of the same layers with the same parameters and state.
  [[nodiscard]] network clone() const {
    (void)declared();
    network copy(be_, unbound_.data(), unbound_.size());
    copy.assign(*this);
    return copy;
  }

  [[nodiscard]] const B& backend() const { return be_; }
  /// The shape of a sample, and of the output for it.
  [[nodiscard]] const shape& input_shape() const { return declared().input(); }
  /// Shape of a sample at the output.
  [[nodiscard]] const shape& output_shape() const {
    (void)declared();
    return chain_.output_shape(depth() - 1);
  }
  /// The numbers of elements in these shapes: the columns of a batch.
  [[nodiscard]] index_t inputs() const { return input_shape().size(); }
  /// Number of elements of a sample at the output.
  [[nodiscard]] index_t outputs() const { return output_shape().size(); }
  /// Number of layers.
  [[nodiscard]] index_t depth() const { return static_cast<index_t>(layers_.size()); }
  /// What the layers have declared. Throws value_error, as all that needs layers does, if the
  /// network was moved from.
  [[nodiscard]] const plan& declared() const {
    if (!plan_)
      detail::fail<value_error>("this network was moved from; use the one that it was moved to");
    return *plan_;
  }

  /// Every parameter, in the order of the layers.
  [[nodiscard]] const detail::plain_vector<parameter>& parameter_list() const {
    return declared().parameters();
  }
  [[nodiscard]] arena<B>& parameters() { return parameters_; }
  [[nodiscard]] const arena<B>& parameters() const { return parameters_; }
  /// Untrained state, such as running statistics: names as plan::states() has them.
  [[nodiscard]] arena<B>& states() { return states_; }
  [[nodiscard]] const arena<B>& states() const { return states_; }
  /// The values of one parameter: W of layer 0 is `net.values("0.weight")`. Throws value_error
  /// if there is none of that name.
  [[nodiscard]] matrix<B> values(std::string_view name) { return parameters_[place_of(name)]; }
  [[nodiscard]] const_matrix<B> values(std::string_view name) const {
    return parameters_[place_of(name)];
  }
  [[nodiscard]] chainrule::slice place_of(std::string_view name) const {
    for (const parameter& p : parameter_list())
      if (p.name == name) return p.place;
    detail::fail<value_error>("the network has no parameter '", name,
                              "'; they are named like '0.weight'");
  }
  /// The number of elements of all parameters.
  [[nodiscard]] index_t parameter_count() const {
    index_t count = 0;
    for (const parameter& p : parameter_list()) count += p.place.rows * p.place.cols;
    return count;
  }

  /// The same layers with the same parameters and state on another backend. Built from their
  /// descriptions, which needs network/model.hpp. Throws value_error, naming it, if a layer is
  /// not the library's and has no factory.
  template <chainrule::backend To>
  [[nodiscard]] network<To> to(const To& be) const {
    static_assert(
        requires { network_from(be, describe()); },
        "chainrule: layers collected at run time are moved by their descriptions; include "
        "chainrule/network/model.hpp");
    network<To> moved = network_from(be, describe());
    moved.assign(*this);
    return moved;
  }

  /// Initializes parameters and state; a seed gives the same values on every backend.
  void initialize(std::uint64_t seed) {
    std::uint64_t stream = 0;
    for (const parameter& p : declared().parameters())
      detail::initialize(be_, parameters_, p, seed, stream++);
    for (const parameter& p : declared().states()) detail::initialize(be_, states_, p, seed, 0);
  }

  /// Copies parameters and state of a network with the same layers, which may be on another
  /// backend, of another scalar, or trained in other parts (frozen). Throws shape_error if its
  /// parameters or states are others.
  template <chainrule::backend From>
  void assign(const network<From>& other) {
    require_same("parameter", declared().parameters(), other.declared().parameters());
    require_same("state", declared().states(), other.declared().states());
    assign_from(other, [](const std::string& name) { return name; });
  }
  /// Copies to each parameter and state that which is named name_in_other(its name) in another
  /// network. Throws value_error if there is none.
  template <chainrule::backend From, class Name>
  void assign_from(const network<From>& other, const Name& name_in_other) {
    const auto& mine = declared();
    const auto& theirs = other.declared();
    const auto parameters = values_for(parameters_, mine.parameters(), other.backend(),
                                       other.parameters(), theirs.parameters(), name_in_other);
    const auto states = values_for(states_, mine.states(), other.backend(), other.states(),
                                   theirs.states(), name_in_other);
    assign_elements(be_, parameters_, parameters);
    assign_elements(be_, states_, states);
  }

  /// An arena for gradients, all 0; its slices are those of the parameters.
  [[nodiscard]] arena<B> make_gradients() const {
    return arena<B>(be_, declared().parameter_arena());
  }

  /// Memory for passes of up to `capacity` samples; with `training`, also for backward passes.
  [[nodiscard, gnu::noinline]] pass<B> make_pass(index_t capacity, bool training = false) const {
    (void)declared();
    pass<B> p(be_, plan_, capacity, training);
    if constexpr (row_backend<B>) {
      p.row() = row_chain_t<B>(be_.isa(), inputs(), parameters_.all().size());
      if (!chain_.plan_row(p, chain_.output(p, depth() - 1), visitor())) p.row() = {};
    }
    return p;
  }

  /// The bytes that this network takes with one pass for up to `samples` samples, and for training
  /// with one arena of gradients. What an optimizer saves is not counted. Throws value_error unless
  /// samples is at least 1.
  [[nodiscard]] network_memory memory(index_t samples) const {
    if (samples < 1)
      detail::fail<value_error>("the memory of a network is that of at least 1 sample, got ",
                                samples);
    constexpr std::size_t bytes = sizeof(scalar_t<B>);
    return {detail::memory_of(declared(), samples, false, bytes, pass<B>::padding),
            detail::memory_of(declared(), samples, true, bytes, pass<B>::padding)};
  }

  [[deprecated("chainrule: now make_pass")]] pass<B> make_workspace(index_t capacity,
                                                                    bool training = false) const {
    return make_pass(capacity, training);
  }

  /// The outputs for x (n × inputs), n × outputs. They live in `p` until its next use. Throws
  /// shape_error.
  // By reference: copied to the stack, a view would make consecutive calls wait for each other.
  const_matrix<B> forward(const const_matrix<B>& x, pass<B>& p,
                          const pass_phase<B>& what = phase{}) const {
    require_samples(x.cols(), false);
    if constexpr (row_backend<B>)
      if (x.rows() == 1 && !what.training && !p.row().empty()) return run_row(x, p, what);
    return run(x, {}, x.rows(), p, what);
  }
  /// The outputs for indices (n × inputs, rows without gaps), of a network whose first layer takes
  /// them, such as embedding.
  template <indices_of<B> Indices>
  const_matrix<B> forward(const Indices& x, pass<B>& p, const pass_phase<B>& what = phase{}) const {
    require_samples(x.cols(), true);
    return run({}, x, x.rows(), p, what);
  }

  /// The outputs for scalars or indices.
  const_matrix<B> forward(const batch_inputs<B>& x, pass<B>& p,
                          const pass_phase<B>& what = phase{}) const {
    require_samples(x.cols(), x.are_indices);
    if constexpr (row_backend<B>)
      if (!x.are_indices && x.rows() == 1 && !what.training && !p.row().empty())
        return run_row(x.scalars, p, what);
    return run(x.scalars, x.indices, x.rows(), p, what);
  }

  /// The gradient with respect to the output, n × outputs: a loss writes it here before backward.
  /// Throws shape_error unless the pass is one for training.
  [[nodiscard]] matrix<B> output_gradient(pass<B>& p) const {
    p.require_plan(declared());
    if (!p.has_training())
      detail::fail<shape_error>("this pass was made for inference; make one with training = true");
    return chain_.gradient(p, depth() - 1);
  }

  /// The functor (dy, y) -> dz by which the last layer's backward pass begins, if it is only that.
  /// A loss may apply it to the output gradient, which is to be said by
  /// p.set_output_gradient_begun(true).
  [[nodiscard]] typename backward_link<B>::functor output_functor() const {
    return begin_of_backward<B>(at(depth() - 1));
  }

  /// From output_gradient(p), which it overwrites, assigns dL/dparameters to `gradients` and, if
  /// wanted, dL/dx to `input_gradient` (n × inputs). `x` and `p` are those of the forward pass,
  /// which was one in training. Throws shape_error.
  void backward(const_matrix<B> x, pass<B>& p, arena<B>& gradients,
                matrix<B> input_gradient = {}) const {
    require_samples(x.cols(), false);
    run_backward(x, {}, x.rows(), p, gradients, input_gradient, false);
  }
  /// A backward pass that adds dL/dparameters to `gradients`; dL/dx is assigned.
  void add_backward(const_matrix<B> x, pass<B>& p, arena<B>& gradients,
                    matrix<B> input_gradient = {}) const {
    require_samples(x.cols(), false);
    run_backward(x, {}, x.rows(), p, gradients, input_gradient, true);
  }
  /// The backward pass of a network that takes indices, which have no gradient.
  template <indices_of<B> Indices>
  void backward(const Indices& x, pass<B>& p, arena<B>& gradients) const {
    require_samples(x.cols(), true);
    run_backward({}, x, x.rows(), p, gradients, {}, false);
  }
  /// Adds the gradients of the parameters, for inputs that are indices.
  template <indices_of<B> Indices>
  void add_backward(const Indices& x, pass<B>& p, arena<B>& gradients) const {
    require_samples(x.cols(), true);
    run_backward({}, x, x.rows(), p, gradients, {}, true);
  }
  /// The backward pass for scalars or indices, which adds the gradients of the parameters if `add`.
  void backward(const batch_inputs<B>& x, pass<B>& p, arena<B>& gradients, bool add) const {
    require_samples(x.cols(), x.are_indices);
    run_backward(x.scalars, x.indices, x.rows(), p, gradients, {}, add);
  }
  /// Passes for diagnosis, of scalars or indices x: for each layer i, in the order of the pass,
  /// around(i, m, run) is called and has to call run() once. m is the layer's output in the forward
  /// pass, to be read after run(), and the gradient with respect to it in the backward pass, to be
  /// read before.
  template <class Samples, class Around>
  const_matrix<B> trace_forward(const Samples& x, pass<B>& p, const pass_phase<B>& what,
                                const Around& around) const {
    constexpr bool are_indices = indices_of<Samples, B>;
    require_samples(x.cols(), are_indices);
    const auto visit = [&](index_t i, const auto& f) {
      around(i, const_matrix<B>(chain_.output(p, i)), [&] { f(at(i)); });
    };
    if constexpr (are_indices)
      return run({}, x, x.rows(), p, what, visit);
    else
      return run(x, {}, x.rows(), p, what, visit);
  }
  /// A backward pass for diagnosis, which assigns gradients as `backward` does; around(i, m, run)
  /// is called as by trace_forward, with m the gradient with respect to the output of layer i.
  template <class Samples, class Around>
  void trace_backward(const Samples& x, pass<B>& p, arena<B>& gradients, matrix<B> input_gradient,
                      const Around& around) const {
    constexpr bool are_indices = indices_of<Samples, B>;
    require_samples(x.cols(), are_indices);
    const auto visit = [&](index_t i, const auto& f) {
      around(i, const_matrix<B>(chain_.gradient(p, i)), [&] { f(at(i)); });
    };
    if constexpr (are_indices)
      run_backward({}, x, x.rows(), p, gradients, input_gradient, false, visit, false);
    else
      run_backward(x, {}, x.rows(), p, gradients, input_gradient, false, visit, false);
  }
  /// Throws value_error unless all indices up to `largest` have a row in the layer that takes them,
  /// or the network takes scalars.
  void require_indices(index_t largest) const {
    const index_t count = declared().index_count();
    if (count > 0 && largest >= count)
      detail::fail<value_error>("the network takes indices of -1 (padding) to ", count - 1,
                                ", the samples have ", largest);
  }

  /// Throws shape_error unless `gradients` is an arena of this network's parameters.
  void require_gradients(const arena<B>& gradients) const {
    (void)declared();
    if (gradients.plan() != parameters_.plan())
      detail::fail<shape_error>("the gradients have room for ", gradients.all().size(),
                                " numbers, the parameters are ", parameters_.all().size(),
                                "; use make_gradients() of this network");
  }

  /// Copies the states that a pass of training computed to the network; a pass of inference changes
  /// nothing. Throws shape_error if the pass is another network's.
  void commit(const pass<B>& p) {
    p.require_plan(declared());
    if (p.training() && !declared().states().empty()) be_.copy(states_.all(), p.new_states().all());
  }

  /// The output of layer i in the last forward pass (n × elements).
  [[nodiscard]] const_matrix<B> output_of(pass<B>& p, index_t i) const {
    p.require_plan(declared());
    if (i < 0 || i >= depth())
      detail::fail<value_error>("a network of ", depth(), " layers has no layer ", i);
    return chain_.output(p, i);
  }

  /// The outputs for x (n × inputs), as a tensor of their own. May be called from several threads.
  [[nodiscard]] tensor<B> predict(const_matrix<B> x) const { return predict_rows(x); }
  /// Outputs of inputs that are indices, a row per sample.
  template <indices_of<B> Indices>
  [[nodiscard]] tensor<B> predict(const Indices& x) const {
    return predict_rows(x);
  }

  /// Refuses, at compile time, samples that are not a matrix of this backend.
  template <class Samples>
  requires(!std::convertible_to<Samples, const_matrix<B>> &&
           !indices_of<Samples, B>) tensor<B> predict(const Samples&)
  const { return refuse_samples<Samples>(); }
  /// Refuses what are no samples with a compile-time message.
  template <class Samples>
  requires(!std::convertible_to<Samples, const_matrix<B>> &&
           !indices_of<Samples, B>) const_matrix<B> forward(const Samples&, pass<B>&,
                                                            const pass_phase<B>& = phase{})
  const { return refuse_samples<Samples>().view(); }

  /// One line per layer: its name, the shape of its output, its number of parameters.
  [[nodiscard, gnu::noinline]] detail::plain_vector<layer_summary> layers() const {
    (void)declared();
    detail::plain_vector<layer_summary> lines;
    for (index_t i = 0; i < depth(); ++i) {
      index_t count = 0;
      const std::string prefix = detail::concat(i, ".");
      for (const parameter& p : parameter_list())
        if (p.name.compare(0, prefix.size(), prefix) == 0) count += p.place.rows * p.place.cols;
      lines.push_back({chainrule::describe(at(i)).label(), chain_.output_shape(i), count});
    }
    return lines;
  }

  /// A network of layers first, ..., first + count - 1, with copies of their parameters and state.
  /// Throws value_error unless there are such layers and at least one.
  [[nodiscard]] network slice(index_t first, index_t count) const {
    if (first < 0 || count < 1 || first > depth() - count)
      detail::fail<value_error>("a network of ", depth(), " layers has no slice of ", count,
                                " layers from layer ", first);
    detail::plain_vector<any_layer<B>> layers;
    layers.push_back(input(first == 0 ? input_shape() : chain_.output_shape(first - 1)));
    const auto* const begin = unbound_.end() - depth() + first;  // an input before has no number
    for (index_t i = 0; i < count; ++i) layers.push_back(begin[i]);
    network part(be_, layers.data(), layers.size());
    part.assign_from(*this, [&](const std::string& name) {
      return std::to_string(first + std::stoll(name)) + name.substr(name.find('.'));
    });
    return part;
  }

  /// The network as data: the shape of its input and its layers.
  [[nodiscard]] description describe() const {
    archive a("network");
    a.extent("input", input_shape());
    for (const any_layer<B>& l : layers_) a.child(l);
    return a.result();
  }

 protected:
  /// Binds copies of `count` layers.
  [[gnu::noinline]] network(const B& be, const any_layer<B>* layers, std::size_t count);

 private:
  [[nodiscard]] const any_layer<B>& at(index_t i) const {
    return layers_[static_cast<std::size_t>(i)];
  }
  [[nodiscard]] auto visitor() const {
    return [this](index_t i, const auto& f) { f(at(i)); };
  }

  void require_samples(index_t cols, bool are_indices) const {
    if ((declared().index_count() > 0) != are_indices)
      detail::fail<shape_error>(
          are_indices ? "the network takes scalars, the samples are indices"
                      : "the network takes indices: give it a matrix of std::int32_t");
    if (cols != inputs())
      detail::fail<shape_error>("the network expects ", input_in_words(), ", the samples have ",
                                cols);
  }

  /// The pass of one sample by the backend's plan.
  const_matrix<B> run_row(const const_matrix<B>& x, pass<B>& p, const pass_phase<B>& what) const {
    p.begin_forward(*plan_, parameters_, states_, 1, what);
    p.row().run(x.data(), parameters_.all().data(), states_.all().data());
    p.end_forward();
    return chain_.output(p, depth() - 1);
  }
  const_matrix<B> run(const_matrix<B> x, const_indices<B> indices, index_t rows, pass<B>& p,
                      const pass_phase<B>& what) const {
    return run(x, indices, rows, p, what, visitor());
  }
  template <class Visit>
  const_matrix<B> run(const_matrix<B> x, const_indices<B> indices, index_t rows, pass<B>& p,
                      const pass_phase<B>& what, const Visit& visit) const {
    p.begin_forward(*plan_, parameters_, states_, rows, what, indices);
    const matrix<B> y = chain_.output(p, depth() - 1);
    chain_.forward(p, x, y, visit);
    p.end_forward();
    return y;
  }
  void run_backward(const_matrix<B> x, const_indices<B> indices, index_t rows, pass<B>& p,
                    arena<B>& gradients, matrix<B> input_gradient, bool add) const {
    run_backward(x, indices, rows, p, gradients, input_gradient, add, visitor(), true);
  }
  template <class Visit>
  void run_backward(const_matrix<B> x, const_indices<B> indices, index_t rows, pass<B>& p,
                    arena<B>& gradients, matrix<B> input_gradient, bool add, const Visit& visit,
                    bool is_linked) const {
    const bool is_begun = p.take_output_gradient_begun();
    require_gradients(gradients);
    p.begin_backward(declared(), parameters_, states_, gradients, rows, indices, add);
    const matrix<B> dy = output_gradient(p);
    chain_.place_in_dy(p, dy);
    chain_.backward(p, x, const_matrix<B>(chain_.output(p, depth() - 1)), const_matrix<B>(dy),
                    input_gradient, visit, is_linked, is_begun);
    p.end_backward();
  }
  template <class Samples>
  [[nodiscard]] tensor<B> predict_rows(const Samples& x) const {
    tensor<B> result(be_, x.rows(), outputs());
    const index_t at_once = std::clamp(x.rows(), index_t{1}, index_t{256});
    pass<B> p = make_pass(at_once);
    for (index_t i = 0; i < x.rows(); i += at_once) {
      const index_t count = std::min(at_once, x.rows() - i);
      be_.copy(result.view().middle_rows(i, count), forward(x.middle_rows(i, count), p));
    }
    return result;
  }

  template <class Samples>
  static tensor<B> refuse_samples() {
    static_assert(
        std::same_as<Samples, void>,
        "chainrule: samples are a matrix of the backend's scalar (float of cpu, double of "
        "basic_cpu<double>) in its memory; convert numbers of another type, send those "
        "of the host to a device by from_host(be, x), and take the view() of a tensor");
    return {};
  }

  [[nodiscard]] std::string input_in_words() const {
    const char* const what = declared().index_count() > 0 ? " indices" : " features";
    return input_shape().rank() == 1
               ? detail::concat(inputs(), what)
               : detail::concat("samples of ", to_string(input_shape()), ", ", inputs(), what);
  }

  static void require_same(const char* what, const detail::plain_vector<parameter>& mine,
                           const detail::plain_vector<parameter>& theirs) {
    if (theirs.size() != mine.size())
      detail::fail<shape_error>("a network of ", mine.size(), " ", what,
                                "s cannot take those of one with ", theirs.size());
    for (std::size_t i = 0; i < mine.size(); ++i)
      if (mine[i].name != theirs[i].name || mine[i].extents != theirs[i].extents)
        detail::fail<shape_error>(what, " ", mine[i].name, " is ", to_string(mine[i].extents),
                                  ", that to take is ", theirs[i].name, " of ",
                                  to_string(theirs[i].extents));
  }

  /// All elements for an arena of this network, from one in which slots may have other places.
  template <chainrule::backend From, class Name>
  [[nodiscard]] static std::vector<scalar_t<B>> values_for(
      const arena<B>& to, const detail::plain_vector<parameter>& mine, const From& from_be,
      const arena<From>& from, const detail::plain_vector<parameter>& theirs,
      const Name& name_in_other) {
    const std::vector<scalar_t<From>> values = to_host(from_be, from.all());
    auto result = detail::host_vector<scalar_t<B>>(to.all().cols());
    const auto first = [](const arena_plan& plan, const chainrule::slice& s) {
      return plan.begin(s.region) + s.offset;
    };
    for (const parameter& p : mine) {
      const std::string name = name_in_other(p.name);
      const auto found = std::find_if(theirs.begin(), theirs.end(),
                                      [&](const parameter& q) { return q.name == name; });
      if (found == theirs.end() || found->extents != p.extents)
        detail::fail<value_error>("the other network has no '", name, "' of ",
                                  to_string(p.extents));
      std::copy_n(values.begin() + first(from.plan(), found->place), p.extents.size(),
                  result.begin() + first(to.plan(), p.place));
    }
    return result;
  }

  B be_;
  detail::plain_vector<any_layer<B>> unbound_;  // as they were given
  detail::plain_vector<any_layer<B>> layers_;
  layer_chain chain_;
  detail::shared<const plan> plan_;  // shared with the passes
  arena<B> parameters_;
  arena<B> states_;
};

template <backend B>
network<B>::network(const B& be, const any_layer<B>* layers, std::size_t count)
    : be_(be), unbound_(layers, count) {
  const bool has_input = !unbound_.empty() && unbound_.front().is_input();
  layers_ = detail::plain_vector<any_layer<B>>(unbound_.data() + (has_input ? 1 : 0),
                                               unbound_.size() - (has_input ? 1U : 0U));
  auto declared = detail::make_shared<plan>();
  shape in;
  if (has_input) in = any_layer<B>(unbound_.front()).bind(*declared, in);
  if (layers_.empty()) detail::fail<value_error>("a network needs at least one layer");
  for (any_layer<B>& l : layers_) chain_.bind_next(*declared, detail::concat(chain_.size()), l, in);
  chain_.finish(*declared, true);
  plan_ = std::move(declared);
  parameters_ = arena<B>(be_, plan_->parameter_arena());
  states_ = arena<B>(be_, plan_->state_arena());
  initialize(0);
}

/// A network whose layers are listed in the program.
template <backend B, class... Layers>
class network : public network<B> {
  static_assert(detail::extents_agree<Layers...>(),
                "chainrule: a layer expects another number of features than the layer before it "
                "produces; compare the extents in the types of neighbouring layers");

 public:
  /// Binds the layers one after another and initializes the parameters from seed 0. Throws
  /// shape_error if neighbours do not fit.
  explicit network(const B& be, const Layers&... layers)
      : network(be, listed{any_layer<B>(layers)...}, layers...) {}

  /// The same layers with the same parameters and state on another backend.
  template <backend To>
  [[nodiscard]] network<To, Layers...> to(const To& be) const {
    auto moved = std::apply(
        [&](const Layers&... layers) { return network<To, Layers...>(be, layers...); }, listed_);
    moved.assign(*this);
    return moved;
  }

 private:
  using listed = any_layer<B>[sizeof...(Layers)];
  network(const B& be, const listed& erased, const Layers&... layers)
      : network<B>(be, erased, sizeof...(Layers)), listed_(layers...) {}

  std::tuple<Layers...> listed_;
};

template <backend B>
network(B, std::vector<any_layer<B>>) -> network<B>;
template <backend B, class... Layers>
network(B, Layers...) -> network<B, Layers...>;

// Names of version 0.1.
template <backend B>
using sequential [[deprecated("chainrule: network<B> holds layers of run time too")]] = network<B>;
template <backend B>
using layer_spec [[deprecated("chainrule: now any_layer<B>")]] = any_layer<B>;
template <backend B>
using workspace [[deprecated("chainrule: now pass<B>")]] = pass<B>;

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_NETWORK_HPP

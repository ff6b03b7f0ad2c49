/// \file
/// `optimizer`: a chain of rules with its state, bound to arenas of one plan.
///
///     optimizer opt{net, chain(weight_decay{1e-4}, momentum{0.1})};   // or a parameter_set
///     opt.zero_gradients();                      // gradients are added up until they are set to 0
///     backward(loss);                            // of call(net, x, opt.gradients()): adds to them
///     opt.update();                              // a map over the arena, or over each region
///
/// `optimizer opt(be, plan, rules)` has no gradients of its own: opt.update(parameters, gradients).
///
/// `any_optimizer<B>` is its base class, whatever the rules are. An executor of training steps may
/// split a step: begin_step, measure, update_range for all elements, end_step.
#ifndef CHAINRULE_OPTIM_OPTIMIZER_HPP
#define CHAINRULE_OPTIM_OPTIMIZER_HPP

#include <array>
#include <atomic>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "chainrule/core/plain_vector.hpp"
#include "chainrule/optim/rules.hpp"

namespace chainrule {

namespace detail {

/// The whole step of a parameter: (w, g, state..., rate, scalars...) -> (w, state...).
template <class Chain>
struct update_kernel;

template <class... Rules>
struct update_kernel<chained<Rules...>> {
  std::tuple<Rules...> rules;
  std::uint64_t number;  // tells the rules of one optimizer from those of others

  /// Rules hold schedules, so they are not plain values: a device finds its kernel by this.
  [[nodiscard]] std::uint64_t identity() const { return number; }

  template <class X, class... More>
  constexpr auto operator()(const X& w, const X& g, const More&... more) const {
    constexpr std::size_t slots = chained<Rules...>::slots;
    std::array<X, sizeof...(More)> rest{more...};
    X direction = g;
    std::size_t state_at = 0;
    std::size_t scalar_at = slots + 1;
    const auto run = [&]<class Rule>(const Rule& rule) {
      std::array<X, Rule::slots> state;
      std::array<X, Rule::scalars> scalars;
      for (std::size_t i = 0; i < state.size(); ++i) state[i] = rest[state_at + i];
      for (std::size_t i = 0; i < scalars.size(); ++i) scalars[i] = rest[scalar_at + i];
      direction = rule(direction, w, state, scalars);
      for (std::size_t i = 0; i < state.size(); ++i) rest[state_at + i] = state[i];
      state_at += state.size();
      scalar_at += scalars.size();
    };
    std::apply([&](const auto&... rule) { (run(rule), ...); }, rules);
    return [&]<std::size_t... S>(std::index_sequence<S...>) {
      return std::tuple(w - rest[slots] * direction, rest[S]...);
    }
    (std::make_index_sequence<slots>{});
  }
};

template <class Rule>
[[nodiscard]] std::string name_of_rule(const Rule&) {
  if constexpr (requires { Rule::name; })
    return Rule::name;
  else
    return "rule";
}

/// Another number at each call.
[[nodiscard]] inline std::uint64_t next_identity() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace detail

/// The largest number of steps: schedules count them in doubles, exactly.
inline constexpr std::int64_t most_steps = std::int64_t{1} << 53;

/// An optimizer over backend B, whatever its rules are.
template <backend B>
class any_optimizer {
 public:
  virtual ~any_optimizer() = default;

  /// Where backward passes add the gradients of the model's parameters.
  [[nodiscard]] arena<B>& gradients() { return gradients_; }
  [[nodiscard]] const arena<B>& gradients() const { return gradients_; }
  /// Sets the gradients to 0: to be called before the first backward pass of each update.
  void zero_gradients() { be_.map(fn::fill{0}, gradients_.all()); }
  /// One step of the model's parameters by gradients(), which stay as they are. Throws value_error
  /// if the optimizer was made for arenas and not for a model.
  void update() {
    if (parameters_ == nullptr)
      detail::fail<value_error>(
          "this optimizer was made without a model; give update() the parameters and gradients");
    update(*parameters_, gradients_);
  }

  /// One step: parameters -= rate * direction. Throws shape_error if an arena is of another plan.
  void update(arena<B>& parameters, const arena<B>& gradients) {
    require_plan(parameters, gradients);
    begin_step();
    measure(gradients);
    update_range(parameters, gradients, 0, plan_.size());
    end_step();
  }

  // The parts of a step, in their order. A planned step ends by end_planned_step and end_step.

  /// Writes the scalars of the step (rate, bias corrections, ...) to the backend's memory.
  void begin_step() {
    planned_at_ = nullptr;  // of a planned step that has thrown
    write_step(step_, host_scalars_.data());
    be_.upload(scalars_.view(),
               matrix_view<const scalar_t<B>>(host_scalars_.data(), 1, per_step()));
  }
  /// Takes the scalars of the step from those that plan_steps stored; `at` is the number of the
  /// step among them, in the backend's memory, held when the batch was loaded, and is advanced by
  /// the end of the step. Nothing comes from the host, so that the step can be captured.
  template <std::same_as<counter_t<B>> Counter>
  void begin_planned_step(const Counter& at) {
    // What is measured is written among the scalars of the step; else they are read in their row.
    planned_at_ = measures_ ? nullptr : &at;
    is_counted_ = measures_;
    if (measures_) be_.take(scalars_.view(), const_matrix<B>(planned_.view()), at);
  }
  /// Ends it: advances the counter unless updates of ranges did.
  template <std::same_as<counter_t<B>> Counter>
  void end_planned_step(const Counter& at) {
    if (!is_counted_) be_.advance(at);
    planned_at_ = nullptr;
  }
  /// Whether a rule needs the whole gradient before any parameter is updated.
  [[nodiscard]] bool measures() const { return measures_; }
  /// Computes what such a rule needs; nothing without one.
  virtual void measure(const arena<B>& gradients) = 0;
  /// Updates elements [first, first + count) of the arenas. Ranges that do not overlap may be
  /// updated at the same time.
  void update_range(arena<B>& parameters, const arena<B>& gradients, index_t first, index_t count) {
    if (tags_alike_ && !plan_.has_frozen())
      return apply(parameters, gradients, index_t{0}, first, count);
    for (index_t i = 0; i < plan_.regions(); ++i) {
      if (plan_.tags(i).frozen) continue;
      const index_t from = std::max(first, plan_.begin(i));
      const index_t to = std::min(first + count, plan_.begin(i) + plan_.size(i));
      if (from < to) apply(parameters, gradients, i, from, to - from);
    }
  }
  /// Updates the weights from element `first` on, whose gradient is g = a b, without assigning g:
  /// between begin_step and end_step of rules that do not measure. Returns false, and does nothing,
  /// if the rules have state or the backend has no kernel for it.
  [[nodiscard]] bool update_by_product(arena<B>& parameters, index_t first, matrix<B> g,
                                       const gemm_operand<const_matrix<B>>& a,
                                       const gemm_operand<const_matrix<B>>& b) {
    index_t region = 0;
    if (!tags_alike_)
      while (first >= plan_.begin(region) + plan_.size(region)) ++region;
    return apply_product(parameters, region, first, g, a, b);
  }
  /// Counts the step. To be called for every replay of a captured step too.
  void end_step() { ++step_; }

  /// Stores the scalars of the next steps in the backend's memory, for begin_planned_step, in
  /// `count` rows of which `repeat` at a time are those of one step. That memory stays where it is
  /// in later calls with a `most` that is no larger, so that captured steps can be replayed. Throws
  /// shape_error, out_of_memory.
  void plan_steps(index_t count, index_t most, index_t repeat = 1) {
    if (planned_.rows() < most) planned_ = tensor<B>(be_, most, per_step());
    first_planned_ = step_;
    rows_planned_ = count;
    rows_per_step_ = repeat;
    upload_plan();
  }

  /// Throws shape_error unless both arenas are of the optimizer's plan.
  void require_plan(const arena<B>& parameters, const arena<B>& gradients) const {
    for (const arena<B>* a : {&parameters, &gradients})
      if (a->plan() != plan_)
        detail::fail<shape_error>("the optimizer is bound to ", sizes_in_words(plan_), "; these ",
                                  a == &parameters ? "parameters" : "gradients", " are ",
                                  sizes_in_words(a->plan()));
  }

  /// The updates so far.
  [[nodiscard]] std::int64_t step() const { return step_; }
  /// Sets the number of updates, of a training that is resumed. Throws value_error unless it is 0
  /// to most_steps.
  void set_step(std::int64_t step) {
    if (step < 0 || step > most_steps)
      detail::fail<value_error>("a training has made 0 to ", most_steps, " steps, got ", step);
    step_ = step;
  }
  /// The learning rate of the next update: the schedule's times rate_factor().
  [[nodiscard]] double rate() const { return rate_factor_ * rate_at(step_); }
  /// The factor of the schedule's rate, 1 at first.
  [[nodiscard]] double rate_factor() const { return rate_factor_; }
  /// Sets the factor of the schedule's rate from the next update on. Throws value_error unless it
  /// is finite and at least 0.
  void set_rate_factor(double factor) {
    if (!(factor >= 0) || !detail::is_finite(factor))
      detail::fail<value_error>("the factor of a learning rate must be finite and at least 0, got ",
                                factor);
    rate_factor_ = factor;
    upload_plan();
  }
  /// Multiplies the rate of all updates to come by `factor`.
  void scale_rate(double factor) { set_rate_factor(rate_factor_ * factor); }
  /// The penalty on these parameters whose gradient the rules add: of the rules before the one with
  /// the rate, since decay behind it is not the gradient of a penalty. Frozen parameters do not
  /// count. Throws shape_error if the parameters are of another plan. Reads the backend's memory.
  [[nodiscard]] virtual double penalty(const arena<B>& parameters) const = 0;
  /// The names of the rules: "weight decay, adam".
  [[nodiscard]] const std::string& name() const { return name_; }
  /// The state: one arena per slot, in the order of the rules. Throws value_error while ranks
  /// update a piece of it each, and after a fit of theirs that ended by an exception.
  [[nodiscard]] std::span<arena<B>> state() {
    require_whole();
    return state_;
  }
  [[nodiscard]] std::span<const arena<B>> state() const {
    require_whole();
    return state_;
  }
  /// The state, whole or not, to be assigned; call set_whole() after it.
  [[nodiscard]] std::span<arena<B>> all_state() { return state_; }
  /// All of the state was assigned.
  void set_whole() { is_divided_ = false; }
  /// From now on the elements of the state outside of this rank's piece are old.
  void divide_state() { is_divided_ = true; }
  /// Whether they are.
  [[nodiscard]] bool is_divided() const { return is_divided_; }

 protected:
  // To move one rule's optimizer onto another's would move the state without the rules.
  any_optimizer(any_optimizer&&) noexcept = default;
  any_optimizer& operator=(any_optimizer&&) noexcept = default;

  /// Allocates `slots` arenas of state for the parameters of the plan, and `scalars` scalars for
  /// each group of parameters.
  // The scalars of a step lie in the backend's memory, so that a schedule never changes a kernel:
  // for each region (a rule may depend on its tags) the rate and then the scalars of the rules.
  [[gnu::noinline]] any_optimizer(const B& be, const arena_plan& plan, std::size_t slots,
                                  std::size_t scalars, std::string name, bool measures,
                                  bool tags_alike);

  /// Makes update() one of these parameters.
  void bind(arena<B>& parameters, arena<B> gradients) {
    parameters_ = &parameters;
    gradients_ = std::move(gradients);
  }
  /// The learning rate at a step.
  [[nodiscard]] virtual double rate_at(std::int64_t step) const = 0;
  /// Assigns rate and scalars of a step for parameters of these tags.
  virtual void write_scalars(const step_info& info, scalar_t<B>* to) const = 0;
  /// Updates `count` elements from `first` on with the scalars of a region.
  virtual void apply(arena<B>& parameters, const arena<B>& gradients, index_t region, index_t first,
                     index_t count) = 0;
  /// Updates the elements from `first` on whose gradient is g = a b; false if there is no kernel.
  [[nodiscard]] virtual bool apply_product(arena<B>& parameters, index_t region, index_t first,
                                           matrix<B> g, const gemm_operand<const_matrix<B>>& a,
                                           const gemm_operand<const_matrix<B>>& b) = 0;

  [[nodiscard]] matrix<B> scalar(index_t region, std::size_t i) {
    return scalars_.view().block(0, region * per_region_ + static_cast<index_t>(i), 1, 1);
  }
  /// Maps the update of a range of a region, whose `Scalars` scalars follow the operands `in`.
  template <std::size_t Scalars, class F, std::size_t Outs, class... In>
  void map_update(const F& f, index_t region, const std::array<matrix<B>, Outs>& out,
                  const In&... in) {
    if constexpr (has_device_counter<B>)
      if (planned_at_ != nullptr) {
        is_counted_ = true;
        return be_.template map_planned<Scalars>(
            f, out, {planned_.view(), *planned_at_, region * per_region_}, in...);
      }
    [&]<std::size_t... K>(std::index_sequence<K...>) {
      be_.map(f, out, in..., scalar(region, K)...);
    }
    (std::make_index_sequence<Scalars>{});
  }
  [[nodiscard]] const B& backend() const { return be_; }
  [[nodiscard]] index_t regions() const { return plan_.regions(); }

 private:
  void require_whole() const {
    if (is_divided_)
      throw value_error(
          "the state of the optimizer is divided among the ranks, in an epoch or after one that "
          "ended by an exception; read or save it at the end of an epoch, or load a checkpoint");
  }
  [[nodiscard]] index_t per_step() const { return per_region_ * plan_.regions(); }
  /// Writes the scalars of the planned steps that have not been taken, if there are any.
  void upload_plan() {
    const std::int64_t taken = step_ - first_planned_;
    if (taken < 0 || taken > (rows_planned_ - 1) / rows_per_step_) return;
    const index_t first = static_cast<index_t>(taken) * rows_per_step_;
    const index_t left = rows_planned_ - first;
    if (left < 1) return;
    auto host = detail::host_vector<scalar_t<B>>(detail::elements_of(left, per_step()));
    for (index_t i = 0; i < left; ++i)
      write_step(step_ + i / rows_per_step_, host.data() + i * per_step());
    be_.upload(planned_.view().middle_rows(first, left),
               matrix_view<const scalar_t<B>>(host.data(), left, per_step()));
  }
  void write_step(std::int64_t step, scalar_t<B>* to) const {
    for (index_t region = 0; region < plan_.regions(); ++region)
      write_scalars({step, plan_.tags(region)}, to + region * per_region_);
  }
  [[nodiscard]] static std::string sizes_in_words(const arena_plan& p) {
    std::string words;
    for (index_t i = 0; i < p.regions(); ++i)
      words +=
          detail::concat(i == 0 ? "" : " + ", p.size(i), p.tags(i).decay ? " weights" : " biases");
    return words + " (padding included)";
  }

  B be_;
  arena_plan plan_;
  std::string name_;
  bool measures_;
  bool tags_alike_;
  index_t per_region_;
  arena<B>* parameters_ = nullptr;  // of the model, if there is one
  arena<B> gradients_;
  detail::plain_vector<arena<B>> state_;
  std::vector<scalar_t<B>> host_scalars_;
  tensor<B> scalars_;  // of the current step
  tensor<B> planned_;  // of the steps to come, a row each
  std::int64_t step_ = 0;
  std::int64_t first_planned_ = 0;
  index_t rows_planned_ = 0;
  index_t rows_per_step_ = 1;
  double rate_factor_ = 1;
  const counter_t<B>* planned_at_ = nullptr;  // of a planned step, while it is under way
  bool is_counted_ = true;                    // the counter of a planned step was advanced
  bool is_divided_ = false;
};

template <backend B>
any_optimizer<B>::any_optimizer(const B& be, const arena_plan& plan, std::size_t slots,
                                std::size_t scalars, std::string name, bool measures,
                                bool tags_alike)
    : be_(be),
      plan_(plan),
      name_(std::move(name)),
      measures_(measures),
      tags_alike_(tags_alike),
      per_region_(static_cast<index_t>(scalars) + 1),
      host_scalars_(static_cast<std::size_t>(per_step())),
      scalars_(be, 1, per_step()) {
  for (std::size_t i = 0; i < slots; ++i) state_.push_back(arena<B>(be, plan));
}

template <backend B, class Chain>
class optimizer final : public any_optimizer<B> {
  static_assert(Chain::is_complete,
                "chainrule: an optimizer needs exactly one rule with a learning rate (sgd, "
                "momentum, adam); the others of its chain only change the direction");
  using first_rule = std::remove_cvref_t<decltype(std::get<0>(std::declval<Chain&>().rules()))>;

 public:
  static constexpr std::size_t slots = Chain::slots;

  /// State for arenas of that plan, all 0. `rules` is a rule or a chain of rules.
  template <class Rules>
  [[gnu::noinline]] optimizer(const B& be, const arena_plan& plan, const Rules& rules)
      : any_optimizer<B>(be, plan, slots, Chain::scalars, name_of(chain(rules)),
                         measures_gradient<first_rule>, Chain::treats_tags_alike),
        rules_(chain(rules)) {
    if constexpr (measures_gradient<first_rule>) measured_ = tensor<B>(be, 1, 2);
  }

  /// State for the parameters of a network or parameter_set, and an arena for their gradients, all
  /// 0. The model must outlive the optimizer and not be moved.
  template <class Model, class Rules>
  optimizer(Model& model, const Rules& rules)
      : optimizer(model.backend(), model.parameters().plan(), rules) {
    this->bind(model.parameters(), model.make_gradients());
  }

  void measure([[maybe_unused]] const arena<B>& gradients) override {
    if constexpr (measures_gradient<first_rule>) {
      const B& be = this->backend();
      using limits = std::numeric_limits<scalar_t<B>>;
      constexpr double most = limits::max();
      // Squares of the largest and of the smallest sum that overflows are far from both ends.
      const double scale = std::ldexp(1.0, -limits::max_exponent * 45 / 64);
      const matrix<B> squares = measured_.view().block(0, 0, 1, 1);
      const matrix<B> scaled = measured_.view().block(0, 1, 1, 1);
      be.reduce(reduction::sum{}, squares, fn::sqr{}, gradients.all());
      be.reduce(reduction::sum{}, scaled, typename first_rule::scaled_square{most, scale},
                gradients.all());
      const typename first_rule::all_scalars scalars{std::get<0>(rules_.rules()).limit, most,
                                                     scale};
      for (index_t i = 0; i < this->regions(); ++i)
        be.map(scalars,
               std::array<matrix<B>, 3>{this->scalar(i, 1), this->scalar(i, 2), this->scalar(i, 3)},
               squares, scaled);
    }
  }

  [[nodiscard]] double penalty(const arena<B>& parameters) const override {
    this->require_plan(parameters, parameters);
    double total = 0;
    bool is_behind = false;
    const auto add = [&]<class Rule>(const Rule& rule) {
      is_behind = is_behind || has_rate<Rule>;
      if constexpr (has_penalty<Rule>)
        if (!is_behind)
          total += sum_over_tags(parameters, typename Rule::penalty{},
                                 [&](const slot_tags& tags) { return rule.penalty_factor(tags); });
    };
    std::apply([&](const auto&... rule) { (add(rule), ...); }, rules_.rules());
    return total;
  }

 private:
  /// Σ factor(tags) Σ f(w) over the parameters that are not frozen.
  template <class F, class Factor>
  [[nodiscard]] double sum_over_tags(const arena<B>& parameters, const F& f,
                                     const Factor& factor) const {
    const B& be = this->backend();
    tensor<B> sum(be, 1, 1);
    double total = 0;
    for (index_t i = 0; i < this->regions(); ++i) {
      const slot_tags& tags = parameters.plan().tags(i);
      if (tags.frozen || factor(tags) == 0 || parameters.region(i).empty()) continue;
      be.reduce(reduction::sum{}, sum.view(), f, parameters.region(i));
      total += factor(tags) * static_cast<double>(to_host(be, const_matrix<B>(sum.view()))[0]);
    }
    return total;
  }
  [[nodiscard]] static std::string name_of(const Chain& chain) {
    return std::apply(
        [](const auto&... rule) {
          std::string words;
          ((words += (words.empty() ? "" : ", ") + detail::name_of_rule(rule)), ...);
          return words;
        },
        chain.rules());
  }

  [[nodiscard]] double rate_at(std::int64_t step) const override { return rules_.rate(step); }
  void write_scalars(const step_info& info, scalar_t<B>* to) const override {
    std::array<double, Chain::scalars> all{};
    rules_.prepare(info, all);
    *to++ = static_cast<scalar_t<B>>(this->rate_factor() * rules_.rate(info.step));
    for (const double s : all) *to++ = static_cast<scalar_t<B>>(s);
  }
  void apply(arena<B>& parameters, const arena<B>& gradients, index_t region, index_t first,
             index_t count) override {
    if (count == 0) return;
    const auto range = [&](auto&& a) { return a.all().block(0, first, 1, count); };
    const matrix<B> w = range(parameters);
    const const_matrix<B> g = range(gradients);
    const detail::update_kernel<Chain> kernel{rules_.rules(), identity_};
    [&]<std::size_t... S>(std::index_sequence<S...>) {
      const std::array<matrix<B>, slots> state{range(this->all_state()[S])...};
      this->template map_update<Chain::scalars + 1>(
          kernel, region, std::array<matrix<B>, slots + 1>{w, state[S]...}, w, g, state[S]...);
    }
    (std::make_index_sequence<slots>{});
  }

  [[nodiscard]] bool apply_product(
      [[maybe_unused]] arena<B>& parameters, [[maybe_unused]] index_t region,
      [[maybe_unused]] index_t first, [[maybe_unused]] matrix<B> g,
      [[maybe_unused]] const gemm_operand<const_matrix<B>>& a,
      [[maybe_unused]] const gemm_operand<const_matrix<B>>& b) override {
    // With state, blocks of several arenas at a time take longer to read than whole arenas later.
    if constexpr (slots == 0) return [&]<std::size_t... K>(std::index_sequence<K...>) {
        const B& be = this->backend();
        const matrix<B> w(parameters.all().data() + first, g.rows(), g.cols());
        const detail::update_kernel<Chain> kernel{rules_.rules(), identity_};
        if constexpr (requires {
                        be.gemm_and_map(g, a, b, kernel, std::array{w}, w, g,
                                        this->scalar(region, K)...);
                      })
          return be.gemm_and_map(g, a, b, kernel, std::array{w}, w, g, this->scalar(region, K)...);
        else
          return false;
      }
    (std::make_index_sequence<Chain::scalars + 1>{});
    else return false;
  }

  Chain rules_;
  std::uint64_t identity_ = detail::next_identity();
  tensor<B> measured_;  // of the whole gradient: sums of squares, plain and scaled
};

/// A rule without a chain is a chain of one.
template <backend B, class Rules>
optimizer(const B&, const arena_plan&, const Rules&)
    -> optimizer<B, decltype(chain(std::declval<const Rules&>()))>;
template <class Model, class Rules>
optimizer(Model&, const Rules&)
    -> optimizer<typename Model::backend_type, decltype(chain(std::declval<const Rules&>()))>;

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_OPTIMIZER_HPP

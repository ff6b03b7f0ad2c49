/// \file
/// `optimizer`: a chain of rules with its state, bound to the parameters of one network.
///
///     optimizer opt(be, net.parameters().plan(), chain(weight_decay{1e-4}, momentum{0.1}));
///     opt.update(net.parameters(), gradients);   // a map over the arena, or over each region
#ifndef CHAINRULE_OPTIM_OPTIMIZER_HPP
#define CHAINRULE_OPTIM_OPTIMIZER_HPP

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

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

/// No training makes more: schedules count them in doubles, exactly.
inline constexpr std::int64_t most_steps = std::int64_t{1} << 53;

template <backend B, class Chain>
class optimizer {
  static_assert(Chain::is_complete,
                "chainrule: an optimizer needs exactly one rule with a learning rate (sgd, "
                "momentum, adam); the others of its chain only change the direction");

 public:
  static constexpr std::size_t slots = Chain::slots;

  /// State for arenas of that plan, all 0. `rules` is a rule or a chain of rules.
  template <class Rules>
  optimizer(const B& be, const arena_plan& plan, const Rules& rules)
      : be_(be),
        rules_(chain(rules)),
        plan_(plan),
        host_scalars_(static_cast<std::size_t>(per_step())),
        scalars_(be, 1, per_step()),
        measured_(be, 1, 2) {
    for (auto& s : state_) s = arena<B>(be, plan);
  }

  /// One step: parameters -= rate * direction. Throws shape_error if an arena is of another plan.
  void update(arena<B>& parameters, const arena<B>& gradients) {
    require_plan(parameters, gradients);
    send_scalars();
    take_step(parameters, gradients);
    ++step_;
  }
  /// The same where gradients are still to be completed: complete(first, count) does that for so
  /// many elements of the arena, counted from its beginning. It is called once for each, maybe for
  /// several ranges at the same time; they are used while they are in cache.
  template <class Complete>
  void update(arena<B>& parameters, const arena<B>& gradients,
              const Complete& complete) requires parallel_backend<B> {
    constexpr index_t piece = 8192;
    require_plan(parameters, gradients);
    send_scalars();
    // A rule that measures the whole gradient has to wait for it.
    constexpr bool measures = measures_gradient<first_rule>;
    each_range([&](index_t region, index_t begin, index_t size) {
      be_.parallel_for((size + piece - 1) / piece, [&](index_t i) {
        const index_t first = i * piece;
        const index_t count = first + piece < size ? piece : size - first;
        complete(begin + first, count);
        if constexpr (!measures) update_range(parameters, gradients, region, begin + first, count);
      });
    });
    if constexpr (measures) take_step(parameters, gradients);
    ++step_;
  }

  /// Stores the scalars of the next `count` steps in the backend's memory, for update_planned. That
  /// memory stays where it is in later calls with a `most` that is no larger, so that captured
  /// steps can be replayed. Throws shape_error, out_of_memory.
  void plan_steps(index_t count, index_t most) {
    auto host = detail::host_vector<scalar_t<B>>(detail::elements_of(count, per_step()));
    for (index_t i = 0; i < count; ++i) write_scalars(step_ + i, host.data() + i * per_step());
    if (planned_.rows() < most) planned_ = tensor<B>(be_, most, per_step());
    be_.upload(planned_.top_rows(count),
               matrix_view<const scalar_t<B>>(host.data(), count, per_step()));
  }
  /// Step number `at` of those planned, where `at` is a number in the backend's memory: nothing in
  /// it comes from the host, so it can be recorded and replayed. Whoever does so calls count_step
  /// for each time that it runs.
  template <class Counter>
  void update_planned(arena<B>& parameters, const arena<B>& gradients, const Counter& at) {
    require_plan(parameters, gradients);
    be_.gather(scalars_.view(), const_matrix<B>(planned_.view()), at.view());
    take_step(parameters, gradients);
  }
  void count_step() { ++step_; }

  /// The updates that were made.
  [[nodiscard]] std::int64_t step() const { return step_; }
  /// Goes on after that many. Throws value_error unless they are 0 to most_steps.
  void set_step(std::int64_t step) {
    if (step < 0 || step > most_steps)
      throw value_error(
          detail::concat("a training has made 0 to ", most_steps, " steps, got ", step));
    step_ = step;
  }
  /// The learning rate of the next update.
  [[nodiscard]] double rate() const { return rules_.rate(step_); }
  /// The rules in words: "weight decay, adam".
  [[nodiscard]] std::string name() const {
    return std::apply(
        [](const auto&... rule) {
          std::string words;
          ((words += (words.empty() ? "" : ", ") + detail::name_of_rule(rule)), ...);
          return words;
        },
        rules_.rules());
  }
  /// The state: one arena per slot, in the order of the rules.
  [[nodiscard]] std::array<arena<B>, slots>& state() { return state_; }
  [[nodiscard]] const std::array<arena<B>, slots>& state() const { return state_; }

 private:
  // The numbers of a step live in the backend's memory, so that a schedule never changes a kernel:
  // for each region (a rule may depend on its tags) the rate and then the scalars of the rules.
  static constexpr index_t per_region = static_cast<index_t>(Chain::scalars) + 1;
  [[nodiscard]] index_t per_step() const { return per_region * plan_.regions(); }

  void write_scalars(std::int64_t step, scalar_t<B>* to) const {
    for (index_t region = 0; region < plan_.regions(); ++region) {
      std::array<double, Chain::scalars> all{};
      rules_.prepare({step, plan_.tags(region)}, all);
      *to++ = static_cast<scalar_t<B>>(rules_.rate(step));
      for (const double s : all) *to++ = static_cast<scalar_t<B>>(s);
    }
  }

  [[nodiscard]] matrix<B> scalar(index_t region, std::size_t i) {
    return scalars_.view().block(0, region * per_region + static_cast<index_t>(i), 1, 1);
  }

  using first_rule = std::remove_cvref_t<decltype(std::get<0>(std::declval<Chain&>().rules()))>;

  void send_scalars() {
    write_scalars(step_, host_scalars_.data());
    be_.upload(scalars_.view(),
               matrix_view<const scalar_t<B>>(host_scalars_.data(), 1, per_step()));
  }

  void require_plan(const arena<B>& parameters, const arena<B>& gradients) const {
    for (const arena<B>* a : {&parameters, &gradients})
      if (a->plan() != plan_)
        throw shape_error(detail::concat("the optimizer is bound to ", sizes_in_words(plan_),
                                         "; these ", a == &parameters ? "parameters" : "gradients",
                                         " are ", sizes_in_words(a->plan())));
  }
  [[nodiscard]] static std::string sizes_in_words(const arena_plan& p) {
    std::string words;
    for (index_t i = 0; i < p.regions(); ++i)
      words +=
          detail::concat(i == 0 ? "" : " + ", p.size(i), p.tags(i).decay ? " weights" : " biases");
    return words + " (padding included)";
  }

  void take_step(arena<B>& parameters, const arena<B>& gradients) {
    measure(gradients);
    each_range([&](index_t region, index_t begin, index_t size) {
      update_range(parameters, gradients, region, begin, size);
    });
  }

  /// f(region, begin, size) for all that is updated with the scalars of that region.
  template <class F>
  void each_range(const F& f) const {
    if (Chain::treats_tags_alike && !plan_.has_frozen())
      return f(index_t{0}, index_t{0}, plan_.size());
    for (index_t i = 0; i < plan_.regions(); ++i)
      if (!plan_.tags(i).frozen) f(i, plan_.begin(i), plan_.size(i));
  }

  /// Elements [first, first + count) of the arenas, with the scalars of that region.
  void update_range(arena<B>& parameters, const arena<B>& gradients, index_t region, index_t first,
                    index_t count) {
    if (count == 0) return;
    const auto range = [&](auto&& a) { return a.all().block(0, first, 1, count); };
    apply(range(parameters), range(gradients), region, first, std::make_index_sequence<slots>{},
          std::make_index_sequence<Chain::scalars + 1>{});
  }

  /// Fills in the scalars of a rule that measures the whole gradient, for all regions at once.
  void measure(const arena<B>& gradients) {
    if constexpr (measures_gradient<first_rule>) {
      using limits = std::numeric_limits<scalar_t<B>>;
      constexpr double most = limits::max();
      // Squares of the largest and of the smallest sum that overflows are far from both ends.
      const double scale = std::ldexp(1.0, -limits::max_exponent * 45 / 64);
      const matrix<B> squares = measured_.view().block(0, 0, 1, 1);
      const matrix<B> scaled = measured_.view().block(0, 1, 1, 1);
      be_.reduce(reduction::sum{}, squares, fn::sqr{}, gradients.all());
      be_.reduce(reduction::sum{}, scaled, typename first_rule::scaled_square{most, scale},
                 gradients.all());
      const typename first_rule::all_scalars scalars{std::get<0>(rules_.rules()).limit, most,
                                                     scale};
      for (index_t i = 0; i < plan_.regions(); ++i)
        be_.map(scalars, std::array<matrix<B>, 3>{scalar(i, 1), scalar(i, 2), scalar(i, 3)},
                squares, scaled);
    }
  }

  template <std::size_t... S, std::size_t... K>
  void apply(matrix<B> w, const_matrix<B> g, index_t region, [[maybe_unused]] index_t first,
             std::index_sequence<S...>, std::index_sequence<K...>) {
    const detail::update_kernel<Chain> kernel{rules_.rules(), identity_};
    const std::array<matrix<B>, slots> state{state_[S].all().block(0, first, 1, w.cols())...};
    be_.map(kernel, std::array<matrix<B>, slots + 1>{w, state[S]...}, w, g, state[S]...,
            scalar(region, K)...);
  }

  B be_;
  Chain rules_;
  arena_plan plan_;
  std::array<arena<B>, slots> state_;
  std::uint64_t identity_ = detail::next_identity();
  std::vector<scalar_t<B>> host_scalars_;
  tensor<B> scalars_;   // of the step under way
  tensor<B> planned_;   // of the steps to come, a row each
  tensor<B> measured_;  // of the whole gradient: sums of squares, plain and scaled
  std::int64_t step_ = 0;
};

/// A rule without a chain is a chain of one.
template <backend B, class Rules>
optimizer(const B&, const arena_plan&, const Rules&)
    -> optimizer<B, decltype(chain(std::declval<const Rules&>()))>;

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_OPTIMIZER_HPP

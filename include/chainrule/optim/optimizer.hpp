/// \file
/// `optimizer`: a chain of rules with its state, bound to the parameters of one network.
///
///     optimizer opt(be, net.parameters().plan(), chain(weight_decay{1e-4}, momentum{0.1}));
///     opt.update(net.parameters(), gradients);   // one map over each region of the arena
#ifndef CHAINRULE_OPTIM_OPTIMIZER_HPP
#define CHAINRULE_OPTIM_OPTIMIZER_HPP

#include <array>
#include <tuple>
#include <utility>

#include "chainrule/optim/rules.hpp"

namespace chainrule {

namespace detail {

/// The whole step of a parameter: (w, g, state..., rate, scalars...) -> (w, state...).
template <class Chain>
struct update_kernel;

template <class... Rules>
struct update_kernel<chained<Rules...>> {
  std::tuple<Rules...> rules;

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

}  // namespace detail

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
      : be_(be), rules_(chain(rules)), squares_(be, 1, 1) {
    for (auto& s : state_) s = arena<B>(be, plan);
    for (auto& s : scalars_) s = tensor<B>(be, 1, static_cast<index_t>(host_[0].size()));
  }

  /// One step: parameters -= rate * direction. Throws shape_error if an arena is of another plan.
  void update(arena<B>& parameters, const arena<B>& gradients) {
    for (const role kind : roles) upload_scalars(kind);
    measure(gradients);
    for (const role kind : roles) {
      const matrix<B> w = parameters.region(kind);
      if (w.empty()) continue;
      apply(w, gradients.region(kind), kind, std::make_index_sequence<slots>{},
            std::make_index_sequence<Chain::scalars + 1>{});
    }
    ++step_;
  }

  /// The updates that were made.
  [[nodiscard]] std::int64_t step() const { return step_; }
  void set_step(std::int64_t step) { step_ = step; }
  /// The learning rate of the next update.
  [[nodiscard]] double rate() const { return rules_.rate(step_); }
  /// The state: one arena per slot, in the order of the rules.
  [[nodiscard]] std::array<arena<B>, slots>& state() { return state_; }
  [[nodiscard]] const std::array<arena<B>, slots>& state() const { return state_; }

 private:
  // The numbers of a step live in the backend's memory, the rate first, so that a schedule never
  // changes a kernel. Each region has its own: a rule may treat biases otherwise.
  void upload_scalars(role kind) {
    std::array<double, Chain::scalars> all{};
    rules_.prepare({step_, kind}, all);
    auto& host = host_[static_cast<std::size_t>(kind)];
    host[0] = static_cast<scalar_t<B>>(rules_.rate(step_));
    for (std::size_t i = 0; i < all.size(); ++i) host[i + 1] = static_cast<scalar_t<B>>(all[i]);
    be_.upload(scalars_[static_cast<std::size_t>(kind)].view(),
               matrix_view<const scalar_t<B>>(host.data(), 1, static_cast<index_t>(host.size())));
  }

  [[nodiscard]] matrix<B> scalar(role kind, std::size_t i) {
    return scalars_[static_cast<std::size_t>(kind)].view().block(0, static_cast<index_t>(i), 1, 1);
  }

  /// Fills in the scalar of a rule that measures the whole gradient, for all regions at once.
  void measure(const arena<B>& gradients) {
    const auto& first = std::get<0>(rules_.rules());
    if constexpr (measures_gradient<std::remove_cvref_t<decltype(first)>>) {
      be_.reduce(sum{}, squares_.view(), fn::sqr{}, gradients.all());
      for (const role kind : roles) be_.map(first.factor(), scalar(kind, 1), squares_.view());
    }
  }

  template <std::size_t... S, std::size_t... K>
  void apply(matrix<B> w, const_matrix<B> g, role kind, std::index_sequence<S...>,
             std::index_sequence<K...>) {
    const detail::update_kernel<Chain> kernel{rules_.rules()};
    be_.map(kernel, std::array<matrix<B>, slots + 1>{w, state_[S].region(kind)...}, w, g,
            state_[S].region(kind)..., scalar(kind, K)...);
  }

  B be_;
  Chain rules_;
  std::array<arena<B>, slots> state_;
  std::array<tensor<B>, 2> scalars_;
  std::array<std::array<scalar_t<B>, Chain::scalars + 1>, 2> host_{};
  tensor<B> squares_;
  std::int64_t step_ = 0;
};

/// A rule without a chain is a chain of one.
template <backend B, class Rules>
optimizer(const B&, const arena_plan&, const Rules&)
    -> optimizer<B, decltype(chain(std::declval<const Rules&>()))>;

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_OPTIMIZER_HPP

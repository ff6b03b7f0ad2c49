/// \file
/// `network`: a chain of layers whose types are known when the program is compiled.
///
///     network net{cpu{}, dense{784, 128, relu{}}, dense{128, 10}};
///     net.initialize(7);
///     tensor<cpu> logits = net.predict(images);
///
/// Extents that do not fit fail to compile where they stand in the types (`dense<784, 128>{}`), and
/// with a shape_error where they are values. For architectures that are only known at run time see
/// network/sequential.hpp; everything a network can do is in network/layer_stack.hpp.
#ifndef CHAINRULE_NETWORK_NETWORK_HPP
#define CHAINRULE_NETWORK_NETWORK_HPP

#include <tuple>
#include <utility>

#include "chainrule/network/layer_stack.hpp"

namespace chainrule {

namespace detail {
/// The spec gives as many features as it takes.
template <class Spec>
concept keeps_features = requires {
  requires Spec::keeps_features;
};

/// Whether each layer takes what the one before it gives, as far as the types tell.
template <class... Specs>
[[nodiscard]] consteval bool extents_agree() {
  index_t features = dynamic;
  bool agree = true;
  const auto next = [&](index_t inputs, index_t outputs, bool same_as_input) {
    if (features != dynamic && inputs != dynamic && features != inputs) agree = false;
    // A layer that takes any number of features passes on as many.
    if (!same_as_input) features = outputs;
  };
  (next(Specs::static_inputs, Specs::static_outputs, keeps_features<Specs>), ...);
  return agree;
}
}  // namespace detail

template <backend B, class... Specs>
class network : public layer_stack<network<B, Specs...>, B> {
  static_assert(sizeof...(Specs) > 0, "chainrule: a network needs at least one layer");
  static_assert(detail::extents_agree<Specs...>(),
                "chainrule: a layer expects another number of features than the layer before it "
                "produces; compare the extents in the types of neighbouring layers");
  using base = layer_stack<network, B>;

 public:
  /// Binds the specs one after another; parameters get their first values from seed 0. Throws
  /// shape_error if neighbours do not fit.
  explicit network(const B& be, const Specs&... specs) : network(be, parameter_plan{}, specs...) {}

  /// The same network with the same parameters on another backend.
  template <backend To>
  [[nodiscard]] network<To, Specs...> to(const To& be) const {
    auto moved = std::apply(
        [&](const Specs&... specs) { return network<To, Specs...>(be, specs...); }, specs_);
    moved.assign(*this);
    return moved;
  }

  /// Calls f(number, layer) for each layer, first to last.
  template <class F>
  void each_layer(F&& f) const {
    walk(std::index_sequence_for<Specs...>{}, [&](index_t i, const auto& l) { f(i, l); });
  }
  /// The same, last to first.
  template <class F>
  void each_layer_reversed(F&& f) const {
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      constexpr std::size_t last = sizeof...(Specs) - 1;
      (f(static_cast<index_t>(last - I), std::get<last - I>(layers_)), ...);
    }
    (std::index_sequence_for<Specs...>{});
  }

 private:
  network(const B& be, parameter_plan plan, const Specs&... specs)
      : network(be, plan, index_t{dynamic}, std::string{}, specs...) {}

  // The braces bind the layers in order: each needs what the one before it gives.
  network(const B& be, parameter_plan& plan, index_t features, std::string previous,
          const Specs&... specs)
      : base(be), specs_(specs...), layers_{bind_next(specs, features, previous, plan)...} {
    base::finish(std::move(plan));
  }

  template <class Spec>
  static auto bind_next(const Spec& spec, index_t& features, std::string& previous,
                        parameter_plan& plan) {
    auto bound = bind_behind<B>(spec, features, previous, plan);
    features = bound.outputs();
    previous = Spec::name;
    return bound;
  }

  template <std::size_t... I, class F>
  void walk(std::index_sequence<I...>, F&& f) const {
    (f(static_cast<index_t>(I), std::get<I>(layers_)), ...);
  }

  std::tuple<Specs...> specs_;
  std::tuple<decltype(std::declval<const Specs&>().template bind<B>(
      index_t{}, std::declval<parameter_plan&>()))...>
      layers_;
};

template <backend B, class... Specs>
network(B, Specs...) -> network<B, Specs...>;

}  // namespace chainrule

#endif  // CHAINRULE_NETWORK_NETWORK_HPP

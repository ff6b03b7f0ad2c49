/// \file
/// `parameter_set<B>`: named parameters of a function of variables, to be trained by an
/// `optimizer`; and `variables`, which takes the parameters of a set, or of a network, to a tape.
///
///     parameter_set p{be, {{"w", {1, 12}, init::glorot_uniform()}, {"b", {1, 12}}}};
///     optimizer opt{p, adam{1e-3}};
///     tape t{be};
///     const auto q = variables(t, p, opt.gradients());
///     for (int step = 0; step < 1000; ++step) {
///       opt.zero_gradients();
///       backward(loss(x * q[0] + q[1]));      // adds to opt.gradients()
///       opt.update();                         // q has the new values
///     }
///
/// The members are those of a network, so that save_weights and load_weights take a set too.
#ifndef CHAINRULE_AUTODIFF_PARAMETER_SET_HPP
#define CHAINRULE_AUTODIFF_PARAMETER_SET_HPP

#include "chainrule/autodiff/tape.hpp"
#include "chainrule/layers/plan.hpp"

namespace chainrule {

/// Move-only.
template <backend B>
class parameter_set {
 public:
  using backend_type = B;

  /// Parameters with first values from the seed. Throws value_error if two names are equal.
  parameter_set(const B& be, const std::vector<parameter_spec>& parameters, std::uint64_t seed = 0)
      : be_(be) {
    for (const parameter_spec& p : parameters) (void)plan_.declare(p);
    parameters_ = arena<B>(be_, plan_.parameter_arena());
    states_ = arena<B>(be_, plan_.state_arena());
    initialize(seed);
  }

  [[nodiscard]] const B& backend() const { return be_; }
  [[nodiscard]] const plan& declared() const { return plan_; }
  /// Every parameter, in the order in which they were given.
  [[nodiscard]] const detail::plain_vector<parameter>& parameter_list() const { return plan_.parameters(); }
  [[nodiscard]] arena<B>& parameters() { return parameters_; }
  [[nodiscard]] const arena<B>& parameters() const { return parameters_; }
  /// A set has no untrained state: an empty arena.
  [[nodiscard]] arena<B>& states() { return states_; }
  [[nodiscard]] const arena<B>& states() const { return states_; }
  /// The values of one parameter. Throws value_error if there is none of that name.
  [[nodiscard]] matrix<B> values(std::string_view name) { return parameters_[place_of(name)]; }
  [[nodiscard]] const_matrix<B> values(std::string_view name) const {
    return parameters_[place_of(name)];
  }
  [[nodiscard]] slice place_of(std::string_view name) const {
    for (const parameter& p : parameter_list())
      if (p.name == name) return p.place;
    throw value_error(detail::concat("the set has no parameter '", name, "'"));
  }
  /// An arena for gradients, all 0; its slices are those of the parameters.
  [[nodiscard]] arena<B> make_gradients() const { return arena<B>(be_, plan_.parameter_arena()); }
  /// A description for files: that of a network of one layer, which is the set.
  [[nodiscard]] description describe() const {
    description d = archive("network").result();
    d.layers.push_back(archive("parameter_set").result());
    return d;
  }
  /// Assigns first values; a seed gives the same values on any backend.
  void initialize(std::uint64_t seed) {
    std::uint64_t stream = 0;
    for (const parameter& p : parameter_list())
      detail::initialize(be_, parameters_, p, seed, stream++);
  }

 private:
  B be_;
  plan plan_;
  arena<B> parameters_;
  arena<B> states_;
};

/// One variable for each parameter of a parameter_set or a network (a constant for a frozen one),
/// in the order of parameter_list(), in the model's memory: updates of the parameters change the
/// variables, so what was computed from them must no longer be used then. Backward passes add to
/// `gradients`, an arena of the model, which is not set to 0 here. Model and gradients must outlive
/// the variables. Throws shape_error if the gradients are of another model.
template <backend B, class Model>
[[nodiscard]] std::vector<variable<B>> variables(tape<B>& t, const Model& model,
                                                 arena<B>& gradients) {
  if (gradients.plan() != model.parameters().plan())
    throw shape_error(detail::concat("variables: the gradients have room for ",
                                     gradients.all().size(), " numbers, the parameters are ",
                                     model.parameters().all().size(),
                                     "; use make_gradients() of this model"));
  std::vector<variable<B>> list;
  for (const parameter& p : model.parameter_list())
    list.push_back(p.tags.frozen ? t.borrow_constant(model.parameters()[p.place])
                                 : t.borrow(model.parameters()[p.place], gradients[p.place]));
  return list;
}

}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_PARAMETER_SET_HPP

/// \file
/// `lambda_layer`: a function of variables as a layer of a network.
///
///     network net{cpu{}, dense{784, 64},
///                 lambda_layer{64, 64, [](const auto& x) { return x / norm(x, over::cols); }},
///                 dense{10}};
///
///     // With parameters, which the function is given as a std::vector in their order:
///     lambda_layer{3, 2,
///                  {{"weight", {3, 2}, init::glorot_uniform()}, {"bias", {1, 2}, init::zeros(),
///                  false}},
///                  [](const auto& x, const auto& p) { return sin(matmul(x, p[0]) + p[1]); }}
///
/// The function takes variables of any backend (x: n × inputs) and returns n × outputs. The forward
/// pass runs it without recording and saves nothing; the backward pass runs it again and records,
/// so the function must return the same values each time. It may combine samples, so a batch is not
/// cut into micro-batches. A tape allocates: where a step must not, write a layer
/// (layers/layer.hpp).
#ifndef CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP
#define CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/layers/layer.hpp"

namespace chainrule {

using lambda_parameter [[deprecated("chainrule: now parameter_spec")]] = parameter_spec;

template <class F>
class lambda_layer {
 public:
  static constexpr const char* name = "lambda";

  /// f(x). Throws value_error if an extent is below 1.
  lambda_layer(index_t inputs, index_t outputs, F f) : lambda_layer(inputs, outputs, {}, f) {}
  /// f(x, parameters). Throws value_error if an extent is below 1 or two names are equal.
  lambda_layer(index_t inputs, index_t outputs, std::vector<parameter_spec> parameters, F f)
      : inputs_(inputs), outputs_(outputs), parameters_(std::move(parameters)), f_(f) {
    if (inputs < 1 || outputs < 1)
      throw value_error(
          detail::concat("a lambda layer needs at least one input and one output, got ", inputs,
                         " and ", outputs));
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (parameters_[i].name == parameters_[j].name)
          throw value_error(detail::concat("a lambda layer has two parameters named '",
                                           parameters_[i].name, "'; give each its own name"));
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in, inputs_);
    ids_.clear();
    for (const parameter_spec& l : parameters_) ids_.push_back(p.declare(l, inputs_, outputs_));
    p.needs_whole_batch();
    return x.with_last(outputs_);
  }

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    tape<B> t(p.backend());
    const no_grad silent(t);
    std::vector<variable<B>> parameters;
    for (const parameter_id id : ids_) parameters.push_back(t.borrow_constant(p.value(id)));
    x = with_columns(x, inputs_);
    p.backend().copy(with_columns(y, outputs_), run(t.borrow_constant(x), parameters).view());
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    tape<B> t(be);
    x = with_columns(x, inputs_);
    std::vector<variable<B>> parameters;
    for (const parameter_id id : ids_) {
      const auto [gradient, beta] = p.gradient_to_add(id);
      if (beta == 0) ops::fill(be, gradient, 0);
      parameters.push_back(t.borrow(p.value(id), gradient));
    }
    if (!dx.empty()) ops::fill(be, dx, 0);
    const variable<B> input =
        dx.empty() ? t.borrow_constant(x) : t.borrow(x, with_columns(dx, inputs_));
    if (!dx.empty() || !parameters.empty())
      math::backward(run(input, parameters), t.borrow_constant(with_columns(dy, outputs_)));
  }

  void describe(archive& a) const { a.extent("outputs", outputs_); }

 private:
  template <backend B>
  [[nodiscard]] variable<B> run(const variable<B>& x, const std::vector<variable<B>>& p) const {
    variable<B> y;
    if constexpr (std::is_invocable_v<const F&, const variable<B>&>)
      y = f_(x);
    else
      y = f_(x, p);
    if (y.shape() != matrix_shape{x.rows(), outputs_})
      throw shape_error(detail::concat("the function of a lambda layer returned ",
                                       to_string(y.shape()), " for ", x.rows(),
                                       " samples, expected ", x.rows(), "x", outputs_));
    return detail::on_graph(x.graph(), y);
  }

  index_t inputs_;
  index_t outputs_;
  std::vector<parameter_spec> parameters_;
  F f_;
  std::vector<parameter_id> ids_;
};

template <class F>
lambda_layer(index_t, index_t, F) -> lambda_layer<F>;
template <class F>
lambda_layer(index_t, index_t, std::vector<parameter_spec>, F) -> lambda_layer<F>;

}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP

/// \file
/// `lambda_layer`: a function of variables as a layer of a network.
///
///     network net{cpu{}, dense{784, 64},
///                 lambda_layer{64, 64, [](const auto& x) { return x / norm(x, over::cols); }},
///                 dense{64, 10}};
///
///     // With a weight and a bias of its own:
///     lambda_layer{3, 2, {{role::weight, 3, 2, init::glorot_uniform()}, {role::bias, 1, 2}},
///                  [](const auto& x, const auto& p) { return sin(matmul(x, p[0]) + p[1]); }}
///
/// The function takes variables of any backend (x: n x inputs, and a std::vector of the parameters)
/// and gives n x outputs. It runs forward without a tape's history; backward it runs once more,
/// with it: so a layer keeps nothing, and the function must give the same each time. A tape
/// allocates: where a step must not, write a layer (layers/layer.hpp).
#ifndef CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP
#define CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/autodiff/matmul.hpp"
#include "chainrule/autodiff/structure.hpp"
#include "chainrule/layers/layer.hpp"

namespace chainrule {

/// A parameter of a lambda layer.
struct lambda_parameter {
  role kind = role::weight;
  index_t rows = 0;
  index_t cols = 0;
  initializer initial = init::zeros();
};

template <backend B, class F>
class bound_lambda_layer {
 public:
  bound_lambda_layer(index_t inputs, index_t outputs, const F& f, std::vector<slice> parameters)
      : inputs_(inputs), outputs_(outputs), f_(f), parameters_(std::move(parameters)) {}

  [[nodiscard]] index_t inputs() const { return inputs_; }
  [[nodiscard]] index_t outputs() const { return outputs_; }
  [[nodiscard]] index_t kept() const { return 0; }
  [[nodiscard]] std::string name() const { return "lambda"; }

  void forward(const B& be, const arena<B>& parameters, const_matrix<B> x, matrix<B> y, matrix<B>,
               const phase&) const {
    tape<B> t(be);
    const no_grad silent(t);
    std::vector<variable<B>> p;
    for (const slice& s : parameters_) p.push_back(t.borrow_constant(parameters[s]));
    be.copy(y, run(t.borrow_constant(x), p).view());
  }

  void backward(const B& be, const arena<B>& parameters, arena<B>& gradients, const_matrix<B> x,
                const_matrix<B>, const_matrix<B>, matrix<B> dy, matrix<B> dx) const {
    tape<B> t(be);
    std::vector<variable<B>> p;
    for (const slice& s : parameters_) p.push_back(t.borrow(parameters[s]));
    const variable<B> input = dx.empty() ? t.borrow_constant(x) : t.borrow(x);
    const variable<B> y = run(input, p);
    std::vector<variable<B>> wanted = p;
    if (!dx.empty()) wanted.push_back(input);
    if (wanted.empty()) return;
    const auto slopes = vjp(y, wanted, t.borrow_constant(dy));
    for (std::size_t i = 0; i < parameters_.size(); ++i)
      be.copy(gradients[parameters_[i]], slopes[i].view());
    if (!dx.empty()) be.copy(dx, slopes.back().view());
  }

 private:
  [[nodiscard]] variable<B> run(const variable<B>& x, const std::vector<variable<B>>& p) const {
    variable<B> y;
    if constexpr (std::is_invocable_v<const F&, const variable<B>&>)
      y = f_(x);
    else
      y = f_(x, p);
    if (y.shape() != shape{x.rows(), outputs_})
      throw shape_error(detail::concat("the function of a lambda layer gave ", to_string(y.shape()),
                                       " for ", x.rows(), " samples, it should give ", x.rows(),
                                       "x", outputs_));
    return detail::on_graph(x.graph(), y);
  }

  index_t inputs_;
  index_t outputs_;
  F f_;
  std::vector<slice> parameters_;
};

template <class F>
class lambda_layer {
 public:
  static constexpr index_t static_inputs = dynamic;
  static constexpr index_t static_outputs = dynamic;
  static constexpr const char* name = "lambda";

  /// f(x). Throws value_error if an extent is below 1.
  lambda_layer(index_t inputs, index_t outputs, F f) : lambda_layer(inputs, outputs, {}, f) {}
  /// f(x, parameters): at most one weight and one bias, for that is what parameters are named by.
  lambda_layer(index_t inputs, index_t outputs, std::vector<lambda_parameter> parameters, F f)
      : inputs_(inputs), outputs_(outputs), parameters_(std::move(parameters)), f_(f) {
    if (inputs < 1 || outputs < 1)
      throw value_error(
          detail::concat("a lambda layer needs at least one input and one output, got ", inputs,
                         " and ", outputs));
    index_t count[2] = {};
    for (const lambda_parameter& p : parameters_)
      if (++count[static_cast<std::size_t>(p.kind)] > 1)
        throw value_error(
            "a lambda layer has at most one weight and one bias; put what belongs together into "
            "one matrix, and take blocks of it");
  }

  [[nodiscard]] index_t inputs() const { return inputs_; }

  template <backend B>
  [[nodiscard]] bound_lambda_layer<B, F> bind(index_t inputs, parameter_plan& plan) const {
    std::vector<slice> places;
    for (const lambda_parameter& p : parameters_)
      places.push_back(plan.add(p.kind, p.rows, p.cols, p.initial, inputs, outputs_));
    return {inputs, outputs_, f_, std::move(places)};
  }

 private:
  index_t inputs_;
  index_t outputs_;
  std::vector<lambda_parameter> parameters_;
  F f_;
};

template <class F>
lambda_layer(index_t, index_t, F) -> lambda_layer<F>;
template <class F>
lambda_layer(index_t, index_t, std::vector<lambda_parameter>, F) -> lambda_layer<F>;

}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_LAMBDA_LAYER_HPP

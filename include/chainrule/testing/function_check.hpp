/// \file
/// `check_gradients` for functions of variables: the gradient that a tape computes against finite
/// differences, element by element, for every input.
///
///     tape<basic_cpu<double>> t;
///     const auto x = t.variable(2, 3, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6});
///     const auto w = t.variable(3, 1, {1, -1, 2});
///     const auto f = [](const auto& a, const auto& b) { return tanh(matmul(a, b)); };
///     auto report = check_gradients(f, x, w);
///     std::puts(to_string(report).c_str());
///     // gradients agree: worst relative error 8.7e-11 at input 1(0, 0), analytic 0.248 ...
///     report = check_gradients(f, x, w, {.second_order = true});  // the gradient of the gradient
///
/// Works in double, on any backend that has it: values go through upload and download. For networks
/// see testing/gradient_check.hpp.
#ifndef CHAINRULE_TESTING_FUNCTION_CHECK_HPP
#define CHAINRULE_TESTING_FUNCTION_CHECK_HPP

#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/autodiff/backward.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/testing/gradient_comparison.hpp"

namespace chainrule {

struct function_check_options {
  /// The largest relative error that passes.
  double tolerance = 1e-6;
  /// The relative error of an analytic gradient a and a numeric one b is
  /// |a - b| / max(|a|, |b|, floor * max(1, |value|)), for the value of which differences are
  /// taken: below the floor, differences consist of rounding errors.
  double floor = 1e-3;
  /// Checks the gradient of the gradient in place of the gradient: second derivatives.
  bool second_order = false;
  /// Accepts inputs whose gradient is zero everywhere, which proves little.
  bool allow_zero = false;
};

namespace detail {

/// A type-erased function of variables: the checker is compiled once per backend.
template <backend B>
struct taped_function {
  const void* f;
  variable<B> (*run)(const void* f, const std::vector<variable<B>>& x);
};

/// Compares the derivatives of a number, Σ weight * element over the outputs, with different
/// weights. The outputs are f(x), or for second derivatives the gradients of their weighted sum
/// with respect to each x.
template <backend B>
class function_checker final : function_at_a_point {
  static_assert(std::same_as<scalar_t<B>, double>,
                "chainrule: gradients are checked in double; make the tape over basic_cpu<double>, "
                "or over your backend's rebind<double>");
  using list = std::vector<variable<B>>;
  using numbers = std::vector<double>;

 public:
  function_checker(const taped_function<B>& f, const list& inputs,
                   const function_check_options& options)
      : f_(f),
        graph_(graph_of_all(inputs)),
        be_(graph_.backend()),
        options_(options),
        comparison_(options.tolerance, options.floor, options.allow_zero) {
    for (const variable<B>& x : inputs) {
      points_.emplace_back(be_, x.rows(), x.cols());
      be_.copy(points_.back().view(), x.view());
    }
  }

  gradient_report run() {
    at_point_ = value();
    require_same_value();
    unset_free_memory();
    const std::vector<numbers> gradients = differentiate();
    for (std::size_t k = 0; k < points_.size(); ++k) {
      place_ = points_[k].view();
      comparison_.compare(concat("input ", k), place_.shape(),
                          to_host(be_, const_matrix<B>(place_)), gradients[k], *this, at_point_);
    }
    require_same_value();  // all elements were restored
    return comparison_.report();
  }

 private:
  static graph<B>& graph_of_all(const list& inputs) {
    if (inputs.empty())
      throw value_error(
          "check_gradients: a function without inputs has no gradient; give the variables it is "
          "called with, check_gradients(f, {x, w})");
    for (const variable<B>& x : inputs) (void)x.node();  // throws for a constant of no tape
    for (const variable<B>& x : inputs) (void)graph_of(inputs.front(), x);
    return inputs.front().graph();
  }

  /// Variables that refer to the points.
  [[nodiscard]] list inputs() {
    list x;
    for (tensor<B>& p : points_) {
      x.push_back(variable<B>::adopt(graph_, graph_.make_view(p.view(), nullptr)));
      x.back().node().wants_gradient = true;
    }
    return x;
  }

  [[nodiscard]] variable<B> on_device(matrix_shape s, const numbers& elements) {
    variable<B> x = variable<B>::adopt(graph_, graph_.make(s));
    be_.upload(graph_.writable(&x.node()),
               matrix_view<const double>(elements.data(), s.rows, s.cols));
    be_.synchronize();  // `elements` is destroyed when this returns
    return x;
  }

  [[nodiscard]] variable<B> result(const list& x) {
    variable<B> y = f_.run(f_.f, x);
    (void)graph_of(x.front(), y);
    y = on_graph(graph_, y);
    if (y.shape().size() == 0)
      throw shape_error(concat("check_gradients: the function gave ", to_string(y.shape()),
                               ", which has no elements"));
    if (!y.requires_gradient())
      throw value_error(
          "check_gradients: the result does not depend on the inputs by recorded operations, so it "
          "has no gradient; a number taken to the host, detach or no_grad stands between");
    return y;
  }

  [[nodiscard]] list outputs(const list& x) {
    const variable<B> y = result(x);
    if (!options_.second_order) return {y};
    return vjp(y, x, on_device(y.shape(), weights(x.size(), y.shape())), {.create_graph = true});
  }

  /// The weights of output k.
  [[nodiscard]] static numbers weights(std::size_t k, matrix_shape s) {
    random_stream random(k, 0);
    numbers w(static_cast<std::size_t>(s.size()));
    for (double& element : w) element = random.uniform(0.5, 1.5);
    return w;
  }

  [[nodiscard]] double value() override {
    const index_t before = graph_.size();
    const list of = outputs(inputs());
    nodes_ = graph_.size() - before;
    double total = 0;
    for (std::size_t k = 0; k < of.size(); ++k) {
      const numbers w = weights(k, of[k].shape());
      const numbers elements = to_host(of[k]);
      for (std::size_t e = 0; e < w.size(); ++e) total += w[e] * elements[e];
    }
    return total;
  }

  /// The gradient of value() with respect to each input.
  [[nodiscard]] std::vector<numbers> differentiate() {
    const list x = inputs();
    const list of = outputs(x);
    std::vector<numbers> total;
    for (std::size_t k = 0; k < of.size(); ++k) {
      const variable<B> seed = on_device(of[k].shape(), weights(k, of[k].shape()));
      const list gradients = vjp(of[k], x, seed, {.keep_graph = true});
      for (std::size_t i = 0; i < x.size(); ++i) {
        const numbers more = to_host(gradients[i]);
        if (k == 0) total.push_back(more);
        for (std::size_t e = 0; k > 0 && e < more.size(); ++e) total[i][e] += more[e];
      }
    }
    return total;
  }

  /// Fills the memory that the tape allocates next with NaN, so that an operation that does not
  /// write its gradient is detected instead of reusing values of an earlier pass.
  void unset_free_memory() {
    list held;
    const auto unset = [&](matrix_shape s) {
      const numbers nan(static_cast<std::size_t>(s.size()),
                        std::numeric_limits<double>::quiet_NaN());
      held.push_back(on_device(s, nan));
    };
    for (index_t i = 0; i < 4 * nodes_ + 16; ++i) unset({1, memory_pool<B>::cell});
    for (const tensor<B>& p : points_) unset(p.shape());
  }

  void require_same_value() {
    const double again = value();
    if (again != at_point_ && !(is_nan(again) && is_nan(at_point_)))
      throw value_error(concat(
          "check_gradients: the function is none of its inputs alone, its weighted sum is ",
          at_point_, " and then ", again,
          " for the same ones; draw random numbers before it, and let it change nothing it reads"));
  }

  void put(index_t i, index_t j, double value) override {
    be_.upload(place_.block(i, j, 1, 1), matrix_view<const double>(&value, 1, 1));
    be_.synchronize();  // `value` is destroyed when this returns
  }

  taped_function<B> f_;
  graph<B>& graph_;
  B be_;
  std::vector<tensor<B>> points_;
  matrix<B> place_;  // the matrix that is compared
  index_t nodes_ = 0;
  double at_point_ = 0;
  function_check_options options_;
  gradient_comparison comparison_;
};

template <backend B, class F>
[[nodiscard]] gradient_report check_function(const F& f, const std::vector<variable<B>>& inputs,
                                             const function_check_options& options) {
  const auto run = [](const void* erased, const std::vector<variable<B>>& x) {
    return variable<B>((*static_cast<const F*>(erased))(x));
  };
  return function_checker<B>({&f, run}, inputs, options).run();
}

}  // namespace detail

/// Compares the gradient of f, with respect to every element of every input, with a central
/// difference in the step h = cbrt(epsilon) max(1, |v|) for an element of value v.
///
/// f takes a std::vector of variables and returns a variable of any shape, of whose elements a
/// weighted sum is differentiated. It may use other variables of the same tape. The inputs are
/// variables or constants of a tape, and stay as they are. Elements where f has a kink (the
/// differences to the two sides disagree) are skipped and counted. Throws value_error if f is not a
/// function of its inputs or its result does not depend on them, and whatever f throws.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, const std::vector<variable<B>>& inputs,
                                              const function_check_options& options = {}) {
  return detail::check_function(f, inputs, options);
}
/// Compares the gradients of f with differences for the listed inputs.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, std::initializer_list<variable<B>> inputs,
                                              const function_check_options& options = {}) {
  return detail::check_function(f, std::vector<variable<B>>(inputs), options);
}

/// Compares the gradient of a function of one to four separate variables.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, const variable<B>& a,
                                              const function_check_options& options = {}) {
  return check_gradients([&](const auto& x) { return f(x[0]); }, {a}, options);
}
/// Compares the gradients of f with differences for each of the inputs.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, const variable<B>& a,
                                              const variable<B>& b,
                                              const function_check_options& options = {}) {
  return check_gradients([&](const auto& x) { return f(x[0], x[1]); }, {a, b}, options);
}
/// Compares the gradients of f with differences for each of the inputs.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, const variable<B>& a,
                                              const variable<B>& b, const variable<B>& c,
                                              const function_check_options& options = {}) {
  return check_gradients([&](const auto& x) { return f(x[0], x[1], x[2]); }, {a, b, c}, options);
}
/// Compares the gradients of f with differences for each of the inputs.
template <class F, backend B>
[[nodiscard]] gradient_report check_gradients(const F& f, const variable<B>& a,
                                              const variable<B>& b, const variable<B>& c,
                                              const variable<B>& d,
                                              const function_check_options& options = {}) {
  return check_gradients([&](const auto& x) { return f(x[0], x[1], x[2], x[3]); }, {a, b, c, d},
                         options);
}

}  // namespace chainrule

#endif  // CHAINRULE_TESTING_FUNCTION_CHECK_HPP

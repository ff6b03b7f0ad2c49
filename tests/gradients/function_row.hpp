/// \file
/// Rows of the table of gradients for functions of variables.
#ifndef CHAINRULE_TESTS_GRADIENTS_FUNCTION_ROW_HPP
#define CHAINRULE_TESTS_GRADIENTS_FUNCTION_ROW_HPP

#include "gradients/row.hpp"

namespace gradients {

/// The gradient of Σ weight * element of f, with respect to each input.
template <class B, class F>
[[nodiscard]] gradient_list taped_gradients(const F& f, const std::vector<plain_matrix>& inputs) {
  tape<B> t;
  std::vector<variable<B>> x;
  for (const plain_matrix& m : inputs) x.push_back(on_tape(t, m));
  const variable<B> y = f(x);
  const plain_matrix weights = rounded(spread(y.rows(), y.cols(), 99, 0.5, 1.5));
  gradient_list list;
  for (const auto& g : vjp(y, x, t.constant(weights.rows, weights.cols, weights.elements)))
    list.push_back(values(g));
  return list;
}

/// Which rows a function has.
enum class orders { first_and_second, first };

/// Inputs of a function, and several times inputs, for rows that are the worst of them.
using inputs = std::vector<plain_matrix>;

/// The rows of a function that takes a std::vector of variables: first derivatives, second ones if
/// there are some, and in float.
template <class F>
void function_row(const std::string& group, const std::string& name, const F& f,
                  std::vector<inputs> points, orders which = orders::first_and_second) {
  using D = support::tested<double>;
  using S = support::tested<float>;
  double_row first(group, name);
  double_row second(group + ", second derivatives", name);
  float_row single(group, name);
  for (inputs& at : points) {
    index_t terms = 0;
    for (plain_matrix& m : at) {
      m = rounded(std::move(m));
      terms += m.rows * m.cols;
    }
    if (wanted("double")) {
      tape<D> t;
      std::vector<variable<D>> x;
      for (const plain_matrix& m : at) x.push_back(on_tape(t, m));
      first.add(check_gradients(f, x), terms);
      if (which == orders::first_and_second)
        second.add(check_gradients(f, x, {.second_order = true}), terms);
    }
    if (wanted("float")) single.add(taped_gradients<S>(f, at), taped_gradients<D>(f, at), terms, 4);
  }
}
template <class F>
void function_row(const std::string& group, const std::string& name, const F& f, const inputs& at,
                  orders which = orders::first_and_second) {
  function_row(group, name, f, std::vector<inputs>{at}, which);
}

}  // namespace gradients

#endif  // CHAINRULE_TESTS_GRADIENTS_FUNCTION_ROW_HPP

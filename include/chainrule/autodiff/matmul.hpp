/// \file
/// Products and transposes of variables.
///
///     y = matmul(x, w) + b;                       // x: n x in, w: in x out, b: 1 x out
///     g = matmul(transposed(x), x);               // no transpose is made
///     z = transpose(x);                           // one is
#ifndef CHAINRULE_AUTODIFF_MATMUL_HPP
#define CHAINRULE_AUTODIFF_MATMUL_HPP

#include "chainrule/autodiff/reductions.hpp"

namespace chainrule {

namespace math {

/// A factor of a product, as it is or transposed.
template <backend B>
struct variable_factor {
  const variable<B>& x;
  bool is_transposed = false;

  // NOLINTNEXTLINE: implicit by design, a variable is a factor
  variable_factor(const variable<B>& v, bool t = false) : x(v), is_transposed(t) {}
  [[nodiscard]] chainrule::matrix_shape shape() const {
    const chainrule::matrix_shape s = x.shape();
    return is_transposed ? chainrule::matrix_shape{s.cols, s.rows} : s;
  }
};

/// The transpose of x, as a factor of a product. x must live until then.
template <backend B>
[[nodiscard]] variable_factor<B> transposed(const variable<B>& x) {
  return {x, true};
}

template <backend B>
[[nodiscard]] variable<B> product(const variable_factor<B>& a, const variable_factor<B>& b);
template <backend B>
[[nodiscard]] variable<B> transpose(const variable<B>& x);

}  // namespace math

namespace detail {

template <backend B>
struct matmul_operation {
  struct flags {
    bool a = false;
    bool b = false;
  };

  // With A = op(a), B = op(b), C = A B: dA = dC Bᵀ, dB = Aᵀ dC, each transposed once more where
  // the factor was.
  static void vjp(vjp_step<B>& step) {
    using factor = math::variable_factor<B>;
    const auto [a_flag, b_flag] = step.template kept<flags>();
    const variable<B> dc = step.dy();
    if (step.wants(0)) {
      const variable<B> b = step.input(1);
      step.give(0, a_flag ? math::product(factor(b, b_flag), factor(dc, true))
                          : math::product(factor(dc), factor(b, !b_flag)));
    }
    if (step.wants(1)) {
      const variable<B> a = step.input(0);
      step.give(1, b_flag ? math::product(factor(dc, true), factor(a, a_flag))
                          : math::product(factor(a, !a_flag), factor(dc)));
    }
  }
  static constexpr operation<B> instance{"matmul", &vjp};
};

template <backend B>
struct transpose_operation {
  static void vjp(vjp_step<B>& step) { step.give(0, math::transpose(step.dy())); }
  static constexpr operation<B> instance{"transpose", &vjp};
};

/// to = fromᵀ: by a verb, or a loop where the host sees the memory, else row by row (or column by
/// column, if there are fewer).
template <backend B>
void transpose_into(const B& be, matrix<B> to, const_matrix<B> from) {
  if (from.empty()) return;
  if constexpr (requires { be.transpose(to, from); }) {
    be.transpose(to, from);
  } else if constexpr (in_host_memory<B>) {
    constexpr index_t tile = 16;
    for (index_t i = 0; i < from.rows(); i += tile)
      for (index_t j = 0; j < from.cols(); j += tile)
        for (index_t k = i; k < std::min(i + tile, from.rows()); ++k)
          for (index_t l = j; l < std::min(j + tile, from.cols()); ++l) to(l, k) = from(k, l);
  } else if (from.cols() <= from.rows()) {
    // A column, as n x 1 with gaps, to a row, as n x 1 without.
    for (index_t j = 0; j < from.cols(); ++j)
      be.copy(matrix<B>(to.data() + j * to.stride(), from.rows(), 1, 1),
              from.block(0, j, from.rows(), 1));
  } else {
    for (index_t i = 0; i < from.rows(); ++i)
      be.copy(to.block(0, i, from.cols(), 1),
              const_matrix<B>(from.data() + i * from.stride(), from.cols(), 1, 1));
  }
}

}  // namespace detail

namespace math {

template <backend B>
variable<B> product(const variable_factor<B>& a, const variable_factor<B>& b) {
  namespace d = chainrule::detail;
  auto& g = d::graph_of(a.x, b.x);
  const variable<B> left = d::on_graph(g, a.x);
  const variable<B> right = d::on_graph(g, b.x);
  if (a.shape().cols != b.shape().rows)
    throw shape_error(chainrule::detail::concat(
        "matmul: ", to_string(a.shape()), " by ", to_string(b.shape()),
        "; the columns of the left factor must be as many as the rows of the right one"));
  variable<B> result = variable<B>::adopt(g, g.make({a.shape().rows, b.shape().cols}));
  using factor = gemm_operand<const_matrix<B>>;
  g.backend().gemm(g.writable(&result.node()), factor(left.view(), a.is_transposed),
                   factor(right.view(), b.is_transposed));
  using kind = d::matmul_operation<B>;
  d::record_made_from(result, kind::instance,
                      typename kind::flags{a.is_transposed, b.is_transposed}, left, right);
  return result;
}

/// a b, where each is a variable or transposed(variable). Throws shape_error unless the inner
/// extents agree.
template <backend B>
[[nodiscard]] variable<B> matmul(const variable<B>& a, const variable<B>& b) {
  return product<B>(a, b);
}
template <backend B>
[[nodiscard]] variable<B> matmul(const variable_factor<B>& a, const variable<B>& b) {
  return product<B>(a, b);
}
template <backend B>
[[nodiscard]] variable<B> matmul(const variable<B>& a, const variable_factor<B>& b) {
  return product<B>(a, b);
}
template <backend B>
[[nodiscard]] variable<B> matmul(const variable_factor<B>& a, const variable_factor<B>& b) {
  return product<B>(a, b);
}

/// xᵀ. Within a product, `transposed(x)` costs nothing.
template <backend B>
variable<B> transpose(const variable<B>& x) {
  namespace d = chainrule::detail;
  auto& g = x.graph();
  variable<B> result = variable<B>::adopt(g, g.make({x.cols(), x.rows()}));
  d::transpose_into<B>(g.backend(), g.writable(&result.node()), x.view());
  d::record_made_from(result, d::transpose_operation<B>::instance, d::nothing{}, x);
  return result;
}

}  // namespace math
}  // namespace chainrule

#endif  // CHAINRULE_AUTODIFF_MATMUL_HPP

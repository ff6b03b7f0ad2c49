/// \file
/// `local_response_norm`: divides each channel by the size of its neighbours.
///
///     local_response_norm{5}                            // PyTorch's defaults
///     local_response_norm{5, 1e-4, 0.75, 2}             // size, alpha, beta, k: AlexNet's
#ifndef CHAINRULE_LAYERS_LOCAL_RESPONSE_NORM_HPP
#define CHAINRULE_LAYERS_LOCAL_RESPONSE_NORM_HPP

#include "chainrule/core/finite.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/normalization.hpp"

namespace chainrule {

namespace detail {
/// x d^-beta, where d = k + share sum.
struct response {
  double share, beta, k;
  constexpr auto operator()(const auto& x, const auto& sum) const {
    return x * math::pow(k + share * sum, -beta);
  }
};
/// dy y / d: what each x receives from its neighbours but for a factor.
struct response_of_neighbours {
  double share, beta, k;
  constexpr auto operator()(const auto& dy, const auto& x, const auto& sum) const {
    return dy * x * math::pow(k + share * sum, -beta - 1);
  }
};
/// dy d^-beta - 2 share beta x (the sum over neighbours of dy y / d)
struct response_gradient {
  double share, beta, k;
  constexpr auto operator()(const auto& dy, const auto& x, const auto& sum,
                            const auto& neighbours) const {
    return dy * math::pow(k + share * sum, -beta) - 2 * share * beta * x * neighbours;
  }
};
}  // namespace detail

/// Local response normalization across channels (last axis): y = x / (k + alpha / size Σ x²)^beta,
/// where the sum is over `size` channels around each: size / 2 (rounded down) before it, the rest
/// from it on, with zeros beyond the first and the last. Source: A. Krizhevsky et al., NeurIPS
/// 2012, section 3.3, which has alpha in place of alpha / size; as here in PyTorch.
class local_response_norm {
 public:
  static constexpr const char* name = "local_response_norm";
  static constexpr bool keeps_features = true;

  /// Throws value_error unless size is at least 1, k positive, alpha not negative, and all finite.
  constexpr explicit local_response_norm(index_t size, double alpha = 1e-4, double beta = 0.75,
                                         double k = 1)
      : size_(size), alpha_(alpha), beta_(beta), k_(k) {
    if (size < 1 || !(alpha >= 0) || !(k > 0) || !detail::is_finite(alpha) ||
        !detail::is_finite(k) || !detail::is_finite(beta))
      detail::fail<value_error>(
          "local_response_norm needs a size of at least 1, an alpha of at least 0, a finite beta "
          "and a positive k, got ",
          size, ", ", alpha, ", ", beta, " and ", k);
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    channels_ = x.last();
    sum_ = p.intermediate(x.size());
    terms_ = p.scratch(x.size());
    neighbours_ = p.scratch(x.size());
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    x = with_columns(x, channels_);
    const matrix<B> square = with_columns(p.scratch(terms_), channels_);
    const matrix<B> sum = with_columns(p.saved(sum_), channels_);
    be.map(fn::sqr{}, square, x);
    window().forward(be, sum, const_matrix<B>(square));
    be.map(with_constants<detail::response>(), with_columns(y, channels_), x, sum);
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (dx.empty()) return;
    const B& be = p.backend();
    x = with_columns(x, channels_);
    dy = with_columns(dy, channels_);
    const matrix<B> sum = with_columns(p.saved(sum_), channels_);
    const matrix<B> terms = with_columns(p.scratch(terms_), channels_);
    const matrix<B> neighbours = with_columns(p.scratch(neighbours_), channels_);
    be.map(with_constants<detail::response_of_neighbours>(), terms, dy, x, sum);
    const ops::window_sum_op w = window();
    ops::window_sum_op{w.right, w.left}.forward(be, neighbours, const_matrix<B>(terms));
    be.map(with_constants<detail::response_gradient>(), with_columns(dx, channels_), dy, x, sum,
           neighbours);
  }
  void describe(archive& a) const {
    a.extent("size", size_);
    a.constant("alpha", alpha_);
    a.constant("beta", beta_);
    a.constant("k", k_);
  }

 private:
  [[nodiscard]] ops::window_sum_op window() const { return {size_ / 2, (size_ - 1) / 2}; }
  template <class F>
  [[nodiscard]] F with_constants() const {
    return {alpha_ / static_cast<double>(size_), beta_, k_};
  }

  index_t size_;
  double alpha_, beta_, k_;
  index_t channels_ = 0;
  saved_id sum_;
  scratch_id terms_, neighbours_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_LOCAL_RESPONSE_NORM_HPP

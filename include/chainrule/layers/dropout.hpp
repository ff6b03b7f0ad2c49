/// \file
/// `dropout`: in training, sets each feature to 0 with probability p and scales the rest by
/// 1 / (1 - p); in inference it returns its input.
///
///     network{cpu{}, dense{784, 512, relu{}}, dropout{0.5}, dense{10}}
#ifndef CHAINRULE_LAYERS_DROPOUT_HPP
#define CHAINRULE_LAYERS_DROPOUT_HPP

#include "chainrule/core/finite.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

class dropout {
 public:
  static constexpr bool keeps_features = true;
  static constexpr const char* name = "dropout";

  /// Throws value_error unless 0 <= p < 1.
  constexpr explicit dropout(double p) : p_(p) {
    if (detail::is_nan(p) || p < 0 || p >= 1)
      throw value_error(
          detail::concat("the probability of dropout must be at least 0 and below 1, got ", p));
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    random_ = p.save(x.size());
    stream_ = p.stream();
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    if (!p.training()) return p.backend().copy(y, x);
    const matrix<B> random = p.saved(random_);
    p.draw(stream_, random);
    ops::dropout_op{p_}.forward(p.backend(), y, x, const_matrix<B>(random));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    ops::matrix_step<B, 2> step(p.backend(), dy, {}, {{}, p.saved(random_)}, {dx, {}});
    ops::dropout_op{p_}.vjp(step);
  }
  void describe(archive& a) const { a.constant("p", p_); }

 private:
  double p_;
  saved_id random_;
  stream_id stream_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DROPOUT_HPP

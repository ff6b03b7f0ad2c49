/// \file
/// `dropout` and `dropout2d`: in training, each feature, or each whole channel, is set to 0 with
/// probability p and the rest scaled by 1 / (1 - p); in inference they return their input.
///
///     network{cpu{}, dense{784, 512, relu{}}, dropout{0.5}, dense{10}}
///     network{cpu{}, input{28, 28, 1}, dense{16, relu{}}, dropout2d{0.2}, flatten{}, dense{10}}
#ifndef CHAINRULE_LAYERS_DROPOUT_HPP
#define CHAINRULE_LAYERS_DROPOUT_HPP

#include "chainrule/core/finite.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/dropout.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

namespace detail {

/// Dropout by an op; of whole channels (the last axis), or of each feature by itself.
template <class Op, bool OfChannels>
class dropout_layer {
 public:
  static constexpr bool keeps_features = true;

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    random_ = p.save(OfChannels ? x.last() : x.size());
    stream_ = p.stream();
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    if (!p.training()) return p.backend().copy(y, x);
    const matrix<B> random = p.saved(random_);
    p.draw(stream_, random);
    Op{p_}.forward(p.backend(), y, x, const_matrix<B>(random));
  }
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    return p.row().copy(y.cols(), y.data());
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    ops::matrix_step<B, 2> step(p.backend(), dy, {}, {{}, p.saved(random_)}, {dx, {}});
    Op{p_}.vjp(step);
  }
  void describe(archive& a) const { a.constant("p", p_); }

 protected:
  constexpr dropout_layer(const char* layer, double p) : p_(p) {
    if (is_nan(p) || p < 0 || p >= 1)
      detail::fail<value_error>("the probability of ", layer,
                                " must be at least 0 and below 1, got ", p);
  }

 private:
  double p_;
  saved_id random_;
  stream_id stream_;
};

}  // namespace detail

/// Dropout of features.
class dropout : public detail::dropout_layer<ops::dropout_op, false> {
 public:
  static constexpr const char* name = "dropout";
  using row_layer = dropout;
  /// Throws value_error unless 0 <= p < 1.
  constexpr explicit dropout(double p) : dropout_layer(name, p) {}
};

/// Dropout of channels: all positions of a channel (last axis) of a sample are kept or set to 0
/// together. Source: J. Tompson et al., CVPR 2015, section 3.2.
class dropout2d : public detail::dropout_layer<ops::channel_dropout_op, true> {
 public:
  static constexpr const char* name = "dropout2d";
  using row_layer = dropout2d;
  /// Throws value_error unless 0 <= p < 1.
  constexpr explicit dropout2d(double p) : dropout_layer(name, p) {}
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_DROPOUT_HPP

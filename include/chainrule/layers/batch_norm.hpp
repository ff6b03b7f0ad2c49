/// \file
/// `batch_norm`: each channel is normalized over the batch and all positions.
///
///     network{be, input{28, 28, 1}, dense{16}, batch_norm{relu{}}, flatten{}, dense{10}}
///     batch_norm{}.momentum(0.01).eps(1e-3)     // the defaults of Keras
///
/// Names and defaults are PyTorch's. Weights begin at 1, biases at 0; weight decay applies to
/// neither. See also layers/layer_norm.hpp, layers/group_norm.hpp.
#ifndef CHAINRULE_LAYERS_BATCH_NORM_HPP
#define CHAINRULE_LAYERS_BATCH_NORM_HPP

#include <array>
#include <concepts>

#include "chainrule/layers/scale_and_shift.hpp"
#include "chainrule/ops/normalization.hpp"

namespace chainrule {

namespace detail {
/// f of the standardized x.
template <class F>
struct standardized_then {
  [[no_unique_address]] F f;
  constexpr auto operator()(const auto&... operands) const {
    return f(ops::terms::standardized{}(operands...));
  }
};
/// dy f' at the standardized x.
template <class F>
struct standardized_then_gradient {
  [[no_unique_address]] F f;
  template <math::number X>
  constexpr X operator()(const X& dy, const auto&... operands) const {
    return backward_of<F>{f}(dy, math::convert<X>(ops::terms::standardized{}(operands...)));
  }
};
/// (1 - share) old + share factor now
struct moving_average {
  double share, factor;
  constexpr auto operator()(const auto& old, const auto& now) const {
    return (1 - share) * old + share * factor * now;
  }
};

}  // namespace detail

/// Batch normalization: each channel (last axis) is given mean 0 and variance 1 over the batch and
/// all positions, then y = f(weight x̂ + bias). Inference uses running statistics, in the state
/// "running_mean" and "running_var" (1 × channels): new = (1 - momentum) old + momentum batch. A
/// batch is normalized by its biased variance; the running one is unbiased. Batches are never cut
/// into micro-batches. Source: S. Ioffe, C. Szegedy, ICML 2015; definitions are PyTorch's.
template <class F = identity>
class batch_norm : public detail::normalization_options<batch_norm<F>> {
  using options = detail::normalization_options<batch_norm>;
  using options::eps_, options::affine_;
  static constexpr bool is_linear = std::same_as<F, identity>;

 public:
  static constexpr const char* name = "batch_norm";
  static constexpr bool keeps_features = true;

  /// Normalizes, then applies the activation f; none by default.
  constexpr explicit batch_norm(F f = {}) : f_(f) {}

  /// This layer with another share of the batch's statistics in the running ones. Throws
  /// value_error unless it is in [0, 1].
  [[nodiscard]] constexpr batch_norm momentum(double share) const {
    if (!(share >= 0 && share <= 1))
      detail::fail<value_error>(
          "batch_norm: the momentum is the share of a new batch in the running "
          "statistics, between 0 and 1, got ",
          share);
    batch_norm b = *this;
    b.momentum_ = share;
    return b;
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    channels_ = x.last();
    affine_.bind(p, channels_);
    running_mean_ = p.state("running_mean", {1, channels_}, 0);
    running_var_ = p.state("running_var", {1, channels_}, 1);
    mean_ = p.save_once(1, channels_);
    inverse_ = p.save_once(1, channels_);
    for (scratch_id& s : sums_) s = p.scratch_once(1, channels_);
    if constexpr (!is_linear) dz_ = p.scratch_in_dy(x.size());
    p.needs_whole_batch();
    return x;
  }

  /// Throws shape_error in training if there is one value for each channel: its variance is 0.
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    x = with_columns(x, channels_);
    y = with_columns(y, channels_);
    const ops::terms::inverse_deviation to_inverse{eps_};
    if (!p.training()) {
      const matrix<B> inverse = p.scratch(sums_[0]);
      be.map(to_inverse, inverse, p.state(running_var_));
      return standardize(p, y, x, p.state(running_mean_), inverse);
    }
    if (x.rows() < 2)
      detail::fail<shape_error>(
          "batch_norm: training needs more than one value for each channel, got ", x.rows(),
          "; use larger batches, or merge_last_batch of fit");
    const matrix<B> mean = p.saved(mean_);
    const matrix<B> inverse = p.saved(inverse_);
    ops::moments(be, x, mean, inverse);
    const auto m = static_cast<double>(x.rows());
    be.map(detail::moving_average{momentum_, 1}, p.new_state(running_mean_), p.state(running_mean_),
           mean);
    be.map(detail::moving_average{momentum_, m / (m - 1)}, p.new_state(running_var_),
           p.state(running_var_), inverse);
    be.map(to_inverse, inverse, inverse);
    standardize(p, y, x, mean, inverse);
  }
  using row_layer = batch_norm;
  template <row_backend B>
  [[nodiscard]] bool plan_row(pass<B>& p, const matrix<B>& y) const {
    row_chain_t<B>& row = p.row();
    const auto x = row.last();
    // y holds the inverse deviations first.
    return y.cols() == channels_ &&
           row.map(ops::terms::inverse_deviation{eps_}, channels_, y.data(),
                   row.state(p.offset_of(running_var_))) &&
           affine_.with_operands(p, [&](const auto&... affine) {
             return row.map(detail::standardized_then<F>{f_}, channels_, y.data(), x,
                            row.state(p.offset_of(running_mean_)), row.last(), affine...);
           });
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    const const_matrix<B> mean = p.saved(mean_);
    const const_matrix<B> inverse = p.saved(inverse_);
    x = with_columns(x, channels_);
    dy = with_columns(dy, channels_);
    if constexpr (!is_linear) {
      const matrix<B> dz = with_columns(p.scratch(dz_), channels_);
      if constexpr (derivable_from_output<F>)
        be.map(backward_of<F>{f_}, dz, dy, with_columns(y, channels_));
      else
        affine_.with_both(p, [&](const auto&... affine) {
          be.map(detail::standardized_then_gradient<F>{f_}, dz, dy, x, mean, inverse, affine...);
        });
      dy = dz;
    }
    const matrix<B> sum = p.scratch(sums_[0]);
    const matrix<B> sum_x = p.scratch(sums_[1]);
    be.reduce(reduction::sum{}, sum, identity{}, dy);
    be.reduce(reduction::sum{}, sum_x, ops::terms::times_standardized{}, dy, x, mean, inverse);
    const auto add = [&](const matrix<B>& from) {
      return [&](matrix<B> to, reduce_scalars beta) {
        be.reduce(reduction::sum{}, to, beta, identity{}, from);
      };
    };
    affine_.add_gradients(p, add(sum_x), add(sum));
    if (dx.empty()) return;
    const ops::terms::scaled_product average{1 / static_cast<double>(x.rows())};
    affine_.with_weight(p, [&](const auto&... weight) {
      be.map(average, sum, sum, weight...);
      be.map(average, sum_x, sum_x, weight...);
      be.map(ops::terms::standardized_gradient{}, with_columns(dx, channels_), dy, x, mean, inverse,
             sum, sum_x, weight...);
    });
  }

  void describe(archive& a) const {
    a.constant("momentum", momentum_);
    a.constant("eps", eps_);
    a.activation(f_);
    affine_.describe(a, true);
  }

 private:
  template <backend B>
  void standardize(const pass<B>& p, matrix<B> y, const_matrix<B> x, const_matrix<B> mean,
                   const_matrix<B> inverse) const {
    affine_.with_both(p, [&](const auto&... affine) {
      p.backend().map(detail::standardized_then<F>{f_}, y, x, mean, inverse, affine...);
    });
  }

  F f_;
  double momentum_ = 0.1;
  index_t channels_ = 0;
  state_id running_mean_, running_var_;
  saved_id mean_, inverse_;
  std::array<scratch_id, 2> sums_;
  scratch_id dz_;
};

batch_norm()->batch_norm<identity>;
template <class F>
batch_norm(F) -> batch_norm<F>;

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_BATCH_NORM_HPP

/// \file
/// `conv2d`, `conv1d` and `conv_transpose2d`: weights that slide over images or sequences.
///
///     conv2d{32, 5, relu{}}                                    // 28 x 28 x 1 -> 24 x 24 x 32
///     conv2d{64, 3, {.stride = 2, .pad = 1, .bias = false}}    // no activation
///     conv2d{64, {3, 5}, relu{}, {.pad = same, .groups = 4}}   // height 3, width 5
///     conv1d{16, 3, fn::tanh{}, {.dilation = 2}}                   // samples of {time, channels}
///     conv_transpose2d{16, 4, relu{}, {.stride = 2, .pad = 1}} // 7 x 7 x c -> 14 x 14 x 16
///
/// Samples are {height, width, channels}. An axis of `size` elements has (size + 2 pad - dilation
/// (kernel - 1) - 1) / stride + 1 positions, rounded down; a transposed convolution has (size - 1)
/// stride - 2 pad + dilation (kernel - 1) + 1 + output_pad. Weights are {kernel height, kernel
/// width, channels / groups, outputs}, those of a transposed convolution {kernel height, kernel
/// width, outputs / groups, channels}. Names and defaults are PyTorch's.
/// See also ops/convolution.hpp (formula), layers/window_options.hpp.
#ifndef CHAINRULE_LAYERS_CONVOLUTION_HPP
#define CHAINRULE_LAYERS_CONVOLUTION_HPP

#include <concepts>
#include <string>
#include <type_traits>

#include "chainrule/layers/layer.hpp"
#include "chainrule/layers/window_options.hpp"
#include "chainrule/ops/convolution.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/vjp.hpp"

namespace chainrule {

/// Options of conv1d and conv2d.
struct convolution_options {
  extent2d stride = 1;
  padding pad = {};       ///< zeros
  extent2d dilation = 1;  ///< between two elements of the window
  index_t groups = 1;     ///< output channels of a group see the input channels of that group only
  /// Whether each filter has a bias.
  bool bias = true;
  extent2d output_pad = 0;  ///< of a transposed convolution: further elements at the end

  friend constexpr bool operator==(const convolution_options&,
                                   const convolution_options&) = default;
};

namespace detail {

/// The members of the three layers. Self: the layer; Rank: of the samples; Transposed: the forward
/// pass is the gradient of a convolution's input.
template <class Self, index_t Rank, bool Transposed, class F>
class convolution_layer {
  static_assert(std::is_class_v<F> && !std::same_as<F, padding> && !std::same_as<F, extent2d>,
                "chainrule: the third argument of a convolution is its activation, or its options; "
                "stride, padding and bias are options: conv2d{32, 5, {.stride = 2, .pad = same}}");
  static constexpr bool is_linear = std::same_as<F, identity>;
  /// The derivative needs only y, so the pre-activation z is not saved.
  static constexpr bool from_output = derivable_from_output<F>;

 public:
  /// Throws value_error unless there is at least one output channel.
  constexpr convolution_layer(index_t outputs, extent2d kernel,
                              const convolution_options& options = {})
      : convolution_layer(outputs, kernel, F{}, options) {}
  // A parameter of type F would be ambiguous for clang 14 where options are given alone.
  template <std::same_as<F> G>
  constexpr convolution_layer(index_t outputs, extent2d kernel, G f,
                              const convolution_options& options = {})
      : outputs_(outputs), kernel_(kernel), f_(f), options_(options) {
    if (outputs < 1)
      detail::fail<value_error>("a ", Self::name, " layer needs at least one output channel, got ",
                                outputs);
    if (Rank == 2) kernel_.h = options_.stride.h = options_.dilation.h = 1;
  }

  [[nodiscard]] constexpr initializer initial_weights() const { return weights_; }
  /// This layer with another initialization of its weights, or biases.
  [[nodiscard]] constexpr Self weights(initializer rule) const {
    Self c = static_cast<const Self&>(*this);
    c.weights_ = rule;
    return c;
  }
  [[nodiscard]] constexpr Self bias(initializer rule) const {
    Self c = static_cast<const Self&>(*this);
    c.bias_ = rule;
    return c;
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    if (x.rank() != Rank)
      detail::fail<shape_error>(p.layer(), " expects samples of ",
                                Rank == 2 ? "{time, channels}" : "{height, width, channels}",
                                ", got ", to_string(x), "; begin with ",
                                Rank == 2 ? "input{128, 1}" : "input{28, 28, 1}",
                                " or the like, or use reshape_to");
    const shape y = Transposed ? bind_transposed(p, x) : bind_forward(p, x);
    const index_t taps = c_.window.taps();
    const index_t inner = c_.window.channels / c_.groups;
    const shape extents = Rank == 2 ? shape{kernel_.w, inner, c_.outputs}
                                    : shape{kernel_.h, kernel_.w, inner, c_.outputs};
    // Connections of an output and of an input, but for strides and the image's edges.
    const index_t to_output = taps * (x.last() / c_.groups);
    const index_t from_input = taps * (outputs_ / c_.groups);
    w_ = p.weight("weight", extents, weights_, to_output, from_input);
    if (options_.bias) b_ = p.bias("bias", outputs_, bias_);
    if constexpr (!from_output) z_ = p.save(y.size());
    if constexpr (!is_linear) dz_ = p.scratch_in_dy(y.size());
    return y;
  }

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    if (from_output || !p.training()) {
      options_.bias ? linear(p, x, y, add_bias_then<F>{f_}, p.value(b_)) : linear(p, x, y, f_);
    } else {
      const matrix<B> z = p.saved(z_);
      options_.bias ? linear(p, x, z, add_bias_then<identity>{}, p.value(b_))
                    : linear(p, x, z, identity{});
      be.map(f_, y, const_matrix<B>(z));
    }
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    const_matrix<B> dz = dy;
    if constexpr (!is_linear) {
      const matrix<B> to = p.scratch(dz_);
      const const_matrix<B> z = from_output ? const_matrix<B>{} : const_matrix<B>(p.saved(z_));
      ops::matrix_step<B, 1> step(be, dy, y, {z}, {to});
      ops::pointwise_op<F, 1>{f_}.vjp(step);
      dz = to;
    }
    // A frozen layer has no targets for the gradients of its parameters.
    const bool trained = p.is_trained(w_);
    const auto [dw, beta_w] = trained ? p.gradient_to_add(w_) : gradient_sum<B>{};
    ops::matrix_step<B, 2> step(be, dz, {}, {x, p.value(w_)}, {dx, {dw, beta_w}});
    op().vjp(step);
    if (!options_.bias || !trained) return;
    const auto [db, beta_b] = p.gradient_to_add(b_);
    ops::sum_op{db.shape()}.accumulate(be, db, beta_b, const_matrix<B>(with_columns(dz, outputs_)));
  }

  void describe(archive& a) const {
    a.extent("outputs", outputs_);
    a.extent("kernel", to_string(kernel_));
    if (options_.stride != extent2d(1)) a.extent("stride", to_string(options_.stride));
    if (options_.dilation != extent2d(1)) a.extent("dilation", to_string(options_.dilation));
    if (options_.pad != padding{}) a.extent("pad", to_string(options_.pad));
    if (options_.groups != 1) a.extent("groups", options_.groups);
    if (Transposed && options_.output_pad != extent2d(0))
      a.extent("output_pad", to_string(options_.output_pad));
    if (!options_.bias) a.extent("bias", index_t{0});
    a.activation(f_);
    if (weights_ != initializer_for<F>()) a.option("weights", weights_.in_words());
    if (bias_ != init::zeros()) a.option("initial_bias", bias_.in_words());
  }

 private:
  using op_type = std::conditional_t<Transposed, ops::convolve_input_op, ops::convolve_op>;
  [[nodiscard]] op_type op() const { return {c_}; }

  [[nodiscard]] shape bind_forward(plan& p, const shape& x) {
    c_ = {window_over(p.layer(), x, kernel_, options_.stride, options_.dilation, options_.pad),
          outputs_, options_.groups};
    check(p);
    return shape_over(c_.window, Rank, outputs_);
  }
  /// The convolution whose result has the shape x.
  [[nodiscard]] shape bind_transposed(plan& p, const shape& x) {
    const auto extent = [&](index_t size, index_t kernel, index_t stride, index_t dilation,
                            index_t each, index_t more) {
      constexpr index_t most = index_t{1} << 30;
      for (const index_t n : {size, kernel, stride, dilation})
        if (n < 1 || n > most)
          detail::fail<value_error>(p.layer(), " has an extent, kernel, stride or dilation of ", n,
                                    "; they are at least 1 and at most 2^30");
      if (each < 0 || each > most || more < 0 || more >= stride)
        detail::fail<value_error>(p.layer(), " has padding of ", each, " and an output_pad of ",
                                  more,
                                  "; the padding is at least 0 and at most 2^30, the "
                                  "output_pad at least 0 and below the stride, ",
                                  stride);
      window_axis a = window_axis_of(1, kernel, stride, dilation, each, options_.pad.is_same);
      a.size = (size - 1) * stride - a.before - a.after + a.span() + more;
      if (a.size < 1)
        detail::fail<shape_error>(p.layer(), " would have an output of ", a.size,
                                  " elements along an axis of ", size, "; use less padding");
      return a;
    };
    const convolution_options& o = options_;
    c_ = {
        {extent(x[0], kernel_.h, o.stride.h, o.dilation.h, o.pad.each.h, o.output_pad.h),
         extent(x[1], kernel_.w, o.stride.w, o.dilation.w, o.pad.each.w, o.output_pad.w), outputs_},
        x.last(),
        o.groups};
    check(p);
    return {c_.window.height.size, c_.window.width.size, outputs_};
  }
  /// Throws as convolution::check, naming the layer.
  void check(const plan& p) const try { c_.check(); } catch (const value_error& e) {
    detail::fail<value_error>(p.layer(), ": ", e.what());
  } catch (const shape_error& e) {
    detail::fail<shape_error>(p.layer(), ": ", e.what());
  }

  /// y = f(the linear part, operands...).
  template <backend B, class G, class... In>
  void linear(pass<B>& p, const_matrix<B> x, matrix<B> y, const G& f, const In&... in) const {
    const B& be = p.backend();
    if constexpr (!Transposed) {
      op().forward(be, y, x, p.value(w_), f, in...);
    } else {
      op().forward(be, y, x, p.value(w_));
      if constexpr (!std::same_as<G, identity>) {
        const matrix<B> pixels = with_columns(y, outputs_);
        be.map(f, pixels, const_matrix<B>(pixels), in...);
      }
    }
  }

  index_t outputs_;
  extent2d kernel_;
  F f_;
  convolution_options options_;
  initializer weights_ = initializer_for<F>();
  initializer bias_ = init::zeros();
  convolution c_{};  // of samples of the shape that was bound
  parameter_id w_, b_;
  saved_id z_;
  scratch_id dz_;
};

}  // namespace detail

/// A convolution over samples of {height, width, channels}.
template <class F = identity>
class conv2d : public detail::convolution_layer<conv2d<F>, 3, false, F> {
 public:
  static constexpr const char* name = "conv2d";
  using detail::convolution_layer<conv2d<F>, 3, false, F>::convolution_layer;
};

/// A convolution over samples of {time, channels}. Its numbers for the height are not used.
template <class F = identity>
class conv1d : public detail::convolution_layer<conv1d<F>, 2, false, F> {
 public:
  static constexpr const char* name = "conv1d";
  using detail::convolution_layer<conv1d<F>, 2, false, F>::convolution_layer;
};

/// A transposed convolution over samples of {height, width, channels}: the gradient of a
/// convolution's input as a forward pass, which enlarges images by the stride.
template <class F = identity>
class conv_transpose2d : public detail::convolution_layer<conv_transpose2d<F>, 3, true, F> {
 public:
  static constexpr const char* name = "conv_transpose2d";
  using detail::convolution_layer<conv_transpose2d<F>, 3, true, F>::convolution_layer;
};

conv2d(index_t, extent2d)->conv2d<identity>;
conv2d(index_t, extent2d, convolution_options)->conv2d<identity>;
template <class F>
requires(!std::same_as<F, convolution_options>) conv2d(index_t, extent2d, F)
->conv2d<F>;
template <class F>
conv2d(index_t, extent2d, F, convolution_options) -> conv2d<F>;

conv1d(index_t, extent2d)->conv1d<identity>;
conv1d(index_t, extent2d, convolution_options)->conv1d<identity>;
template <class F>
requires(!std::same_as<F, convolution_options>) conv1d(index_t, extent2d, F)
->conv1d<F>;
template <class F>
conv1d(index_t, extent2d, F, convolution_options) -> conv1d<F>;

conv_transpose2d(index_t, extent2d)->conv_transpose2d<identity>;
conv_transpose2d(index_t, extent2d, convolution_options)->conv_transpose2d<identity>;
template <class F>
requires(!std::same_as<F, convolution_options>) conv_transpose2d(index_t, extent2d, F)
->conv_transpose2d<F>;
template <class F>
conv_transpose2d(index_t, extent2d, F, convolution_options) -> conv_transpose2d<F>;

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_CONVOLUTION_HPP

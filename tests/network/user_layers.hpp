/// \file
/// Layers as a user writes them, over the verbs of a backend and nothing else of the library's
/// layers: batch normalization with running statistics, a residual block, a 3 × 3 convolution, an
/// Elman network and the maximum over pairs.
#ifndef CHAINRULE_TESTS_NETWORK_USER_LAYERS_HPP
#define CHAINRULE_TESTS_NETWORK_USER_LAYERS_HPP

#include <cstdint>
#include <vector>

#include "chainrule/layers/layer.hpp"
#include "chainrule/pointwise/activations.hpp"

namespace user {

using namespace chainrule;

struct squared_distance {
  constexpr auto operator()(const auto& x, const auto& mean) const { return math::sqr(x - mean); }
};
struct normalized {
  double epsilon;
  constexpr auto operator()(const auto& x, const auto& mean, const auto& variance) const {
    return (x - mean) / math::sqrt(variance + epsilon);
  }
};
struct scaled_and_shifted {
  constexpr auto operator()(const auto& x, const auto& scale, const auto& shift) const {
    return x * scale + shift;
  }
};
struct moving_average {
  double share;   // of the new value
  double factor;  // of the new value
  constexpr auto operator()(const auto& old, const auto& now) const {
    return (1 - share) * old + share * factor * now;
  }
};
/// dx from dy, the normalized x, the scale, the variance and the sums of dy and of dy x̂ over m
/// rows.
struct normalization_gradient {
  double epsilon, m;
  constexpr auto operator()(const auto& dy, const auto& x, const auto& scale, const auto& variance,
                            const auto& sum_dy, const auto& sum_dy_x) const {
    return scale / math::sqrt(variance + epsilon) * (dy - sum_dy / m - x * sum_dy_x / m);
  }
};

/// Batch normalization on the last axis, with running statistics for inference. Source: S. Ioffe,
/// C. Szegedy, ICML 2015; the definitions are PyTorch's (the running variance is the unbiased one).
class batch_norm {
 public:
  static constexpr const char* name = "batch norm";
  static constexpr double epsilon = 1e-5;
  static constexpr double momentum = 0.1;

  shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    features_ = x.last();
    scale_ = p.weight("weight", {1, features_}, init::constant(1));
    shift_ = p.bias("bias", features_);
    mean_ = p.state("running_mean", {1, features_}, 0);
    variance_ = p.state("running_var", {1, features_}, 1);
    normalized_ = p.save(x.size());
    batch_variance_ = p.save_once(1, features_);
    sums_ = p.scratch_once(2, features_);
    p.needs_whole_batch();
    return x;
  }

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    x = with_columns(x, features_);
    y = with_columns(y, features_);
    if (!p.training()) {
      be.map(normalized{epsilon}, y, x, p.state(mean_), p.state(variance_));
      be.map(scaled_and_shifted{}, y, const_matrix<B>(y), p.value(scale_), p.value(shift_));
      return;
    }
    const auto m = static_cast<double>(x.rows());
    const matrix<B> mean = p.scratch(sums_).middle_rows(0, 1);
    const matrix<B> variance = p.saved(batch_variance_);
    const matrix<B> saved = with_columns(p.saved(normalized_), features_);
    be.reduce(reduction::sum{}, mean, fn::affine{1 / m, 0}, x);
    be.reduce(reduction::sum{}, variance, squared_distance{}, x, const_matrix<B>(mean));
    be.map(fn::affine{1 / m, 0}, variance, const_matrix<B>(variance));
    be.map(normalized{epsilon}, saved, x, const_matrix<B>(mean), const_matrix<B>(variance));
    be.map(scaled_and_shifted{}, y, const_matrix<B>(saved), p.value(scale_), p.value(shift_));
    be.map(moving_average{momentum, 1}, p.new_state(mean_), p.state(mean_), const_matrix<B>(mean));
    be.map(moving_average{momentum, m > 1 ? m / (m - 1) : 1}, p.new_state(variance_),
           p.state(variance_), const_matrix<B>(variance));
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    dy = with_columns(dy, features_);
    const const_matrix<B> saved = with_columns(p.saved(normalized_), features_);
    const matrix<B> dshift = p.scratch(sums_).middle_rows(0, 1);
    const matrix<B> dscale = p.scratch(sums_).middle_rows(1, 1);
    be.reduce(reduction::sum{}, dshift, identity{}, dy);
    be.reduce(reduction::sum{}, dscale, fn::multiplies{}, dy, saved);
    const auto [shift_sum, beta_shift] = p.gradient_to_add(shift_);
    const auto [scale_sum, beta_scale] = p.gradient_to_add(scale_);
    be.reduce(reduction::sum{}, shift_sum, {beta_shift}, identity{}, const_matrix<B>(dshift));
    be.reduce(reduction::sum{}, scale_sum, {beta_scale}, identity{}, const_matrix<B>(dscale));
    if (dx.empty()) return;
    const auto m = static_cast<double>(x.size() / features_);
    be.map(normalization_gradient{epsilon, m}, with_columns(dx, features_), dy, saved,
           p.value(scale_), const_matrix<B>(p.saved(batch_variance_)), const_matrix<B>(dshift),
           const_matrix<B>(dscale));
  }

  void describe(archive& a) const { a.constant("epsilon", epsilon); }

 private:
  index_t features_ = 0;
  parameter_id scale_, shift_;
  state_id mean_, variance_;
  saved_id normalized_, batch_variance_;
  scratch_id sums_;
};

/// y = x + f(x).
template <class Inner>
class skip {
 public:
  static constexpr const char* name = "skip";
  explicit skip(const Inner& f) : f_(f) {}

  shape bind(plan& p, const shape& in) {
    out_ = p.intermediate(in.size());
    return p.child("f", f_, in);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    f_.forward(p, x, p.saved(out_));
    p.backend().map(fn::plus{}, y, x, const_matrix<B>(p.saved(out_)));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    f_.backward(p, x, const_matrix<B>(p.saved(out_)), dy, dx);
    if (!dx.empty()) p.backend().map(fn::plus{}, dx, const_matrix<B>(dx), dy);
  }
  void describe(archive& a) const { a.child(f_); }

 private:
  Inner f_;
  saved_id out_;
};

/// A 3 × 3 convolution with zero padding on images of {height, width, channels}.
class conv3x3 {
 public:
  static constexpr const char* name = "conv3x3";
  explicit conv3x3(index_t outputs) : outputs_(outputs) {}

  shape bind(plan& p, const shape& in) {
    image_ = p.input(in);
    const index_t c = image_.last();
    w_ = p.weight("weight", {3, 3, c, outputs_}, init::he_normal(), 9 * c, 9 * outputs_);
    b_ = p.bias("bias", outputs_);
    patches_ = p.save(image_.positions() * 9 * c);
    dpatches_ = p.scratch(image_.positions() * 9 * c);
    return image_.with_last(outputs_);
  }

  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const index_t c = image_.last();
    // Inference saves nothing, but has scratch memory.
    const matrix<B> patches =
        with_columns(p.training() ? p.saved(patches_) : p.scratch(dpatches_), 9 * c);
    each_tap(p, [&](index_t tap, const auto& rows) {
      p.backend().gather(patches.block(0, tap * c, patches.rows(), c), with_columns(x, c), rows);
    });
    p.backend().gemm(with_columns(y, outputs_), const_matrix<B>(patches), p.value(w_), {},
                     add_bias_then<identity>{}, p.value(b_));
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    const index_t c = image_.last();
    const const_matrix<B> dz = with_columns(dy, outputs_);
    const const_matrix<B> patches = with_columns(p.saved(patches_), 9 * c);
    const auto [dw, beta_w] = p.gradient_to_add(w_);
    const auto [db, beta_b] = p.gradient_to_add(b_);
    be.gemm(dw, transposed(patches), dz, {1, beta_w});
    be.reduce(reduction::sum{}, db, {beta_b}, identity{}, dz);
    if (dx.empty()) return;
    const matrix<B> d = with_columns(p.scratch(dpatches_), 9 * c);
    be.gemm(d, dz, transposed(p.value(w_)));
    be.map(fn::fill{0}, dx);
    each_tap(p, [&](index_t tap, const auto& rows) {
      be.scatter_add(with_columns(dx, c), rows, const_matrix<B>(d).block(0, tap * c, d.rows(), c));
    });
  }

  void describe(archive& a) const { a.extent("outputs", outputs_); }

 private:
  /// f(tap, rows): which position of the batch lies under the tap, -1 outside of the image.
  template <backend B, class F>
  void each_tap(pass<B>& p, const F& f) const {
    const B& be = p.backend();
    const index_t h = image_[0];
    const index_t w = image_[1];
    const index_t count = p.rows() * h * w;
    std::vector<std::int32_t> host(static_cast<std::size_t>(count));
    const auto rows = be.template allocate<std::int32_t>(count);
    for (index_t tap = 0; tap < 9; ++tap) {
      const index_t di = tap / 3 - 1;
      const index_t dj = tap % 3 - 1;
      for (index_t at = 0; at < count; ++at) {
        const index_t i = at / w % h + di;
        const index_t j = at % w + dj;
        const bool inside = i >= 0 && i < h && j >= 0 && j < w;
        host[static_cast<std::size_t>(at)] =
            inside ? static_cast<std::int32_t>(at + di * w + dj) : -1;
      }
      be.upload(rows.view(), matrix_view<const std::int32_t>(host.data(), 1, count));
      be.synchronize();
      f(tap, typename B::template view<const std::int32_t>(rows.view()));
    }
  }

  index_t outputs_;
  shape image_;
  parameter_id w_, b_;
  saved_id patches_;
  scratch_id dpatches_;
};

struct add_then_tanh {
  constexpr auto operator()(const auto& z, const auto& b) const { return math::tanh(z + b); }
};

/// h_t = tanh(x_t W + h_{t-1} U + b) on sequences of {steps, features}, with h_{-1} = 0; returns
/// all h_t. Source: J. Elman, Cognitive Science 14 (1990).
class elman {
 public:
  static constexpr const char* name = "elman";
  explicit elman(index_t units) : units_(units) {}

  shape bind(plan& p, const shape& in) {
    in_ = p.input(in);
    w_ = p.weight("weight", {in_.last(), units_}, init::glorot_uniform());
    u_ = p.weight("recurrent", {units_, units_}, init::orthogonal());
    b_ = p.bias("bias", units_);
    dz_ = p.scratch(units_);
    dh_ = p.scratch(units_);
    return in_.with_last(units_);
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    for (index_t t = 0; t < in_[0]; ++t) {
      const matrix<B> h = step(y, t, units_);
      be.gemm(h, step(x, t, in_.last()), p.value(w_));
      if (t > 0) be.gemm(h, step(const_matrix<B>(y), t - 1, units_), p.value(u_), {1, 1});
      be.map(add_then_tanh{}, h, const_matrix<B>(h), p.value(b_));
    }
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    const matrix<B> dz = p.scratch(dz_);
    const matrix<B> dh = p.scratch(dh_);
    for (index_t t = in_[0]; t-- > 0;) {
      const const_matrix<B> from_above = step(dy, t, units_);
      if (t + 1 < in_[0])
        be.map(fn::plus{}, dh, const_matrix<B>(dh), from_above);
      else
        be.copy(dh, from_above);
      be.map(backward_of<fn::tanh>{}, dz, const_matrix<B>(dh), step(y, t, units_));
      const auto [dw, beta_w] = p.gradient_to_add(w_);
      const auto [db, beta_b] = p.gradient_to_add(b_);
      be.gemm(dw, transposed(step(x, t, in_.last())), const_matrix<B>(dz), {1, beta_w});
      be.reduce(reduction::sum{}, db, {beta_b}, identity{}, const_matrix<B>(dz));
      if (t > 0) {
        const auto [du, beta_u] = p.gradient_to_add(u_);
        be.gemm(du, transposed(step(y, t - 1, units_)), const_matrix<B>(dz), {1, beta_u});
      }
      if (!dx.empty())
        be.gemm(step(dx, t, in_.last()), const_matrix<B>(dz), transposed(p.value(w_)));
      if (t > 0) be.gemm(dh, const_matrix<B>(dz), transposed(p.value(u_)));
    }
  }
  void describe(archive& a) const { a.extent("units", units_); }

 private:
  /// Step t of all samples, n × features.
  template <class View>
  static View step(const View& m, index_t t, index_t features) {
    return m.block(0, t * features, m.rows(), features);
  }
  index_t units_;
  shape in_;
  parameter_id w_, u_, b_;
  scratch_id dz_, dh_;
};

/// The larger of each two neighbours on samples of {2 n}; of equal ones the first.
class max_over_pairs {
 public:
  static constexpr const char* name = "max over pairs";

  shape bind(plan& p, const shape& in) {
    pairs_ = p.input(in).size() / 2;
    largest_ = p.save_indices(pairs_);
    return {pairs_};
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    if (!p.training()) {
      const const_matrix<B> pairs = with_columns(x, 2);
      be.reduce(reduction::maximum{}, with_columns(y, 1), identity{}, pairs);
      return;
    }
    const auto values = to_host(be, x);
    std::vector<std::int32_t> host;
    for (std::size_t i = 0; i < values.size(); i += 2)
      host.push_back(static_cast<std::int32_t>(values[i + 1] > values[i] ? i + 1 : i));
    be.upload(p.saved(largest_), matrix_view<const std::int32_t>(host.data(), y.rows(), y.cols()));
    be.synchronize();
    be.gather(with_columns(y, 1), with_columns(x, 1), largest(p));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B>, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    if (dx.empty()) return;
    p.backend().map(fn::fill{0}, dx);
    p.backend().scatter_add(with_columns(dx, 1), largest(p), with_columns(dy, 1));
  }
  void describe(archive&) const {}

 private:
  /// Where the maximum of each pair is among all elements of the batch.
  template <backend B>
  const_indices<B> largest(pass<B>& p) const {
    const const_indices<B> all = p.saved(largest_);
    return with_columns(all, all.size());
  }
  index_t pairs_ = 0;
  saved_indices_id largest_;
};

}  // namespace user

#endif  // CHAINRULE_TESTS_NETWORK_USER_LAYERS_HPP

/// \file
/// `group_norm` and `instance_norm`: each sample is normalized by itself, over groups of channels
/// and all positions.
///
///     group_norm{8}                 // eight groups of neighbouring channels
///     instance_norm{}               // each channel
///     instance_norm{}.affine(true)  // with a weight and a bias for each channel
///
/// Names and defaults are PyTorch's. Weights begin at 1, biases at 0; weight decay applies to
/// neither. See also layers/batch_norm.hpp, layers/layer_norm.hpp.
#ifndef CHAINRULE_LAYERS_GROUP_NORM_HPP
#define CHAINRULE_LAYERS_GROUP_NORM_HPP

#include <array>
#include <tuple>

#include "chainrule/layers/scale_and_shift.hpp"
#include "chainrule/ops/linear.hpp"
#include "chainrule/ops/normalization.hpp"

namespace chainrule {

namespace detail {

/// The passes of group_norm and instance_norm, whose statistics are those of the columns of a
/// matrix with a row per position.
///
/// In host memory a sample is such a matrix, and often fits a cache. On a device a loop over
/// samples would be one over small kernels, so the batch is transposed: its axes are then position,
/// channel and sample, and channel and sample are the columns.
class sample_norm : public normalization_constants {
 public:
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    const B& be = p.backend();
    each_block(p, [&](index_t i, index_t samples) {
      const const_matrix<B> from = columns_of(p, x, i, transposed_[0]);
      const matrix<B> to = columns_for(p, y, i, transposed_[0]);
      const matrix<B> mean = row(p.saved(mean_), i, samples);
      const matrix<B> inverse = row(p.saved(inverse_), i, samples);
      ops::moments(be, from, mean, inverse, [&](matrix<B> m) { average_groups(p, m, i, samples); });
      be.map(ops::terms::inverse_deviation{eps_}, inverse, inverse);
      affine_.with_both(p, [&](const auto&... affine) {
        std::size_t k = 0;
        // Braces call in order.
        const std::array<const_matrix<B>, sizeof...(affine)> w{
            expanded(p, affine, samples, expanded_[k++])...};
        std::apply(
            [&](const auto&... each) {
              be.map(ops::terms::standardized{}, to, from, mean, inverse, each...);
            },
            w);
      });
      store(p, y, to);
    });
  }

  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    constexpr reduction::sum sum;
    const ops::terms::scaled_product average{1 / static_cast<double>(positions_)};
    each_block(p, [&](index_t i, index_t samples) {
      const const_matrix<B> from = columns_of(p, x, i, transposed_[0]);
      const const_matrix<B> dto = columns_of(p, dy, i, transposed_[1]);
      const const_matrix<B> mean = row(p.saved(mean_), i, samples);
      const const_matrix<B> inverse = row(p.saved(inverse_), i, samples);
      const matrix<B> sum_dy = row(p.scratch(sums_[0]), i, samples);
      const matrix<B> sum_dy_x = row(p.scratch(sums_[1]), i, samples);
      be.reduce(sum, sum_dy, identity{}, dto);
      be.reduce(sum, sum_dy_x, ops::terms::times_standardized{}, dto, from, mean, inverse);
      if (dx.empty()) return;
      const matrix<B> mean_g = row(p.scratch(means_[0]), i, samples);
      const matrix<B> mean_g_x = row(p.scratch(means_[1]), i, samples);
      const matrix<B> dfrom = columns_for(p, dx, i, transposed_[1]);
      affine_.with_weight(p, [&](const auto&... weight) {
        const auto run = [&](const auto&... w) {
          be.map(average, mean_g, sum_dy, w...);
          be.map(average, mean_g_x, sum_dy_x, w...);
          average_groups(p, mean_g, i, samples);
          average_groups(p, mean_g_x, i, samples);
          be.map(ops::terms::standardized_gradient{}, dfrom, dto, from, mean, inverse, mean_g,
                 mean_g_x, w...);
        };
        run(expanded(p, weight, samples, expanded_[0])...);
      });
      store(p, dx, dfrom);
    });
    const auto add = [&](scratch_id sums) {
      return [&, sums](matrix<B> to, reduce_scalars beta) {
        const matrix<B> all = p.scratch(sums);
        if constexpr (by_sample<B>)
          be.reduce(reduction::sum{}, to, beta, identity{}, all);
        else
          be.reduce(reduction::sum{}, matrix<B>(to.data(), channels_, 1), beta, identity{},
                    matrix<B>(all.data(), channels_, p.rows()));
      };
    };
    affine_.add_gradients(p, add(sums_[1]), add(sums_[0]));
  }

 protected:
  [[nodiscard]] shape bind_groups(plan& p, const shape& in, index_t groups) {
    const shape x = p.input(in);
    channels_ = x.last();
    positions_ = x.positions();
    group_size_ = channels_ / groups;
    if (channels_ % groups != 0)
      detail::fail<shape_error>(p.layer(), " cannot divide ", channels_, " channels into ", groups,
                                " groups of equal size; choose a divisor of ", channels_);
    if (group_size_ * positions_ < 2)
      detail::fail<shape_error>(
          p.layer(), " needs more than one value in each group, got samples of ", to_string(x),
          " in ", groups, " groups, whose outputs would all be 0");
    affine_.bind(p, channels_);
    mean_ = p.intermediate(channels_);
    inverse_ = p.intermediate(channels_);
    for (scratch_id& s : transposed_) s = p.scratch(x.size());
    for (auto* ids : {&expanded_, &sums_, &means_})
      for (scratch_id& s : *ids) s = p.scratch(channels_);
    by_channel_ = p.scratch(channels_);
    by_group_ = p.scratch(groups);
    return x;
  }

 private:
  /// Whether a sample is a block, and not the transposed batch.
  template <class B>
  static constexpr bool by_sample = requires {
    requires B::host_memory;
  };

  /// f(first sample, samples) for each block.
  template <backend B, class F>
  static void each_block(const pass<B>& p, const F& f) {
    if constexpr (by_sample<B>)
      for (index_t i = 0; i < p.rows(); ++i) f(i, index_t{1});
    else
      f(index_t{0}, p.rows());
  }
  /// A block of x with a row per position, transposed into `room` where the batch is one.
  template <backend B>
  [[nodiscard]] const_matrix<B> columns_of(pass<B>& p, const_matrix<B> x, index_t i,
                                           scratch_id room) const {
    if constexpr (by_sample<B>) {
      return {x.data() + i * x.stride(), positions_, channels_};
    } else {
      const auto to = p.scratch(room).data();
      ops::transpose_op{}.forward(p.backend(), matrix<B>(to, x.cols(), x.rows()), x);
      return {to, positions_, channels_ * x.rows()};
    }
  }
  /// Where a block of y is computed.
  template <backend B>
  [[nodiscard]] matrix<B> columns_for(pass<B>& p, matrix<B> y, index_t i, scratch_id room) const {
    if constexpr (by_sample<B>)
      return {y.data() + i * y.stride(), positions_, channels_};
    else
      return {p.scratch(room).data(), positions_, channels_ * y.rows()};
  }
  /// Assigns to y what was computed elsewhere.
  template <backend B>
  static void store(const pass<B>& p, matrix<B> y, matrix<B> from) {
    if constexpr (!by_sample<B>)
      ops::transpose_op{}.forward(p.backend(), y, const_matrix<B>(from.data(), y.cols(), y.rows()));
  }
  /// The numbers of a block's channels, as a row.
  template <class Matrix>
  [[nodiscard]] Matrix row(const Matrix& all, index_t i, index_t samples) const {
    return {all.data() + i * channels_, 1, channels_ * samples};
  }
  /// A weight for each channel, repeated for the samples of a block.
  template <backend B>
  [[nodiscard]] const_matrix<B> expanded(pass<B>& p, const_matrix<B> w, index_t samples,
                                         scratch_id room) const {
    if (samples == 1) return w;
    const matrix<B> to(p.scratch(room).data(), channels_, samples);
    p.backend().map(identity{}, to, const_matrix<B>(w.data(), channels_, 1));
    return {to.data(), 1, channels_ * samples};
  }
  /// Replaces the numbers of a block's channels by their mean over each group.
  template <backend B>
  void average_groups(pass<B>& p, matrix<B> row, index_t i, index_t samples) const {
    if (group_size_ == 1) return;
    const B& be = p.backend();
    const index_t groups = row.size() / group_size_;
    const matrix<B> turned(row.data(), channels_, samples);
    const matrix<B> by_channel =
        samples == 1 ? row : matrix<B>(p.scratch(by_channel_).data(), samples, channels_);
    const matrix<B> members(by_channel.data(), groups, group_size_);
    const matrix<B> mean(p.scratch(by_group_).data() + i * (channels_ / group_size_), groups, 1);
    if (samples > 1) ops::transpose_op{}.forward(be, by_channel, const_matrix<B>(turned));
    be.reduce(reduction::sum{}, mean, identity{}, members);
    be.map(fn::affine{1 / static_cast<double>(group_size_), 0}, members, mean);
    if (samples > 1) ops::transpose_op{}.forward(be, turned, const_matrix<B>(by_channel));
  }

  index_t channels_ = 0, positions_ = 0, group_size_ = 1;
  saved_id mean_, inverse_;
  std::array<scratch_id, 2> transposed_, expanded_, sums_, means_;
  scratch_id by_channel_, by_group_;
};

}  // namespace detail

/// Group normalization: in each sample, each group of neighbouring channels is given mean 0 and
/// variance 1 over all positions, then y = weight x̂ + bias (1 × channels each). Source: Y. Wu,
/// K. He, ECCV 2018.
class group_norm : public detail::normalization_options<group_norm, detail::sample_norm> {
 public:
  static constexpr const char* name = "group_norm";
  static constexpr bool keeps_features = true;

  /// Throws value_error unless there is at least one group.
  constexpr explicit group_norm(index_t groups) : groups_(groups) {
    if (groups < 1) detail::fail<value_error>("group_norm needs at least one group, got ", groups);
  }

  /// Throws shape_error unless the groups divide the channels and have more than one value each.
  [[nodiscard]] shape bind(plan& p, const shape& in) { return bind_groups(p, in, groups_); }
  void describe(archive& a) const {
    a.extent("groups", groups_);
    a.constant("eps", eps_);
    affine_.describe(a, true);
  }

 private:
  index_t groups_;
};

/// Instance normalization: each channel of each sample is given mean 0 and variance 1 over all
/// positions; with affine(true), then y = weight x̂ + bias (1 × channels each). Source: D. Ulyanov,
/// A. Vedaldi, V. Lempitsky, 2016, arXiv:1607.08022.
class instance_norm : public detail::normalization_options<instance_norm, detail::sample_norm> {
 public:
  static constexpr const char* name = "instance_norm";
  static constexpr bool keeps_features = true;

  /// Normalizes without weight and bias.
  constexpr instance_norm() { affine_.used = false; }

  /// Throws shape_error if a sample has one position.
  [[nodiscard]] shape bind(plan& p, const shape& in) {
    return bind_groups(p, in, p.input(in).last());
  }
  void describe(archive& a) const {
    a.constant("eps", eps_);
    affine_.describe(a, false);
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_GROUP_NORM_HPP

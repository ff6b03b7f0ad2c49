/// \file
/// Inverted dropout: y = x / (1 - p) where a random number u in [0, 1) is at least p, else 0; so
/// the mean of y is x, and nothing is done outside of training. All matrices are n × features.
/// Source: N. Srivastava et al., JMLR 15 (2014), section 10 for the scaling.
#ifndef CHAINRULE_OPS_DROPOUT_HPP
#define CHAINRULE_OPS_DROPOUT_HPP

#include "chainrule/ops/pointwise.hpp"

namespace chainrule::ops {

/// What dropout does to a value, and to a gradient, beside its random number.
struct keep_above {
  double p = 0;
  constexpr auto operator()(const auto& x, const auto& u) const {
    return math::where(u >= p, x * (1 / (1 - p)), 0);
  }
};

/// y from x and as many uniform random numbers u, through which no gradient flows. y may be x.
struct dropout_op {
  static constexpr std::string_view name = "dropout";
  double p = 0;

  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape u) const {
    contract::same_shape("dropout", x, u);
    return x;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> u) const {
    be.map(keep_above{p}, y, x, u);
  }
  void vjp(auto& step) const { step.give(0, dropout_op{p}, step.dy(), step.input(1)); }
};

/// Dropout of whole channels: y from x (n × positions · channels) and one random number for each
/// channel of a sample, u (n × channels), through which no gradient flows. y may not be x.
struct channel_dropout_op {
  static constexpr std::string_view name = "channel_dropout";
  double p = 0;

  /// Throws shape_error unless a row of x holds whole positions of the channels of u.
  [[nodiscard]] matrix_shape shape(matrix_shape x, matrix_shape u) const {
    if (u.rows != x.rows || u.cols < 1 || x.cols % u.cols != 0)
      detail::fail<shape_error>("channel_dropout: ", to_string(u),
                                " random numbers do not fit samples of ", to_string(x),
                                "; give one for each channel of a sample");
    return x;
  }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> u) const {
    const keep_above keep{p};
    const index_t channels = u.cols();
    if constexpr (requires { requires B::host_memory; }) {
      for (index_t i = 0; i < x.rows(); ++i)
        be.map(keep, matrix<B>(y.data() + i * y.stride(), x.cols() / channels, channels),
               const_matrix<B>(x.data() + i * x.stride(), x.cols() / channels, channels),
               u.middle_rows(i, 1));
    } else {
      // The numbers are repeated by copies of twice as many positions each.
      be.copy(y.block(0, 0, y.rows(), channels), u);
      for (index_t done = channels; done < y.cols(); done *= 2) {
        const index_t more = std::min(done, y.cols() - done);
        be.copy(y.block(0, done, y.rows(), more), y.block(0, 0, y.rows(), more));
      }
      be.map(keep, y, x, y);
    }
  }
  void vjp(auto& step) const { step.give(0, channel_dropout_op{p}, step.dy(), step.input(1)); }
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_DROPOUT_HPP

/// \file
/// `prelu`: a rectifier whose slope for negative inputs is trained.
///
///     prelu{}                          // one slope, which begins at 0.25
///     prelu{}.per_channel()            // one for each channel
///     prelu{}.initial(0.1)
#ifndef CHAINRULE_LAYERS_PRELU_HPP
#define CHAINRULE_LAYERS_PRELU_HPP

#include "chainrule/core/finite.hpp"
#include "chainrule/layers/layer.hpp"
#include "chainrule/ops/pointwise.hpp"

namespace chainrule {

namespace fn {
/// x where it is positive, else slope x; at 0 the derivative is the slope.
struct prelu {
  constexpr auto operator()(const auto& x, const auto& slope) const {
    return math::where(x > 0, x, slope * x);
  }
};
}  // namespace fn

/// y = x where x > 0, else slope x. The slope ("weight", 1 × 1 or 1 × channels) is trained, without
/// weight decay. Source: K. He et al., ICCV 2015.
class prelu {
 public:
  static constexpr const char* name = "prelu";
  static constexpr bool keeps_features = true;

  /// This layer with one slope for each channel (last axis), or with one for all.
  [[nodiscard]] constexpr prelu per_channel(bool each = true) const {
    prelu l = *this;
    l.per_channel_ = each;
    return l;
  }
  /// This layer with another first slope. Throws value_error if it is not finite.
  [[nodiscard]] constexpr prelu initial(double slope) const {
    if (!(slope - slope == 0))
      detail::fail<value_error>("prelu: the first slope must be finite, got ", slope);
    prelu l = *this;
    l.initial_ = slope;
    return l;
  }

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in);
    columns_ = per_channel_ ? x.last() : x.size();
    slope_ = p.bias("weight", per_channel_ ? columns_ : 1, init::constant(initial_));
    return x;
  }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    p.backend().map(fn::prelu{}, with_columns(y, columns_), with_columns(x, columns_),
                    p.value(slope_));
  }
  template <backend B>
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B>, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    x = with_columns(x, columns_);
    dy = with_columns(dy, columns_);
    const const_matrix<B> slope = p.value(slope_);
    if (p.is_trained(slope_)) {
      const auto [to, beta] = p.gradient_to_add(slope_);
      be.reduce(reduction::sum{}, to, {beta}, detail::dual_gradient<fn::prelu, 1>{}, dy, x, slope);
    }
    if (!dx.empty())
      be.map(detail::dual_gradient<fn::prelu, 0>{}, with_columns(dx, columns_), dy, x, slope);
  }
  void describe(archive& a) const {
    a.constant("initial", initial_);
    if (per_channel_) a.extent("per_channel", 1);
  }

 private:
  double initial_ = 0.25;
  bool per_channel_ = false;
  index_t columns_ = 0;
  parameter_id slope_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LAYERS_PRELU_HPP

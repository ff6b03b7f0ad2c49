/// \file
/// What an op is, and `matrix_step<B>`, over which layers run its vector-Jacobian product.
///
/// An op is a small value. Its forward pass assigns a result; its vector-Jacobian product (vjp) is
/// written once, from other ops and pointwise functors, and runs over matrices in planned memory
/// (matrix_step) as well as over the variables of a tape, where it can be recorded:
///
///     struct scale_rows {                                   // y = s x, s: n × 1
///       static constexpr std::string_view name = "scale_rows";
///       matrix_shape shape(matrix_shape x, matrix_shape) const { return x; }
///       template <backend B>
///       void forward(const B& be, matrix<B> y, const_matrix<B> x, const_matrix<B> s) const {
///         be.map(fn::multiplies{}, y, x, s);
///       }
///       void vjp(auto& step) const {
///         if (step.wants(0)) step.give(0, fn::multiplies{}, step.dy(), step.input(1));
///         if (step.wants(1)) step.give(1, fn::multiplies{}, step.dy(), step.input(0));  // summed
///       }
///     };
///     y = apply(scale_rows{}, x, s);                        // of variables
///
/// A step has dy(), output(), inputs(), input(i), shape_of(i) and wants(i), and
///
///     step.give(i, f, operands...)       input i has the gradient f(operands...)
///     step.give(i, value)                input i has the gradient `value`
///     step.make(op, operands...)         an intermediate result
///     step.make_sum(shape, functor, operands...)  one that is summed to a shape
///
/// where f is an op or a pointwise functor. Gradients are summed to the shape of an input that was
/// broadcast. An op that has `accumulate(be, to, beta, operands...)` can add to a gradient: to =
/// result + beta to.
#ifndef CHAINRULE_OPS_VJP_HPP
#define CHAINRULE_OPS_VJP_HPP

#include <array>
#include <span>
#include <string_view>
#include <type_traits>

#include "chainrule/backend/contract.hpp"
#include "chainrule/ops/reductions.hpp"

namespace chainrule::ops {

/// Where a gradient goes: to = gradient + beta to. An empty matrix is not wanted.
template <backend B>
struct gradient_target {
  matrix<B> to{};
  /// 0 where the gradient is assigned, 1 where it is added.
  double beta = 0;

  gradient_target() = default;
  /// Writes into m, added to b times what is there.
  gradient_target(matrix<B> m, double b = 0) : to(m), beta(b) {}  // NOLINT: implicit by design
};

/// A vector-Jacobian product over matrices of N inputs. Inputs and the output may be empty where
/// the op's vjp does not read them.
template <backend B, std::size_t N>
class matrix_step {
 public:
  /// Intermediate results take `scratch` one after another, which have their shapes.
  matrix_step(const B& be, const_matrix<B> dy, const_matrix<B> y,
              const const_matrix<B> (&inputs)[N], const gradient_target<B> (&targets)[N],
              std::span<const matrix<B>> scratch = {})
      : be_(be),
        dy_(dy),
        y_(y),
        inputs_(std::to_array(inputs)),
        targets_(std::to_array(targets)),
        scratch_(scratch) {}

  [[nodiscard]] const B& backend() const { return be_; }
  /// Where the gradient of operand i goes, for ops that write several at once.
  [[nodiscard]] gradient_target<B> target(std::size_t i) const { return targets_[i]; }
  /// Gradient of the output.
  [[nodiscard]] const_matrix<B> dy() const { return dy_; }
  /// Output of the forward pass.
  [[nodiscard]] const_matrix<B> output() const { return y_; }
  /// Number of operands.
  [[nodiscard]] static constexpr std::size_t inputs() { return N; }
  /// Operand i of the forward pass.
  [[nodiscard]] const_matrix<B> input(std::size_t i) const { return inputs_[i]; }
  /// Whether operand i has a gradient to write.
  [[nodiscard]] bool wants(std::size_t i) const { return !targets_[i].to.empty(); }
  /// The shape of input i, which is that of its gradient.
  [[nodiscard]] matrix_shape shape_of(std::size_t i) const {
    return wants(i) ? targets_[i].to.shape() : inputs_[i].shape();
  }

  /// Writes f of the operands as the gradient of operand i.
  template <class F, class... V>
  void give(std::size_t i, const F& f, const V&... operands) {
    if (!wants(i)) return;
    const matrix<B> to = targets_[i].to;
    const double beta = targets_[i].beta;
    if constexpr (sizeof...(V) == 0) {
      sum_op{to.shape()}.accumulate(be_, to, beta, const_matrix<B>(f));
    } else if constexpr (requires { f.accumulate(be_, to, beta, operands...); }) {
      f.accumulate(be_, to, beta, operands...);
    } else {
      if (beta != 0) refuse_beta(to.shape());
      evaluate(f, to, operands...);
    }
  }
  /// A matrix with f of the operands.
  template <class F, class... V>
  [[nodiscard]] const_matrix<B> make(const F& f, const V&... operands) {
    if (scratch_.empty()) refuse_scratch();
    const matrix<B> to = scratch_.front();
    scratch_ = scratch_.subspan(1);
    evaluate(f, to, operands...);
    return to;
  }
  /// A matrix with the sum of f of the operands over the broadcast axes.
  template <class F, class... V>
  [[nodiscard]] const_matrix<B> make_sum(matrix_shape, const F& f, const V&... operands) {
    return make(f, operands...);
  }

 private:
  template <class F, class... V>
  void evaluate(const F& f, matrix<B> to, const V&... operands) const {
    if constexpr (op<F, V...>)
      f.forward(be_, to, operands...);
    else
      map_to(be_, f, to, operands...);
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_beta(matrix_shape s) {
    detail::fail<value_error>("this op can only assign a gradient of ", to_string(s),
                              ", not add to it; use a beta of 0");
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_scratch() {
    detail::fail<value_error>(
        "the vjp of this op makes an intermediate result; give the matrix_step a scratch matrix "
        "for "
        "each");
  }

  const B& be_;
  const_matrix<B> dy_;
  const_matrix<B> y_;
  std::array<const_matrix<B>, N> inputs_;
  std::array<gradient_target<B>, N> targets_;
  std::span<const matrix<B>> scratch_;
};

}  // namespace chainrule::ops

#endif  // CHAINRULE_OPS_VJP_HPP

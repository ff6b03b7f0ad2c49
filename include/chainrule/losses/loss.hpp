/// \file
/// What a loss is: it takes a network's outputs and targets, and gives the loss of each sample and
/// the gradient of their mean.
///
///     loss_scratch<cpu> scratch(be, 64, 10);          // for up to 64 samples of 10 outputs
///     softmax_cross_entropy{}(be, logits, labels, scale, losses, gradient, scratch);
///
/// Shapes: outputs: n × c; targets: n × c values, or n × 1 class numbers (as scalars) when c > 1;
/// scale: 1 × 1, what the gradient is multiplied by (1/n for the mean over the batch); losses:
/// n × 1, assigned, not scaled; gradient: n × c, assigned, not computed if it is empty. NaN among a
/// sample's outputs, and a class number that is none of 0 ... c - 1, make its loss NaN.
///
/// A loss that does not take every finite target says which ones it takes, which training checks:
///
///     static constexpr const char* targets = "from 0 to 1";
///     static constexpr bool takes(double target);
///
/// A loss that treats each sample for itself says so by a member function
/// `static constexpr bool samples_are_independent() { return true; }`: batches may then be cut into
/// micro-batches.
///
/// The loss stays one number per sample until the host adds it up in double: nothing waits for the
/// device within an epoch, and no order of addition depends on threads.
#ifndef CHAINRULE_LOSSES_LOSS_HPP
#define CHAINRULE_LOSSES_LOSS_HPP

#include "chainrule/ops/softmax.hpp"

namespace chainrule {

/// What losses and metrics need beside their arguments, for up to `rows` samples.
template <backend B>
struct loss_scratch {
  loss_scratch() = default;
  loss_scratch(const B& be, index_t rows, index_t outputs)
      : first(be, rows, 1),
        second(be, rows, 1),
        third(be, rows, 1),
        columns(ops::counting_row(be, outputs)) {}

  tensor<B> first, second, third;  // one number per sample each
  tensor<B> columns;               // 0, 1, ..., outputs - 1
};

/// Whether a loss says that it treats each sample for itself.
template <class Loss>
[[nodiscard]] constexpr bool samples_are_independent(const Loss& l) {
  if constexpr (requires { l.samples_are_independent(); })
    return l.samples_are_independent();
  else
    return false;
}

/// How the targets of a loss are given.
enum class target_kind { values, classes };

/// Classes if the targets are one number per sample and the outputs are several, else values.
/// Throws shape_error, naming the loss, if they fit neither way.
[[nodiscard]] inline target_kind kind_of_targets(const char* loss, matrix_shape outputs,
                                                 matrix_shape targets) {
  if (targets == outputs) return target_kind::values;
  if (targets.rows == outputs.rows && targets.cols == 1) return target_kind::classes;
  throw shape_error(detail::concat(loss, ": targets of ", to_string(targets),
                                   " do not fit outputs of ", to_string(outputs),
                                   "; give as many values, or one class number per sample"));
}

namespace terms {
/// The loss if the label is one of the numbers 0 ... last, else NaN.
struct loss_of_known_class {
  constexpr auto operator()(const auto& loss, const auto& label, const auto& last) const {
    return math::where((label >= 0) & (label <= last) & (math::floor(label) == label), loss,
                       std::numeric_limits<double>::quiet_NaN());
  }
};
}  // namespace terms

/// Makes the losses of samples whose class does not exist NaN: no column matches such a label, and
/// their loss would look like that of a perfect answer. `columns` is 0, 1, ..., c - 1.
template <backend B>
void reject_unknown_classes(const B& be, const_matrix<B> labels, const_matrix<B> columns,
                            matrix<B> losses) {
  be.map(terms::loss_of_known_class{}, losses, losses, labels,
         columns.block(0, columns.cols() - 1, 1, 1));
}

/// Anything that can be called as the header says.
template <class L, class B>
concept loss = requires(const L& l, const B& be, const_matrix<B> in, matrix<B> out,
                        loss_scratch<B>& scratch) {
  l(be, in, in, in, out, out, scratch);
  { L::name } -> std::convertible_to<const char*>;
};

}  // namespace chainrule

#endif  // CHAINRULE_LOSSES_LOSS_HPP

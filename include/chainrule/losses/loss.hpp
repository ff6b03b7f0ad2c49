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
/// A loss whose value for a sample depends on that sample only has a member function
/// `static constexpr bool samples_are_independent() { return true; }`: batches may then be cut into
/// micro-batches, for which several threads call the loss at the same time. A loss of logits names
/// its link, which predict_proba applies:
///
///     static constexpr output_link link = output_link::softmax;
///
/// The loss stays one number per sample until the host adds it up in double: nothing waits for the
/// device within an epoch, and no order of addition depends on threads.
#ifndef CHAINRULE_LOSSES_LOSS_HPP
#define CHAINRULE_LOSSES_LOSS_HPP

#include <concepts>
#include <limits>
#include <string>

#include "chainrule/core/finite.hpp"
#include "chainrule/core/holders.hpp"
#include "chainrule/ops/softmax.hpp"

namespace chainrule {

namespace detail {
template <class B>
inline constexpr bool has_row_extras = requires {
  typename B::row_extras;
};
template <class B>
using row_extras_member = typename B::row_extras;
}  // namespace detail

/// What a training step wants from the launch of a loss beside it, on a backend whose verbs for
/// losses take that: whether answers are right, losses at their place in the epoch, the gradient
/// multiplied by the derivative of the last activation. It is for a loss whose call operator passes
/// it to such a verb and does nothing to the results afterwards, which says so by the class that
/// has this operator: `using extras_taker = softmax_cross_entropy;`. For other losses the step does
/// the rest.
template <class B>
using row_extras_t =
    typename detail::optional_member<detail::has_row_extras<B>, detail::row_extras_member, B>::type;

/// What losses and metrics need beside their arguments, for up to `rows` samples.
template <backend B>
struct loss_scratch {
  loss_scratch() = default;
  /// Allocates memory for batches of up to `rows` rows with that many outputs.
  [[gnu::noinline]] loss_scratch(const B& be, index_t rows, index_t outputs)
      : first(be, rows, 1),
        second(be, rows, 1),
        third(be, rows, 1),
        columns(ops::counting_row(be, outputs)),
        one(be, 1, 1) {
    be.map(fn::fill{1}, one.view());
  }

  tensor<B> first, second, third;  // one number per sample each
  tensor<B> columns;               // 0, 1, ..., outputs - 1
  tensor<B> one;                   // 1, a scale
  row_extras_t<B> extras{};        // of the next loss
};

/// How the targets of a loss are given.
enum class target_kind { values, classes };

/// Classes if the targets are one number per sample and the outputs are several, else values.
/// Throws shape_error, naming the loss, if they fit neither way.
[[nodiscard]] inline target_kind kind_of_targets(const char* loss, matrix_shape outputs,
                                                 matrix_shape targets) {
  if (targets == outputs) return target_kind::values;
  if (targets.rows == outputs.rows && targets.cols == 1) return target_kind::classes;
  detail::fail<shape_error>(loss, ": targets of ", to_string(targets), " do not fit outputs of ",
                            to_string(outputs),
                            "; give as many values, or one class number per sample");
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

/// A function object with the call operator described above and a static `name`.
template <class L, class B>
concept loss = requires(const L& l, const B& be, const_matrix<B> in, matrix<B> out,
                        loss_scratch<B>& scratch) {
  l(be, in, in, in, out, out, scratch);
  { L::name } -> std::convertible_to<const char*>;
};

/// The function from the outputs that a loss takes to probabilities.
enum class output_link { none, softmax, sigmoid };

/// What training and metrics need to know of a loss.
struct loss_traits {
  const char* name = "";
  const char* targets = "";  // in words, which ones it takes
  bool samples_are_independent = false;
  output_link link = output_link::none;
  double threshold = 0.5;         // a single output above it is the answer "class 1"
  double target_threshold = 0.5;  // a single target above it is class 1
};

/// The traits that a loss states in its members.
template <class Loss>
[[nodiscard]] loss_traits traits_of(const Loss& l) {
  loss_traits t{.name = Loss::name};
  if constexpr (requires { l.targets; }) t.targets = l.targets;
  if constexpr (requires { l.samples_are_independent(); })
    t.samples_are_independent = l.samples_are_independent();
  if constexpr (requires { l.link; }) t.link = l.link;
  if constexpr (requires { l.hit; }) t.target_threshold = (l.hit + l.miss) / 2;
  t.threshold = t.link == output_link::sigmoid ? 0 : t.target_threshold;
  return t;
}

namespace detail {
/// Whether the loss's call operator is that of the class which takes extras: a loss that calls
/// another one and changes its results has an operator of its own.
template <class Loss, class B>
inline constexpr bool takes_extras = requires {
  requires std::same_as<decltype(&Loss::template operator()<B>),
                        void (Loss::extras_taker::*)(const B&, const_matrix<B>, const_matrix<B>,
                                                     const_matrix<B>, matrix<B>, matrix<B>,
                                                     loss_scratch<B>&) const>;
};
}  // namespace detail

/// Any loss over backend B.
template <backend B>
class any_loss {
 public:
  /// Holds a copy of the loss; copies of this object share it.
  template <class Loss>
  requires(!std::same_as<Loss, any_loss>) any_loss(const Loss& l)  // NOLINT: implicit, as any_layer
      : held_(detail::make_shared<holder<Loss>>(l)), traits_(traits_of(l)) {}

  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    held_->apply(be, y, t, scale, losses, gradient, scratch);
  }
  [[nodiscard]] const loss_traits& traits() const { return traits_; }
  /// Whether the loss takes a value as target. Class numbers of several outputs are not values.
  [[nodiscard]] bool takes(double target) const { return held_->takes(target); }

 private:
  struct interface {
    virtual ~interface() = default;
    virtual void apply(const B&, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B>,
                       matrix<B>, loss_scratch<B>&) const = 0;
    [[nodiscard]] virtual bool takes(double) const = 0;
  };
  template <class Loss>
  struct holder final : interface {
    static_assert(loss<Loss, B>, "chainrule: this is not a loss (losses/loss.hpp)");
    explicit holder(const Loss& l) : held(l) {}
    void apply(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
               matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const override {
      if constexpr (!detail::takes_extras<Loss, B>) scratch.extras = {};
      held(be, y, t, scale, losses, gradient, scratch);
    }
    [[nodiscard]] bool takes([[maybe_unused]] double target) const override {
      if constexpr (requires { held.takes(target); })
        return detail::is_finite(target) && held.takes(target);
      else
        return true;
    }
    Loss held;
  };

  detail::shared<const interface> held_;
  loss_traits traits_;
};

}  // namespace chainrule

#endif  // CHAINRULE_LOSSES_LOSS_HPP

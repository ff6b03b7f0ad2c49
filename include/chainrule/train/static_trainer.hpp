/// \file
/// `static_trainer`: steps of training of a `static_network`, each one call without allocation,
/// lock or system call.
///
///     static_network net{dense<10, 3, fn::sigmoid>{}, dense<3, 2, fn::sigmoid>{}};
///     net.initialize(1);
///     static_trainer t{net, quadratic_cost{}, sgd{2.0}};
///     t.require_targets(targets);                // once
///     for (...) t.step(x, targets);              // a row per sample
///     t.step(x, targets, order.subspan(i, 8));   // the samples with these numbers
///
/// Losses and rules are those of `trainer`, evaluated by the functors of which they are made: the
/// losses of losses/pointwise.hpp and softmax_cross_entropy, and all rules but clip_by_norm. There
/// is no fit: the loop over epochs is the program's.
///
/// Samples lie in the elements of lanes; forward pass, loss, backward pass and update are one
/// function, in which extents are constants. Denormal numbers are slow: hold a flush_denormals
/// (backend/cpu/denormals.hpp) where gradients become very small.
#ifndef CHAINRULE_TRAIN_STATIC_TRAINER_HPP
#define CHAINRULE_TRAIN_STATIC_TRAINER_HPP

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <span>

#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/static_network.hpp"
#include "chainrule/optim/optimizer.hpp"

namespace chainrule {

namespace detail {
CHAINRULE_CPU_BEGIN

/// Whether a static_trainer takes a loss of so many outputs.
template <class Loss, index_t Outputs>
inline constexpr bool is_static_loss = requires(const Loss& l) {
  l.term();
}
|| (std::same_as<Loss, softmax_cross_entropy> && Outputs > 1);

/// Assigns the gradient of a loss, times `scale`, to dy, and returns the losses, for targets that
/// are values.
template <index_t Outputs, class Loss, class X>
[[nodiscard]] CHAINRULE_FLAT X static_loss(const Loss& loss, const X* y, const X* t, const X& scale,
                                           X* dy) {
  X losses(0);
  if constexpr (requires { loss.term(); }) {
    using Term = std::remove_cvref_t<decltype(loss.term())>;
    double factor = 1;
    if constexpr (requires { loss.factor(Outputs); }) factor = loss.factor(Outputs);
    const weighted_term<Term> value{loss.term(), factor, {}};
    const weighted_derivative<Term> derivative{loss.term(), factor, {}};
    for (index_t j = 0; j < Outputs; ++j) {
      losses += math::convert<X>(value(y[j], t[j], X(0)));
      dy[j] = derivative(y[j], t[j], X(0), scale);
    }
  } else if constexpr (is_static_loss<Loss, Outputs>) {
    const terms::smoothed_target target{{false}, loss.smoothing, static_cast<double>(Outputs)};
    X max = y[0];
    X sum(0);
    X mass(0);
    for (index_t j = 1; j < Outputs; ++j) max = math::max(max, y[j]);
    for (index_t j = 0; j < Outputs; ++j) {
      sum += ops::terms::shifted_exp{}(y[j], max);
      mass += t[j];
    }
    const X log_sum = math::log(sum);
    for (index_t j = 0; j < Outputs; ++j) {
      losses += math::convert<X>(terms::cross_entropy_term{target}(y[j], max, log_sum, t[j], X(0)));
      dy[j] = math::convert<X>(
          terms::cross_entropy_gradient{target}(y[j], max, sum, t[j], mass, X(0), scale));
    }
  }
  return losses;
}

CHAINRULE_CPU_END
}  // namespace detail

CHAINRULE_CPU_BEGIN

/// Trains a static_network by a loss and a rule, or a chain of rules.
template <class Net, class Loss, class Chain>
class static_trainer {
  using network_type = std::remove_const_t<Net>;  // so that const is reported once, below
  using T = typename Net::scalar;
  using layout = typename Net::layout;
  static_assert(Chain::is_complete,
                "chainrule: an optimizer needs exactly one rule with a learning rate (sgd, "
                "momentum, adam); the others of its chain only change the direction");
  static_assert(!std::is_const_v<Net>,
                "chainrule: a static_trainer changes its network, and this one is const");
  static_assert(detail::is_static_loss<Loss, Net::outputs>,
                "chainrule: a static_trainer takes the losses of losses/pointwise.hpp and, for "
                "several outputs, softmax_cross_entropy; use trainer for others");
  using first_rule = std::remove_cvref_t<decltype(std::get<0>(std::declval<Chain&>().rules()))>;
  static_assert(!measures_gradient<first_rule>,
                "chainrule: a static_trainer has no rule that measures the whole gradient "
                "(clip_by_norm); use clip_by_value, or trainer");

 public:
  /// Trains `net`, which must outlive the trainer and not be moved. Throws value_error if a
  /// constant of a rule is out of range.
  template <class Rules>
  static_trainer(Net& net, const Loss& loss, const Rules& rules)
      : net_(const_cast<network_type*>(&net)),
        loss_(loss),
        rules_(chain(rules)),
        kernel_{rules_.rules(), 0} {
    if constexpr (requires { loss_.require_constants(); }) loss_.require_constants();
  }

  /// Throws unless the loss takes these targets: shape_error for their number, value_error for a
  /// value or class, naming the sample. To be called once for a program's data: a step looks at no
  /// number, and of an unknown class returns NaN.
  void require_targets(matrix_view<const T> targets) const {
    const bool classes = kind_of_targets(Loss::name, {targets.rows(), outputs}, targets.shape()) ==
                         target_kind::classes;
    for (index_t i = 0; i < targets.rows(); ++i)
      for (index_t j = 0; j < targets.cols(); ++j) {
        const auto t = static_cast<double>(targets(i, j));
        if (classes) {
          if (!(t >= 0 && t < outputs && t == std::floor(t)))
            detail::fail<value_error>("static_trainer: the class of sample ", i, " is ", t,
                                      ", the network has outputs for classes 0 to ", outputs - 1);
        } else if constexpr (requires { Loss::takes(t); }) {
          if (!detail::is_finite(t) || !Loss::takes(t))
            detail::fail<value_error>(Loss::name, " takes targets ", Loss::targets,
                                      ", that of sample ", i, " is ", t);
        }
      }
  }

  /// One step from the samples in the rows of x (n × inputs) and their targets, n × outputs values
  /// or n × 1 class numbers. Returns the mean loss of the samples before it; without samples
  /// nothing is done. Throws shape_error.
  double step(matrix_view<const T> x, matrix_view<const T> targets) {
    return run<purpose::step>(x, targets, nullptr, x.rows(), {});
  }
  /// One step from samples rows[0], rows[1], ... of x and of the targets. Throws shape_error, and
  /// value_error if x has no such row.
  double step(matrix_view<const T> x, matrix_view<const T> targets,
              std::span<const std::int32_t> rows) {
    for (const std::int32_t r : rows)
      if (r < 0 || r >= x.rows())
        detail::fail<value_error>("static_trainer: there is no sample ", r, " among ", x.rows());
    return run<purpose::step>(x, targets, rows.data(), static_cast<index_t>(rows.size()), {});
  }
  /// Assigns the gradients of the mean loss to gradients() and, unless it is empty, dL/dx to
  /// `input_gradient` (n × inputs), and updates nothing. Returns the mean loss. Throws shape_error.
  double compute_gradients(matrix_view<const T> x, matrix_view<const T> targets,
                           matrix_view<T> input_gradient = {}) {
    if (!input_gradient.empty() && input_gradient.shape() != x.shape())
      detail::fail<shape_error>("static_trainer: the gradient of samples of ", to_string(x.shape()),
                                " is no matrix of ", to_string(input_gradient.shape()));
    return run<purpose::gradients>(x, targets, nullptr, x.rows(), input_gradient);
  }
  /// The gradients of the step or call before, a number per parameter, in a network of the same
  /// layers: gradients().template weights<0>().
  [[nodiscard]] const network_type& gradients() const { return gradients_; }

  /// The mean loss of samples, whose targets are as those of a step; gradients() stays
  /// as it is. Throws shape_error.
  [[nodiscard]] double loss(matrix_view<const T> x, matrix_view<const T> targets) {
    return run<purpose::loss>(x, targets, nullptr, x.rows(), {});
  }

  /// What the rules remember, to resume a training: plain numbers that a program may copy or write
  /// to a file of its own. The parameters are the network's.
  struct optimizer_state {
    /// A number per parameter for each slot of the rules.
    std::array<std::array<T, static_cast<std::size_t>(Net::places.all)>, Chain::slots> slots{};
    /// The updates so far.
    std::int64_t steps = 0;
  };
  /// The state of the optimizer.
  [[nodiscard]] const optimizer_state& state() const { return state_; }
  /// Continues from the state of a trainer of the same types.
  void resume(const optimizer_state& s) { state_ = s; }
  /// The updates so far.
  [[nodiscard]] std::int64_t steps() const { return state_.steps; }

 private:
  static constexpr index_t inputs = Net::inputs;
  static constexpr index_t outputs = Net::outputs;
  static constexpr layout places{};

  /// Whether the lanes of an instruction set are at most half filled by n samples.
  [[nodiscard]] static bool is_too_wide(isa set, index_t n) {
    return set != isa::portable && 2 * n <= detail::vector_width<T>(set);
  }

  enum class purpose { loss, gradients, step };

  template <purpose P>
  double run(matrix_view<const T> x, matrix_view<const T> targets, const std::int32_t* rows,
             index_t n, matrix_view<T> dx) {
    const bool classes = kind_of(x, targets) == target_kind::classes;
    if (n == 0) return 0;
    isa set = chosen_isa();
    while (is_too_wide(set, n)) set = set == isa::avx512 ? isa::avx2 : isa::portable;
    double total = 0;
    const step_scalars scalars = P == purpose::step ? prepared() : step_scalars{};
    detail::with_lanes(set, [&](auto bytes) {
      using X = math::lane<T, bytes>;
      if constexpr (P != purpose::loss) clear<X>();
      for (index_t first = 0; first < n; first += X::width)
        total += add_gradients<X, P>(x, targets, rows, first, n, classes, dx);
      if constexpr (P == purpose::step) update<X>(scalars);
    });
    if constexpr (P == purpose::step) ++state_.steps;
    return total / static_cast<double>(n);
  }
  [[nodiscard]] static target_kind kind_of(const matrix_view<const T>& x,
                                           const matrix_view<const T>& targets) {
    if (x.cols() != inputs)
      detail::fail<shape_error>("the network expects ", inputs, " features, the samples have ",
                                x.cols());
    return kind_of_targets(Loss::name, {x.rows(), outputs}, targets.shape());
  }

  template <class X>
  CHAINRULE_FLAT void clear() {
    for (index_t i = 0; i < places.all; i += X::width) X(0).store(gradients_.data() + i);
  }

  /// Returns the sum of the losses of the samples that a lane takes, from `first` on, and adds
  /// their gradients unless only the loss is wanted. A sample that is repeated to fill the lane has
  /// the factor 0.
  template <class X, purpose P>
  CHAINRULE_FLAT double add_gradients(const matrix_view<const T>& x,
                                      const matrix_view<const T>& targets, const std::int32_t* rows,
                                      index_t first, index_t n, bool classes,
                                      [[maybe_unused]] const matrix_view<T>& dx) {
    constexpr auto width = static_cast<std::size_t>(X::width);
    const index_t count = std::min(X::width, n - first);
    std::array<const T*, width> samples;
    std::array<const T*, width> answers;
    std::array<T, width> scales;
    for (std::size_t s = 0; s < width; ++s) {
      const index_t i = first + std::min(static_cast<index_t>(s), count - 1);
      const index_t row = rows == nullptr ? i : rows[i];
      samples[s] = x.data() + row * x.stride();
      answers[s] = targets.data() + row * targets.stride();
      scales[s] = static_cast<index_t>(s) < count ? T(1) / static_cast<T>(n) : T(0);
    }
    X in[static_cast<std::size_t>(inputs)];
    X t[static_cast<std::size_t>(outputs)];
    detail::load_columns<inputs>(samples.data(), in);
    X label(0);
    if (classes) {
      detail::load_columns<1>(answers.data(), &label);
      detail::target_rule target{true};
      if constexpr (requires { Loss::hit; }) target = {true, Loss::hit, Loss::miss};
      for (index_t j = 0; j < outputs; ++j) t[j] = target(label, X(static_cast<T>(j)));
    } else {
      detail::load_columns<outputs>(answers.data(), t);
    }
    X losses(0);
    const X scale = X::load(scales.data());
    const auto at_output = [&](const X* y, X* dy) CHAINRULE_FLAT {
      losses = detail::static_loss<outputs>(loss_, y, static_cast<const X*>(t), scale, dy);
    };
    const T* const values = std::as_const(*net_).data();
    constexpr bool wants_dx = P == purpose::gradients;
    X din[static_cast<std::size_t>(wants_dx ? inputs : 1)];
    if constexpr (P == purpose::loss)
      detail::static_outputs<layout>(net_->layers(), values, static_cast<const X*>(in),
                                     [&](const X* y) CHAINRULE_FLAT {
                                       X dy[static_cast<std::size_t>(outputs)];
                                       at_output(y, dy);
                                     });
    else
      detail::static_passes<layout, 0, wants_dx>(net_->layers(), values, gradients_.data(),
                                                 static_cast<const X*>(in), din, at_output);
    if constexpr (wants_dx)
      if (!dx.empty()) {
        T column[width];
        for (index_t j = 0; j < inputs; ++j) {
          din[j].store(column);
          for (index_t s = 0; s < count; ++s) dx(first + s, j) = column[s];
        }
      }
    if (classes)
      losses = terms::loss_of_known_class{}(losses, label, X(static_cast<T>(outputs - 1)));
    std::array<T, width> one;
    losses.store(one.data());
    double total = 0;
    for (index_t s = 0; s < count; ++s)
      total += static_cast<double>(one[static_cast<std::size_t>(s)]);
    return total;
  }

  /// Rate and scalars of the rules, for weights and for biases.
  using step_scalars = std::array<std::array<T, Chain::scalars + 1>, 2>;
  [[nodiscard]] step_scalars prepared() const {
    step_scalars s{};
    const double rate = rules_.rate(state_.steps);
    for (std::size_t i = 0; i < 2; ++i) {
      std::array<double, Chain::scalars> all{};
      if constexpr (Chain::scalars > 0)
        rules_.prepare({state_.steps, i == 0 ? weight_tags : bias_tags}, all);
      s[i][0] = static_cast<T>(rate);
      for (std::size_t k = 0; k < all.size(); ++k) s[i][k + 1] = static_cast<T>(all[k]);
    }
    return s;
  }

  template <class X>
  CHAINRULE_FLAT void update(const step_scalars& scalars) {
    const auto range = [&](index_t begin, index_t end, const auto& values) CHAINRULE_FLAT {
      std::array<X, Chain::scalars + 1> s;
      for (std::size_t k = 0; k < s.size(); ++k) s[k] = X(values[k]);
      for (index_t i = begin; i < end; i += X::width) update_lane(i, s);
    };
    range(0, places.all_weights, scalars[0]);
    range(places.all_weights, places.all, scalars[1]);
  }
  template <class X>
  CHAINRULE_FLAT void update_lane(index_t i, const std::array<X, Chain::scalars + 1>& scalars) {
    [&]<std::size_t... S, std::size_t... K>(std::index_sequence<S...>, std::index_sequence<K...>)
        CHAINRULE_FLAT {
      const auto result = kernel_(X::load(net_->data() + i), X::load(gradients_.data() + i),
                                  X::load(state_.slots[S].data() + i)..., scalars[K]...);
      X(std::get<0>(result)).store(net_->data() + i);
      (X(std::get<S + 1>(result)).store(state_.slots[S].data() + i), ...);
    }
    (std::make_index_sequence<Chain::slots>{}, std::make_index_sequence<Chain::scalars + 1>{});
  }

  network_type* net_;
  Loss loss_;
  Chain rules_;
  detail::update_kernel<Chain> kernel_;
  network_type gradients_{*net_};
  optimizer_state state_;
};

template <class Net, class Loss, class Rules>
static_trainer(Net&, const Loss&, const Rules&)
    -> static_trainer<Net, Loss, decltype(chain(std::declval<const Rules&>()))>;

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_STATIC_TRAINER_HPP

/// \file
/// `schedule`: a learning rate as a function of the step.
///
///     sgd{.rate = 0.1}                                   // the same at every step
///     sgd{.rate = cosine(0.1, 4000)}                     // from 0.1 to 0 in 4000 steps
///     adam{.rate = warmup(500, exponential(1e-3, 0.999))}
///     sgd{.rate = [](std::int64_t step) { return 1.0 / (10.0 + double(step)); }}
///
/// Steps count the updates from 0. A schedule is evaluated once per step, on the host, in double.
#ifndef CHAINRULE_OPTIM_SCHEDULE_HPP
#define CHAINRULE_OPTIM_SCHEDULE_HPP

#include <cmath>
#include <concepts>
#include <cstdint>
#include <utility>

#include "chainrule/core/error.hpp"
#include "chainrule/core/finite.hpp"
#include "chainrule/core/holders.hpp"

namespace chainrule {

/// Any function of the step, by value.
class schedule {
 public:
  /// The same rate at every step. Throws value_error unless it is finite and at least 0.
  schedule(double rate) : constant_(rate) {  // NOLINT: implicit, a number is a schedule
    if (rate < 0 || !detail::is_finite(rate))
      detail::fail<value_error>("a learning rate must be finite and at least 0, got ", rate);
  }
  /// Takes a function of the step, counted from 0.
  template <class F>
  requires(!std::convertible_to<F, double> && !std::same_as<std::remove_cvref_t<F>, schedule> &&
           std::convertible_to<std::invoke_result_t<const F&, std::int64_t>, double>)
      schedule(F f)  // NOLINT: implicit, a function of the step is a schedule
      : function_(detail::make_shared<const holder<F>>(std::move(f))) {}

  /// The value at that step, counted from 0.
  [[nodiscard]] double operator()(std::int64_t step) const {
    return function_ ? function_->at(step) : constant_;
  }

 private:
  struct callable {
    virtual ~callable() = default;
    [[nodiscard]] virtual double at(std::int64_t step) const = 0;
  };
  template <class F>
  struct holder final : callable {
    explicit holder(F function) : f(std::move(function)) {}
    [[nodiscard]] double at(std::int64_t step) const override {
      return static_cast<double>(f(step));
    }
    F f;
  };

  double constant_ = 0;
  detail::shared<const callable> function_;
};

namespace detail {
inline void require_steps(const char* what, std::int64_t steps) {
  if (steps < 1)
    detail::fail<value_error>("a ", what, " schedule needs at least 1 step, got ", steps);
}
}  // namespace detail

/// `rate` times `factor` to the number of full `every` steps that have passed.
[[nodiscard]] inline schedule step_decay(double rate, double factor, std::int64_t every) {
  detail::require_steps("step", every);
  return
      [=](std::int64_t step) { return rate * std::pow(factor, static_cast<double>(step / every)); };
}

/// `rate` times `factor` to the number of steps.
[[nodiscard]] inline schedule exponential(double rate, double factor) {
  return [=](std::int64_t step) { return rate * std::pow(factor, static_cast<double>(step)); };
}

/// Half a cosine from `rate` at step 0 to `last` at step `steps`, then `last`. Source: I.
/// Loshchilov, F. Hutter, ICLR 2017, eq. 5.
[[nodiscard]] inline schedule cosine(double rate, std::int64_t steps, double last = 0) {
  detail::require_steps("cosine", steps);
  return [=](std::int64_t step) {
    const double done = step >= steps ? 1 : static_cast<double>(step) / static_cast<double>(steps);
    return last + 0.5 * (rate - last) * (1 + std::cos(3.14159265358979323846 * done));
  };
}

/// Grows linearly over the first `steps` steps (1/steps of it at step 0) into `then`, which counts
/// its own steps from there.
[[nodiscard]] inline schedule warmup(std::int64_t steps, schedule then) {
  detail::require_steps("warm-up", steps);
  return [=](std::int64_t step) {
    return step < steps ? then(0) * static_cast<double>(step + 1) / static_cast<double>(steps)
                        : then(step - steps);
  };
}

}  // namespace chainrule

#endif  // CHAINRULE_OPTIM_SCHEDULE_HPP

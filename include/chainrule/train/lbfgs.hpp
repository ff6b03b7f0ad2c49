/// \file
/// `lbfgs_minimize`: training by L-BFGS on the whole data set, for small networks without noise.
///
///     lbfgs_record r = lbfgs_minimize(net, mean_squared_error{}, train, {.max_steps = 200});
///     if (r.reason == lbfgs_reason::converged) ...
///
/// Each evaluation is a forward and a backward pass over all samples. Same data, network and
/// backend: the same bits. Source: J. Nocedal, S. Wright, Numerical Optimization, 2nd ed.,
/// algorithms 7.4 and 7.5 (direction), 3.5 and 3.6 (line search).
#ifndef CHAINRULE_TRAIN_LBFGS_HPP
#define CHAINRULE_TRAIN_LBFGS_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "chainrule/train/evaluation.hpp"

namespace chainrule {

struct lbfgs_options {
  /// Greatest number of steps.
  int max_steps = 100;
  int max_evaluations = 0;           // of loss and gradient; 0: as many as the steps need
  int history = 10;                  // pairs of steps and changes of the gradient
  double first_length = 1;           // that each line search tries
  double gradient_tolerance = 1e-7;  // converged when no element of the gradient is larger
  double change_tolerance = 1e-9;    // stalled when a step changes loss or parameters by less
  index_t batch = 256;               // samples that are evaluated at a time
};

/// Why lbfgs_minimize returned.
enum class lbfgs_reason {
  converged,        // the gradient is within its tolerance
  stalled,          // the loss or the parameters no longer change
  max_steps,        // as many as the options allow
  max_evaluations,  // as many as the options allow
  not_finite,       // the loss or its gradient is NaN or infinite
};

/// What a minimization reached.
struct lbfgs_record {
  /// Steps that were taken.
  int steps = 0;
  int evaluations = 0;       // of loss and gradient
  double loss = 0;           // the mean over the samples
  double gradient_norm = 0;  // the largest element's magnitude
  /// Why the training ended.
  lbfgs_reason reason = lbfgs_reason::converged;
};

namespace detail {

/// x + t d
struct plus_multiple {
  constexpr auto operator()(const auto& x, const auto& d, const auto& t) const { return x + t * d; }
};

/// Loss and derivative at a step length on a line.
struct line_point {
  double length = 0;
  double loss = 0;
  double derivative = 0;
};

/// Where the cubic through both points has its minimum, between `least` and `most`; their middle
/// where it has none. Source: Numerical Optimization, eq. 3.59.
[[nodiscard]] inline double cubic_minimum(line_point a, line_point b, double least, double most) {
  if (a.length > b.length) std::swap(a, b);
  const double d1 = a.derivative + b.derivative - 3 * (a.loss - b.loss) / (a.length - b.length);
  const double square = d1 * d1 - a.derivative * b.derivative;
  const double d2 = std::sqrt(std::max(square, 0.0));
  const double at = b.length - (b.length - a.length) * (b.derivative + d2 - d1) /
                                   (b.derivative - a.derivative + 2 * d2);
  return square >= 0 && is_finite(at) ? std::clamp(at, least, most) : (least + most) / 2;
}

inline void require_sensible(const lbfgs_options& o) {
  if (o.max_steps < 0 || o.max_evaluations < 0 || o.history < 1 || o.batch < 1)
    throw value_error(
        concat("L-BFGS needs at least 0 steps and evaluations, a history and batches ",
               "of at least 1, got ", o.max_steps, ", ", o.max_evaluations, ", ", o.history,
               " and ", o.batch));
  if (!(o.first_length > 0) || !(o.gradient_tolerance >= 0) || !(o.change_tolerance >= 0))
    throw value_error(concat("L-BFGS needs a first step length above 0 and tolerances of at least ",
                             "0, got ", o.first_length, ", ", o.gradient_tolerance, " and ",
                             o.change_tolerance));
}

template <backend B>
class lbfgs {
 public:
  lbfgs(network<B>& net, const any_loss<B>& loss, const dataset<B>& data, const lbfgs_options& o)
      : net_(net),
        be_(net.backend()),
        loss_(loss),
        options_(o),
        loader_(be_, data,
                {.batch = loss.traits().samples_are_independent ? o.batch : data.count(),
                 .shuffle = false}),
        pass_(net.make_pass(loader_.capacity(), true)),
        scratch_(be_, loader_.capacity(), net.outputs()),
        losses_(be_, data.count(), 1),
        scale_(be_, 1, 1),
        operand_(be_, 1, 1),
        start_(net.make_gradients()),
        direction_(net.make_gradients()),
        gradient_(net.make_gradients()),
        trial_gradient_(net.make_gradients()),
        low_gradient_(net.make_gradients()),
        next_{net.make_gradients(), net.make_gradients(), 0, 0} {
    be_.copy(scale_.view(), operand(1 / static_cast<double>(data.count())));
  }

  [[nodiscard]] lbfgs_record run() {
    lbfgs_record r;
    r.loss = evaluate(gradient_);
    while (!should_stop(r)) {
      find_direction();
      const line_point start{0, r.loss, dot(gradient_, direction_)};
      be_.copy(start_.all(), parameters());
      line_point end = start;
      if (-start.derivative > options_.change_tolerance) end = search(start, r.steps == 0);
      if (end.length == 0) {
        be_.copy(parameters(), start_.all());
      } else {
        move_to(end.length);
        const double change = end.length * largest(direction_);
        keep_correction(end.length);
        std::swap(gradient_, low_gradient_);
        r.loss = end.loss;
        ++r.steps;
        if (change > options_.change_tolerance &&
            std::abs(start.loss - end.loss) >= options_.change_tolerance)
          continue;
      }
      if (!should_stop(r)) r.reason = lbfgs_reason::stalled;
      break;
    }
    return r;
  }

 private:
  /// A step and the change of the gradient over it.
  struct correction {
    arena<B> step, change;
    double reciprocal = 0;  // of their product
    double factor = 0;      // scratch of find_direction
  };

  [[nodiscard]] matrix<B> parameters() { return net_.parameters().all(); }
  [[nodiscard]] const_matrix<B> operand(double x) {
    const auto value = static_cast<scalar_t<B>>(x);
    be_.upload(operand_.view(), matrix_view<const scalar_t<B>>(&value, 1, 1));
    return operand_.view();
  }
  template <class Op, class F, class... In>
  [[nodiscard]] double reduced(Op op, F f, const In&... in) {
    be_.reduce(op, operand_.view(), f, in.all()...);
    return static_cast<double>(to_host(be_, const_matrix<B>(operand_.view()))[0]);
  }
  [[nodiscard]] double dot(const arena<B>& a, const arena<B>& b) {
    return reduced(reduction::sum{}, fn::multiplies{}, a, b);
  }
  [[nodiscard]] double largest(const arena<B>& a) {
    return reduced(reduction::maximum{}, fn::abs{}, a);
  }
  /// a += x b
  void add(arena<B>& a, double x, const arena<B>& b) {
    be_.map(plus_multiple{}, a.all(), a.all(), b.all(), operand(x));
  }
  void move_to(double length) {
    be_.map(plus_multiple{}, parameters(), start_.all(), direction_.all(), operand(length));
  }

  /// Returns whether to stop at the current parameters, and sets the reason.
  [[nodiscard]] bool should_stop(lbfgs_record& r) {
    r.evaluations = evaluations_;
    r.gradient_norm = largest(gradient_);
    if (!is_finite(r.loss) || !is_finite(r.gradient_norm))
      r.reason = lbfgs_reason::not_finite;
    else if (r.gradient_norm <= options_.gradient_tolerance)
      r.reason = lbfgs_reason::converged;
    else if (r.steps >= options_.max_steps)
      r.reason = lbfgs_reason::max_steps;
    else if (evaluations_left() < 1)
      r.reason = lbfgs_reason::max_evaluations;
    else
      return false;
    return true;
  }
  [[nodiscard]] int evaluations_left() const {
    return options_.max_evaluations == 0 ? std::numeric_limits<int>::max()
                                         : options_.max_evaluations - evaluations_;
  }

  /// The mean loss over all samples; assigns its gradient.
  [[nodiscard]] double evaluate(arena<B>& gradients) {
    ++evaluations_;
    for (loader_.begin_epoch(0); loader_.next();) {
      loader_.load();
      const row_range rows{0, loader_.size()};
      const matrix<B> losses = losses_.view().middle_rows(loader_.first(), rows.count);
      const batch_inputs<B> x = loader_.samples(rows);
      const const_matrix<B> y = net_.forward(x, pass_, phase::train(0, 0));
      const matrix<B> dy = net_.output_gradient(pass_);
      loss_(be_, y, loader_.targets(), scale_.view(), losses, dy, scratch_);
      loader_.weigh(rows, losses, dy);
      net_.backward(x, pass_, gradients, loader_.first() != 0);
    }
    double sum = 0;
    for (const scalar_t<B> l : to_host(be_, const_matrix<B>(losses_.view())))
      sum += static_cast<double>(l);
    return sum / static_cast<double>(losses_.rows());
  }
  [[nodiscard]] line_point evaluate_at(double length) {
    move_to(length);
    const double loss = evaluate(trial_gradient_);
    return {length, loss, dot(trial_gradient_, direction_)};
  }

  /// direction = -H gradient, where H is the inverse Hessian that the corrections approximate.
  /// Algorithm 7.4, with the first H of eq. 7.20.
  void find_direction() {
    be_.map(fn::negate{}, direction_.all(), gradient_.all());
    for (auto c = corrections_.rbegin(); c != corrections_.rend(); ++c) {
      c->factor = c->reciprocal * dot(c->step, direction_);
      add(direction_, -c->factor, c->change);
    }
    be_.map(fn::multiplies{}, direction_.all(), direction_.all(), operand(curvature_));
    for (correction& c : corrections_)
      add(direction_, c.factor - c.reciprocal * dot(c.change, direction_), c.step);
  }
  /// Keeps the step of that length, from gradient_ to low_gradient_, unless rounding has made its
  /// curvature meaningless; the oldest correction makes room.
  void keep_correction(double length) {
    correction& c = next_;
    be_.map(fn::multiplies{}, c.step.all(), direction_.all(), operand(length));
    be_.map(fn::minus{}, c.change.all(), low_gradient_.all(), gradient_.all());
    const double product = dot(c.step, c.change);
    const double squares = dot(c.change, c.change);
    // The cosine of step and change does not depend on the scales of loss and parameters.
    constexpr double least = std::numeric_limits<scalar_t<B>>::epsilon();
    if (!(product > least * std::sqrt(squares) * std::sqrt(dot(c.step, c.step)))) return;
    c.reciprocal = 1 / product;
    curvature_ = product / squares;
    if (corrections_.size() < static_cast<std::size_t>(options_.history))
      corrections_.push_back({net_.make_gradients(), net_.make_gradients(), 0, 0});
    else
      std::rotate(corrections_.begin(), corrections_.begin() + 1, corrections_.end());
    std::swap(corrections_.back(), next_);
  }

  /// A step length that satisfies the strong Wolfe conditions, and low_gradient_ there; the best
  /// one found, or 0, where evaluations run out. Algorithms 3.5 and 3.6. New lengths are those of
  /// the cubic, kept away from the ends of the interval as in M. Schmidt's minFunc (2005), which
  /// torch.optim.LBFGS follows too.
  [[nodiscard]] line_point search(const line_point& start, bool is_first) {
    constexpr double decrease = 1e-4;
    constexpr double curvature = 0.9;
    const int most = std::min(25, evaluations_left());
    const auto is_high = [&](const line_point& p, const line_point& low) {
      return !is_finite(p.loss) || p.loss > start.loss + decrease * p.length * start.derivative ||
             (low.length > 0 && p.loss >= low.loss);
    };
    const auto is_flat = [&](const line_point& p) {
      return std::abs(p.derivative) <= -curvature * start.derivative;
    };
    line_point low = start;
    line_point high;
    double length = options_.first_length;
    if (is_first) length *= std::min(1.0, 1 / reduced(reduction::sum{}, fn::abs{}, gradient_));
    int trials = 0;
    for (;;) {  // until the interval from low to high contains such a length
      if (trials++ == most) return low;
      const line_point p = evaluate_at(length);
      if (is_high(p, low)) {
        high = p;
        break;
      }
      std::swap(low_gradient_, trial_gradient_);
      high = std::exchange(low, p);
      if (is_flat(p)) return p;
      if (p.derivative >= 0) break;
      length = cubic_minimum(high, p, p.length + 0.01 * (p.length - high.length), 10 * p.length);
    }
    const double longest = largest(direction_);
    for (bool was_near_end = false; trials < most; ++trials) {
      const auto [least, greatest] = std::minmax(low.length, high.length);
      const double width = greatest - least;
      if (width * longest < options_.change_tolerance) break;
      length = cubic_minimum(low, high, least, greatest);
      const bool is_near_end = std::min(greatest - length, length - least) < 0.1 * width;
      const bool is_at_end = length <= least || length >= greatest;
      const bool moves = is_near_end && (was_near_end || is_at_end);
      if (moves)
        length = greatest - length < length - least ? greatest - 0.1 * width : least + 0.1 * width;
      was_near_end = is_near_end && !moves;
      const line_point p = evaluate_at(length);
      if (is_high(p, low)) {
        high = p;
        continue;
      }
      std::swap(low_gradient_, trial_gradient_);
      if (p.derivative * (high.length - low.length) >= 0) high = low;
      low = p;
      if (is_flat(p)) break;
    }
    return low;
  }

  network<B>& net_;
  B be_;
  any_loss<B> loss_;
  lbfgs_options options_;
  data_loader<B> loader_;
  pass<B> pass_;
  loss_scratch<B> scratch_;
  tensor<B> losses_, scale_;
  tensor<B> operand_;  // of one map, or the result of one reduction
  arena<B> start_, direction_, gradient_;
  arena<B> trial_gradient_, low_gradient_;  // of a line search
  std::vector<correction> corrections_;     // the oldest first
  correction next_;                         // memory of the next one
  double curvature_ = 1;                    // the first inverse Hessian is this times 1
  int evaluations_ = 0;
};

}  // namespace detail

/// Minimizes the mean loss over the data, each sample times its weight if it has one, and leaves
/// the network where the search ended. Throws shape_error or value_error if the data does not fit
/// network and loss, an option is out of range, or the loss would not be a function of the
/// parameters alone: a layer draws random numbers or looks at the whole batch.
template <backend B>
lbfgs_record lbfgs_minimize(network<B>& net, const std::type_identity_t<any_loss<B>>& loss,
                            const dataset<B>& data, const lbfgs_options& options = {}) {
  detail::require_sensible(options);
  if (data.count() == 0) throw value_error("there are no samples to train on");
  detail::require_targets(net, loss, data);
  if (net.declared().draws() || !net.declared().is_cut_by_samples())
    throw value_error(
        net.declared().draws()
            ? "L-BFGS needs a loss without noise, but a layer draws random numbers; leave dropout "
              "out, or use a trainer"
            : "L-BFGS needs a loss that is a sum over samples, but a layer needs the whole batch; "
              "leave batch_norm out, or use a trainer");
  return detail::lbfgs<B>(net, loss, data, options).run();
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_LBFGS_HPP

/// \file
/// What is done to the weights of each unit after every update: `max_norm`, `group_lasso`.
///
///     max_norm limit{net, 3.0};                     // all weights
///     group_lasso sparse{net, 1e-3, {"0.weight"}};  // those of one layer
///     t.fit(train, {.callbacks = {&limit, &sparse}});
///
/// The weights of unit j are column j of a weight matrix. Frozen weights stay as they are. See also
/// optim/rules.hpp (weight_decay, l1_penalty), which act on each weight by itself.
#ifndef CHAINRULE_TRAIN_WEIGHT_CONSTRAINTS_HPP
#define CHAINRULE_TRAIN_WEIGHT_CONSTRAINTS_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/network/network.hpp"
#include "chainrule/optim/chain.hpp"
#include "chainrule/train/callback.hpp"

namespace chainrule {

namespace detail {

/// w min(1, limit / norm)
struct limit_norm {
  constexpr auto operator()(const auto& w, const auto& squares, const auto& limit) const {
    return w * math::min(limit / math::sqrt(squares), 1);
  }
};
/// w max(0, 1 - threshold / norm)
struct shrink_norm {
  constexpr auto operator()(const auto& w, const auto& squares, const auto& threshold) const {
    return w * math::max(1 - threshold / math::sqrt(squares), 0);
  }
};

/// Changes the columns of weights by their norms. Allocates in its constructor only.
template <backend B>
class column_constraint : public callback {
 protected:
  /// Throws value_error if the network has no parameter of a name.
  column_constraint(network<B>& net, const std::vector<std::string>& names) : net_(&net) {
    index_t widest = 0;
    for (const std::string& name : names) static_cast<void>(net.place_of(name));
    for (const parameter& p : net.parameter_list()) {
      const bool is_named = std::find(names.begin(), names.end(), p.name) != names.end();
      if (p.tags.frozen || (names.empty() ? !p.tags.decay : !is_named)) continue;
      places_.push_back(p.place);
      widest = std::max(widest, p.place.cols);
    }
    squares_ = tensor<B>(net.backend(), 1, widest);
    scalar_ = tensor<B>(net.backend(), 1, 1);
  }

  /// Applies f(w, sum of the column's squares, x).
  template <class F>
  void apply(const F& f, double x) {
    const B& be = net_->backend();
    if (const auto next = static_cast<scalar_t<B>>(x); next != uploaded_) {
      uploaded_ = next;
      be.upload(scalar_.view(), matrix_view<const scalar_t<B>>(&uploaded_, 1, 1));
    }
    for (const slice& place : places_) {
      const matrix<B> w = net_->parameters()[place];
      const matrix<B> squares = squares_.view().block(0, 0, 1, place.cols);
      be.reduce(reduction::sum{}, squares, fn::sqr{}, w);
      be.map(f, w, w, squares, scalar_.view());
    }
  }

  /// The sum of the columns' norms.
  [[nodiscard]] double sum_of_norms() const {
    const B& be = net_->backend();
    double sum = 0;
    for (const slice& place : places_) {
      tensor<B> squares(be, 1, place.cols);
      be.reduce(reduction::sum{}, squares.view(), fn::sqr{},
                const_matrix<B>(net_->parameters()[place]));
      for (const scalar_t<B> x : to_host(be, const_matrix<B>(squares.view())))
        sum += std::sqrt(static_cast<double>(x));
    }
    return sum;
  }

 private:
  network<B>* net_;
  std::vector<slice> places_;
  tensor<B> squares_, scalar_;
  scalar_t<B> uploaded_ = std::numeric_limits<scalar_t<B>>::quiet_NaN();
};

}  // namespace detail

/// Scales the weights of each unit down to a norm of at most `limit`. Source: N. Srivastava et al.,
/// JMLR 15, 2014, section 5.1.
template <backend B>
class max_norm final : public detail::column_constraint<B> {
 public:
  /// Of the parameters named, else of all weights. Throws value_error unless limit > 0 and all
  /// names exist.
  explicit max_norm(network<B>& net, double limit, const std::vector<std::string>& names = {})
      : detail::column_constraint<B>(net, names), limit_(limit) {
    detail::require_constant(limit > 0, "max_norm", "the limit must be above 0", limit);
  }
  void on_batch_end(const batch_record&) override { this->apply(detail::limit_norm{}, limit_); }

 private:
  double limit_;
};

/// Group sparsity: the penalty lambda Σ_j |w_j| over units j, by its proximal step after each
/// update, w_j max(0, 1 - rate lambda / |w_j|), which makes the weights of whole units exactly 0.
/// Source: N. Parikh, S. Boyd, Proximal Algorithms, 2014, section 6.5.4.
template <backend B>
class group_lasso final : public detail::column_constraint<B> {
 public:
  /// Of the parameters named, else of all weights. Throws value_error unless lambda >= 0 and all
  /// names exist.
  explicit group_lasso(network<B>& net, double lambda, const std::vector<std::string>& names = {})
      : detail::column_constraint<B>(net, names), lambda_(lambda) {
    detail::require_constant(lambda >= 0, "group_lasso", "lambda must be at least 0", lambda);
  }
  void on_batch_end(const batch_record& r) override {
    this->apply(detail::shrink_norm{}, r.rate * lambda_);
  }
  [[nodiscard]] double penalty() const override { return lambda_ * this->sum_of_norms(); }

 private:
  double lambda_;
};

// Listed networks are of a type derived from network<B>.
template <class Net>
max_norm(Net&, double) -> max_norm<typename Net::backend_type>;
template <class Net>
max_norm(Net&, double, const std::vector<std::string>&) -> max_norm<typename Net::backend_type>;
template <class Net>
group_lasso(Net&, double) -> group_lasso<typename Net::backend_type>;
template <class Net>
group_lasso(Net&, double, const std::vector<std::string>&)
    -> group_lasso<typename Net::backend_type>;

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_WEIGHT_CONSTRAINTS_HPP

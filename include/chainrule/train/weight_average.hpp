/// \file
/// Averages of a network's parameters over a training: `ema_weights`, `swa_weights`.
///
///     ema_weights average{net, 0.999};              // or swa_weights average{net, 6}
///     t.fit(train, {.callbacks = {&average}});
///     average.swap();                               // net has the averaged parameters
///     metrics m = t.evaluate(test);
///     average.swap();                               // and its own again
///
/// States, such as running statistics, are averaged with the parameters. See also
/// train/callback.hpp.
#ifndef CHAINRULE_TRAIN_WEIGHT_AVERAGE_HPP
#define CHAINRULE_TRAIN_WEIGHT_AVERAGE_HPP

#include <array>
#include <tuple>

#include "chainrule/network/network.hpp"
#include "chainrule/optim/chain.hpp"
#include "chainrule/train/callback.hpp"

namespace chainrule {

namespace detail {
/// average + share (w - average)
struct move_towards {
  constexpr auto operator()(const auto& average, const auto& w, const auto& share) const {
    return average + share * (w - average);
  }
};
struct exchange {
  template <class X>
  constexpr auto operator()(const X& a, const X& b) const {
    return std::tuple(b, a);
  }
};
}  // namespace detail

/// An average of the parameters and states of a network, which must outlive it.
template <backend B>
class weight_average : public callback {
 public:
  /// Adds the network's present values to the average, which the first ones are. Allocates nothing.
  void update() {
    const auto share = static_cast<scalar_t<B>>(count_ == 0 ? 1 : share_of_next());
    const B& be = net_->backend();
    if (share != uploaded_) {
      uploaded_ = share;
      be.upload(share_.view(), matrix_view<const scalar_t<B>>(&uploaded_, 1, 1));
    }
    for_both([&](matrix<B> average, matrix<B> own) {
      be.map(detail::move_towards{}, average, average, own, share_.view());
    });
    ++count_;
  }
  /// Exchanges the network's values with the average; a second call restores both. Throws
  /// value_error if nothing was averaged.
  void swap() {
    require_values();
    for_both([&](matrix<B> average, matrix<B> own) {
      net_->backend().map(detail::exchange{}, std::array<matrix<B>, 2>{average, own}, average, own);
    });
  }
  /// A network of the same layers with the averaged values. Throws value_error if nothing was
  /// averaged.
  [[nodiscard]] network<B> averaged() {
    require_values();
    network<B> copy = net_->clone();
    copy_to(copy.parameters(), values_[0]);
    copy_to(copy.states(), values_[1]);
    return copy;
  }
  /// The number of updates that were averaged.
  [[nodiscard]] std::int64_t count() const { return count_; }
  /// The averaged parameters, in the places of the network's.
  [[nodiscard]] const arena<B>& parameters() const { return values_[0]; }
  /// Begins a new average.
  void reset() {
    for_both([&](matrix<B> average, matrix<B>) { net_->backend().map(fn::fill{0}, average); });
    count_ = 0;
  }

 protected:
  /// Allocates averages of the parameters and states of the network, which must outlive this
  /// object.
  explicit weight_average(network<B>& net)
      : net_(&net),
        values_{arena<B>(net.backend(), net.parameters().plan()),
                arena<B>(net.backend(), net.states().plan())},
        share_(net.backend(), 1, 1) {}
  /// What the next values count for, in (0, 1].
  [[nodiscard]] virtual double share_of_next() const = 0;

 private:
  template <class F>
  void for_both(const F& f) {
    const std::array<arena<B>*, 2> own{&net_->parameters(), &net_->states()};
    for (std::size_t i = 0; i < 2; ++i)
      if (!own[i]->all().empty()) f(values_[i].all(), own[i]->all());
  }
  void copy_to(arena<B>& to, const arena<B>& from) const {
    if (!to.all().empty()) net_->backend().copy(to.all(), from.all());
  }
  void require_values() const {
    if (count_ == 0)
      throw value_error(
          "no parameters were averaged yet; give the average to fit as a callback, or call "
          "update()");
  }

  network<B>* net_;
  std::array<arena<B>, 2> values_;  // of parameters, of states
  std::int64_t count_ = 0;
  scalar_t<B> uploaded_ = 0;
  tensor<B> share_;  // in the backend's memory: no share makes a kernel of its own
};

/// Exponential moving average over the batches: average = decay average + (1 - decay) w after each
/// update. The first values are the average.
template <backend B>
class ema_weights final : public weight_average<B> {
 public:
  /// Throws value_error unless 0 <= decay < 1.
  explicit ema_weights(network<B>& net, double decay = 0.999)
      : weight_average<B>(net), decay_(decay) {
    detail::require_constant(decay >= 0 && decay < 1, "ema_weights",
                             "the decay must be at least 0 and below 1", decay);
  }
  void on_batch_end(const batch_record&) override { this->update(); }

 private:
  [[nodiscard]] double share_of_next() const override { return 1 - decay_; }
  double decay_;
};

/// Stochastic weight averaging: the mean of the parameters at the ends of the epochs from
/// `first_epoch` of each fit on. Source: P. Izmailov et al., UAI 2018, algorithm 1.
template <backend B>
class swa_weights final : public weight_average<B> {
 public:
  /// Throws value_error if first_epoch is below 1.
  explicit swa_weights(network<B>& net, int first_epoch = 1)
      : weight_average<B>(net), first_epoch_(first_epoch) {
    if (first_epoch < 1)
      throw value_error(
          detail::concat("weight averaging begins at epoch 1 or later, got ", first_epoch));
  }
  void on_epoch_end(const epoch_record& r) override {
    if (r.epoch >= first_epoch_) this->update();
  }

 private:
  [[nodiscard]] double share_of_next() const override {
    return 1 / (static_cast<double>(this->count()) + 1);
  }
  int first_epoch_;
};

// Listed networks are of a type derived from network<B>.
template <class Net>
ema_weights(Net&) -> ema_weights<typename Net::backend_type>;
template <class Net>
ema_weights(Net&, double) -> ema_weights<typename Net::backend_type>;
template <class Net>
swa_weights(Net&) -> swa_weights<typename Net::backend_type>;
template <class Net>
swa_weights(Net&, int) -> swa_weights<typename Net::backend_type>;

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_WEIGHT_AVERAGE_HPP

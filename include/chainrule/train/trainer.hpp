/// \file
/// `trainer`: mini-batch training of a network with a loss and an optimizer.
///
///     trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
///     history h = t.fit(train, {.epochs = 10, .batch = 64, .seed = 7, .validation = &held_out});
///     figures f = t.evaluate(test);
///
/// Each epoch sees every sample exactly once, in a new order drawn from the seed. Batches are
/// averaged; the last one is whatever is left and is averaged over its own size.
#ifndef CHAINRULE_TRAIN_TRAINER_HPP
#define CHAINRULE_TRAIN_TRAINER_HPP

#include <chrono>
#include <cstdint>
#include <vector>

#include "chainrule/data/sampler.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/train/dataset.hpp"
#include "chainrule/train/history.hpp"

namespace chainrule {

/// How `fit` goes about it.
template <backend B>
struct fit_options {
  int epochs = 10;
  index_t batch = 64;
  std::uint64_t seed = 0;  // of the order of samples, and of layers that draw (dropout)
  const dataset<B>* validation = nullptr;
  std::vector<fit_observer*> observers{};
  /// Divide the gradient of a short last batch by the full batch's size, as some texts' programs
  /// do (that batch then counts for less). Off: by its own size.
  bool divide_by_full_batch = false;
};

namespace detail {
/// 1 where the winner is the label, else 0.
struct equals {
  constexpr auto operator()(const auto& winner, const auto& label) const {
    return math::where(winner == label, 1, 0);
  }
};
}  // namespace detail

template <class Network, class Loss, class Rules>
class trainer {
 public:
  using B = typename Network::backend_type;
  using chain_type = decltype(chain(std::declval<const Rules&>()));
  static_assert(loss<Loss, B>, "chainrule: this is not a loss (losses/loss.hpp)");

  /// Trains `net`, which must outlive the trainer. `rules` is a rule or a chain of rules.
  trainer(Network& net, const Loss& l, const Rules& rules)
      : net_(net),
        loss_(l),
        be_(net.backend()),
        gradients_(net.make_gradients()),
        optimizer_(net.backend(), net.parameters().plan(), chain(rules)),
        scale_(net.backend(), 1, 1) {}

  /// Runs the epochs, unless the loss diverges or an observer asks to stop. Throws shape_error or
  /// value_error if the data does not fit the network or an option is out of range.
  history fit(const dataset<B>& data, const fit_options<B>& options = {}) {
    require_fits(data);
    if (options.validation != nullptr) require_fits(*options.validation);
    if (options.epochs < 0 || options.batch < 1)
      throw value_error(
          detail::concat("training needs at least 0 epochs and batches of at least 1 ",
                         "sample, got ", options.epochs, " and ", options.batch));
    if (data.count() == 0) throw value_error("there are no samples to train on");
    const index_t batch = options.batch < data.count() ? options.batch : data.count();
    prepare(batch, data);
    const sampler order(data.count(), options.seed);
    std::vector<std::int32_t> host_order(static_cast<std::size_t>(data.count()));
    const auto device_order = be_.template allocate<std::int32_t>(data.count());
    const auto order_view = device_order.view();

    history h;
    for (int epoch = 1; epoch <= options.epochs; ++epoch) {
      order.shuffle(epochs_done_++, host_order);
      be_.upload(order_view, matrix_view<const std::int32_t>(host_order.data(), 1, data.count()));
      const auto start = std::chrono::steady_clock::now();
      const auto seconds = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      };
      index_t done = 0;
      for (const auto [first, n] : batch_range(data.count(), batch)) {
        data.gather(order_view.block(0, first, 1, n), inputs_.top_rows(n), targets_.top_rows(n));
        step(n, first, options.divide_by_full_batch ? options.batch : n, options.seed);
        done += n;
        const batch_report report{epoch,
                                  options.epochs,
                                  done,
                                  data.count(),
                                  seconds(),
                                  [](const void* self, index_t count) {
                                    return static_cast<const trainer*>(self)->mean(count);
                                  },
                                  this};
        for (fit_observer* o : options.observers) o->on_batch(report);
        look_for_reason(options, h);
        if (!h.message.empty()) break;
      }
      be_.synchronize();
      epoch_record record{epoch, mean(done), {}, seconds(), optimizer_.rate(), done};
      if (options.validation != nullptr) record.validation = evaluate(*options.validation);
      h.epochs.push_back(record);
      for (fit_observer* o : options.observers) o->on_epoch(record);
      look_for_reason(options, h);
      if (h.message.empty() && !std::isfinite(record.training.loss)) {
        h.reason = stop_reason::diverged;
        h.message = "the loss is no longer finite; a smaller learning rate may help";
      }
      if (!h.message.empty()) return h;
    }
    h.message = "all epochs are done";
    return h;
  }

  /// The mean loss over the samples and, for classes, the accuracy. The network is not changed.
  [[nodiscard]] figures evaluate(const dataset<B>& data) const {
    const outcome o = run(data, true);
    return summarize(o.losses, o.winners, o.labels);
  }

  /// The class with the largest output for each sample.
  [[nodiscard]] std::vector<int> classify(const dataset<B>& data) const {
    const outcome o = run(data, false);
    std::vector<int> classes;
    classes.reserve(o.winners.size());
    for (const scalar_t<B> w : o.winners)  // a row with NaN has no winner
      classes.push_back(std::isfinite(w) ? static_cast<int>(w) : -1);
    return classes;
  }

  /// One step on the samples in hand: forward, loss, backward, update.
  void step(index_t n, index_t first, index_t divisor, std::uint64_t seed) {
    const const_matrix<B> x = inputs_.top_rows(n);
    const const_matrix<B> t = targets_.top_rows(n);
    set_scale(divisor);
    const const_matrix<B> y =
        net_.forward(x, pass_, phase::train(seed, static_cast<std::uint64_t>(optimizer_.step())));
    loss_(be_, y, t, const_matrix<B>(scale_.view()), losses_.view().middle_rows(first, n),
          pass_.output_gradient(), scratch_);
    count_correct(y, t, correct_.view(), first);
    net_.backward(x, pass_, gradients_);
    optimizer_.update(net_.parameters(), gradients_);
  }

  [[nodiscard]] Network& net() { return net_; }
  [[nodiscard]] auto& optimizer_state() { return optimizer_; }
  [[nodiscard]] const arena<B>& gradients() const { return gradients_; }

 private:
  struct outcome {
    std::vector<scalar_t<B>> losses, winners, labels;
  };

  void require_fits(const dataset<B>& data) const {
    if (data.features() != net_.inputs())
      throw shape_error(detail::concat("the network expects ", net_.inputs(),
                                       " features, the samples have ", data.features()));
    if (data.classes() > 0 && net_.outputs() > 1 && data.classes() > net_.outputs())
      throw shape_error(detail::concat("the network has ", net_.outputs(),
                                       " outputs, too few for samples of ", data.classes(),
                                       " classes"));
    if (data.classes() == 0 && data.target_cols() != net_.outputs())
      throw shape_error(detail::concat("the network has ", net_.outputs(),
                                       " outputs, the samples have ", data.target_cols(),
                                       " targets"));
  }

  /// Buffers for batches of that size over that data; kept from fit to fit where they fit.
  void prepare(index_t batch, const dataset<B>& data) {
    if (pass_.capacity() != batch || targets_.cols() != data.target_cols()) {
      pass_ = net_.make_workspace(batch, true);
      scratch_ = loss_scratch<B>(be_, batch, net_.outputs());
      inputs_ = tensor<B>(be_, batch, data.features());
      targets_ = tensor<B>(be_, batch, data.target_cols());
    }
    counts_correct_ = data.classes() > 0 && net_.outputs() > 1;
    if (losses_.rows() != data.count()) {
      losses_ = tensor<B>(be_, data.count(), 1);
      correct_ = tensor<B>(be_, data.count(), 1);
    }
  }

  void set_scale(index_t divisor) {
    if (divisor == divisor_) return;
    be_.map(fn::fill{1.0 / static_cast<double>(divisor)}, scale_.view());
    divisor_ = divisor;
  }

  void count_correct(const_matrix<B> y, const_matrix<B> t, matrix<B> correct, index_t first) {
    if (!counts_correct_) return;
    const matrix<B> max = scratch_.first.top_rows(y.rows());
    const matrix<B> winner = scratch_.second.top_rows(y.rows());
    ops::argmax(be_, y, const_matrix<B>(scratch_.columns.view()), max, winner);
    be_.map(detail::equals{}, correct.middle_rows(first, y.rows()), winner, t);
  }

  /// The figures of the first `count` samples of the epoch.
  [[nodiscard]] figures mean(index_t count) const {
    const auto losses = to_host(be_, losses_.top_rows(count));
    const auto correct =
        counts_correct_ ? to_host(be_, correct_.top_rows(count)) : std::vector<scalar_t<B>>{};
    const std::vector<scalar_t<B>> ones(correct.size(), scalar_t<B>(1));
    return summarize(losses, correct, ones);
  }

  /// Mean of the losses, and the fraction of winners that are the labels; added up in double.
  [[nodiscard]] static figures summarize(const std::vector<scalar_t<B>>& losses,
                                         const std::vector<scalar_t<B>>& winners,
                                         const std::vector<scalar_t<B>>& labels) {
    figures f;
    if (losses.empty()) return f;
    double total = 0;
    for (const scalar_t<B> l : losses) total += static_cast<double>(l);
    f.loss = total / static_cast<double>(losses.size());
    if (winners.empty()) return f;
    index_t right = 0;
    for (std::size_t i = 0; i < winners.size(); ++i) right += winners[i] == labels[i] ? 1 : 0;
    f.accuracy = static_cast<double>(right) / static_cast<double>(winners.size());
    return f;
  }

  /// Runs the network over the data in order: losses if wanted, winners and labels for classes.
  [[nodiscard]] outcome run(const dataset<B>& data, bool with_losses) const {
    require_fits(data);
    const index_t count = data.count();
    const index_t batch = count < 256 ? count : 256;
    outcome o;
    if (count == 0) return o;
    const bool classes = data.classes() > 0 && net_.outputs() > 1;
    workspace<B> pass = net_.make_workspace(batch);
    loss_scratch<B> scratch(be_, batch, net_.outputs());
    tensor<B> inputs(be_, batch, data.features());
    tensor<B> targets(be_, batch, data.target_cols());
    tensor<B> losses(be_, count, 1);
    tensor<B> winners(be_, count, 1);
    tensor<B> scale(be_, 1, 1);
    be_.map(fn::fill{1}, scale.view());
    std::vector<std::int32_t> numbers(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
    const auto order = be_.template allocate<std::int32_t>(count);
    be_.upload(order.view(), matrix_view<const std::int32_t>(numbers.data(), 1, count));

    for (const auto [first, n] : batch_range(count, batch)) {
      data.gather(order.view().block(0, first, 1, n), inputs.top_rows(n), targets.top_rows(n));
      const const_matrix<B> y = net_.forward(inputs.top_rows(n), pass);
      if (with_losses)
        loss_(be_, y, const_matrix<B>(targets.top_rows(n)), const_matrix<B>(scale.view()),
              losses.view().middle_rows(first, n), matrix<B>{}, scratch);
      if (classes)
        ops::argmax(be_, y, const_matrix<B>(scratch.columns.view()), scratch.first.top_rows(n),
                    winners.view().middle_rows(first, n));
    }
    if (with_losses) o.losses = to_host(be_, const_matrix<B>(losses.view()));
    if (classes) {
      o.winners = to_host(be_, const_matrix<B>(winners.view()));
      o.labels = to_host(be_, data.targets());
    }
    return o;
  }

  static void look_for_reason(const fit_options<B>& options, history& h) {
    for (const fit_observer* o : options.observers)
      if (h.message.empty() && !o->reason_to_stop().empty()) {
        h.reason = stop_reason::asked;
        h.message = o->reason_to_stop();
      }
  }

  Network& net_;
  Loss loss_;
  B be_;
  arena<B> gradients_;
  optimizer<B, chain_type> optimizer_;
  workspace<B> pass_;
  loss_scratch<B> scratch_;
  tensor<B> inputs_, targets_;  // the batch
  tensor<B> losses_, correct_;  // one number per sample of the epoch
  tensor<B> scale_;             // 1 / batch size
  index_t divisor_ = 0;         // what scale_ holds
  bool counts_correct_ = false;
  std::uint64_t epochs_done_ = 0;  // over all calls of fit: each epoch has an order of its own
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_TRAINER_HPP

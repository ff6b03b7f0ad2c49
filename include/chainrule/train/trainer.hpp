/// \file
/// `trainer`: mini-batch training of a network with a loss and an optimizer.
///
///     trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
///     history h = t.fit(train, {.epochs = 10, .batch = 64, .seed = 7, .validation = &held_out});
///     figures f = t.evaluate(test);
///
/// Each epoch sees every sample exactly once, in a new order drawn from the seed. Batches are
/// averaged; the last one is whatever is left and is averaged over its own size.
///
/// Where loss and optimizer are chosen at run time, hold a `basic_trainer<B>`: it is all of
/// the above but the two steps that depend on that choice, each behind one virtual call. (It is
/// also why a program with four combinations compiles the training loop once.)
#ifndef CHAINRULE_TRAIN_TRAINER_HPP
#define CHAINRULE_TRAIN_TRAINER_HPP

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/data/sampler.hpp"
#include "chainrule/losses/loss.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/optim/optimizer.hpp"
#include "chainrule/train/batch_feed.hpp"
#include "chainrule/train/batch_parts.hpp"
#include "chainrule/train/dataset.hpp"
#include "chainrule/train/history.hpp"

namespace chainrule {

/// Supplies a custom sample order for each epoch.
class epoch_order {
 public:
  epoch_order() = default;
  epoch_order(const epoch_order&) = delete;
  epoch_order& operator=(const epoch_order&) = delete;
  virtual ~epoch_order() = default;

  /// The order of the next epoch: assigns each of 0, ..., order.size() - 1 exactly once.
  virtual void draw(std::span<std::int32_t> order) = 0;
};

/// A place within an epoch: where a training was stopped.
struct epoch_place {
  index_t done = 0;        // the samples that were trained on; 0: at the end, or before the first
  index_t samples = 0;     // of the epoch
  std::uint64_t seed = 0;  // of its order
  friend constexpr bool operator==(const epoch_place&, const epoch_place&) = default;
};

/// Options of `fit`.
template <backend B>
struct fit_options {
  int epochs = 10;
  index_t batch = 64;
  std::uint64_t seed = 0;  // of the order of samples, and of layers that draw (dropout)
  const dataset<B>* validation = nullptr;
  std::vector<fit_observer*> observers{};
  epoch_order* order = nullptr;  // draws the order of samples in the seed's place
  /// Samples that fill no batch join the last full one, as in some texts' programs. Off: they are
  /// a short batch of their own.
  bool merge_last_batch = false;
  /// Divide the gradient of a last batch of another size by `batch`, as some texts' programs do
  /// (a short batch then counts for less, a merged one for more). Off: by its own size.
  bool divide_by_full_batch = false;
};

namespace detail {
/// The work of steps that are alike: run as it is, or recorded and replayed where the backend can.
/// Work that cannot be recorded, because a user's layer or loss waits for the device, is run as it
/// is each time.
template <class B>
class step_plan {
 public:
  template <class Work>
  void run(const B& be, Work&& work) {
    (void)be;
    work();
  }
};
template <capturing_backend B>
class step_plan<B> {
 public:
  template <class Work>
  void run(const B& be, Work&& work) {
    // The first step builds the kernels and fills the pool of memory: neither can be recorded.
    if (has_run_ && can_record_ && !recorded_) try {
        recorded_.emplace(be.capture(work));
      } catch (const backend_error&) {  // nothing has been done, and work() says what is wrong
        can_record_ = false;
      }
    has_run_ = true;
    if (recorded_)
      be.replay(*recorded_);
    else
      work();
  }

 private:
  bool has_run_ = false;
  bool can_record_ = true;
  std::optional<decltype(std::declval<const B&>().capture(std::declval<void (*)()>()))> recorded_;
};

/// The scope of a step; of a backend that has none, nothing.
template <class B>
struct step_scope_of {};
template <scoping_backend B>
struct step_scope_of<B> {
  typename B::step_scope scope{};
};

/// 1 where the winner is the label, else 0.
struct equals {
  constexpr auto operator()(const auto& winner, const auto& label) const {
    return math::where(winner == label, 1, 0);
  }
};
}  // namespace detail

/// Training of a network, whatever the loss and the optimizer.
template <backend B>
class basic_trainer {
 public:
  basic_trainer(const basic_trainer&) = delete;
  basic_trainer& operator=(const basic_trainer&) = delete;
  virtual ~basic_trainer() = default;

  /// Runs the epochs, unless the loss diverges or an observer asks to stop. An epoch that was
  /// stopped within is gone on with: the rest of it is the first epoch of the next call, provided
  /// that seed and number of samples are the same and no order is given; else a new one begins.
  /// Throws shape_error or value_error if the data does not fit the network, an option is out of
  /// range or an order given is not one.
  history fit(const dataset<B>& data, const fit_options<B>& options = {}) {
    if (data.count() == 0) throw value_error("there are no samples to train on");
    require_fits(data);
    require_targets(data);
    if (options.validation != nullptr) {
      require_fits(*options.validation);
      require_targets(*options.validation);
    }
    if (options.epochs < 0 || options.batch < 1)
      throw value_error(
          detail::concat("training needs at least 0 epochs and batches of at least 1 ",
                         "sample, got ", options.epochs, " and ", options.batch));
    for (std::size_t i = 0; i < options.observers.size(); ++i)
      if (options.observers[i] == nullptr)
        throw value_error(detail::concat("observer ", i, " of the training is a null pointer"));
    const index_t batch = options.batch < data.count() ? options.batch : data.count();
    if (options.order != nullptr || place_.samples != data.count() || place_.seed != options.seed)
      place_ = {};
    const auto merged_in = [&](index_t samples) {
      return options.merge_last_batch && samples > batch ? samples % batch : 0;
    };
    prepare(batch + std::max(merged_in(data.count()), merged_in(data.count() - place_.done)), data);
    const sampler order(data.count(), options.seed);
    auto host_order = detail::host_vector<std::int32_t>(data.count());
    detail::step_plan<B> full_batch;  // recorded in the second step of that size, where that can be
    feed_.restart();
    const phase first_pass = phase::train(options.seed, static_cast<std::uint64_t>(steps()));

    [[maybe_unused]] const index_t most_batches =
        batch_range(data.count(), batch).size();  // of an epoch, or what is left of one

    history h;
    for (fit_observer* o : options.observers) o->on_begin();
    for (int epoch = 1; epoch <= options.epochs; ++epoch) {
      const index_t before = place_.done;
      if (options.order != nullptr)
        draw(*options.order, host_order);
      else
        order.shuffle(before > 0 ? epochs_done_ - 1 : epochs_done_, host_order);
      std::rotate(host_order.begin(), host_order.begin() + before, host_order.end());
      if (before == 0) ++epochs_done_;
      feed_.begin(host_order, batch);
      const index_t samples = data.count() - before;
      const index_t merged = merged_in(samples);
      const batch_range batches(samples - merged, batch);
      if constexpr (has_device_counter<B>) plan_steps(batches.size(), most_batches);
      const auto start = std::chrono::steady_clock::now();
      const auto seconds = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      };
      index_t done = 0;
      for (const auto [first, size] : batches) {
        const bool last = first + size + merged == samples;
        const index_t n = last ? size + merged : size;
        set_scale(options.divide_by_full_batch ? options.batch : n);
        last_rate_ = rate();
        const auto work = [&] { step(data, n, first_pass); };
        if (n == batch && data.is_resident())  // else the host has a part in each step
          full_batch.run(be_, work);
        else
          work();
        if constexpr (has_device_counter<B>) count_step();
        done += n;
        place_ = last ? epoch_place{} : epoch_place{before + done, data.count(), options.seed};
        const batch_report report{epoch,
                                  options.epochs,
                                  done,
                                  samples,
                                  seconds(),
                                  [](const void* self, index_t count) {
                                    return static_cast<const basic_trainer*>(self)->mean(count);
                                  },
                                  this};
        for (fit_observer* o : options.observers) o->on_batch(report);
        look_for_reason(options, h);
        if (!h.message.empty()) break;
      }
      be_.synchronize();
      epoch_record record{epoch, mean(done), {}, seconds(), last_rate_, done};
      if (options.validation != nullptr) {
        record.validation = evaluate(*options.validation);
        record.validated = options.validation->count() > 0;
      }
      h.epochs.push_back(record);
      for (fit_observer* o : options.observers) o->on_epoch(record);
      look_for_reason(options, h);
      if (!detail::is_finite(record.training.loss)) {  // whatever else there was
        h.reason = stop_reason::diverged;
        h.message = why_not_finite(data);
      }
      if (!h.message.empty()) break;
    }
    if (h.message.empty()) h.message = "all epochs are done";
    // A loss is that of the parameters before its step: nobody has seen those behind the last.
    if (h.reason != stop_reason::diverged && !h.epochs.empty() && !parameters_are_finite()) {
      h.reason = stop_reason::diverged;
      h.message = "the parameters are no longer finite; a smaller learning rate may help";
    }
    return h;
  }

  /// The mean loss over the samples and, for classes, the accuracy. The network is not changed.
  [[nodiscard]] figures evaluate(const dataset<B>& data) const {
    const outcome o = run(data, true);
    return summarize(o.losses, o.winners, o.labels);
  }

  /// The class with the largest output for each sample; -1 where an output is NaN. Throws
  /// value_error if the samples have no classes or the network has a single output.
  [[nodiscard]] std::vector<int> classify(const dataset<B>& data) const {
    if (data.classes() == 0 || net_.outputs() == 1)
      throw value_error(
          "only samples with classes can be classified, and only by a network with "
          "an output for each class");
    const outcome o = run(data, false);
    std::vector<int> classes;
    classes.reserve(o.winners.size());
    for (const scalar_t<B> w : o.winners)  // a row with NaN has no winner
      classes.push_back(detail::is_finite(w) ? static_cast<int>(w) : -1);
    return classes;
  }

  /// Assigns the loss of each sample to `losses` and the gradient of their mean to `gradient`,
  /// unless that is empty: see losses/loss.hpp.
  virtual void apply_loss(const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                          matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const = 0;
  /// Takes one step of the optimizer along `gradients`.
  virtual void update(arena<B>& parameters, const arena<B>& gradients) = 0;
  /// Takes one step along the sum of the gradients of the first `count` micro-batches.
  virtual void update(arena<B>& parameters, batch_parts<B>& parts, index_t count) = 0;
  /// Stores the scalars of the next `count` steps in the backend's memory; update_planned takes the
  /// one whose number `at` counts there, and count_step is called for each step that was taken.
  virtual void plan_steps(index_t count, index_t most) = 0;
  virtual void update_planned(arena<B>& parameters, const arena<B>& gradients,
                              const counter_t<B>& at) = 0;
  virtual void count_step() = 0;
  /// The state of the optimizer, an arena per slot of its rules, and those rules in words.
  [[nodiscard]] virtual std::span<arena<B>> optimizer_state() = 0;
  [[nodiscard]] virtual std::string optimizer_name() const = 0;
  /// The updates that were made, and the learning rate of the next.
  [[nodiscard]] virtual std::int64_t steps() const = 0;
  [[nodiscard]] virtual double rate() const = 0;

  static constexpr std::int64_t most_steps = chainrule::most_steps;

  /// The epochs that were begun, over all calls of fit, and where the last of them was stopped.
  [[nodiscard]] std::uint64_t epochs() const { return epochs_done_; }
  [[nodiscard]] const epoch_place& place() const { return place_; }

  /// Restores the counters of another training: `steps` updates and `epochs` epochs into it, the
  /// last of them as far as `place`. The state of the optimizer is optimizer_state()'s. Throws
  /// value_error unless 0 <= steps <= most_steps.
  void set_progress(std::int64_t steps, std::uint64_t epochs, const epoch_place& place = {}) {
    set_steps(steps);
    epochs_done_ = epochs;
    place_ = epochs > 0 && place.done > 0 && place.done < place.samples ? place : epoch_place{};
  }

  /// Copies the parameters, the optimizer's state and the counters of `other`, which may train on
  /// another backend. Throws shape_error if the networks differ, value_error if
  /// the optimizers do.
  template <chainrule::backend Other>
  void resume_from(basic_trainer<Other>& other) {
    const auto theirs = other.optimizer_state();
    const auto mine = optimizer_state();
    if (other.optimizer_name() != optimizer_name() || theirs.size() != mine.size())
      throw value_error(detail::concat("a training by '", optimizer_name(),
                                       "' cannot go on from one by '", other.optimizer_name(),
                                       "'; give both the same rules"));
    std::vector<std::vector<scalar_t<B>>> state;  // all of it before anything changes
    for (std::size_t i = 0; i < mine.size(); ++i)
      state.push_back(elements_for(mine[i], other.net().backend(), theirs[i]));
    net_.assign(other.net());
    for (std::size_t i = 0; i < mine.size(); ++i) assign_elements(be_, mine[i], state[i]);
    set_progress(other.steps(), other.epochs(), other.place());
  }

  [[nodiscard]] network<B>& net() { return net_; }
  [[nodiscard]] const network<B>& net() const { return net_; }
  [[nodiscard]] const arena<B>& gradients() const { return parts_.total(); }

 protected:
  /// `may_cut`: the loss treats each sample for itself.
  basic_trainer(network<B>& net, bool may_cut)
      : net_(net),
        be_(net.backend()),
        may_cut_(parallel_backend<B> && may_cut && net.declared().is_cut_by_samples()),
        parts_(net),
        scale_(net.backend(), 1, 1) {}

  virtual void set_steps(std::int64_t steps) = 0;
  /// Throws value_error if the loss does not take a target of the data.
  virtual void require_targets(const dataset<B>& data) const = 0;

 private:
  struct outcome {
    std::vector<scalar_t<B>> losses, winners, labels;
  };

  /// One step on the next n samples: forward, loss, backward, update.
  void step(const dataset<B>& data, index_t n, const phase& first_pass) {
    [[maybe_unused]] const detail::step_scope_of<B> scope{};
    const pass_phase<B> p = phase_of_step(first_pass);
    const index_t parts = parts_.number(n);
    if constexpr (parallel_backend<B>)
      be_.parallel_for(parts, [&](index_t i) { differentiate(data, i, parts, n, p); });
    else
      differentiate(data, 0, 1, n, p);
    if constexpr (has_device_counter<B>)
      update_planned(net_.parameters(), parts_.total(), feed_.count());
    else if (parts > 1)
      update(net_.parameters(), parts_, parts);
    else
      update(net_.parameters(), parts_.total());
    for (index_t i = 0; i < parts; ++i) net_.commit(parts_.memory(i));
    feed_.next(n);
  }

  /// Forward, loss and backward of part i of the next n samples.
  void differentiate(const dataset<B>& data, index_t i, index_t parts, index_t n, pass_phase<B> p) {
    const row_range rows = parts_.rows_of(i, parts, n);
    feed_.load(data, rows);
    p.first_row = rows.first;
    const const_matrix<B> x = feed_.inputs(rows);
    const const_matrix<B> t = feed_.targets(rows);
    pass<B>& memory = parts_.memory(i);
    const const_matrix<B> y = net_.forward(x, memory, p);
    apply_loss(y, t, scale_.view(), feed_.losses(rows), net_.output_gradient(memory),
               parts_.scratch(i));
    if (counts_correct_) count_correct(y, t, feed_.correct(rows), parts_.scratch(i));
    net_.backward(x, memory, parts_.gradients(i));
  }

  /// The pass of the step under way: where the backend counts, it is the first of this call of fit
  /// and as many more as are counted.
  [[nodiscard]] pass_phase<B> phase_of_step(const phase& first_pass) const {
    if constexpr (has_device_counter<B>)
      return {first_pass, &feed_.count()};
    else
      return phase::train(first_pass.seed, static_cast<std::uint64_t>(steps()));
  }

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

  /// Assigns the order that somebody else draws. A sample that is missing, or there twice, is an
  /// error: an epoch sees each exactly once.
  static void draw(epoch_order& from, std::span<std::int32_t> order) {
    std::vector<bool> seen(order.size());
    from.draw(order);
    for (const std::int32_t sample : order) {
      if (sample < 0 || static_cast<std::size_t>(sample) >= order.size())
        throw value_error(detail::concat("the order of an epoch names sample ", sample,
                                         ", expected 0 to ", order.size() - 1));
      if (seen[static_cast<std::size_t>(sample)])
        throw value_error(detail::concat("the order of an epoch names sample ", sample,
                                         " twice; it must name each exactly once"));
      seen[static_cast<std::size_t>(sample)] = true;
    }
  }

  /// Buffers for batches of that size over that data; kept from fit to fit where they fit.
  void prepare(index_t batch, const dataset<B>& data) {
    if (parts_.capacity() != batch) parts_.prepare(net_, batch, may_cut_);
    if (!feed_.fits(data, batch)) feed_ = batch_feed<B>(be_, data, batch);
    counts_correct_ = data.classes() > 0 && net_.outputs() > 1;
  }

  /// Whether there is no infinity and no NaN among them. Waits for the backend.
  [[nodiscard]] bool parameters_are_finite() const {
    const const_matrix<B> all = std::as_const(net_).parameters().all();
    if (all.empty()) return true;
    tensor<B> largest(be_, 1, 1);
    be_.reduce(reduction::maximum{}, largest.view(), fn::abs{}, all);
    return detail::is_finite(to_host(be_, std::as_const(largest).view())[0]);
  }

  /// Puts 1 / divisor into the backend's memory, where the loss reads it.
  void set_scale(index_t divisor) {
    if (divisor == divisor_) return;
    const auto scale = static_cast<scalar_t<B>>(1.0 / static_cast<double>(divisor));
    be_.upload(scale_.view(), matrix_view<const scalar_t<B>>(&scale, 1, 1));
    divisor_ = divisor;
  }

  void count_correct(const_matrix<B> y, const_matrix<B> t, matrix<B> correct,
                     loss_scratch<B>& scratch) {
    const matrix<B> max = scratch.first.top_rows(y.rows());
    const matrix<B> winner = scratch.second.top_rows(y.rows());
    ops::argmax(be_, y, const_matrix<B>(scratch.columns.view()), max, winner);
    be_.map(detail::equals{}, correct, winner, t);
  }

  /// The figures of the first `count` samples of the epoch.
  [[nodiscard]] figures mean(index_t count) const {
    const auto both = feed_.figures(count);
    const auto middle = both.begin() + count;
    const std::vector<scalar_t<B>> losses(both.begin(), middle);
    if (!counts_correct_) return summarize(losses, {}, {});
    return summarize(losses, {middle, both.end()},
                     std::vector<scalar_t<B>>(losses.size(), scalar_t<B>(1)));
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
    if (with_losses) require_targets(data);
    const index_t count = data.count();
    const index_t batch = count < 256 ? count : 256;
    outcome o;
    if (count == 0) return o;
    const bool classes = data.classes() > 0 && net_.outputs() > 1;
    pass<B> memory = net_.make_pass(batch);
    loss_scratch<B> scratch(be_, batch, net_.outputs());
    tensor<B> inputs(be_, batch, data.features());
    tensor<B> targets(be_, batch, data.target_cols());
    tensor<B> losses(be_, count, 1);
    tensor<B> winners(be_, count, 1);
    tensor<B> scale(be_, 1, 1);
    be_.map(fn::fill{1}, scale.view());
    auto numbers = detail::host_vector<std::int32_t>(count);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int32_t>(i);
    const auto order = be_.template allocate<std::int32_t>(count);
    be_.upload(order.view(), matrix_view<const std::int32_t>(numbers.data(), 1, count));
    batch_loader<B> loader(be_, data, batch);

    for (const auto [first, n] : batch_range(count, batch)) {
      loader.load(data, order.view().block(0, first, 1, n),
                  std::span<const std::int32_t>(numbers).subspan(static_cast<std::size_t>(first),
                                                                 static_cast<std::size_t>(n)),
                  inputs.top_rows(n), targets.top_rows(n));
      const const_matrix<B> y = net_.forward(inputs.top_rows(n), memory);
      if (with_losses)
        apply_loss(y, targets.top_rows(n), scale.view(), losses.view().middle_rows(first, n),
                   matrix<B>{}, scratch);
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

  /// Why the loss of a training on that data is not finite.
  [[nodiscard]] static std::string why_not_finite(const dataset<B>& data) {
    const std::string culprit = data.what_is_not_finite();
    if (culprit.empty()) return "the loss is no longer finite; a smaller learning rate may help";
    return detail::concat("the loss is not finite because ", culprit,
                          " hold NaN or infinity; leave the sample out or replace its values");
  }

  static void look_for_reason(const fit_options<B>& options, history& h) {
    for (const fit_observer* o : options.observers)
      if (h.message.empty() && !o->reason_to_stop().empty()) {
        h.reason = stop_reason::asked;
        h.message = o->reason_to_stop();
      }
  }

  network<B>& net_;
  B be_;
  bool may_cut_;  // batches into parts
  batch_parts<B> parts_;
  batch_feed<B> feed_;
  tensor<B> scale_;       // 1 / batch size
  index_t divisor_ = 0;   // what scale_ holds
  double last_rate_ = 0;  // of the step that was made last
  bool counts_correct_ = false;
  std::uint64_t epochs_done_ = 0;  // over all calls of fit: each epoch has an order of its own
  epoch_place place_;              // in the last of them
};

/// Training of a network with one loss and one optimizer.
template <backend B, class Loss, class Rules>
class trainer final : public basic_trainer<B> {
 public:
  using chain_type = decltype(chain(std::declval<const Rules&>()));
  static_assert(loss<Loss, B>, "chainrule: this is not a loss (losses/loss.hpp)");

  /// Trains `net`, which must outlive the trainer. `rules` is a rule or a chain of rules.
  trainer(network<B>& net, const Loss& l, const Rules& rules)
      : basic_trainer<B>(net, samples_are_independent(l)),
        be_(net.backend()),
        loss_(l),
        optimizer_(net.backend(), net.parameters().plan(), chain(rules)) {}

  void apply_loss(const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale, matrix<B> losses,
                  matrix<B> gradient, loss_scratch<B>& scratch) const override {
    loss_(be_, y, t, scale, losses, gradient, scratch);
  }
  void update(arena<B>& parameters, const arena<B>& gradients) override {
    optimizer_.update(parameters, gradients);
  }
  void update(arena<B>& parameters, batch_parts<B>& parts, index_t count) override {
    if constexpr (parallel_backend<B>)
      optimizer_.update(parameters, parts.total(), [&](index_t first, index_t elements) {
        parts.add_gradients(be_, count, first, elements);
      });
    else
      (void)parameters, (void)parts, (void)count;  // never called
  }
  void plan_steps(index_t count, index_t most) override { optimizer_.plan_steps(count, most); }
  void update_planned(arena<B>& parameters, const arena<B>& gradients,
                      const counter_t<B>& at) override {
    if constexpr (has_device_counter<B>)
      optimizer_.update_planned(parameters, gradients, at);
    else
      (void)parameters, (void)gradients, (void)at;  // never called
  }
  void count_step() override { optimizer_.count_step(); }
  [[nodiscard]] std::span<arena<B>> optimizer_state() override { return optimizer_.state(); }
  [[nodiscard]] std::string optimizer_name() const override { return optimizer_.name(); }
  [[nodiscard]] std::int64_t steps() const override { return optimizer_.step(); }
  [[nodiscard]] double rate() const override { return optimizer_.rate(); }

  /// The optimizer with its state.
  [[nodiscard]] optimizer<B, chain_type>& rules() { return optimizer_; }

 protected:
  void set_steps(std::int64_t steps) override { optimizer_.set_step(steps); }
  void require_targets(const dataset<B>& data) const override {
    // With an output for each class, targets are class numbers, which the data set has checked.
    if constexpr (requires { loss_.takes(0.0); }) {
      if (data.classes() > 0 && this->net().outputs() > 1) return;
      const std::vector<scalar_t<B>> targets = to_host(be_, data.targets());
      for (std::size_t i = 0; i < targets.size(); ++i)
        if (const auto t = static_cast<double>(targets[i]);
            !detail::is_finite(t) || !loss_.takes(t))
          throw value_error(
              detail::concat(Loss::name, " takes targets ", Loss::targets, ", that of sample ",
                             static_cast<index_t>(i) / data.target_cols(), " is ", t));
    }
  }

 private:
  B be_;
  Loss loss_;
  optimizer<B, chain_type> optimizer_;
};

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_TRAINER_HPP

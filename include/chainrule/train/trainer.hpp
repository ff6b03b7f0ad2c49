/// \file
/// `trainer`: mini-batch training of a network with a loss and an optimizer.
///
///     trainer t{net, softmax_cross_entropy{}, momentum{.rate = 0.1}};
///     history h = t.fit(train, {.epochs = 10, .batch = 64, .seed = 7, .validation = &held_out});
///     metrics m = t.evaluate(test);
///     std::vector<int> classes = t.classify(x);
///
/// Each epoch sees every sample exactly once, in a new order drawn from the seed. Batches are
/// averaged; the last one is whatever is left and is averaged over its own size. Where the data has
/// weights (dataset::weighted), losses and gradients of samples are multiplied by them.
///
/// `trainer<B>` is one type for all losses and optimizers. See also train/data_loader.hpp and
/// train/step_executor.hpp, the parts of a user-defined training loop, and train/callback.hpp.
#ifndef CHAINRULE_TRAIN_TRAINER_HPP
#define CHAINRULE_TRAIN_TRAINER_HPP

#include <chrono>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/train/early_stopping.hpp"
#include "chainrule/train/evaluation.hpp"
#include "chainrule/train/step_executor.hpp"

namespace chainrule {

template <backend B>
class trainer;
template <backend B>
struct fit_options;

namespace detail {
/// The ranks of a fit, or none, with what only fits of several compile.
template <backend B>
class fit_ranks {
 public:
  fit_ranks() = default;
  fit_ranks(rank_group<B>* group)  // NOLINT: implicit
      : group_(group), agree_(&trainer<B>::agree_all) {}

  operator rank_group<B>*() const { return group_; }  // NOLINT: implicit
  rank_group<B>* operator->() const { return group_; }
  /// Throws value_error, on all ranks, unless they are about to do the same.
  void agree(trainer<B>& t, const dataset<B>& data, const fit_options<B>& o,
             std::size_t gradient_callbacks) const {
    agree_(t, data, o, gradient_callbacks);
  }

 private:
  rank_group<B>* group_ = nullptr;
  void (*agree_)(trainer<B>&, const dataset<B>&, const fit_options<B>&, std::size_t) = nullptr;
};
}  // namespace detail

/// Options of `fit`.
template <backend B>
struct fit_options {
  /// Epochs of this call.
  int epochs = 10;
  index_t batch = 64;
  std::uint64_t seed = 0;  // of the order of samples, and of layers that draw (dropout)
  /// Evaluated after each epoch; may be null.
  const dataset<B>* validation = nullptr;
  /// Called in this order; not owned.
  detail::plain_vector<callback*> callbacks{};
  epoch_order* order = nullptr;  // draws the order of samples in the seed's place
  /// The remaining samples join the last full batch instead of forming a short one.
  bool merge_last_batch = false;
  /// Divide the gradient of a last batch of another size by `batch` instead of its own size: a
  /// short batch then counts for less, a merged one for more.
  bool divide_by_full_batch = false;
  /// The number of micro-batches that a batch is cut into; 0: that which suits its shape. It
  /// decides in which order gradients are added, and so their last bits.
  index_t micro_batches = 0;
  /// The batches of a step: their gradients are added up, as if they were one batch of the mean
  /// over all their samples, and callbacks see them as one. 1: each batch is a step.
  index_t accumulate = 1;
  /// Random changes of the images of each batch, drawn by the seed; evaluation sees them as they
  /// are.
  augmentation augment{};
  /// The number of steps after which an epoch ends, 0: when all samples were seen. The next epoch
  /// continues with the remaining samples. Callbacks and validation run as usual.
  index_t steps_per_epoch = 0;
  /// Add penalties to the reported losses, of training and of validation: those of the parameters
  /// at the end of the epoch. Penalties are rules before the one with the rate (weight_decay,
  /// l1_penalty) and callback::penalty (group_lasso).
  bool report_penalties = false;
  /// The processes that share each batch, of which this is one; null: this one alone. All give the
  /// same data and options. Parameters, state and metrics have the same bits on all of them, and
  /// for any number of them, provided `micro_batches` is given (docs/ranks.md). Not owned.
  detail::fit_ranks<B> ranks{};
};

template <backend B>
class trainer {
 public:
  using backend_type = B;
  /// Greatest number of steps over all calls of fit.
  static constexpr std::int64_t most_steps = chainrule::most_steps;

  /// Trains `net`, which must outlive the trainer. `rules` is a rule or a chain of rules. Without
  /// `metrics`, accuracy is measured where targets are classes. Throws value_error if two metrics
  /// have one name, or one has that of the loss, "loss".
  template <class Loss, class Rules>
  [[gnu::noinline]] trainer(
      network<B>& net, const Loss& loss, const Rules& rules,
      const std::type_identity_t<detail::plain_vector<any_metric<B>>>& metrics = {})
      : net_(&net),
        be_(net.backend()),
        loss_(loss),
        metrics_(metrics),
        optimizer_(new chainrule::optimizer<B, decltype(chain(rules))>(be_, net.parameters().plan(),
                                                                       rules)),
        loader_(be_),
        executor_(net, loss_, *optimizer_) {
    for (std::size_t i = 0; i < metrics_.size(); ++i) {
      const std::string& name = metrics_[i].name();
      bool is_taken = name == "loss";
      for (std::size_t j = 0; j < i; ++j) is_taken = is_taken || metrics_[j].name() == name;
      if (is_taken)
        detail::fail<value_error>("the metrics of a trainer are found by name, and two are named '",
                                  name, "'");
    }
  }

  /// Runs the epochs, unless the loss diverges or a callback asks to stop. An epoch that was
  /// stopped within is continued: the rest of it is the first epoch of the next call, provided
  /// that seed and number of samples are the same and no order is given; else a new one begins.
  /// Throws shape_error or value_error if the data does not fit the network or cannot be augmented,
  /// an option is out of range or an order given is not one.
  history fit(const dataset<B>& data, const fit_options<B>& options = {}) {
    if (options.ranks == nullptr || options.ranks->is_first()) return fit_here(data, options);
    fit_options<B> mine = options;
    mine.callbacks = {};
    for (callback* c : options.callbacks)
      if (c == nullptr || !c->is_for_first_rank()) mine.callbacks.push_back(c);
    return fit_here(data, mine);
  }

  /// The mean loss over the samples, and the metrics. The network is not changed.
  [[nodiscard]] metrics evaluate(const dataset<B>& data) const;
  /// The class of each sample of a data set or a matrix (n × inputs): that of the first largest
  /// output, or whether a single output is above 0.5 (logits of a sigmoid: 0); -1 where an output
  /// is NaN.
  template <class Samples>
  [[nodiscard]] std::vector<int> classify(const Samples& x) const {
    return chainrule::classify(*net_, loss_, x);
  }
  /// The probabilities of each sample's classes, n × outputs: see chainrule::predict_proba. Throws
  /// value_error if the loss is not one of probabilities.
  template <class Samples>
  [[nodiscard]] tensor<B> predict_proba(const Samples& x) const {
    return chainrule::predict_proba(*net_, loss_, x);
  }

  /// The network that is trained.
  [[nodiscard]] network<B>& net() { return *net_; }
  [[nodiscard]] const network<B>& net() const { return *net_; }
  /// The optimizer with its state.
  [[nodiscard]] any_optimizer<B>& optimizer() { return *optimizer_; }
  [[nodiscard]] const any_optimizer<B>& optimizer() const { return *optimizer_; }
  /// The gradients of the last step; of several ranks that update a piece each, those of this one's
  /// piece only until the epoch ends. After a fit that ended by an exception, and within an epoch
  /// where no callback needs gradients, those of large weights may be of an earlier step.
  [[nodiscard]] const arena<B>& gradients() const { return executor_.gradients(); }
  /// Calls f(inputs, targets, phase, loss) with the batch under way, for callbacks that diagnose;
  /// the phase is that of the batch until the update. Throws value_error outside of a step.
  template <class F>
  void visit_batch(const F& f) {
    if (!is_fitting_ || loader_.size() == 0)
      detail::fail<value_error>("a batch can be visited in a step of fit only, by a callback");
    const row_range all{0, loader_.size()};
    // Micro-batches may have been loaded into the same rows, and each rank has loaded its own.
    if constexpr (parallel_backend<B>) loader_.load(all);
    loader_.visit_inputs(all, [&](auto x) {
      f(x, const_matrix<B>(loader_.targets(all)), executor_.phase_of_step(), loss_);
    });
  }

  /// Whether no parameter is infinite or NaN. Waits for the backend.
  [[nodiscard]] bool parameters_are_finite() const {
    tensor<B> largest(be_, 1, 1);
    return detail::all_finite(be_, std::as_const(*net_).parameters().all(), largest.view());
  }

  /// The updates that were made, and the learning rate of the next.
  [[nodiscard]] std::int64_t steps() const { return optimizer_->step(); }
  /// Learning rate of the next step.
  [[nodiscard]] double rate() const { return optimizer_->rate(); }
  /// The passes over the data that were begun, over all calls of fit, and where the last of them
  /// was stopped.
  [[nodiscard]] std::uint64_t epochs() const { return epochs_begun_; }
  /// Where in an epoch the training stands.
  [[nodiscard]] const epoch_place& place() const { return place_; }
  /// The epochs of fit that ended, over all calls; one that a callback stopped has not.
  [[nodiscard]] std::int64_t epochs_done() const { return epochs_done_; }

  /// All counters.
  [[nodiscard]] training_progress progress() const {
    return {steps(), epochs_begun_, place_, passes_, epochs_done_};
  }
  /// Restores the counters of another training. The optimizer's state is optimizer().state().
  /// Throws value_error unless 0 <= steps <= most_steps.
  void set_progress(const training_progress& p) {
    optimizer_->set_step(p.steps);
    epochs_begun_ = p.epochs;
    place_ = p.epochs > 0 && p.place.done > 0 && p.place.done < p.place.samples ? p.place
                                                                                : epoch_place{};
    passes_ = p.passes;
    epochs_done_ = p.epochs_done;
  }
  /// Those of a training whose steps took one batch each and whose epochs were whole, but for the
  /// last one where a place is given.
  void set_progress(std::int64_t steps, std::uint64_t epochs, const epoch_place& place = {}) {
    set_progress(training_progress::of_batches(steps, epochs, place));
  }

  /// Copies the parameters, the optimizer's state and the counters of `other`, which may train on
  /// another backend. Throws shape_error if the networks differ, value_error if the optimizers do.
  template <chainrule::backend Other>
  void resume_from(trainer<Other>& other) {
    const auto theirs = other.optimizer().state();
    const auto mine = optimizer_->all_state();
    if (other.optimizer().name() != optimizer_->name() || theirs.size() != mine.size())
      detail::fail<value_error>("a training by '", optimizer_->name(),
                                "' cannot go on from one by '", other.optimizer().name(),
                                "'; give both the same rules");
    std::vector<std::vector<scalar_t<B>>> state;  // all of it before anything changes
    for (std::size_t i = 0; i < mine.size(); ++i)
      state.push_back(elements_for(mine[i], other.net().backend(), theirs[i]));
    net_->assign(other.net());
    for (std::size_t i = 0; i < mine.size(); ++i) assign_elements(be_, mine[i], state[i]);
    optimizer_->set_whole();
    set_progress(other.progress());
    optimizer_->set_rate_factor(other.optimizer().rate_factor());
  }

 private:
  friend class detail::fit_ranks<B>;

  /// Ends with the fit, however that ends.
  struct fit_scope {
    bool& is_fitting;
    ~fit_scope() { is_fitting = false; }
  };

  /// fit with the callbacks of this rank.
  [[nodiscard, gnu::noinline]] history fit_here(const dataset<B>& data,
                                                const fit_options<B>& options);
  /// fit_here, where `begun` counts the callbacks whose on_fit_begin was called.
  [[nodiscard]] history run_fit(const dataset<B>& data, const fit_options<B>& options,
                                std::size_t& begun) {
    stops_are_shared_ = false;
    const bool continues = begin_fit(data, options);
    history h;
    if (!options.callbacks.empty()) {
      const fit_record record = record_of_fit(data, options);
      for (callback* c : options.callbacks) ++begun, c->on_fit_begin(record);
    }
    if (!continues && options.epochs > 0) place_ = {};
    for (int epoch = 1; epoch <= options.epochs && h.message.empty(); ++epoch) {
      for (callback* c : options.callbacks) c->on_epoch_begin(epoch);
      h.epochs.push_back(train_epoch(epoch, data, options, h));
      for (callback* c : options.callbacks) c->on_epoch_end(h.epochs.back());
      check_should_stop(options, h);
      if (!detail::is_finite(h.epochs.back().training.loss))  // whatever other reason there is
        h.reason = stop_reason::diverged, h.message = why_not_finite(data);
    }
    if (h.message.empty()) h.message = "all epochs are done";
    // A loss is that of the parameters before its step; those after the last step have none yet.
    if (h.reason != stop_reason::diverged && !h.epochs.empty() && !parameters_are_finite())
      h.reason = stop_reason::diverged,
      h.message = "the parameters are no longer finite; a smaller learning rate may help";
    for (callback* c : options.callbacks) c->on_fit_end(h);
    return h;
  }

  /// Checks everything before anything changes, and makes loader and executor ready. Returns
  /// whether the first epoch is the rest of one that was stopped.
  [[nodiscard, gnu::cold]] bool begin_fit(const dataset<B>& data, const fit_options<B>& options) {
    (void)std::as_const(*optimizer_).state();  // throws where an earlier fit left it divided
    if (data.count() == 0) detail::fail<value_error>("there are no samples to train on");
    detail::require_targets(*net_, loss_, data);
    if (options.validation != nullptr) detail::require_targets(*net_, loss_, *options.validation);
    if (options.epochs < 0 || options.batch < 1)
      detail::fail<value_error>("training needs at least 0 epochs and batches of at least 1 ",
                                "sample, got ", options.epochs, " and ", options.batch);
    if (options.steps_per_epoch < 0)
      detail::fail<value_error>("an epoch has at least 0 steps, where 0 means all, got ",
                                options.steps_per_epoch);
    if (options.accumulate < 1)
      detail::fail<value_error>("a step of training needs at least 1 batch to accumulate, ", "got ",
                                options.accumulate);
    if (options.steps_per_epoch > 0 && options.order != nullptr)
      detail::fail<value_error>(
          "an order of epochs is drawn anew for each of them, so that shorter epochs never reach "
          "the samples at its end; leave order or steps_per_epoch out");
    if (options.divide_by_full_batch &&
        options.batch > std::numeric_limits<index_t>::max() / options.accumulate)
      detail::fail<value_error>("a step divides its gradients by at most 2^63 - 1, got ",
                                options.accumulate, " batches of ", options.batch);
    detail::plain_vector<gradient_callback<B>*> of_gradients;
    for (std::size_t i = 0; i < options.callbacks.size(); ++i) {
      if (options.callbacks[i] == nullptr)
        detail::fail<value_error>("callback ", i, " of the training is a null pointer");
      if (auto* const c = dynamic_cast<gradient_callback<B>*>(options.callbacks[i]))
        of_gradients.push_back(c);
      else if (dynamic_cast<detail::any_gradient_callback*>(options.callbacks[i]) != nullptr)
        detail::fail<value_error>("callback ", i,
                                  " of the training is a gradient_callback of another "
                                  "backend; make it one of the network's");
    }
    if (options.ranks != nullptr) options.ranks.agree(*this, data, options, of_gradients.size());
    const bool continues =
        options.order == nullptr && place_.samples == data.count() && place_.seed == options.seed;
    const index_t done = continues ? place_.done : 0;
    loader_.reset(data,
                  {.batch = options.batch,
                   .seed = options.seed,
                   .merge_last_batch = options.merge_last_batch,
                   .order = options.order,
                   .augment = options.augment},
                  done);
    executor_.prepare(loader_, data.count(), metrics_for(data), options.micro_batches,
                      options.ranks);
    executor_.begin_fit(options.seed, passes_, std::move(of_gradients), options.accumulate);
    return continues;
  }
  /// Throws value_error, on all ranks, unless they are about to do the same.
  [[gnu::cold, gnu::noinline]] static void agree_all(trainer& t, const dataset<B>& data,
                                                     const fit_options<B>& o,
                                                     std::size_t gradient_callbacks) {
    t.agree(data, o, gradient_callbacks);
  }
  void agree(const dataset<B>& data, const fit_options<B>& o, std::size_t gradient_callbacks) {
    std::string words = detail::concat(
        o.epochs, " epochs, batch ", o.batch, ", seed ", o.seed, ", ", o.micro_batches,
        " micro-batches (0: by shape), accumulate ", o.accumulate, ", steps_per_epoch ",
        o.steps_per_epoch, ", merge_last_batch ", int{o.merge_last_batch},
        ", divide_by_full_batch ", int{o.divide_by_full_batch}, ", report_penalties ",
        int{o.report_penalties}, ", ", o.order == nullptr ? "no order" : "an order", ", ",
        gradient_callbacks, " gradient callbacks");
    const augmentation& a = o.augment;
    words += detail::concat(", augmentation ", int{a.flip}, " ", double{a.crop}, " ",
                            double{a.rotate}, " ", index_t{a.shift}, " ", double{a.erase}, " ",
                            static_cast<int>(a.outside));
    for (const any_metric<B>& m : metrics_for(data)) words += ", metric " + m.name();
    o.ranks->require_agreement(
        {net_, optimizer_.get(), &data, o.validation, loss_.traits().name, std::move(words),
         detail::concat(steps(), " steps, ", epochs_begun_, " passes over the data of ", passes_,
                        " batches, place ", place_.done, " of ", place_.samples, " (seed ",
                        place_.seed, "), ", epochs_done_, " epochs done, rate factor ",
                        optimizer_->rate_factor())});
    stops_are_shared_ = o.ranks->any(!o.callbacks.empty());
  }
  /// The samples of a step on full batches.
  [[nodiscard]] index_t largest_step(const dataset<B>& data, const fit_options<B>& options) const {
    const bool is_epoch = options.accumulate > data.count() / loader_.batch();
    return is_epoch ? data.count() : options.accumulate * loader_.batch();
  }
  /// Takes one step on the loader's batch and those that follow it in the step; returns their
  /// samples.
  [[nodiscard]] index_t take_step(const fit_options<B>& options) {
    const index_t size = loader_.samples_of(options.accumulate);
    const index_t divisor =
        options.divide_by_full_batch ? options.batch * options.accumulate : size;
    index_t taken = 0;
    do {
      if (taken > 0) loader_.next();
      const bool is_first = taken == 0;
      taken += loader_.size();
      executor_.step(loader_, divisor, is_first, taken == size);
      ++passes_;
    } while (taken < size);
    return size;
  }

  /// What callbacks are told before the first epoch.
  [[nodiscard, gnu::cold, gnu::noinline]] fit_record record_of_fit(
      const dataset<B>& data, const fit_options<B>& options) const {
    detail::plain_vector<std::string> names;
    for (const any_metric<B>& m : metrics_for(data)) names.push_back(m.name());
    return {options.epochs, data.count(), largest_step(data, options),
            steps(),        epochs_done_, std::move(names)};
  }

  /// Trains for one epoch, or what is left of one.
  [[nodiscard]] epoch_record train_epoch(int epoch, const dataset<B>& data,
                                         const fit_options<B>& options, history& h) {
    const index_t before = place_.done;
    loader_.begin_epoch(before == 0 ? epochs_begun_ : epochs_begun_ - 1, before);
    executor_.begin_epoch(loader_.batches(loader_.samples()), loader_.batches(data.count()));
    if (options.ranks != nullptr && options.order != nullptr)
      options.ranks->require_equal("the order of an epoch", loader_.order());
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [&] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    epoch_record record;
    record.epoch = epoch;
    index_t left = (loader_.batches(loader_.samples()) - 1) / options.accumulate + 1;
    index_t samples = loader_.samples();
    if (options.steps_per_epoch > 0 && options.steps_per_epoch < left)
      left = options.steps_per_epoch, samples = left * options.accumulate * loader_.batch();
    bool needs_gradients = stops_are_shared_;
    for (const callback* c : options.callbacks)
      needs_gradients = needs_gradients || c->needs_gradients();
    while (h.message.empty() && left-- > 0 && loader_.next()) {
      record.rate = rate();
      executor_.set_gradients_read(needs_gradients || left == 0);  // fit may end with the epoch
      const index_t size = take_step(options);
      if (before == 0 && record.samples == 0) ++epochs_begun_;
      record.samples += size;
      place_ = {before + record.samples, data.count(), options.seed};
      // An order that is given cannot be continued: the next epoch has one of its own.
      if (loader_.is_last() || options.order != nullptr) place_ = {};
      if (options.callbacks.empty() && !stops_are_shared_) continue;
      const batch_record batch{
          epoch,
          options.epochs,
          record.samples,
          samples,
          seconds(),
          size,
          steps(),
          record.rate,
          [](const void* self, index_t first, index_t count) {
            return static_cast<const step_executor<B>*>(self)->measured(first, count);
          },
          [](const void* self, index_t first, index_t count) {
            return static_cast<const step_executor<B>*>(self)->mean_loss(first, count);
          },
          &executor_};
      for (callback* c : options.callbacks) c->on_batch_end(batch);
      check_should_stop(options, h);
    }
    if (record.samples == samples) ++epochs_done_;
    executor_.gather_state();
    be_.synchronize();
    record.seconds = seconds();
    record.training = executor_.measured(0, record.samples);
    if (options.validation != nullptr) {
      const auto& held_out = *options.validation;  // which begin_fit has checked
      record.validation =
          detail::measured(*net_, loss_, held_out, metrics_for(held_out), options.ranks);
      record.validated = options.validation->count() > 0;
    }
    if (options.report_penalties) {
      record.penalty = optimizer_->penalty(net_->parameters());
      for (const callback* c : options.callbacks) record.penalty += c->penalty();
      record.training.loss += record.penalty;
      if (record.validated) record.validation.loss += record.penalty;
    }
    return record;
  }

  [[nodiscard]] detail::plain_vector<any_metric<B>> metrics_for(const dataset<B>& data) const {
    const bool has_classes = data.classes() > 0 && (net_->outputs() > 1 || data.classes() <= 2);
    if (!metrics_.empty() || !has_classes) return metrics_;
    return {accuracy{}};
  }

  /// Ranks stop together, for the reason of the lowest that has one.
  [[gnu::noinline]] void check_should_stop(const fit_options<B>& options, history& h) const {
    for (const callback* c : options.callbacks)
      if (h.message.empty()) h.message = c->should_stop();
    if (options.ranks != nullptr && stops_are_shared_)
      h.message = options.ranks->first_text(h.message);
    if (!h.message.empty()) h.reason = stop_reason::asked;
  }

  /// Why the loss of a training on that data is not finite.
  [[nodiscard, gnu::cold, gnu::noinline]] static std::string why_not_finite(
      const dataset<B>& data) {
    const std::string culprit = data.what_is_not_finite();
    if (culprit.empty()) return "the loss is no longer finite; a smaller learning rate may help";
    return detail::concat("the loss is not finite because ", culprit,
                          " hold NaN or infinity; leave the sample out or replace its values");
  }

  network<B>* net_;
  B be_;
  any_loss<B> loss_;
  detail::plain_vector<any_metric<B>> metrics_;
  detail::unique<any_optimizer<B>> optimizer_;
  data_loader<B> loader_;
  step_executor<B> executor_;
  std::uint64_t epochs_begun_ = 0;  // over all calls of fit: each epoch has an order of its own
  epoch_place place_;               // in the last of them
  std::uint64_t passes_ = 0;        // batches, over all calls of fit
  std::int64_t epochs_done_ = 0;    // epochs of fit, over all calls
  bool is_fitting_ = false;
  bool stops_are_shared_ = false;  // a callback of any rank may stop all
};

// What fit and evaluate reach is compiled once with chainrule::compiled: these are not inline.
template <backend B>
metrics trainer<B>::evaluate(const dataset<B>& data) const {
  detail::require_targets(*net_, loss_, data);
  return detail::measured(*net_, loss_, data, metrics_for(data));
}
template <backend B>
history trainer<B>::fit_here(const dataset<B>& data, const fit_options<B>& options) {
  std::size_t begun = 0;  // callbacks
  is_fitting_ = true;
  const fit_scope scope{is_fitting_};
  try {
    return run_fit(data, options, begun);
  } catch (...) {
    for (std::size_t i = 0; i < begun; ++i) options.callbacks[i]->on_fit_failed();
    throw;
  }
}

template <backend B>
using basic_trainer [[deprecated("chainrule: now trainer<B>")]] = trainer<B>;

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_TRAINER_HPP

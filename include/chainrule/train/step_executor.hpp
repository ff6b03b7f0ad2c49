/// \file
/// `step_executor<B>`: takes the training steps of a network: forward, loss, backward, update.
///
///     step_executor<cpu> executor(net, softmax_cross_entropy{}, optimizer);
///     executor.prepare(loader, data.count(), {accuracy{}}, 0);
///     executor.begin_fit(seed, {});
///     loader.begin_epoch(0);
///     executor.begin_epoch(loader.batches(data.count()), loader.batches(data.count()));
///     while (loader.next()) executor.step(loader, loader.size());
///     executor.measured(0, data.count());                // loss and metrics
///
/// Where the backend can capture what it is asked for (`capturing_backend`), steps of full batches
/// are captured once and replayed. Where it can work on parts of a batch at the same time, a batch
/// is cut into micro-batches.
#ifndef CHAINRULE_TRAIN_STEP_EXECUTOR_HPP
#define CHAINRULE_TRAIN_STEP_EXECUTOR_HPP

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "chainrule/core/holders.hpp"
#include "chainrule/core/plain_vector.hpp"
#include "chainrule/optim/product_updates.hpp"
#include "chainrule/train/callback.hpp"
#include "chainrule/train/metric_log.hpp"
#include "chainrule/train/micro_batches.hpp"
#include "chainrule/train/rank_group.hpp"

namespace chainrule {

namespace detail {

/// Work that is the same in each step: run, or captured once and replayed where the backend can.
/// Work that cannot be captured, because a user's layer or loss waits for the device, is run.
template <class B>
class captured_work {
 public:
  template <class Work>
  void run(const B&, Work&& work) {
    work();
  }
};
template <capturing_backend B>
class captured_work<B> {
 public:
  template <class Work>
  void run(const B& be, Work&& work) {
    if constexpr (requires { be.captures_steps(); })
      can_capture_ = can_capture_ && be.captures_steps();
    // The first run builds the kernels and fills the pool of memory: neither can be captured.
    if (has_run_ && can_capture_ && !graph_) try {
        graph_.emplace(be.capture(work));
      } catch (const backend_error&) {  // nothing was done, and work() throws what is wrong
        can_capture_ = false;
      }
    has_run_ = true;
    if (graph_)
      be.replay(*graph_);
    else
      work();
  }

 private:
  bool has_run_ = false;
  bool can_capture_ = true;
  std::optional<decltype(std::declval<const B&>().capture(std::declval<void (*)()>()))> graph_;
};

/// The scope of a step of a backend that has one (flush-to-zero on the CPU), else nothing.
template <class B>
struct step_scope_of {};
template <scoping_backend B>
struct step_scope_of<B> {
  typename B::step_scope scope{};
};

}  // namespace detail

template <backend B>
class step_executor {
 public:
  /// Takes steps of this network and this optimizer, which must outlive the executor.
  step_executor(network<B>& net, any_loss<B> loss, any_optimizer<B>& optimizer);

  /// Makes room for the batches of a loader over `samples`. `micro_batches` is the number that a
  /// batch is cut into, 0 for that which suits its shape; `ranks` share them. Throws value_error if
  /// a batch cannot be cut, shape_error if the optimizer is not one of the network, out_of_memory.
  [[gnu::noinline]] void prepare(const data_loader<B>& loader, index_t samples,
                                 const detail::plain_vector<any_metric<B>>& metrics,
                                 index_t micro_batches, rank_group<B>* ranks = nullptr) {
    const int count = ranks == nullptr ? 1 : ranks->size();
    parts_.prepare(*net_, loader.capacity(), number_of_parts(loader, micro_batches, count),
                   ranks == nullptr ? 0 : ranks->rank(), count);
    ranks_ = ranks;
    optimizer_->require_plan(net_->parameters(), parts_.total());
    updates_.prepare(*net_, *optimizer_);
    const bool by_batch = has_device_counter<B> || ranks != nullptr;
    log_ = {};
    log_ = metric_log<B>(be_, metrics, samples, by_batch ? loader.capacity() : 0);
  }

  /// Begins a call of fit in which a step takes up to `accumulate` batches. `seed` is that of
  /// layers that draw, `passes` the number of batches before this fit.
  void begin_fit(std::uint64_t seed, std::uint64_t passes,
                 detail::plain_vector<gradient_callback<B>*> callbacks, index_t accumulate = 1) {
    callbacks_ = std::move(callbacks);
    accumulate_ = accumulate;
    passes_ = 0;
    first_pass_ = phase::train(seed, passes);
    batch_ = {};
    rest_ = {};
    if constexpr (has_device_counter<B>) be_.restart(*count_);
  }
  /// Begins an epoch of `batches` batches; no epoch of this fit has more than `most`.
  void begin_epoch([[maybe_unused]] index_t batches, [[maybe_unused]] index_t most) {
    if constexpr (has_device_counter<B>) {
      optimizer_->plan_steps(batches, most, accumulate_);
      be_.set(*count_, 0);
    }
  }

  /// Says whether gradients() is read after the next steps, as it is at first. Where it is not,
  /// large weights may be updated without it, which is faster and gives the same bits.
  void set_gradients_read(bool are_read) { are_gradients_read_ = are_read; }

  /// Takes one step on the loader's batch; gradients are divided by `divisor`. A step on several
  /// batches is one call for each: the first of them begins with new gradients, the last updates.
  /// Where a layer throws in its backward pass and gradients are not read, layers behind it may
  /// have been updated.
  void step(data_loader<B>& loader, index_t divisor, bool is_first = true, bool is_last = true) {
    set_scale(divisor);
    if (is_first) {
      parts_in_use_ = 0;
      parts_.divide(accumulate_ > 1 ? parts_.most() : parts_.count(loader.size()));
    }
    const index_t count = std::max(parts_in_use_, parts_.count(loader.size()));
    // Where the host takes part in loading, and for batches of another size, nothing is captured.
    const bool can_replay = loader.size() == loader.batch() && loader.is_resident();
    const auto run = [&](detail::captured_work<B>& captured, const auto& work) {
      [[maybe_unused]] const detail::step_scope_of<B> scope{};
      can_replay ? captured.run(be_, work) : work();
    };
    const bool is_split = ranks_ != nullptr || (is_last && !callbacks_.empty());
    if constexpr (!has_device_counter<B>)  // whose steps are planned
      updates_in_backward_ = updates_.has_large() && !are_gradients_read_ && is_first && is_last &&
                             !is_split && count == 1 && !optimizer_->measures();
    run(batch_[is_first ? 0 : 1][is_last ? 0 : 1], [&] {
      forward_backward(loader);
      if (is_last && is_split) sum_gradients(count);
      if (!is_split) end_batch(loader, count, is_last);
    });
    if (is_split) {
      if (ranks_ != nullptr) sum_over_ranks(parts_.count(loader.size()), count, is_last);
      if (is_last)
        for (gradient_callback<B>* c : callbacks_) c->before_update(be_, parts_.total());
      run(rest_[is_last ? 0 : 1], [&] { end_batch(loader, count, is_last); });
      if (is_last && is_update_divided()) {
        ranks_->gather_pieces(be_, net_->parameters().all());
        optimizer_->divide_state();
      }
    }
    ++passes_;
    parts_in_use_ = count;
    if (is_last) optimizer_->end_step();
  }

  /// Makes the optimizer's state and the gradients whole where ranks have updated a piece each.
  void gather_state() {
    if (!optimizer_->is_divided()) return;
    for (arena<B>& s : optimizer_->all_state()) ranks_->gather_pieces(be_, s.all());
    ranks_->gather_pieces(be_, parts_.total().all());
    optimizer_->set_whole();
  }

  /// Loss and metrics of samples [first, first + count) of the epoch. Reads the backend's memory.
  [[nodiscard]] metrics measured(index_t first, index_t count) const {
    return log_.measured(first, count);
  }
  /// The mean loss of these samples. Reads the backend's memory and allocates nothing.
  [[nodiscard]] double mean_loss(index_t first, index_t count) const {
    return log_.mean_loss(first, count);
  }
  /// The gradients of the last step.
  [[nodiscard]] const arena<B>& gradients() const { return parts_.total(); }
  /// What the passes of the step under way are for: between its backward pass and its update.
  [[nodiscard]] pass_phase<B> phase_of_step() const {
    // Where the backend counts, it is the first of this fit and as many more as the counter holds.
    if constexpr (has_device_counter<B>)
      return {first_pass_, count_.get()};
    else
      return phase::train(first_pass_.seed, first_pass_.step + passes_);
  }

 private:
  [[nodiscard, gnu::cold]] index_t number_of_parts(const data_loader<B>& loader, index_t wanted,
                                                   int ranks) const {
    const char* why = nullptr;
    if (!loss_.traits().samples_are_independent)
      why = "the loss does not say that samples are independent";
    else if (!net_->declared().is_cut_by_samples())
      why = "a layer needs the whole batch";
    else if (ranks > 1 && !net_->declared().states().empty())
      why = "a layer has a state that each of them changes";
    else if (parallel_backend<B> && !loader.can_load_parts())
      why = "the inputs are streamed";
    if (wanted < 0) why = "their number is at least 0";
    if (why != nullptr && (wanted < 0 || wanted > 1 || ranks > 1))
      detail::fail<value_error>("a batch cannot be cut into ",
                                wanted == 0 ? index_t{ranks} : wanted, " micro-batches: ", why);
    if (wanted > 0 && wanted < ranks)
      detail::fail<value_error>("there are ", ranks, " ranks for ", wanted,
                                " micro-batches; each rank needs one at least");
    const bool suits = why == nullptr && parallel_backend<B>;
    if (wanted == 0 && suits)
      wanted = micro_batch_count(loader.capacity(), net_->parameters().all().size());
    return std::min(std::max<index_t>(wanted, ranks), loader.capacity());
  }

  /// Forward, loss and backward of the batch, micro-batch by micro-batch.
  void forward_backward(data_loader<B>& loader) {
    const pass_phase<B> p = phase_of_step();
    are_placed_ = has_extras && ranks_ == nullptr;
    const index_t count = parts_.count(loader.size());
    const row_range mine = parts_.own(count);
    if (ranks_ != nullptr) be_.map(fn::fill{0}, log_.row());  // other ranks assign to the rest
    const auto rows_of = [&](index_t i) {
      return parts_.rows_of(mine.first + i, count, loader.size());
    };
    if constexpr (parallel_backend<B>) {
      // Micro-batches of one thread are loaded into the same rows, which stay in its cache.
      index_t groups = mine.count;
      if constexpr (requires { be_.threads(); })
        if (mine.count % be_.threads() == 0) groups = be_.threads();
      be_.parallel_for(groups, [&](index_t group) {
        const index_t first = mine.count / groups * group;
        const index_t at = rows_of(first).first;
        for (index_t i = first; i < first + mine.count / groups; ++i) {
          const row_range rows = rows_of(i);
          loader.load(rows, at);
          forward_backward(loader, mine.first + i, rows, {at, rows.count}, p);
        }
      });
    } else {
      if constexpr (has_device_counter<B>)
        loader.load(*count_);
      else
        loader.load();
      for (index_t i = 0; i < mine.count; ++i)
        forward_backward(loader, mine.first + i, rows_of(i), rows_of(i), p);
    }
  }
  /// Runs micro-batch i, rows `rows` of the batch, whose inputs lie in rows `place` of the loader.
  void forward_backward(data_loader<B>& loader, index_t i, row_range rows, row_range place,
                        pass_phase<B> p) {
    p.first_row = rows.first;
    const const_matrix<B> t = loader.targets(rows);
    pass<B>& memory = parts_.memory(i);
    const batch_inputs<B> x = loader.samples(place);
    const const_matrix<B> y = net_->forward(x, memory, p);
    const index_t first = loader.first();
    loss_scratch<B>& scratch = parts_.scratch(i);
    const bool has_hits = begin_extras(loader, rows, y, t, scratch.extras);
    loss_(be_, y, t, scale_.view(), log_.losses(first, rows), net_->output_gradient(memory),
          scratch);
    const bool are_done = end_extras(memory, scratch.extras);
    loader.weigh(rows, log_.losses(first, rows), net_->output_gradient(memory));
    log_.measure(first, rows, {y, t, loss_.traits(), scratch}, has_hits && are_done);
    if (updates_in_backward_) {
      optimizer_->begin_step();
      updates_.begin();
    }
    memory.set_updates(updates_in_backward_ ? &updates_ : nullptr);
    net_->backward(x, memory, parts_.gradients(i), i < parts_in_use_);
  }

  /// Says what the loss of these rows may compute beside it. Returns whether that is the accuracy.
  bool begin_extras([[maybe_unused]] const data_loader<B>& loader, [[maybe_unused]] row_range rows,
                    [[maybe_unused]] const const_matrix<B>& y,
                    [[maybe_unused]] const const_matrix<B>& t,
                    [[maybe_unused]] row_extras_t<B>& extras) {
    if constexpr (has_extras) {
      extras = {};
      extras.end = net_->output_functor();
      if (y.cols() > 1 && t.cols() == 1) extras.hits = log_.hits(loader.first(), rows);
      const bool has_hits = !extras.hits.empty();
      // Weights and other ranks change the losses of a batch before they are put at their place.
      if (log_.is_basic() && has_hits == log_.has_accuracy() && !loader.is_weighted() &&
          ranks_ == nullptr) {
        if (has_hits) extras.hits = log_.placed(1, rows);
        extras.placed_losses = log_.placed(0, rows);
        extras.place = count_.get();
        extras.step = loader.batch();
      }
      return has_hits;
    }
    return false;
  }
  /// Takes note of what the loss has computed beside it; whether that is all but the derivative.
  bool end_extras([[maybe_unused]] pass<B>& memory, [[maybe_unused]] row_extras_t<B>& extras) {
    if constexpr (has_extras) {
      memory.set_output_gradient_begun(extras.has_ended);
      const bool are_done = extras.is_done;
      are_placed_ = are_placed_ && are_done && extras.place != nullptr;
      extras = {};
      return are_done;
    }
    return false;
  }

  /// Updates the parameters by the sum of `count` gradients.
  void update(index_t count) {
    if (updates_in_backward_) return updates_.finish(parts_.total());
    arena<B>& parameters = net_->parameters();
    const arena<B>& gradients = parts_.total();
    if constexpr (has_device_counter<B>)
      optimizer_->begin_planned_step(*count_);
    else
      optimizer_->begin_step();
    // Without a callback, sum and update of a range follow each other while it is in cache.
    if (ranks_ != nullptr || !callbacks_.empty() || count == 1 || optimizer_->measures()) {
      if (ranks_ == nullptr && callbacks_.empty()) sum_gradients(count);
      optimizer_->measure(gradients);
      const index_t all = gradients.all().cols();
      const row_range r = is_update_divided() ? ranks_->piece(all) : row_range{0, all};
      optimizer_->update_range(parameters, gradients, r.first, r.count);
    } else {
      for_each_chunk([&](index_t first, index_t size) {
        parts_.add_gradients(be_, count, first, size);
        optimizer_->update_range(parameters, gradients, first, size);
      });
    }
    if constexpr (has_device_counter<B>) optimizer_->end_planned_step(*count_);
  }
  /// Whether each rank updates a piece of the parameters: where nothing needs the whole gradient.
  [[nodiscard]] bool is_update_divided() const {
    return ranks_ != nullptr && callbacks_.empty() && !optimizer_->measures();
  }
  /// Exchanges the numbers of a batch of `parts` micro-batches and, if it is the last of its step,
  /// the gradients of `count`.
  void sum_over_ranks(index_t parts, index_t count, bool is_last) {
    [[maybe_unused]] const detail::step_scope_of<B> scope{};  // as the rest of the tree is added
    ranks_->sum(be_, log_.row(), parts_.busy_ranks(parts));
    const matrix<B> gradients = parts_.total().all();
    if (is_last && is_update_divided())
      ranks_->sum_piece(be_, gradients, parts_.busy_ranks(count));
    else if (is_last)
      ranks_->sum(be_, gradients, parts_.busy_ranks(count));
  }
  /// Commits the untrained state, counts the batch where the backend does and, of the last batch of
  /// a step, updates the parameters by the sum of `count` gradients.
  void end_batch(data_loader<B>& loader, index_t count, bool is_last) {
    const row_range mine = parts_.own(parts_.count(loader.size()));
    for (index_t i = 0; i < mine.count; ++i) net_->commit(parts_.memory(mine.first + i));
    if constexpr (has_device_counter<B>) {
      if (!are_placed_) log_.place(*count_, loader.size(), loader.batch());
      if (!is_last) be_.advance(*count_);
    } else if (ranks_ != nullptr) {
      log_.place_at(loader.first(), loader.size());
    }
    if (is_last) update(count);
  }
  /// Adds the gradients of this rank's micro-batches, of `count` in all.
  void sum_gradients(index_t count) {
    if (count > 1)
      for_each_chunk(
          [&](index_t first, index_t size) { parts_.add_gradients(be_, count, first, size); });
  }
  /// f(first, size) for all elements of the gradients, in equal pieces that fit in a cache, as many
  /// for each thread.
  template <class F>
  void for_each_chunk(const F& f) const {
    const index_t all = parts_.total().all().cols();
    if constexpr (!parallel_backend<B>) {
      f(index_t{0}, all);
    } else {
      constexpr index_t most = 8192;
      constexpr index_t line = 16;  // of a cache
      index_t chunks = all / most + 1;
      if constexpr (requires { be_.threads(); })
        if (const index_t rest = chunks % be_.threads(); rest > 0 && rest < chunks)
          chunks += be_.threads() - rest;
      const index_t chunk = (all / line / chunks + 1) * line;
      be_.parallel_for((all + chunk - 1) / chunk, [&](index_t i) {
        const index_t first = i * chunk;
        f(first, first + chunk < all ? chunk : all - first);
      });
    }
  }

  /// Writes 1 / divisor to the backend's memory, where the loss reads it.
  void set_scale(index_t divisor) {
    if (divisor == divisor_) return;
    const auto scale = static_cast<scalar_t<B>>(1.0 / static_cast<double>(divisor));
    be_.upload(scale_.view(), matrix_view<const scalar_t<B>>(&scale, 1, 1));
    divisor_ = divisor;
  }

  static constexpr bool has_extras =
      has_device_counter<B> && tracing_backend<B> && detail::has_row_extras<B>;

  network<B>* net_;
  B be_;
  any_loss<B> loss_;
  any_optimizer<B>* optimizer_;
  micro_batches<B> parts_;
  metric_log<B> log_;
  detail::plain_vector<gradient_callback<B>*> callbacks_;
  detail::unique<counter_t<B>> count_;  // of batches of the epoch, and of passes of this fit
  phase first_pass_;
  tensor<B> scale_;           // 1 / batch size
  index_t divisor_ = 0;       // what scale_ holds
  index_t accumulate_ = 1;    // batches of a step, at most
  std::uint64_t passes_ = 0;  // batches of this fit
  product_updates<B> updates_;
  bool are_gradients_read_ = true;
  bool updates_in_backward_ = false;  // of the step under way
  bool are_placed_ = false;   // losses and metrics of the batch are among those of the epoch
  index_t parts_in_use_ = 0;  // micro-batches whose gradients hold those of earlier batches
  // Captured: a batch that is the first of its step, whose gradients are assigned, or another,
  // whose gradients are added; one that is the last, with the update, or another, without. Where
  // callbacks or other ranks read the gradients, the rest is captured by itself.
  std::array<std::array<detail::captured_work<B>, 2>, 2> batch_;
  std::array<detail::captured_work<B>, 2> rest_;
  rank_group<B>* ranks_ = nullptr;  // the processes that share each batch
};

template <backend B>
step_executor<B>::step_executor(network<B>& net, any_loss<B> loss, any_optimizer<B>& optimizer)
    : net_(&net),
      be_(net.backend()),
      loss_(std::move(loss)),
      optimizer_(&optimizer),
      parts_(net),
      scale_(be_, 1, 1) {
  if constexpr (has_device_counter<B>) count_ = detail::unique<counter_t<B>>(new counter_t<B>(be_));
}

}  // namespace chainrule

#endif  // CHAINRULE_TRAIN_STEP_EXECUTOR_HPP

// Ranks that share each batch, as threads of this process: the bits are those of one process.
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "../../examples/support/synthetic_digits.hpp"
#include "chainrule/io/checkpoint.hpp"
#include "chainrule/layers/batch_norm.hpp"
#include "chainrule/layers/convolution.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/layers/embedding.hpp"
#include "chainrule/layers/pooling.hpp"
#include "chainrule/layers/reshape.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/anomaly.hpp"
#include "chainrule/train/csv_log.hpp"
#include "chainrule/train/json_lines_log.hpp"
#include "chainrule/train/model_checkpoint.hpp"
#include "chainrule/train/reduce_on_plateau.hpp"
#include "chainrule/train/tensorboard_log.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/scratch.hpp"
#include "support/thread_ranks.hpp"

namespace ranks_test {

using namespace chainrule;
using support::complaint;
using support::run_thread_ranks;

namespace {

using B =
    support::tested<float>;  // an element more than a line of a cache in float is one in double
using group = rank_group<B>;

/// A backend of each rank's own, on the CPU with one thread.
template <class T = B>
[[nodiscard]] T make_backend() {
  if constexpr (requires(const T& be) { T(1), be.threads(); })
    return T(1);
  else
    return T{};
}

using bits = std::vector<std::uint64_t>;

/// What must not depend on the number of ranks.
struct outcome {
  bits parameters, state, figures;
  training_progress progress;
  stop_reason reason = stop_reason::finished;
  std::string message;
};

/// Appends the bits of numbers.
void append(bits& to, const auto& numbers) {
  for (const auto x : numbers) to.push_back(std::bit_cast<std::uint64_t>(static_cast<double>(x)));
}

[[nodiscard]] outcome outcome_of(trainer<B>& t, const history& h) {
  const B be = t.net().backend();
  outcome o;
  append(o.parameters, to_host(be, std::as_const(t.net()).parameters().all()));
  for (const arena<B>& s : std::as_const(t.optimizer()).state())
    append(o.state, to_host(be, s.all()));
  for (const epoch_record& r : h.epochs)
    append(o.figures, std::vector{r.training.loss, r.training.accuracy, r.validation.loss,
                                  r.validation.accuracy, r.rate, static_cast<double>(r.samples)});
  o.progress = t.progress();
  o.reason = h.reason;
  o.message = h.message;
  return o;
}

void check_same(const outcome& a, const outcome& b) {
  CHECK((a.parameters == b.parameters));  // in parentheses: there may be thousands of them
  CHECK((a.state == b.state));
  CHECK(a.figures == b.figures);
  CHECK(a.progress.steps == b.progress.steps);
  CHECK(a.progress.epochs == b.progress.epochs);
  CHECK(a.progress.passes == b.progress.passes);
  CHECK(a.progress.epochs_done == b.progress.epochs_done);
  CHECK((a.progress.place == b.progress.place));
  CHECK(a.reason == b.reason);
  CHECK(a.message == b.message);
}

/// A training by one rank, or by one process where that is null.
using training = std::function<outcome(const B&, group*)>;

/// The outcome of each of `size` ranks; `messages` counts what they sent.
std::vector<outcome> on_ranks(int size, const training& f, std::int64_t* messages = nullptr) {
  std::vector<outcome> all(static_cast<std::size_t>(size));
  const std::int64_t sent = run_thread_ranks(size, [&](communicator& c) {
    const B be = make_backend();
    communicating_ranks<B> ranks(be, c);
    all[static_cast<std::size_t>(c.rank())] = f(be, &ranks);
  });
  if (messages != nullptr) *messages = sent;
  return all;
}

/// Checks that all ranks give what one process gives, and returns that.
outcome check_ranks(const training& f, const std::vector<int>& sizes = {1, 2, 3, 4}) {
  const outcome alone = f(make_backend(), nullptr);
  for (const int size : sizes) {
    const std::vector<outcome> all = on_ranks(size, f);
    for (std::size_t r = 0; r < all.size(); ++r) {
      CAPTURE(size, r);
      check_same(all[r], alone);
    }
  }
  return alone;
}

/// The first call makes them: a data set does not own its samples.
[[nodiscard]] const labelled_images& digits(index_t count, std::uint64_t seed) {
  static std::mutex mutex;
  static std::map<std::pair<index_t, std::uint64_t>, labelled_images> made;
  const std::lock_guard lock(mutex);
  const auto at = made.find({count, seed});
  return at != made.end()
             ? at->second
             : made.emplace(std::pair{count, seed}, synthetic_digits(count, seed)).first->second;
}

[[nodiscard]] network<B> dense_network(const B& be, index_t hidden = 128) {
  return {be, {dense{784, hidden, relu{}}, dense{hidden, 10}}};
}
[[nodiscard]] network<B> with_dropout(const B& be, index_t hidden = 24) {
  return {be, {dense{784, hidden, relu{}}, dropout{0.3}, dense{hidden, 10}}};
}

const auto steady = chain(weight_decay{1e-4}, adam{0.01});
const auto clipped = chain(clip_by_norm{0.5}, momentum{.rate = 0.1});

/// A training on `samples` digits, of a network from make(be).
template <class Make, class Rules>
[[nodiscard]] training on_digits(index_t samples, const Make& make, fit_options<B> options,
                                 const Rules& rules) {
  return [=](const B& be, group* ranks) {
    // Where the host augments, samples lie in its memory.
    const auto where = options.augment.is_none() ? residence::automatic : residence::streamed;
    const dataset<B> data(be, digits(samples, 3), 1.0 / 255, {.inputs = where});
    const dataset<B> held_out(be, digits(9, 4));
    auto net = make(be);
    net.initialize(5);
    trainer<B> t{net, softmax_cross_entropy{}, rules};
    fit_options<B> o = options;
    o.validation = &held_out;
    o.ranks = ranks;
    const history h = t.fit(data, o);
    return outcome_of(t, h);
  };
}

/// Stops after a number of batches.
struct stop_after final : callback {
  int left;
  explicit stop_after(int batches) : left(batches) {}
  void on_batch_end(const batch_record&) override { --left; }
  [[nodiscard]] std::string_view should_stop() const override {
    return left <= 0 ? "enough" : std::string_view{};
  }
};

}  // namespace

TEST_CASE("ranks give the bits of one process", "[train][ranks]") {
  const fit_options<B> o{.epochs = 2, .batch = 25, .seed = 4, .micro_batches = 8};
  const auto dense128 = [](const B& be) { return dense_network(be); };
  const outcome a = check_ranks(on_digits(57, dense128, o, steady), {1, 2, 3, 4, 8});
  CHECK(a.progress.steps == 6);
  CHECK(a.figures.size() == 12);
  // The number of micro-batches does decide on bits.
  fit_options<B> other = o;
  other.micro_batches = 1;
  CHECK(
      (on_digits(57, dense128, other, steady)(make_backend(), nullptr).parameters != a.parameters));
}

TEST_CASE("ranks draw for dropout what one process draws", "[train][ranks]") {
  const auto net = [](const B& be) { return with_dropout(be); };
  check_ranks(
      on_digits(40, net, {.epochs = 2, .batch = 15, .seed = 4, .micro_batches = 4}, steady));
  // Steps of two batches, with a rule that needs the whole gradient on each rank.
  check_ranks(
      on_digits(40, net, {.epochs = 2, .batch = 10, .seed = 4, .micro_batches = 4, .accumulate = 2},
                clipped),
      {2, 3});
}

TEST_CASE("ranks share batches of fewer samples than ranks", "[train][ranks]") {
  const auto small = [](const B& be) { return with_dropout(be, 6); };
  check_ranks(
      on_digits(7, small, {.epochs = 2, .batch = 3, .seed = 11, .micro_batches = 4}, steady), {4});
}

#if !defined(CHAINRULE_TEST_OPENCL) && !defined(CHAINRULE_TEST_CUDA)

TEST_CASE("ranks share batches of all sizes", "[train][ranks]") {
  struct row {
    index_t samples;
    fit_options<B> options;
  };
  const auto rows = std::vector<row>{
      {37, {.batch = 8, .merge_last_batch = true, .micro_batches = 4}},
      {37, {.batch = 13, .divide_by_full_batch = true, .micro_batches = 7}},
      {37, {.batch = 7, .micro_batches = 4, .accumulate = 2}},  // the last step has one batch, of 2
      {37, {.batch = 5, .micro_batches = 5, .accumulate = 3}},
      {37, {.batch = 8, .micro_batches = 4, .steps_per_epoch = 2}},
      {37, {.batch = 37, .micro_batches = 37}},
      {7, {.batch = 3, .micro_batches = 4}},  // batches of fewer samples than ranks
      {2, {.batch = 3, .micro_batches = 4}},
      {1, {.batch = 8, .micro_batches = 4}},
      {21, {.batch = 8, .micro_batches = 4, .augment = {.flip = true, .rotate = 20, .shift = 2}}}};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(i);
    fit_options<B> o = rows[i].options;
    o.epochs = 3;
    o.seed = 11;
    const auto small = [](const B& be) { return with_dropout(be, 6); };
    check_ranks(on_digits(rows[i].samples, small, o, steady));
    if (i % 3 == 0) check_ranks(on_digits(rows[i].samples, small, o, clipped), {2, 4});
    // Many ranks exchange with one other at a time.
    o.micro_batches = 16 + static_cast<index_t>(i);
    check_ranks(on_digits(rows[i].samples, small, o, steady), {7, 8, 16});
    if (i % 3 == 0) check_ranks(on_digits(rows[i].samples, small, o, clipped), {8});
  }
}

TEST_CASE("ranks share a wide network and a convolutional one", "[train][ranks]") {
  const fit_options<B> o{.epochs = 1, .batch = 9, .seed = 4, .micro_batches = 4};
  const auto wide = [](const B& be) {
    return network<B>{be, {dense{784, 200, relu{}}, dense{200, 100, relu{}}, dense{100, 10}}};
  };
  check_ranks(on_digits(20, wide, o, momentum{.rate = 0.1}), {3, 4});
  const auto lenet = [](const B& be) {
    return network<B>{be,
                      {input{28, 28, 1}, conv2d{4, 5, relu{}}, max_pool{2}, conv2d{6, 3, relu{}},
                       max_pool{2}, flatten{}, dropout{0.2}, dense{10}}};
  };
  check_ranks(on_digits(20, lenet, o, clipped), {2, 3});
}

TEST_CASE("ranks share samples of indices, and weights of samples", "[train][ranks]") {
  const training f = [](const B& be, group* ranks) {
    std::vector<std::int32_t> tokens;
    std::vector<int> labels;
    std::vector<double> weights;
    random_stream random(5);
    for (int i = 0; i < 23; ++i) {
      for (int j = 0; j < 3; ++j) tokens.push_back(static_cast<std::int32_t>(random.below(11)));
      labels.push_back(static_cast<int>(random.below(3)));
      weights.push_back(0.5 + i);
    }
    const auto data =
        dataset<B>(be, matrix_view<const std::int32_t>(tokens.data(), 23, 3), labels, 3)
            .weighted(weights);
    network<B> net{be, {input{3}, embedding{11, 40}, flatten{}, dense{16, relu{}}, dense{3}}};
    net.initialize(5);
    trainer<B> t{net, softmax_cross_entropy{}, steady};
    const history h = t.fit(
        data, {.epochs = 2, .batch = 8, .validation = &data, .micro_batches = 4, .ranks = ranks});
    return outcome_of(t, h);
  };
  check_ranks(f);
}

namespace {

/// Halves gradients.
struct halve final : gradient_callback<B> {
  int updates = 0;
  void before_update(const B& be, arena<B>& gradients) override {
    be.map(fn::affine{0.5, 0}, gradients.all(), const_matrix<B>(gradients.all()));
    ++updates;
  }
};

/// Counts batches; of the first rank only.
struct count_on_first final : callback {
  int batches = 0;
  bool is_told = false;
  [[nodiscard]] bool is_for_first_rank() const override { return true; }
  void on_batch_end(const batch_record&) override { ++batches; }
  void on_fit_begin(const fit_record&) override { is_told = true; }
};

/// What a rank-dependent training of a small network on 20 digits gives.
template <class Rules, class F>
[[nodiscard]] training small_training(const Rules& rules, const F& f) {
  return [=](const B& be, group* ranks) {
    const dataset<B> data(be, digits(20, 3));
    network<B> net = with_dropout(be, 6);
    net.initialize(5);
    trainer<B> t{net, softmax_cross_entropy{}, rules};
    const history h =
        f(t, data,
          fit_options<B>{.epochs = 3, .batch = 8, .seed = 2, .micro_batches = 4, .ranks = ranks});
    return outcome_of(t, h);
  };
}

}  // namespace

TEST_CASE("callbacks see on ranks what they see in one process", "[train][ranks]") {
  const auto gradients = [](auto& t, const auto& data, fit_options<B> o) {
    halve half;
    o.callbacks = {&half};
    const history h = t.fit(data, o);
    if (half.updates != 9) throw std::runtime_error("a callback missed an update");
    return h;
  };
  check_ranks(small_training(steady, gradients));

  // Large steps: the loss rises soon, the best parameters are restored, the rate is lowered.
  const auto stopping = [](auto& t, const auto& data, fit_options<B> o) {
    early_stopping best{{.patience = 2}, t.net()};
    reduce_on_plateau slower{t, {.factor = 0.5, .patience = 0}};
    o.epochs = 12;
    o.validation = &data;
    o.callbacks = {&best, &slower};
    return t.fit(data, o);
  };
  const outcome a =
      check_ranks(small_training(chain(clip_by_norm{0.5}, momentum{.rate = 2}), stopping));
  CHECK(a.message == "the loss stopped falling");

  const auto first = [](auto& t, const auto& data, fit_options<B> o) {
    count_on_first count;
    const scratch::folder folder;
    csv_log csv{folder / "log.csv"};
    json_lines_log json{folder / "log.jsonl"};
    tensorboard_log board{folder / "logs"};
    o.callbacks = {&count, &csv, &json, &board};
    const history h = t.fit(data, o);
    const bool is_first = o.ranks == nullptr || o.ranks->is_first();
    if (count.batches != (is_first ? 9 : 0) || count.is_told != is_first)
      throw std::runtime_error("a callback of the first rank is called by others, or not by it");
    if (folder.count() != (is_first ? 3U : 0U))
      throw std::runtime_error("a log of the first rank is made by others, or not by it");
    return h;
  };
  check_ranks(small_training(steady, first));
}

TEST_CASE("all ranks stop in the step in which one of them is asked to", "[train][ranks]") {
  for (const int who : {0, 1, 2}) {
    const auto stop = [who](auto& t, const auto& data, fit_options<B> o) {
      stop_after enough(5);
      if (o.ranks == nullptr || o.ranks->rank() == who % o.ranks->size()) o.callbacks = {&enough};
      return t.fit(data, o);
    };
    const outcome a = check_ranks(small_training(steady, stop), {1, 2, 3});
    CHECK(a.message == "enough");
    CHECK(a.progress.steps == 5);
  }
}

TEST_CASE("an anomaly is found in the samples of all ranks", "[train][ranks]") {
  const training f = [](const B& be, group* ranks) {
    const dataset<B> data(be, digits(16, 3));
    network<B> net = dense_network(be, 6);
    net.initialize(5);
    const auto weights = net.values("0.weight");
    be.map(fn::affine{1e37, 0}, weights, const_matrix<B>(weights));
    trainer<B> t{net, softmax_cross_entropy{}, sgd{0.1}};
    anomaly_detection<B> detect(t);
    const history h = t.fit(
        data,
        {.epochs = 1, .batch = 8, .callbacks = {&detect}, .micro_batches = 4, .ranks = ranks});
    outcome o;
    o.message = detect.report();
    return o;
  };
  const outcome a = check_ranks(f, {2, 4});
  CHECK(a.message ==
        "step 2: layer 1 (dense) makes outputs that are not finite in the forward pass");
}

TEST_CASE("a training goes on with another number of ranks", "[train][ranks]") {
  const scratch::folder folder;
  const auto whole = small_training(steady, [](auto& t, const auto& data, auto o) {
    o.epochs = 4;
    return t.fit(data, o);
  });
  outcome uninterrupted = whole(make_backend(), nullptr);
  const bool within = GENERATE(false, true);
  const std::string file = folder / (within ? "within" : "end");
  on_ranks(2, small_training(steady, [&](auto& t, const auto& data, auto o) {
             stop_after enough(5);  // of 12
             model_checkpoint last{t, {.file = file}};
             o.epochs = 2;
             o.callbacks = {&last};
             if (within) o.callbacks.push_back(&enough);
             return t.fit(data, o);
           }));
  for (const int size : {0, 1, 3, 4}) {
    CAPTURE(size);
    const auto rest = small_training(steady, [&](auto& t, const auto& data, auto o) {
      (void)load_training(t, file);
      o.epochs = within ? 3 : 2;
      return t.fit(data, o);
    });
    const auto all = size == 0 ? std::vector{rest(make_backend(), nullptr)} : on_ranks(size, rest);
    for (outcome o : all) {
      CHECK(o.progress.steps == 12);
      CHECK((o.parameters == uninterrupted.parameters));
      CHECK((o.state == uninterrupted.state));
    }
  }
}

namespace {

/// What f(be, ranks) throws on each of `size` ranks.
template <class E>
[[nodiscard]] std::vector<std::string> complaints(int size,
                                                  const std::function<void(const B&, group*)>& f) {
  std::vector<std::string> said(static_cast<std::size_t>(size));
  run_thread_ranks(size, [&](communicator& c) {
    const B be = make_backend();
    communicating_ranks<B> ranks(be, c);
    said[static_cast<std::size_t>(c.rank())] = complaint<E>([&] { f(be, &ranks); });
  });
  return said;
}

/// What all ranks say; "" unless they say the same.
template <class E>
[[nodiscard]] std::string common_complaint(int size,
                                           const std::function<void(const B&, group*)>& f) {
  const auto said = complaints<E>(size, f);
  for (const std::string& s : said)
    if (s != said.front()) return "ranks differ: " + said.front() + " | " + s;
  return said.front();
}

struct orders final : epoch_order {
  std::int32_t first = 0;
  explicit orders(std::int32_t begin) : first(begin) {}
  void draw(std::span<std::int32_t> order) override {
    for (std::size_t i = 0; i < order.size(); ++i)
      order[i] = (first + static_cast<std::int32_t>(i)) % static_cast<std::int32_t>(order.size());
  }
};

/// Trains 3 digits for an epoch; rank 1 is different.
struct difference {
  index_t samples = 12;
  std::uint64_t data_seed = 3;
  std::uint64_t net_seed = 5;
  index_t hidden = 6;
  double rate = 0.1;
  fit_options<B> options{.epochs = 1, .batch = 8, .seed = 2, .micro_batches = 4};
  std::int32_t order = -1;
  bool validates = false;
  std::int64_t steps = 0;
};
[[nodiscard]] std::string complaint_about(const difference& other, const difference& usual = {}) {
  return common_complaint<value_error>(3, [&](const B& be, group* ranks) {
    const difference& d = ranks->rank() == 1 ? other : usual;
    const dataset<B> data(be, digits(d.samples, d.data_seed));
    network<B> net = dense_network(be, d.hidden);
    net.initialize(d.net_seed);
    trainer<B> t{net, softmax_cross_entropy{}, sgd{d.rate}};
    t.set_progress(d.steps, 0);
    orders order(d.order);
    fit_options<B> o = d.options;
    o.ranks = ranks;
    if (d.order >= 0) o.order = &order;
    if (d.validates) o.validation = &data;
    t.fit(data, o);
  });
}

}  // namespace

TEST_CASE("the state of an optimizer is whole between epochs only", "[train][ranks]") {
  struct look final : callback {
    explicit look(trainer<B>& of) : t(&of) {}
    void on_batch_end(const batch_record&) override { (void)t->optimizer().state(); }
    trainer<B>* t;
  };
  CHECK(
      common_complaint<value_error>(
          2,
          [](const B& be, group* ranks) {
            const dataset<B> data(be, digits(8, 3));
            network<B> net = dense_network(be, 6);
            trainer<B> t{net, softmax_cross_entropy{}, steady};
            look early(t);
            t.fit(data, {.callbacks = {&early}, .micro_batches = 2, .ranks = ranks});
          }) ==
      "the state of the optimizer is divided among the ranks, in an epoch or after one that ended "
      "by an exception; read or save it at the end of an epoch, or load a checkpoint");
}

TEST_CASE("after a fit of ranks that threw, a checkpoint makes a training whole again",
          "[train][ranks]") {
  struct stop final : callback {
    void on_batch_end(const batch_record&) override { throw std::runtime_error("stopped"); }
  };
  std::vector<std::string> said(2);
  std::vector<std::int64_t> steps(2);
  const scratch::folder folder;
  run_thread_ranks(2, [&](communicator& c) {
    const auto rank = static_cast<std::size_t>(c.rank());
    const B be = make_backend();
    communicating_ranks<B> ranks(be, c);
    const dataset<B> data(be, digits(8, 3));
    network<B> net = dense_network(be, 6);
    trainer<B> t{net, softmax_cross_entropy{}, steady};
    const std::string file = folder / ("before" + std::to_string(rank));
    save_training(t, file);
    stop early;
    try {
      t.fit(data, {.callbacks = {&early}, .micro_batches = 2, .ranks = &ranks});
    } catch (const std::runtime_error&) {
    }
    said[rank] = complaint<value_error>([&] { t.fit(data); });
    load_training(t, file);
    t.fit(data, {.epochs = 1, .micro_batches = 2, .ranks = &ranks});
    steps[rank] = t.steps();
  });
  for (std::size_t r = 0; r < 2; ++r) {
    CHECK(said[r].starts_with("the state of the optimizer is divided among the ranks"));
    CHECK(steps[r] == 1);
  }
}

TEST_CASE("ranks that are about to do different things say which and what", "[train][ranks]") {
  CHECK(complaint_about({}) == "");
  const auto has = [](const std::string& text, const std::string& part) {
    CAPTURE(text);
    CHECK(scratch::contains(text, part));
  };
  const std::string begin = "rank 1 differs from rank 0 in ";
  const std::string end = "; give all ranks the same";
  difference d;
  const auto changed = [](const auto& change) {
    difference other;
    change(other);
    return complaint_about(other);
  };
  CHECK(changed([](auto& x) { x.options.epochs = 2; }) ==
        begin + "the options of fit: 2 epochs, on rank 0 1 epochs" + end);
  CHECK(changed([](auto& x) { x.options.seed = 9; }) ==
        begin + "the options of fit: seed 9, on rank 0 seed 2" + end);
  CHECK(changed([](auto& x) { x.options.micro_batches = 8; }) ==
        begin +
            "the options of fit: 8 micro-batches (0: by shape), on rank 0 4 micro-batches (0: by "
            "shape)" +
            end);
  CHECK(changed([](auto& x) { x.hidden = 7; }) ==
        begin + "the network: dense(outputs=7, on rank 0 dense(outputs=6" + end);
  CHECK(changed([](auto& x) { x.steps = 3; }) ==
        begin + "the progress of the training: 3 steps, on rank 0 0 steps" + end);
  CHECK(changed([](auto& x) { x.samples = 13; })
            .starts_with(
                begin +
                "the training data: 13 samples of 784 features and 10 classes with checksum "));
  has(changed([](auto& x) { x.data_seed = 4; }), begin + "the training data: 12 samples of 784");
  has(changed([](auto& x) { x.net_seed = 4; }),
      begin + "the parameters: 19200 bytes with checksum");
  has(changed([](auto& x) { x.validates = true; }), begin + "the validation data: 12 samples of");
  has(changed([](auto& x) { x.validates = true; }), ", on rank 0 none" + end);
  has(changed([](auto& x) { x.order = 2; }), begin + "the options of fit: an order, on rank 0 no");
  has(changed([](auto& x) { x.rate = 0.2; }), begin + "the optimizer: ");
  difference ordered;
  ordered.order = 1;
  d.order = 2;
  CHECK(complaint_about(ordered, ordered) == "");
  has(complaint_about(d, ordered), begin + "the order of an epoch: 48 bytes with checksum ");
}

TEST_CASE("what ranks cannot do is refused", "[train][ranks]") {
  const auto refusal = [](const std::function<network<B>(const B&)>& make, index_t micro_batches) {
    return common_complaint<value_error>(3, [&](const B& be, group* ranks) {
      const dataset<B> data(be, digits(8, 3));
      network<B> net = make(be);
      trainer<B> t{net, softmax_cross_entropy{}, sgd{0.1}};
      t.fit(data, {.micro_batches = micro_batches, .ranks = ranks});
    });
  };
  CHECK(refusal([](const B& be) { return dense_network(be, 6); }, 2) ==
        "there are 3 ranks for 2 micro-batches; each rank needs one at least");
  CHECK(refusal(
            [](const B& be) {
              return network<B>{be, {dense{784, 6}, batch_norm{}, dense{6, 10}}};
            },
            4) == "a batch cannot be cut into 4 micro-batches: a layer needs the whole batch");
}

#if !defined(CHAINRULE_TEST_MINIMAL)

TEST_CASE("ranks may have other numbers of threads, but no other instruction set",
          "[train][ranks]") {
  const auto train = [](const auto& make) {
    return common_complaint<value_error>(2, [&](const B&, group* ranks) {
      const B be = make(ranks->rank());
      const dataset<B> data(be, digits(8, 3));
      network<B> net = dense_network(be, 6);
      trainer<B> t{net, softmax_cross_entropy{}, sgd{0.1}};
      t.fit(data, {.epochs = 1, .micro_batches = 4, .ranks = ranks});
    });
  };
  CHECK(train([](int rank) { return B(1 + rank); }) == "");
  if (B(1).isa() == isa::portable) return;
  CHECK(train([](int rank) { return rank == 1 ? B(1, isa::portable) : B(1); }) ==
        detail::concat("rank 1 differs from rank 0 in the type of numbers: 32 bits on portable, ",
                       "on rank 0 32 bits on ", name_of(B(1).isa()), "; give all ranks the same"));
}

#endif

TEST_CASE("the messages of a step are few", "[train][ranks]") {
  const auto count = [](int size, int epochs) {
    std::int64_t messages = 0;
    on_ranks(size,
             small_training(sgd{0.1},
                            [=](auto& t, const auto& data, auto o) {
                              o.epochs = epochs;
                              o.batch = 10;  // two steps
                              o.micro_batches = 8;
                              return t.fit(data, o);
                            }),
             &messages);
    return messages;
  };
  // Each step sends the numbers of samples, which are few, gradients and parameters: from all ranks
  // to all, and many ranks to log2(n) others. The end of an epoch sends the gradients once more.
  for (const int n : {2, 4}) CHECK(count(n, 3) - count(n, 2) == (2 * 3 + 1) * n * (n - 1));
  CHECK(count(8, 3) - count(8, 2) == (2 * 3 + 1) * 8 * 3);
  CHECK(count(1, 2) == 0);
}

#endif

}  // namespace ranks_test

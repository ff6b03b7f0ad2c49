// Batches that are cut into parts which threads compute side by side.
#include <cmath>
#include <set>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/activation.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "train/two_epochs.hpp"

namespace micro_batches_test {

using namespace batches;
using support::complaint;
using real = basic_cpu<double>;

namespace {

/// A layer that looks across samples, as it says, and a loss that does not say that it does not.
struct whole_batch_activation : activation<fn::tanh> {
  whole_batch_activation() : activation(fn::tanh{}) {}
  [[nodiscard]] shape bind(plan& p, const shape& in) const {
    p.needs_whole_batch();
    return activation::bind(p, in);
  }
};
struct silent_loss {
  static constexpr const char* name = "silent";
  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    rows.insert(y.rows());
    softmax_cross_entropy{}(be, y, t, scale, losses, gradient, scratch);
  }
  std::set<index_t>& rows;  // of the batches, or their parts
};
struct watching_loss : silent_loss {
  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
};

constexpr index_t width = 32;

template <class Loss>
std::vector<double> trained(const Loss& loss, const labelled_images& images,
                            bool with_silent_layer = false) {
  const real be{1};
  const dataset<real> data(be, images);
  const auto train = [&](auto&& net) {
    net.initialize(5);
    trainer t{net, loss, chain(weight_decay{1e-4}, adam{})};
    t.fit(data, {.epochs = 2, .batch = 128, .seed = 5});
    return doubles(be, const_matrix<real>(net.parameters().all()));
  };
  if (with_silent_layer)
    return train(
        network{be, dense{784, width}, whole_batch_activation{}, dropout{0.3}, dense{width, 10}});
  return train(
      network{be, dense{784, width}, activation{fn::tanh{}}, dropout{0.3}, dense{width, 10}});
}

double worst_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::fmax(worst, std::fabs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("small networks take a batch in parts, large ones and small batches whole") {
  CHECK(micro_batch_count(256, 784 * 32) == 4);
  CHECK(micro_batch_count(64, 784 * 64) == 2);
  CHECK(micro_batch_count(64, 784 * 128) == 1);
  CHECK(micro_batch_count(128, 784 * 512) == 1);
  CHECK(micro_batch_count(8, 41) == 1);
  CHECK(micro_batch_count(31, 784 * 32) == 1);
  CHECK(micro_batch_count(100000, 0) == 1);
}

TEST_CASE("the parts of a batch are all of it, and fit the part they are made for") {
  const network net{real{1}, dense{784, 32}};
  for (const index_t capacity : {1, 31, 64, 100, 131, 256, 1000}) {
    micro_batches<real> parts(net);
    parts.prepare(net, capacity, micro_batch_count(capacity, net.parameters().all().size()));
    for (const index_t rows : {index_t{1}, capacity / 2 + 1, capacity - 1, capacity}) {
      if (rows < 1) continue;
      const index_t count = parts.count(rows);
      index_t next = 0;
      for (index_t i = 0; i < count; ++i) {
        const row_range r = parts.rows_of(i, count, rows);
        CHECK(r.first == next);
        CHECK(r.count >= 1);
        CHECK(r.count <= parts.memory(i).capacity());
        next += r.count;
      }
      CHECK(next == rows);
    }
  }
}

TEST_CASE("the gradients of micro-batches are added in pairs", "[train]") {
  using B = basic_cpu<float>;
  const B be{1};
  network net{be, dense{1, 1}};
  // In this tree, and in no other order, the large numbers vanish before the small one is added.
  const auto sum = [&](const std::vector<float>& g) {
    micro_batches<B> parts(net);
    const auto count = static_cast<index_t>(g.size());
    parts.prepare(net, count, count);
    for (index_t i = 0; i < count; ++i)
      be.map(fn::fill{g[static_cast<std::size_t>(i)]}, parts.gradients(i).all());
    parts.add_gradients(be, count, 0, parts.total().all().cols());
    return parts.total().all()(0, 0);
  };
  const float large = 1e30F;
  CHECK(sum({1}) == 1);
  CHECK(sum({1, 2}) == 3);
  CHECK(sum({1, 2, 3}) == 6);
  CHECK(sum({large, -large, 1, 2}) == 3);
  CHECK(sum({1, 2, large, -large, 5}) == 8);
  CHECK(sum({large, -large, 1, 2, 3, 4, large, -large}) == 10);
  CHECK(sum({1, 2, 3, 4, large, -large, 5, 6, 7}) == 28);
  CHECK(sum({1, large, -large, 1}) == 0);  // (1 + large) + (-large + 1)
  std::vector<float> many;
  for (int i = 1; i <= 37; ++i) many.push_back(static_cast<float>(i));
  CHECK(sum(many) == 37 * 38 / 2);
}

TEST_CASE("only what may be cut is cut into micro-batches", "[train]") {
  const labelled_images images = synthetic_digits(8, 3);
  const real be{1};
  const dataset<real> data(be, images);
  network net{be, dense{784, 10}};
  std::set<index_t> rows;
  trainer t{net, silent_loss{rows}, sgd{0.1}};
  CHECK(complaint<value_error>([&] { t.fit(data, {.micro_batches = 2}); }) ==
        "a batch cannot be cut into 2 micro-batches: the loss does not say that samples are "
        "independent");
  CHECK(t.steps() == 0);
}

TEST_CASE("a batch in parts trains as a whole one does, dropout included") {
  // 300 samples: the last batch is a short one.
  const labelled_images images = synthetic_digits(300, 3);
  std::set<index_t> cut;
  std::set<index_t> whole;
  const auto in_parts = trained(watching_loss{{.rows = cut}}, images);
  const auto as_one = trained(silent_loss{whole}, images);
  CHECK(cut == std::set<index_t>{32, 22});
  CHECK(whole == std::set<index_t>{128, 44});
  // Sums of up to 784 products in another order, in 6 steps; Adam divides by roots of squares,
  // which makes of a rounding in a small gradient one that is larger by the ratio of the two.
  CHECK(worst_difference(in_parts, as_one) < 1e-9);
  CHECK(worst_difference(in_parts, trained(softmax_cross_entropy{}, images)) == 0);
}

TEST_CASE("rules that measure the whole gradient see that of the whole batch") {
  const labelled_images images = synthetic_digits(300, 3);
  const auto train = [&](const auto& loss) {
    const real be{2};
    const dataset<real> data(be, images);
    network net{be, dense{784, width, relu{}}, dense{width, 10}};
    net.initialize(5);
    trainer t{net, loss, chain(clip_by_norm{0.01}, momentum{.rate = 0.5})};
    t.fit(data, {.epochs = 2, .batch = 128, .seed = 5});
    return doubles(be, const_matrix<real>(net.parameters().all()));
  };
  std::set<index_t> whole;
  const auto as_one = train(silent_loss{whole});
  CHECK(whole == std::set<index_t>{128, 44});
  // The norm is a sum of 25,000 squares, and there are 6 steps.
  CHECK(worst_difference(train(softmax_cross_entropy{}), as_one) < 1e-12);
}

TEST_CASE("a callback sees the whole batch where micro-batches were loaded into the same rows") {
  const real be{1};
  std::vector<double> numbers(32 * 3);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i + 1);
  const matrix_view<const double> samples(numbers.data(), 32, 3);
  const dataset<real> data(be, samples, samples);  // a target is its input
  network net{be, dense{3, 3}};
  trainer t{net, quadratic_cost{}, sgd{1e-6}};
  struct visitor : gradient_callback<real> {
    explicit visitor(trainer<real>& t) : trainer_(t) {}
    void before_update(const real&, arena<real>&) override {
      trainer_.visit_batch([&](auto x, const_matrix<real> y, const auto&, const auto&) {
        ++visits;
        for (index_t i = 0; i < x.rows(); ++i)
          for (index_t j = 0; j < x.cols(); ++j)
            differing += static_cast<double>(x(i, j)) == y(i, j) ? 0 : 1;
      });
    }
    trainer<real>& trainer_;
    int visits = 0;
    int differing = 0;
  } v(t);
  t.fit(data, {.epochs = 1, .batch = 16, .seed = 2, .callbacks = {&v}, .micro_batches = 4});
  CHECK(v.visits == 2);
  CHECK(v.differing == 0);
}

TEST_CASE("a layer that does not say that samples are independent keeps the batch whole") {
  const labelled_images images = synthetic_digits(300, 3);
  std::set<index_t> rows;
  const auto as_one = trained(watching_loss{{.rows = rows}}, images, true);
  CHECK(rows == std::set<index_t>{128, 44});
  CHECK(worst_difference(as_one, trained(softmax_cross_entropy{}, images)) < 1e-9);
}

TEST_CASE("a network of erased layers knows whether its samples are independent") {
  const real be{1};
  CHECK(network<real>(be, {dense{4, 3}, activation{relu{}}, dropout{0.5}})
            .declared()
            .is_cut_by_samples());
  CHECK(!network<real>(be, {dense{4, 3}, whole_batch_activation{}}).declared().is_cut_by_samples());
}

TEST_CASE("random numbers can begin anywhere in their sequence") {
  const auto from_anywhere = []<class T>(T) {
    const basic_cpu<T> be{1};
    tensor<basic_cpu<T>> all(be, 1, 40);
    be.random(all.view(), 3, 4);
    for (const index_t start : {0, 1, 2, 3, 7, 12}) {
      tensor<basic_cpu<T>> part(be, 5, 3);
      be.random(part.view(), 3, 4, start);
      for (index_t e = 0; e < 15; ++e) CHECK(part.view()(e / 3, e % 3) == all.view()(0, start + e));
    }
  };
  from_anywhere(float{});
  from_anywhere(double{});
}

}  // namespace micro_batches_test

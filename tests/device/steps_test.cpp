// What a training asks of a device: counted, because none of it can be seen otherwise.

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

namespace steps_test {

using namespace chainrule;
using support::backends;

namespace {

/// What the device did during the last of three epochs over `count` samples in batches of 8, of
/// which a step takes `accumulate`.
template <class B>
device_statistics last_epoch(const B& be, index_t count, index_t accumulate = 1,
                             bool weighted = false) {
  struct watch final : callback {
    explicit watch(const B& b) : be(b) {}
    void on_epoch_end(const epoch_record&) override {
      before = now;
      now = be.statistics();
    }
    B be;
    device_statistics before, now;
  };
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(count * 6), 100);
  std::vector<int> labels;
  for (index_t i = 0; i < count; ++i) labels.push_back(static_cast<int>(i % 3));
  dataset<B> data(be, matrix_view<const std::uint8_t>(pixels.data(), count, 6), labels, 3);
  if (weighted) data = data.weighted_by_class({1, 2, 3});
  network net{be, dense{6, 9, gelu{}}, dropout{0.25}, dense{9, 3}};
  trainer t{net, softmax_cross_entropy{}, chain(clip_by_norm{1}, adam{cosine(0.01, 100)})};
  watch w(be);
  t.fit(data, {.epochs = 3, .batch = 8, .seed = 1, .callbacks = {&w}, .accumulate = accumulate});
  device_statistics d;
  d.uploads = w.now.uploads - w.before.uploads;
  d.downloads = w.now.downloads - w.before.downloads;
  d.launches = w.now.launches - w.before.launches;
  d.replays = w.now.replays - w.before.replays;
  d.synchronizations = w.now.synchronizations - w.before.synchronizations;
  d.allocations = w.now.allocations - w.before.allocations;
  d.builds = w.now.builds - w.before.builds;
  return d;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("an epoch's copies and waits do not depend on the number of its batches",
                        "[device]", backends) {
  const TestType be;
  const device_statistics few = last_epoch(be, 3 * 8 + 5);
  const device_statistics many = last_epoch(be, 30 * 8 + 5);
  CHECK(few.uploads == many.uploads);
  CHECK(few.downloads == many.downloads);
  CHECK(few.synchronizations == many.synchronizations);
  // the order, the counter, what the optimizer needs, the scale of a full and of the last batch
  CHECK(many.uploads == 5);
  CHECK(many.downloads == 1);  // the figures of all samples
  // Work is queued once per batch, or once and replayed.
  CHECK(many.launches + many.replays > few.launches + few.replays);
}

TEMPLATE_LIST_TEST_CASE("steps allocate nothing and build nothing after the first epoch",
                        "[device]", backends) {
  const TestType be;
  const device_statistics d = last_epoch(be, 10 * 8 + 5);
  CHECK(d.allocations == 0);
  CHECK(d.builds == 0);
}

TEMPLATE_LIST_TEST_CASE("steps of several batches and weights take nothing from the host",
                        "[device]", backends) {
  const TestType be;
  const device_statistics few = last_epoch(be, 3 * 8 + 5, 2, true);
  const device_statistics many = last_epoch(be, 31 * 8 + 5, 2, true);
  CHECK(few.uploads == many.uploads);
  CHECK(few.downloads == many.downloads);
  CHECK(few.synchronizations == many.synchronizations);
  CHECK(many.allocations == 0);
  CHECK(many.builds == 0);
  // Batches in between are captured as well: all but the last, which is a short one.
  CHECK((many.replays == 0 || many.replays == 31));
}

TEMPLATE_LIST_TEST_CASE("weights cost four launches per batch, and no weights none", "[device]",
                        backends) {
  const TestType be;
  const device_statistics plain = last_epoch(be, 10 * 8);
  const device_statistics weighted = last_epoch(be, 10 * 8, 1, true);
  if (plain.replays == 0) CHECK(weighted.launches == plain.launches + 10 * 4);
  CHECK(weighted.replays == plain.replays);
  CHECK(weighted.uploads == plain.uploads);
}

TEMPLATE_LIST_TEST_CASE("a counter counts what is queued", "[device]", backends) {
  using B = TestType;
  const B be;
  typename B::counter count(be);
  tensor<B> three(be, 3, 2);
  const std::vector<scalar_t<B>> zeros(6, 0);
  be.upload(three.view(), matrix_view<const scalar_t<B>>(zeros.data(), 3, 2));
  tensor<B> one(be, 3, 1);
  for (int i = 0; i < 2; ++i) {
    be.map(fn::fill{1.0 + i}, one.view());
    be.copy_at(three.view(), const_matrix<B>(one.view()), count, 1);
    be.advance(count);
  }
  CHECK(to_host(be, const_matrix<B>(three.view())) == std::vector<scalar_t<B>>{1, 2, 1, 2, 1, 2});
  // Its number is added to a stream's.
  tensor<B> counted(be, 5, 7), given(be, 5, 7);
  be.random(counted.view(), 3, 40, 0, count);
  be.random(given.view(), 3, 42);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
  be.set(count, 0);  // which is no advance less
  be.random(counted.view(), 3, 40, 0, count);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
  be.restart(count);
  be.random(counted.view(), 3, 42, 0, count);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
}

TEMPLATE_LIST_TEST_CASE("a counter's row is taken before it counts", "[device]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  typename B::counter count(be);
  std::vector<T> values;
  for (int i = 0; i < 3 * 70; ++i) values.push_back(static_cast<T>(i));
  const tensor<B> rows = from_host(be, matrix_view<const T>(values.data(), 3, 70));
  tensor<B> out(be, 1, 70);
  for (int i = 0; i < 3; ++i) {
    be.map(fn::fill{-1}, out.view());
    be.take(out.view(), rows.view(), count);
    CHECK(to_host(be, const_matrix<B>(out.view())) ==
          std::vector<T>(values.begin() + i * 70, values.begin() + (i + 1) * 70));
  }
  std::int32_t numbers[2] = {};
  be.download(matrix_view<std::int32_t>(numbers, 1, 1), count.view());
  be.download(matrix_view<std::int32_t>(numbers + 1, 1, 1), count.total());
  be.synchronize();
  CHECK((numbers[0] == 3 && numbers[1] == 3));
}

TEMPLATE_LIST_TEST_CASE("a planned map reads the row that was held and advances the counter",
                        "[device]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  typename B::counter count(be);
  // Rows of a table with two numbers behind one that is left out, in several groups' elements.
  const tensor<B> table = from_host(
      be, matrix_view<const T>(std::vector<T>{-1, 1, 10, -1, 2, 20, -1, 3, 30}.data(), 3, 3));
  std::vector<T> values;
  for (int i = 0; i < 3 * 1100; ++i) values.push_back(static_cast<T>(i));
  const tensor<B> x = from_host(be, matrix_view<const T>(values.data(), 3, 1100));
  const auto f = [](const auto& a, const auto& b, const auto& c) { return a * b + c; };
  for (int step = 0; step < 3; ++step) {
    be.hold(count);
    tensor<B> y(be, 3, 1100), z(be, 3, 1100);
    for (tensor<B>* to : {&y, &z}) {  // both read what was held, and advance once
      be.map(fn::fill{-7}, to->view());
      be.template map_planned<2>(f, std::array<matrix<B>, 1>{to->view()}, {table.view(), count, 1},
                                 x.view());
    }
    const T factor = static_cast<T>(step + 1);
    std::vector<T> expected;
    for (const T v : values) expected.push_back(v * factor + 10 * factor);
    CHECK(to_host(be, y.view()) == expected);
    CHECK(to_host(be, z.view()) == expected);
  }
  std::int32_t numbers[2] = {};
  be.download(matrix_view<std::int32_t>(numbers, 1, 1), count.view());
  be.download(matrix_view<std::int32_t>(numbers + 1, 1, 1), count.total());
  be.synchronize();
  CHECK((numbers[0] == 3 && numbers[1] == 3));
}

TEMPLATE_LIST_TEST_CASE("inputs and targets are gathered at once as one after the other",
                        "[device]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  std::vector<std::uint8_t> bytes;
  for (int i = 0; i < 5 * 33; ++i) bytes.push_back(static_cast<std::uint8_t>(7 * i));
  std::vector<T> numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  auto pixels = be.template allocate<std::uint8_t>(5 * 33);
  const typename B::template view<std::uint8_t> source(pixels.data(), 5, 33);
  be.upload(source, matrix_view<const std::uint8_t>(bytes.data(), 5, 33));
  const tensor<B> from = from_host(be, matrix_view<const T>(numbers.data(), 5, 2));
  const std::vector<std::int32_t> order{4, 3, 2, -1, 0, 5, 1, -1, 7, 3};
  auto rows = be.template allocate<std::int32_t>(10);
  be.upload(rows.view(), matrix_view<const std::int32_t>(order.data(), 1, 10));
  typename B::counter count(be);
  be.advance(count);
  const typename B::counted_rows second{rows.view(), count, 2};  // 2, -1, 0, 5, 1, -1, 7, 3
  const fn::affine f{0.5, 1};
  tensor<B> x(be, 8, 33), t(be, 8, 2), both_x(be, 8, 33), both_t(be, 8, 2);
  for (tensor<B>* m : {&x, &t, &both_x, &both_t}) be.map(fn::fill{-7}, m->view());
  const typename B::template view<const std::uint8_t> read_only = source;
  be.gather(x.view(), read_only, second, f);
  be.gather(t.view(), const_matrix<B>(from.view()), second);
  be.gather_pair(both_x.view(), read_only, both_t.view(), const_matrix<B>(from.view()), second, f);
  // Bits, since a row that does not exist is NaN.
  const auto same = [&](const tensor<B>& a, const tensor<B>& b) {
    const std::vector<T> first = to_host(be, a.view()), other = to_host(be, b.view());
    for (std::size_t i = 0; i < first.size(); ++i)
      if (!(first[i] == other[i] || (first[i] != first[i] && other[i] != other[i]))) return false;
    return !first.empty();
  };
  CHECK(same(x, both_x));
  CHECK(same(t, both_t));
  CHECK(to_host(be, const_matrix<B>(both_t.view()))[0] == 5);
  CHECK(std::isnan(to_host(be, const_matrix<B>(both_t.view()))[7]));
}

TEMPLATE_LIST_TEST_CASE("answers are compared with classes in one pass over the outputs",
                        "[device]", backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  for (const index_t cols : {3, 700}) {
    std::vector<T> y(static_cast<std::size_t>(4 * cols), T(-1));
    const auto at = [&](index_t i, index_t j) -> T& {
      return y[static_cast<std::size_t>(i * cols + j)];
    };
    at(0, 2) = at(1, 1) = at(1, 2) = 5;  // the first of two equal ones counts
    at(2, 0) = 9;
    at(3, 1) = nan;
    const std::vector<T> classes{2, 1, 1, 1};
    const tensor<B> outputs = from_host(be, matrix_view<const T>(y.data(), 4, cols));
    const tensor<B> labels = from_host(be, matrix_view<const T>(classes.data(), 4, 1));
    tensor<B> hits(be, 4, 1);
    be.map(fn::fill{-1}, hits.view());
    be.argmax_matches_rows(outputs.view(), labels.view(), hits.view());
    CHECK(to_host(be, const_matrix<B>(hits.view())) == std::vector<T>{1, 1, 0, 0});
  }
}

TEMPLATE_LIST_TEST_CASE("a loss computes beside it what other verbs compute", "[device]",
                        backends) {
  using B = TestType;
  using T = scalar_t<B>;
  const B be;
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  constexpr index_t rows = 4;
  typename B::counter count(be);
  be.advance(count);
  be.advance(count);
  for (const index_t cols : {3, 700}) {
    std::vector<T> y;
    for (index_t i = 0; i < rows * cols; ++i)
      y.push_back(static_cast<T>(std::sin(0.7 * static_cast<double>(i))));
    y[static_cast<std::size_t>(cols + 1)] = 3;
    y[static_cast<std::size_t>(3 * cols + 2)] = nan;
    const std::vector<T> classes{2, 1, 0, 1};
    const T factor = static_cast<T>(0.5);
    const tensor<B> outputs = from_host(be, matrix_view<const T>(y.data(), rows, cols));
    const tensor<B> labels = from_host(be, matrix_view<const T>(classes.data(), rows, 1));
    const tensor<B> scale = from_host(be, matrix_view<const T>(&factor, 1, 1));
    const auto check = [&](const auto& loss, bool takes_end) {
      loss_scratch<B> scratch(be, rows, cols);
      tensor<B> losses(be, rows, 1), hits(be, rows, 1), gradient(be, rows, cols);
      loss(be, outputs.view(), labels.view(), scale.view(), losses.view(), gradient.view(),
           scratch);
      be.argmax_matches_rows(outputs.view(), labels.view(), hits.view());
      be.map(backward_of<fn::sigmoid>{}, gradient.view(), gradient.view(), outputs.view());
      // Rows 2 * 5, ... of an epoch's, and what lies around them.
      tensor<B> unused(be, rows, 1), all(be, 16, 1), all_hits(be, 16, 1), ended(be, rows, cols);
      for (tensor<B>* m : {&unused, &all, &all_hits, &ended}) be.map(fn::fill{-7}, m->view());
      scratch.extras.place = &count;
      scratch.extras.step = 5;
      scratch.extras.placed_losses = all.view().middle_rows(0, rows);
      scratch.extras.hits = all_hits.view().middle_rows(0, rows);
      scratch.extras.end = typename B::traced_functor(backward_of<fn::sigmoid>{});
      loss(be, outputs.view(), labels.view(), scale.view(), unused.view(), ended.view(), scratch);
      CHECK(scratch.extras.is_done);
      CHECK(scratch.extras.has_ended == takes_end);
      if (!takes_end)
        be.map(backward_of<fn::sigmoid>{}, ended.view(), ended.view(), outputs.view());
      const auto host = [&](const tensor<B>& m) { return to_host(be, const_matrix<B>(m.view())); };
      const auto same = [](T a, T b) {
        return a == b || (a != a && b != b) ||
               std::fabs(a - b) <= 4 * std::numeric_limits<T>::epsilon() * std::fabs(b);
      };
      const std::vector<T> a = host(all), h = host(all_hits), l = host(losses), one = host(hits);
      for (std::size_t i = 0; i < 16; ++i) {
        const bool inside = i >= 10 && i < 14;
        CHECK(same(a[i], inside ? l[i - 10] : T(-7)));
        CHECK(h[i] == (inside ? one[i - 10] : T(-7)));
      }
      CHECK((one[1] == 1 && one[3] == 0));
      CHECK(host(unused) == std::vector<T>(4, T(-7)));
      const std::vector<T> g = host(gradient), e = host(ended);
      for (std::size_t i = 0; i < g.size(); ++i)
        if (!same(e[i], g[i])) FAIL_CHECK(i << ": " << e[i] << " instead of " << g[i]);
    };
    check(sum_of_squares{}, true);
    check(softmax_cross_entropy{}, false);
  }
}

namespace {
/// The launches of a step on a full batch, captured or not.
template <class Net, class Loss>
std::uint64_t launches_of_step(Net net, const Loss& loss) {
  using B = typename Net::backend_type;
  const B& be = net.backend();
  const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(12 * net.inputs()), 100);
  const std::vector<int> labels(12, 3);
  const dataset<B> data(be, matrix_view<const std::uint8_t>(pixels.data(), 12, net.inputs()),
                        labels, static_cast<int>(net.outputs()));
  struct watch final : callback {
    explicit watch(const B& b) : be(b) {}
    void on_batch_end(const batch_record&) override {
      before = now;
      now = be.statistics().launches;
      if (first == 0) first = now;
    }
    B be;
    std::uint64_t before = 0, now = 0, first = 0;
  } w(be);
  trainer t{net, loss, sgd{0.1}};
  // The first step, which is never replayed: its launches are what is captured.
  std::uint64_t at_begin = 0;
  struct begin final : callback {
    begin(const B& b, std::uint64_t& to) : be(b), count(to) {}
    void on_epoch_begin(int) override { count = be.statistics().launches; }
    B be;
    std::uint64_t& count;
  } b(be, at_begin);
  t.fit(data, {.epochs = 1, .batch = 4, .callbacks = {&b, &w}});
  return w.first - at_begin;
}
}  // namespace

namespace {
/// A loss that calls another one and then doubles the losses, but not the gradient.
template <class Inner>
struct doubled {
  static constexpr const char* name = "doubled";
  template <backend B>
  void operator()(const B& be, const_matrix<B> y, const_matrix<B> t, const_matrix<B> scale,
                  matrix<B> losses, matrix<B> gradient, loss_scratch<B>& scratch) const {
    Inner{}(be, y, t, scale, losses, gradient, scratch);
    be.map(fn::affine{2, 0}, losses, losses);
  }
};
template <class B, class Loss>
std::vector<double> losses_of_epochs(const B& be, const Loss& loss) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < 12 * 6; ++i) pixels.push_back(static_cast<std::uint8_t>(37 * i));
  const std::vector<int> labels{0, 1, 2, 2, 1, 0, 0, 2, 1, 1, 0, 2};
  const dataset<B> data(be, matrix_view<const std::uint8_t>(pixels.data(), 12, 6), labels, 3);
  network net{be, dense{6, 5, relu{}}, dense{5, 3, fn::sigmoid{}}};
  net.initialize(1);
  trainer t{net, loss, sgd{0.5}};
  std::vector<double> found;
  for (const auto& epoch : t.fit(data, {.epochs = 3, .batch = 5, .seed = 1}).epochs)
    found.push_back(epoch.training.loss);
  return found;
}
}  // namespace

TEMPLATE_LIST_TEST_CASE("a loss that changes the losses of another one is trained with its own",
                        "[device]", backends) {
  const TestType be;
  const auto check = [&](const auto& loss) {
    const std::vector<double> one = losses_of_epochs(be, loss);
    const std::vector<double> two =
        losses_of_epochs(be, doubled<std::remove_cvref_t<decltype(loss)>>{});
    // Derivatives are multiplied in another order; the steps of the epochs add up the difference.
    const double bound = 1000 * std::numeric_limits<scalar_t<TestType>>::epsilon();
    REQUIRE(one.size() == 3);
    for (std::size_t i = 0; i < one.size(); ++i) {
      CHECK(one[i] > 0.01);
      CHECK(std::fabs(two[i] - 2 * one[i]) <= bound);
    }
  };
  check(quadratic_cost{});
  check(softmax_cross_entropy{});
}

TEMPLATE_LIST_TEST_CASE("a step is few launches", "[device]", backends) {
  // Gather, a product per layer, the loss with the derivative of the last activation and the
  // accuracy, and the update, which counts the batch; backward has a product per layer, which sums
  // the biases too, and a product for the gradient of each input but the first, which ends with the
  // derivative of the activation before it.
  const TestType be;
  CHECK(launches_of_step(network{be, dense{20, 8, fn::sigmoid{}}, dense{8, 5, fn::sigmoid{}}},
                         quadratic_cost{}) == 8);
  CHECK(launches_of_step(network{be, dense{20, 8, relu{}}, dense{8, 5}}, softmax_cross_entropy{}) ==
        8);
  CHECK(launches_of_step(network{be, dense{20, 8, relu{}}, dense{8, 8, relu{}}, dense{8, 5}},
                         softmax_cross_entropy{}) == 11);
}

}  // namespace steps_test

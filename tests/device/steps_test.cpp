// What a training asks of a device: counted, because none of it can be seen otherwise.

#include <cstdint>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"

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

TEMPLATE_LIST_TEST_CASE("weights cost three launches per batch, and no weights none", "[device]",
                        backends) {
  const TestType be;
  const device_statistics plain = last_epoch(be, 10 * 8);
  const device_statistics weighted = last_epoch(be, 10 * 8, 1, true);
  if (plain.replays == 0) CHECK(weighted.launches == plain.launches + 10 * 3);
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
  be.random(counted.view(), 3, 40, count);
  be.random(given.view(), 3, 42);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
  be.set(count, 0);  // which is no advance less
  be.random(counted.view(), 3, 40, count);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
  be.restart(count);
  be.random(counted.view(), 3, 42, count);
  CHECK(to_host(be, const_matrix<B>(counted.view())) == to_host(be, const_matrix<B>(given.view())));
}

// Inputs that are sent batch by batch: the same bits as where they lie on the device, and what the
// device is asked for.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

namespace streamed_test {

using namespace chainrule;
using support::backends;

namespace {

constexpr dataset_options resident{.inputs = residence::resident};
constexpr dataset_options streamed{.inputs = residence::streamed};

/// Bytes and numbers that differ from row to row, and labels.
template <class T>
struct samples {
  explicit samples(index_t n, index_t cols) : count(n), features(cols) {
    random_stream random(3);
    for (index_t i = 0; i < n * cols; ++i) {
      bytes.push_back(static_cast<std::uint8_t>(random.below(256)));
      numbers.push_back(static_cast<T>(random.below(1000)) / T(500) - 1);
    }
    for (index_t i = 0; i < n; ++i) labels.push_back(static_cast<int>(random.below(3)));
  }
  matrix_view<const std::uint8_t> byte_view() const { return {bytes.data(), count, features}; }
  matrix_view<const T> number_view() const { return {numbers.data(), count, features}; }

  index_t count, features;
  std::vector<std::uint8_t> bytes;
  std::vector<T> numbers;
  std::vector<int> labels;
};

template <class T>
struct outcome {
  std::vector<T> weights;
  std::vector<double> figures;
  std::vector<int> classes;

  friend bool operator==(const outcome&, const outcome&) = default;
};

double accuracy_of(const metrics& f) { return f.has_accuracy() ? f.accuracy : -1; }

/// Two epochs in batches of 8, and what the network then says about all samples.
template <class B, class Loss>
outcome<scalar_t<B>> train(const B& be, const dataset<B>& data, const Loss& loss,
                           bool merge_last_batch) {
  network net{be, dense{data.features(), 9, gelu{}}, dropout{0.25}, dense{9, 3}};
  net.initialize(5);
  trainer t{net, loss, momentum{.rate = 0.1}};
  outcome<scalar_t<B>> o;
  const fit_options<B> options{
      .epochs = 2, .batch = 8, .seed = 11, .merge_last_batch = merge_last_batch};
  for (const epoch_record& r : t.fit(data, options).epochs) {
    o.figures.push_back(r.training.loss);
    o.figures.push_back(accuracy_of(r.training));
  }
  const metrics after = t.evaluate(data);
  o.figures.push_back(after.loss);
  o.figures.push_back(accuracy_of(after));
  if (data.classes() > 0) o.classes = t.classify(data);
  o.weights = to_host(be, const_matrix<B>(net.parameters().all()));
  return o;
}

device_statistics operator-(device_statistics a, const device_statistics& b) {
  a.uploads -= b.uploads;
  a.uploaded_bytes -= b.uploaded_bytes;
  a.downloads -= b.downloads;
  a.downloaded_bytes -= b.downloaded_bytes;
  a.allocations -= b.allocations;
  a.allocated_bytes -= b.allocated_bytes;
  a.builds -= b.builds;
  a.replays -= b.replays;
  return a;
}

}  // namespace

TEMPLATE_LIST_TEST_CASE("streamed inputs give the bits of resident ones", "[device][streamed]",
                        backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s(37, 6);  // 4 batches of 8 and one of 5
  for (const bool merge : {false, true}) {
    INFO("merge_last_batch " << merge);
    const auto both = [&](const auto& loss, auto&& make) {
      const dataset<B> here = make(resident);
      const dataset<B> there = make(streamed);
      CHECK(here.is_resident());
      CHECK_FALSE(there.is_resident());
      CHECK(there.features() == here.features());
      const auto expected = train(be, here, loss, merge);
      CHECK(expected.weights != train(be, here, loss, !merge).weights);  // it is sensitive
      CHECK(train(be, there, loss, merge) == expected);
    };
    both(softmax_cross_entropy{}, [&](const dataset_options& o) {
      return dataset<B>(be, s.byte_view(), s.labels, 3, 1.0 / 255, o);
    });
    both(softmax_cross_entropy{}, [&](const dataset_options& o) {
      return dataset<B>(be, s.number_view(), s.labels, 3, 2, o);
    });
    // Some columns of a wider table, with values as targets.
    both(mean_squared_error{}, [&](const dataset_options& o) {
      return dataset<B>(be, s.number_view().block(0, 1, 37, 4), s.number_view().block(0, 3, 37, 3),
                        1, o);
    });
  }
}

TEMPLATE_LIST_TEST_CASE("a set of more than one batch is evaluated where it is streamed",
                        "[device][streamed]", backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s(600, 6);  // batches of 256
  const dataset<B> here(be, s.byte_view(), s.labels, 3, 1.0 / 255, resident);
  const dataset<B> there(be, s.byte_view(), s.labels, 3, 1.0 / 255, streamed);
  network net{be, dense{6, 9, fn::sigmoid{}}, dense{9, 3}};
  const trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  const metrics expected = t.evaluate(here);
  const metrics found = t.evaluate(there);
  CHECK(found.loss == expected.loss);
  CHECK(found.accuracy == expected.accuracy);
  CHECK(t.classify(there) == t.classify(here));
}

TEMPLATE_LIST_TEST_CASE("one trainer goes from resident inputs to streamed ones and back",
                        "[device][streamed]", backends) {
  using B = TestType;
  const B be;
  const samples<scalar_t<B>> s(37, 6);
  const auto weights = [&](const std::vector<dataset_options>& where, bool mix_elements) {
    network net{be, dense{6, 9, fn::sigmoid{}}, dense{9, 3}};
    net.initialize(1);
    trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
    bool as_bytes = true;
    for (const dataset_options& o : where) {
      if (mix_elements) as_bytes = !as_bytes;
      const dataset<B> data = as_bytes ? dataset<B>(be, s.byte_view(), s.labels, 3, 1.0 / 255, o)
                                       : dataset<B>(be, s.number_view(), s.labels, 3, 1, o);
      t.fit(data, {.epochs = 1, .batch = 8});
    }
    return to_host(be, const_matrix<B>(net.parameters().all()));
  };
  for (const bool mix : {false, true})
    CHECK(weights({resident, streamed, streamed, resident, streamed}, mix) ==
          weights({resident, resident, resident, resident, resident}, mix));
}

TEMPLATE_LIST_TEST_CASE("what a device is sent of a streamed set, and keeps of it",
                        "[device][streamed]", backends) {
  using B = TestType;
  constexpr std::size_t scalar = sizeof(scalar_t<B>);
  // A device of its own, whose pool has nothing from other tests.
  const B be(std::make_shared<typename B::runtime_type>(B().info()));
  const samples<scalar_t<B>> s(8003, 256);
  const std::size_t set = s.bytes.size();
  {  // cuBLASLt's workspace, which the first product takes, is not the data set's
    tensor<B> m(be, 8, 8);
    be.map(fn::fill{1}, m.view());
    tensor<B> product(be, 8, 8);
    be.gemm(product.view(), const_matrix<B>(m.view()), const_matrix<B>(m.view()));
    be.synchronize();
  }
  const device_statistics before = be.statistics();
  const dataset<B> data(be, s.byte_view(), s.labels, 3, 1.0 / 255, streamed);
  const device_statistics made = be.statistics();
  CHECK((made - before).uploaded_bytes == 8003 * scalar);  // the targets

  struct watch final : callback {
    explicit watch(const B& b) : be(b) {}
    void on_epoch_end(const epoch_record&) override { seen.push_back(be.statistics()); }
    B be;
    std::vector<device_statistics> seen;
  };
  network net{be, dense{256, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  watch w(be);
  t.fit(data, {.epochs = 3, .batch = 100, .callbacks = {&w}});
  const device_statistics epoch = w.seen[2] - w.seen[1];
  // Every sample once, its number, and a few words: the counter, the rates of the steps, the scale
  // of a full batch and of the last.
  CHECK(epoch.uploaded_bytes >= set + 8003 * 4);
  CHECK(epoch.uploaded_bytes <= set + 8003 * 4 + 81 * 4 * scalar + 100);
  CHECK(epoch.uploads <= 81 + 5);
  CHECK(epoch.downloads == 1);
  CHECK(epoch.allocations == 0);
  CHECK(epoch.builds == 0);
  CHECK(epoch.replays == 0);

  (void)t.evaluate(data);
  const device_statistics all = be.statistics() - before;
  CHECK(all.allocated_bytes < set);
}

TEST_CASE("inputs are streamed by themselves if they take too much of a device",
          "[device][streamed]") {
  using B = support::tested<float>;
  const B be;
  const samples<float> s(100, 40);
  const auto is_resident = [&](const dataset_options& o, auto inputs) {
    return dataset<B>(be, inputs, s.labels, 3, 1, o).is_resident();
  };
  REQUIRE(be.info().memory > 0);
  const double bytes = 100 * 40;
  const auto memory = static_cast<double>(be.info().memory);
  CHECK(is_resident({}, s.byte_view()));
  // Numbers of four bytes each take four times as much.
  const dataset_options twice{.fraction_of_memory = 2 * bytes / memory};
  CHECK(is_resident(twice, s.byte_view()));
  CHECK_FALSE(is_resident(twice, s.number_view()));
  const dataset_options by_half{.fraction_of_memory = bytes / memory / 2};
  CHECK_FALSE(is_resident(by_half, s.byte_view()));
  // Who says where they are is not asked how much there is.
  CHECK(is_resident({residence::resident, 0}, s.byte_view()));
  CHECK_FALSE(is_resident({residence::streamed, 1}, s.byte_view()));

  // Images, by default.
  labelled_images images{"test", 100, 5, 8, 3, s.bytes, {}};
  for (const int label : s.labels) images.labels.push_back(static_cast<std::uint8_t>(label));
  CHECK(dataset<B>(be, images).is_resident());
  CHECK_FALSE(dataset<B>(be, images, 1, by_half).is_resident());
}

TEST_CASE("only a loader gathers what is streamed, and knows its samples", "[device][streamed]") {
  using B = support::tested<float>;
  const B be;
  const samples<float> s(4, 3);
  const dataset<B> data(be, s.byte_view(), s.labels, 3, 1, streamed);
  tensor<B> x(be, 2, 3), t(be, 2, 1);
  const auto rows = be.allocate<std::int32_t>(2);
  const std::vector<std::int32_t> numbers{3, 1};
  be.upload(rows.view(), matrix_view<const std::int32_t>(numbers.data(), 1, 2));
  CHECK(support::complaint<value_error>([&] { data.gather(rows.view(), x.view(), t.view()); }) ==
        "the inputs of this data set are streamed; load them by a data_loader");

  struct backwards final : epoch_order {
    void draw(std::span<std::int32_t> order) override {
      std::int32_t number = static_cast<std::int32_t>(order.size());
      for (std::int32_t& sample : order) sample = --number;
    }
  } order;
  data_loader<B> loader(be, data, {.batch = 1, .order = &order});
  std::size_t number = 4;
  for (loader.begin_epoch(0); loader.next();) {  // each of the two staging areas, and again
    be.map(fn::fill{-1}, loader.inputs());
    be.map(fn::fill{-1}, loader.targets());
    loader.load();
    --number;
    const auto first = s.bytes.begin() + static_cast<std::ptrdiff_t>(3 * number);
    CHECK(to_host(be, const_matrix<B>(loader.inputs())) == std::vector<float>(first, first + 3));
    CHECK(to_host(be, const_matrix<B>(loader.targets())) ==
          std::vector<float>{static_cast<float>(s.labels[number])});
  }
  CHECK(number == 0);
}

TEST_CASE("a staging refuses what it has no room for", "[device][streamed]") {
  using B = support::tested<float>;
  const B be;
  staging_of<B, float> s(be, 6);
  CHECK(support::complaint<shape_error>([&] { (void)s.send(2, 4); }) ==
        "a staging of 6 elements cannot send 2 x 4; make a larger one");
}

TEST_CASE("a matrix that is sent arrives before it is read, again and again",
          "[device][streamed]") {
  // Large enough that a copy and the kernels take their time; two stagings in turn, and nobody
  // waits but data().
  using B = support::tested<float>;
  const B be;
  constexpr index_t size = 1 << 16;
  staging_of<B, float> first(be, size), second(be, size);
  tensor<B> sums(be, 1, 40);
  be.map(fn::fill{-1}, sums.view());
  tensor<B> work(be, 1, size);
  for (int i = 0; i < 40; ++i) {
    auto& s = i % 2 == 0 ? first : second;
    float* const to = s.data();
    for (index_t j = 0; j < size; ++j) to[j] = static_cast<float>(i % 8);
    const const_matrix<B> sent = s.send(1, size);
    be.copy(work.view(), sent);
    if (i % 3 != 0) s.done();  // it is only a hint
    be.reduce(reduction::sum{}, sums.view().block(0, i, 1, 1), fn::identity{},
              const_matrix<B>(work.view()));
  }
  const std::vector<float> found = to_host(be, const_matrix<B>(sums.view()));
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(found[i] == static_cast<float>(size * (static_cast<index_t>(i) % 8)));
}

}  // namespace streamed_test

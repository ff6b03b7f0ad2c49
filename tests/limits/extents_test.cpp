// Extents of up to 2^62 wherever extents are taken: what cannot be made is refused in a sentence.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "../../examples/support/synthetic_digits.hpp"
#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/data/images.hpp"
#include "chainrule/data/sampler.hpp"
#include "chainrule/io/safetensors.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/layers/dropout.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/memory/staging.hpp"
#include "chainrule/metrics/confusion_matrix.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"

using namespace chainrule;
using support::complaint;

namespace {

constexpr index_t large[] = {index_t{1} << 31, index_t{1} << 32,
                             index_t{1} << 40, index_t{1} << 61,
                             index_t{1} << 62, std::numeric_limits<index_t>::max()};

/// Calls make(a, b) with extents of which at least one is large: it must throw an error of the
/// library's, and nothing else.
template <class Make>
void refuses(const char* what, Make&& make) {
  for (const index_t a : large)
    for (const index_t b : {index_t{3}, a, index_t{1} << 62}) {
      CAPTURE(what, a, b);
      CHECK_THROWS_AS(make(a, b), error);
      CHECK_THROWS_AS(make(b, a), error);
    }
}
/// The same of one extent.
template <class Make>
void refuses_one(const char* what, Make&& make) {
  for (const index_t a : large) {
    CAPTURE(what, a);
    CHECK_THROWS_AS(make(a), error);
  }
}

}  // namespace

TEMPLATE_TEST_CASE("matrices of extents up to 2^62 are refused", "", float, double) {
  using T = TestType;
  using B = basic_cpu<T>;
  const B be(1);
  T element{};
  refuses("tensor", [&](index_t a, index_t b) { (void)tensor<B>(be, a, b); });
  refuses("arena", [&](index_t a, index_t b) {
    arena_plan plan;
    (void)plan.add(weight_tags, a, b);
    (void)arena<B>(be, plan);
  });
  refuses("several slices", [&](index_t a, index_t b) {
    arena_plan plan;
    for (int i = 0; i < 9; ++i)
      for (const slot_tags& tags : {weight_tags, bias_tags}) (void)plan.add(tags, a / 3, b / 3);
    (void)arena<B>(be, plan);
  });
  refuses("shape", [](index_t a, index_t b) { (void)shape{a, index_t{1} << 40, b}; });
  refuses("loss_scratch", [&](index_t a, index_t b) { (void)loss_scratch<B>(be, a, b); });
  refuses("tape", [&](index_t a, index_t b) { (void)tape<B>(be).filled(a, b, 1); });
  refuses("listed", [&](index_t a, index_t b) { (void)tape<B>(be).constant(a, b, {}); });
  refuses("reshape", [&](index_t a, index_t b) {
    const tape<B> t(be);
    (void)reshape(tape<B>(be).constant(0, 4, {}), a, b);
  });
  refuses_one("storage", [&](index_t a) { (void)be.template allocate<T>(a); });
  refuses_one("staging", [&](index_t a) { (void)staging_of<B, T>(be, a); });
  refuses_one("counting_row", [&](index_t a) { (void)ops::counting_row(be, a); });

  // A view that wraps around would be one of memory that is not there.
  for (const index_t a : {index_t{1} << 61, index_t{1} << 62}) {
    CHECK_THROWS_AS(matrix_view<T>(&element, a, 4), error);
    CHECK_THROWS_AS(matrix_view<T>(&element, 4, a), error);
    CHECK_THROWS_AS(matrix_view<T>(&element, 4, 1, a), error);
    CHECK_THROWS_AS(matrix_view<T>(&element, a, a), error);
    CHECK_THROWS_AS((matrix_shape{a, 4}.size()), error);
    // Nothing is still nothing, and one row has no stride.
    CHECK(matrix_view<T>(&element, a, 0).size() == 0);
    CHECK(matrix_view<T>(&element, 0, a).size() == 0);
    CHECK(matrix_view<T>(&element, 1, 1, a).size() == 1);
  }
  CHECK(complaint<shape_error>([&] { (void)tensor<B>(be, 1L << 32, 1L << 32); }) ==
        "a matrix of 4294967296x4294967296 has more elements than can be counted");
  CHECK(complaint<shape_error>([&] { (void)tensor<B>(be, -1, -3); }) ==
        "a matrix needs extents of at least 0, got -1x-3");
}

TEST_CASE("layers of extents up to 2^62 are refused") {
  const cpu be(1);
  refuses("dense", [&](index_t a, index_t b) { (void)network{be, dense{a, b}}; });
  refuses("several dense", [&](index_t a, index_t b) {
    (void)network{be, dense{4, 4}, dense{4, b}, dense{b, a}, dropout{0.5}, dense{a, b}};
  });
  refuses("layers in a vector", [&](index_t a, index_t b) {
    (void)network<cpu>(be, {dense{2, a}, dense{a, b}});
  });
  refuses("lambda layer", [&](index_t a, index_t b) {
    const auto f = [](const auto& x, const auto& p) { return matmul(x, p[0]); };
    (void)network{be, lambda_layer{a, b, {{"weight", {a, b}, init::zeros()}}, f}};
  });
  CHECK_THROWS_AS((network{be, dense<index_t{1} << 62, 4>{}}), error);

  network net{be, dense{3, 2}};
  refuses_one("pass", [&](index_t a) { (void)net.make_pass(a, true); });
}

TEST_CASE("counts of up to 2^62 are refused where data is taken, and are no fault in fit") {
  const cpu be(1);
  const float one[6] = {1, 2, 3, 4, 5, 6};
  refuses_one("sampler", [&](index_t a) { (void)sampler(a, 0); });
  refuses_one("synthetic digits", [&](index_t a) { (void)synthetic_digits(a, 1); });
  CHECK_THROWS_AS(synthetic_digits(largest_sample_count, 1), out_of_memory);
  for (const int classes : {-1, std::numeric_limits<int>::max()})
    CHECK_THROWS_AS(confusion_matrix(std::vector<int>{}, {}, classes), error);
  refuses_one("images", [&](index_t a) {
    const labelled_images images{"x", a, a, a, 2, {}, {}};
    images.check();
  });
  refuses("features", [&](index_t a, index_t b) {
    const labelled_images images{"x", 2, a, b, 2, {}, {0, 1}};
    (void)dataset<cpu>(be, images);
  });
  refuses("views of nothing", [&](index_t a, index_t b) {
    const std::vector<std::uint8_t> pixels(6);
    (void)dataset<cpu>(be, matrix_view<const std::uint8_t>(pixels.data(), a, b),
                       std::vector<int>(2), 2);
  });
  refuses("saved tensor", [&](index_t a, index_t b) {
    const std::vector<tensor_to_save> tensors{{"x", "F32", {a, b}, {}}};
    save_safetensors("/dev/null/there-is-none", tensors);
  });
  CHECK(batch_range(7, index_t{1} << 62).size() == 1);

  const dataset<cpu> data(be, matrix_view<const float>(one, 2, 3), std::vector<int>{0, 1}, 2);
  network net{be, dense{3, 2}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  for (const index_t batch : large)
    CHECK(t.fit(data, {.epochs = 1, .batch = batch, .merge_last_batch = true}).epochs.size() == 1);
  for (const index_t batch : large)
    CHECK(t.fit(data, {.epochs = 1, .batch = batch, .divide_by_full_batch = true}).epochs.size() ==
          1);
  refuses_one("plan_steps", [&](index_t a) { t.optimizer().plan_steps(a, a); });
}

// Denormal numbers: flushed in the steps of a training, and nowhere else.
#include <atomic>
#include <cmath>
#include <limits>

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "chainrule/train/trainer.hpp"
#include "support/catch.hpp"

namespace denormals_test {

using namespace chainrule;

namespace {

/// Whether half of the smallest normal number is a number.
bool has_denormals() {
  volatile double smallest = std::numeric_limits<double>::min();
  volatile double half = smallest / 2;
  return half != 0;
}

/// The loss 0, that looks at the mode it is computed in.
struct looking_loss {
  static constexpr const char* name = "looking";
  [[nodiscard]] static constexpr bool samples_are_independent() { return true; }
  template <backend B>
  void operator()(const B& be, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B> losses,
                  matrix<B> gradient, loss_scratch<B>&) const {
    calls += 1;
    with_denormals += has_denormals() ? 1 : 0;
    be.map(fn::fill{0}, losses);
    if (!gradient.empty()) be.map(fn::fill{0}, gradient);
  }
  std::atomic<int>& calls;
  std::atomic<int>& with_denormals;
};

}  // namespace

TEST_CASE("a scope without denormals ends where it ends, also by an exception") {
  REQUIRE(has_denormals());
  {
    const flush_denormals scope;
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(!has_denormals());
#endif
    { const flush_denormals inner; }
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(!has_denormals());
#endif
  }
  CHECK(has_denormals());
  try {
    const flush_denormals scope;
    throw 1;
  } catch (int) {
  }
  CHECK(has_denormals());
}

#if defined(__x86_64__) || defined(__aarch64__)
TEST_CASE("a pool's workers compute in the mode of the thread that they work for") {
  thread_pool pool{3};
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> with{0};
    const auto look = [&](index_t) { with += has_denormals() ? 1 : 0; };
    {
      const flush_denormals scope;
      pool.for_each(20, look);
      CHECK(with == 0);
    }
    pool.for_each(20, look);
    CHECK(with == 20);
  }
}

TEST_CASE("denormals are flushed in the steps of a training, not in evaluation nor in observers") {
  const cpu be{2};
  const std::vector<float> x(256 * 64, 0.5F);
  const matrix_view<const float> samples(x.data(), 256, 64);
  const dataset<cpu> data(be, samples, samples);
  network net{be, dense{64, 64}};
  std::atomic<int> calls{0};
  std::atomic<int> with{0};
  trainer t{net, looking_loss{calls, with}, sgd{0.1}};
  class observer final : public callback {
   public:
    void on_batch_end(const batch_record&) override { seen = seen && has_denormals(); }
    bool seen = true;
  } o;
  t.fit(data, {.epochs = 3, .batch = 128, .callbacks = {&o}});
  CHECK(calls > 0);
  CHECK(with == 0);
  CHECK(o.seen);
  calls = 0;
  (void)t.evaluate(data);
  CHECK(calls > 0);
  CHECK(with == calls);
  CHECK(has_denormals());
}
#endif

}  // namespace denormals_test

// Pooling gives the same bits for any number of threads, and on each instruction set.
#include <cstring>

#include "chainrule/backend/pooling.hpp"
#include "cpu/sets.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace pooling_test {

using namespace batches;

namespace {

/// What the verbs make of images that are divided among threads, one after another.
template <class B>
std::vector<double> pooled(const B& be, const window& w) {
  const tensor<B> x = uniform(be, 5, w.image(), 1);
  const tensor<B> dy = uniform(be, 5, w.positions() * w.channels, 2);
  tensor<B> y(be, 5, dy.cols());
  tensor<B> argmax(be, 5, dy.cols());
  tensor<B> dx(be, 5, x.cols());
  std::vector<double> all;
  const auto append = [&](const tensor<B>& t) {
    for (const double v : doubles(be, t)) all.push_back(v);
  };
  be.max_pool(y.view(), argmax.view(), x.view(), w);
  append(y), append(argmax);
  be.unpool(dx.view(), dy.view(), std::as_const(argmax).view(), w);
  append(dx);
  return all;
}
template <class B>
std::vector<double> resampled(const B& be, const resampling& r) {
  const tensor<B> x = uniform(be, 5, r.from(), 3);
  tensor<B> y(be, 5, r.to());
  be.resample(y.view(), x.view(), r);
  return doubles(be, y);
}

}  // namespace

TEMPLATE_TEST_CASE("pooling has the same bits for any number of threads", "", float, double) {
  using B = basic_cpu<TestType>;
  for (const index_t channels : {1, 6, 21, 64}) {
    const window w{{35, 3, 2, 1, 1, 1}, {34, 3, 2, 1, 1, 1}, channels};
    const resampling mean{w, resampling::rule::mean_inside};
    const resampling linear{{interpolated_axis(17, 2), interpolated_axis(17, 3), channels},
                            resampling::rule::linear,
                            true};
    // Maxima, and sums of gradients in one order, are the same on all instruction sets.
    const std::vector<double> expected = pooled(B(1, isa::portable), w);
    for (const isa set : supported_sets()) {
      const B one(1, set);
      for (const int threads : {1, 2, 4}) {
        CAPTURE(name_of(set), threads, channels);
        const B be(threads, set);
        CHECK(same_bits(pooled(be, w), expected));
        for (const resampling& r : {mean, mean.transposed(), linear, linear.transposed()})
          CHECK(same_bits(resampled(be, r), resampled(one, r)));
      }
    }
  }
}

}  // namespace pooling_test

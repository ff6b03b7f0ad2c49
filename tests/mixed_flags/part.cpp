// What a file does with the CPU backend; compiled twice, with different flags.
#include "chainrule/backend/cpu.hpp"
#include "chainrule/pointwise/activations.hpp"

using namespace chainrule;

float CHAINRULE_TEST_PART(float* x, float* y, index_t n) {
  const cpu be(2, isa::portable);
  const matrix_view<float> a(x, n, n), b(y, n, n), row(y, n, 1);
  be.random(a, 1, 0);
  be.map(silu{}, b, a);
  be.map(fn::sin{}, b, b);
  be.gemm(a, b, b);
  be.reduce(reduction::sum{}, row, fn::identity{}, a);
  const window w{{1}, {n}, 1};
  be.max_pool(b, {}, a, w);
  be.resample(b, a, {w, resampling::rule::mean_inside});
  return y[0];
}

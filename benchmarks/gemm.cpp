/// \file
/// The matrix products of one training step of each net, on one thread, beside Eigen's.
///
///     build/benchmarks/gemm
///     build/benchmarks/gemm --benchmark_filter=A
///
/// x: n x in, W: in x out, y: n x out. Forward: y = x W; weights: dW = x' dy; inputs: dx = dy W'.

#include <memory>

#include "contest.hpp"
#include "nets.hpp"

namespace {

using chainrule::index_t;
using by_rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct product_matrices {
  by_rows x, w, y, dx, dw;
  product_matrices(int n, int in, int out)
      : x(by_rows::Random(n, in)),
        w(by_rows::Random(in, out)),
        y(by_rows::Random(n, out)),
        dx(n, in),
        dw(in, out) {}
};

chainrule::matrix_view<float> view(by_rows& m) { return {m.data(), m.rows(), m.cols()}; }

/// The three products of a layer of `in` inputs and `out` outputs at batches of n.
void add(std::vector<std::unique_ptr<contest>>& contests, const std::string& name, int n, int in,
         int out, bool first_layer) {
  using namespace chainrule;
  const auto m = std::make_shared<product_matrices>(n, in, out);
  const cpu be{1};
  // About ten milliseconds a round.
  const double work = 1.0 * n * in * out;
  const int repeats = 1 + static_cast<int>(2e8 / work);
  const std::string extents = detail::concat(n, "x", in, "x", out);
  const auto next = [&](const char* which) -> contest& {
    contests.push_back(
        std::make_unique<contest>("gemm/" + name + "/" + which + " " + extents, repeats));
    return *contests.back();
  };
  contest& forward = next("forward");
  forward.add("Eigen", [m] { m->y.noalias() = m->x * m->w; });
  forward.add("chainrule", [m, be] { be.gemm(view(m->y), view(m->x), view(m->w)); });
  contest& weights = next("weights");
  weights.add("Eigen", [m] { m->dw.noalias() = m->x.transpose() * m->y; });
  weights.add("chainrule", [m, be] { be.gemm(view(m->dw), transposed(view(m->x)), view(m->y)); });
  if (first_layer) return;  // nobody asks for the images' gradient
  contest& inputs = next("inputs");
  inputs.add("Eigen", [m] { m->dx.noalias() = m->y * m->w.transpose(); });
  inputs.add("chainrule", [m, be] { be.gemm(view(m->dx), view(m->y), transposed(view(m->w))); });
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<contest>> contests;
  for (const net_shape* s : {&net_a, &net_b, &net_c, &net_d})
    for (std::size_t i = 1; i < s->extents.size(); ++i)
      add(contests, s->name, s->batch, s->extents[i - 1], s->extents[i], i == 1);
  std::vector<contest*> all;
  for (const auto& c : contests) all.push_back(c.get());
  return run_contests(argc, argv, all, "us", 1e6, 11);
}

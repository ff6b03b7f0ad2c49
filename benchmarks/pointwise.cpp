/// \file
/// Pointwise throughput on one thread: each activation and its derivative over 65,536 floats (they
/// fit the L2 cache), beside a copy, and beside Eigen's own expression where Eigen has one; and
/// functions of the vocabulary beside the scalar ones in a loop.
///
///     build/benchmarks/pointwise
///     build/benchmarks/pointwise --benchmark_filter=gelu

#include <cstring>
#include <memory>

#include "contest.hpp"
#include "nets.hpp"

namespace {

using chainrule::index_t;
constexpr index_t count = 65536;

struct arrays {
  Eigen::ArrayXf x = Eigen::ArrayXf::Random(count) * 4.0F;
  Eigen::ArrayXf y = Eigen::ArrayXf::Zero(count);
  Eigen::ArrayXf z = Eigen::ArrayXf::Zero(count);
};

chainrule::matrix_view<float> view(Eigen::ArrayXf& a) { return {a.data(), 1, a.size()}; }

/// Eigen's expression of an activation, if it has one.
template <class F>
void add_eigen(contest& c, const std::shared_ptr<arrays>& a) {
  if constexpr (std::same_as<F, chainrule::relu>)
    c.add("Eigen", [a] { a->y = a->x.cwiseMax(0.0F); });
  else if constexpr (std::same_as<F, chainrule::fn::sigmoid>)
    c.add("Eigen", [a] { a->y = a->x.logistic(); });
  else if constexpr (std::same_as<F, chainrule::fn::tanh>)
    c.add("Eigen", [a] { a->y = a->x.tanh(); });
  else if constexpr (std::same_as<F, chainrule::fn::softplus>)
    c.add("Eigen", [a] { a->y = a->x.cwiseMax(0.0F) + (-a->x.abs()).exp().log1p(); });
}

template <class Op>
void add_function(std::vector<std::unique_ptr<contest>>& contests, const char* name,
                  const chainrule::cpu& be, const std::shared_ptr<arrays>& a) {
  contests.push_back(
      std::make_unique<contest>(chainrule::detail::concat("pointwise/fn/", name), 10));
  contest& c = *contests.back();
  c.add("scalar", [a] {
    for (index_t i = 0; i < count; ++i) a->y[i] = Op::value(a->x[i]);
    benchmark::ClobberMemory();
  });
  c.add("chainrule", [=] { be.map(Op{}, view(a->y), view(a->x)); });
}

}  // namespace

int main(int argc, char** argv) {
  using namespace chainrule;
  const auto a = std::make_shared<arrays>();
  const cpu be{1};
  std::vector<std::unique_ptr<contest>> contests;
  for_each_activation([&]<class F>(const F& f) {
    contests.push_back(std::make_unique<contest>(detail::concat("pointwise/", name_of<F>()), 50));
    contest& c = *contests.back();
    c.add("copy", [a] {
      std::memcpy(a->y.data(), a->x.data(), static_cast<std::size_t>(count) * sizeof(float));
      benchmark::ClobberMemory();
    });
    c.add("chainrule", [=] { be.map(f, view(a->y), view(a->x)); });
    c.add("chainrule, backward",
          [=] { be.map(backward_of<F>{f}, view(a->z), view(a->x), view(a->y)); });
    add_eigen<F>(c, a);
  });
  add_function<fn::exp>(contests, "exp", be, a);
  add_function<fn::log>(contests, "log", be, a);
  add_function<fn::sin>(contests, "sin", be, a);
  add_function<fn::cos>(contests, "cos", be, a);
  add_function<fn::erf>(contests, "erf", be, a);
  std::vector<contest*> all;
  for (const auto& c : contests) all.push_back(c.get());
  return run_contests(argc, argv, all, "ps", 1e12 / static_cast<double>(count), 11);
}

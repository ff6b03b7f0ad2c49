/// \file
/// `serve_gemms`: the matrix products of a net's training steps and nothing else, by some library:
/// what no epoch that is computed with these products can be faster than.
///
/// Everything is by rows. x: n x in, W: in x out, y: n x out. Forward: y = x W; weights: dW = x' y;
/// inputs, but for the first layer: dx = y W'. (y stands for its gradient too.) The last batch is
/// what is left of the samples, as in training.
///
///     struct library {
///       library(const product& p, int threads);  // whatever can be planned
///       void operator()() const;                 // c = a b
///     };
///     return serve_gemms<library>(s, "1.0");
#ifndef CHAINRULE_BENCHMARKS_PEERS_GEMMS_HPP
#define CHAINRULE_BENCHMARKS_PEERS_GEMMS_HPP

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "contender.hpp"

/// c = a b, where c is m x n, a is m x k, or k x m where it is to be transposed, and b likewise.
struct product {
  int m, n, k;
  bool a_transposed, b_transposed;
  const float* a;
  const float* b;
  float* c;

  [[nodiscard]] int a_stride() const { return a_transposed ? m : k; }
  [[nodiscard]] int b_stride() const { return b_transposed ? k : n; }

  /// The largest error of some elements of c, over what rounding of k products explains.
  [[nodiscard]] double error() const {
    const auto at = [](const float* from, int stride, int row, int col) {
      return static_cast<double>(from[static_cast<std::ptrdiff_t>(row) * stride + col]);
    };
    double worst = 0;
    for (int s = 0; s < 500; ++s) {
      const int i = s * 7919 % m;
      const int j = s * 104729 % n;
      double sum = 0;
      double size = 0;
      for (int l = 0; l < k; ++l) {
        const double x = a_transposed ? at(a, m, l, i) : at(a, k, i, l);
        const double y = b_transposed ? at(b, k, j, l) : at(b, n, l, j);
        sum += x * y;
        size += std::abs(x * y);
      }
      const double bound = k * static_cast<double>(std::numeric_limits<float>::epsilon()) * size;
      const double off = std::abs(at(c, n, i, j) - sum) / (bound > 0 ? bound : 1);
      if (!(off <= worst)) worst = off;  // NaN too
    }
    return worst;
  }
};

/// A layer's matrices, with numbers in -1 to 1.
struct gemm_buffers {
  std::vector<float> x, w, y, dx, dw;

  gemm_buffers(int batch, int in, int out)
      : x(size(batch, in)), w(size(in, out)), y(size(batch, out)), dx(x.size()), dw(w.size()) {
    std::uint32_t state = 1;
    for (std::vector<float>* v : {&x, &w, &y})
      for (float& e : *v) {
        state = state * 1664525U + 1013904223U;
        e = static_cast<float>(state >> 8U) * (2.0F / 16777216.0F) - 1.0F;
      }
  }
  [[nodiscard]] static std::size_t size(int rows, int cols) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols);
  }
};

/// The products of one step on n samples, in the order of a step.
[[nodiscard]] inline std::vector<product> products_of_step(std::vector<gemm_buffers>& layers,
                                                           const std::vector<int>& extents, int n) {
  std::vector<product> all;
  for (std::size_t i = 0; i < layers.size(); ++i)
    all.push_back({n, extents[i + 1], extents[i], false, false, layers[i].x.data(),
                   layers[i].w.data(), layers[i].y.data()});
  for (std::size_t i = layers.size(); i-- > 0;) {
    gemm_buffers& l = layers[i];
    all.push_back(
        {extents[i], extents[i + 1], n, true, false, l.x.data(), l.y.data(), l.dw.data()});
    if (i > 0)
      all.push_back(
          {n, extents[i], extents[i + 1], false, true, l.y.data(), l.w.data(), l.dx.data()});
  }
  return all;
}

template <class Library>
int serve_gemms(const setting& s, const std::string& version) {
  const int samples = read_samples(s.data, "train").count;
  std::vector<gemm_buffers> layers;
  for (std::size_t i = 1; i < s.net.extents.size(); ++i)
    layers.emplace_back(s.net.batch, s.net.extents[i - 1], s.net.extents[i]);
  struct step {
    std::vector<product> products;
    std::vector<std::unique_ptr<Library>> plans;
  };
  const auto plan = [&](int n) {
    step made;
    if (n > 0) made.products = products_of_step(layers, s.net.extents, n);
    for (const product& p : made.products)
      made.plans.push_back(std::make_unique<Library>(p, s.threads));
    return made;
  };
  const step full = plan(s.net.batch);
  const step rest = plan(samples % s.net.batch);

  return serve(
      version,
      [&](int epochs) {
        for (int e = 0; e < epochs; ++e) {
          for (int i = 0; i < samples / s.net.batch; ++i)
            for (const auto& p : full.plans) (*p)();
          for (const auto& p : rest.plans) (*p)();
        }
        return 0.0;
      },
      "error",
      [&] {
        // Each alone: y is the result of one and an operand of others.
        double worst = 0;
        for (const step* which : {&full, &rest})
          for (std::size_t i = 0; i < which->plans.size(); ++i) {
            const product& p = which->products[i];
            std::fill_n(p.c, gemm_buffers::size(p.m, p.n), std::nanf(""));
            (*which->plans[i])();
            const double error = p.error();
            if (!(error <= worst)) worst = error;
          }
        return worst;
      });
}

#endif  // CHAINRULE_BENCHMARKS_PEERS_GEMMS_HPP

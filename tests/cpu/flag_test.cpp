// A functor that chooses between two vectors by one flag of its own, on each instruction set. Where
// its numbers were repeated by code without a target, and g++ 12's vectorisers were let loose on
// the kernel, all lanes but the first were wrong in AVX-512.
#include <array>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "cpu/sets.hpp"
#include "support/catch.hpp"

namespace flag_test {

using namespace chainrule;

namespace {

/// As a chain of clipping and Nesterov's momentum: what was kept changes, and the step is along it
/// or beyond it, by a flag that is known at run time only. The text makes it a functor that is not
/// copied into the kernel, so that its numbers are read anew for every lane.
struct look_ahead {
  bool ahead;
  double decay;
  double limit;
  std::string name = "look ahead";

  template <class X>
  auto operator()(const X& w, const X& g, const X& kept, const X& scale) const {
    std::array<X, 2> rest{kept, scale};
    X direction = g;
    const auto run = [&](const auto& rule) {
      std::array<X, 1> state;
      for (std::size_t i = 0; i < state.size(); ++i) state[i] = rest[i];
      direction = rule(direction, state);
      for (std::size_t i = 0; i < state.size(); ++i) rest[i] = state[i];
    };
    run([&](const X& d, std::array<X, 1>&) {
      return math::convert<X>(math::clamp(d, -limit, limit));
    });
    run([&](const X& d, std::array<X, 1>& state) -> X {
      X& v = state[0];
      v = decay * v + d;
      return ahead ? d + decay * v : v;
    });
    return std::tuple(w - rest[1] * direction, rest[0]);
  }
};

template <class T>
std::vector<T> counted(index_t n, T step) {
  std::vector<T> x;
  for (index_t i = 0; i < n; ++i) x.push_back(static_cast<T>(i + 1) * step);
  return x;
}

template <class T>
void check(bool ahead) {
  // Small whole numbers and halves of halves of them: nothing is rounded.
  const look_ahead f{ahead, 0.5, 50};
  for (const isa set : supported_sets()) {
    const basic_cpu<T> be(1, set);
    for (const index_t n : {1, 5, 64, 100}) {
      const std::vector<T> g = counted<T>(n, 1), w = counted<T>(n, -3), v = counted<T>(n, 4),
                           s = counted<T>(n, 2);
      std::vector<T> next(g.size(), std::numeric_limits<T>::quiet_NaN()), kept = next;
      const auto view = [&](std::vector<T>& x) { return matrix_view<T>(x.data(), 1, n); };
      const auto read = [&](const std::vector<T>& x) {
        return matrix_view<const T>(x.data(), 1, n);
      };
      be.map(f, std::array{view(next), view(kept)}, read(w), read(g), read(v), read(s));
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < g.size(); ++i) {
        const auto want = f(double{w[i]}, double{g[i]}, double{v[i]}, double{s[i]});
        if (double{next[i]} != std::get<0>(want) || double{kept[i]} != std::get<1>(want)) ++wrong;
      }
      INFO(name_of(set) << ", " << n << " numbers of " << sizeof(T) << " bytes");
      CHECK(wrong == 0);
    }
  }
}

}  // namespace

TEST_CASE("a functor's flag chooses between vectors in every lane") {
  for (const bool flag : {false, true}) {
    check<float>(flag);
    check<double>(flag);
  }
}

}  // namespace flag_test

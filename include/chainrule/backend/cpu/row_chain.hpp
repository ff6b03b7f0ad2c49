/// \file
/// `row_chain<T>`: maps y = f(x W + b) of one sample, one after another. What a call of gemm finds
/// out each time (shapes, instruction set, kernel) is found out once.
///
///     row_chain<float> chain;
///     chain.add(isa::avx2, relu{}, 784, 128, w, b, size, hidden);  // offsets of W and b
///     chain.add(isa::avx2, identity{}, 128, 10, w2, b2, size, y);
///     chain.run(x, parameters);                              // no allocation, lock, system call
///
/// The bits are those of gemm.
#ifndef CHAINRULE_BACKEND_CPU_ROW_CHAIN_HPP
#define CHAINRULE_BACKEND_CPU_ROW_CHAIN_HPP

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/cpu/gemm/product.hpp"
#include "chainrule/core/plain_vector.hpp"

namespace chainrule::detail {
CHAINRULE_CPU_BEGIN

template <class T>
class row_chain {
 public:
  /// Adds y = f(x W + b), where W (k × n) and b begin at these offsets of the parameters and x is
  /// the y before; there are `size` parameters. Returns false, and adds nothing, if there is no
  /// kernel for it: gemm computes it.
  template <class F>
  [[nodiscard]] bool add([[maybe_unused]] isa set, [[maybe_unused]] const F& f,
                         [[maybe_unused]] index_t k, [[maybe_unused]] index_t n,
                         [[maybe_unused]] index_t w, [[maybe_unused]] index_t b,
                         [[maybe_unused]] index_t size, [[maybe_unused]] T* y) {
    using epilogue = add_bias_then<F>;
#if CHAINRULE_HAS_X86_TARGETS
    if constexpr (std::is_trivially_copyable_v<epilogue> && sizeof(epilogue) <= sizeof(functor)) {
      step s{{1, n, k, T(1), {nullptr, k, false}, {nullptr, n, false}, T(0), y, n}, {}, w, b, {}};
      if (set == isa::portable || !is_row(s.product)) return false;
      multiply_ = set == isa::avx512 ? multiply_row_avx512<T> : multiply_row_avx2<T>;
      s.end.kernel = pointwise_kernel<T, epilogue, 1>(set, std::make_index_sequence<2>{});
      s.end.padding = std::min(size - w - k * n, size - b - n);
      const epilogue held{f};
      std::memcpy(s.function.bytes, &held, sizeof held);
      steps_.push_back(s);
      return true;
    }
#endif
    return false;
  }
  /// Whether there is nothing to run.
  [[nodiscard]] bool empty() const { return steps_.empty(); }

  /// Assigns the y of each map.
  void run(const T* x, const T* parameters) {
    for (step& s : steps_) {
      s.product.a.data = x;
      s.product.b.data = parameters + s.w;
      s.end.operand = parameters + s.b;
      s.end.functor = s.function.bytes;
      multiply_(s.product, s.end);
      x = s.product.c;
    }
  }

 private:
  struct functor {
    alignas(std::max_align_t) unsigned char bytes[32];
  };
  struct step {
    gemm_problem<T> product;
    row_end<T> end;
    index_t w, b;
    functor function;
  };
  plain_vector<step> steps_;
  void (*multiply_)(const gemm_problem<T>&, const row_end<T>&) = nullptr;
};

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_ROW_CHAIN_HPP

/// \file
/// `row_chain<T>`: the forward pass of one sample as a list of steps, each a product or a map. What
/// a verb finds out at each call (shapes, instruction set, kernel, addresses) is found out once.
///
///     row_chain<float> chain(isa::avx2, 784, size);               // of so many parameters
///     chain.multiply(relu{}, 784, 128, w, b, hidden);             // offsets of W and b
///     chain.map(fn::plus{}, 128, y, chain.last(), chain.parameter(c));
///     chain.run(x, parameters, states);           // no allocation, lock, system call
///
/// The bits are those of gemm and map. Vectors are whole: the last one of a y is written, and that
/// of an operand read, beyond its end, where there has to be room.
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
  static constexpr std::size_t most_in = 5;
  enum class memory { pass, input, parameters, states };
  /// y = f(in...), where the first operand may be a product, which y is given before.
  struct step {
    gemm_problem<T> product;  // c is y; n is 0 without a product
    index_t padding;          // elements that may be read behind b
    lane_kernel<T> kernel;
    lane_operand<T> in[most_in];
    index_t lanes;
    alignas(std::max_align_t) unsigned char functor[32];
  };

 public:
  /// Where the first element of an operand is: at an address, or at an offset of what run is given.
  struct operand {
    memory in = memory::input;
    const T* address = nullptr;
    index_t offset = 0;
  };

  row_chain() = default;
  /// No steps yet, for samples of `inputs` elements and so many elements of parameters.
  row_chain(isa set, index_t inputs, index_t parameters)
      : set_(set), inputs_(inputs), parameters_(parameters) {}

  /// Whether there is nothing to run.
  [[nodiscard]] bool empty() const { return steps_.empty(); }
  /// The y of the last step, at first the sample.
  [[nodiscard]] operand last() const { return last_; }
  /// Makes the next step read this as the y of the last one.
  void continue_from(const operand& x) { last_ = x; }
  [[nodiscard]] static operand parameter(index_t offset) {
    return {memory::parameters, nullptr, offset};
  }
  [[nodiscard]] static operand state(index_t offset) { return {memory::states, nullptr, offset}; }

  // Each returns false, and adds nothing, if there is no kernel for the step.

  /// y = f(x W + b), where x is the last y and W (k × n) and b are at these offsets.
  template <class F>
  [[nodiscard]] bool multiply(const F& f, index_t k, index_t n, index_t w, index_t b, T* y) {
    const operand x = last_;
    const gemm_problem<T> g{1, n, k, T(1), {nullptr, k, false}, {nullptr, n, false}, T(0), y, n};
    if (!is_row(g) || !map(add_bias_then<F>{f}, n, y, operand{memory::pass, y}, parameter(b)))
      return false;
    steps_.back().product = g;
    steps_.back().padding = parameters_ - w - k * n;
    places_.back().a = x;
    places_.back().b = parameter(w);
    return true;
  }
  /// y = f(in...), of n elements each.
  template <class F, class... In>
  [[nodiscard]] bool map(const F& f, index_t n, T* y, const In&... in) {
    static_assert(sizeof...(In) <= most_in);
    if constexpr (std::is_trivially_copyable_v<F> && sizeof(F) <= sizeof(step::functor)) {
      const operand operands[] = {in...};
      return add(pointwise_kernel<T, F, 1>(set_, std::make_index_sequence<sizeof...(In)>{}), &f,
                 sizeof f, n, y, operands, sizeof...(In));
    }
    return false;
  }
  /// y = the last y, of n elements.
  [[nodiscard]] bool copy(index_t n, T* y) { return add(copy_lanes, nullptr, 0, n, y, &last_, 1); }

  /// Runs the steps.
  void run(const T* x, const T* parameters, const T* states) {
    if (x != input_ || parameters != parameters_at_ || states != states_at_)
      connect(x, parameters, states);
    if (!copied_.empty())
      std::memcpy(copied_.data(), x, static_cast<std::size_t>(inputs_) * sizeof(T));
    for (const step& s : steps_) {
      T* const y = s.product.c;
      for (index_t j = 0; j < s.product.n;) j += next_sums_(s.product, j, s.padding, y + j);
      s.kernel(s.functor, s.in, &y, s.lanes);
    }
  }

 private:
  /// The operands of a step: factors of its product, and those of its map.
  struct places {
    operand a, b, in[most_in];
    std::size_t count;
  };

  static void copy_lanes(const void*, const lane_operand<T>* in, T* const* out, index_t lanes) {
    std::memcpy(*out, in->data, static_cast<std::size_t>(lanes * in->step) * sizeof(T));
  }
  // Not a template, and for size: each functor would have one.
  [[nodiscard, gnu::cold, gnu::noinline]] bool add(
      [[maybe_unused]] lane_kernel<T> kernel, [[maybe_unused]] const void* functor,
      [[maybe_unused]] std::size_t bytes, [[maybe_unused]] index_t n, [[maybe_unused]] T* y,
      [[maybe_unused]] const operand* in, [[maybe_unused]] std::size_t count) {
#if CHAINRULE_HAS_X86_TARGETS
    if (set_ == isa::portable) return false;
    next_sums_ = set_ == isa::avx512 ? next_sums_avx512<T> : next_sums_avx2<T>;
    const index_t width = vector_width<T>(set_);
    step s{{}, 0, kernel, {}, (n + width - 1) / width, {}};
    s.product.c = y;
    if (bytes > 0) std::memcpy(s.functor, functor, bytes);
    places from{{}, {}, {}, count};
    for (std::size_t i = 0; i < count; ++i) {
      from.in[i] = in[i];
      s.in[i].step = width;
      if (in[i].in == memory::input) {  // vectors may not be read beyond it
        if (copied_.empty()) copied_.resize(static_cast<std::size_t>(inputs_ + width));
        from.in[i] = {memory::pass, copied_.data()};
      }
    }
    steps_.push_back(s);
    places_.push_back(from);
    last_ = {memory::pass, y};
    return true;
#else
    return false;
#endif
  }
  [[gnu::noinline]] void connect(const T* x, const T* parameters, const T* states) {
    input_ = x, parameters_at_ = parameters, states_at_ = states;
    const auto at = [&](const operand& o) {
      return o.in == memory::pass         ? o.address
             : o.in == memory::input      ? x
             : o.in == memory::parameters ? parameters + o.offset
                                          : states + o.offset;
    };
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const places& from = places_[i];
      steps_[i].product.a.data = at(from.a);
      if (steps_[i].product.n > 0) steps_[i].product.b.data = at(from.b);
      for (std::size_t k = 0; k < from.count; ++k) steps_[i].in[k].data = at(from.in[k]);
    }
  }

  isa set_ = isa::portable;
  index_t inputs_ = 0, parameters_ = 0;
  plain_vector<step> steps_;
  plain_vector<places> places_;
  plain_vector<T> copied_;  // the sample, if a map reads it
  operand last_;
  next_sums_kernel<T> next_sums_ = nullptr;
  // What the addresses in the steps belong to.
  const T* input_ = nullptr;
  const T* parameters_at_ = nullptr;
  const T* states_at_ = nullptr;
};

CHAINRULE_CPU_END
}  // namespace chainrule::detail

#endif  // CHAINRULE_BACKEND_CPU_ROW_CHAIN_HPP

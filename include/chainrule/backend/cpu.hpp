/// \file
/// `cpu`: the backend for the processor, with kernels for its instruction set.
///
///     chainrule::cpu be;                 // float, as many threads as processors
///     chainrule::basic_cpu<double> d;    // double, for checks
///     chainrule::cpu two{2};             // a separate pool of two threads
///
/// The instruction set is chosen at run time, independent of the compiler's flags: AVX-512, or AVX2
/// with FMA, else the portable kernels, which are Eigen's; CHAINRULE_ISA forces one (cpu/isa.hpp).
/// Results of different instruction sets differ by rounding.
///
/// Handles are cheap to copy; copies share a pool of threads. Every verb has completed when it
/// returns, and gives the same bits for any number of threads. Handles may be used from several
/// threads.
#ifndef CHAINRULE_BACKEND_CPU_HPP
#define CHAINRULE_BACKEND_CPU_HPP

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/cpu/convolution.hpp"
#include "chainrule/backend/cpu/gemm.hpp"
#include "chainrule/backend/cpu/gemm/product.hpp"
#include "chainrule/backend/cpu/isa.hpp"
#include "chainrule/backend/cpu/map.hpp"
#include "chainrule/backend/cpu/parallel.hpp"
#include "chainrule/backend/cpu/pooling.hpp"
#include "chainrule/backend/cpu/row_chain.hpp"
#include "chainrule/backend/cpu/storage.hpp"
#include "chainrule/core/compiled.hpp"
#include "chainrule/core/holders.hpp"
#include "chainrule/core/philox.hpp"

namespace chainrule {
CHAINRULE_CPU_BEGIN

/// The backend for the processor with elements of type T, float or double.
template <class T>
class basic_cpu {
 public:
  using scalar = T;
  using matrix = matrix_view<T>;
  using const_matrix = matrix_view<const T>;
  template <class U>
  using view = matrix_view<U>;
  template <class U>
  using storage = cpu_storage<U>;
  template <class U>
  using rebind = basic_cpu<U>;

  /// Views of this backend are plain host memory.
  static constexpr bool host_memory = true;

  /// Uses the pool that all default-constructed handles share, in float and in double; its size is
  /// CHAINRULE_THREADS, else the number of processors. Throws value_error if CHAINRULE_ISA is not
  /// an instruction set that this machine supports.
  basic_cpu() : pool_(shared_thread_pool()), isa_(chosen_isa()) {}
  /// Uses a separate pool of `threads` threads, and the instruction set `set`. Throws value_error
  /// if `threads` is below 1 or the machine does not support `set`.
  explicit basic_cpu(int threads, chainrule::isa set = chosen_isa())
      : pool_(detail::make_shared<thread_pool>(threads)), isa_(require_supported(set)) {}
  /// Uses the pool and the instruction set of a handle with another scalar.
  template <class U>
  explicit basic_cpu(const basic_cpu<U>& other) : pool_(other.pool()), isa_(other.isa()) {}

  // No move operations: a handle that was moved from remains usable.
  /// Shares the pool and the instruction set of the other handle.
  basic_cpu(const basic_cpu&) = default;
  /// Shares the pool and the instruction set of the other handle.
  basic_cpu& operator=(const basic_cpu&) = default;
  // Handles are destroyed at many places. With a body, since g++ warns of it without.
  [[gnu::noinline]] ~basic_cpu() {}  // NOLINT

  [[nodiscard]] int threads() const { return pool_->threads(); }
  /// The threads of the backend, shared by its copies.
  [[nodiscard]] const detail::shared<thread_pool>& pool() const { return pool_; }

  [[nodiscard]] std::string name() const { return "cpu"; }
  /// The instruction set whose kernels are used.
  [[nodiscard]] chainrule::isa isa() const { return isa_; }
  /// Its name for summaries.
  [[nodiscard]] std::string instruction_set() const;

  /// `size` elements, not initialised. Throws value_error, out_of_memory.
  template <class U = T>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    return storage<U>(size);
  }

  void synchronize() const {}

  /// The forward pass of one sample, planned once: see cpu/row_chain.hpp.
  using row_chain = detail::row_chain<T>;

  /// Held during a training step: denormal numbers count as 0 (cpu/denormals.hpp).
  using step_scope = flush_denormals;

  /// Calls f(0), ..., f(count - 1), in any order and on any thread; returns when all have returned.
  /// Verbs called by f run on its thread only. Rethrows the first exception after all calls.
  template <class F>
  void parallel_for(index_t count, F&& f) const {
    pool_->for_each(count, f);
  }

  /// Copies `source` to `target`, of the same shape; the two must not overlap.
  template <class U>
  void copy(matrix_view<U> target, std::type_identity_t<matrix_view<const U>> source) const {
    copy_rows("copy", target, source);
  }
  void copy(matrix target, const_matrix source) const { copy_rows("copy", target, source); }
  /// Copies from host memory.
  template <class U>
  void upload(matrix_view<U> target, std::type_identity_t<matrix_view<const U>> host) const {
    copy_rows("upload", target, host);
  }
  void upload(matrix target, const_matrix host) const { copy_rows("upload", target, host); }
  /// Copies to host memory.
  template <class U>
  void download(matrix_view<U> host, std::type_identity_t<matrix_view<const U>> source) const {
    copy_rows("download", host, source);
  }
  void download(matrix host, const_matrix source) const { copy_rows("download", host, source); }

  /// out = f(in...), element by element; `out` has the shape of the whole, operands of extent 1 in
  /// a direction are repeated along it. `out` may be one of the operands of its own shape, but may
  /// not overlap others. Throws shape_error.
  template <class F, class... In>
  void map(const F& f, matrix out, const In&... in) const {
    map(f, std::array<matrix, 1>{out}, in...);
  }

  /// The same with several results of one shape: f returns a std::tuple of as many.
  template <class F, std::size_t Outs, class... In>
  void map(const F& f, const std::array<matrix, Outs>& out, const In&... in) const {
    static_assert(Outs > 0, "chainrule: map needs at least one result");
    run_map(
        detail::pointwise_call<T>(isa_, "map", f, out[0].shape(), out, Outs, const_matrix(in)...));
  }

  /// out = the values f(in...) combined by `op` over every direction in which out has extent 1 and
  /// the operands, broadcast to one shape, have more: 1 x n reduces the rows, n x 1 the columns,
  /// 1 x 1 both. The order is fixed by the shape. Throws shape_error.
  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, const F& f, const In&... in) const {
    static_assert(sizeof...(In) > 0, "chainrule: reduce needs at least one operand");
    const matrix_shape whole = contract::broadcast(const_matrix(in).shape()...);
    const bool combines = out.shape() != whole;
    detail::pointwise_call<T> call(isa_, combines ? "reduce" : "map", f, whole,
                                   std::array<matrix, 1>{out}, combines ? 0 : 1,
                                   const_matrix(in)...);
    if (combines)
      run_reduce(detail::reduction_call<T>(op), out, T(0), call);
    else
      run_map(std::move(call));
  }

  /// The same sum with beta out added to it; with beta = 0, out is not read.
  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, reduce_scalars scalars, const F& f, const In&... in) const {
    detail::require_sum<Op>();
    if (scalars.beta == 0) return reduce(op, out, f, in...);
    const matrix_shape whole = contract::broadcast(const_matrix(in).shape()...);
    if (out.shape() == whole) return map(detail::plus_scaled<F>{scalars.beta, f}, out, out, in...);
    run_reduce(detail::reduction_call<T>(op), out, static_cast<T>(scalars.beta),
               detail::pointwise_call<T>(isa_, "reduce", f, whole, std::array<matrix, 1>{out}, 0,
                                         const_matrix(in)...));
  }

  /// c = epilogue(alpha a b + beta c, operands...), where a is m x k, b is k x n (either may be
  /// `transposed`), c is m x n and the operands broadcast to it. With beta = 0, c is not read.
  /// c may not overlap a, b or an operand. Throws shape_error.
  template <class Epilogue = fn::identity, class... In>
  void gemm(matrix c, gemm_operand<const_matrix> a, gemm_operand<const_matrix> b,
            gemm_scalars scalars = {}, const Epilogue& epilogue = {}, const In&... in) const {
    contract::product(c.shape(), {a.rows(), a.cols()}, {b.rows(), b.cols()});
    if constexpr (std::same_as<Epilogue, fn::identity>) {
      multiply(c, a, b, scalars, nullptr);
    } else {
      if constexpr (sizeof...(In) == 1)
        if (c.rows() == 1 && multiply_row(c, a, b, scalars, epilogue, in...)) return;
      const detail::pointwise_call<T> call(isa_, "gemm", epilogue, c.shape(),
                                           std::array<matrix, 1>{c}, 1, const_matrix(c),
                                           const_matrix(in)...);
      multiply(c, a, b, scalars, &call);
    }
  }

  /// out = f(in...), where the second operand is c = a b: each element of it is used as soon as it
  /// is computed, and c is not assigned. The other operands are single numbers or have the shape of
  /// c. Returns false, and does nothing, if there is no kernel for it. Throws shape_error.
  template <class F, std::size_t Outs, class... In>
  [[nodiscard]] bool gemm_and_map([[maybe_unused]] matrix c,
                                  [[maybe_unused]] gemm_operand<const_matrix> a,
                                  [[maybe_unused]] gemm_operand<const_matrix> b,
                                  [[maybe_unused]] const F& f,
                                  [[maybe_unused]] const std::array<matrix, Outs>& out,
                                  [[maybe_unused]] const In&... in) const {
#if CHAINRULE_HAS_X86_TARGETS
    if (isa_ == chainrule::isa::portable) return false;
    const std::array<const_matrix, sizeof...(In)> operands{in...};
    detail::gemm_map<T> map;
    map.tile = detail::map_tile<T, F, Outs>(isa_, std::make_index_sequence<sizeof...(In)>{});
    map.functor = &f;
    return multiply_and_map(c, a, b, map, operands.data(), operands.size(), out.data(), Outs);
#else
    return false;
#endif
  }

  /// c[i] = alpha a[i] b[i] + beta c[i]: see backend/gemm_batch.hpp. Each product has the bits that
  /// gemm gives it. Throws shape_error.
  void gemm_batch(index_t count, strided_batch<matrix> c,
                  strided_batch<gemm_operand<const_matrix>> a,
                  strided_batch<gemm_operand<const_matrix>> b, gemm_scalars scalars = {}) const {
    contract::products(count, c.first.shape(), c.first.stride(), c.step,
                       {a.first.rows(), a.first.cols()}, a.step, {b.first.rows(), b.first.cols()},
                       b.step);
    const auto run = [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i) multiply(c[i], a[i], b[i], scalars, nullptr);
    };
    // Large products keep the threads busy one by one; a thread takes some small ones at a time,
    // for a call is worth a few thousand multiplications and a fork a quarter of a million.
    constexpr index_t large = 1 << 22;
    constexpr index_t call = 1 << 11;
    constexpr index_t fork = 1 << 18;
    const index_t work = c.first.size() * (a.first.cols() + 1);
    if (work >= large && count < 4 * threads()) return run(0, count);
    split(count, 1 + fork / (work + call), run);
  }

  /// y = f(x * w, operands...) by the convolution c (see backend/window.hpp): x is n x image, w is
  /// c.weights(), y is n x result, and the operands broadcast to (n * positions) x outputs. Throws
  /// shape_error.
  template <class F = fn::identity, class... In>
  void convolve(matrix y, const_matrix x, const_matrix w, const convolution& c, const F& f = {},
                const In&... in) const {
    contract::convolves("convolve", c, x.shape(), w.shape(), y.shape());
    if (y.empty()) return;
    if constexpr (std::same_as<F, fn::identity> && sizeof...(In) == 0) {
      run_convolution(y, x, w, c, false, nullptr);
    } else if (y.contiguous()) {
      const matrix pixels(y.data(), y.size() / c.outputs, c.outputs);
      const detail::pointwise_call<T> call(isa_, "convolve", f, pixels.shape(),
                                           std::array<matrix, 1>{pixels}, 1, const_matrix(pixels),
                                           const_matrix(in)...);
      run_convolution(y, x, w, c, false, &call);
    } else {
      run_convolution(y, x, w, c, false, nullptr);
      detail::map_positions(*this, f, y, c, in...);
    }
  }
  /// dx = the gradient of the convolution's input from that of its result + beta dx. With beta = 0,
  /// dx is not read. Throws shape_error.
  void convolve_input(matrix dx, const_matrix dy, const_matrix w, const convolution& c,
                      reduce_scalars scalars = {}) const {
    contract::convolves("convolve_input", c, dx.shape(), w.shape(), dy.shape());
    if (dx.empty()) return;
    const bool adds = scalars.beta != 0;
    const detail::cpu_convolution<T> plan(isa_, c);
    if (const auto forward = plan.input_gradient_as_forward()) {
      if (adds) scale(dx, static_cast<T>(scalars.beta));
      const matrix_shape size = forward->weights();
      T* const flipped = detail::convolution_memory<T, 3>(size.size());
      plan.flip_and_transpose(w.data(), w.stride(), flipped);
      return run_convolution(dx, dy, const_matrix(flipped, size.rows, size.cols), *forward, adds,
                             nullptr);
    }
    scale(dx, static_cast<T>(scalars.beta));
    split(dx.rows(), images_per_piece(c), [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i)
        plan.add_input(dx.data() + i * dx.stride(), dy.data() + i * dy.stride(), w.data(),
                       w.stride(), multiplication());
    });
  }
  /// dw = the gradient of the convolution's weights + beta dw. With beta = 0, dw is not read.
  /// Throws shape_error.
  void convolve_weights(matrix dw, const_matrix x, const_matrix dy, const convolution& c,
                        reduce_scalars scalars = {}) const {
    contract::convolves("convolve_weights", c, x.shape(), dw.shape(), dy.shape());
    scale(dw, static_cast<T>(scalars.beta));
    const detail::cpu_convolution<T> plan(isa_, c);
    const auto add = [&](matrix to, index_t first, index_t last) {
      for (index_t i = first; i < last; ++i)
        plan.add_weights(to.data(), to.stride(), x.data() + i * x.stride(),
                         dy.data() + i * dy.stride(), multiplication());
    };
    // Threads take parts of the batch, each with a sum of its own; their number depends on the
    // shapes only, as the bits do.
    const matrix_shape size = c.weights();
    const index_t parts =
        x.rows() < 16 || x.rows() <= images_per_piece(c) ? 1 : (size.size() <= 1 << 18 ? 4 : 2);
    if (parts == 1) return add(dw, 0, x.rows());
    T* const sums = detail::convolution_memory<T, 4>(parts * size.size());
    split(parts, 1, [&](index_t part, index_t) {
      const matrix own(sums + part * size.size(), size.rows, size.cols);
      scale(own, T(0));
      add(own, part * x.rows() / parts, (part + 1) * x.rows() / parts);
    });
    for (index_t part = 0; part < parts; ++part)
      for (index_t i = 0; i < size.rows; ++i)
        detail::combine_each(isa_, reduction::sum{}, sums + (part * size.rows + i) * size.cols,
                             size.cols, dw.data() + i * dw.stride());
  }

  /// Uniform numbers in [0, 1): element e of `out`, counted along the rows from `start` on, is made
  /// of word e mod 4 of philox(seed, stream, e / 4) in float, of two words (e mod 2, e / 2) in
  /// double.
  void random(matrix out, std::uint64_t seed, std::uint64_t stream, index_t start = 0) const {
    constexpr index_t per_block = sizeof(T) == sizeof(float) ? 4 : 2;
    const index_t cols = out.cols();
    if (out.empty()) return;
    split_rows(out.shape(), [&](index_t first, index_t last) {
      std::array<std::uint32_t, 4> bits{};
      index_t drawn = -1;  // the block that `bits` holds
      for (index_t i = first; i < last; ++i)
        for (index_t j = 0; j < cols; ++j) {
          const index_t e = start + i * cols + j;
          if (e / per_block != drawn) {
            drawn = e / per_block;
            bits = philox(seed, stream, static_cast<std::uint64_t>(drawn));
          }
          const auto word = static_cast<std::size_t>(e % per_block);
          if constexpr (per_block == 4)
            out(i, j) = to_unit_float(bits[word]);
          else
            out(i, j) = to_unit_double(bits[2 * word], bits[2 * word + 1]);
        }
    });
  }

  /// out(i, j) = f(source(rows(i), j)), where f acts on scalars of type T; `rows` is 1 x n, out is
  /// n x source.cols(). The source may hold another type (uint8 pixels). Index -1 gives a row of
  /// zeros. Throws shape_error, and value_error, before anything is written, if another row does
  /// not exist.
  template <class U, class F = fn::identity>
  void gather(matrix out, matrix_view<U> source, matrix_view<const std::int32_t> rows,
              const F& f = {}) const {
    gather_rows(out, source, rows, f);
  }
  /// out(i, j) = source(rows(i), j), or 0 for index -1. Throws as above.
  void gather(matrix_view<std::int32_t> out, matrix_view<const std::int32_t> source,
              matrix_view<const std::int32_t> rows) const {
    gather_rows(out, source, rows, fn::identity{});
  }

  /// target(rows(i), j) = source(i, j); `rows` is 1 x n and the rows differ, source is n x
  /// target.cols(). Index -1 is left out. Throws as gather does.
  void scatter(matrix target, matrix_view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter", target.shape(), rows.shape(), source.shape());
    require_rows("scatter", rows, target.rows());
    for (index_t i = 0; i < source.rows() && !source.empty(); ++i)
      if (rows(0, i) >= 0)
        std::memcpy(target.data() + rows(0, i) * target.stride(),
                    source.data() + i * source.stride(),
                    static_cast<std::size_t>(source.cols()) * sizeof(T));
  }
  /// target(rows(i), j) += source(i, j), one i after the other; rows may repeat. Index -1 is left
  /// out. Throws as gather does.
  void scatter_add(matrix target, matrix_view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter_add", target.shape(), rows.shape(), source.shape());
    require_rows("scatter_add", rows, target.rows());
    if (source.empty()) return;
    // Cut by columns: each piece walks all rows, so that sums have one order.
    constexpr index_t least = 16 * detail::simd<T, 64>::width;
    const index_t by_work = 1 + (grain - 1) / source.rows();
    split(source.cols(), (by_work + least - 1) / least * least, [&](index_t first, index_t last) {
      for (index_t i = 0; i < source.rows(); ++i) {
        if (rows(0, i) < 0) continue;
        T* const to = target.data() + rows(0, i) * target.stride();
        const T* const from = source.data() + i * source.stride();
        for (index_t j = first; j < last; ++j) to[j] += from[j];
      }
    });
  }

  /// out (n x 1) = 1 where the first largest element of a row is that of its class number (n x 1),
  /// else 0; 0 if there is NaN. Throws shape_error.
  void argmax_matches_rows(const_matrix x, const_matrix classes, matrix out) const {
    contract::same_shape("argmax_matches_rows", {x.rows(), 1}, out.shape());
    contract::same_shape("argmax_matches_rows", {x.rows(), 1}, classes.shape());
    split_rows(x.shape(), [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i)
        out.data()[i * out.stride()] =
            is_first_largest(x.data() + i * x.stride(), x.cols(), classes(i, 0)) ? T(1) : T(0);
    });
  }

  // Pooling and resampling: see backend/pooling.hpp. Results are assigned and do not overlap
  // operands.

  /// y = the maxima of x under a window, argmax = the numbers of the window's elements where they
  /// were; either may be empty. Throws shape_error.
  void max_pool(matrix y, matrix argmax, const_matrix x, const window& w) const {
    contract::max_pools(w, x.shape(), y.shape(), argmax.shape());
    run_images(detail::max_pool_rows<T>{w, y, argmax, x}, x.rows(), w.height.count(),
               w.width.count() * w.channels * w.taps());
  }
  /// dx = the sum of dy over the positions where an element is the argmax. Throws shape_error.
  void unpool(matrix dx, const_matrix dy, const_matrix argmax, const window& w) const {
    contract::pools("unpool", w, dx.shape(), dy.shape());
    contract::pools("unpool", w, dx.shape(), argmax.shape());
    run_images(detail::unpool_rows<T>{w, dx, dy, argmax}, dx.rows(), w.height.size,
               w.width.size * w.channels);
  }
  /// y = the resampled x. Throws shape_error.
  void resample(matrix y, const_matrix x, const resampling& r) const {
    contract::resamples(r, y.shape(), x.shape());
    const index_t rows = r.to(r.window.height);
    run_images(detail::resample_rows<T>{r, y, x}, x.rows(), rows, (r.from() + r.to()) / rows);
  }

 private:
  /// Elements that are worth a fork: a few microseconds of pointwise work.
  static constexpr index_t grain = 8192;
  /// Rows from which on few columns are reduced block by block.
  static constexpr index_t tall = 256;

  /// Whether there is index -1, padding. Throws value_error unless all others are rows of a matrix
  /// of `count` rows.
  static bool require_rows(const char* verb, matrix_view<const std::int32_t> rows, index_t count) {
    bool has_padding = false;
    for (index_t i = 0; i < rows.cols(); ++i) {
      if (rows(0, i) < -1 || rows(0, i) >= count)
        detail::fail<value_error>(verb, ": row ", rows(0, i), " of a matrix of ", count, " rows");
      has_padding = has_padding || rows(0, i) < 0;
    }
    return has_padding;
  }

  /// Whether element `number` of a row exists and is larger than those before it and at least as
  /// large as the others; false if there is NaN.
  [[nodiscard]] static bool is_first_largest(const T* row, index_t cols, T number) {
    if (!(number >= 0 && number < static_cast<T>(cols))) return false;
    const auto at = static_cast<index_t>(number);
    if (static_cast<T>(at) != number) return false;
    const T largest = row[at];
    index_t below = 0;
    for (index_t j = 0; j < cols; ++j) below += row[j] < largest ? 1 : 0;
    if (below == cols - 1) return largest == largest;
    for (index_t j = 0; j < cols; ++j)
      if (!(j < at ? row[j] < largest : row[j] <= largest)) return false;
    return true;
  }

  /// gather for results of any type.
  template <class V, class U, class F>
  void gather_rows(matrix_view<V> out, matrix_view<U> source, matrix_view<const std::int32_t> rows,
                   const F& f) const {
    contract::gathers(out.shape(), source.shape(), rows.shape());
    [[maybe_unused]] const bool has_padding = require_rows("gather", rows, source.rows());
    if (out.empty()) return;
    // Rows are scattered in memory: the next ones are prefetched while this one is converted.
    constexpr index_t ahead = 8;
    const auto row = [&](index_t i) {
      return source.data() + (rows(0, i) < 0 ? 0 : rows(0, i)) * source.stride();
    };
    split_rows(out.shape(), [&](index_t first, index_t last) {
      // Single numbers, such as class numbers: loads that the processor overlaps by itself.
      if constexpr (detail::is_copy<V, std::remove_const_t<U>, F>)
        if (!has_padding && out.cols() == 1) {
          for (index_t i = first; i < last; ++i) out.data()[i * out.stride()] = *row(i);
          return;
        }
      if constexpr (!detail::is_copy<V, std::remove_const_t<U>, F>)
        if (!has_padding && out.contiguous() && out.cols() < detail::short_row / 4)
          return detail::convert_short_rows(isa_, f, row, out.cols(), first, last, out.data());
      for (index_t i = first == 0 ? -ahead : first; i < last; ++i) {
        if (i + ahead < out.rows()) detail::prefetch(row(i + ahead), out.cols());
        if (i < 0) continue;
        V* const to = out.data() + i * out.stride();
        if (rows(0, i) < 0)
          std::memset(to, 0, static_cast<std::size_t>(out.cols()) * sizeof(V));
        else
          detail::convert_run(isa_, f, row(i), to, out.cols());
      }
    });
  }

  template <class U>
  static void copy_rows(const char* verb, matrix_view<U> target, matrix_view<const U> source) {
    contract::same_shape(verb, target.shape(), source.shape());
    if (target.empty()) return;
    if (target.contiguous() && source.contiguous()) {
      std::memcpy(target.data(), source.data(),
                  static_cast<std::size_t>(target.size()) * sizeof(U));
      return;
    }
    for (index_t i = 0; i < target.rows(); ++i)
      std::memcpy(target.data() + i * target.stride(), source.data() + i * source.stride(),
                  static_cast<std::size_t>(target.cols()) * sizeof(U));
  }

  /// work(first, last) for the pieces of 0 ... count of `per_piece` each.
  template <class Work>
  void split(index_t count, index_t per_piece, const Work& work) const {
    if (count <= per_piece) return work(index_t{0}, count);
    split_pieces(
        count, per_piece,
        [](const void* context, index_t first, index_t last) {
          (*static_cast<const Work*>(context))(first, last);
        },
        &work);
  }
  [[gnu::noinline]] void split_pieces(index_t count, index_t per_piece,
                                      void (*work)(const void*, index_t, index_t),
                                      const void* context) const {
    const index_t pieces = (count + per_piece - 1) / per_piece;
    pool_->for_each(pieces, [&](index_t piece) {
      const index_t first = piece * per_piece;
      work(context, first, first + per_piece < count ? first + per_piece : count);
    });
  }

  /// work(first, last) for the rows of that shape, which is not empty.
  template <class Work>
  void split_rows(matrix_shape whole, const Work& work) const {
    if (whole.size() <= grain) return work(index_t{0}, whole.rows);  // without a division
    split(whole.rows, 1 + (grain - 1) / whole.cols, work);
  }

  /// The rows of `images` images of `rows` rows each, whose work is that of `row_work` elements.
  template <class Task>
  void run_images(const Task& task, index_t images, index_t rows, index_t row_work) const {
    split(images * rows, 1 + (grain - 1) / row_work,
          [&](index_t first, index_t last) { detail::run_rows(isa_, task, first, last); });
  }

  [[gnu::noinline]] void run_map(detail::pointwise_call<T>&& call) const {
    call.flatten();
    const matrix_shape whole = call.whole();
    if (whole.size() == 0) return;
    if (whole.rows == 1)
      split(whole.cols, grain, [&](index_t first, index_t last) { call.run(0, first, last); });
    else
      split_rows(whole, [&](index_t first, index_t last) { call.run_rows(first, last); });
  }

  /// beta out is added to the reduction; with beta = 0, out is not read.
  [[gnu::noinline]] void run_reduce(const detail::reduction_call<T>& op, matrix out, T beta,
                                    const detail::pointwise_call<T>& call) const {
    const matrix_shape whole = call.whole();
    contract::reduces(out.shape(), whole);
    if (out.empty()) return;
    // A single short row is reduced as it would be among others.
    if (out.size() == 1 && (whole.rows != 1 || whole.cols >= detail::short_row)) {
      reduce_all(op, call, beta, out.data());
    } else if (out.cols() != 1 && whole.cols < detail::short_row && whole.rows >= tall) {
      reduce_blocks(op, call, beta, out.data());
    } else if (out.cols() != 1) {
      // Cut by columns: each piece walks all rows, so that sums have one order.
      constexpr index_t least = 16 * detail::simd<T, 64>::width;
      const bool is_small = (whole.rows + 1) * whole.cols <= grain;
      const index_t by_work = is_small ? whole.cols : 1 + (grain - 1) / (whole.rows + 1);
      split(whole.cols, (by_work + least - 1) / least * least, [&](index_t first, index_t last) {
        detail::reduce_columns(op, call, first, last, beta, out.data());
      });
    } else {
      split_rows({whole.rows, whole.cols + 1}, [&](index_t first, index_t last) {
        detail::reduce_rows(op, call, first, last, beta, out.data(), out.stride());
      });
    }
  }

  /// Rows that are more than columns by far: one partial result per block of rows, whose number
  /// follows from the shape, combined in order.
  void reduce_blocks(const detail::reduction_call<T>& op, const detail::pointwise_call<T>& call,
                     T beta, T* out) const {
    constexpr index_t most = 32;
    const index_t rows = call.whole().rows;
    const index_t cols = call.whole().cols;
    const index_t by_work = grain / cols;
    const index_t block = by_work * most < rows ? (rows + most - 1) / most : by_work;
    const index_t blocks = (rows + block - 1) / block;
    std::array<T, static_cast<std::size_t>(most * detail::short_row)> partial;
    split(blocks, 1 + (grain - 1) / (block * cols), [&](index_t first, index_t last) {
      for (index_t b = first; b < last; ++b) {
        const index_t end = (b + 1) * block < rows ? (b + 1) * block : rows;
        detail::reduce_tall(op, call, b * block, end, partial.data() + b * cols);
      }
    });
    for (index_t j = 0; j < cols; ++j) out[j] = beta == T(0) ? op.neutral : beta * out[j];
    op.combine_each(call.set(), partial.data(), cols, out, blocks);
  }

  /// One partial result per run of at most `grain` elements of a row, combined in double.
  void reduce_all(const detail::reduction_call<T>& op, const detail::pointwise_call<T>& call,
                  T beta, T* out) const {
    const matrix_shape whole = call.whole();
    double total = op.neutral;
    // Partial results are collected in groups that fit a buffer on the stack.
    constexpr index_t group = 256;
    std::array<T, static_cast<std::size_t>(group)> partial{};
    const index_t runs_per_row = (whole.cols + grain - 1) / grain;
    const index_t runs = whole.rows * runs_per_row;
    for (index_t first = 0; first < runs; first += group) {
      const index_t count = runs - first < group ? runs - first : group;
      const index_t per_piece = 1 + (grain - 1) / (whole.cols < grain ? whole.cols : grain);
      split(count, per_piece, [&](index_t begin, index_t end) {
        for (index_t r = begin; r < end; ++r) {
          const index_t from = (first + r) % runs_per_row * grain;
          const index_t to = from + grain < whole.cols ? from + grain : whole.cols;
          partial[static_cast<std::size_t>(r)] =
              detail::reduce_row(op, call, (first + r) / runs_per_row, from, to);
        }
      });
      for (index_t i = 0; i < count; ++i)
        total = op.combine_two(total, static_cast<double>(partial[static_cast<std::size_t>(i)]));
    }
    if (beta != T(0)) total += static_cast<double>(beta) * static_cast<double>(*out);
    *out = static_cast<T>(total);
  }

  /// Images that are worth a fork.
  [[nodiscard]] static index_t images_per_piece(const convolution& c) {
    constexpr index_t fork = 1 << 18;
    return 1 + fork / (c.result() * c.weights().rows);
  }
  /// c = a b, or c += a b.
  [[nodiscard]] auto multiplication() const {
    return [this](matrix c, const gemm_operand<const_matrix>& a,
                  const gemm_operand<const_matrix>& b, bool adds) {
      multiply(c, a, b, {1, adds ? 1.0 : 0.0}, nullptr);
    };
  }
  /// y = x * w, plus y if `adds`, and the epilogue (if any) on each band while it is in cache.
  void run_convolution(matrix y, const_matrix x, const_matrix w, const convolution& c, bool adds,
                       const detail::pointwise_call<T>* epilogue) const {
    const detail::cpu_convolution<T> plan(isa_, c);
    const index_t cols = c.window.width.count();
    split(x.rows(), images_per_piece(c), [&](index_t first, index_t last) {
      for (index_t i = first; i < last; ++i)
        plan.forward(x.data() + i * x.stride(), w.data(), w.stride(), y.data() + i * y.stride(),
                     adds, multiplication(), [&](index_t begin, index_t end) {
                       const index_t at = i * c.window.positions();
                       if (epilogue != nullptr)
                         epilogue->run_block(at + begin * cols, at + end * cols, 0, c.outputs);
                     });
    });
  }

  /// c = f(a b, operand), if that is a row with an operand of as many columns: a network that sees
  /// one sample at a time would otherwise spend more time on the call than on the arithmetic.
  template <class F>
  [[nodiscard]] bool multiply_row([[maybe_unused]] const matrix& c,
                                  [[maybe_unused]] const gemm_operand<const_matrix>& a,
                                  [[maybe_unused]] const gemm_operand<const_matrix>& b,
                                  [[maybe_unused]] gemm_scalars scalars,
                                  [[maybe_unused]] const F& f,
                                  [[maybe_unused]] const const_matrix& operand) const {
#if CHAINRULE_HAS_X86_TARGETS
    const detail::gemm_problem<T> g{1,
                                    c.cols(),
                                    a.cols(),
                                    T(1),
                                    {a.view.data(), a.view.stride(), a.is_transposed},
                                    {b.view.data(), b.view.stride(), b.is_transposed},
                                    T(0),
                                    c.data(),
                                    c.stride()};
    if (isa_ == chainrule::isa::portable || scalars.alpha != 1 || scalars.beta != 0 ||
        operand.shape() != c.shape() || g.n == 0 || g.k == 0 || !detail::is_row(g))
      return false;
    detail::multiply_row<T>(isa_, g,
                            {detail::pointwise_kernel<T, F, 1>(isa_, std::make_index_sequence<2>{}),
                             &f, operand.data()});
    return true;
#else
    return false;
#endif
  }

  /// c = alpha a b + beta c, and the epilogue (if any) on each block while it is in cache.
  [[gnu::noinline]] void multiply(matrix c, const gemm_operand<const_matrix>& a,
                                  const gemm_operand<const_matrix>& b, gemm_scalars scalars,
                                  const detail::pointwise_call<T>* epilogue) const;

#if CHAINRULE_HAS_X86_TARGETS
  /// gemm_and_map without a template parameter: `map` has the tile and its functor.
  [[nodiscard, gnu::noinline]] bool multiply_and_map(matrix c, const gemm_operand<const_matrix>& a,
                                                     const gemm_operand<const_matrix>& b,
                                                     detail::gemm_map<T>& map,
                                                     const const_matrix* in, std::size_t operands,
                                                     const matrix* out, std::size_t results) const {
    contract::product(c.shape(), {a.rows(), a.cols()}, {b.rows(), b.cols()});
    const detail::gemm_problem<T> g{c.rows(),
                                    c.cols(),
                                    a.cols(),
                                    T(1),
                                    {a.view.data(), a.view.stride(), a.is_transposed},
                                    {b.view.data(), b.view.stride(), b.is_transposed},
                                    T(0),
                                    c.data(),
                                    c.stride(),
                                    &map};
    bool suits = detail::suits_map(isa_, g);
    constexpr std::size_t lanes = 64 / sizeof(T);
    alignas(64) T numbers[detail::most_operands * lanes];
    map.c = c.data();
    for (std::size_t k = 0; k < operands; ++k) {
      const bool is_single = k > results;
      contract::same_shape("gemm_and_map", is_single ? matrix_shape{1, 1} : c.shape(),
                           in[k].shape());
      suits = suits && (is_single || in[k].stride() == c.stride());
      map.in[k] = is_single ? numbers + k * lanes : in[k].data();
      for (std::size_t l = 0; is_single && l < lanes; ++l) numbers[k * lanes + l] = *in[k].data();
    }
    for (std::size_t o = 0; o < results; ++o) {
      contract::same_shape("gemm_and_map", c.shape(), out[o].shape());
      suits = suits && out[o].stride() == c.stride();
      map.out[o] = out[o].data();
    }
    if (suits) detail::multiply_by_tiles(isa_, *pool_, g, [](auto...) {});
    return suits;
  }
#endif

  /// c *= beta; with beta = 0, c = 0 even if it held NaN.
  static void scale(matrix c, T beta) {
    if (beta == T(1)) return;
    if (c.contiguous()) c = matrix(c.data(), 1, c.size());
    for (index_t i = 0; i < c.rows(); ++i) {
      T* const row = c.data() + i * c.stride();
      if (beta == T(0))
        std::memset(row, 0, static_cast<std::size_t>(c.cols()) * sizeof(T));
      else
        for (index_t j = 0; j < c.cols(); ++j) row[j] *= beta;
    }
  }

  detail::shared<thread_pool> pool_;
  chainrule::isa isa_;
};

#if CHAINRULE_DEFINITIONS
template <class T>
void basic_cpu<T>::multiply(matrix c, const gemm_operand<const_matrix>& a,
                            const gemm_operand<const_matrix>& b, gemm_scalars scalars,
                            const detail::pointwise_call<T>* epilogue) const {
  if (c.empty()) return;
  const auto beta = static_cast<T>(scalars.beta);
  const auto begin = [&](index_t first, index_t last, index_t left, index_t right) {
    scale(c.block(first, left, last - first, right - left), beta);
  };
  const auto end = [&](index_t first, index_t last, index_t left, index_t right) {
    if (epilogue != nullptr) epilogue->run_block(first, last, left, right);
  };
  if (a.cols() == 0) {
    begin(0, c.rows(), 0, c.cols());
    end(0, c.rows(), 0, c.cols());
    return;
  }
  const detail::gemm_factor<T> left{a.view.data(), a.view.stride(), a.is_transposed};
  const detail::gemm_factor<T> right{b.view.data(), b.view.stride(), b.is_transposed};
  const auto alpha = static_cast<T>(scalars.alpha);
#if CHAINRULE_HAS_X86_TARGETS
  if (isa_ != chainrule::isa::portable) {
    const detail::gemm_problem<T> g{c.rows(), c.cols(), a.cols(), alpha,     left,
                                    right,    beta,     c.data(), c.stride()};
    return detail::multiply_by_tiles(isa_, *pool_, g, end);
  }
#endif
  detail::gemm_add(*pool_, c.rows(), c.cols(), a.cols(), alpha, left, right, c.data(), c.stride(),
                   begin, end);
}

template <class T>
std::string basic_cpu<T>::instruction_set() const {
  if (isa_ == chainrule::isa::avx512) return "AVX-512";
  if (isa_ == chainrule::isa::avx2) return "AVX2 and FMA";
  return detail::concat("portable: ", Eigen::SimdInstructionSetsInUse());
}
#endif

/// The CPU in single precision.
using cpu = basic_cpu<float>;

static_assert(backend<cpu> && backend<basic_cpu<double>>);

CHAINRULE_CPU_END
}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_CPU_HPP

/// \file
/// `device_backend<Runtime, T>`: every verb of a backend, written once for all device APIs.
///
/// A runtime supplies memory, copies, compilation of a kernel's text and its launch; the texts are
/// those of backend/device/kernels/. A verb queues its work and returns; only download and
/// synchronize wait. See backend/concept.hpp for what the verbs mean.
#ifndef CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP
#define CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP

#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/choice.hpp"
#include "chainrule/backend/device/graph_capture.hpp"
#include "chainrule/backend/device/kernels/convolution.hpp"
#include "chainrule/backend/device/kernels/copy.hpp"
#include "chainrule/backend/device/kernels/counter.hpp"
#include "chainrule/backend/device/kernels/gather.hpp"
#include "chainrule/backend/device/kernels/gemm.hpp"
#include "chainrule/backend/device/kernels/map.hpp"
#include "chainrule/backend/device/kernels/pooling.hpp"
#include "chainrule/backend/device/kernels/random.hpp"
#include "chainrule/backend/device/kernels/reduce.hpp"
#include "chainrule/backend/device/kernels/row_softmax.hpp"
#include "chainrule/backend/device/kernels/scatter.hpp"
#include "chainrule/backend/device/kernels/transpose.hpp"
#include "chainrule/backend/device/staging.hpp"
#include "chainrule/backend/device/vendor_gemm.hpp"

namespace chainrule {

/// Elements in a device's memory. Move-only; keeps the device open.
template <class Runtime, class T>
class device_storage {
 public:
  using pointer = device_pointer<typename Runtime::buffer, T>;

  device_storage() = default;
  device_storage(std::shared_ptr<Runtime> runtime, index_t size)
      : runtime_(std::move(runtime)), memory_(runtime_->acquire(bytes(size))), size_(size) {}
  device_storage(device_storage&& other) noexcept
      : runtime_(std::move(other.runtime_)),
        memory_(std::exchange(other.memory_, {})),
        size_(std::exchange(other.size_, 0)) {}
  device_storage& operator=(device_storage&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~device_storage() {
    if (runtime_) runtime_->release(memory_);
  }

  [[nodiscard]] pointer data() const {
    return {memory_.buffer, static_cast<index_t>(memory_.begin / sizeof(T))};
  }
  [[nodiscard]] index_t size() const { return size_; }
  /// All elements as one row.
  [[nodiscard]] matrix_view<T, pointer> view() const { return {data(), 1, size_}; }

 private:
  static std::size_t bytes(index_t size) {
    detail::require_countable(size);
    return static_cast<std::size_t>(size) * sizeof(T);
  }

  std::shared_ptr<Runtime> runtime_;
  typename Runtime::allocation_type memory_{};
  index_t size_ = 0;
};

namespace device {
/// A variable per type; its address identifies the type in keys of kernels.
template <class F>
inline char type_tag = 0;

/// A functor that identifies itself among others of its type by a number.
template <class F>
concept has_identity = requires(const F& f) {
  { f.identity() } -> std::convertible_to<std::uint64_t>;
};
}  // namespace device

template <class Runtime, class T>
class device_backend {
  template <class U>
  using pointer = device_pointer<typename Runtime::buffer, U>;
  using kernel_handle = typename Runtime::kernel_handle;

 public:
  using scalar = T;
  using runtime_type = Runtime;
  template <class U>
  using view = matrix_view<U, pointer<U>>;
  using matrix = view<T>;
  using const_matrix = view<const T>;
  template <class U>
  using storage = device_storage<Runtime, U>;
  /// Only where the runtime supports staging.
  template <class U>
  using staging = device_staging<Runtime, U>;
  template <class U>
  using rebind = device_backend<Runtime, U>;

  /// What the kernels of functors of erased type are traced from.
  using traced_functor = chainrule::traced_functor;

  /// Uses a device that all handles share which are constructed this way; the first one opens it.
  /// Throws backend_error if there is none, or if it does not support the scalar.
  device_backend() : device_backend(device_choice{}) {}
  explicit device_backend(const device_choice& choice) : device_backend(Runtime::shared(choice)) {}
  /// Uses a device that is open already.
  explicit device_backend(std::shared_ptr<Runtime> runtime) : runtime_(std::move(runtime)) {
    if (sizeof(T) == sizeof(double) && !info().has_double)
      throw backend_error(detail::concat(Runtime::api, ": the device ", device_name(),
                                         " has no double precision; use float"));
  }
  /// The same device with another scalar.
  template <class U>
  explicit device_backend(const device_backend<Runtime, U>& other)
      : device_backend(other.runtime()) {}
  // No move operations: a handle that was moved from remains usable.
  device_backend(const device_backend&) = default;
  device_backend& operator=(const device_backend&) = default;

  [[nodiscard]] const std::shared_ptr<Runtime>& runtime() const { return runtime_; }
  [[nodiscard]] std::string name() const { return Runtime::api; }
  [[nodiscard]] const device_info& info() const { return runtime_->info(); }
  [[nodiscard]] std::string device_name() const { return info().name; }
  /// Counts of the device's operations since it was opened, for all handles together.
  [[nodiscard]] device_statistics statistics() const { return runtime_->statistics(); }

  template <class U = T>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    return storage<U>(runtime_, size);
  }

  void synchronize() const { runtime_->synchronize(); }

  template <class U>
  void upload(view<U> target, std::type_identity_t<matrix_view<const U>> host) const {
    contract::same_shape("upload", target.shape(), host.shape());
    if (target.empty()) return;
    runtime_->upload(target.data().buffer, rectangle_of(target), host.data(),
                     bytes<U>(host.stride()), bytes<U>(host.cols()),
                     static_cast<std::size_t>(host.rows()));
  }
  void upload(matrix target, matrix_view<const T> host) const { upload<T>(target, host); }

  template <class U>
  void download(matrix_view<U> host, std::type_identity_t<view<const U>> source) const {
    contract::same_shape("download", host.shape(), source.shape());
    if (host.empty()) return;
    runtime_->download(host.data(), bytes<U>(host.stride()), source.data().buffer,
                       rectangle_of(source), bytes<U>(host.cols()),
                       static_cast<std::size_t>(host.rows()));
  }
  void download(matrix_view<T> host, const_matrix source) const { download<T>(host, source); }

  void copy(matrix target, const_matrix source) const {
    contract::same_shape("copy", target.shape(), source.shape());
    map(fn::identity{}, target, source);
  }
  /// Copies elements of another type than the scalar, such as int32.
  template <class U>
  void copy(view<U> target, std::type_identity_t<view<const U>> source) const {
    contract::same_shape("copy", target.shape(), source.shape());
    if (target.empty()) return;
    arguments a;
    a.integers(target.rows(), target.cols());
    a.elements(target);
    a.elements(source);
    launch("copy", kernel_for<task::copy, U>([] { return device::copy_kernel<U>(); }),
           items(target.cols(), target.rows()), a);
  }

  /// A number in the device's memory that verbs read on the device, for values that change from
  /// step to step in a captured graph. A second number goes on counting when the first is set.
  /// Gathers of counted_rows hold both: they copy them to where map_planned reads them, which then
  /// advances the counter, although not all of its work items have begun.
  class counter {
   public:
    explicit counter(const device_backend& be) : value_(be.template allocate<std::int32_t>(4)) {
      be.restart(*this);
    }
    /// The number, as one element.
    [[nodiscard]] matrix_view<std::int32_t, pointer<std::int32_t>> view() const {
      return value_.view().block(0, 0, 1, 1);
    }
    /// The number of advances since the last restart.
    [[nodiscard]] matrix_view<std::int32_t, pointer<std::int32_t>> total() const {
      return value_.view().block(0, 1, 1, 1);
    }

   private:
    storage<std::int32_t> value_;
  };
  void set(const counter& c, std::int32_t value) const {
    upload<std::int32_t>(c.view(), matrix_view<const std::int32_t>(&value, 1, 1));
  }
  /// Sets both numbers to 0.
  void restart(const counter& c) const {
    const std::int32_t zero = 0;
    set(c, 0);
    upload<std::int32_t>(c.total(), matrix_view<const std::int32_t>(&zero, 1, 1));
  }
  /// Holds both numbers, where no rows are gathered by them.
  void hold(const counter& c) const {
    arguments a;
    a.buffer(c.view().data());
    launch("hold", kernel_for<task::hold, void>([] { return device::hold_kernel(); }), {1, 1, 1, 1},
           a);
  }
  /// Adds 1 to both numbers, after all work queued before.
  void advance(const counter& c) const {
    arguments a;
    a.buffer(c.view().data());
    launch("advance", kernel_for<task::advance, void>([] { return device::advance_kernel(); }),
           {1, 1, 1, 1}, a);
  }

  /// out (1 x n) = the row of `source` (any x n) whose number the counter holds; then advances the
  /// counter.
  void take(matrix out, const_matrix source, const counter& c) const {
    contract::same_shape("take", {1, source.cols()}, out.shape());
    arguments a;
    a.integers(source.cols());
    a.buffer(out.data());
    a.target(source);
    a.buffer(c.view().data());
    const std::size_t size = on_cpu() ? 1 : 32;
    launch("take", kernel_for<task::take, void>([&] { return device::take_kernel(on_cpu()); }),
           {size, 1, size, 1}, a);
  }

  template <class F, class... In>
  void map(const F& f, matrix out, const In&... in) const {
    map(f, std::array<matrix, 1>{out}, in...);
  }
  template <class F, std::size_t Outs, class... In>
  void map(const F& f, const std::array<matrix, Outs>& out, const In&... in) const {
    const matrix_shape whole = out[0].shape();
    for (const matrix& o : out) contract::same_shape("map", whole, o.shape());
    arguments a;
    a.integers(whole.rows, whole.cols);
    for (const matrix& o : out) a.target(o);
    (a.operand("map", const_matrix(in), whole), ...);
    for (const matrix& o : out) (require_apart("map", o, in), ...);
    if (whole.size() == 0) return;
    launch("map",
           kernel_for<task::map, F, operand_count<In...>>(
               f, [&] { return device::map_kernel<T>(trace_of<sizeof...(In)>(f), sizeof...(In)); }),
           items(whole.cols, whole.rows), a);
  }

  /// The row of a table (any x n) whose number a counter held, from column `first` on.
  struct planned_row {
    const_matrix table;
    const counter& at;
    index_t first = 0;
  };
  /// A map of operands, all of the results' shape, and of `Scalars` elements of the planned row,
  /// which then advances the counter. Several of these that follow each other advance it once; one
  /// without elements does nothing.
  template <std::size_t Scalars, class F, std::size_t Outs, class... In>
  void map_planned(const F& f, const std::array<matrix, Outs>& out, const planned_row& row,
                   const In&... in) const {
    const matrix_shape whole = out[0].shape();
    const index_t each = on_cpu() ? 2048 : 1;
    arguments a;
    a.integers(whole.rows, whole.cols, each);
    for (const matrix& o : out) {
      contract::same_shape("map_planned", whole, o.shape());
      a.target(o);
      (require_apart("map_planned", o, in), ...);
    }
    (contract::same_shape("map_planned", whole, in.shape()), ...);
    (a.target(in), ...);
    const const_matrix& table = row.table;
    a.elements(const_matrix(table.data() + row.first, table.rows(), 1, table.stride()));
    a.buffer(row.at.view().data());
    if (whole.size() == 0) return;
    constexpr std::size_t operands = sizeof...(In);
    device::work w = items((whole.cols + each - 1) / each, whole.rows);
    if (on_cpu()) w.local_width = w.local_height = 1;
    launch("map_planned",
           kernel_for<task::map_planned, F, operand_count<In...>>(
               f,
               [&] {
                 return device::planned_map_kernel<T>(trace_of<operands + Scalars>(f), operands,
                                                      Scalars);
               },
               Scalars),
           w, a);
  }

  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, const F& f, const In&... in) const {
    static_assert(sizeof...(In) > 0, "chainrule: reduce needs at least one operand");
    const matrix_shape whole = contract::broadcast(const_matrix(in).shape()...);
    (contract::broadcasts("reduce", in.shape(), whole), ...);
    contract::reduces(out.shape(), whole);
    if (out.shape() == whole) return map(f, out, in...);
    reduce_whole(op, out, T(0), f, whole, const_matrix(in)...);
  }
  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, reduce_scalars scalars, const F& f, const In&... in) const {
    detail::require_sum<Op>();
    if (scalars.beta == 0) return reduce(op, out, f, in...);
    const matrix_shape whole = contract::broadcast(const_matrix(in).shape()...);
    (contract::broadcasts("reduce", in.shape(), whole), ...);
    contract::reduces(out.shape(), whole);
    if (out.shape() == whole) return map(detail::plus_scaled<F>{scalars.beta, f}, out, out, in...);
    reduce_whole(op, out, static_cast<T>(scalars.beta), f, whole, const_matrix(in)...);
  }

  template <class Epilogue = fn::identity, class... In>
  void gemm(matrix c, gemm_operand<const_matrix> a, gemm_operand<const_matrix> b,
            gemm_scalars scalars = {}, const Epilogue& epilogue = {}, const In&... in) const {
    contract::product(c.shape(), {a.rows(), a.cols()}, {b.rows(), b.cols()});
    arguments list = product_arguments(c, a, b, scalars);
    (list.operand("gemm", const_matrix(in), c.shape()), ...);
    (require_apart("gemm", c, in), ...);
    if (c.empty()) return;
    if constexpr (device::multiplies<Runtime, T>)
      if (by_vendor_gemm(c, a, b, scalars, epilogue, const_matrix(in)...)) return;
    const device::gemm_shape s{c.rows(),        c.cols(), a.cols(),          a.is_transposed,
                               b.is_transposed, 1,        access_of(c, a, b)};
    const device::gemm_variant v = device::gemm_variant_for(s, gemm_device(), sizeof(T));
    const index_t part = device::gemm_part_for(v, s, gemm_device());
    if (part < s.k)
      return multiply_parts(v, s, part, c, a, b, scalars, epilogue, const_matrix(in)...);
    const device::gemm_geometry g = device::gemm_geometry_for(v, c.rows(), c.cols());
    launch("gemm",
           kernel_for<task::gemm, Epilogue, operand_count<In...>>(
               epilogue,
               [&] {
                 return device::gemm_kernel<T>(v, trace_of<sizeof...(In) + 1>(epilogue),
                                               sizeof...(In));
               },
               v.number()),
           {g.width, g.height, g.local_width, g.local_height}, list);
  }

  /// c = alpha a b + beta c and sums (1 x n) = the sum of b's rows + beta_of_sums sums, in one
  /// launch unless a vendor's library computes a product that is not small, or b has more rows than
  /// should be added one after another. No two of the matrices overlap.
  void gemm_and_sum(matrix c, gemm_operand<const_matrix> a, const_matrix b, gemm_scalars scalars,
                    matrix sums, double beta_of_sums) const {
    contract::same_shape("gemm_and_sum", {1, b.cols()}, sums.shape());
    contract::product(c.shape(), {a.rows(), a.cols()}, b.shape());
    const auto alone = [&] {
      reduce(reduction::sum{}, sums, reduce_scalars{beta_of_sums}, fn::identity{}, b);
    };
    if (c.empty()) return alone();
    constexpr index_t most_rows = 1024;
    if (b.rows() > most_rows) {
      gemm(c, a, b, scalars);
      return alone();
    }
    const device::gemm_shape s{c.rows(), c.cols(), a.cols(),          a.is_transposed,
                               false,    1,        access_of(c, a, b)};
    if constexpr (device::multiplies<Runtime, T>)
      if (!device::is_small(s) && runtime_->multiply(vendor_gemm_of(c, a, b, scalars)))
        return alone();
    const device::gemm_variant v = device::gemm_and_sum_variant_for(s, gemm_device(), sizeof(T));
    const device::gemm_geometry g = device::gemm_geometry_for(v, s.m, s.n);
    arguments list = product_arguments(c, a, b, scalars);
    list.buffer(sums.data());
    list.number(static_cast<T>(beta_of_sums));
    launch(
        "gemm_and_sum",
        kernel_for<task::gemm, fn::identity>(
            fn::identity{},
            [&] { return device::gemm_kernel<T>(v, trace_of<1>(fn::identity{}), 0); }, v.number()),
        {g.width, g.height, g.local_width, g.local_height}, list);
  }

  /// See backend/gemm_batch.hpp. One launch; the products follow each other along its height.
  void gemm_batch(index_t count, strided_batch<matrix> c,
                  strided_batch<gemm_operand<const_matrix>> a,
                  strided_batch<gemm_operand<const_matrix>> b, gemm_scalars scalars = {}) const {
    const device::gemm_shape s{c.first.rows(),
                               c.first.cols(),
                               a.first.cols(),
                               a.first.is_transposed,
                               b.first.is_transposed,
                               count,
                               access_of(c.first, a.first, b.first, {c.step, a.step, b.step})};
    contract::products(count, c.first.shape(), c.first.stride(), c.step, {a.first.rows(), s.k},
                       a.step, {b.first.rows(), b.first.cols()}, b.step);
    if (count == 0 || c.first.empty()) return;
    if constexpr (device::multiplies<Runtime, T>) {
      auto p = vendor_gemm_of(c.first, a.first, b.first, scalars);
      p.count = count;
      p.c.step = c.step;
      p.a.step = a.step;
      p.b.step = b.step;
      if (runtime_->multiply(p)) return;
    }
    const device::gemm_variant v = device::gemm_batch_variant_for(s, gemm_device(), sizeof(T));
    launch_batch("gemm_batch", v, s, count * s.k,
                 product_arguments(c.first, a.first, b.first, scalars), {c.step, a.step, b.step});
  }

  /// Captures the work that `work()` queues, without running it: see device/graph_capture.hpp.
  template <class Work>
  requires device::captures<Runtime>
  [[nodiscard]] auto capture(Work&& work) const {
    return device::captured_graph<Runtime>(runtime_, std::forward<Work>(work));
  }
  template <class Work>
  requires device::captures<Runtime>
  [[nodiscard, deprecated("write capture")]] auto record(Work&& work) const {
    return capture(std::forward<Work>(work));
  }
  /// Queues the captured work `times` times.
  template <std::same_as<Runtime> R>
  void replay(const device::captured_graph<R>& step, std::uint64_t times = 1) const {
    step.replay(times);
  }

  void random(matrix out, std::uint64_t seed, std::uint64_t stream, index_t first = 0) const {
    random(out, seed, stream, first, nullptr);
  }
  /// Draws from the stream `stream` + the number of advances of `later`.
  void random(matrix out, std::uint64_t seed, std::uint64_t stream, index_t first,
              const counter& later) const {
    random(out, seed, stream, first, &later);
  }

  /// As concept.hpp says; a row that does not exist gives NaN.
  template <class U, class F = fn::identity>
  void gather(matrix out, view<U> source, view<const std::int32_t> rows, const F& f = {}) const {
    contract::gathers(out.shape(), source.shape(), rows.shape());
    gather_scalars(out, source, rows, nullptr, 0, f);
  }
  /// int32 without conversion; a row that does not exist gives the smallest int32.
  void gather(view<std::int32_t> out, view<const std::int32_t> source,
              view<const std::int32_t> rows) const {
    contract::gathers(out.shape(), source.shape(), rows.shape());
    gather_integers(out, source, rows, nullptr, 0);
  }

  /// The row indices from element `at` * `step` of `all` (1 x count) on.
  struct counted_rows {
    view<const std::int32_t> all;
    const counter& at;
    index_t step = 0;
  };
  /// Gathers rows by indices that begin at a counter's value. They must lie within `all`, which is
  /// not checked.
  template <class U, class F = fn::identity>
  void gather(matrix out, view<U> source, const counted_rows& rows, const F& f = {}) const {
    contract::gathers(out.shape(), source.shape(), {1, out.rows()});
    gather_scalars(out, source, rows.all, &rows.at, rows.step, f);
  }
  /// gather(out, source, rows, f) and gather(second, from, rows) at once; the sources have as many
  /// rows.
  template <class U, class F>
  void gather_pair(matrix out, view<U> source, matrix second, const_matrix from,
                   const counted_rows& rows, const F& f) const {
    contract::gathers(out.shape(), source.shape(), {1, out.rows()});
    contract::gathers(second.shape(), from.shape(), {1, out.rows()});
    contract::same_shape("gather_pair", {source.rows(), 1}, {from.rows(), 1});
    if (out.rows() == 0) return;
    using Element = std::remove_const_t<U>;
    arguments a;
    a.integers(out.rows(), out.cols(), gathered_at_once(out.cols() + second.cols()));
    a.elements(out);
    a.elements(source);
    a.integers(source.rows());
    a.buffer(rows.all.data());
    a.buffer(rows.at.view().data());
    a.integers(rows.step, second.cols());
    a.target(second);
    a.target(from);
    launch("gather_pair",
           kernel_for<task::gather_pair, F, Element>(
               f,
               [&] {
                 return device::gather_pair_kernel<Element>(
                     device::gathered_scalars<T>(trace_of<1>(f)).function);
               }),
           gathering(out.cols() + second.cols(), out.rows()), a);
  }
  void gather(view<std::int32_t> out, view<const std::int32_t> source,
              const counted_rows& rows) const {
    contract::gathers(out.shape(), source.shape(), {1, out.rows()});
    gather_integers(out, source, rows.all, &rows.at, rows.step);
  }

  /// target(i, at * step + j) = source(i, j) for the source's columns; they must lie within the
  /// target, which is not checked.
  void copy_at(matrix target, const_matrix source, const counter& at, index_t step) const {
    contract::same_shape("copy_at", {target.rows(), 1}, {source.rows(), 1});
    if (source.empty()) return;
    arguments a;
    a.integers(source.rows(), source.cols());
    a.target(target);
    a.target(source);
    a.buffer(at.view().data());
    a.integers(step);
    launch("copy_at", kernel_for<task::copy_at, void>([] { return device::copy_at_kernel(); }),
           items(source.cols(), source.rows()), a);
  }

  /// y = e^x / Σ e^x in each row, assigned; y may be x.
  void softmax_rows(const_matrix x, matrix y) const {
    contract::same_shape("softmax_rows", x.shape(), y.shape());
    per_row<task::softmax_rows>("softmax_rows", x, y, device::softmax_rows_kernel);
  }
  /// out (n x 1) = log Σ e^x of each row, assigned; infinite where the row's maximum is.
  void log_sum_exp_rows(const_matrix x, matrix out) const {
    contract::same_shape("log_sum_exp_rows", {x.rows(), 1}, out.shape());
    per_row<task::log_sum_exp_rows>("log_sum_exp_rows", x, out, device::log_sum_exp_rows_kernel);
  }
  /// argmax (n x 1) = the number of the first largest element of each row, as a scalar; infinity
  /// if there is NaN.
  void argmax_rows(const_matrix x, matrix argmax) const {
    contract::same_shape("argmax_rows", {x.rows(), 1}, argmax.shape());
    per_row<task::argmax_rows>("argmax_rows", x, argmax, device::argmax_rows_kernel);
  }

  /// out (n x 1) = 1 where the first largest element of a row is that of its class number (n x 1),
  /// else 0; 0 if there is NaN.
  void argmax_matches_rows(const_matrix x, const_matrix classes, matrix out) const {
    constexpr const char* verb = "argmax_matches_rows";
    contract::same_shape(verb, {x.rows(), 1}, out.shape());
    contract::same_shape(verb, {x.rows(), 1}, classes.shape());
    per_row<task::argmax_matches_rows>(verb, x, out, device::argmax_matches_rows_kernel, classes);
  }
  /// What a verb of losses computes beside them, where it is wanted.
  struct row_extras {
    matrix hits{};           ///< n x 1, assigned as by argmax_matches_rows from class numbers
    matrix placed_losses{};  ///< n x 1, in the place of losses where there is a counter:
    const counter* place = nullptr;       ///< both are moved by its number times
    index_t step = 0;                     ///< so many rows
    std::optional<traced_functor> end{};  ///< applied to (gradient, y)
    bool is_done = false;                 ///< hits and losses were assigned where they are wanted
    bool has_ended = false;               ///< end was applied
  };

  /// losses (n x 1) = Σ_j term(y_j, t_j, j) of each row and, unless it is empty, gradient (as y) =
  /// derivative(y_j, t_j, j, scale), both assigned: t is as y, or n x 1.
  template <class Term, class Derivative>
  void term_rows(const Term& term, const Derivative& derivative, const_matrix y, const_matrix t,
                 const_matrix scale, matrix losses, matrix gradient) const {
    row_extras none;
    term_rows(term, derivative, y, t, scale, losses, gradient, none);
  }
  /// With the extras, which say what was done.
  template <class Term, class Derivative>
  void term_rows(const Term& term, const Derivative& derivative, const_matrix y, const_matrix t,
                 const_matrix scale, matrix losses, matrix gradient, row_extras& extras) const {
    constexpr const char* verb = "term_rows";
    const bool by_class = t.shape() != y.shape();
    const bool wanted = !gradient.empty();
    if (by_class) contract::same_shape(verb, {y.rows(), 1}, t.shape());
    contract::same_shape(verb, {1, 1}, scale.shape());
    contract::same_shape(verb, {y.rows(), 1}, losses.shape());
    if (wanted) contract::same_shape(verb, y.shape(), gradient.shape());
    if (wanted) require_apart(verb, gradient, y);
    const device::beside_loss more =
        begin_extras(verb, extras, y, by_class, losses, wanted && extras.end.has_value());
    if (y.rows() == 0) return;
    struct functors {
      Term term;
      Derivative derivative;
      traced_functor end;
    };
    const device::row_task work = device::row_task_for(y.shape(), on_cpu(), sizeof(T));
    arguments a;
    a.integers(y.rows(), y.cols(), work.each);
    a.target(y);
    a.target(losses);
    a.target(t);
    if (wanted) a.buffer(scale.data()), a.target(gradient);
    add_extras(a, extras, more);
    const traced_functor end = more.ended ? *extras.end : traced_functor(fn::plus{});
    const auto text = [&] {
      std::string functions = device::function_of<T>("cr_term", trace_of<3>(term), 3);
      if (wanted) functions += device::function_of<T>("cr_derivative", trace_of<4>(derivative), 4);
      if (more.ended) functions += device::function_of<T>("cr_end", trace_of<2>(end), 2);
      return device::term_rows_kernel(work.team, functions, by_class, wanted, more);
    };
    launch(verb,
           kernel_for<task::term_rows>(
               functors{term, derivative, end}, text,
               work.team.code() * 32 + more.code() * 4 + (by_class ? 2 : 0) + (wanted ? 1 : 0)),
           work.items(), a);
  }

  /// The loss of every row (n x 1) and, unless `gradient` is empty, `scale` (1 x 1) times its
  /// gradient, both assigned: see losses/softmax_cross_entropy.hpp. The gradient may be y.
  void softmax_cross_entropy_rows(const_matrix y, const_matrix targets, const_matrix scale,
                                  matrix losses, matrix gradient) const {
    row_extras none;
    softmax_cross_entropy_rows(y, targets, scale, losses, gradient, none);
  }
  /// With the extras but for the end, which say what was done.
  void softmax_cross_entropy_rows(const_matrix y, const_matrix targets, const_matrix scale,
                                  matrix losses, matrix gradient, row_extras& extras) const {
    constexpr const char* verb = "softmax_cross_entropy_rows";
    const bool by_class = targets.shape() != y.shape();
    if (by_class) contract::same_shape(verb, {y.rows(), 1}, targets.shape());
    contract::same_shape(verb, {1, 1}, scale.shape());
    contract::same_shape(verb, {y.rows(), 1}, losses.shape());
    if (!gradient.empty()) contract::same_shape(verb, y.shape(), gradient.shape());
    const device::beside_loss more = begin_extras(verb, extras, y, by_class, losses, false);
    if (y.rows() == 0) return;
    const device::row_task t = device::row_task_for(y.shape(), on_cpu(), sizeof(T));
    arguments a;
    a.integers(y.rows(), y.cols(), t.each);
    a.target(y);
    a.target(losses);
    a.target(targets);
    a.buffer(scale.data());
    if (!gradient.empty()) a.target(gradient);
    add_extras(a, extras, more);
    const bool wanted = !gradient.empty();
    launch(verb,
           kernel_by<task::softmax_cross_entropy_rows>(
               {},
               [&] {
                 return device::softmax_cross_entropy_rows_kernel(t.team, by_class, wanted, more);
               },
               t.team.code() * 32 + more.code() * 4 + (by_class ? 2 : 0) + (wanted ? 1 : 0)),
           t.items(), a);
  }

  /// As concept.hpp says; rows that do not exist are left out.
  void scatter(matrix target, view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter", target.shape(), rows.shape(), source.shape());
    if (source.empty()) return;
    launch("scatter", kernel_for<task::scatter, void>([] { return device::scatter_kernel(); }),
           items(source.cols(), source.rows()), scattering(target, rows, source));
  }
  void scatter_add(matrix target, view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter_add", target.shape(), rows.shape(), source.shape());
    if (source.empty() || target.empty()) return;
    const device::scatter_task t =
        device::scatter_task_for(source.rows(), source.cols(), target.rows(), on_cpu());
    launch("scatter_add",
           kernel_for<task::scatter_add, void>([] { return device::scatter_add_kernel(); }),
           t.items(source.cols()), scattering(target, rows, source, t.block, t.shares));
  }

  /// As concept.hpp says. Throws shape_error.
  void transpose(matrix target, const_matrix source) const {
    contract::same_shape("transpose", target.shape(), {source.cols(), source.rows()});
    if (target.empty()) return;
    arguments a;
    a.integers(target.rows(), target.cols());
    a.target(target);
    a.target(source);
    launch("transpose",
           kernel_for<task::transpose, void>([] { return device::transpose_kernel(); }),
           device::transpose_items(target.shape()), a);
  }

  /// y = f(x * w, operands...), assigned; x: n x image, y: n x result, operands broadcast to
  /// (n positions) x outputs. See backend/window.hpp. Throws shape_error.
  template <class F = fn::identity, class... In>
  void convolve(matrix y, const_matrix x, const_matrix w, const convolution& c, const F& f = {},
                const In&... in) const {
    contract::convolves("convolve", c, x.shape(), w.shape(), y.shape());
    if (y.empty()) return;
    const device::convolution_pass p = device::forward_pass(c, x.rows());
    (require_apart("convolve", pixels_of(y, c.outputs), const_matrix(in)), ...);
    run_pass(p, y.data(), {y.stride(), p.width.pixels * c.outputs, c.outputs, 0}, 0, x,
             {w.data(), 0, w.stride()}, f, const_matrix(in)...);
  }
  /// dx = the gradient with respect to x + beta dx, from dy. Throws shape_error.
  void convolve_input(matrix dx, const_matrix dy, const_matrix w, const convolution& c,
                      reduce_scalars scalars = {}) const {
    contract::convolves("convolve_input", c, dx.shape(), w.shape(), dy.shape());
    if (dx.empty()) return;
    const storage<T> memory = allocate<T>(w.size());
    const window_axis &h = c.window.height, &v = c.window.width;
    for (index_t i = 0; i < std::min(h.stride, h.size); ++i)
      for (index_t j = 0; j < std::min(v.stride, v.size); ++j)
        convolve_phase(
            matrix(dx.data() + (i * v.size + j) * c.window.channels, dx.rows(), 1, dx.stride()), dy,
            w, c, scalars.beta, device::phase_of(h, i), device::phase_of(v, j), memory.data());
  }
  /// dw = the gradient with respect to the weights + beta dw, from x and dy. Throws shape_error.
  void convolve_weights(matrix dw, const_matrix x, const_matrix dy, const convolution& c,
                        reduce_scalars scalars = {}) const {
    contract::convolves("convolve_weights", c, x.shape(), dw.shape(), dy.shape());
    const device::convolution_pass p = device::weights_pass(c, x.rows(), on_cpu());
    const right_factor of_dy{dy.data(), dy.stride(), c.outputs};
    if (p.parts == 1)
      return run_pass(p, dw.data(), {0, 0, dw.stride(), 0}, scalars.beta, x, of_dy, fn::identity{});
    // Parts of the sum lie below each other, and are added in order.
    const index_t size = dw.size();
    const bool direct = dw.contiguous();
    const storage<T> memory = allocate<T>((p.parts + (direct ? 0 : 1)) * size);
    run_pass(p, memory.data(), {0, 0, dw.cols(), size}, 0, x, of_dy, fn::identity{});
    const matrix parts(memory.data(), p.parts, size);
    const matrix total(memory.data() + p.parts * size, 1, size);
    reduce(reduction::sum{}, direct ? matrix(dw.data(), 1, size) : total,
           reduce_scalars{direct ? scalars.beta : 0}, fn::identity{}, parts);
    if (direct) return;
    const matrix sum(total.data(), dw.rows(), dw.cols());
    if (scalars.beta == 0) return copy(dw, sum);
    map(detail::plus_scaled<fn::identity>{scalars.beta, {}}, dw, dw, sum);
  }

  // Pooling and resampling, as concept.hpp says. They throw shape_error, and value_error if an
  // operand is a part of a result.

  void max_pool(matrix y, matrix argmax, const_matrix x, const window& w) const {
    contract::max_pools(w, x.shape(), y.shape(), argmax.shape());
    const bool has_maxima = !y.empty();
    const bool has_argmax = !argmax.empty();
    pool("max_pool", w, x.rows(), w.positions(),
         kernel_by<task::max_pool>(
             {}, [&] { return device::max_pool_kernel(pooling_lanes(), has_maxima, has_argmax); },
             has_maxima ? (has_argmax ? 2 : 1) : 0),
         {y, argmax}, {x});
  }
  void unpool(matrix dx, const_matrix dy, const_matrix argmax, const window& w) const {
    contract::pools("unpool", w, dx.shape(), dy.shape());
    contract::pools("unpool", w, dx.shape(), argmax.shape());
    const bool is_dilated = w.height.dilation != 1 || w.width.dilation != 1;
    pool("unpool", w, dx.rows(), w.height.size * w.width.size,
         kernel_by<task::unpool>(
             {}, [&] { return device::unpool_kernel(pooling_lanes(), is_dilated); }, is_dilated),
         {dx}, {dy, argmax});
  }
  void resample(matrix y, const_matrix x, const resampling& r) const {
    contract::resamples(r, y.shape(), x.shape());
    pool("resample", r.window, x.rows(), r.to() / r.window.channels,
         kernel_by<task::resample>(
             {}, [&] { return device::resample_kernel(pooling_lanes(), r.weights, r.spreads); },
             static_cast<std::uint64_t>(r.weights) * 2 + (r.spreads ? 1 : 0)),
         {y}, {x});
  }

 private:
  /// The verb of a kernel, a part of its key.
  enum class task : char {
    map,
    map_planned,
    copy,
    reduce,
    gemm,
    added_parts,
    random,
    gather,
    hold,
    advance,
    copy_at,
    take,
    gather_pair,
    argmax_matches_rows,
    term_rows,
    softmax_rows,
    log_sum_exp_rows,
    argmax_rows,
    softmax_cross_entropy_rows,
    scatter,
    scatter_add,
    transpose,
    convolve,
    turn_weights,
    max_pool,
    unpool,
    resample
  };
  /// The same in words.
  static constexpr const char* verbs_[] = {"map",
                                           "map_planned",
                                           "copy",
                                           "reduce",
                                           "gemm",
                                           "added_parts",
                                           "random",
                                           "gather",
                                           "hold",
                                           "advance",
                                           "copy_at",
                                           "take",
                                           "gather_pair",
                                           "argmax_matches_rows",
                                           "term_rows",
                                           "softmax_rows",
                                           "log_sum_exp_rows",
                                           "argmax_rows",
                                           "softmax_cross_entropy_rows",
                                           "scatter",
                                           "scatter_add",
                                           "transpose",
                                           "convolve",
                                           "turn_weights",
                                           "max_pool",
                                           "unpool",
                                           "resample"};
  static_assert(std::size(verbs_) == static_cast<std::size_t>(task::resample) + 1);

  /// The arguments of a launch, in the order of a kernel's parameters.
  class arguments {
   public:
    template <class... Integers>
    void integers(Integers... values) {
      (add(static_cast<std::int64_t>(values)), ...);
    }
    void number(T value) { add(value); }
    template <class U>
    void buffer(const pointer<U>& p) {
      add(p.buffer);
      integers(p.offset);
    }
    template <class U>
    void elements(const view<U>& m) {
      buffer(m.data());
      integers(m.stride());
    }
    void target(const const_matrix& m) { elements(m); }
    void factor(const gemm_operand<const_matrix>& f) {
      buffer(f.view.data());
      f.is_transposed ? integers(1, f.view.stride()) : integers(f.view.stride(), 1);
    }
    void operand(const char* verb, const const_matrix& m, matrix_shape whole) {
      contract::broadcasts(verb, m.shape(), whole);
      buffer(m.data());
      integers(m.rows() == 1 ? 0 : m.stride(), m.cols() == 1 && whole.cols != 1 ? 0 : 1);
    }
    [[nodiscard]] std::span<const device::argument> list() const { return {list_.data(), count_}; }

   private:
    template <class Value>
    void add(const Value& value) {
      if (count_ == list_.size())
        throw value_error(
            "a kernel has too many operands; split the functor into several with fewer each");
      device::argument& a = list_[count_++];
      static_assert(sizeof value <= sizeof a.bytes);
      a.size = sizeof value;
      std::memcpy(a.bytes.data(), &value, sizeof value);
    }
    std::array<device::argument, 112> list_;  // an OpenCL device takes at least 1024 bytes
    std::size_t count_ = 0;
  };

  /// Whether kernels are laid out for a CPU device.
  [[nodiscard]] bool on_cpu() const { return runtime_->layout() == device_kind::processor; }
  /// What the plan of a product has to know.
  [[nodiscard]] device::gemm_device gemm_device() const {
    return {on_cpu(), info().units, info().vector_bytes, info().group_items};
  }

  template <class U>
  static std::size_t bytes(index_t elements) {
    return static_cast<std::size_t>(elements) * sizeof(U);
  }
  template <class U>
  static device::rectangle rectangle_of(const view<U>& m) {
    return {bytes<U>(m.data().offset), bytes<U>(m.stride())};
  }
  static device::work items(index_t width, index_t height) {
    return {static_cast<std::size_t>(width), static_cast<std::size_t>(height)};
  }

  /// The kernel of a verb for the types that it is made of. `constants` and `variant` are what else
  /// its text depends on. The text is made and built once.
  template <task Task, class... Types, class Text>
  [[nodiscard]] kernel_handle kernel_by(std::string_view constants, Text&& text,
                                        std::uint64_t variant = 0) const {
    std::string key(1, static_cast<char>(Task));
    const auto add = [&](const char* tag) {
      key.append(reinterpret_cast<const char*>(&tag), sizeof tag);
    };
    add(&device::type_tag<T>);
    (add(&device::type_tag<Types>), ...);
    key.append(reinterpret_cast<const char*>(&variant), sizeof variant);
    key += constants;
    const char* verb = verbs_[static_cast<std::size_t>(Task)];
    return runtime_->kernel(key, verb, [&] { return whole(text()); });
  }
  template <task Task, class... Types, class Text>
  [[nodiscard]] kernel_handle kernel_for(Text&& text) const {
    return kernel_by<Task, Types...>({}, text);
  }
  /// The number of operands, in the key of a kernel: one functor may be called with several numbers
  /// of them.
  template <class... In>
  using operand_count = std::integral_constant<std::size_t, sizeof...(In)>;
  /// The kernel of a functor, whose constants are a part of its text. Its bytes are the key; a
  /// functor that holds references (a lambda that cannot be assigned) is traced at every call.
  template <task Task, class F, class... Types, class Text>
  [[nodiscard]] kernel_handle kernel_for(const F& f, Text&& text, std::uint64_t variant = 0) const {
    if constexpr (std::is_empty_v<F>) {
      return kernel_by<Task, F, Types...>({}, text, variant);
    } else if constexpr (device::has_identity<F>) {
      const std::uint64_t id = f.identity();
      return kernel_by<Task, F, Types...>({reinterpret_cast<const char*>(&id), sizeof id}, text,
                                          variant);
    } else if constexpr (std::is_trivially_copyable_v<F> && std::is_copy_assignable_v<F>) {
      F values = f;
#if __has_builtin(__builtin_clear_padding)
      __builtin_clear_padding(&values);  // padding is not a part of the key
#endif
      return kernel_by<Task, F, Types...>({reinterpret_cast<const char*>(&values), sizeof values},
                                          text, variant);
    } else {
      return runtime_->kernel(whole(text()));
    }
  }

  /// A kernel's text for this scalar.
  [[nodiscard]] static std::string whole(const std::string& text) {
    return detail::concat("typedef ", device::type_name<T>(), " real;\n", scalar_prelude(), text);
  }

  /// Functions of the vocabulary that C does not have, and a tanh that is exactly 1 for large
  /// arguments on every device.
  static std::string scalar_prelude() {
    return detail::concat(
        "#define cr_infinity ((real)INFINITY)\n#define cr_nan ((real)NAN)\n"
        "FUNCTION real cr_max(real a, real b) { return a > b || a != a ? a : b; }\n"
        "FUNCTION real cr_min(real a, real b) { return a < b || a != a ? a : b; }\n"
        "FUNCTION real cr_sign(real x) { return x > 0 ? (real)1 : (x < 0 ? (real)-1 : x); }\n"
        "FUNCTION real cr_tanh(real x) {\n  const real limit = ",
        sizeof(T) == sizeof(float) ? "9.1f" : "19.1",
        ";\n  return x > limit ? (real)1 : (x < -limit ? (real)-1 : tanh(x));\n}\n");
  }

  /// Checks and marks as done what is computed beside a loss; puts the losses where they belong.
  [[nodiscard]] static device::beside_loss begin_extras(const char* verb, row_extras& e,
                                                        const_matrix y, bool by_class,
                                                        matrix& losses, bool ended) {
    e.has_ended = ended;
    if (!e.hits.empty() && !by_class) return {false, false, ended};
    const matrix_shape column{y.rows(), 1};
    if (!e.hits.empty()) contract::same_shape(verb, column, e.hits.shape());
    if (e.place != nullptr) {
      contract::same_shape(verb, column, e.placed_losses.shape());
      losses = e.placed_losses;
    }
    e.is_done = true;
    return {!e.hits.empty(), e.place != nullptr, ended};
  }
  static void add_extras(arguments& a, const row_extras& e, const device::beside_loss& more) {
    if (more.matches) a.target(e.hits);
    if (more.placed) a.buffer(e.place->view().data()), a.integers(e.step);
  }

  [[nodiscard]] int pooling_lanes() const { return device::pooling_lanes(on_cpu(), sizeof(T)); }
  /// Launches a kernel of kernels/pooling.hpp over `pixels` pixels of each image of the results;
  /// empty results are no parameters of it.
  void pool(const char* verb, const window& w, index_t images, index_t pixels,
            const kernel_handle& kernel, std::initializer_list<matrix> results,
            std::initializer_list<const_matrix> sources) const {
    if (images == 0) return;
    arguments a;
    a.integers(images, w.channels);
    for (const window_axis& axis : {w.height, w.width})
      a.integers(axis.size, axis.kernel, axis.stride, axis.dilation, axis.before, axis.count());
    for (const matrix& m : results)
      if (!m.empty()) a.target(m);
    for (const const_matrix& m : sources) {
      a.target(m);
      for (const matrix& out : results) require_apart(verb, out, m);
    }
    launch(verb, kernel, device::pooling_items(pooling_lanes(), w.channels, images * pixels), a);
  }

  void launch(const char* verb, const kernel_handle& k, const device::work& w,
              const arguments& a) const {
    runtime_->launch(verb, k, w, a.list());
  }

  /// A reduction, with beta times what out holds added to it.
  template <class Op, class F, class... In>
  void reduce_whole(const Op& op, matrix out, T beta, const F& f, matrix_shape whole,
                    const In&... in) const {
    if (out.size() == 1) return reduce_all(op, out, beta, f, whole, in...);
    reduce_along(out.cols() == 1 ? device::walk::rows : device::walk::columns, op, out, beta, f,
                 whole, in...);
  }

  /// One value per row or column. Where rows or columns are cut into pieces, the values of the
  /// pieces are reduced again, and beta out is added then.
  template <class Op, class F, class... In>
  void reduce_along(device::walk along, const Op& op, matrix out, T beta, const F& f,
                    matrix_shape whole, const In&... in) const {
    if (out.empty()) return;
    const device::reduction r = device::reduction_for(along, whole, on_cpu(), sizeof(T));
    const matrix_shape s = r.result();
    storage<T> pieces;
    if (r.pieces > 1) pieces = allocate<T>(s.size());
    const matrix result = r.pieces > 1 ? matrix(pieces.data(), s.rows, s.cols) : out;
    arguments a;
    a.integers(whole.rows, whole.cols, r.length, r.pieces, r.each);
    a.number(r.pieces > 1 ? T(0) : beta);
    a.target(result);
    (a.operand("reduce", in, whole), ...);
    std::uint64_t across = 0;  // a bit for each operand that is not repeated along a row
    std::size_t n = 0;
    ((across |= std::uint64_t{in.cols() == whole.cols} << n++), ...);
    launch("reduce",
           kernel_for<task::reduce, F, Op, operand_count<In...>>(
               f,
               [&] {
                 return device::reduce_kernel<T>(r, trace_of<sizeof...(In)>(f), sizeof...(In),
                                                 across, trace_of<2>(op), neutral(op));
               },
               r.code() << 32 | across),
           r.items(), a);
    if (r.pieces > 1) reduce_along(along, op, out, beta, fn::identity{}, s, const_matrix(result));
  }

  /// Reduces all elements: as one row if the operands are contiguous, else the longer direction
  /// first.
  template <class Op, class F, class... In>
  void reduce_all(const Op& op, matrix out, T beta, const F& f, matrix_shape whole,
                  const In&... in) const {
    const index_t size = whole.size();
    if (size == 0)
      return reduce_along(device::walk::rows, op, out, beta, f, {1, 0},
                          const_matrix(in.data(), 1, 0)...);
    if (whole.rows == 1) return reduce_along(device::walk::rows, op, out, beta, f, whole, in...);
    if (((in.shape() == whole && in.contiguous()) && ...))
      return reduce_along(device::walk::rows, op, out, beta, f, {1, size},
                          const_matrix(in.data(), 1, size)...);
    if (whole.cols == 1) return reduce_along(device::walk::columns, op, out, beta, f, whole, in...);
    const bool tall = whole.rows > whole.cols;
    const index_t kept = tall ? whole.cols : whole.rows;
    const storage<T> partial = allocate<T>(kept);
    reduce_along(tall ? device::walk::columns : device::walk::rows, op,
                 tall ? partial.view() : matrix(partial.data(), kept, 1), T(0), f, whole, in...);
    reduce_along(device::walk::rows, op, out, beta, fn::identity{}, {1, kept},
                 const_matrix(partial.view()));
  }

  /// The steps of a pass's result: from one sample, line of its pixels, row and part to the next.
  struct result_steps {
    index_t sample, line, row, part;
  };
  /// The right factor of a pass: its rows are those of samples, or of one.
  struct right_factor {
    pointer<const T> data;
    index_t sample, row;
  };
  /// Queues a pass of a convolution, with `image` as the left factor's.
  template <class F, class... In>
  void run_pass(const device::convolution_pass& p, pointer<T> result, result_steps steps,
                double beta, const_matrix image, right_factor b, const F& f,
                const In&... in) const {
    const device::gemm_variant v = device::convolution_variant_for(p, gemm_device(), sizeof(T));
    const device::gemm_geometry g = device::convolution_geometry_for(v, p);
    const index_t products = p.groups * p.parts;
    arguments a;
    a.integers(
        p.rows, p.cols, p.inner, p.length, products, p.groups,
        static_cast<index_t>(g.height / std::max<std::size_t>(1, g.local_height)) / products);
    a.number(static_cast<T>(beta));
    a.buffer(result);
    a.integers(steps.sample, steps.line, steps.row, steps.part);
    a.elements(image);
    a.integers(p.image_channels);
    a.buffer(b.data);
    a.integers(b.sample, b.row);
    for (const index_t n : p.numbers()) a.integers(n);
    (a.operand("convolve", in, {p.rows, p.cols * p.groups}), ...);
    launch("convolve",
           kernel_for<task::convolve, F, operand_count<In...>>(
               f,
               [&] {
                 return device::convolution_kernel<T>(v, trace_of<sizeof...(In) + 1>(f),
                                                      sizeof...(In));
               },
               v.number()),
           {g.width, g.height, g.local_width, g.local_height}, a);
  }
  /// Queues convolve_input for the elements of two phases; dx begins with the first of them.
  void convolve_phase(matrix dx, const_matrix dy, const_matrix w, const convolution& c, double beta,
                      const device::phase_axis& height, const device::phase_axis& width,
                      pointer<T> memory) const {
    const device::convolution_pass p = device::input_pass(c, dy.rows(), height, width);
    if (p.inner == 0 && beta == 1) return;  // no tap sees these elements
    const index_t across = c.window.width.kernel;
    const matrix turned(memory, p.inner, c.window.channels);
    if (!turned.empty()) {
      arguments a;
      a.integers(turned.rows(), turned.cols(), p.channels, p.cols, p.width.taps);
      a.integers(height.first * across + width.first, height.between * across, width.between);
      a.target(turned);
      a.target(w);
      launch("convolve_input",
             kernel_for<task::turn_weights, void>([] { return device::turned_weights_kernel(); }),
             items(turned.cols(), turned.rows()), a);
    }
    const index_t row = c.window.width.stride * c.window.channels;
    const index_t line = c.window.height.stride * c.window.width.size * c.window.channels;
    run_pass(p, dx.data(), {dx.stride(), line, row, 0}, beta, dy,
             {turned.data(), 0, turned.stride()}, fn::identity{});
  }
  /// The matrix of one row per position, where samples follow each other without gaps.
  static const_matrix pixels_of(const_matrix y, index_t channels) {
    return y.contiguous() ? const_matrix(y.data(), y.size() / channels, channels) : y;
  }

  /// The arguments common to all products.
  [[nodiscard]] static arguments product_arguments(matrix c, const gemm_operand<const_matrix>& a,
                                                   const gemm_operand<const_matrix>& b,
                                                   gemm_scalars scalars) {
    arguments list;
    list.integers(c.rows(), c.cols(), a.cols());
    list.number(static_cast<T>(scalars.alpha));
    list.number(static_cast<T>(scalars.beta));
    list.target(c);
    list.factor(a);
    list.factor(b);
    return list;
  }
  /// How the kernel of a product can access its matrices; `steps` are those of c, a and b from one
  /// product of a batch to the next.
  [[nodiscard]] static device::gemm_access access_of(const_matrix c,
                                                     const gemm_operand<const_matrix>& a,
                                                     const gemm_operand<const_matrix>& b,
                                                     const std::array<index_t, 3>& steps = {}) {
    // Offsets are computed up to the end of the last tile, which is below 1024, and indices of
    // groups that a launch in layers adds: at most 2^31 / 65535 rows.
    constexpr index_t most = (index_t{1} << 31) - (index_t{1} << 16);
    const auto is_near = [](const const_matrix& m) {
      return m.rows() <= most && m.cols() <= most && m.rows() * m.stride() <= most;
    };
    const auto is_aligned = [](const const_matrix& m, index_t step) {
      return (m.data().offset | m.stride() | m.cols() | step) %
                 device::gemm_detail::gpu_vector(sizeof(T)) ==
             0;
    };
    if (!is_near(c) || !is_near(a.view) || !is_near(b.view)) return device::gemm_access::anywhere;
    return is_aligned(c, steps[0]) && is_aligned(a.view, steps[1]) && is_aligned(b.view, steps[2])
               ? device::gemm_access::vectors
               : device::gemm_access::near;
  }
  /// Queues the products of a batch, which have `whole` steps of k in all; `steps` are those of c,
  /// a and b from one product to the next.
  void launch_batch(const char* verb, const device::gemm_variant& v, const device::gemm_shape& s,
                    index_t whole, arguments list, const std::array<index_t, 3>& steps) const {
    const device::gemm_geometry g = device::gemm_geometry_for(v, s.m, s.n);
    list.integers(s.count, g.height / g.local_height, steps[0], steps[1], steps[2], whole);
    launch(
        verb,
        kernel_for<task::gemm, fn::identity>(
            fn::identity{},
            [&] { return device::gemm_kernel<T>(v, trace_of<1>(fn::identity{}), 0); }, v.number()),
        {g.width, g.height * static_cast<std::size_t>(s.count), g.local_width, g.local_height},
        list);
  }
  /// Queues a product that is cut along k into parts of `part` steps, the last one of fewer: a
  /// batch of their products, and a kernel that adds them in order.
  template <class Epilogue, class... In>
  void multiply_parts(device::gemm_variant v, device::gemm_shape s, index_t part, matrix c,
                      const gemm_operand<const_matrix>& a, const gemm_operand<const_matrix>& b,
                      gemm_scalars scalars, const Epilogue& epilogue, const In&... in) const {
    s.count = device::gemm_detail::pieces(s.k, part);
    v.is_batch = true;
    const storage<T> memory = allocate<T>(s.count * s.m * s.n);
    const matrix first(memory.view().data(), s.m, s.n);
    const const_matrix begin = a.is_transposed ? a.view.block(0, 0, part, a.view.cols())
                                               : a.view.block(0, 0, a.view.rows(), part);
    launch_batch("gemm", v, s, s.k, product_arguments(first, {begin, a.is_transposed}, b, {}),
                 {first.size(), part * (a.is_transposed ? a.view.stride() : 1),
                  part * (b.is_transposed ? 1 : b.view.stride())});
    arguments sums;
    sums.integers(s.m, s.n, s.count);
    sums.number(static_cast<T>(scalars.alpha));
    sums.number(static_cast<T>(scalars.beta));
    sums.target(c);
    sums.buffer(first.data());
    (sums.operand("gemm", in, c.shape()), ...);
    launch("gemm",
           kernel_for<task::added_parts, Epilogue, operand_count<In...>>(
               epilogue,
               [&] {
                 return device::added_parts_kernel<T>(trace_of<sizeof...(In) + 1>(epilogue),
                                                      sizeof...(In));
               }),
           items(s.n, s.m), sums);
  }
  /// The arguments of a product for the vendor's library.
  [[nodiscard]] static device::vendor_gemm<typename Runtime::buffer, T> vendor_gemm_of(
      matrix c, const gemm_operand<const_matrix>& a, const gemm_operand<const_matrix>& b,
      gemm_scalars scalars) {
    device::vendor_gemm<typename Runtime::buffer, T> p;
    p.rows = c.rows();
    p.cols = c.cols();
    p.inner = a.cols();
    p.alpha = static_cast<T>(scalars.alpha);
    p.beta = static_cast<T>(scalars.beta);
    p.c = {c.data(), c.stride(), false};
    p.a = {a.view.data(), a.view.stride(), a.is_transposed};
    p.b = {b.view.data(), b.view.stride(), b.is_transposed};
    return p;
  }

  /// Queues a product by the vendor's library, with its epilogue if it has that, else followed by a
  /// map unless the product is small. Returns false if nothing was queued.
  template <class Epilogue, class... In>
  [[nodiscard]] bool by_vendor_gemm(matrix c, const gemm_operand<const_matrix>& a,
                                    const gemm_operand<const_matrix>& b, gemm_scalars scalars,
                                    const Epilogue& epilogue, const In&... in) const {
    // The product overwrites operands that overlap c before the epilogue reads them.
    if ((overlap(c, in) || ...)) return false;
    device::vendor_gemm<typename Runtime::buffer, T> p = vendor_gemm_of(c, a, b, scalars);
    constexpr std::optional<device::vendor_epilogue> known = device::vendor_epilogue_of<Epilogue>;
    if constexpr (known.has_value()) {
      p.epilogue = *known;
      ((p.bias = in.data()), ...);
      if (((in.rows() == 1 && in.cols() == c.cols()) && ...) && runtime_->multiply(p)) return true;
      if (*known == device::vendor_epilogue::none && sizeof...(In) == 0) return false;
      p.epilogue = device::vendor_epilogue::none;
      p.bias = {};
    }
    if (device::is_small({c.rows(), c.cols(), a.cols()})) return false;
    if (!runtime_->multiply(p)) return false;
    map(epilogue, c, c, in...);
    return true;
  }

  /// Whether the ranges of memory from first to last element of two matrices intersect.
  static bool overlap(const const_matrix& x, const const_matrix& y) {
    const auto end = [](const const_matrix& m) {
      return m.data().offset + (m.rows() - 1) * m.stride() + m.cols();
    };
    return !x.empty() && !y.empty() && x.data().buffer == y.data().buffer &&
           x.data().offset < end(y) && y.data().offset < end(x);
  }

  /// Whether x and y have an element in common; false if both have several rows and different
  /// strides.
  static bool have_common_element(const const_matrix& x, const const_matrix& y) {
    if (!overlap(x, y)) return false;
    if (x.rows() == 1 && y.rows() == 1) return true;
    const index_t stride = x.rows() == 1 ? y.stride() : x.stride();
    if ((y.rows() > 1 && y.stride() != stride) || x.cols() > stride || y.cols() > stride)
      return false;
    // y begins `down` rows and `across` columns behind x, and may reach into the row after that.
    const index_t apart = y.data().offset - x.data().offset;
    const index_t across = (apart % stride + stride) % stride;
    const index_t down = (apart - across) / stride;
    const auto meets = [&](index_t row) { return row < x.rows() && row + y.rows() > 0; };
    return (across < x.cols() && meets(down)) || (across + y.cols() > stride && meets(down + 1));
  }
  /// Throws value_error if an operand is a part of the result, unless it is the result itself, of
  /// which each element is read by the work item that writes it.
  static void require_apart(const char* verb, const const_matrix& out, const const_matrix& in) {
    const bool is_same = in.shape() == out.shape() && in.data().offset == out.data().offset &&
                         (in.rows() == 1 || in.stride() == out.stride());
    if (!is_same && have_common_element(out, in))
      throw value_error(detail::concat(verb,
                                       ": an operand is a part of the result, so its elements "
                                       "could be written before they are read; give a copy of it"));
  }

  /// A verb that reads the rows of x and writes those of out.
  template <task Task, class Text>
  void per_row(const char* verb, const_matrix x, matrix out, Text&& text,
               const auto&... more) const {
    if (out.empty()) return;
    const device::row_task t = device::row_task_for(x.shape(), on_cpu(), sizeof(T));
    arguments a;
    a.integers(x.rows(), x.cols(), t.each);
    a.target(x);
    a.target(out);
    (a.target(more), ...);
    launch(verb,
           kernel_by<Task>(
               {}, [&] { return text(t.team); }, t.team.code()),
           t.items(), a);
  }

  /// The arguments of a scatter.
  template <class... More>
  static arguments scattering(matrix target, view<const std::int32_t> rows, const_matrix source,
                              More... more) {
    arguments a;
    a.integers(source.rows(), source.cols(), more...);
    a.target(target);
    a.integers(target.rows());
    a.target(source);
    a.buffer(rows.data());
    return a;
  }

  template <class Op>
  [[nodiscard]] static std::string neutral(const Op&) {
    const T value = Op::template identity<T>();
    trace t;
    const trace::scope writing(t);
    t.add_result(math::symbol(value).number);
    // "  const real v0 = (...);" without its beginning and end
    const std::string line = t.print<T>("");
    const std::size_t from = line.find("= ") + 2;
    return line.substr(from, line.find(';') - from);
  }

  void random(matrix out, std::uint64_t seed, std::uint64_t stream, index_t first,
              const counter* later) const {
    if (out.empty()) return;
    constexpr index_t per_block = sizeof(T) == sizeof(float) ? 4 : 2;
    arguments a;
    a.integers(out.rows(), out.cols());
    a.target(out);
    a.integers(static_cast<index_t>(seed), static_cast<index_t>(stream), first);
    if (later != nullptr) a.buffer(later->total().data());
    const auto text = [&] { return device::random_kernel<T>(later != nullptr); };
    launch("random",
           later == nullptr ? kernel_for<task::random, void>(text)
                            : kernel_for<task::random, counter>(text),
           items((first % per_block + out.size() + per_block - 1) / per_block, 1), a);
  }

  template <class U, class F>
  void gather_scalars(matrix out, view<U> source, view<const std::int32_t> rows, const counter* at,
                      index_t step, const F& f) const {
    if (out.empty()) return;
    using Element = std::remove_const_t<U>;
    const auto text = [&] {
      return device::gather_kernel<Element>(device::gathered_scalars<T>(trace_of<1>(f)),
                                            at != nullptr);
    };
    gather_by(at == nullptr ? kernel_for<task::gather, F, Element>(f, text)
                            : kernel_for<task::gather, F, Element, counter>(f, text),
              out, source, rows, at, step);
  }
  void gather_integers(view<std::int32_t> out, view<const std::int32_t> source,
                       view<const std::int32_t> rows, const counter* at, index_t step) const {
    if (out.empty()) return;
    const auto text = [&] {
      return device::gather_kernel<std::int32_t>(device::gathered_integers(), at != nullptr);
    };
    gather_by(at == nullptr ? kernel_for<task::gather, void>(text)
                            : kernel_for<task::gather, counter>(text),
              out, source, rows, at, step);
  }
  /// The elements of a row that a work item gathers.
  [[nodiscard]] index_t gathered_at_once(index_t cols) const { return on_cpu() ? cols : 1; }
  [[nodiscard]] device::work gathering(index_t cols, index_t rows) const {
    return on_cpu() ? device::work{1, static_cast<std::size_t>(rows), 1, 1} : items(cols, rows);
  }
  template <class V, class U>
  void gather_by(kernel_handle kernel, view<V> out, view<U> source, view<const std::int32_t> rows,
                 const counter* at, index_t step) const {
    arguments a;
    a.integers(out.rows(), out.cols(), gathered_at_once(out.cols()));
    a.elements(out);
    a.elements(source);
    a.integers(source.rows());
    a.buffer(rows.data());
    if (at != nullptr) a.buffer(at->view().data()), a.integers(step);
    launch("gather", kernel, gathering(out.cols(), out.rows()), a);
  }

  std::shared_ptr<Runtime> runtime_;
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP

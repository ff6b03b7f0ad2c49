/// \file
/// `device_maps`: element-wise verbs and reductions, and the counter that they may read.
#ifndef CHAINRULE_BACKEND_DEVICE_MAPS_HPP
#define CHAINRULE_BACKEND_DEVICE_MAPS_HPP

#include <array>
#include <cstdint>
#include <string>

#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/kernels/copy.hpp"
#include "chainrule/backend/device/kernels/counter.hpp"
#include "chainrule/backend/device/kernels/map.hpp"
#include "chainrule/backend/device/kernels/reduce.hpp"
#include "chainrule/backend/device/queue.hpp"

namespace chainrule {

template <class Runtime, class T>
class device_maps : public device_queue<Runtime, T> {
  using base = device_queue<Runtime, T>;

 public:
  using base::base;
  using typename base::matrix, typename base::const_matrix;
  template <class U>
  using view = device_view<Runtime, U>;
  template <class U>
  using storage = device_storage<Runtime, U>;

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
    launch("copy",
           kernel_of("copy", {device::type_number<U>()}, [] { return device::copy_kernel<U>(); }),
           items(target.cols(), target.rows()), a);
  }

  /// A number in the device's memory that verbs read on the device, for values that change from
  /// step to step in a captured graph. A second number goes on counting when the first is set.
  /// Gathers of counted_rows hold both: they copy them to where map_planned reads them, which then
  /// advances the counter, although not all of its work items have begun.
  class counter {
   public:
    explicit counter(const device_maps& be) : value_(be.template allocate<std::int32_t>(4)) {
      be.restart(*this);
    }
    /// The number, as one element.
    [[nodiscard]] device_view<Runtime, std::int32_t> view() const {
      return value_.view().block(0, 0, 1, 1);
    }
    /// The number of advances since the last restart.
    [[nodiscard]] device_view<Runtime, std::int32_t> total() const {
      return value_.view().block(0, 1, 1, 1);
    }

   private:
    storage<std::int32_t> value_;
  };
  void set(const counter& c, std::int32_t value) const {
    this->template upload<std::int32_t>(c.view(), matrix_view<const std::int32_t>(&value, 1, 1));
  }
  /// Sets both numbers to 0.
  void restart(const counter& c) const {
    const std::int32_t zero = 0;
    set(c, 0);
    this->template upload<std::int32_t>(c.total(), matrix_view<const std::int32_t>(&zero, 1, 1));
  }
  /// Holds both numbers, where no rows are gathered by them.
  void hold(const counter& c) const {
    arguments a;
    a.buffer(c.view().data());
    launch("hold", kernel_of("hold", {}, [] { return device::hold_kernel(); }), {1, 1, 1, 1}, a);
  }
  /// Adds 1 to both numbers, after all work queued before.
  void advance(const counter& c) const {
    arguments a;
    a.buffer(c.view().data());
    launch("advance", kernel_of("advance", {}, [] { return device::advance_kernel(); }),
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
    launch("take", kernel_of("take", {}, [&] { return device::take_kernel(on_cpu()); }),
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
           kernel_for(
               "map", f, {sizeof...(In)},
               [&] { return device::map_kernel<T>(trace_of<sizeof...(In)>(f), sizeof...(In)); }),
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
           kernel_for("map_planned", f, {operands, Scalars},
                      [&] {
                        return device::planned_map_kernel<T>(trace_of<operands + Scalars>(f),
                                                             operands, Scalars);
                      }),
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

 protected:
  using base::items, base::kernel_for, base::kernel_of, base::launch, base::on_cpu,
      base::require_apart;
  using typename base::arguments;

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
    if (r.pieces > 1) pieces = this->allocate(s.size());
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
           kernel_for("reduce", f, {device::type_number<Op>(), sizeof...(In), r.code(), across},
                      [&] {
                        return device::reduce_kernel<T>(r, trace_of<sizeof...(In)>(f),
                                                        sizeof...(In), across, trace_of<2>(op),
                                                        neutral(op));
                      }),
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
    const storage<T> partial = this->allocate(kept);
    reduce_along(tall ? device::walk::columns : device::walk::rows, op,
                 tall ? partial.view() : matrix(partial.data(), kept, 1), T(0), f, whole, in...);
    reduce_along(device::walk::rows, op, out, beta, fn::identity{}, {1, kept},
                 const_matrix(partial.view()));
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
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_MAPS_HPP

/// \file
/// `device_products`: matrix products by own kernels or by the vendor's library.
#ifndef CHAINRULE_BACKEND_DEVICE_PRODUCTS_HPP
#define CHAINRULE_BACKEND_DEVICE_PRODUCTS_HPP

#include <array>
#include <cstddef>
#include <optional>

#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/kernels/gemm.hpp"
#include "chainrule/backend/device/maps.hpp"
#include "chainrule/backend/device/vendor_gemm.hpp"
#include "chainrule/backend/gemm_batch.hpp"

namespace chainrule {

template <class Runtime, class T>
class device_products : public device_maps<Runtime, T> {
  using base = device_maps<Runtime, T>;

 public:
  using base::base;
  using typename base::matrix, typename base::const_matrix;
  template <class U>
  using storage = device_storage<Runtime, U>;

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
           kernel_for("gemm", epilogue, {v.number(), sizeof...(In)},
                      [&] {
                        return device::gemm_kernel<T>(v, trace_of<sizeof...(In) + 1>(epilogue),
                                                      sizeof...(In));
                      }),
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
      this->reduce(reduction::sum{}, sums, reduce_scalars{beta_of_sums}, fn::identity{}, b);
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
      if (!device::is_small(s) && this->runtime()->multiply(vendor_gemm_of(c, a, b, scalars)))
        return alone();
    device::gemm_variant v = device::uncut_gemm_variant_for(s, gemm_device(), sizeof(T));
    v.sums = true;
    const device::gemm_geometry g = device::gemm_geometry_for(v, s.m, s.n);
    arguments list = product_arguments(c, a, b, scalars);
    list.buffer(sums.data());
    list.number(static_cast<T>(beta_of_sums));
    launch("gemm_and_sum",
           kernel_for("gemm", fn::identity{}, {v.number(), 0},
                      [&] { return device::gemm_kernel<T>(v, trace_of<1>(fn::identity{}), 0); }),
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
      if (this->runtime()->multiply(p)) return;
    }
    device::gemm_variant v = device::uncut_gemm_variant_for(s, gemm_device(), sizeof(T));
    v.is_batch = true;
    launch_batch("gemm_batch", v, s, count * s.k,
                 product_arguments(c.first, a.first, b.first, scalars), {c.step, a.step, b.step});
  }

 protected:
  using base::items, base::kernel_for, base::launch, base::on_cpu, base::overlap,
      base::require_apart;
  using typename base::arguments;

  /// What the plan of a product has to know.
  [[nodiscard]] device::gemm_device gemm_device() const {
    const device_info& i = this->info();
    return {on_cpu(), i.units, i.vector_bytes, i.group_items};
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
    launch(verb,
           kernel_for("gemm", fn::identity{}, {v.number(), 0},
                      [&] { return device::gemm_kernel<T>(v, trace_of<1>(fn::identity{}), 0); }),
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
    const storage<T> memory = this->allocate(s.count * s.m * s.n);
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
           kernel_for("added_parts", epilogue, {sizeof...(In)},
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
      if (((in.rows() == 1 && in.cols() == c.cols()) && ...) && this->runtime()->multiply(p))
        return true;
      if (*known == device::vendor_epilogue::none && sizeof...(In) == 0) return false;
      p.epilogue = device::vendor_epilogue::none;
      p.bias = {};
    }
    if (device::is_small({c.rows(), c.cols(), a.cols()})) return false;
    if (!this->runtime()->multiply(p)) return false;
    this->map(epilogue, c, c, in...);
    return true;
  }
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_PRODUCTS_HPP

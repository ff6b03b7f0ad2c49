/// \file
/// `device_windows`: convolution, pooling and resampling of images.
#ifndef CHAINRULE_BACKEND_DEVICE_WINDOWS_HPP
#define CHAINRULE_BACKEND_DEVICE_WINDOWS_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/kernels/convolution.hpp"
#include "chainrule/backend/device/kernels/pooling.hpp"
#include "chainrule/backend/device/rows.hpp"
#include "chainrule/backend/window.hpp"

namespace chainrule {

template <class Runtime, class T>
class device_windows : public device_rows<Runtime, T> {
  using base = device_rows<Runtime, T>;

 public:
  using base::base;
  using typename base::matrix, typename base::const_matrix;
  template <class U>
  using storage = device_storage<Runtime, U>;

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
    const storage<T> memory = this->allocate(w.size());
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
    const storage<T> memory = this->allocate((p.parts + (direct ? 0 : 1)) * size);
    run_pass(p, memory.data(), {0, 0, dw.cols(), size}, 0, x, of_dy, fn::identity{});
    const matrix parts(memory.data(), p.parts, size);
    const matrix total(memory.data() + p.parts * size, 1, size);
    this->reduce(reduction::sum{}, direct ? matrix(dw.data(), 1, size) : total,
                 reduce_scalars{direct ? scalars.beta : 0}, fn::identity{}, parts);
    if (direct) return;
    const matrix sum(total.data(), dw.rows(), dw.cols());
    if (scalars.beta == 0) return this->copy(dw, sum);
    this->map(detail::plus_scaled<fn::identity>{scalars.beta, {}}, dw, dw, sum);
  }

  // Pooling and resampling, as concept.hpp says. They throw shape_error, and value_error if an
  // operand is a part of a result.

  void max_pool(matrix y, matrix argmax, const_matrix x, const window& w) const {
    contract::max_pools(w, x.shape(), y.shape(), argmax.shape());
    const bool has_maxima = !y.empty();
    const bool has_argmax = !argmax.empty();
    pool(
        "max_pool", w, x.rows(), w.positions(),
        kernel_of("max_pool", {has_maxima, has_argmax},
                  [&] { return device::max_pool_kernel(pooling_lanes(), has_maxima, has_argmax); }),
        {y, argmax}, {x});
  }
  void unpool(matrix dx, const_matrix dy, const_matrix argmax, const window& w) const {
    contract::pools("unpool", w, dx.shape(), dy.shape());
    contract::pools("unpool", w, dx.shape(), argmax.shape());
    const bool is_dilated = w.height.dilation != 1 || w.width.dilation != 1;
    pool("unpool", w, dx.rows(), w.height.size * w.width.size,
         kernel_of("unpool", {is_dilated},
                   [&] { return device::unpool_kernel(pooling_lanes(), is_dilated); }),
         {dx}, {dy, argmax});
  }
  void resample(matrix y, const_matrix x, const resampling& r) const {
    contract::resamples(r, y.shape(), x.shape());
    pool("resample", r.window, x.rows(), r.to() / r.window.channels,
         kernel_of("resample", {static_cast<std::uint64_t>(r.weights), r.spreads},
                   [&] { return device::resample_kernel(pooling_lanes(), r.weights, r.spreads); }),
         {y}, {x});
  }

 protected:
  using typename base::arguments, typename base::kernel_handle;
  template <class U>
  using pointer = device_pointer<typename Runtime::buffer, U>;
  using base::gemm_device, base::items, base::kernel_for, base::kernel_of, base::launch,
      base::on_cpu, base::require_apart;

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
           kernel_for("convolve", f, {v.number(), sizeof...(In)},
                      [&] {
                        return device::convolution_kernel<T>(v, trace_of<sizeof...(In) + 1>(f),
                                                             sizeof...(In));
                      }),
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
             kernel_of("turn_weights", {}, [] { return device::turned_weights_kernel(); }),
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
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_WINDOWS_HPP

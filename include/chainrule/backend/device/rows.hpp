/// \file
/// `device_rows`: verbs of whole rows: softmax, losses, the largest element, gather and scatter;
/// transposition and random numbers.
#ifndef CHAINRULE_BACKEND_DEVICE_ROWS_HPP
#define CHAINRULE_BACKEND_DEVICE_ROWS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/kernels/gather.hpp"
#include "chainrule/backend/device/kernels/random.hpp"
#include "chainrule/backend/device/kernels/row_softmax.hpp"
#include "chainrule/backend/device/kernels/scatter.hpp"
#include "chainrule/backend/device/kernels/transpose.hpp"
#include "chainrule/backend/device/products.hpp"

namespace chainrule {

template <class Runtime, class T>
class device_rows : public device_products<Runtime, T> {
  using base = device_products<Runtime, T>;

 public:
  using base::base;
  using typename base::matrix, typename base::const_matrix, typename base::counter,
      typename base::traced_functor;
  template <class U>
  using view = device_view<Runtime, U>;

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
           kernel_for("gather_pair", f, {device::type_number<Element>()},
                      [&] {
                        return device::gather_pair_kernel<Element>(
                            device::gathered_scalars<T>(trace_of<1>(f)).function, on_cpu());
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
    launch("copy_at", kernel_of("copy_at", {}, [] { return device::copy_at_kernel(); }),
           items(source.cols(), source.rows()), a);
  }

  /// y = e^x / Σ e^x in each row, assigned; y may be x.
  void softmax_rows(const_matrix x, matrix y) const {
    contract::same_shape("softmax_rows", x.shape(), y.shape());
    per_row("softmax_rows", x, y, device::softmax_rows_kernel);
  }
  /// out (n x 1) = log Σ e^x of each row, assigned; infinite where the row's maximum is.
  void log_sum_exp_rows(const_matrix x, matrix out) const {
    contract::same_shape("log_sum_exp_rows", {x.rows(), 1}, out.shape());
    per_row("log_sum_exp_rows", x, out, device::log_sum_exp_rows_kernel);
  }
  /// argmax (n x 1) = the number of the first largest element of each row, as a scalar; infinity
  /// if there is NaN.
  void argmax_rows(const_matrix x, matrix argmax) const {
    contract::same_shape("argmax_rows", {x.rows(), 1}, argmax.shape());
    per_row("argmax_rows", x, argmax, device::argmax_rows_kernel);
  }

  /// out (n x 1) = 1 where the first largest element of a row is that of its class number (n x 1),
  /// else 0; 0 if there is NaN.
  void argmax_matches_rows(const_matrix x, const_matrix classes, matrix out) const {
    constexpr const char* verb = "argmax_matches_rows";
    contract::same_shape(verb, {x.rows(), 1}, out.shape());
    contract::same_shape(verb, {x.rows(), 1}, classes.shape());
    per_row(verb, x, out, device::argmax_matches_rows_kernel, classes);
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
           kernel_for(verb, functors{term, derivative, end},
                      {work.team.code(), more.code(), by_class, wanted}, text),
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
           kernel_of(verb, {t.team.code(), more.code(), by_class, wanted},
                     [&] {
                       return device::softmax_cross_entropy_rows_kernel(t.team, by_class, wanted,
                                                                        more);
                     }),
           t.items(), a);
  }

  /// As concept.hpp says; rows that do not exist are left out.
  void scatter(matrix target, view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter", target.shape(), rows.shape(), source.shape());
    if (source.empty()) return;
    launch("scatter", kernel_of("scatter", {}, [] { return device::scatter_kernel(); }),
           items(source.cols(), source.rows()), scattering(target, rows, source));
  }
  void scatter_add(matrix target, view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter_add", target.shape(), rows.shape(), source.shape());
    if (source.empty() || target.empty()) return;
    const device::scatter_task t =
        device::scatter_task_for(source.rows(), source.cols(), target.rows(), on_cpu());
    launch("scatter_add", kernel_of("scatter_add", {}, [] { return device::scatter_add_kernel(); }),
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
    launch("transpose", kernel_of("transpose", {}, [] { return device::transpose_kernel(); }),
           device::transpose_items(target.shape()), a);
  }

 protected:
  using base::items, base::kernel_for, base::kernel_of, base::launch, base::on_cpu,
      base::require_apart;
  using typename base::arguments, typename base::kernel_handle;

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

  /// A verb that reads the rows of x and writes those of out.
  template <class Text>
  void per_row(const char* verb, const_matrix x, matrix out, Text&& text,
               const auto&... more) const {
    if (out.empty()) return;
    const device::row_task t = device::row_task_for(x.shape(), on_cpu(), sizeof(T));
    arguments a;
    a.integers(x.rows(), x.cols(), t.each);
    a.target(x);
    a.target(out);
    (a.target(more), ...);
    launch(verb, kernel_of(verb, {t.team.code()}, [&] { return text(t.team); }), t.items(), a);
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
    launch("random", kernel_of("random", {later != nullptr}, text),
           items((first % per_block + out.size() + per_block - 1) / per_block, 1), a);
  }

  template <class U, class F>
  void gather_scalars(matrix out, view<U> source, view<const std::int32_t> rows, const counter* at,
                      index_t step, const F& f) const {
    if (out.empty()) return;
    using Element = std::remove_const_t<U>;
    const auto text = [&] {
      return device::gather_kernel<Element>(device::gathered_scalars<T>(trace_of<1>(f)),
                                            at != nullptr, on_cpu());
    };
    gather_by(kernel_for("gather", f, {device::type_number<Element>(), at != nullptr}, text), out,
              source, rows, at, step);
  }
  void gather_integers(view<std::int32_t> out, view<const std::int32_t> source,
                       view<const std::int32_t> rows, const counter* at, index_t step) const {
    if (out.empty()) return;
    const auto text = [&] {
      return device::gather_kernel<std::int32_t>(device::gathered_integers(), at != nullptr,
                                                 on_cpu());
    };
    gather_by(kernel_of("gather", {at != nullptr}, text), out, source, rows, at, step);
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
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_ROWS_HPP

/// \file
/// `minimal_backend<T>`: all that a backend has to have, in plain loops and nothing more.
///
///     minimal_backend<float> be;
///     network net{be, dense{784, 128, relu{}}, dense{128, 10}};
///
/// It is what docs/backend-guide.md walks through: where to begin with a backend of one's own. Its
/// memory is addressed by a type of its own that nobody else can look behind, as on a device, so
/// the suites that run on it also prove that nothing above the verbs takes a plain pointer for
/// granted. See backend/concept.hpp for what the verbs mean.
#ifndef CHAINRULE_TESTS_SUPPORT_MINIMAL_BACKEND_HPP
#define CHAINRULE_TESTS_SUPPORT_MINIMAL_BACKEND_HPP

#include <array>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/core/philox.hpp"
#include "chainrule/pointwise/dual.hpp"

namespace support {

using namespace chainrule;

template <class T>
class minimal_backend;

/// An address in the backend's memory: can be moved on and made const, but only the backend reads.
template <class T>
class far_pointer {
 public:
  far_pointer() = default;
  explicit far_pointer(T* address) : address_(address) {}
  // NOLINTNEXTLINE: implicit by design, a pointer to const elements
  operator far_pointer<const T>() const requires(!std::is_const_v<T>) {
    return far_pointer<const T>(address_);
  }
  friend far_pointer operator+(far_pointer p, index_t n) { return far_pointer(p.address_ + n); }

 private:
  template <class>
  friend class minimal_backend;
  T* address_ = nullptr;
};

/// Elements that have an owner. Move-only.
template <class T>
class far_storage {
 public:
  far_storage() = default;
  explicit far_storage(index_t size) : size_(size) {
    if (size < 0)
      throw value_error(chainrule::detail::concat("cannot allocate ", size, " elements"));
    elements_ = std::make_unique_for_overwrite<T[]>(static_cast<std::size_t>(size));
    // Not initialised, says the concept; nothing but ones is NaN, so that its use shows.
    std::memset(elements_.get(), 0xff, static_cast<std::size_t>(size) * sizeof(T));
  }

  [[nodiscard]] far_pointer<T> data() const { return far_pointer<T>(elements_.get()); }
  [[nodiscard]] index_t size() const { return size_; }
  /// All elements as one row.
  [[nodiscard]] matrix_view<T, far_pointer<T>> view() const { return {data(), 1, size_}; }

 private:
  std::unique_ptr<T[]> elements_;
  index_t size_ = 0;
};

template <class T>
class minimal_backend {
 public:
  using scalar = T;
  template <class U>
  using view = matrix_view<U, far_pointer<U>>;
  using matrix = view<T>;
  using const_matrix = view<const T>;
  template <class U>
  using storage = far_storage<U>;
  template <class U>
  using rebind = minimal_backend<U>;

  [[nodiscard]] std::string name() const { return "minimal"; }
  void synchronize() const {}  // every verb is done when it returns

  template <class U = T>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    return storage<U>(size);
  }

  // Copies: the second argument converts to what the first one asks for.
  template <class U>
  void upload(view<U> target, std::type_identity_t<matrix_view<const U>> host) const {
    contract::same_shape("upload", target.shape(), host.shape());
    each(target.shape(), [&](index_t i, index_t j) { at(target, i, j) = host(i, j); });
  }
  template <class U>
  void download(matrix_view<U> host, std::type_identity_t<view<const U>> source) const {
    contract::same_shape("download", host.shape(), source.shape());
    each(host.shape(), [&](index_t i, index_t j) { host(i, j) = at(source, i, j); });
  }
  template <class U>
  void copy(view<U> target, std::type_identity_t<view<const U>> source) const {
    contract::same_shape("copy", target.shape(), source.shape());
    each(target.shape(), [&](index_t i, index_t j) { at(target, i, j) = at(source, i, j); });
  }

  template <class F, std::size_t Outs, class... In>
  void map(const F& f, const std::array<matrix, Outs>& out, const In&... in) const {
    const matrix_shape whole = out[0].shape();
    for (const matrix& o : out) contract::same_shape("map", whole, o.shape());
    (contract::broadcasts("map", in.shape(), whole), ...);
    each(whole, [&](index_t i, index_t j) {
      // All results before the first is stored: out may be one of the operands.
      const std::array<T, Outs> results = call(f, repeated(in, i, j)...);
      for (std::size_t o = 0; o < Outs; ++o) at(out[o], i, j) = results[o];
    });
  }
  template <class F, class... In>
  void map(const F& f, matrix out, const In&... in) const {
    map(f, std::array<matrix, 1>{out}, in...);
  }

  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, const F& f, const In&... in) const {
    combine(op, out, T(0), f, in...);
  }
  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, reduce_scalars scalars, const F& f, const In&... in) const {
    chainrule::detail::require_sum<Op>();
    combine(op, out, static_cast<T>(scalars.beta), f, in...);
  }

  template <class Epilogue = fn::identity, class... In>
  void gemm(matrix c, gemm_operand<const_matrix> a, gemm_operand<const_matrix> b,
            gemm_scalars scalars = {}, const Epilogue& epilogue = {}, const In&... in) const {
    contract::product(c.shape(), {a.rows(), a.cols()}, {b.rows(), b.cols()});
    (contract::broadcasts("gemm", in.shape(), c.shape()), ...);
    each(c.shape(), [&](index_t i, index_t j) {
      T sum = 0;
      for (index_t k = 0; k < a.cols(); ++k) sum += at(a, i, k) * at(b, k, j);
      sum *= static_cast<T>(scalars.alpha);
      // With beta = 0, c is not read: it may hold NaN.
      if (scalars.beta != 0) sum += static_cast<T>(scalars.beta) * at(c, i, j);
      at(c, i, j) = call(epilogue, sum, repeated(in, i, j)...)[0];
    });
  }

  void random(matrix out, std::uint64_t seed, std::uint64_t stream, index_t first = 0) const {
    each(out.shape(), [&](index_t i, index_t j) {
      const auto e = static_cast<std::uint64_t>(first + i * out.cols() + j);
      if constexpr (std::same_as<T, float>) {
        at(out, i, j) = to_unit_float(philox(seed, stream, e / 4)[e % 4]);
      } else {
        const auto words = philox(seed, stream, e / 2);
        at(out, i, j) = to_unit_double(words[2 * (e % 2)], words[2 * (e % 2) + 1]);
      }
    });
  }

  /// Index -1 gives zeros. Another row that does not exist gives NaN, as on every backend whose
  /// memory the host does not see.
  template <class U, class F = fn::identity>
  void gather(matrix out, view<U> source, view<const std::int32_t> rows, const F& f = {}) const {
    gather_rows(out, source, rows, std::numeric_limits<T>::quiet_NaN(),
                [&](U x) { return call(f, static_cast<T>(x))[0]; });
  }
  /// int32 as they are; the smallest stands for a row that does not exist.
  void gather(view<std::int32_t> out, view<const std::int32_t> source,
              view<const std::int32_t> rows) const {
    gather_rows(out, source, rows, std::numeric_limits<std::int32_t>::min(),
                [](std::int32_t x) { return x; });
  }

  void scatter_add(matrix target, view<const std::int32_t> rows, const_matrix source) const {
    contract::scatters("scatter_add", target.shape(), rows.shape(), source.shape());
    each(source.shape(), [&](index_t i, index_t j) {
      const index_t row = at(rows, 0, i);
      if (row >= 0 && row < target.rows()) at(target, row, j) += at(source, i, j);
    });
  }

 private:
  /// Every value of f combined with the element of out that it belongs to, which begins at beta
  /// times what it was.
  template <class Op, class F, class... In>
  void combine(const Op& op, matrix out, T beta, const F& f, const In&... in) const {
    const matrix_shape whole = contract::broadcast(in.shape()...);
    (contract::broadcasts("reduce", in.shape(), whole), ...);
    contract::reduces(out.shape(), whole);
    each(out.shape(), [&](index_t i, index_t j) {
      // With beta = 0, out is not read: it may hold NaN.
      at(out, i, j) = beta == 0 ? Op::template identity<T>() : beta * at(out, i, j);
    });
    each(whole, [&](index_t i, index_t j) {
      T& total = repeated(out, i, j);
      total = static_cast<T>(op(total, call(f, repeated(in, i, j)...)[0]));
    });
  }

  template <class V, class U, class F>
  static void gather_rows(view<V> out, view<U> source, view<const std::int32_t> rows, V missing,
                          const F& f) {
    contract::gathers(out.shape(), source.shape(), rows.shape());
    each(out.shape(), [&](index_t i, index_t j) {
      const index_t row = at(rows, 0, i);
      const bool exists = row >= 0 && row < source.rows();
      at(out, i, j) = exists ? f(at(source, row, j)) : row == -1 ? V(0) : missing;
    });
  }

  template <class Visit>
  static void each(matrix_shape s, Visit&& visit) {
    for (index_t i = 0; i < s.rows; ++i)
      for (index_t j = 0; j < s.cols; ++j) visit(i, j);
  }

  template <class U>
  static U& at(const view<U>& m, index_t i, index_t j) {
    return m.data().address_[i * m.stride() + j];
  }
  static T at(const gemm_operand<const_matrix>& m, index_t i, index_t j) {
    return m.is_transposed ? at(m.view, j, i) : at(m.view, i, j);
  }
  /// The element at (i, j) of a matrix that is repeated along its extents of 1.
  template <class U>
  static U& repeated(const view<U>& m, index_t i, index_t j) {
    return at(m, m.rows() == 1 ? 0 : i, m.cols() == 1 ? 0 : j);
  }

  /// f over one element of each operand; its result, or results, as plain numbers. Functors are
  /// called with dual numbers because plain ones lie in no namespace in which `where`, `exp` and
  /// the others would be found; the slopes are not used.
  template <class F, class... Values>
  static auto call(const F& f, Values... values) {
    using number = math::dual<T>;
    const auto result = f(number(static_cast<T>(values))...);
    const auto plain = [](const auto& x) { return math::convert<number>(x).value; };
    if constexpr (math::number<std::remove_const_t<decltype(result)>>)
      return std::array<T, 1>{plain(result)};
    else
      return std::apply([&](auto... x) { return std::array<T, sizeof...(x)>{plain(x)...}; },
                        result);
  }
};

static_assert(backend<minimal_backend<float>> && backend<minimal_backend<double>>);

}  // namespace support

#endif  // CHAINRULE_TESTS_SUPPORT_MINIMAL_BACKEND_HPP

/// \file
/// `device_backend<Runtime, T>`: every verb of a backend, written once for GPUs and their like.
///
/// A runtime supplies memory, copies, compilation of a kernel's text and its launch; the texts are
/// those of backend/device/kernels/. A verb queues its work and returns; only download and
/// synchronize wait. See backend/concept.hpp for what the verbs mean.
#ifndef CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP
#define CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "chainrule/backend/concept.hpp"
#include "chainrule/backend/contract.hpp"
#include "chainrule/backend/device/kernels/gather.hpp"
#include "chainrule/backend/device/kernels/gemm.hpp"
#include "chainrule/backend/device/kernels/map.hpp"
#include "chainrule/backend/device/kernels/random.hpp"
#include "chainrule/backend/device/kernels/reduce.hpp"

namespace chainrule {

/// Elements in a device's memory. Move-only; keeps the device open.
template <class Runtime, class T>
class device_storage {
 public:
  using pointer = typename Runtime::template pointer<T>;

  device_storage() = default;
  device_storage(std::shared_ptr<Runtime> runtime, index_t size)
      : runtime_(std::move(runtime)),
        buffer_(runtime_->allocate(static_cast<std::size_t>(size) * sizeof(T))),
        size_(size) {}
  device_storage(device_storage&& other) noexcept
      : runtime_(std::move(other.runtime_)),
        buffer_(std::exchange(other.buffer_, {})),
        size_(std::exchange(other.size_, 0)) {}
  device_storage& operator=(device_storage&& other) noexcept {
    std::swap(runtime_, other.runtime_);
    std::swap(buffer_, other.buffer_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~device_storage() {
    if (runtime_) Runtime::release(buffer_);
  }

  [[nodiscard]] pointer data() const { return {buffer_, 0}; }
  [[nodiscard]] index_t size() const { return size_; }
  /// All elements as one row.
  [[nodiscard]] matrix_view<T, pointer> view() const { return {data(), 1, size_}; }

 private:
  std::shared_ptr<Runtime> runtime_;
  typename Runtime::buffer buffer_{};
  index_t size_ = 0;
};

template <class Runtime, class T>
class device_backend {
  template <class U>
  using pointer = typename Runtime::template pointer<U>;
  using argument = typename Runtime::argument;
  using kernel_handle = decltype(std::declval<Runtime&>().kernel(std::string{}));

 public:
  using scalar = T;
  template <class U>
  using view = matrix_view<U, pointer<U>>;
  using matrix = view<T>;
  using const_matrix = view<const T>;
  template <class U>
  using storage = device_storage<Runtime, U>;
  template <class U>
  using rebind = device_backend<Runtime, U>;

  /// Works on the device that all handles made so share; the first opens it. Throws backend_error
  /// if there is none, or if it does not know the scalar.
  device_backend() : state_(shared_state()) { require_scalar(); }
  /// The same device with another scalar.
  template <class U>
  explicit device_backend(const device_backend<Runtime, U>& other)
      : state_(std::make_shared<state>(other.runtime())) {
    require_scalar();
  }

  [[nodiscard]] const std::shared_ptr<Runtime>& runtime() const { return state_->runtime; }
  [[nodiscard]] std::string name() const { return Runtime::api; }
  [[nodiscard]] std::string device_name() const { return state_->runtime->device_name(); }

  template <class U = T>
  [[nodiscard]] storage<U> allocate(index_t size) const {
    if (size < 0) throw value_error(detail::concat("cannot allocate ", size, " elements"));
    return storage<U>(state_->runtime, size);
  }

  void synchronize() const { state_->runtime->synchronize(); }

  template <class U>
  void upload(view<U> target, matrix_view<const U> host) const {
    contract::same_shape("upload", target.shape(), host.shape());
    if (target.empty()) return;
    state_->runtime->write(target.data().buffer, rectangle_of(target), host.data(),
                           bytes<U>(host.stride()), bytes<U>(host.cols()),
                           static_cast<std::size_t>(host.rows()));
  }
  void upload(matrix target, matrix_view<const T> host) const { upload<T>(target, host); }

  template <class U>
  void download(matrix_view<U> host, view<const U> source) const {
    contract::same_shape("download", host.shape(), source.shape());
    if (host.empty()) return;
    state_->runtime->read(host.data(), bytes<U>(host.stride()), source.data().buffer,
                          rectangle_of(source), bytes<U>(host.cols()),
                          static_cast<std::size_t>(host.rows()));
  }
  void download(matrix_view<T> host, const_matrix source) const { download<T>(host, source); }

  void copy(matrix target, const_matrix source) const {
    contract::same_shape("copy", target.shape(), source.shape());
    map(fn::identity{}, target, source);
  }

  template <class F, class... In>
  void map(const F& f, matrix out, const In&... in) const {
    map(f, std::array<matrix, 1>{out}, in...);
  }
  template <class F, std::size_t Outs, class... In>
  void map(const F& f, const std::array<matrix, Outs>& out, const In&... in) const {
    const shape whole = out[0].shape();
    for (const matrix& o : out) contract::same_shape("map", whole, o.shape());
    arguments a;
    a.integers(whole.rows, whole.cols);
    for (const matrix& o : out) a.target(o);
    (a.operand("map", const_matrix(in), whole), ...);
    if (whole.size() == 0) return;
    launch(kernel_for(
               "map", f,
               [&] { return device::map_kernel<T>(trace_of<sizeof...(In)>(f), sizeof...(In)); }),
           whole.cols, whole.rows, a);
  }

  template <class Op, class F, class... In>
  void reduce(const Op& op, matrix out, const F& f, const In&... in) const {
    static_assert(sizeof...(In) > 0, "chainrule: reduce needs at least one operand");
    const shape whole = contract::broadcast(const_matrix(in).shape()...);
    (contract::broadcasts("reduce", in.shape(), whole), ...);
    contract::reduces(out.shape(), whole);
    if (out.shape() == whole) return map(f, out, in...);
    if (out.size() == 1) return reduce_all(op, out, f, whole, in...);
    reduce_by(out.cols() == 1 ? device::walk::row : device::walk::column, op, out, f, whole, in...);
  }

  template <class Epilogue = fn::identity, class... In>
  void gemm(matrix c, gemm_operand<const_matrix> a, gemm_operand<const_matrix> b,
            gemm_scalars scalars = {}, const Epilogue& epilogue = {}, const In&... in) const {
    contract::product(c.shape(), {a.rows(), a.cols()}, {b.rows(), b.cols()});
    arguments list;
    list.integers(c.rows(), c.cols(), a.cols());
    list.number(static_cast<T>(scalars.alpha));
    list.number(static_cast<T>(scalars.beta));
    list.target(c);
    list.factor(a);
    list.factor(b);
    (list.operand("gemm", const_matrix(in), c.shape()), ...);
    if (c.empty()) return;
    launch(kernel_for("gemm", epilogue,
                      [&] {
                        return device::gemm_kernel<T>(trace_of<sizeof...(In) + 1>(epilogue),
                                                      sizeof...(In));
                      }),
           (c.cols() + device::tile_cols - 1) / device::tile_cols,
           (c.rows() + device::tile_rows - 1) / device::tile_rows, list);
  }

  void random(matrix out, std::uint64_t seed, std::uint64_t stream) const {
    if (out.empty()) return;
    constexpr index_t per_block = sizeof(T) == sizeof(float) ? 4 : 2;
    arguments a;
    a.integers(out.rows(), out.cols());
    a.target(out);
    a.integers(static_cast<index_t>(seed), static_cast<index_t>(stream));
    launch(kernel_for("random", fn::identity{}, [] { return device::random_kernel<T>(); }),
           (out.size() + per_block - 1) / per_block, 1, a);
  }

  /// As concept.hpp says, but a row that does not exist gives NaN: the host does not see the
  /// numbers.
  template <class U, class F = fn::identity>
  void gather(matrix out, view<U> source, view<const std::int32_t> rows, const F& f = {}) const {
    contract::gathers(out.shape(), source.shape(), rows.shape());
    if (out.empty()) return;
    arguments a;
    a.integers(out.rows(), out.cols());
    a.target(out);
    a.buffer(source.data());
    a.integers(source.stride(), source.rows());
    a.buffer(rows.data());
    using Element = std::remove_const_t<U>;
    launch(kernel_for(device::type_name<Element>(), f,
                      [&] { return device::gather_kernel<T, Element>(trace_of<1>(f)); }),
           out.cols(), out.rows(), a);
  }
  template <class U, class F = fn::identity>
  void gather(matrix out, view<U> source, view<std::int32_t> rows, const F& f = {}) const {
    gather(out, source, view<const std::int32_t>(rows), f);
  }

 private:
  /// What copies of a handle share.
  struct state {
    explicit state(std::shared_ptr<Runtime> r) : runtime(std::move(r)) {}
    std::shared_ptr<Runtime> runtime;
    std::mutex mutex;
    std::map<std::string, kernel_handle> kernels;  // by verb, functor type and constants
  };

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
    void target(const matrix& m) {
      buffer(m.data());
      integers(m.stride());
    }
    void factor(const gemm_operand<const_matrix>& f) {
      buffer(f.view.data());
      f.is_transposed ? integers(1, f.view.stride()) : integers(f.view.stride(), 1);
    }
    void operand(const char* verb, const const_matrix& m, shape whole) {
      contract::broadcasts(verb, m.shape(), whole);
      buffer(m.data());
      integers(m.rows() == 1 ? 0 : m.stride(), m.cols() == 1 && whole.cols != 1 ? 0 : 1);
    }
    [[nodiscard]] const std::vector<argument>& list() const { return list_; }

   private:
    template <class Value>
    void add(const Value& value) {
      argument a;
      static_assert(sizeof value <= sizeof a.bytes);
      a.size = sizeof value;
      std::memcpy(a.bytes.data(), &value, sizeof value);
      list_.push_back(a);
    }
    std::vector<argument> list_;
  };

  static const std::shared_ptr<state>& shared_state() {
    static const auto shared = std::make_shared<state>(Runtime::shared());
    return shared;
  }

  void require_scalar() const {
    if (sizeof(T) == sizeof(double) && !state_->runtime->has_double())
      throw backend_error(detail::concat(Runtime::api, ": the device ", device_name(),
                                         " has no double precision; use float"));
  }

  template <class U>
  static std::size_t bytes(index_t elements) {
    return static_cast<std::size_t>(elements) * sizeof(U);
  }
  template <class U>
  static auto rectangle_of(const view<U>& m) {
    return typename Runtime::rectangle{bytes<U>(m.data().offset), bytes<U>(m.stride())};
  }

  /// The kernel of a verb for a functor. Its text is made and built once per type and constants
  /// where the functor is a plain value; a functor that holds more is traced at every call.
  template <class F, class Text>
  [[nodiscard]] kernel_handle kernel_for(const std::string& verb, const F& f, Text&& text) const {
    const auto build = [&] {
      return state_->runtime->kernel(
          detail::concat("typedef ", device::type_name<T>(), " real;\n", scalar_prelude(), text()));
    };
    if constexpr (!std::is_trivially_copyable_v<F>) {
      return build();
    } else {
      std::string key = detail::concat(verb, ' ', typeid(F).name(), ' ');
      if constexpr (!std::is_empty_v<F>) key.append(reinterpret_cast<const char*>(&f), sizeof f);
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->kernels.find(key);
      return found != state_->kernels.end()
                 ? found->second
                 : state_->kernels.emplace(std::move(key), build()).first->second;
    }
  }

  /// Functions that the vocabulary has and C has not, or not on every device: a tanh that reaches 1
  /// where it rounds to it, so that a sigmoid stays within [0, 1].
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

  void launch(kernel_handle k, index_t width, index_t height, const arguments& a) const {
    state_->runtime->launch(k, static_cast<std::size_t>(width), static_cast<std::size_t>(height),
                            a.list());
  }

  template <class Op, class F, class... In>
  void reduce_by(device::walk w, const Op& op, matrix out, const F& f, shape whole,
                 const In&... in) const {
    arguments a;
    a.integers(whole.rows, whole.cols);
    a.buffer(out.data());
    a.integers(w == device::walk::row ? out.stride() : 1);
    (a.operand("reduce", const_matrix(in), whole), ...);
    const index_t runs = (whole.size() + device::elements_per_run - 1) / device::elements_per_run;
    const index_t width = w == device::walk::row      ? whole.rows
                          : w == device::walk::column ? whole.cols
                                                      : (runs < 1 ? 1 : runs);
    if (width == 0) return;
    const std::string verb = detail::concat("reduce ", static_cast<int>(w), typeid(Op).name(), ' ');
    launch(kernel_for(verb.c_str(), f,
                      [&] {
                        return device::reduce_kernel<T>(trace_of<sizeof...(In)>(f), sizeof...(In),
                                                        trace_of<2>(op), neutral(op), w);
                      }),
           width, 1, a);
  }

  /// Runs first, then the runs' results, and so on until one is left.
  template <class Op, class F, class... In>
  void reduce_all(const Op& op, matrix out, const F& f, shape whole, const In&... in) const {
    const index_t runs = (whole.size() + device::elements_per_run - 1) / device::elements_per_run;
    if (runs <= 1) return reduce_by(device::walk::run, op, out, f, whole, in...);
    const storage<T> partial = allocate<T>(runs);
    reduce_by(device::walk::run, op, partial.view(), f, whole, in...);
    reduce_all(op, out, fn::identity{}, {1, runs}, partial.view());
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

  std::shared_ptr<state> state_;
};

}  // namespace chainrule

#endif  // CHAINRULE_BACKEND_DEVICE_DEVICE_BACKEND_HPP

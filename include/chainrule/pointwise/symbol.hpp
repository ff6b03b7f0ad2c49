/// \file
/// `symbol`: the number type that records the operations of a functor.
///
/// Evaluated over symbols, a generic functor yields a list of operations; printed for a scalar, the
/// list is C code that is valid in CUDA C++ and in OpenCL C. `dual<symbol>` gives the code of the
/// derivative. Equal operations are recorded once.
///
///     trace t = trace_of<1>(silu{});  // one operand
///     t.print<float>();   // "const real v1 = ...;" lines over x0; t.result(0) names the result
///
/// Constants keep double precision until they are printed. A functor cannot branch on a symbol:
/// `if (x > 0)` does not compile, and the message says what to write.
#ifndef CHAINRULE_POINTWISE_SYMBOL_HPP
#define CHAINRULE_POINTWISE_SYMBOL_HPP

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/pointwise/dual.hpp"

namespace chainrule {

namespace math {
struct symbol;
struct symbol_mask;
}  // namespace math

/// The operations of a functor, in an order in which they can be executed.
class trace {
 public:
  enum class kind : std::uint8_t { operand, constant, infix, prefix, call, choice };

  /// One operation: its text (an operator or the name of a function) and the numbers of the
  /// operations that give its operands.
  struct operation {
    kind what = kind::constant;
    std::string text;
    int a = -1;
    int b = -1;
    int c = -1;
    double value = 0;       // of a constant
    bool is_truth = false;  // a truth value, not a number

    using key_type = std::tuple<kind, std::string, int, int, int, std::uint64_t>;
    [[nodiscard]] key_type key() const {
      return {what, text, a, b, c, std::bit_cast<std::uint64_t>(value)};
    }
  };

  /// Adds an operation, unless there is an equal one, and returns its number.
  int add(const operation& o) {
    const auto [place, is_new] = numbers_.emplace(o.key(), static_cast<int>(operations_.size()));
    if (is_new) operations_.push_back(o);
    return place->second;
  }

  /// Declares the next result.
  void add_result(int number) { results_.push_back(number); }

  [[nodiscard]] const std::vector<operation>& operations() const { return operations_; }
  [[nodiscard]] std::size_t results() const { return results_.size(); }
  /// The variable that holds a result.
  [[nodiscard]] std::string result(std::size_t i) const { return variable(results_.at(i)); }

  /// A line per operation that the results need: "const real v3 = v1 * v2;". The operands are
  /// called x0, x1, ...; `real` is the scalar's name in the kernel, and the functions beyond those
  /// of C are in the prelude of the backend.
  template <std::floating_point T>
  [[nodiscard]] std::string print(const std::string& indent = "  ") const {
    std::vector<bool> needed(operations_.size());
    for (const int r : results_) needed[static_cast<std::size_t>(r)] = true;
    for (std::size_t i = operations_.size(); i-- > 0;)
      if (needed[i])
        for (const int from : {operations_[i].a, operations_[i].b, operations_[i].c})
          if (from >= 0) needed[static_cast<std::size_t>(from)] = true;
    std::string text;
    for (std::size_t i = 0; i < operations_.size(); ++i)
      if (needed[i])
        text += indent + (operations_[i].is_truth ? "const int " : "const real ") +
                variable(static_cast<int>(i)) + " = " + expression<T>(operations_[i]) + ";\n";
    return text;
  }

  /// The current trace of this thread. Throws value_error if there is none.
  static trace& current() {
    if (writing() == nullptr)
      throw value_error("a symbol was made outside of a trace; use trace_of(functor, operands)");
    return *writing();
  }

  /// Makes `t` the current trace of this thread while the scope lives.
  class scope {
   public:
    explicit scope(trace& t) : before_(std::exchange(writing(), &t)) {}
    ~scope() { writing() = before_; }
    scope(const scope&) = delete;
    scope& operator=(const scope&) = delete;

   private:
    trace* before_;
  };

 private:
  static trace*& writing() {
    thread_local trace* t = nullptr;
    return t;
  }

  static std::string variable(int number) { return "v" + std::to_string(number); }

  /// The constant rounded to T, as a hexadecimal literal.
  template <std::floating_point T>
  static std::string literal(double value) {
    const T rounded = static_cast<T>(value);
    if (rounded != rounded) return "cr_nan";
    if (rounded - rounded != 0) return rounded > 0 ? "cr_infinity" : "(-cr_infinity)";
    char text[48];
    std::snprintf(text, sizeof text, "(%a%s)", static_cast<double>(rounded),
                  sizeof(T) == sizeof(float) ? "f" : "");
    return text;
  }

  template <std::floating_point T>
  static std::string expression(const operation& o) {
    switch (o.what) {
      case kind::operand:
        return o.text;
      case kind::constant:
        return literal<T>(o.value);
      case kind::infix:
        return variable(o.a) + " " + o.text + " " + variable(o.b);
      case kind::prefix:
        return o.text + variable(o.a);
      case kind::call:
        return o.text + "(" + variable(o.a) + (o.b < 0 ? "" : ", " + variable(o.b)) + ")";
      case kind::choice:
        return variable(o.a) + " ? " + variable(o.b) + " : " + variable(o.c);
    }
    return {};
  }

  std::vector<operation> operations_;
  std::vector<int> results_;
  std::map<operation::key_type, int> numbers_;
};

namespace math {

/// The result of a comparison of symbols.
struct symbol_mask {
  using number_type = symbol;
  /// Number of the line in the trace.
  int number = -1;

  friend symbol_mask operator&(symbol_mask a, symbol_mask b) { return join("&&", a, b); }
  friend symbol_mask operator|(symbol_mask a, symbol_mask b) { return join("||", a, b); }
  friend symbol_mask operator!(symbol_mask a) {
    return {trace::current().add({trace::kind::prefix, "!", a.number, -1, -1, 0, true})};
  }

  /// Not a bool, because the value is known only when the kernel runs; a compile-time error says
  /// so.
  template <class Bool>
  requires std::same_as<Bool, bool>
  explicit operator Bool() const { return refuse_to_branch<Bool>(); }

 private:
  static symbol_mask join(const char* op, symbol_mask a, symbol_mask b) {
    return {trace::current().add({trace::kind::infix, op, a.number, b.number, -1, 0, true})};
  }
};

/// The result of an operation of the current trace.
struct symbol {
  /// Number of the line in the trace.
  int number = -1;

  symbol() = default;
  struct from_number {};
  /// The result that stands in line n of the trace.
  symbol(int n, from_number) : number(n) {}
  /// Adds the constant to the trace.
  template <constant C>
  explicit symbol(C c)
      : number(trace::current().add(
            {trace::kind::constant, "", -1, -1, -1, static_cast<double>(c), false})) {}

  /// Compile-time error for std::exp(x), which takes plain numbers only.
  template <class Plain>
  requires std::same_as<Plain, double>
  operator Plain() const { return refuse_plain_number<Plain>(); }  // NOLINT: implicit, to be found

  friend symbol operator-(symbol a) {
    return {trace::current().add({trace::kind::prefix, "-", a.number}), from_number{}};
  }
};

template <>
inline constexpr bool is_number<symbol> = true;

/// Two symbols, or a symbol and a constant.
template <class A, class B>
concept symbol_pair = (std::same_as<A, symbol> && (std::same_as<B, symbol> || constant<B>)) ||
                      (constant<A> && std::same_as<B, symbol>);

/// Adds `a op b` to the current trace.
template <class A, class B>
int infix(const char* op, const A& a, const B& b, bool is_truth) {
  return trace::current().add({trace::kind::infix, op, convert<symbol>(a).number,
                               convert<symbol>(b).number, -1, 0, is_truth});
}

/// The name of a function in kernels: C's, or that of the backends' prelude.
template <class Op>
std::string function_name() {
  if constexpr (std::same_as<Op, fn::abs>) return "fabs";
  for (const char* of_prelude : {"sign", "max", "min", "tanh"})
    if (Op::name == of_prelude) return std::string("cr_") + of_prelude;
  return std::string(Op::name);
}

#define CHAINRULE_SYMBOL_OPERATOR(op)                                     \
  template <class A, class B>                                             \
  requires symbol_pair<A, B> symbol operator op(const A& a, const B& b) { \
    return {infix(#op, a, b, false), symbol::from_number{}};              \
  }
CHAINRULE_SYMBOL_OPERATOR(+)
CHAINRULE_SYMBOL_OPERATOR(-)
CHAINRULE_SYMBOL_OPERATOR(*)
CHAINRULE_SYMBOL_OPERATOR(/)
#undef CHAINRULE_SYMBOL_OPERATOR
#define CHAINRULE_SYMBOL_COMPARISON(op)                                        \
  template <class A, class B>                                                  \
  requires symbol_pair<A, B> symbol_mask operator op(const A& a, const B& b) { \
    return {infix(#op, a, b, true)};                                           \
  }
CHAINRULE_SYMBOL_COMPARISON(<)
CHAINRULE_SYMBOL_COMPARISON(<=)
CHAINRULE_SYMBOL_COMPARISON(>)
CHAINRULE_SYMBOL_COMPARISON(>=)
CHAINRULE_SYMBOL_COMPARISON(==)
CHAINRULE_SYMBOL_COMPARISON(!=)
#undef CHAINRULE_SYMBOL_COMPARISON

inline symbol select(symbol_mask mask, symbol a, symbol b) {
  return {trace::current().add({trace::kind::choice, "", mask.number, a.number, b.number}),
          symbol::from_number{}};
}

template <class Op>
symbol evaluate(const Op&, symbol x) {
  if constexpr (std::derived_from<Op, composite<Op>>)
    return Op::value(x);
  else
    return {trace::current().add({trace::kind::call, function_name<Op>(), x.number}),
            symbol::from_number{}};
}
template <class Op>
symbol evaluate(const Op&, symbol a, symbol b) {
  return {trace::current().add({trace::kind::call, function_name<Op>(), a.number, b.number}),
          symbol::from_number{}};
}

}  // namespace math

/// The trace of `f` called with the symbols x0, x1, ...; the results of `f` (one, or a std::tuple)
/// are the results of the trace.
template <std::size_t Operands, class F>
[[nodiscard]] trace trace_of(const F& f) {
  trace t;
  const trace::scope writing(t);
  const auto result = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return f(math::symbol(t.add({trace::kind::operand, "x" + std::to_string(I)}),
                          math::symbol::from_number{})...);
  }
  (std::make_index_sequence<Operands>{});
  const auto add = [&](const auto& r) { t.add_result(math::convert<math::symbol>(r).number); };
  if constexpr (math::number<std::remove_cvref_t<decltype(result)>>)
    add(result);
  else
    std::apply([&](const auto&... r) { (add(r), ...); }, result);
  return t;
}

/// A functor of two numbers whose type is erased: its kernel is traced where only the values are
/// known. Equal functors have equal bytes.
class traced_functor {
 public:
  /// Whether a functor can be held: one that is a few numbers.
  template <class F>
  static constexpr bool holds = std::is_empty_v<F> ||
                                (std::is_trivially_copyable_v<F> && std::is_copy_assignable_v<F> &&
                                 sizeof(F) <= 32 && alignof(F) <= alignof(double));

  /// Holds a copy of f.
  template <class F>
  requires holds<F>
  explicit traced_functor(const F& f)
      : call_([](const std::byte* bytes, math::symbol a, math::symbol b) {
          const F& held = *std::launder(reinterpret_cast<const F*>(bytes));
          return math::convert<math::symbol>(held(a, b));
        }) {
    if constexpr (!std::is_empty_v<F>) {
      F values = f;
#if __has_builtin(__builtin_clear_padding)
      __builtin_clear_padding(&values);
#endif
      std::memcpy(bytes_.data(), &values, sizeof values);
    }
  }

  math::symbol operator()(math::symbol a, math::symbol b) const {
    return call_(bytes_.data(), a, b);
  }

 private:
  math::symbol (*call_)(const std::byte*, math::symbol, math::symbol);
  alignas(double) std::array<std::byte, 32> bytes_{};
};

}  // namespace chainrule

#endif  // CHAINRULE_POINTWISE_SYMBOL_HPP

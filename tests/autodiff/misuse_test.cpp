// What goes wrong, and what is said then.
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

namespace misuse_test {

using namespace differences;

TEMPLATE_LIST_TEST_CASE("misuse of variables is one clear sentence each", "[autodiff]", backends) {
  using B = TestType;
  tape<B> t;
  const auto x = t.variable(2, 3, {1, 2, 3, 4, 5, 6});
  const auto s = t.variable(2.0);
  const std::string nothing_to_do =
      "the result does not depend on any variable of the tape; make what gradients are wanted for "
      "with tape.variable, not under no_grad, and gradients that are differentiated again with "
      "{.create_graph = true}";

  CHECK(complaint<shape_error>([&] { backward(x * 2); }) ==
        "a gradient is that of a scalar, this variable is 2x3; reduce it to a 1x1 (sum, mean), or "
        "give a seed of its shape");
  CHECK(complaint<shape_error>([&] { backward(x * 2, s); }) ==
        "a seed of 1x1 does not fit a variable of 2x3; it needs the same shape");
  CHECK(complaint<value_error>([&] { backward(t.constant(1.0) * 2); }) == nothing_to_do);
  // Second derivatives of a first one that was made without them in mind would be 0.
  CHECK(complaint<value_error>([&] { (void)gradient(math::sum(gradient(s * s, s)), s); }) ==
        nothing_to_do);
  CHECK(gradient(math::sum(gradient(s * 3, s, {.create_graph = true})), s).item() == 0);
  CHECK(complaint<value_error>([&] { (void)x.gradient(); }) ==
        "this variable has no gradient; call backward on what was computed from it (an "
        "intermediate result keeps its own after retain_gradient)");
  CHECK(complaint<shape_error>([&] { (void)(x + t.filled(2, 2, 0)); }) ==
        "+: the shapes 2x3 and 2x2 do not broadcast; extents must be equal, or one of them 1");
  CHECK(complaint<shape_error>([&] { (void)matmul(x, x); }) ==
        "matmul: 2x3 by 2x3; the columns of the left factor must be as many as the rows of the "
        "right one");
  CHECK(complaint<shape_error>([&] { (void)x.item(); }) ==
        "item() gives the value of a 1x1, this variable is 2x3; use to_host(x)");
  CHECK(complaint<shape_error>([&] { (void)reshape(x, 2, 2); }) ==
        "reshape: 2x3 has 6 elements, 2x2 has others");
  CHECK(complaint<shape_error>([&] { (void)math::block(x, 1, 0, 2, 1); }) ==
        "the block of 2x1 at (1, 0) does not lie within a matrix of 2x3");
  CHECK(complaint<value_error>([&] {
          (void)gather(x, {0, 2});
        }) == "gather: row 2 of a variable of 2 rows");
  CHECK(complaint<shape_error>([&] {
          (void)math::concatenate_rows({x, s});
        }) == "concatenate_rows: 2x3 and 1x1 cannot be put together; they need as many columns");
  CHECK(complaint<shape_error>([&] {
          (void)t.variable(2, 2, {1, 2, 3});
        }) == "a matrix of 2x2 has 4 elements, 3 were given");
  CHECK(complaint<shape_error>([&] { (void)mean(t.filled(0, 3, 1)); }) ==
        "mean: a matrix of 0x3 has no elements");
  CHECK(complaint<value_error>([&] { (void)variable<B>(1).view(); }) ==
        "a constant stands where a variable of a tape is needed; make it one with "
        "tape.constant(value)");
}

namespace {

/// An op without a derivative.
struct halved {
  static constexpr std::string_view name = "halved";
  [[nodiscard]] matrix_shape shape(matrix_shape x) const { return x; }
  template <backend B>
  void forward(const B& be, matrix<B> y, const_matrix<B> x) const {
    be.map(fn::affine{0.5, 0}, y, x);
  }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("an op without a vjp is applied, and not differentiated", "[autodiff]",
                        backends) {
  tape<TestType> t;
  const auto x = t.variable(3.0);
  const auto y = math::apply(halved{}, x);
  CHECK(y.item() == 1.5);
  CHECK(complaint<value_error>([&] { backward(y); }) ==
        "the op halved cannot be differentiated: it has no vjp; compose it of ops that have one");
}

TEMPLATE_LIST_TEST_CASE("variables of two tapes do not meet", "[autodiff]", backends) {
  tape<TestType> one;
  tape<TestType> two;
  const auto x = one.variable(1.0);
  const auto y = two.variable(2.0);
  const std::string expected =
      "the operands of an operation belong to two tapes; make all of them on one, or take a value "
      "over with tape.constant(x.view())";
  CHECK(complaint<value_error>([&] { (void)(x + y); }) == expected);
  CHECK(complaint<value_error>([&] { (void)matmul(x, y); }) == expected);
  CHECK(complaint<value_error>([&] { (void)gradient(x * x, y); }) == expected);
  CHECK(complaint<value_error>([&] { backward(x * x, y); }) == expected);
  CHECK(complaint<value_error>([&] { (void)math::concatenate_cols({x, y}); }) == expected);
  CHECK((x + one.constant(y.view())).item() == 3);
}

TEMPLATE_LIST_TEST_CASE("variables know that their tape was destroyed", "[autodiff]", backends) {
  using B = TestType;
  const std::string expected =
      "this variable's tape was destroyed or cleared, and its value with it; keep the tape for as "
      "long as its variables are used";
  variable<B> x;
  variable<B> y;
  {
    tape<B> t;
    x = t.variable(1, 2, {1, 2});
    y = x * 2;
  }
  const auto copy = y;
  tape<B> another;  // may live where the first one did
  const auto z = another.variable(1, 2, {1, 2});
  CHECK(complaint<value_error>([&] { (void)x.view(); }) == expected);
  CHECK(complaint<value_error>([&] { (void)(copy + z); }) == expected);
  CHECK(complaint<value_error>([&] { backward(y, x); }) == expected);
  CHECK(complaint<value_error>([&] { (void)y.gradient(); }) == expected);

  const auto w = z * 2;
  another.clear();
  CHECK(another.size() == 0);
  CHECK(complaint<value_error>([&] { (void)w.view(); }) == expected);
  const auto fresh = another.variable(3.0);
  CHECK(complaint<value_error>([&] { (void)(fresh * w); }) == expected);
  CHECK((fresh * fresh).item() == 9);

  // A tape that is moved keeps its variables.
  tape<B> moved = std::move(another);
  CHECK((fresh + 1).item() == 4);
}

TEMPLATE_LIST_TEST_CASE("a second pass through a freed graph is refused", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(3.0);
  const auto h = x * x;
  const auto y = h + 1;
  backward(y);
  const std::string expected =
      "a backward pass went through this graph before and freed it; give that pass "
      "{.keep_graph = true} if another is to follow";
  CHECK(complaint<value_error>([&] { backward(y); }) == expected);
  CHECK(complaint<value_error>([&] { backward(h * 2); }) == expected);
  CHECK(x.gradient().item() == 6);  // as it was
  CHECK(y.item() == 10);
  backward(x * h.item());  // what is new is fine
  CHECK(x.gradient().item() == 15);
}

TEMPLATE_LIST_TEST_CASE("a pass that fails leaves the tape usable", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(3.0);
  const auto released = x * x;
  backward(released);
  x.clear_gradient();
  const auto y = x * 2 + released;
  CHECK(complaint<value_error>([&] { backward(y); }) != "");
  CHECK_FALSE(x.has_gradient());
  backward(x * 5);
  CHECK(x.gradient().item() == 5);
}

}  // namespace misuse_test

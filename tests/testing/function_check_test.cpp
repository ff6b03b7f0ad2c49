// The gradient checker of functions of variables: it passes what is right and fails what is wrong,
// each in its own way; on the CPU and on a backend as users write one.
#include "chainrule/testing/function_check.hpp"

#include "chainrule/autodiff/autodiff.hpp"
#include "chainrule/backend/cpu.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "support/minimal_backend.hpp"

namespace function_check_test {

using namespace chainrule;
using support::complaint;

namespace {

using checked = std::tuple<basic_cpu<double>, support::minimal_backend<double>>;

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

/// sin x, with a derivative of its own that is wrong beyond 2.
struct wrong_beyond_2 {
  auto operator()(auto x) const { return sin(x); }
  auto derivative(auto x, auto) const { return cos(x) * math::where(x > 2, 1.0001, 1); }
};

}  // namespace

// Not an unnamed namespace: clang would call members that only concepts look at unused.
namespace faults {

/// y = 2 x, whose backward writes nothing.
struct forgetful {
  static constexpr const char* name = "forgetful";
  [[nodiscard]] shape bind(plan& p, const shape& in) const { return p.input(in, 2); }
  template <backend B>
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    p.backend().map(fn::affine{2, 0}, y, x);
  }
  template <backend B>
  void backward(pass<B>&, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B>) const {}
  void describe(archive&) const {}
};

}  // namespace faults

TEMPLATE_LIST_TEST_CASE("the checker passes right functions and counts every element", "[testing]",
                        checked) {
  tape<TestType> t;
  const auto x = t.variable(2, 3, {0.1, -0.2, 0.3, 0.4, -0.5, 0.6});
  const auto w = t.variable(3, 4, {1, -1, 2, 3, 0.5, 1, 0, -2, 4, 2, 1, -0.3});
  const auto b = t.constant(1, 4, {0.1, 0.2, 0.3, 0.4});
  const auto used = to_host(x);
  const index_t size = t.size();
  const auto passes = [](const gradient_report& report, index_t count) {
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.worst > 0);  // differences are never exact
    CHECK(report.skipped == 0);
    CHECK(report.compared == count);
    CHECK(to_string(report).find("gradients agree: worst relative error ") == 0);
    CHECK(to_string(report).find(" at input ") != std::string::npos);
  };
  const function_check_options again{.second_order = true};

  SECTION("of one variable, element by element") {
    const auto f = [](const auto& a) { return exp(a) * sin(a); };
    passes(check_gradients(f, x), 6);
    passes(check_gradients(f, x, again), 6);
  }
  SECTION("of a number") {
    const auto f = [](const auto& a) { return a * a * a; };
    passes(check_gradients(f, t.variable(1.5)), 1);
    passes(check_gradients(f, t.constant(-0.5), again), 1);
  }
  SECTION("of several, with an output of another shape") {
    const auto f = [](const auto& a, const auto& c, const auto& d) {
      return math::tanh(matmul(a, c) + d);
    };
    passes(check_gradients(f, x, w, b), 6 + 12 + 4);
    passes(check_gradients(f, x, w, b, again), 6 + 12 + 4);
    const auto g = [](const auto& p, const auto& q, const auto& r, const auto& s) {
      return p * q + r / (s * s);
    };
    passes(check_gradients(g, x, x, x, t.variable(2.0)), 3 * 6 + 1);
  }
  SECTION("of a list, with what else is on the tape") {
    const auto f = [&](const std::vector<variable<TestType>>& in) {
      return log_sum_exp(matmul(in[0], in[1]) * b);
    };
    passes(check_gradients(f, {x, w}), 6 + 12);
    passes(check_gradients(f, std::vector<variable<TestType>>{x, w}, again), 6 + 12);
  }
  SECTION("with derivatives within") {
    const auto f = [](const auto& a) {
      return sqr(gradient(math::sum(sin(a)), a, {.create_graph = true})) + a;
    };
    passes(check_gradients(f, x), 6);
    passes(check_gradients(f, x, again), 6);
  }
  // Nothing is changed, and nothing left behind.
  CHECK(to_host(x) == used);
  CHECK_FALSE(x.has_gradient());
  CHECK(t.size() == size);
}

TEMPLATE_LIST_TEST_CASE("the checker names the worst element", "[testing]", checked) {
  tape<TestType> t;
  const auto x = t.variable(2, 2, {0.1, -0.2, 0.3, 0.4});
  const auto z = t.variable(3, 2, {0.1, -0.2, 0.3, 0.4, 2.5, 0.6});
  const auto f = [](const auto& a, const auto& b) {
    return math::sum(a) + math::apply(wrong_beyond_2{}, b);
  };
  const gradient_report report = check_gradients(f, x, z);
  INFO(to_string(report));
  CHECK_FALSE(report.passed());
  CHECK(report.parameter == "input 1");
  CHECK(report.row == 2);
  CHECK(report.col == 0);
  CHECK(report.worst > 0.9e-4);
  CHECK(report.worst < 1.1e-4);
  CHECK(report.compared == 10);
  const std::string text = to_string(report);
  CHECK(text.find("gradients differ by more than 1e-06: worst relative error ") == 0);
  CHECK(text.find(" at input 1(2, 0), analytic -0.") != std::string::npos);
  CHECK(check_gradients(f, x, z, {.tolerance = 1e-3}).passed());
}

TEMPLATE_LIST_TEST_CASE("second derivatives are checked apart from first ones", "[testing]",
                        checked) {
  tape<TestType> t;
  const auto x = t.variable(2, 2, {0.5, -0.25, 2, 3});
  // x², whose gradient has the right value and no history.
  const auto f = [](const auto& a) { return 2 * detach(a) * a - detach(a * a); };
  CHECK(check_gradients(f, x).passed());
  const gradient_report report = check_gradients(f, x, {.second_order = true});
  INFO(to_string(report));
  CHECK_FALSE(report.passed());
  CHECK(report.worst == 1);
  CHECK(report.analytic == 0);
  CHECK(report.numeric > 0.9);  // 2 times weights from 1/2 on
  // What cannot be differentiated twice says so.
  network<TestType> net{t.backend(), {faults::forgetful{}}};
  CHECK(complaint<value_error>([&] {
          (void)check_gradients([&](const auto& a) { return call(net, a); }, x,
                                {.second_order = true});
        }).find("call: the backward pass of a network cannot be differentiated again") == 0);
}

TEMPLATE_LIST_TEST_CASE("the checker fails gradients that nobody wrote", "[testing]", checked) {
  tape<TestType> t;
  network<TestType> net{t.backend(), {faults::forgetful{}}};
  const auto f = [&](const auto& a) { return call(net, a); };
  const auto x = t.variable(2, 2, {1, 2, 3, 4});
  // Leave right gradients behind in the tape's memory.
  for (int i = 0; i < 20; ++i) (void)gradient(math::sum(x * 2), x);
  const gradient_report report = check_gradients(f, x);
  INFO(to_string(report));
  CHECK_FALSE(report.passed());
  CHECK(report.worst == std::numeric_limits<double>::infinity());
  CHECK(to_string(report).find(
            "gradients differ: backward did not write input 0(0, 0), or wrote NaN; by differences "
            "it is ") == 0);
}

TEMPLATE_LIST_TEST_CASE("the checker fails what stands off the tape", "[testing]", checked) {
  tape<TestType> t;
  const auto x = t.variable(1, 2, {0.3, 0.4});
  // The second factor is a constant to the tape.
  const gradient_report report = check_gradients([](const auto& a) { return a * detach(a); }, x);
  CHECK_FALSE(report.passed());
  CHECK(report.worst > 0.49);
  CHECK(report.worst < 0.51);
  // NaN at the point itself.
  const auto log_of = [](const auto& a) { return log(a); };
  CHECK_FALSE(check_gradients(log_of, t.variable(1, 2, {1, -1})).passed());
  CHECK_FALSE(check_gradients(log_of, t.variable(1, 2, {nan_value, 1})).passed());
}

TEMPLATE_LIST_TEST_CASE("the checker fails gradients of nothing but zeros of functions",
                        "[testing]", checked) {
  tape<TestType> t;
  const auto x = t.variable(1, 3, {0.3, -0.4, 2});
  const auto unused = t.variable(2, 1, {1, 2});
  const auto passes_if_allowed = [](const auto& check, const char* name) {
    gradient_report report = check(function_check_options{});
    INFO(to_string(report));
    CHECK(report.worst == 0);
    CHECK_FALSE(report.passed());
    CHECK(report.zero == name);
    CHECK(to_string(report).find(std::string("nothing is proven: every gradient of ") + name +
                                 " is 0") == 0);
    report = check({.tolerance = 1e-6, .allow_zero = true});
    CHECK(report.passed());
  };
  SECTION("an input that is not used") {
    const gradient_report report =
        check_gradients([](const auto& a, const auto&) { return sin(a); }, x, unused);
    CHECK(report.zero == "input 1");
    CHECK(report.compared == 5);
    CHECK_FALSE(report.passed());
    CHECK(check_gradients([](const auto& a, const auto&) { return sin(a); }, x, unused,
                          {.allow_zero = true})
              .passed());
  }
  SECTION("a step, which is 0 on both sides") {
    passes_if_allowed(
        [&](const function_check_options& o) {
          return check_gradients([](const auto& a) { return math::sign(a); }, x, o);
        },
        "input 0");
  }
  SECTION("second derivatives of what is linear") {
    passes_if_allowed(
        [&](function_check_options o) {
          o.second_order = true;
          return check_gradients([](const auto& a) { return 3 * a; }, x, o);
        },
        "input 0");
  }
  SECTION("an input without elements") {
    const gradient_report report =
        check_gradients([](const auto& a) { return math::sum(a); }, t.variable(0, 3, {}));
    CHECK_FALSE(report.passed());
    CHECK(to_string(report) == "nothing is proven: there are no elements to compare");
  }
}

TEMPLATE_LIST_TEST_CASE("the checker leaves out kinks of functions, but never many", "[testing]",
                        checked) {
  tape<TestType> t;
  const auto f = [](const auto& a) { return relu{}(a); };
  gradient_report report = check_gradients(f, t.variable(1, 5, {-1, 0, 0.5, 1e-7, 2}));
  INFO(to_string(report));
  CHECK(report.skipped == 2);
  CHECK(report.compared == 3);
  CHECK_FALSE(report.passed());
  CHECK(to_string(report).find("nothing is proven: too many elements lie at kinks") == 0);
  report = check_gradients(f, t.variable(1, 5, {-1, 0, 0.5, 1, 2}));
  CHECK(report.skipped == 1);
  CHECK(report.compared == 4);
  CHECK(report.passed());
  // A gradient that is wrong is no kink.
  const auto wrong = [](const auto& a) { return math::apply(wrong_beyond_2{}, a); };
  report = check_gradients(wrong, t.variable(1, 2, {1, 2.5}));
  CHECK(report.skipped == 0);
  CHECK_FALSE(report.passed());
}

TEMPLATE_LIST_TEST_CASE("the checker refuses functions that are none", "[testing]", checked) {
  tape<TestType> t;
  const auto x = t.variable(1, 2, {0.3, 0.4});
  int calls = 0;
  const auto drifting = [&](const auto& a) { return a * ++calls; };
  CHECK(complaint<value_error>([&] { (void)check_gradients(drifting, x); })
            .find("check_gradients: the function is none of its inputs alone, its weighted sum is "
                  "0.") == 0);
  calls = 0;
  const auto drifting_later = [&](const auto& a) { return a * (++calls > 6 ? 2 : 1); };
  CHECK_THROWS_AS(check_gradients(drifting_later, x), value_error);
  calls = 0;
  const auto growing = [&](const auto& a) {
    ++calls;
    return broadcast_to(math::sum(a), {calls, 1});
  };
  CHECK_THROWS_AS(check_gradients(growing, x), value_error);
}

TEMPLATE_LIST_TEST_CASE("misuse of the checker of functions is one clear sentence each",
                        "[testing]", checked) {
  using V = variable<TestType>;
  tape<TestType> t;
  tape<TestType> other;
  const auto x = t.variable(1, 2, {0.3, 0.4});
  const auto f = [](const auto& a) { return sin(a); };
  const auto of_list = [](const std::vector<V>& in) { return in[0] * in[1]; };

  CHECK(complaint<value_error>([&] { (void)check_gradients(of_list, std::vector<V>{}); }) ==
        "check_gradients: a function without inputs has no gradient; give the variables it is "
        "called with, check_gradients(f, {x, w})");
  CHECK(complaint<value_error>([&] { (void)check_gradients(f, V(2)); }) ==
        "a constant stands where a variable of a tape is needed; make it one with "
        "tape.constant(value)");
  const std::string two_tapes =
      "the operands of an operation belong to two tapes; make all of them on one, or take a value "
      "over with tape.constant(x.view())";
  CHECK(complaint<value_error>([&] {
          (void)check_gradients(of_list, {x, other.variable(1.0)});
        }) == two_tapes);
  CHECK(complaint<value_error>([&] {
          (void)check_gradients([&](const auto&) { return other.variable(1.0) * 2; }, x);
        }) == two_tapes);
  const std::string detached =
      "check_gradients: the result does not depend on the inputs by recorded operations, so it has "
      "no gradient; a number taken to the host, detach or no_grad stands between";
  CHECK(complaint<value_error>([&] {
          (void)check_gradients([&](const auto& a) { return detach(a); }, x);
        }) == detached);
  CHECK(complaint<value_error>([&] {
          (void)check_gradients([&](const auto& a) { return V(math::sum(a).item() * 2); }, x);
        }) == detached);
  CHECK(complaint<value_error>([&] {
          const no_grad silent(t);
          (void)check_gradients(f, x);
        }) == detached);
  CHECK(complaint<shape_error>([&] {
          (void)check_gradients([&](const auto& a) { return math::middle_cols(a, 1, 0); }, x);
        }) == "check_gradients: the function gave 1x0, which has no elements");
  CHECK(check_gradients(f, x).passed());
}

}  // namespace function_check_test

// The gradient checker itself: it passes what is right, and it fails what is broken, each in its
// own way.
#include "chainrule/testing/gradient_check.hpp"

#include "chainrule/backend/cpu.hpp"
#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/pointwise.hpp"
#include "chainrule/network/network.hpp"
#include "support/catch.hpp"
#include "testing/batches.hpp"

namespace gradient_check_test {

using namespace batches;

using B = basic_cpu<double>;

// Not an unnamed namespace: clang would call members that only concepts look at unused.
namespace faults {

/// How the layer below is broken.
enum class fault {
  none,
  wrong_slope,      // a factor that is off by 1e-4
  missing_bias,     // the bias gradient is never written
  added,            // gradients are added to what is there
  zero,             // every gradient is 0
  no_input,         // dx is never written
  summed,           // twice the gradient, as if over-counted
  transposed_mixup  // W instead of its transpose
};

/// y = tanh(x W + b) for square W, by hand, with a fault.
struct faulty {
  static constexpr const char* name = "faulty";
  index_t features;
  fault kind = fault::none;
  parameter_id weight{}, bias{};
  scratch_id dz{};

  [[nodiscard]] shape bind(plan& p, const shape& in) {
    const shape x = p.input(in, features);
    weight = p.weight("weight", {features, features}, init::normal(0, 0.5));
    bias = p.bias("bias", features, init::uniform(-1, 1));
    dz = p.scratch(features);
    return x;
  }
  void forward(pass<B>& p, const_matrix<B> x, matrix<B> y) const {
    ops::linear_op{}.forward(p.backend(), y, x, p.value(weight), p.value(bias), fn::tanh{});
  }
  void backward(pass<B>& p, const_matrix<B> x, const_matrix<B> y, const_matrix<B> dy,
                matrix<B> dx) const {
    const B& be = p.backend();
    const matrix<B> slope = p.scratch(dz);
    be.map(backward_of<fn::tanh>{}, slope, dy, y);
    if (kind == fault::wrong_slope) be.map(fn::affine{1.0001, 0}, slope, slope);
    if (kind == fault::zero) be.map(fn::fill{0}, slope);
    if (kind == fault::summed) be.map(fn::affine{2, 0}, slope, slope);
    const matrix<B> dw = p.gradient_to_add(weight).gradient;
    const matrix<B> db = p.gradient_to_add(bias).gradient;
    be.gemm(dw, transposed(x), const_matrix<B>(slope), {1, kind == fault::added ? 1.0 : 0.0});
    if (kind != fault::missing_bias) be.reduce(reduction::sum{}, db, identity{}, slope);
    if (dx.empty() || kind == fault::no_input) return;
    const const_matrix<B> w = p.value(weight);
    be.gemm(dx, const_matrix<B>(slope),
            kind == fault::transposed_mixup ? gemm_operand<const_matrix<B>>(w) : transposed(w));
  }
  void describe(archive&) const {}
};

/// A loss that grows with every call.
struct drifting {
  static constexpr const char* name = "drifting";
  mutable double drift = 0;
  void operator()(const B& be, const_matrix<B>, const_matrix<B>, const_matrix<B>, matrix<B> losses,
                  matrix<B> gradient, loss_scratch<B>&) const {
    be.map(fn::fill{drift += 0.5}, losses);
    if (!gradient.empty()) be.map(fn::fill{1}, gradient);
  }
};

}  // namespace faults

using namespace faults;

namespace {

gradient_report check(fault kind, index_t position = 1, gradient_check_options options = {}) {
  const B be;
  std::vector<any_layer<B>> specs{dense{5, 3}, dense{3, 2}};
  specs.insert(specs.begin() + position, faulty{position == 0 ? 5 : 3, kind});
  network<B> net{be, specs};
  net.initialize(11);
  return check_gradients(net, mean_squared_error{}, uniform(be, 7, 5, 1).view(),
                         uniform(be, 7, 2, 2).view(), options);
}

}  // namespace

TEST_CASE("the checker passes a right layer and counts every element", "[testing]") {
  for (const index_t position : {0, 1}) {
    const gradient_report report = check(fault::none, position);
    INFO(to_string(report));
    CHECK(report.passed());
    CHECK(report.worst > 0);  // differences are never exact
    CHECK(report.worst < 1e-6);
    CHECK(report.skipped == 0);
    const index_t faulty_count = position == 0 ? 5 * 5 + 5 : 3 * 3 + 3;
    CHECK(report.compared == 5 * 3 + 3 + 3 * 2 + 2 + faulty_count + 7 * 5);
    CHECK(to_string(report).find("gradients agree: worst relative error ") == 0);
  }
}

TEST_CASE("the checker fails a layer with a wrong backward", "[testing]") {
  SECTION("a slope off by a ten-thousandth") {
    const gradient_report report = check(fault::wrong_slope);
    INFO(to_string(report));
    CHECK_FALSE(report.passed());
    CHECK(report.worst > 0.9e-4);
    CHECK(report.worst < 1.1e-4);
    CHECK(to_string(report).find("gradients differ by more than 1e-06: ") == 0);
  }
  SECTION("a gradient twice as large") {
    const gradient_report report = check(fault::summed);
    CHECK_FALSE(report.passed());
    CHECK(report.worst > 0.49);  // |2g - g| / |2g|
  }
  SECTION("a matrix that is not transposed shows in the layer before") {
    const gradient_report report = check(fault::transposed_mixup);
    INFO(to_string(report));
    CHECK_FALSE(report.passed());
    CHECK((report.parameter[0] == '0' || report.parameter == "input"));
  }
}

TEST_CASE("the checker fails a layer that does not write a gradient", "[testing]") {
  SECTION("of the bias") {
    const gradient_report report = check(fault::missing_bias);
    CHECK_FALSE(report.passed());
    CHECK(report.parameter == "1.bias");
    CHECK(report.worst == std::numeric_limits<double>::infinity());
    CHECK(to_string(report).find("backward did not write 1.bias(0, 0)") != std::string::npos);
  }
  SECTION("of its input, which is the network's") {
    const gradient_report report = check(fault::no_input, 0);
    CHECK_FALSE(report.passed());
    CHECK(report.parameter == "input");
    CHECK(report.worst == std::numeric_limits<double>::infinity());
  }
  SECTION("but adds to what is there") {
    const gradient_report report = check(fault::added);
    CHECK_FALSE(report.passed());
    CHECK(report.parameter == "1.weight");
  }
}

TEST_CASE("the checker fails gradients of nothing but zeros", "[testing]") {
  SECTION("where they ought not to be") {
    const gradient_report report = check(fault::zero);
    CHECK_FALSE(report.passed());
    CHECK(report.worst == 1);
  }
  SECTION("and where differences agree that they are") {
    const B be;
    network<B> net{be, {dense{4, 3, relu{}}.bias(init::constant(-100)), dense{3, 2}}};
    const tensor<B> x = uniform(be, 5, 4, 1);
    const tensor<B> t = uniform(be, 5, 2, 2);
    gradient_check_options options;
    gradient_report report = check_gradients(net, sum_of_squares{}, x.view(), t.view(), options);
    CHECK(report.worst < 1e-6);
    CHECK_FALSE(report.passed());
    CHECK(report.zero == "0.weight");
    CHECK(to_string(report).find("nothing is proven: every gradient of 0.weight is 0") == 0);
    options.allow_zero = true;
    report = check_gradients(net, sum_of_squares{}, x.view(), t.view(), options);
    CHECK(report.passed());
  }
}

TEST_CASE("the checker leaves out kinks, but never many of them", "[testing]") {
  const B be;
  // One layer, y = relu(x W + b) with b = 0: the pre-activation of sample 0 is exactly 0, at the
  // kink, when its features are. What lies there cannot be compared; the rest can.
  network<B> net{be, {dense{2, 3, relu{}}.weights(init::constant(1))}};
  const tensor<B> t = numbers(be, 4, 3, std::vector<double>(12, -1));

  SECTION("many") {
    const tensor<B> x = numbers(be, 4, 2, {1, -1, 1, 2, 2, 0.5, 0.25, 1});
    const gradient_report report = check_gradients(net, sum_of_squares{}, x.view(), t.view());
    INFO(to_string(report));
    // Sample 0 is at the kink: W and b (2 * 3 + 3) and its 2 features see it.
    CHECK(report.skipped == 11);
    CHECK(report.compared == 6);
    CHECK(report.worst < 1e-6);
    CHECK_FALSE(report.passed());
    CHECK(to_string(report).find("nothing is proven: too many elements lie at kinks") == 0);
  }
  SECTION("a few") {
    std::vector<double> values{1, -1};
    for (int i = 1; i < 20; ++i) values.insert(values.end(), {0.1 * i, 0.3});
    const tensor<B> x = numbers(be, 20, 2, values);
    const tensor<B> more = numbers(be, 20, 3, std::vector<double>(60, -1));
    const gradient_report report = check_gradients(net, sum_of_squares{}, x.view(), more.view());
    INFO(to_string(report));
    CHECK(report.skipped == 11);
    CHECK(report.compared == 2 * 19);
    CHECK(report.passed());
  }
  SECTION("none") {
    const tensor<B> x = numbers(be, 4, 2, {1, -0.5, 1, 2, 2, 0.5, 0.25, 1});
    const gradient_report report = check_gradients(net, sum_of_squares{}, x.view(), t.view());
    INFO(to_string(report));
    CHECK(report.skipped == 0);
    CHECK(report.passed());
  }
}

TEST_CASE("the checker leaves the parameters as they were", "[testing]") {
  const B be;
  network<B> net{be, {dense{3, 4, fn::sigmoid{}}, dense{4, 2}}};
  net.initialize(5);
  const auto before = to_host(be, const_matrix<B>(net.parameters().all()));
  const tensor<B> x = uniform(be, 3, 3, 1);
  const auto x_before = to_host(be, x.view());
  CHECK(check_gradients(net, quadratic_cost{}, x.view(), uniform(be, 3, 2, 2).view()).passed());
  CHECK(same_bits(before, to_host(be, const_matrix<B>(net.parameters().all()))));
  CHECK(same_bits(x_before, to_host(be, x.view())));
}

TEST_CASE("the checker refuses a loss that is not a function of its point", "[testing]") {
  const B be;
  network<B> net{be, {dense{2, 2}}};
  const tensor<B> x = uniform(be, 3, 2, 1);
  CHECK_THROWS_AS(check_gradients(net, drifting{}, x.view(), x.view()), value_error);
}

TEST_CASE("a loss of NaN fails the check", "[testing]") {
  const B be;
  network<B> net{be, {dense{2, 2}}};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const tensor<B> x = numbers(be, 1, 2, {1, nan});
  CHECK_FALSE(check_gradients(net, sum_of_squares{}, x.view(), x.view()).passed());
}

}  // namespace gradient_check_test

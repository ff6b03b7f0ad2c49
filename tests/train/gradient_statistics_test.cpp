// Statistics of gradients and updates, parameter by parameter.
#include "chainrule/train/gradient_statistics.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/layers/dense.hpp"
#include "chainrule/losses/softmax_cross_entropy.hpp"
#include "chainrule/network/network.hpp"
#include "support/backend_list.hpp"
#include "support/catch.hpp"
#include "support/complaint.hpp"
#include "train/three_classes.hpp"

namespace gradient_statistics_test {

using namespace chainrule;
using support::backends;
using support::three_classes;

namespace {

/// The parameters after each step of an epoch, and before the first.
template <class B>
struct recorder final : callback {
  const network<B>* net;
  std::vector<std::vector<scalar_t<B>>> values;  // of all parameters
  explicit recorder(const network<B>& n) : net(&n) {}
  void on_epoch_begin(int) override { values = {all()}; }
  void on_batch_end(const batch_record&) override { values.push_back(all()); }
  [[nodiscard]] std::vector<scalar_t<B>> all() const {
    return to_host(net->backend(), net->parameters().all());
  }
};

/// The norm of the last update of a parameter over that of the values before it.
template <class B>
double last_ratio(const recorder<B>& r, const parameter& p) {
  const auto& after = r.values.back();
  const auto& before = r.values[r.values.size() - 2];
  const index_t first = r.net->parameters().plan().begin(p.place.region) + p.place.offset;
  double update = 0, norm = 0;
  for (index_t i = first; i < first + p.place.rows * p.place.cols; ++i) {
    const auto x = static_cast<double>(before[static_cast<std::size_t>(i)]);
    update = std::hypot(update, static_cast<double>(after[static_cast<std::size_t>(i)]) - x);
    norm = std::hypot(norm, x);
  }
  return update / norm;
}

/// Asks to stop after a step.
struct stop_after final : callback {
  std::int64_t step;
  bool stop = false;
  explicit stop_after(std::int64_t s) : step(s) {}
  void on_batch_end(const batch_record& r) override { stop = r.step == step; }
  [[nodiscard]] std::string_view should_stop() const override { return stop ? "asked" : ""; }
};

}  // namespace

TEMPLATE_LIST_TEST_CASE("statistics are those of each parameter's gradient", "[train][gradients]",
                        backends) {
  using B = TestType;
  const B be;
  network net{be, dense{2, 2}, dense{2, 1}};
  arena<B> gradients = net.make_gradients();
  const auto fill = [&](const std::string& name, const std::vector<scalar_t<B>>& values) {
    const matrix<B> place = gradients[net.place_of(name)];
    be.upload(place, matrix_view<const scalar_t<B>>(values.data(), place.rows(), place.cols()));
    be.synchronize();
  };
  const auto nan = std::numeric_limits<scalar_t<B>>::quiet_NaN();
  fill("0.weight", {3, 0, 0, -4});
  fill("0.bias", {0, 0});
  fill("1.weight", {nan, 0});
  fill("1.bias", {-0.5});
  const auto lines = measure_gradients(net, gradients);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0].name == "0.weight");
  CHECK(lines[0].elements == 4);
  CHECK(std::fabs(lines[0].norm - 5) <=
        20 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon()));
  CHECK(lines[0].mean == -0.25);
  CHECK(lines[0].largest == 4);
  CHECK(lines[0].zeros == 0.5);
  CHECK(std::isnan(lines[0].update_ratio));
  CHECK((lines[1].norm == 0 && lines[1].mean == 0 && lines[1].largest == 0));
  CHECK(lines[1].zeros == 1);
  CHECK((std::isnan(lines[2].norm) && std::isnan(lines[2].mean)));
  CHECK(lines[2].zeros == 0.5);
  CHECK((lines[3].norm == 0.5 && lines[3].mean == -0.5 && lines[3].largest == 0.5));
  CHECK(lines[3].elements == 1);

  const network other{be, dense{2, 3}};
  CHECK(support::complaint<shape_error>([&] {
          (void)measure_gradients(other, gradients);
        }).find("use make_gradients() of this network") != std::string::npos);
}

TEMPLATE_LIST_TEST_CASE("the update ratio is that of the last step of an epoch",
                        "[train][gradients]", backends) {
  using B = TestType;
  const B be;
  const auto data = three_classes(be, 22);
  network net{be, dense{4, 5, relu{}}, dense{5, 3}};
  net.initialize(2);
  trainer t{net, softmax_cross_entropy{}, adam{.rate = 0.01}};
  gradient_statistics statistics{t, nullptr};
  recorder<B> seen(net);
  for (const index_t batch : {index_t{4}, index_t{11}, index_t{22}, index_t{1}})
    for (const bool merge : {false, true}) {
      CAPTURE(batch, merge);
      t.fit(data, {.epochs = 2,
                   .batch = batch,
                   .callbacks = {&statistics, &seen},
                   .merge_last_batch = merge});
      const auto& lines = statistics.parameters();
      REQUIRE(lines.size() == 4);
      for (std::size_t i = 0; i < 4; ++i) {
        const double expected = last_ratio(seen, net.parameter_list()[i]);
        CHECK(expected > 1e-5);
        // Norms of up to 20 elements, each rounded a few times.
        CHECK(std::fabs(lines[i].update_ratio - expected) <=
              32 * static_cast<double>(std::numeric_limits<scalar_t<B>>::epsilon()) * expected);
      }
      const auto again = measure_gradients(net, t.gradients());
      for (std::size_t i = 0; i < 4; ++i) {
        CHECK(again[i].norm == lines[i].norm);
        CHECK(lines[i].norm > 0);
      }
    }

  stop_after second(t.steps() + 2);
  t.fit(data, {.epochs = 1, .batch = 3, .callbacks = {&statistics, &second}});
  CHECK(std::isnan(statistics.parameters()[0].update_ratio));
  CHECK(statistics.parameters()[0].norm > 0);
}

TEST_CASE("statistics are printed as a table", "[train][gradients]") {
  const std::vector<parameter_statistics> lines{{"0.weight", 4, 5, -0.25, 4, 0.5, 0.00125},
                                                {"10.residual", 1, 0, 0, 0, 1}};
  const std::string table =
      "gradients          norm        mean     largest   zeros  update/value\n"
      "0.weight              5       -0.25           4   50.0%       0.00125\n"
      "10.residual           0           0           0  100.0%           nan\n";
  CHECK(to_string(lines) == table);

  using B = support::tested<float>;
  const B be;
  const auto data = three_classes(be, 8);
  network net{be, dense{4, 3}};
  trainer t{net, softmax_cross_entropy{}, sgd{0.1}};
  std::FILE* const out = std::tmpfile();
  REQUIRE(out != nullptr);
  gradient_statistics shown{t, out};
  t.fit(data, {.epochs = 1, .callbacks = {&shown}});
  std::string text(4096, '\0');
  std::rewind(out);
  text.resize(std::fread(text.data(), 1, text.size(), out));
  std::fclose(out);
  CHECK(text == to_string(shown.parameters()));
  CHECK(text.find("0.bias") != std::string::npos);
}

}  // namespace gradient_statistics_test

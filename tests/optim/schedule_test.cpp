// Learning rates as functions of the step.
#include "chainrule/optim/schedule.hpp"

#include <limits>
#include <string>

#include "chainrule/optim/rules.hpp"
#include "support/catch.hpp"

namespace schedule_test {

using namespace chainrule;

namespace {
bool near(double a, double b) {
  return std::fabs(a - b) <= 8 * std::numeric_limits<double>::epsilon() * std::fabs(b) + 1e-17;
}
}  // namespace

TEST_CASE("a number is a constant schedule", "[optim][schedule]") {
  const schedule rate = 0.25;
  for (const std::int64_t step : {0, 1, 1000000}) CHECK(rate(step) == 0.25);
  CHECK(schedule(0)(3) == 0);
  CHECK(sgd{.rate = 1}.rate(0) == 1);
  for (const double bad :
       {-0.1, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(schedule(bad), value_error);
}

TEST_CASE("step decay", "[optim][schedule]") {
  const schedule rate = step_decay(0.8, 0.5, 10);
  CHECK(rate(0) == 0.8);
  CHECK(rate(9) == 0.8);
  CHECK(near(rate(10), 0.4));
  CHECK(near(rate(19), 0.4));
  CHECK(near(rate(35), 0.1));
  CHECK_THROWS_AS(step_decay(0.8, 0.5, 0), value_error);
}

TEST_CASE("exponential decay", "[optim][schedule]") {
  const schedule rate = exponential(0.8, 0.5);
  CHECK(rate(0) == 0.8);
  CHECK(near(rate(1), 0.4));
  CHECK(near(rate(10), 0.8 / 1024));
}

TEST_CASE("cosine", "[optim][schedule]") {
  const schedule rate = cosine(0.8, 100, 0.2);
  CHECK(rate(0) == 0.8);
  CHECK(near(rate(50), 0.5));
  CHECK(near(rate(25), 0.5 + 0.3 * std::sqrt(0.5)));
  CHECK(near(rate(100), 0.2));
  CHECK(rate(101) == rate(100));
  CHECK(rate(100000) == rate(100));
  CHECK(std::fabs(cosine(1, 10)(10)) < 1e-16);
  for (std::int64_t step = 0; step < 100; ++step) CHECK(rate(step) > rate(step + 1));
  CHECK_THROWS_AS(cosine(0.8, 0), value_error);
}

TEST_CASE("linear warm-up into another schedule", "[optim][schedule]") {
  const schedule rate = warmup(4, exponential(0.8, 0.5));
  CHECK(near(rate(0), 0.2));
  CHECK(near(rate(1), 0.4));
  CHECK(near(rate(3), 0.8));
  CHECK(rate(4) == 0.8);  // the schedule behind it begins at its own beginning
  CHECK(near(rate(5), 0.4));
  CHECK(warmup(10, 0.5)(100) == 0.5);
  CHECK_THROWS_AS(warmup(0, 0.1), value_error);
}

TEST_CASE("any function of the step is a schedule", "[optim][schedule]") {
  double scale = 2;
  const schedule rate = [scale](std::int64_t step) { return scale / (1.0 + double(step)); };
  scale = 100;  // held by value
  const schedule copy = rate;
  CHECK(rate(0) == 2);
  CHECK(copy(3) == 0.5);
  const schedule with_float = [](std::int64_t) { return 0.5F; };
  CHECK(with_float(1) == 0.5);
}

}  // namespace schedule_test

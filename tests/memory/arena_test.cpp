// Arenas: slices at the same places in every arena of a plan, regions by role, padding of zeros.
#include "chainrule/memory/arena.hpp"

#include "conformance/backends.hpp"
#include "support/catch.hpp"

namespace arena_test {

using namespace chainrule;

TEST_CASE("a plan lays slices one after another, aligned, by role", "[memory]") {
  arena_plan plan;
  const slice w0 = plan.add(weight_tags, 3, 5);
  const slice b0 = plan.add(bias_tags, 1, 5);
  const slice w1 = plan.add(weight_tags, 5, 16);
  const slice b1 = plan.add(bias_tags, 1, 16);
  CHECK(w0.offset == 0);
  CHECK(w1.offset == 16);
  CHECK(b0.offset == 0);
  CHECK(b1.offset == 16);
  CHECK(plan.size(0) == 16 + 80);
  CHECK(plan.size(1) == 16 + 16);
  CHECK(plan.size() == 128);
  CHECK(plan.begin(0) == 0);
  CHECK(plan.begin(1) == 96);
  CHECK(w1.region == 0);
  CHECK(b1.rows == 1);
  CHECK(b1.cols == 16);
}

TEMPLATE_LIST_TEST_CASE("an arena begins at 0; slices do not overlap", "[memory]",
                        conformance::backends) {
  using T = scalar_t<TestType>;
  const TestType be;
  arena_plan plan;
  const std::vector<slice> slices{plan.add(weight_tags, 3, 5), plan.add(bias_tags, 1, 5),
                                  plan.add(weight_tags, 1, 17), plan.add(bias_tags, 1, 1)};
  arena<TestType> a(be, plan);
  for (const T x : to_host(be, const_matrix<TestType>(a.all()))) REQUIRE(x == 0);

  double value = 1;
  for (const slice& s : slices) be.map(fn::fill{value++}, a[s]);
  value = 1;
  const arena<TestType>& read = a;
  std::size_t written = 0;
  for (const slice& s : slices) {
    const auto v = to_host(be, read[s]);
    CHECK(v == std::vector<T>(static_cast<std::size_t>(s.rows * s.cols), static_cast<T>(value++)));
    CHECK(read[s].rows() == s.rows);
    CHECK(read[s].cols() == s.cols);
    written += v.size();
  }
  // The rest is padding: still 0.
  const auto all = to_host(be, read.all());
  CHECK(all.size() == static_cast<std::size_t>(plan.size()));
  CHECK(static_cast<std::size_t>(std::count(all.begin(), all.end(), T(0))) == all.size() - written);

  // The regions together are everything, weights first.
  auto joined = to_host(be, read.region(0));
  const auto biases = to_host(be, read.region(1));
  joined.insert(joined.end(), biases.begin(), biases.end());
  CHECK(joined == all);
  CHECK(std::count(biases.begin(), biases.end(), T(2)) == 5);
  CHECK(std::count(biases.begin(), biases.end(), T(4)) == 1);
}

TEMPLATE_LIST_TEST_CASE("slices mean the same place in every arena of a plan", "[memory]",
                        conformance::backends) {
  const TestType be;
  arena_plan plan;
  plan.add(weight_tags, 2, 3);
  const slice s = plan.add(weight_tags, 4, 2);
  arena<TestType> a(be, plan);
  arena<TestType> b(be, plan);
  be.map(fn::fill{3}, a[s]);
  be.copy(b.all(), const_matrix<TestType>(a.all()));
  CHECK(to_host(be, const_matrix<TestType>(b[s])) == std::vector<scalar_t<TestType>>(8, 3));
}

TEMPLATE_LIST_TEST_CASE("an arena moves with its elements; of an empty plan it is empty",
                        "[memory]", conformance::backends) {
  const TestType be;
  arena_plan plan;
  const slice s = plan.add(bias_tags, 1, 3);
  arena<TestType> a(be, plan);
  be.map(fn::fill{2}, a[s]);
  arena<TestType> b = std::move(a);
  CHECK(to_host(be, const_matrix<TestType>(b[s])) == std::vector<scalar_t<TestType>>(3, 2));
  CHECK(b.region(0).empty());

  const arena<TestType> nothing(be, arena_plan{});
  CHECK(nothing.all().empty());
}

}  // namespace arena_test

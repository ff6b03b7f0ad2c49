// Rows by index: from the same type, from bytes, of int32; index -1 gives zeros.
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace gather_test {

using namespace conformance;
namespace fn = chainrule::fn;

namespace {

/// n row numbers below `rows`, with repetitions, the first and the last among them.
host_matrix<std::int32_t> some_rows(index_t n, index_t rows) {
  auto r = integers<std::int32_t>({1, n}, 1, 0, static_cast<int>(rows) - 1);
  if (n > 0) r(0, 0) = static_cast<std::int32_t>(rows - 1);
  if (n > 1) r(0, n - 1) = 0;
  return r;
}

const struct {
  index_t n, rows, cols;
} all_extents[] = {{0, 17, 17}, {1, 1, 1},      {17, 1, 17},   {1, 17, 1025},  {17, 17, 1},
                   {17, 5, 0},  {1025, 17, 17}, {17, 1025, 3}, {1025, 3, 1025}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("gather rows of the same type", "[conformance][gather]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " of " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
      const auto a = reals<T>({rows, cols}, 2);
      const auto indices = some_rows(n, rows);
      const framed<TestType> source(be, a, l);
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> out(be, unset<T>({n, cols}), l);
      be.gather(out.view(), source.view(), r.view());
      CHECK(out.differs([&](index_t i, index_t j) { return a(indices(0, i), j); }) == "");
      CHECK(source.differs(a) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("gather copies every bit", "[conformance][gather]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  host_matrix<T> a({2, 3});
  a.values = {T(-0.0),
              std::numeric_limits<T>::infinity(),
              std::numeric_limits<T>::quiet_NaN(),
              std::numeric_limits<T>::denorm_min(),
              std::numeric_limits<T>::lowest(),
              T(1) / 3};
  host_matrix<std::int32_t> order({1, 2});
  order.values = {1, 0};
  const framed<TestType> source(be, a, packed);
  const framed<TestType, std::int32_t> r(be, order, packed);
  const framed<TestType> out(be, unset<T>({2, 3}), packed);
  be.gather(out.view(), source.view(), r.view());
  CHECK(out.differs([&](index_t i, index_t j) { return a(1 - i, j); }) == "");
  CHECK(std::signbit(out.download()(1, 0)));
}

TEMPLATE_LIST_TEST_CASE("gather rows of bytes through a functor", "[conformance][gather]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " of " << rows << "x" << cols);
      const auto a = integers<std::uint8_t>({rows, cols}, 3, 0, 255);
      const auto indices = some_rows(n, rows);
      const framed<TestType, std::uint8_t> source(be, a, l);
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> out(be, unset<T>({n, cols}), l);
      be.gather(out.view(), source.view(), r.view());
      CHECK(out.differs([&](index_t i, index_t j) { return a(indices(0, i), j); }) == "");
      // Pixels to [0, 1]: within one rounding of the quotient, and the ends exact.
      be.gather(out.view(), source.view(), r.view(), fn::affine{1.0 / 255});
      CHECK(out.differs([&](index_t i, index_t j) { return a(indices(0, i), j) / 255.0L; },
                        [](index_t, index_t) { return std::numeric_limits<T>::epsilon(); }) == "");
      be.gather(out.view(), source.view(), r.view(), fn::affine{0.5, -3});
      CHECK(out.differs([&](index_t i, index_t j) { return a(indices(0, i), j) / 2.0L - 3; }) ==
            "");
    }
}

TEMPLATE_LIST_TEST_CASE("gather gives zeros for index -1, whatever the functor",
                        "[conformance][gather]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " of " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
      auto indices = some_rows(n, rows);
      for (index_t i = 0; i < n; i += 3) indices(0, i) = -1;
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> out(be, unset<T>({n, cols}), l);
      const auto padded = [&](const auto& value) {
        return [&](index_t i, index_t j) {
          const index_t row = indices(0, i);
          return row < 0 ? T(0) : static_cast<T>(value(row, j));
        };
      };
      const auto a = reals<T>({rows, cols}, 7);
      be.gather(out.view(), framed<TestType>(be, a, l).view(), r.view());
      CHECK(out.differs(padded(a)) == "");
      const auto bytes = integers<std::uint8_t>({rows, cols}, 8, 0, 255);
      be.gather(out.view(), framed<TestType, std::uint8_t>(be, bytes, l).view(), r.view(),
                fn::affine{0.5, -3});
      CHECK(out.differs(padded([&](index_t i, index_t j) { return bytes(i, j) / 2.0 - 3; })) == "");
    }
  // A matrix without rows can still be padded.
  const framed<TestType> empty(be, host_matrix<T>({0, 3}), packed);
  const framed<TestType, std::int32_t> none(be, host_matrix<std::int32_t>({1, 2}, -1), packed);
  const framed<TestType> out(be, unset<T>({2, 3}), packed);
  be.gather(out.view(), empty.view(), none.view());
  CHECK(out.differs([](index_t, index_t) { return 0; }) == "");
}

TEMPLATE_LIST_TEST_CASE("gather rows of int32 keeps every number", "[conformance][gather]",
                        backends) {
  const TestType be{};
  using limits = std::numeric_limits<std::int32_t>;
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " of " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
      // Beyond 2^24, where a float does not hold every whole number.
      auto a = integers<std::int32_t>({rows, cols}, 9, -(1 << 30), 1 << 30);
      if (cols > 0) a(0, 0) = limits::max(), a(rows - 1, cols - 1) = limits::min() + 1;
      auto indices = some_rows(n, rows);
      for (index_t i = 1; i < n; i += 4) indices(0, i) = -1;
      const framed<TestType, std::int32_t> source(be, a, l);
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType, std::int32_t> out(be, integers<std::int32_t>({n, cols}, 10), l);
      be.gather(out.view(), source.view(), r.view());
      CHECK(out.differs([&](index_t i, index_t j) {
        return indices(0, i) < 0 ? 0 : a(indices(0, i), j);
      }) == "");
      CHECK(source.differs(a) == "");
    }
  auto bad = some_rows(3, 5);
  bad(0, 1) = 5;
  const auto before = integers<std::int32_t>({3, 2}, 11);
  const framed<TestType, std::int32_t> source(be, integers<std::int32_t>({5, 2}, 12), packed);
  const framed<TestType, std::int32_t> r(be, bad, packed);
  const framed<TestType, std::int32_t> out(be, before, packed);
  const auto run = [&] { be.gather(out.view(), source.view(), r.view()); };
  if constexpr (host_memory<TestType>) {
    CHECK(says(complaint<chainrule::value_error>(run), "gather", "row 5", "5 rows"));
    CHECK(out.differs(before) == "");
  } else {
    // The host does not see the numbers: what does not exist is no row of anything either.
    run();
    CHECK(out.download()(1, 0) == limits::min());
    CHECK(out.download()(1, 1) == limits::min());
    CHECK(out.download()(2, 0) != limits::min());
  }
}

TEMPLATE_LIST_TEST_CASE("int32 rows gathered on the device are indices of gather",
                        "[conformance][gather]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  // Two samples of three tokens, -1 for padding, and an embedding of each token.
  host_matrix<std::int32_t> tokens({3, 3});
  tokens.values = {4, 0, -1, 1, 2, 3, 2, -1, -1};
  host_matrix<std::int32_t> samples({1, 2});
  samples.values = {2, 0};
  const auto table = reals<T>({5, 7}, 13);
  const framed<TestType, std::int32_t> all(be, tokens, strided);
  const framed<TestType, std::int32_t> r(be, samples, packed);
  const framed<TestType, std::int32_t> batch(be, host_matrix<std::int32_t>({1, 6}), packed);
  const framed<TestType> rows(be, table, strided);
  const framed<TestType> out(be, unset<T>({6, 7}), strided);
  using ints = typename TestType::template view<std::int32_t>;
  be.gather(ints(batch.view().data(), 2, 3), all.view(), r.view());
  be.gather(out.view(), rows.view(), batch.view());
  CHECK(out.differs([&](index_t i, index_t j) {
    const std::int32_t token = tokens(samples(0, i / 3), i % 3);
    return token < 0 ? T(0) : table(token, j);
  }) == "");
}

TEMPLATE_LIST_TEST_CASE("gather refuses a row that does not exist and writes nothing",
                        "[conformance][gather]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const framed<TestType> source(be, integers<T>({5, 3}, 4), packed);
  for (const std::int32_t bad :
       {-2, 5, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()})
    for (const index_t place : {0, 8, 16}) {
      CAPTURE(bad, place);
      auto indices = some_rows(17, 5);
      indices(0, place) = bad;
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const auto before = integers<T>({17, 3}, 5);
      const framed<TestType> out(be, before, packed);
      if constexpr (!host_memory<TestType>) {
        // The host does not see the numbers: the row that does not exist is NaN.
        be.gather(out.view(), source.view(), r.view());
        CHECK(std::isnan(out.download()(place, 0)));
        CHECK(std::isnan(out.download()(place, 2)));
        CHECK(!std::isnan(out.download()(place == 8 ? 9 : 8, 0)));
        continue;
      }
      const std::string said = complaint<chainrule::value_error>(
          [&] { be.gather(out.view(), source.view(), r.view()); });
      CHECK(says(said, "gather", std::to_string(bad), "5 rows"));
      CHECK(out.differs(before) == "");
    }
  // Of a matrix without rows, no row exists.
  const framed<TestType> empty(be, host_matrix<T>({0, 3}), packed);
  const framed<TestType, std::int32_t> zero(be, host_matrix<std::int32_t>({1, 1}), packed);
  const framed<TestType> out(be, unset<T>({1, 3}), packed);
  if constexpr (host_memory<TestType>) {
    CHECK_THROWS_AS(be.gather(out.view(), empty.view(), zero.view()), chainrule::value_error);
  } else {
    be.gather(out.view(), empty.view(), zero.view());
    CHECK(std::isnan(out.download()(0, 0)));
  }
}

TEMPLATE_LIST_TEST_CASE("gather names the shapes that do not fit", "[conformance][gather]",
                        backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> source(be, integers<T>({5, 3}, 6), packed);
  const framed<TestType> out(be, unset<T>({2, 3}), packed);
  const framed<TestType> narrow(be, unset<T>({2, 2}), packed);
  const framed<TestType, std::int32_t> two(be, some_rows(2, 5), packed);
  const framed<TestType, std::int32_t> four(be, some_rows(4, 5), packed);
  const framed<TestType, std::int32_t> column(be, host_matrix<std::int32_t>({2, 1}), packed);
  CHECK(says(complaint<shape_error>([&] { be.gather(out.view(), source.view(), four.view()); }),
             "gather", "1x4", "5x3", "2x3"));
  CHECK(says(complaint<shape_error>([&] { be.gather(narrow.view(), source.view(), two.view()); }),
             "gather", "1x2", "5x3", "2x2"));
  CHECK(says(complaint<shape_error>([&] { be.gather(out.view(), source.view(), column.view()); }),
             "gather", "2x1", "5x3", "2x3"));
}

}  // namespace gather_test

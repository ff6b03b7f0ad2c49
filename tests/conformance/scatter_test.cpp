// The counterparts of gather: rows added to rows by index and, where a backend has it, assigned.
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace scatter_test {

using namespace conformance;

namespace {

/// Whether a backend assigns rows by index.
template <class B>
inline constexpr bool scatters = requires(const B& be, chainrule::matrix<B> target,
                                          chainrule::const_matrix<B> source,
                                          const typename B::template storage<std::int32_t>& rows) {
  be.scatter(target, rows.view(), source);
};

/// n row numbers below `rows` with repetitions, the first and the last among them.
host_matrix<std::int32_t> some_rows(index_t n, index_t rows) {
  auto r = integers<std::int32_t>({1, n}, 1, 0, static_cast<int>(rows) - 1);
  if (n > 0) r(0, 0) = static_cast<std::int32_t>(rows - 1);
  if (n > 1) r(0, n - 1) = 0;
  return r;
}

/// n different row numbers below `rows`, in no order.
host_matrix<std::int32_t> different_rows(index_t n, index_t rows) {
  host_matrix<std::int32_t> r({1, n});
  for (index_t i = 0; i < n; ++i) r(0, i) = static_cast<std::int32_t>((i * 7 + 3) % rows);
  return r;
}

const struct {
  index_t n, rows, cols;
} all_extents[] = {{0, 17, 17}, {1, 1, 1},    {17, 1, 17},    {1, 17, 1025},  {17, 17, 1},
                   {17, 5, 0},  {17, 3, 300}, {1025, 17, 17}, {17, 1025, 33}, {300, 1025, 513}};

}  // namespace

TEMPLATE_LIST_TEST_CASE("scatter_add adds integers to rows", "[conformance][scatter]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " rows to " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
      const auto a = integers<T>({n, cols}, 2);
      const auto indices = some_rows(n, rows);
      host_matrix<T> wanted = integers<T>({rows, cols}, 3);
      const framed<TestType> source(be, a, l);
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> target(be, wanted, l);
      for (index_t i = 0; i < n; ++i)
        for (index_t j = 0; j < cols; ++j) wanted(indices(0, i), j) += a(i, j);
      be.scatter_add(target.view(), r.view(), source.view());
      CHECK(target.differs(wanted) == "");
      CHECK(source.differs(a) == "");
    }
}

TEMPLATE_LIST_TEST_CASE("scatter_add adds in the order of the rows", "[conformance][scatter]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  // Sums of reals have one order only, that of a loop: the same bits, whatever else is added to.
  for (const index_t rows : {1, 3, 40}) {
    CAPTURE(rows);
    const index_t n = 1000;
    const index_t cols = 70;
    const auto a = reals<T>({n, cols}, 4);
    const auto indices = some_rows(n, rows);
    host_matrix<T> wanted = reals<T>({rows, cols}, 5);
    const framed<TestType> source(be, a, strided);
    const framed<TestType, std::int32_t> r(be, indices, packed);
    const framed<TestType> target(be, wanted, strided);
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < cols; ++j) wanted(indices(0, i), j) += a(i, j);
    be.scatter_add(target.view(), r.view(), source.view());
    CHECK(target.differs(wanted) == "");
  }
}

TEMPLATE_LIST_TEST_CASE("scatter assigns rows, and is undone by gather", "[conformance][scatter]",
                        backends) {
  if constexpr (scatters<TestType>) {
    using T = scalar_t<TestType>;
    const TestType be{};
    for (const auto& [n, rows, cols] :
         {std::array<index_t, 3>{0, 17, 17}, {1, 1, 1}, {10, 10, 33}, {17, 1025, 300}})
      for (const layout l : {packed, strided}) {
        INFO(n << " rows to " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
        const auto a = reals<T>({n, cols}, 6);
        const auto indices = different_rows(n, rows);
        host_matrix<T> wanted = reals<T>({rows, cols}, 7);
        const framed<TestType> source(be, a, l);
        const framed<TestType, std::int32_t> r(be, indices, packed);
        const framed<TestType> target(be, wanted, l);
        const framed<TestType> back(be, unset<T>({n, cols}), l);
        for (index_t i = 0; i < n; ++i)
          for (index_t j = 0; j < cols; ++j) wanted(indices(0, i), j) = a(i, j);
        be.scatter(target.view(), r.view(), source.view());
        CHECK(target.differs(wanted) == "");
        be.gather(back.view(), target.view(), r.view());
        CHECK(back.differs(a) == "");
      }
  } else {
    WARN("this backend has no scatter");
  }
}

TEMPLATE_LIST_TEST_CASE("scatter_add and scatter leave out index -1", "[conformance][scatter]",
                        backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  for (const auto& [n, rows, cols] : all_extents)
    for (const layout l : {packed, strided}) {
      INFO(n << " rows to " << rows << "x" << cols << (l == packed ? " packed" : " strided"));
      const auto a = integers<T>({n, cols}, 13);
      const auto before = integers<T>({rows, cols}, 14);
      auto indices = some_rows(n, rows);
      for (index_t i = 0; i < n; i += 3) indices(0, i) = -1;
      host_matrix<T> wanted = before;
      for (index_t i = 0; i < n; ++i)
        for (index_t j = 0; j < cols && indices(0, i) >= 0; ++j)
          wanted(indices(0, i), j) += a(i, j);
      const framed<TestType> source(be, a, l);
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> target(be, before, l);
      be.scatter_add(target.view(), r.view(), source.view());
      CHECK(target.differs(wanted) == "");
      if constexpr (scatters<TestType>) {
        auto chosen = host_matrix<std::int32_t>({1, n}, -1);  // the last one only
        if (n > 0) chosen(0, n - 1) = static_cast<std::int32_t>(rows - 1);
        wanted = before;
        for (index_t j = 0; j < cols && n > 0; ++j) wanted(rows - 1, j) = a(n - 1, j);
        const framed<TestType, std::int32_t> c(be, chosen, packed);
        const framed<TestType> to(be, before, l);
        be.scatter(to.view(), c.view(), source.view());
        CHECK(to.differs(wanted) == "");
      }
    }
}

TEMPLATE_LIST_TEST_CASE("scatter to a row that does not exist changes nothing",
                        "[conformance][scatter]", backends) {
  using T = scalar_t<TestType>;
  const TestType be{};
  const auto a = integers<T>({4, 3}, 8);
  const auto before = integers<T>({5, 3}, 9);
  const framed<TestType> source(be, a, packed);
  for (const std::int32_t bad :
       {-2, 5, std::numeric_limits<std::int32_t>::max(), std::numeric_limits<std::int32_t>::min()})
    for (const bool add : {false, true}) {
      if (!add && !scatters<TestType>) continue;
      CAPTURE(bad, add);
      auto indices = different_rows(4, 5);
      indices(0, 2) = bad;
      const framed<TestType, std::int32_t> r(be, indices, packed);
      const framed<TestType> target(be, before, packed);
      const auto run = [&] {
        if constexpr (scatters<TestType>)
          if (!add) return be.scatter(target.view(), r.view(), source.view());
        be.scatter_add(target.view(), r.view(), source.view());
      };
      if constexpr (host_memory<TestType>) {
        CHECK(says(complaint<chainrule::value_error>(run), add ? "scatter_add" : "scatter",
                   std::to_string(bad), "5 rows"));
        CHECK(target.differs(before) == "");
      } else {
        // The host does not see the numbers: the others are scattered.
        run();
        auto wanted = before;
        for (const index_t i : {0, 1, 3})
          for (index_t j = 0; j < 3; ++j)
            wanted(indices(0, i), j) = a(i, j) + (add ? before(indices(0, i), j) : T(0));
        CHECK(target.differs(wanted) == "");
      }
    }
}

TEMPLATE_LIST_TEST_CASE("scatter names the shapes that do not fit", "[conformance][scatter]",
                        backends) {
  using T = scalar_t<TestType>;
  using chainrule::shape_error;
  const TestType be{};
  const framed<TestType> target(be, integers<T>({5, 3}, 10), packed);
  const framed<TestType> source(be, integers<T>({2, 3}, 11), packed);
  const framed<TestType> narrow(be, integers<T>({2, 2}, 12), packed);
  const framed<TestType, std::int32_t> two(be, different_rows(2, 5), packed);
  const framed<TestType, std::int32_t> four(be, different_rows(4, 5), packed);
  CHECK(says(
      complaint<shape_error>([&] { be.scatter_add(target.view(), four.view(), source.view()); }),
      "scatter_add", "1x4", "5x3", "2x3"));
  if constexpr (scatters<TestType>)
    CHECK(
        says(complaint<shape_error>([&] { be.scatter(target.view(), two.view(), narrow.view()); }),
             "scatter", "1x2", "5x3", "2x2"));
}

}  // namespace scatter_test

// Tensors: ownership, views of the first rows, to and from the host.
#include "chainrule/memory/tensor.hpp"

#include "conformance/backends.hpp"
#include "support/catch.hpp"

namespace tensor_test {

using namespace chainrule;

TEMPLATE_LIST_TEST_CASE("a tensor goes to the host and back", "[memory]", conformance::backends) {
  using T = scalar_t<TestType>;
  const TestType be;
  const std::vector<T> values{1, 2, 3, 4, 5, 6};
  const tensor<TestType> t = from_host(be, matrix_view<const T>(values.data(), 2, 3));
  CHECK(t.shape() == matrix_shape{2, 3});
  CHECK(to_host(be, t.view()) == values);
  CHECK(to_host(be, t.top_rows(1)) == std::vector<T>{1, 2, 3});

  // A part of the host's memory, with gaps between rows.
  const tensor<TestType> part = from_host(be, matrix_view<const T>(values.data() + 1, 2, 2, 3));
  CHECK(to_host(be, part.view()) == std::vector<T>{2, 3, 5, 6});
}

TEMPLATE_LIST_TEST_CASE("a tensor's first rows are its own memory", "[memory]",
                        conformance::backends) {
  using T = scalar_t<TestType>;
  const TestType be;
  tensor<TestType> t(be, 3, 2);
  be.map(fn::fill{1}, t.view());
  be.map(fn::fill{9}, t.top_rows(2));
  CHECK(to_host(be, const_matrix<TestType>(t.view())) == std::vector<T>{9, 9, 9, 9, 1, 1});
  CHECK_THROWS_AS(t.top_rows(4), shape_error);
  CHECK(t.top_rows(0).empty());
}

TEMPLATE_LIST_TEST_CASE("a tensor moves and may be empty", "[memory]", conformance::backends) {
  using T = scalar_t<TestType>;
  const TestType be;
  STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<tensor<TestType>>);
  tensor<TestType> a(be, 1, 2);
  be.map(fn::fill{4}, a.view());
  tensor<TestType> b = std::move(a);
  CHECK(to_host(be, const_matrix<TestType>(b.view())) == std::vector<T>{4, 4});
  a = tensor<TestType>(be, 2, 1);
  be.map(fn::fill{5}, a.view());
  std::swap(a, b);
  CHECK(to_host(be, const_matrix<TestType>(a.view())) == std::vector<T>{4, 4});
  CHECK(b.shape() == matrix_shape{2, 1});

  CHECK(tensor<TestType>{}.view().empty());
  CHECK(to_host(be, const_matrix<TestType>(tensor<TestType>(be, 0, 5).view())).empty());
}

}  // namespace tensor_test

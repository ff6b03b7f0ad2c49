// The transpose, where a backend has a verb for it.
#include "conformance/backends.hpp"
#include "conformance/framed.hpp"
#include "support/catch.hpp"

namespace transpose_test {

using namespace conformance;

TEMPLATE_LIST_TEST_CASE("transpose turns rows into columns", "[conformance][transpose]", backends) {
  if constexpr (requires(const TestType& be, chainrule::matrix<TestType> m,
                         chainrule::const_matrix<TestType> c) { be.transpose(m, c); }) {
    using T = scalar_t<TestType>;
    const TestType be{};
    for (const matrix_shape extents : {matrix_shape{1, 1},
                                       {1, 17},
                                       {17, 1},
                                       {0, 3},
                                       {3, 0},
                                       {17, 33},
                                       {64, 64},
                                       {1025, 3},
                                       {3, 1025}})
      for (const layout l : {packed, strided}) {
        INFO(to_string(extents) << (l == packed ? " packed" : " strided"));
        const auto a = integers<T>(extents, 2);
        host_matrix<T> wanted({extents.cols, extents.rows});
        for (index_t i = 0; i < extents.rows; ++i)
          for (index_t j = 0; j < extents.cols; ++j) wanted(j, i) = a(i, j);
        const framed<TestType> source(be, a, l);
        const framed<TestType> target(be, integers<T>({extents.cols, extents.rows}, 3), l);
        be.transpose(target.view(), source.view());
        CHECK(target.differs(wanted) == "");
        CHECK(source.differs(a) == "");
      }
    const framed<TestType> source(be, integers<T>({2, 3}, 1), packed);
    const framed<TestType> target(be, integers<T>({2, 3}, 1), packed);
    CHECK_THROWS_AS(be.transpose(target.view(), source.view()), chainrule::shape_error);
  } else {
    WARN(TestType{}.name() << " has no transpose");
  }
}

}  // namespace transpose_test

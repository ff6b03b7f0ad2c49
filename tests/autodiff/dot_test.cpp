// Pictures of graphs.
#include "autodiff/differences.hpp"
#include "support/catch.hpp"

namespace dot_test {

using namespace differences;

TEMPLATE_LIST_TEST_CASE("a circuit as Graphviz draws it", "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.variable(-2.0);
  const auto y = t.variable(5.0);
  const auto z = t.variable(-4.0);
  const auto q = x + y;
  const auto f = q * z * 3;
  backward(f, {.keep_graph = true});
  CHECK(to_dot(f, {{"x", x}, {"y", y}, {"z", z}, {"q", q}}) ==
        "digraph {\n"
        "  rankdir=LR;\n"
        "  node [shape=box, fontname=\"monospace\"];\n"
        "  n0 [label=\"x\\n1x1\\nvalue -2\\ngradient -12\", style=rounded];\n"
        "  n1 [label=\"y\\n1x1\\nvalue 5\\ngradient -12\", style=rounded];\n"
        "  n2 [label=\"q = +\\n1x1\\nvalue 3\"];\n"
        "  n0 -> n2;\n"
        "  n1 -> n2;\n"
        "  n3 [label=\"z\\n1x1\\nvalue -4\\ngradient 9\", style=rounded];\n"
        "  n4 [label=\"*\\n1x1\\nvalue -12\"];\n"
        "  n2 -> n4;\n"
        "  n3 -> n4;\n"
        "  n5 [label=\"* 3\\n1x1\\nvalue -36\"];\n"
        "  n4 -> n5;\n"
        "}\n");
}

TEMPLATE_LIST_TEST_CASE("a picture of matrices gives shapes, and values of small ones",
                        "[autodiff]", backends) {
  tape<TestType> t;
  const auto x = t.constant(2, 2, {1, 2, 3, 4});
  const auto w = t.variable(numbers(t.backend(), 2, 9, std::vector<double>(18, 1)).view());
  const std::string text = to_dot(math::sum(matmul(x, w)), {{"a \"w\"", w}});
  const auto has = [&](const char* piece) { return text.find(piece) != std::string::npos; };
  CHECK(has("[label=\"constant\\n2x2\\nvalue 1 2; 3 4\", style=rounded]"));
  CHECK(has("[label=\"a \\\"w\\\"\\n2x9\", style=rounded]"));
  CHECK(has("[label=\"matmul\\n2x9\"]"));
  CHECK(has("[label=\"sum\\n1x1\\nvalue 90\"]"));
}

}  // namespace dot_test

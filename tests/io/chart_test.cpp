// Charts: what stands in the SVG, read by a small XML reader.
#include "chainrule/io/chart.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "chainrule/io/image_grid.hpp"
#include "chainrule/io/matrix_chart.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"
#include "support/xml.hpp"

namespace chart_test {

using namespace chainrule;
using scratch::contains;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
using numbers = std::vector<double>;

/// The labels of a document; its elements must be nested and closed, its numbers finite.
std::vector<std::string> labels(const std::string& svg) {
  REQUIRE(xml::error_in(svg) == "");
  REQUIRE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  REQUIRE_FALSE(contains(svg, "nan"));
  REQUIRE_FALSE(contains(svg, "inf"));
  return xml::texts(svg, "text");
}
std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}
/// The path of the first series: it has a colour and round ends.
std::string first_path(const std::string& svg) {
  const auto end = svg.find("\" fill=\"none\" stroke=\"#0072b2\"");
  REQUIRE(end != std::string::npos);
  const auto begin = svg.rfind("d=\"", end) + 3;
  return svg.substr(begin, end - begin);
}
std::string line(const numbers& x, const numbers& y, const chart_options& options = {}) {
  return chart(options).line("", x, y).svg();
}

}  // namespace

TEST_CASE("the XML reader of these tests finds what is wrong") {
  for (const char* text : {"<a>", "<a></b>", "<a b=c/>", "<a/><a/>", "<a>&x;</a>",
                           "<a b='1' b='2'/>", "<a>\x01</a>", "<a", "</a>", "text"})
    CHECK(xml::error_in(text) != "");
  CHECK(xml::error_in("<a b=\"1\"><c/>&amp;</a>\n") == "");
}

TEST_CASE("chart: ticks are round numbers around the values") {
  CHECK(labels(line({1, 10}, {0.13, 0.87})) == std::vector<std::string>{"0", "2", "4", "6", "8",
                                                                        "10", "0", "0.2", "0.4",
                                                                        "0.6", "0.8", "1"});
  // Whole numbers, such as epochs, have no ticks between them.
  CHECK(labels(line({1, 2}, {-3e7, 3e7})) ==
        std::vector<std::string>{"1", "2", "-30000000", "-20000000", "-10000000", "0", "10000000",
                                 "20000000", "30000000"});
  CHECK(labels(line({0, 3e-7}, {1, 1000}, {.log_y = true})) ==
        std::vector<std::string>{"0", "5e-8", "1e-7", "1.5e-7", "2e-7", "2.5e-7", "3e-7", "1", "10",
                                 "100", "1000"});
  CHECK(labels(line({0.3, 4}, {1e-40, 1e30}, {.log_x = true, .log_y = true})) ==
        std::vector<std::string>{"0.2", "0.5", "1", "2", "5", "1e-40", "1e-30", "1e-20", "1e-10",
                                 "1", "1e10", "1e20", "1e30"});
}

TEST_CASE("chart: the extremes of the axes are those of the area") {
  const std::string svg = line({0, 5, 10}, {0, 1, 1}, {.width = 100, .height = 50});
  // Two labels "0" and "1" are 6.8 wide: the area begins at 22.8 and ends at 122.8, from 12 to 62.
  CHECK(first_path(svg) == "M22.8 62h0L72.8 12L122.8 12");
  CHECK(first_path(line({1, 10, 100}, {0, 1, 0}, {.log_x = true, .width = 100, .height = 50})) ==
        "M22.8 62h0L72.8 12L122.8 62");
  CHECK_FALSE(contains(svg, "<title>"));
}

TEST_CASE("chart: what has no place is left out and breaks the line") {
  const numbers x{0, 1, 2, 3, 4, 5, 6};
  for (const double none : {not_a_number, inf, -inf, 1e101}) {
    const std::string svg = line(x, {0, 1, none, 1, none, none, 0});
    CHECK(count_of(first_path(svg), "M") == 3);  // two points, one alone, one alone
    CHECK(count_of(first_path(svg), "L") == 1);
    CHECK(labels(svg) == labels(line(x, {0, 1, 0, 1, 0, 0, 0})));
  }
  for (const double none : {0.0, -1.0, not_a_number}) {
    const std::string svg = line(x, {1, 2, none, 4, 5, 6, 7}, {.log_y = true});
    CHECK(count_of(first_path(svg), "M") == 2);
    labels(svg);
  }
}

TEST_CASE("chart: no point, one point and equal values have axes") {
  const chart nothing{{.log_y = true}};
  CHECK(labels(nothing.svg()) == std::vector<std::string>{"0", "1", "1", "2", "5", "10"});
  CHECK(labels(line({not_a_number}, {1})).size() > 2);
  CHECK(count_of(first_path(line({3}, {7})), "M") == 1);
  for (const bool log : {false, true})
    for (const double v : {1e-90, 0.25, 1.0, 12345.678, 1e99}) {
      const std::string svg = line({v, v}, {v, v}, {.log_x = log, .log_y = log});
      CHECK(labels(svg).size() > 3);
      CHECK(labels(svg).size() < 40);
    }
  for (const double v : {0.0, -5.0, -1e100}) CHECK(labels(line({v, v}, {v, v})).size() > 3);
  // Values that differ by rounding only, and all that there is.
  CHECK(labels(line({1, 1 + 1e-15}, {-1e100, 1e100})).size() < 40);
}

TEST_CASE("chart: titles, names and labels are escaped") {
  const std::string bad = "a<b> & \"c\" \xc3\xa9 \xff\xc0\xaf \x01";
  const std::string good = "a<b> & \"c\" \xc3\xa9 ??? ?";
  const std::string svg = chart({.title = bad, .x = bad, .y = bad})
                              .line(bad, numbers{0, 1}, numbers{0, 1})
                              .points(bad, numbers{0}, numbers{0})
                              .svg();
  std::size_t found = 0;
  for (const std::string& text : labels(svg)) found += text == good;
  CHECK(found == 5);
  CHECK(xml::texts(svg, "title") == std::vector<std::string>{good});
  for (const char* text : {"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "\xef\xbf\xbf"})
    CHECK(detail::xml_text(text) == std::string(std::string_view(text).size(), '?'));
  CHECK(detail::xml_text("\xf0\x9f\x99\x82") == "\xf0\x9f\x99\x82");
  CHECK(detail::xml_text("\xf0\x9f") == "??");
}

TEST_CASE("chart: thousands of points, and series, differ and stay small") {
  numbers x, y;
  for (int i = 0; i < 20000; ++i) {
    x.push_back(i);
    y.push_back(std::sin(i * 1e-3));
  }
  CHECK(line(x, y).size() < 200000);
  // Equal places are drawn once.
  CHECK(chart{}.points("", numbers(20000, 1.0), numbers(20000, 2.0)).svg().size() < 2000);
  chart many;
  for (int k = 0; k < 10; ++k) many.line(std::to_string(k), numbers{0, 1}, numbers{0, 1.0 * k});
  CHECK(labels(many.svg()).size() >= 10);
  CHECK(count_of(many.svg(), "stroke-dasharray") == 4);  // two lines, and two in the legend
}

TEST_CASE("chart: regions are coloured by class, from the upper row down") {
  const auto half = [](double x, double y) { return y > 1 ? -1 : x < 0 ? 0 : 1; };
  const std::string svg = chart{}.regions(half, -2, 2, 0, 2).svg();
  labels(svg);
  CHECK(contains(svg, "<path stroke=\"#0072b2\" d=\"M0 50h50M0 51h50"));
  CHECK(contains(svg, "<path stroke=\"#e69f00\" d=\"M50 50h50M50 51h50"));
  CHECK(count_of(svg, "h50M") == 98);
  chart log({.log_x = true});
  CHECK_THROWS_AS(log.regions(half, 1, 2, 0, 1), value_error);
  CHECK_THROWS_AS(chart{}.regions(half, 2, 1, 0, 1), value_error);
}

TEST_CASE("chart: counts and extents must fit") {
  CHECK_THROWS_AS(chart{}.line("", numbers{1, 2}, numbers{1}), shape_error);
  CHECK_THROWS_AS(chart({.width = 0}), value_error);
}

TEST_CASE("matrix chart: numbers, names and colours") {
  const std::string svg = matrix_chart(numbers{1, 0, not_a_number, -2, 0.5, 2}, 3,
                                       {.title = "W", .x = "to", .row_names = {"left", "right"}});
  CHECK(labels(svg) == std::vector<std::string>{"W", "left", "right", "0", "1", "2", "1", "0", "-2",
                                                "0.5", "2", "to"});
  CHECK(contains(svg, "<path stroke=\"#005496\" d=\"M2 1h1\"/>"));  // the largest: blue
  CHECK(contains(svg, "<path stroke=\"#d55e00\" d=\"M0 1h1\"/>"));  // orange
  CHECK(contains(svg, "<path stroke=\"#ffffff\" d=\"M1 0h1\"/>"));  // 0, not the NaN beside it
  // By row: 9 of 10 are as dark as 90 of 100.
  const std::string shaded = matrix_chart(numbers{9, 1, 10, 90}, 2, {.shade_by_row = true});
  CHECK(contains(shaded, "d=\"M0 0h1M1 1h1\""));
  // Numbers that do not fit are replaced by the extremes.
  const numbers large(100 * 90, -0.25);
  const auto texts = labels(matrix_chart(large, 90, {.numbers = false}));
  CHECK(texts.back() == "from -0.25 to 0; white: 0");
  CHECK(texts.size() < 50);
  CHECK(labels(matrix_chart(numbers{1234567, 0.123456, -1e-9}, 3)) ==
        std::vector<std::string>{"0", "0", "1", "2", "1234567", "0.123", "-1e-9"});
  labels(matrix_chart(numbers{}, 3));
  labels(matrix_chart(numbers{0, 0}, 1));
  CHECK_THROWS_AS(matrix_chart(numbers{1, 2, 3}, 2), shape_error);
  CHECK_THROWS_AS(matrix_chart(numbers{1, 2, 3}, 0), shape_error);
}

TEST_CASE("image grid: the least value is black, the largest white") {
  const std::vector<float> values{0, 1, 9, 9, 0.5F, 9, 1, 1, 9};
  const std::string svg =
      image_grid({{{values.data(), 9}, 1, 3, "every third", 3}, {{values.data(), 2}, 1, 2}},
                 {.title = "images", .columns = 1, .pixel = 4});
  CHECK(labels(svg) == std::vector<std::string>{"images", "every third"});
  // 0, 9, 1
  CHECK(contains(svg,
                 "<path stroke=\"#000\" d=\"M0 0h1\"/>\n<path stroke=\"#222\" d=\"M2 0h1\"/>\n"
                 "<path stroke=\"#fff\" d=\"M1 0h1\"/>"));
  const std::vector<float> broken{static_cast<float>(not_a_number), 3, static_cast<float>(inf)};
  const std::string one = image_grid({{broken, 1, 3}});
  labels(one);
  CHECK(contains(one, "<path stroke=\"#000\" d=\"M1 0h1\"/>\n</g>"));
  labels(image_grid({}));
  CHECK_THROWS_AS(image_grid({{broken, 2, 2}}), shape_error);
  CHECK_THROWS_AS(image_grid({{broken, 1, 2, "", 3}}), shape_error);
  CHECK_THROWS_AS(image_grid({{broken, 0, 2}}), shape_error);
  CHECK_THROWS_AS(image_grid({}, {.columns = 0}), value_error);
}

TEST_CASE("write_svg writes the text and nothing else") {
  const scratch::folder folder;
  write_svg(folder / "a.svg", chart{}.svg());
  CHECK(scratch::read(folder / "a.svg") == chart{}.svg());
  CHECK_THROWS_AS(write_svg(folder / "none/a.svg", ""), io_error);
}

}  // namespace chart_test

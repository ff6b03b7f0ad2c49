// CSV files: what is read, where mistakes are found, and that no prefix of a file does harm.
#include "chainrule/data/csv.hpp"

#include <cmath>

#include "data/files.hpp"
#include "support/catch.hpp"

namespace csv_test {

using namespace chainrule;
using namespace data_test;

namespace {

/// The message of the format_error that a text causes.
std::string refusal(const std::string& text, const csv_options& options = {}) {
  return message_of<format_error>([&] { (void)parse_csv(text, options); });
}

std::vector<double> column(const table& t, const std::string& name) {
  const host_matrix m = t.values({name});
  return {m.view().data(), m.view().data() + m.rows()};
}

}  // namespace

TEST_CASE("csv: a file with a header, numbers and text") {
  const scratch::folder folder;
  scratch::write(folder / "houses.csv",
                 "area,kind,price\n120.5,house,3e5\n 40 ,flat,+1.25e+5\r\n-1,house,0\n");
  const table t = read_csv(folder / "houses.csv");
  CHECK(t.rows() == 3);
  CHECK(t.names() == std::vector<std::string>{"area", "kind", "price"});
  CHECK(t.names_without({"kind"}) == std::vector<std::string>{"area", "price"});
  CHECK(t.contains("kind"));
  CHECK_FALSE(t.contains("Kind"));
  CHECK(t.is_text("kind"));
  CHECK_FALSE(t.is_text("price"));
  CHECK(t.text("kind", 1) == "flat");
  const host_matrix m = t.values({"price", "area"});
  REQUIRE(m.rows() == 3);
  REQUIRE(m.cols() == 2);
  CHECK(m(0, 0) == 3e5);
  CHECK(m(1, 0) == 125000);
  CHECK(m(0, 1) == 120.5);
  CHECK(m(1, 1) == 40);
  CHECK(m(2, 1) == -1);
}

TEST_CASE("csv: quoted fields, separators, and what is skipped") {
  const table t = parse_csv(
      "\xEF\xBB\xBF\"a;1\";b\r\n"
      "\n"
      "\"line 1\nline 2\";\"1.5\"\n"
      "\"say \"\"yes\"\"\";2\r\n"
      "5\" pipe;3",
      {.separator = ';'});
  CHECK(t.names() == std::vector<std::string>{"a;1", "b"});
  CHECK(t.text("a;1", 0) == "line 1\nline 2");
  CHECK(t.text("a;1", 1) == "say \"yes\"");
  CHECK(t.text("a;1", 2) == "5\" pipe");
  CHECK(column(t, "b") == std::vector<double>{1.5, 2, 3});
}

TEST_CASE("csv: without a header, columns are numbered") {
  const table t = parse_csv("1\t2\n3\t4\n", {.separator = '\t', .header = false});
  CHECK(t.names() == std::vector<std::string>{"0", "1"});
  CHECK(column(t, "1") == std::vector<double>{2, 4});
  CHECK(parse_csv(",b\n1,2\n").names() == std::vector<std::string>{"0", "b"});
  CHECK(parse_csv("").rows() == 0);
  CHECK(parse_csv("a,b\n").rows() == 0);
  CHECK(parse_csv("a,b\n").values({"b"}).cols() == 1);
}

TEST_CASE("csv: missing values are refused, or are NaN where that is asked for") {
  CHECK(refusal("a,b\n1,2\n3,\n") ==
        "the text, line 3, column 2: column 'b' has no value here; csv_options::missing may "
        "accept that");
  CHECK(contains(refusal("a,b\n1,2\n?,4\n", {.missing_texts = {"?"}}), "line 3, column 1"));
  const csv_options as_nan{.missing = missing_values::as_nan, .missing_texts = {"NA"}};
  const table t = parse_csv("a,b,c\n1,,x\nNA,4,\n", as_nan);
  CHECK(column(t, "a")[0] == 1);
  CHECK(std::isnan(column(t, "a")[1]));
  CHECK(std::isnan(column(t, "b")[0]));
  CHECK(t.text("c", 1).empty());
  CHECK(finite_rows(t.values({"a"})) == std::vector<std::int32_t>{0});
  CHECK(finite_rows(t.values({"a", "b"})).empty());
}

TEST_CASE("csv: a column that is not of numbers says which field is to blame") {
  for (const std::string bad :
       {"1,5", "12x", "nan", "inf", "1e999", "0x10", "--1", "+-1", "\"\""}) {
    const table t = parse_csv("a;b\n1;2\n" + bad + ";4\n", {.separator = ';'});
    CAPTURE(bad);
    CHECK(t.is_text("a"));
    const std::string said = message_of<value_error>([&] { (void)t.values({"b", "a"}); });
    CHECK(contains(said, "column 'a' is of text ('" + (bad == "\"\"" ? "" : bad) + "' in line 3)"));
  }
  CHECK(contains(message_of<value_error>([] { (void)parse_csv("a,b\n1,2\n").values({"c"}); }),
                 "there is no column 'c'; the first are 'a', 'b'"));
}

TEST_CASE("csv: malformed files are refused with line and column") {
  CHECK(contains(refusal("a,b\n1,2\n3\n"),
                 "line 3, column 1: this row has 1 fields, expected the 2"));
  CHECK(contains(refusal("a,b\n1,2,3\n"), "line 2, column 3: this row has more fields than the 2"));
  CHECK(contains(refusal("a,b\n1,\"2\n3,4\n"), "line 2, column 2: the quote that opens"));
  CHECK(contains(refusal("a,b\n\"1\nx\",\"2\"3\n"), "line 3, column 2: text follows the quote"));
  CHECK(contains(refusal("a,a\n1,2\n"), "two columns 'a'"));
  CHECK(contains(refusal("a\x1b[2J,b\n,2\n"), "column 'a?[2J' has no value"));  // for a terminal
  CHECK(contains(refusal("a,b\n1,2\n3,4\n", {.max_rows = 1}), "more than the 1 rows"));
  CHECK(contains(refusal("a,b,c\n", {.max_columns = 2}), "line 1, column 3: there are more than"));
  CHECK(contains(refusal("a,b,c\n", {.max_bytes = 5}), "has 6 bytes, more than the 5"));
  CHECK_THROWS_AS(parse_csv("a", {.separator = '"'}), value_error);
  CHECK_THROWS_AS(parse_csv("a", {.separator = '\n'}), value_error);
  CHECK_THROWS_AS(read_csv("/there/is/no/such.csv"), io_error);
  const scratch::folder folder;
  scratch::write(folder / "long.csv", std::string(1000, 'a'));
  CHECK_THROWS_AS(read_csv(folder / "long.csv", {.max_bytes = 999}), format_error);
  CHECK(read_csv(folder / "long.csv", {.max_bytes = 1000}).rows() == 0);
}

TEST_CASE("csv: every prefix and every changed byte is read or refused") {
  const std::string whole =
      "\xEF\xBB\xBFname,x,\"y \"\"z\"\"\"\r\n\"a,\nb\",1.5,-2e-3\r\nc,,7\n\n\"d\",3,\"4\"\n";
  for (const missing_values missing : {missing_values::refuse, missing_values::as_nan}) {
    const csv_options options{.missing = missing};
    std::size_t read = 0;
    const auto attempt = [&](std::string text) {
      text.shrink_to_fit();  // so that a sanitizer sees a read past the end
      try {
        if (parse_csv(text, options).rows() >= 0) ++read;
      } catch (const format_error&) {
      }
    };
    for (std::size_t n = 0; n <= whole.size(); ++n) attempt(whole.substr(0, n));
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const char c : {'"', ',', '\n', '\r', '\0', '\xff', '1'}) {
        std::string changed = whole;
        changed[i] = c;
        attempt(changed);
      }
    CHECK(read > 10);
  }
}

TEST_CASE("csv: classes of a column") {
  const table t = parse_csv("kind,n\nb,10\na,9\nb,1e1\nc,9\n");
  const class_column kinds = t.classes("kind");
  CHECK(kinds.names == std::vector<std::string>{"a", "b", "c"});
  CHECK(kinds.numbers == std::vector<int>{1, 0, 1, 2});
  CHECK(kinds.count() == 3);
  const class_column numbers = t.classes("n");
  CHECK(numbers.names == std::vector<std::string>{"9", "10"});
  CHECK(numbers.numbers == std::vector<int>{1, 0, 1, 0});
  // Other data is numbered as the training data was.
  const table other = parse_csv("kind\nc\na\n");
  CHECK(other.classes("kind", kinds.names).numbers == std::vector<int>{2, 0});
  CHECK(contains(
      message_of<value_error>([&] { (void)parse_csv("kind\nd\n").classes("kind", kinds.names); }),
      "has the text 'd', which is none of the 3 classes"));
  CHECK_THROWS_AS(t.classes("n", {"9"}), value_error);
  const table gap = parse_csv("a,b\n1,2\n,3\n", {.missing = missing_values::as_nan});
  CHECK_THROWS_AS(gap.classes("a"), value_error);

  const host_matrix hot = one_hot(kinds.numbers, kinds.count());
  const double expected[4][3] = {{0, 1, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  for (index_t i = 0; i < 4; ++i)
    for (index_t j = 0; j < 3; ++j) CHECK(hot(i, j) == expected[i][j]);
  CHECK_THROWS_AS(one_hot(kinds.numbers, 2), value_error);
  const host_matrix joined = join_columns(t.values({"n"}), hot);
  CHECK(joined.cols() == 4);
  CHECK(joined(2, 0) == 10);
  CHECK(joined(2, 2) == 1);
  CHECK_THROWS_AS(join_columns(hot, host_matrix(3, 1)), shape_error);
}

#ifdef CHAINRULE_WITH_ZLIB
TEST_CASE("csv: compressed files are read") {
  const scratch::folder folder;
  const std::string text = "a,b\n1,2\n";
  write_bytes(folder / "t.csv.gz", gzip(bytes(text.begin(), text.end())));
  CHECK(column(read_csv(folder / "t.csv.gz"), "b") == std::vector<double>{2});
  write_bytes(folder / "bomb.csv.gz", gzip_bomb(bytes{'a', '\n'}, 64));
  CHECK_THROWS_AS(read_csv(folder / "bomb.csv.gz", {.max_bytes = 1 << 20}), format_error);
}
#endif

}  // namespace csv_test

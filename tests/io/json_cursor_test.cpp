#include "chainrule/io/json_cursor.hpp"

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

// An independent reader to compare with, where there is one.
#if __has_include(<nlohmann/json.hpp>)
#include <nlohmann/json.hpp>
#define CHAINRULE_TESTS_HAVE_NLOHMANN 1
#endif

namespace json_cursor_test {

using chainrule::format_error;
using chainrule::detail::append_json_string;
using chainrule::detail::json_cursor;

namespace {

std::string read_string(const std::string& text) {
  json_cursor in(text, "test");
  std::string value = in.string();
  in.finish();
  return value;
}

std::uint64_t read_number(const std::string& text) {
  json_cursor in(text, "test");
  const std::uint64_t value = in.unsigned_integer();
  in.finish();
  return value;
}

}  // namespace

TEST_CASE("the cursor walks through objects and arrays") {
  json_cursor in(" { \"a\" : [ 1 , 22 ,\t333 ] ,\r\n \"b\":[],\"\":\"x\",\"d\":{} } \n", "test");
  std::string keys;
  std::vector<std::uint64_t> numbers;
  in.members([&](const std::string& key) {
    keys += key + ";";
    if (key.empty())
      CHECK(in.string() == "x");
    else if (key == "d")
      in.members([](const std::string&) {});
    else
      in.elements([&] { numbers.push_back(in.unsigned_integer()); });
  });
  in.finish();
  CHECK(keys == "a;b;;d;");
  CHECK(numbers == std::vector<std::uint64_t>{1, 22, 333});
}

TEST_CASE("the cursor refuses structures that are not JSON") {
  for (const std::string text :
       {"", "{", "}", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}",
        "{\"a\" 1}", "{a:1}", "{'a':1}", "{\"a\":1}}", "{\"a\":1} x", "{\"a\":1,\"a\":1}",
        "{\"a\":1,\"\\u0061\":1}", "[1]", "{\"a\":1/**/}", "\xEF\xBB\xBF{}"}) {
    CAPTURE(text);
    const auto walk = [&] {
      json_cursor in(text, "the name");
      in.members([&](const std::string&) { (void)in.unsigned_integer(); });
      in.finish();
    };
    const std::string message = scratch::complaint<format_error>(walk);
    CHECK(scratch::contains(message, "the name: the header is malformed near its byte "));
  }
  for (const std::string text : {"[", "]", "[1", "[1,", "[1,]", "[,]", "[1 2]", "[1]]", "{}"}) {
    CAPTURE(text);
    json_cursor in(text, "test");
    const auto walk = [&] {
      in.elements([&] { (void)in.unsigned_integer(); });
      in.finish();
    };
    CHECK_THROWS_AS(walk(), format_error);
  }
  const std::string with_nul("{}\0{}", 5);
  json_cursor in(with_nul, "test");
  in.members([](const std::string&) {});
  CHECK_THROWS_AS(in.finish(), format_error);
}

TEST_CASE("the cursor reads whole numbers of 64 bits and no others") {
  CHECK(read_number("0") == 0);
  CHECK(read_number(" 10 ") == 10);
  CHECK(read_number("18446744073709551615") == UINT64_MAX);
  for (const std::string text :
       {"18446744073709551616", "99999999999999999999999", "-1", "-0", "+1", "01", "00", "1.0",
        "1e3", "1E3", "0x10", ".5", "", "null", "true", "\"1\"", "NaN", "1 1"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_number(text), format_error);
  }
}

TEST_CASE("the cursor decodes strings") {
  CHECK(read_string(R"("a\"\\\/\b\f\n\r\tz")") == "a\"\\/\b\f\n\r\tz");
  CHECK(read_string(R"("\u0041\u00e9\u20AC\ud83d\ude00")") == "A\u00e9\u20ac\U0001F600");
  CHECK(read_string("\"\u00e9\u20ac\U0001F600\x7f\"") == "\u00e9\u20ac\U0001F600\x7f");
  CHECK(read_string("\"\\u0000\"") == std::string(1, '\0'));
  for (const std::string text : {"\"",
                                 "\"a",
                                 "\"\\\"",
                                 "\"\\x\"",
                                 "\"\\u12\"",
                                 "\"\\u12g4\"",
                                 "\"\n\"",
                                 "\"\\ud800\"",
                                 "\"\\udc00\"",
                                 "\"\\ud800\\u0041\"",
                                 "\"\\ud800x\"",
                                 "\"\\ud800\\n\"",
                                 "\"\x80\"",
                                 "\"\xc0\x80\"",
                                 "\"\xc1\xbf\"",
                                 "\"\xc3\"",
                                 "\"\xc3(\"",
                                 "\"\xe0\x80\x80\"",
                                 "\"\xed\xa0\x80\"",
                                 "\"\xf0\x80\x80\x80\"",
                                 "\"\xf4\x90\x80\x80\"",
                                 "\"\xf5\x80\x80\x80\"",
                                 "\"\xff\"",
                                 "'a'",
                                 "a"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_string(text), format_error);
  }
}

TEST_CASE("strings that were appended are read back") {
  std::string all;
  for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
  all += "\u00e9\u20ac\U0001F600";
  std::string text;
  append_json_string(text, all);
  CHECK(read_string(text) == all);
}

#ifdef CHAINRULE_TESTS_HAVE_NLOHMANN
TEST_CASE("the cursor takes the same strings as another reader") {
  // Pieces from which valid and invalid strings are put together by chance.
  const std::vector<std::string> pieces = {
      "\\",   "u",        "\\u",      "d83d",     "\\ude00",      "\\ud83d",  "00e9", "n",
      "\"",   "\xc3\xa9", "\xe2\x82", "\xac",     "\xf0\x9f",     "\x98\x80", "a",    "\x1f",
      "\x7f", "\xed\x9f", "\xed\xa0", "\xbf\xbf", "\xf4\x8f\xbf", "\xe0\xa0", " ",    "\\/"};
  std::mt19937 random(7);
  int taken = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string text = "\"";
    for (auto n = random() % 5; n-- > 0;) text += pieces[random() % pieces.size()];
    text += "\"";
    const auto other = nlohmann::json::parse(text, nullptr, false);
    std::string mine;
    const std::string refused = scratch::complaint<format_error>([&] { mine = read_string(text); });
    CAPTURE(i, text);
    REQUIRE(refused.empty() == !other.is_discarded());
    if (refused.empty()) {
      REQUIRE(mine == other.get<std::string>());
      ++taken;
    }
  }
  CHECK(taken > 1000);
}
#endif

}  // namespace json_cursor_test

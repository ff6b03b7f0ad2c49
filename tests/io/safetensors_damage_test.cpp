// Files that are damaged, cut off, hostile or somebody else's.
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "chainrule/io/safetensors.hpp"
#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace safetensors_damage_test {

using chainrule::format_error;
using chainrule::load_safetensors;
using chainrule::load_safetensors_options;
using chainrule::safetensors_file;
using chainrule::save_safetensors;
using chainrule::tensor_to_save;
using scratch::complaint;
using scratch::contains;

namespace {

const load_safetensors_options any_program{.require_checksums = false};

/// A small file with every kind of part: an odd size, an empty tensor, metadata, padding.
std::string small_file(const std::string& path) {
  const std::vector<float> w = {1.5F, -2.0F, 0.0F};
  const std::vector<double> b = {0.1};
  const std::vector<tensor_to_save> tensors = {
      {"odd", "U8", {3}, scratch::bytes("abc")},
      {"layer0.weight", "F32", {3, 1}, std::as_bytes(std::span(w))},
      {"none", "F32", {0, 4}, {}},
      {"b\n", "F64", {}, std::as_bytes(std::span(b))}};
  for (std::string note = "x";; note += "x") {
    save_safetensors(path, tensors, {{"note", note}});
    const std::string content = scratch::read(path);
    if (contains(content, "}}    ")) return content;  // with some padding
  }
}

/// A file with this header and so many bytes of data, as another program would write it.
std::string file_with(const std::string& header, std::size_t data_bytes) {
  std::string content(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(content.data(), &length, 8);
  return content + header + std::string(data_bytes, 'd');
}

std::string tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

/// The message with which `content` is refused; empty if it is not. Other exceptions pass, and a
/// file that is taken must be consistent.
std::string refusal(const std::string& path, const std::string& content,
                    load_safetensors_options options = any_program) {
  std::remove(path.c_str());  // truncating in place instead makes some file systems wait for a disk
  scratch::write(path, content);
  return complaint<format_error>([&] {
    const safetensors_file file = load_safetensors(path, options);
    std::size_t bytes = 0;
    unsigned sum = 0;  // touches every byte, for the address sanitizer
    for (const auto& t : file.tensors()) {
      bytes += t.data.size();
      for (const std::byte b : t.data) sum += std::to_integer<unsigned>(b);
    }
    CHECK(bytes <= content.size());
    CHECK(sum <= 255 * bytes);
  });
}

}  // namespace

TEST_CASE("every flipped bit is refused") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string good = small_file(path);
  REQUIRE(refusal(path, good, {}).empty());
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    CAPTURE(bit, good.size());
    REQUIRE(!refusal(path, bad, {}).empty());
    (void)refusal(path, bad);  // may be taken, but in an orderly way
  }
}

TEST_CASE("other small damage is refused") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string good = small_file(path);
  std::mt19937 random(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (auto n = 1 + random() % 3; n-- > 0;)
      bad[random() % bad.size()] = static_cast<char>(random() % 256);
    CAPTURE(i);
    if (bad != good) REQUIRE(!refusal(path, bad, {}).empty());
  }
}

TEST_CASE("a file that is cut off anywhere, or goes on, is refused") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string good = small_file(path);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    REQUIRE(!refusal(path, good.substr(0, size), {}).empty());
    REQUIRE(!refusal(path, good.substr(0, size)).empty());
  }
  CHECK(contains(refusal(path, good + 'x', {}), "trailing bytes are refused"));
  CHECK(contains(refusal(path, good + good, {}), "trailing bytes are refused"));
}

TEST_CASE("damage is reported where it is") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string good = small_file(path);
  std::string bad = good;
  bad[bad.size() - 1] ^= 1;
  CHECK(contains(refusal(path, bad, {}), path + ": the data of tensor 'b?' are damaged"));
  bad = good;
  bad[bad.find("layer0")] = 'L';
  CHECK(contains(refusal(path, bad, {}), "the header does not match its checksum"));
  // Damage to a file that has checksums is found even where they are not required.
  CHECK(contains(refusal(path, bad), "the header does not match its checksum"));
}

TEST_CASE("a file of a later format is refused by its number") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  std::string later = small_file(path);
  const std::string key = R"("format_version":")";
  later[later.find(key) + key.size()] = '2';
  std::uint64_t length = 0;
  std::memcpy(&length, later.data(), 8);
  const std::string header = later.substr(8, static_cast<std::size_t>(length));
  later.replace(8 + chainrule::detail::signature_head.size(), 8,
                chainrule::detail::header_checksum(header));
  CHECK(contains(refusal(path, later, {}), "format_version '2', this version of the library"));
}

TEST_CASE("files of other programs are read if that is asked for") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string content =
      file_with(R"({ "z" : {"shape":[2], "data_offsets":[4,6], "dtype":"BF16x"},)"
                R"("__metadata__":{"format":"pt"}, "a":)" +
                    tensor("F32", "[1,1]", "[0,4]") + "}\n\t ",
                6);
  CHECK(contains(refusal(path, content), "'z' has the unknown dtype 'BF16x'"));
  std::string good = content;
  good.replace(good.find("BF16x\""), 6, "I8\"   ");
  CHECK(contains(refusal(path, good, {}),
                 "no checksums: another program wrote it (set "
                 "require_checksums to false"));
  REQUIRE(refusal(path, good).empty());
  const safetensors_file file = load_safetensors(path, any_program);
  CHECK(!file.verified());
  CHECK(file.metadata().at("format") == "pt");
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.tensors()[0].name == "a");  // in the order of the data
  CHECK(file.tensors()[1].name == "z");
  CHECK(refusal(path, file_with("{}", 0)).empty());
}

TEST_CASE("headers that do not describe their file are refused") {
  struct {
    std::string header;
    std::size_t data_bytes;
    std::string says;
  } const cases[] = {
      // The data are not filled exactly.
      {"{}", 1, "trailing bytes"},
      {R"({"a":)" + tensor("U8", "[2]", "[0,2]") + "}", 3, "trailing bytes"},
      {R"({"a":)" + tensor("U8", "[2]", "[1,3]") + "}", 3, "leaves a hole"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,1]") + R"(,"b":)" + tensor("U8", "[1]", "[2,3]") + "}",
       3, "'b' leaves a hole"},
      {R"({"a":)" + tensor("U8", "[2]", "[0,2]") + R"(,"b":)" + tensor("U8", "[2]", "[1,3]") + "}",
       3, "'b' overlaps"},
      {R"({"a":)" + tensor("U8", "[2]", "[0,2]") + R"(,"b":)" + tensor("U8", "[2]", "[0,2]") + "}",
       2, "overlaps"},
      {R"({"a":)" + tensor("U8", "[3]", "[0,3]") + R"(,"b":)" + tensor("U8", "[0]", "[1,1]") + "}",
       3, "'b' overlaps"},
      {R"({"a":)" + tensor("U8", "[0]", "[1,1]") + "}", 1, "leaves a hole"},
      // Offsets that do not fit the shape or the file.
      {R"({"a":)" + tensor("U8", "[4]", "[0,4]") + "}", 3, "the file has 3 bytes of data"},
      {R"({"a":)" + tensor("U8", "[1]", "[2,1]") + "}", 3, "offsets 2 to 1"},
      {R"({"a":)" + tensor("F32", "[1]", "[0,3]") + "}", 3, "F32 [1] needs 4"},
      {R"({"a":)" + tensor("F32", "[2]", "[0,4]") + "}", 4, "F32 [2] needs 8"},
      {R"({"a":)" + tensor("F32", "[]", "[0,0]") + "}", 0, "F32 [] needs 4"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,9223372036854775808]") + "}", 1, "the file has 1"},
      {R"({"a":)" + tensor("U8", "[1]", "[18446744073709551615,0]") + "}", 1, "the file has 1"},
      {R"({"a":)" + tensor("U8", "[0]", "[9223372036854775808,9223372036854775808]") + "}", 0,
       "the file has 0"},
      // Extents that overflow, also where a zero hides it.
      {R"({"a":)" + tensor("U8", "[9223372036854775808]", "[0,0]") + "}", 0, "extent is too large"},
      {R"({"a":)" + tensor("F32", "[4611686018427387904]", "[0,0]") + "}", 0, "too large to count"},
      {R"({"a":)" + tensor("U8", "[4294967296,4294967296]", "[0,0]") + "}", 0, "too large"},
      {R"({"a":)" + tensor("U8", "[0,4294967296,4294967296]", "[0,0]") + "}", 0, "too large"},
      {R"({"a":)" + tensor("U8", "[4294967296,4294967296,0]", "[0,0]") + "}", 0, "too large"},
      // Numbers that are none of ours.
      {R"({"a":)" + tensor("U8", "[-1]", "[0,0]") + "}", 0, "whole number"},
      {R"({"a":)" + tensor("U8", "[1]", "[-1,0]") + "}", 1, "whole number"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,1.0]") + "}", 1, "expected ]"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,1e0]") + "}", 1, "expected ]"},
      {R"({"a":)" + tensor("U8", "[1.5]", "[0,1]") + "}", 1, "expected ]"},
      {R"({"a":)" + tensor("U8", "[\"1\"]", "[0,1]") + "}", 1, "whole number"},
      {R"({"a":)" + tensor("U8", "[18446744073709551617]", "[0,1]") + "}", 1, "64 bits"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,18446744073709551617]") + "}", 1, "64 bits"},
      {R"({"a":)" + tensor("U8", "[1]", "[0]") + "}", 1, "two data_offsets"},
      {R"({"a":)" + tensor("U8", "[1]", "[]") + "}", 1, "two data_offsets"},
      {R"({"a":)" + tensor("U8", "[1]", "[0,1,1]") + "}", 1, "two data_offsets"},
      {R"({"a":)" + tensor("U8", "1", "[0,1]") + "}", 1, "expected ["},
      {R"({"a":)" + tensor("U8", "null", "[0,1]") + "}", 1, "expected ["},
      // Structure.
      {"", 0, "does not begin with '{'"},
      {" {}", 0, "does not begin with '{'"},
      {"[]", 0, "does not begin with '{'"},
      {"{", 0, "expected \""},
      {"{}{}", 0, "expected its end"},
      {std::string("{}\0", 3), 0, "expected its end"},
      {R"({"a":1})", 0, "expected {"},
      {R"({"a":{}})", 0, "needs dtype, shape and two data_offsets"},
      {R"({"a":{"dtype":"U8","shape":[1]}})", 0, "needs dtype, shape"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":1}})", 0, "a key other than"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}})", 0, "twice"},
      {R"({"a":)" + tensor("U8", "[0]", "[0,0]") + R"(,"a":)" + tensor("U8", "[0]", "[0,0]") + "}",
       0, "twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "twice"},
      {R"({"__metadata__":{"a":"","a":""}})", 0, "twice"},
      {R"({"__metadata__":{"a":1}})", 0, "expected \""},
      {R"({"__metadata__":{"a":{}}})", 0, "expected \""},
      {R"({"__metadata__":[]})", 0, "expected {"},
      {R"({"a":)" + tensor("", "[0]", "[0,0]") + "}", 0, "unknown dtype ''"},
      {R"({"a":)" + tensor("f32", "[0]", "[0,0]") + "}", 0, "unknown dtype 'f32'"},
      {R"({"a":)" + tensor("F4", "[0]", "[0,0]") + "}", 0, "unknown dtype 'F4'"},
  };
  const scratch::folder folder;
  for (const auto& c : cases) {
    CAPTURE(c.header, c.says);
    const std::string message = refusal(folder / "file", file_with(c.header, c.data_bytes));
    CHECK(message.starts_with(folder / "file: "));
    CHECK(contains(message, c.says));
  }
}

TEST_CASE("messages show hostile names without harm") {
  const scratch::folder folder;
  const std::string name = "\x1b[2J" + std::string(1000, 'n');
  std::string header = "{";
  chainrule::detail::append_json_string(header, name);
  header += ":" + tensor("\\u001b]0;x\\u0007", "[0]", "[0,0]") + "}";
  const std::string message = refusal(folder / "file", file_with(header, 0));
  CHECK(contains(message, "tensor '?[2Jnnn"));
  CHECK(contains(message, "unknown dtype '?]0;x?'"));
  CHECK(message.size() < 400);
  for (const char c : message) CHECK((c >= ' ' && c <= '~'));
}

TEST_CASE("nesting and rank without end are refused, not followed") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  for (const std::string open : {"{\"a\":", "[", "{\"__metadata__\":"}) {
    std::string header = "{\"a\":{\"shape\":";
    for (int i = 0; i < 500'000; ++i) header += open;
    CHECK(!refusal(path, file_with(header, 0)).empty());
  }
  std::string ones = "[1";
  for (int i = 0; i < 1'000'000; ++i) ones += ",1";
  const std::string header = R"({"a":)" + tensor("U8", ones + "]", "[0,1]") + "}";
  CHECK(contains(refusal(path, file_with(header, 1)), "more than 64 dimensions"));
}

TEST_CASE("lengths that lie are refused before memory is allocated for them") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::uint64_t most = UINT64_MAX;
  for (const std::uint64_t length :
       {std::uint64_t{3}, std::uint64_t{100}, std::uint64_t{1} << 31, std::uint64_t{1} << 32,
        std::uint64_t{1} << 62, std::uint64_t{1} << 63, most - 8, most - 7, most}) {
    std::string content(8, '\0');
    std::memcpy(content.data(), &length, 8);
    CAPTURE(length);
    CHECK(contains(refusal(path, content + "{}"),
                   "length is given as " + std::to_string(length) + " bytes, but 2 follow"));
  }

  rusage before{};
  REQUIRE(::getrusage(RUSAGE_SELF, &before) == 0);
  // Sparse files: large without taking room on the disk.
  const auto large = [&](const std::string& head, std::uint64_t size) {
    scratch::write(path, head);
    REQUIRE(::truncate(path.c_str(), static_cast<off_t>(size)) == 0);
    return complaint<format_error>([&] { (void)load_safetensors(path, any_program); });
  };
  const std::uint64_t gib = std::uint64_t{1} << 30;
  CHECK(contains(large("", 5 * gib), "more than the 4294967296 that are allowed (max_bytes)"));
  CHECK(contains(large(file_with("{}", 0), 4 * gib), "trailing bytes are refused"));
  std::string long_header(8, '\0');
  const std::uint64_t length = gib;
  std::memcpy(long_header.data(), &length, 8);
  CHECK(contains(large(long_header, 2 * gib), "at most 16000000 are allowed"));

  rusage after{};
  REQUIRE(::getrusage(RUSAGE_SELF, &after) == 0);
  CHECK(after.ru_maxrss - before.ru_maxrss < 100'000);  // KiB
}

TEST_CASE("max_bytes counts the whole file") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const std::string good = small_file(path);
  CHECK(refusal(path, good, {.max_bytes = good.size()}).empty());
  CHECK(contains(refusal(path, good, {.max_bytes = good.size() - 1}), "max_bytes"));
}

TEST_CASE("bytes without sense are refused in an orderly way") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  std::mt19937 random(3);
  const auto byte = [&] { return static_cast<char>(random() % 256); };
  int taken = 0;

  SECTION("random bytes") {
    for (int i = 0; i < 2000; ++i) {
      std::string content(random() % 200, '\0');
      for (char& c : content) c = byte();
      if (content.size() > 8 && i % 2 == 0) {  // a length that leads into the header
        content.replace(0, 8, 8, '\0');
        content[0] = static_cast<char>(random() % 120);
        content[8] = '{';
      }
      CAPTURE(i);
      CHECK(!refusal(path, content).empty());
    }
  }
  SECTION("pieces of headers, put together by chance") {
    const std::vector<std::string> pieces = {"{",
                                             "}",
                                             "[",
                                             "]",
                                             ",",
                                             ":",
                                             "\"",
                                             "\"a\"",
                                             "\"dtype\"",
                                             "\"shape\"",
                                             "0",
                                             "1",
                                             "-1",
                                             "1e9",
                                             "\\",
                                             " ",
                                             "null",
                                             "\"U8\"",
                                             "\"__metadata__\"",
                                             "\"data_offsets\"",
                                             "18446744073709551615",
                                             "\"b\":" + tensor("U8", "[1]", "[0,1]"),
                                             "\"c\":" + tensor("U8", "[0]", "[1,1]"),
                                             "\"__metadata__\":{\"k\":\"v\"}"};
    for (int i = 0; i < 5000; ++i) {
      std::string header = "{";
      for (auto n = random() % 6; n-- > 0;) header += pieces[random() % pieces.size()];
      header += "}";
      if (refusal(path, file_with(header, random() % 2)).empty()) ++taken;
    }
    CHECK(taken > 0);
    CHECK(taken < 2500);
  }
  SECTION("a good foreign file with some bytes changed, added or missing") {
    const std::string good =
        file_with(R"({"__metadata__":{"k":"v"},"a":)" + tensor("F32", "[2,1]", "[0,8]") +
                      R"(,"b":)" + tensor("I64", "[1]", "[8,16]") + "}",
                  16);
    REQUIRE(refusal(path, good).empty());
    for (int i = 0; i < 10'000; ++i) {
      std::string bad = good;
      for (auto n = 1 + random() % 3; n-- > 0;) {
        const std::size_t at = random() % bad.size();
        const auto kind = random() % 4;
        if (kind == 0)
          bad.erase(at, 1);
        else if (kind == 1)
          bad.insert(at, 1, byte());
        else
          bad[at] = kind == 2 ? byte() : "0123456789{}[],:\""[random() % 17];
      }
      if (refusal(path, bad).empty()) ++taken;
    }
    CHECK(taken > 100);  // damage to the data goes unnoticed without checksums
    CHECK(taken < 9000);
  }
}

}  // namespace safetensors_damage_test

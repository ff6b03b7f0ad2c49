// The binary format of protocol buffers. All messages were also made by protobuf 7.36 for Python.
#include "chainrule/io/protobuf_writer.hpp"

#include <limits>
#include <string>

#include "support/catch.hpp"

namespace protobuf_writer_test {

using chainrule::protobuf_writer;

namespace {

std::string hexadecimal(const protobuf_writer& message) {
  std::string text;
  for (const char c : message.bytes()) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4U];
    text += "0123456789abcdef"[byte & 15U];
  }
  return text;
}

}  // namespace

TEST_CASE("fields are encoded as the format says", "[io][protobuf]") {
  CHECK(hexadecimal(protobuf_writer{}) == "");
  CHECK(hexadecimal(protobuf_writer{}.integer(1, 150)) == "089601");
  CHECK(hexadecimal(protobuf_writer{}.text(2, "testing")) == "120774657374696e67");
  CHECK(hexadecimal(protobuf_writer{}.message(3, protobuf_writer{}.integer(1, 150))) ==
        "1a03089601");
  CHECK(hexadecimal(protobuf_writer{}.integer(1, -2)) == "08feffffffffffffffff01");
  CHECK(hexadecimal(protobuf_writer{}.integer(1, std::numeric_limits<std::int64_t>::max())) ==
        "08ffffffffffffffff7f");
  CHECK(hexadecimal(protobuf_writer{}.integer(16, 1)) == "800101");
  CHECK(hexadecimal(protobuf_writer{}.number(4, 1.0)) == "21000000000000f03f");
  CHECK(hexadecimal(protobuf_writer{}.number(5, 0.1F)) == "2dcdcccc3d");
  const double values[] = {1, -2};
  CHECK(hexadecimal(protobuf_writer{}.numbers(6, values)) ==
        "3210000000000000f03f00000000000000c0");
}

TEST_CASE("a long text has a length of several bytes", "[io][protobuf]") {
  const std::string text(300, 'x');
  CHECK(protobuf_writer{}.text(1, text).bytes() == "\x0a\xac\x02" + text);
}

}  // namespace protobuf_writer_test

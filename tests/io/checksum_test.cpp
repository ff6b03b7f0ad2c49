#include "chainrule/core/checksum.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace checksum_test {

using chainrule::crc32_of;
using chainrule::crc32_sum;
using chainrule::crc32_text;
using chainrule::crc32c_of;

namespace {

/// The definition, bit by bit: the polynomial division that the tables shorten.
std::uint32_t slow_crc32(const std::string& text) {
  std::uint32_t remainder = 0xFFFFFFFFU;
  for (const char c : text) {
    remainder ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  return ~remainder;
}

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * i + 7 * i) % 251);
  return text;
}

}  // namespace

TEST_CASE("crc32 has the published values") {
  CHECK(crc32_of(scratch::bytes("123456789")) == 0xCBF43926U);
  CHECK(crc32_of({}) == 0U);
  CHECK(crc32_of(scratch::bytes("a")) == 0xE8B7BE43U);
  CHECK(crc32_of(scratch::bytes("The quick brown fox jumps over the lazy dog")) == 0x414FA339U);
  CHECK(crc32_of(scratch::bytes(std::string(32, '\0'))) == 0x190A55ADU);
}

TEST_CASE("crc32c has the published values") {
  CHECK(crc32c_of(scratch::bytes("123456789")) == 0xE3069283U);
  // RFC 3720, appendix B.4.
  CHECK(crc32c_of(scratch::bytes(std::string(32, '\0'))) == 0x8A9136AAU);
  CHECK(crc32c_of(scratch::bytes(std::string(32, '\xFF'))) == 0x62A8AB43U);
  CHECK(crc32c_of({}) == 0U);
}

TEST_CASE("crc32 works in constant expressions") {
  constexpr std::byte nine[] = {std::byte{'1'}, std::byte{'2'}, std::byte{'3'},
                                std::byte{'4'}, std::byte{'5'}, std::byte{'6'},
                                std::byte{'7'}, std::byte{'8'}, std::byte{'9'}};
  static_assert(crc32_of(nine) == 0xCBF43926U);
}

TEST_CASE("crc32 agrees with the division for every short length") {
  for (std::size_t size = 0; size < 70; ++size) {
    const std::string text = pattern(size);
    CAPTURE(size);
    CHECK(crc32_of(scratch::bytes(text)) == slow_crc32(text));
  }
}

TEST_CASE("crc32 does not depend on how the bytes are cut") {
  const std::string text = pattern(53);
  const auto all = scratch::bytes(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    CAPTURE(cut);
    CHECK(crc32_sum{}.add(all.first(cut)).add(all.subspan(cut)).value() == crc32_of(all));
  }
}

TEST_CASE("crc32_text has eight lower-case digits") {
  CHECK(crc32_text(0xCBF43926U) == "cbf43926");
  CHECK(crc32_text(0x0000000AU) == "0000000a");
  CHECK(crc32_text(0) == "00000000");
}

}  // namespace checksum_test

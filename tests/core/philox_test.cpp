#include "chainrule/core/philox.hpp"

#include <array>
#include <cstdint>

#include "support/catch.hpp"

using words = std::array<std::uint32_t, 4>;

// The known answers of the Random123 distribution (kat_vectors, "philox 4x32 10").
TEST_CASE("philox gives the known answers of Random123") {
  CHECK(chainrule::philox(0, 0, 0) == words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint64_t ones = ~std::uint64_t{0};
  CHECK(chainrule::philox(ones, ones, ones) ==
        words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  // Counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: digits of pi.
  CHECK(chainrule::philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88) ==
        words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

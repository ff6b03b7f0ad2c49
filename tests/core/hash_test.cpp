#include "chainrule/core/hash.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "support/catch.hpp"

namespace hash_test {

using chainrule::detail::hash128;

TEST_CASE("the first half of a hash is FNV-1a, mixed") {
  // FNV-1a of "foobar" is 85944171f73967e8 (Fowler, Noll and Vo); MurmurHash3's mixing of that.
  std::uint64_t x = 0x85944171f73967e8U;
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDU;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53U;
  x ^= x >> 33;
  const std::string text = hash128{}.add("foobar").text();
  CHECK(text.size() == 32);
  CHECK(std::stoull(text.substr(0, 16), nullptr, 16) == x);
}

TEST_CASE("a hash does not depend on how its text is cut") {
  const std::string text = "one two three";
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(hash128{}
              .add(std::string_view(text).substr(0, cut))
              .add(std::string_view(text).substr(cut))
              .text() == hash128{}.add(text).text());
}

TEST_CASE("both halves of a hash tell one byte's change") {
  const std::string text = "a text with\0 a zero";
  std::set<std::string> first{hash128{}.add(text).text().substr(0, 16)};
  std::set<std::string> second{hash128{}.add(text).text().substr(16)};
  for (std::size_t i = 0; i < text.size(); ++i)
    for (int flip = 1; flip < 256; ++flip) {
      std::string other = text;
      other[i] = static_cast<char>(other[i] ^ flip);
      first.insert(hash128{}.add(other).text().substr(0, 16));
      second.insert(hash128{}.add(other).text().substr(16));
    }
  CHECK(first.size() == 1 + 255 * text.size());
  CHECK(second.size() == 1 + 255 * text.size());
}

}  // namespace hash_test

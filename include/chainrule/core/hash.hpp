/// \file
/// A 128-bit hash of text, for content-addressed names and as a checksum. Two texts of equal length
/// that differ in one byte have different hashes; the hash is not cryptographic.
///
///     chainrule::detail::hash128 hash;
///     hash.add("text").add("more");  // any number of pieces
///     hash.text();                   // 32 hexadecimal digits
#ifndef CHAINRULE_CORE_HASH_HPP
#define CHAINRULE_CORE_HASH_HPP

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include "chainrule/core/compiler.hpp"

namespace chainrule::detail {

/// The hash of text added piece by piece, independent of the division into pieces. Two lanes of 64
/// bits: FNV-1a, and a variant with a rotation and another factor; finally MurmurHash3's mixing.
class hash128 {
 public:
  constexpr hash128& add(std::string_view text) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      first_ = (first_ ^ byte) * 0x00000100000001B3U;
      second_ = (std::rotl(second_, 5) ^ byte) * 0x9E3779B97F4A7C15U;
    }
    return *this;
  }

  /// The hash of everything added so far, as 32 lower-case hexadecimal digits.
  [[nodiscard]] std::string text() const {
    std::string out;
    for (const std::uint64_t lane : {mixed(first_), mixed(second_)})
      for (int shift = 60; shift >= 0; shift -= 4) out += "0123456789abcdef"[(lane >> shift) & 15U];
    return out;
  }

 private:
  [[nodiscard]] static constexpr std::uint64_t mixed(std::uint64_t x) {
    x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDU;
    x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53U;
    return x ^ (x >> 33);
  }

  std::uint64_t first_ = 0xCBF29CE484222325U;
  std::uint64_t second_ = 0x6C62272E07BB0142U;
};

}  // namespace chainrule::detail

#endif  // CHAINRULE_CORE_HASH_HPP

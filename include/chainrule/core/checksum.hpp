/// \file
/// CRC-32, the checksum of IEEE 802.3, gzip and PNG, and CRC-32C, that of iSCSI and TFRecord. They
/// find every single flipped bit and every damaged run of up to 32 bits; they do not detect
/// deliberate changes.
///
///     chainrule::crc32_sum sum;
///     sum.add(std::as_bytes(std::span{header}));  // as often as there are pieces
///     sum.add(std::as_bytes(std::span{weights}));
///     sum.value();
///
/// See also io/safetensors.hpp (which keeps one for each tensor), data/npy.hpp, io/event_file.hpp.
#ifndef CHAINRULE_CORE_CHECKSUM_HPP
#define CHAINRULE_CORE_CHECKSUM_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "chainrule/core/compiler.hpp"

namespace chainrule {
namespace detail {

/// tables[k][b] is what byte b, followed by k zero bytes, contributes to the remainder. Eight of
/// them take eight bytes per round ("slicing-by-8": Kounavis and Berry, 2005). The polynomial's
/// lowest power is its highest bit.
[[nodiscard]] constexpr std::array<std::array<std::uint32_t, 256>, 8> make_crc_tables(
    std::uint32_t polynomial) {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ ((remainder & 1U) != 0 ? polynomial : 0U);
    tables[0][byte] = remainder;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFFU];
    }
  return tables;
}

template <std::uint32_t Polynomial>
inline constexpr auto crc_tables = make_crc_tables(Polynomial);

/// Adds up bytes, piece by piece; how they are cut into pieces makes no difference.
template <std::uint32_t Polynomial>
class crc_sum {
 public:
  constexpr crc_sum& add(std::span<const std::byte> bytes) {
    const auto& t = crc_tables<Polynomial>;
    // Assembled from single bytes: the same on every host, and one load where that is possible.
    const auto word = [](std::span<const std::byte> from, std::size_t at) {
      return std::to_integer<std::uint32_t>(from[at]) |
             std::to_integer<std::uint32_t>(from[at + 1]) << 8 |
             std::to_integer<std::uint32_t>(from[at + 2]) << 16 |
             std::to_integer<std::uint32_t>(from[at + 3]) << 24;
    };
    std::uint32_t r = remainder_;
    std::size_t i = 0;
    for (; bytes.size() - i >= 8; i += 8) {
      const std::uint32_t low = r ^ word(bytes, i);
      const std::uint32_t high = word(bytes, i + 4);
      r = t[7][low & 0xFFU] ^ t[6][(low >> 8) & 0xFFU] ^ t[5][(low >> 16) & 0xFFU] ^
          t[4][low >> 24] ^ t[3][high & 0xFFU] ^ t[2][(high >> 8) & 0xFFU] ^
          t[1][(high >> 16) & 0xFFU] ^ t[0][high >> 24];
    }
    for (; i < bytes.size(); ++i)
      r = (r >> 8) ^ t[0][(r ^ std::to_integer<std::uint32_t>(bytes[i])) & 0xFFU];
    remainder_ = r;
    return *this;
  }

  /// The checksum of everything added so far; 0 for nothing.
  [[nodiscard]] constexpr std::uint32_t value() const { return ~remainder_; }

 private:
  std::uint32_t remainder_ = 0xFFFFFFFFU;
};

}  // namespace detail

/// Adds up the CRC-32 of bytes, piece by piece.
using crc32_sum = detail::crc_sum<0xEDB88320U>;
/// Adds up the CRC-32C (Castagnoli) of bytes, piece by piece. Source: RFC 3720, section 12.1.
using crc32c_sum = detail::crc_sum<0x82F63B78U>;

/// The CRC-32 of `bytes`.
[[nodiscard]] constexpr std::uint32_t crc32_of(std::span<const std::byte> bytes) {
  return crc32_sum{}.add(bytes).value();
}

/// The CRC-32C of `bytes`.
[[nodiscard]] constexpr std::uint32_t crc32c_of(std::span<const std::byte> bytes) {
  return crc32c_sum{}.add(bytes).value();
}

/// `checksum` as eight lower-case hexadecimal digits, the way files and messages spell it.
[[nodiscard]] inline std::string crc32_text(std::uint32_t checksum) {
  std::string text(8, '0');
  for (std::size_t digit = 8; digit-- > 0; checksum >>= 4)
    text[digit] = "0123456789abcdef"[checksum & 0xFU];
  return text;
}

}  // namespace chainrule

#endif  // CHAINRULE_CORE_CHECKSUM_HPP

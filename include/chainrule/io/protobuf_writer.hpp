/// \file
/// `protobuf_writer`: a message of protocol buffers, field by field in their binary format.
///
///     protobuf_writer inner, outer;
///     inner.number(1, 0.5).text(2, "name");
///     outer.integer(1, 150).message(3, inner);
///     outer.bytes();                         // the encoded message
///
/// The caller knows the field numbers and types of the message. Format:
/// https://protobuf.dev/programming-guides/encoding. See also io/event_file.hpp.
#ifndef CHAINRULE_IO_PROTOBUF_WRITER_HPP
#define CHAINRULE_IO_PROTOBUF_WRITER_HPP

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "chainrule/core/compiler.hpp"
#include "chainrule/core/text.hpp"

namespace chainrule {

/// Members append one field each and return the message.
class protobuf_writer {
 public:
  /// A field of type int32, int64, uint64, bool or an enumeration.
  protobuf_writer& integer(std::uint32_t field, std::int64_t value) {
    key(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  /// A field of type double.
  protobuf_writer& number(std::uint32_t field, double value) {
    key(field, 1);
    detail::append_little_endian(bytes_, std::bit_cast<std::uint64_t>(value));
    return *this;
  }
  /// A field of type float.
  protobuf_writer& number(std::uint32_t field, float value) {
    key(field, 5);
    detail::append_little_endian(bytes_, std::bit_cast<std::uint32_t>(value));
    return *this;
  }
  /// A field of type string or bytes.
  protobuf_writer& text(std::uint32_t field, std::string_view value) {
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  /// A field whose type is a message.
  protobuf_writer& message(std::uint32_t field, const protobuf_writer& value) {
    return text(field, value.bytes());
  }
  /// A repeated field of type double, packed.
  protobuf_writer& numbers(std::uint32_t field, std::span<const double> values) {
    key(field, 2);
    varint(values.size() * sizeof(double));
    for (const double x : values)
      detail::append_little_endian(bytes_, std::bit_cast<std::uint64_t>(x));
    return *this;
  }

  /// The encoded message.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  /// The number of a field and its wire type: 0 varint, 1 eight bytes, 2 length and bytes, 5 four
  /// bytes.
  void key(std::uint32_t field, std::uint32_t wire_type) { varint(field << 3 | wire_type); }
  /// Seven bits per byte, the lowest first; the high bit says that more follow.
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes_ += static_cast<char>(static_cast<unsigned char>(value | 0x80U));
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace chainrule

#endif  // CHAINRULE_IO_PROTOBUF_WRITER_HPP

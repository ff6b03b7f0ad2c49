/// \file
/// IDX files: the arrays of bytes in which MNIST and its relatives are published.
///
/// The format: two zero bytes, a type, the number of extents, the extents as 32-bit big-endian
/// integers, the elements in row-major order. Only type 0x08 (uint8) is read, plain or gzip.
///
///     chainrule::idx_array images = chainrule::read_idx("train-images-idx3-ubyte", 3);
///     images.extents;  // 60000, 28, 28
///     images.data;     // 60000 * 28 * 28 bytes
///
/// The reader is strict: every length is checked before it is used, memory is reserved only for
/// data that the file can hold, and missing or additional bytes are errors. Source of the format:
/// Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
///
/// See also data/mnist.hpp, data/gzip.hpp (which says when gzip is available).
#ifndef CHAINRULE_DATA_IDX_HPP
#define CHAINRULE_DATA_IDX_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/huge_pages.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/data/gzip.hpp"

namespace chainrule {

/// The content of an IDX file: row-major bytes with their extents.
struct idx_array {
  std::vector<index_t> extents;
  /// The elements, row-major.
  std::vector<std::uint8_t> data;
};

/// Accept any number of extents.
inline constexpr int any_rank = -1;

/// What `read_idx` accepts unless told otherwise: MNIST's 47 MB with some room.
inline constexpr std::uint64_t default_max_idx_bytes = std::uint64_t{64} << 20U;

namespace detail {

inline constexpr std::uint8_t idx_uint8 = 0x08;
inline constexpr std::uint32_t largest_idx_extent = 0x7fffffff;  // the format's are signed

/// The name of an IDX element type, or of none.
[[nodiscard]] inline const char* idx_type_name(std::uint8_t type) {
  switch (type) {
    case idx_uint8:
      return "uint8";
    case 0x09:
      return "int8";
    case 0x0B:
      return "int16";
    case 0x0C:
      return "int32";
    case 0x0D:
      return "float32";
    case 0x0E:
      return "float64";
    default:
      return "not a type of IDX";
  }
}

/// "00 00 08 03".
[[nodiscard]] inline std::string hex_bytes(std::span<const std::uint8_t> bytes) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    if (!out.empty()) out += ' ';
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return out;
}

/// "60000x28x28".
[[nodiscard]] inline std::string extents_text(std::span<const index_t> extents) {
  std::string out;
  for (const index_t extent : extents) {
    if (!out.empty()) out += 'x';
    out += std::to_string(extent);
  }
  return out;
}

/// The product, or the largest number if it would overflow. A zero counts as one: an empty array
/// does not make its other extents plausible.
[[nodiscard]] inline std::uint64_t saturated_product(std::span<const index_t> extents) {
  std::uint64_t product = 1;
  for (const index_t extent : extents) {
    const auto factor = static_cast<std::uint64_t>(std::max<index_t>(extent, 1));
    if (product > ~std::uint64_t{0} / factor) return ~std::uint64_t{0};
    product *= factor;
  }
  return product;
}

}  // namespace detail

/// An IDX file of uint8 whose header has been read and checked, and whose elements have not: a
/// caller can look at the extents first.
class idx_reader {
 public:
  /// Opens `path` and reads the header. `rank` is the number of extents that is expected.
  /// Throws io_error if the file cannot be read; format_error if it is no IDX file of uint8, has
  /// another rank, holds more than `max_bytes`, or cannot have the length that its header demands.
  explicit idx_reader(std::string path, int rank = any_rank,
                      std::uint64_t max_bytes = default_max_idx_bytes)
      : source_(std::move(path)) {
    read_magic(rank);
    check_size(max_bytes);
  }

  [[nodiscard]] const std::string& path() const { return source_.path(); }
  [[nodiscard]] const std::vector<index_t>& extents() const { return extents_; }

  /// The number of elements, which is the number of bytes.
  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// Reads the elements; to be called once. Throws format_error if the file is damaged, or holds
  /// fewer or more bytes than the extents say.
  [[nodiscard]] std::vector<std::uint8_t> read() {
    std::vector<std::uint8_t> data;
    const auto size = static_cast<std::size_t>(size_);
    // The constructor has checked that the file can hold this much: reserve once, without touching
    // the memory, and append the elements that are read.
    if (source_.most_remaining() != byte_source::unknown) {
      data.reserve(size);
      detail::prefer_huge_pages(data.data(), size);
    }
    constexpr std::size_t step = std::size_t{1} << 20U;
    while (data.size() < size) {
      const std::size_t begin = data.size();
      const std::size_t wanted = std::min(step, size - begin);
      data.resize(begin + wanted);
      const std::size_t there = source_.read(data.data() + begin, wanted);
      if (there < wanted)
        detail::fail<format_error>(path(), " is truncated: its header promises ",
                                   detail::extents_text(extents_), " = ", size_,
                                   " bytes, it holds ", begin + there, "; fetch it again");
    }
    if (!source_.at_end())
      detail::fail<format_error>(
          path(), " goes on after the ", size_, " bytes that its header promises (",
          detail::extents_text(extents_), "): it was damaged or something was appended");
    return data;
  }

 private:
  void read_header(std::uint8_t* out, std::size_t size) {
    if (source_.read(out, size) < size)
      detail::fail<format_error>(path(), " is truncated: it ends inside the IDX header, ", "after ",
                                 source_.position(), " bytes; fetch it again");
  }

  void read_magic(int expected_rank) {
    std::array<std::uint8_t, 4> magic{};
    read_header(magic.data(), magic.size());
    const auto [zero0, zero1, type, rank] = magic;
    if (zero0 != 0 || zero1 != 0)
      detail::fail<format_error>(path(), " is not an IDX file: it begins with ",
                                 detail::hex_bytes(magic),
                                 ", expected 00 00 08 and the number of extents");
    if (type != detail::idx_uint8)
      detail::fail<format_error>(
          path(), " holds elements of type 0x", detail::hex_bytes({&magic[2], 1}), " (",
          detail::idx_type_name(type), "), expected 0x08 (uint8), the only type supported");
    if (rank == 0)
      detail::fail<format_error>(path(),
                                 " states no extents, expected at least 1 (after 00 00 08)");
    if (expected_rank != any_rank && rank != expected_rank)
      detail::fail<format_error>(path(), " holds an array of ", static_cast<int>(rank),
                                 rank == 1 ? " extent" : " extents", " (idx",
                                 static_cast<int>(rank), "), expected ", expected_rank, " (idx",
                                 expected_rank, "): is it the right file?");
    for (int i = 0; i < rank; ++i) {
      std::array<std::uint8_t, 4> b{};
      read_header(b.data(), b.size());
      const std::uint32_t extent = std::uint32_t{b[0]} << 24U | std::uint32_t{b[1]} << 16U |
                                   std::uint32_t{b[2]} << 8U | std::uint32_t{b[3]};
      if (extent > detail::largest_idx_extent)
        detail::fail<format_error>(path(), " states an extent of ", extent, ", expected 0 ", "to ",
                                   detail::largest_idx_extent);
      extents_.push_back(static_cast<index_t>(extent));
    }
  }

  void check_size(std::uint64_t max_bytes) {
    const std::uint64_t largest = detail::saturated_product(extents_);
    if (largest > std::min<std::uint64_t>(max_bytes, PTRDIFF_MAX))
      detail::fail<format_error>(path(), " states extents of ", detail::extents_text(extents_),
                                 ", more than the limit of ", max_bytes, " bytes");
    const bool empty = std::find(extents_.begin(), extents_.end(), 0) != extents_.end();
    size_ = empty ? 0 : largest;

    const std::uint64_t header = source_.position();
    const std::uint64_t possible = source_.most_remaining();
    if (possible == byte_source::unknown) return;
    if (source_.compressed()) {
      if (size_ > possible)
        detail::fail<format_error>(path(), " is truncated or damaged: its header promises ",
                                   detail::extents_text(extents_), " = ", size_, " bytes, its ",
                                   source_.file_size(), " compressed bytes cannot hold more than ",
                                   possible);
    } else if (size_ != possible) {
      detail::fail<format_error>(
          path(), size_ > possible ? " is truncated" : " has bytes left over", ": its header (",
          detail::extents_text(extents_), ") demands ", header + size_, " bytes, the file has ",
          source_.file_size(), "; fetch it again");
    }
  }

  byte_source source_;
  std::vector<index_t> extents_;
  std::uint64_t size_ = 0;
};

/// The array in the IDX file `path`, plain or gzip-compressed. `rank` is the number of extents
/// that is expected. Throws io_error if the file cannot be read, format_error if it is not exactly
/// an IDX file of uint8 with that rank and at most `max_bytes` elements.
[[nodiscard]] inline idx_array read_idx(std::string path, int rank = any_rank,
                                        std::uint64_t max_bytes = default_max_idx_bytes) {
  idx_reader reader{std::move(path), rank, max_bytes};
  idx_array result;
  result.data = reader.read();
  result.extents = reader.extents();
  return result;
}

/// Writes a plain IDX file of uint8, replacing what was there; the product of `extents` must be
/// the size of `data`. Throws shape_error for extents that do not fit the data or the format,
/// io_error if the file cannot be written.
inline void write_idx(const std::string& path, std::span<const index_t> extents,
                      std::span<const std::uint8_t> data) {
  if (extents.empty() || extents.size() > 255)
    detail::fail<shape_error>("an IDX file has 1 to 255 extents, got ", extents.size(), " for ",
                              path);
  bool empty = false;
  std::vector<std::uint8_t> header{0, 0, detail::idx_uint8,
                                   static_cast<std::uint8_t>(extents.size())};
  for (const index_t extent : extents) {
    if (extent < 0 || static_cast<std::uint64_t>(extent) > detail::largest_idx_extent)
      detail::fail<shape_error>("an extent of an IDX file lies in 0 to 2147483647, got ", extent,
                                " for ", path);
    empty = empty || extent == 0;
    for (const unsigned shift : {24U, 16U, 8U, 0U})
      header.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(extent) >> shift));
  }
  if (data.size() != (empty ? 0 : detail::saturated_product(extents)))
    detail::fail<shape_error>("cannot write ", path, ": ", data.size(),
                              " elements do not fill the extents ", detail::extents_text(extents));
  detail::file_handle file{std::fopen(path.c_str(), "wb")};
  if (!file) detail::fail<io_error>("cannot create ", path, ": ", detail::system_message(errno));
  const bool written =
      std::fwrite(header.data(), 1, header.size(), file.get()) == header.size() &&
      (data.empty() || std::fwrite(data.data(), 1, data.size(), file.get()) == data.size());
  const int write_error = errno;
  // Buffered data are written only now, which may fail.
  const bool closed = std::fclose(file.release()) == 0;
  if (!written || !closed)
    detail::fail<io_error>("cannot write ", path, ": ",
                           detail::system_message(written ? errno : write_error));
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_IDX_HPP

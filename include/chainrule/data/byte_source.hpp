/// \file
/// `byte_source`: the bytes of a file, from its first to its last, gzip-compressed or not.
///
/// Compressed files are recognised by their first two bytes (1f 8b), not by their names.
///
///     chainrule::byte_source source{"train-images-idx3-ubyte.gz"};
///     std::uint8_t header[16];
///     source.read_exact(header, sizeof header);
///     if (!source.at_end()) std::puts("there is more");
///
/// See also data/gzip.hpp (which makes compressed files readable), data/idx.hpp (a user).
#ifndef CHAINRULE_DATA_BYTE_SOURCE_HPP
#define CHAINRULE_DATA_BYTE_SOURCE_HPP

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "chainrule/core/error.hpp"

namespace chainrule {
namespace detail {

struct file_closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using file_handle = std::unique_ptr<std::FILE, file_closer>;

/// The operating system's message for an `errno`.
[[nodiscard]] inline std::string system_message(int number) {
  return std::generic_category().message(number);
}

/// Decompresses a file.
class byte_decoder {
 public:
  byte_decoder() = default;
  byte_decoder(const byte_decoder&) = delete;
  byte_decoder& operator=(const byte_decoder&) = delete;
  virtual ~byte_decoder() = default;

  /// Writes at most `size` bytes to `out` and returns how many; fewer than `size` only at the end,
  /// which has then been checked. Throws format_error for a damaged or truncated file.
  virtual std::size_t read(std::uint8_t* out, std::size_t size) = 0;
};

/// Constructs the decoder of a gzip file positioned at its first byte.
using gzip_opener = std::unique_ptr<byte_decoder> (*)(std::FILE* file, std::string path);

/// Set by data/gzip.hpp wherever it is compiled with zlib. A variable, and not a second definition
/// of a function, so that a program may mix sources compiled with and without zlib.
inline constinit gzip_opener open_gzip = nullptr;

/// Decompresses a raw deflate stream, which must fill `out` exactly and end with `in`; false if it
/// does not.
using raw_inflater = bool (*)(std::span<const std::uint8_t> in, std::span<std::uint8_t> out);

/// Set as open_gzip is.
inline constinit raw_inflater inflate_raw = nullptr;

/// deflate spends at least 2 bits on at most 258 bytes.
inline constexpr std::uint64_t largest_deflate_ratio = 1032;

}  // namespace detail

/// Reads a plain or gzip-compressed file strictly forward.
class byte_source {
 public:
  /// The result of `most_remaining` if the length of the file is not known (a pipe).
  static constexpr std::uint64_t unknown = ~std::uint64_t{0};

  /// Opens `path`. Throws io_error if it cannot be opened or read, format_error if it is
  /// gzip-compressed and the program was built without zlib.
  explicit byte_source(std::string path) : path_(std::move(path)) {
    file_.reset(std::fopen(path_.c_str(), "rb"));
    if (!file_) detail::fail<io_error>("cannot open ", path_, ": ", detail::system_message(errno));
    ahead_end_ = read_file(ahead_, sizeof ahead_);
    compressed_ = ahead_end_ == 2 && ahead_[0] == 0x1f && ahead_[1] == 0x8b;
    if (ahead_end_ == 2 && std::fseek(file_.get(), 0, SEEK_END) == 0) {
      const long end = std::ftell(file_.get());
      if (end >= 0) file_size_ = static_cast<std::uint64_t>(end);
      std::rewind(file_.get());
      ahead_end_ = 0;
    } else if (ahead_end_ < 2) {
      file_size_ = ahead_end_;
    }
    if (!compressed_) return;
    if (detail::open_gzip == nullptr)
      detail::fail<format_error>(
          path_, " is gzip-compressed and this program was built without zlib: ",
          "link the CMake target chainrule::zlib (or define CHAINRULE_WITH_ZLIB and ",
          "link zlib), or decompress the file with gunzip");
    if (ahead_end_ != 0)
      detail::fail<io_error>(path_, " is gzip-compressed but cannot be rewound: copy it to ",
                             "a regular file");
    decoder_ = detail::open_gzip(file_.get(), path_);
  }

  [[nodiscard]] const std::string& path() const { return path_; }
  /// Whether the file is gzip-compressed.
  [[nodiscard]] bool compressed() const { return compressed_; }

  /// The number of bytes read so far.
  [[nodiscard]] std::uint64_t position() const { return position_; }

  /// The length of the file on disk, in bytes, or `unknown`.
  [[nodiscard]] std::uint64_t file_size() const { return file_size_; }

  /// An upper bound of the bytes that follow: exact for a plain file, derived from the best ratio
  /// of deflate for gzip, `unknown` for a pipe. Check it before reserving memory.
  [[nodiscard]] std::uint64_t most_remaining() const {
    if (file_size_ == unknown) return unknown;
    std::uint64_t most = file_size_;
    if (compressed_) {
      if (most > unknown / detail::largest_deflate_ratio) return unknown;
      most *= detail::largest_deflate_ratio;
    }
    return most > position_ ? most - position_ : 0;
  }

  /// Reads up to `size` bytes to `out` and returns how many there were: fewer only at the end.
  /// Throws io_error or format_error (a damaged gzip stream, or bytes after it).
  std::size_t read(void* out, std::size_t size) {
    auto* bytes = static_cast<std::uint8_t*>(out);
    std::size_t done = 0;
    while (done < size && ahead_begin_ < ahead_end_) bytes[done++] = ahead_[ahead_begin_++];
    if (done < size) done += fetch(bytes + done, size - done);
    position_ += done;
    return done;
  }

  /// Reads exactly `size` bytes to `out`. Throws format_error if there are fewer.
  void read_exact(void* out, std::size_t size) {
    const std::size_t done = read(out, size);
    if (done < size)
      detail::fail<format_error>(path_, " is truncated: expected ", size - done,
                                 " more bytes after byte ", position_, " of its content");
  }

  /// Whether every byte has been read; for gzip this also checks the checksum and the length that
  /// the stream ends with. Throws io_error or format_error.
  [[nodiscard]] bool at_end() {
    if (ahead_begin_ < ahead_end_) return false;
    ahead_begin_ = 0;
    ahead_end_ = fetch(ahead_, 1);
    return ahead_end_ == 0;
  }

 private:
  std::size_t fetch(std::uint8_t* out, std::size_t size) {
    return decoder_ ? decoder_->read(out, size) : read_file(out, size);
  }

  std::size_t read_file(std::uint8_t* out, std::size_t size) {
    const std::size_t done = std::fread(out, 1, size, file_.get());
    if (done < size && std::ferror(file_.get()) != 0)
      detail::fail<io_error>("cannot read ", path_, ": ", detail::system_message(errno));
    return done;
  }

  std::string path_;
  detail::file_handle file_;
  std::unique_ptr<detail::byte_decoder> decoder_;
  bool compressed_ = false;
  std::uint64_t file_size_ = unknown;
  std::uint64_t position_ = 0;
  std::uint8_t ahead_[2] = {};  // read from the file, not yet returned
  std::size_t ahead_begin_ = 0;
  std::size_t ahead_end_ = 0;
};

}  // namespace chainrule

#endif  // CHAINRULE_DATA_BYTE_SOURCE_HPP

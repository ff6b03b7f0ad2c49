/// \file
/// Makes `byte_source` read gzip-compressed files, through zlib.
///
/// Needs zlib, and uses it only where CHAINRULE_WITH_ZLIB is defined: linking the CMake target
/// `chainrule::zlib` defines it. Without it the header compiles all the same, and opening a
/// compressed file throws a format_error that says what to do.
///
///     chainrule::byte_source source{"labels.gz"};  // compressed or plain alike
///
/// Exactly one gzip stream is accepted. Bytes after it are refused, a second stream too (gzip
/// itself would append it). At most the requested number of bytes is decompressed, so that
/// decompression bombs do no harm.
///
/// See also data/byte_source.hpp, data/idx.hpp.
#ifndef CHAINRULE_DATA_GZIP_HPP
#define CHAINRULE_DATA_GZIP_HPP

#include "chainrule/data/byte_source.hpp"

#ifdef CHAINRULE_WITH_ZLIB

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace chainrule::detail {

/// One gzip stream that fills its file to the last byte.
class gzip_decoder final : public byte_decoder {
 public:
  /// Reads from `file`, which it does not own; `path` is for messages.
  gzip_decoder(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {
    constexpr int largest_window_gzip_only = 15 + 16;
    if (inflateInit2(&stream_, largest_window_gzip_only) != Z_OK)
      throw error(concat("zlib cannot start to decompress ", path_, ": out of memory or built ",
                         "against another version"));
  }
  ~gzip_decoder() override { inflateEnd(&stream_); }

  std::size_t read(std::uint8_t* out, std::size_t size) override {
    constexpr std::size_t largest_step = std::size_t{1} << 30U;  // zlib counts in unsigned int
    std::size_t done = 0;
    while (done < size && !finished_) {
      const std::size_t step = std::min(size - done, largest_step);
      done += inflate_some(out + done, step);
    }
    return done;
  }

 private:
  std::size_t inflate_some(std::uint8_t* out, std::size_t size) {
    if (stream_.avail_in == 0) refill();
    if (stream_.avail_in == 0)
      detail::fail<format_error>(path_,
                                 " is truncated: its gzip stream stops in the middle, after ",
                                 consumed_, " bytes; fetch or compress it again");
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(size);
    const int status = inflate(&stream_, Z_NO_FLUSH);
    const std::size_t made = size - stream_.avail_out;
    if (status == Z_STREAM_END) {
      finished_ = true;
      refuse_what_follows();
    } else if (status == Z_MEM_ERROR) {
      throw error(concat("no memory to decompress ", path_));
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      detail::fail<format_error>(path_, " is damaged: its gzip stream is not valid (",
                                 reason(status), "); fetch or compress it again");
    }
    return made;
  }

  [[nodiscard]] std::string reason(int status) const {
    if (status == Z_NEED_DICT) return "it needs a dictionary";
    if (stream_.msg == nullptr) return concat("zlib error ", status);
    if (std::strcmp(stream_.msg, "incorrect data check") == 0)
      return "the checksum of its content differs";
    if (std::strcmp(stream_.msg, "incorrect length check") == 0)
      return "the length of its content differs";
    return stream_.msg;
  }

  void refuse_what_follows() {
    std::uint8_t next[2] = {};
    std::size_t there = 0;
    while (there < 2) {
      if (stream_.avail_in == 0) refill();
      if (stream_.avail_in == 0) break;
      next[there++] = *stream_.next_in++;
      --stream_.avail_in;
    }
    if (there == 2 && next[0] == 0x1f && next[1] == 0x8b)
      detail::fail<format_error>(path_, " holds more than one gzip stream, expected exactly one: ",
                                 "compress its content again in one piece");
    if (there > 0)
      detail::fail<format_error>(path_, " has bytes after the end of its gzip stream, expected ",
                                 "none: it was damaged or something was appended");
  }

  void refill() {
    const std::size_t there = std::fread(buffer_.data(), 1, buffer_.size(), file_);
    if (there < buffer_.size() && std::ferror(file_) != 0)
      detail::fail<io_error>("cannot read ", path_, ": ", system_message(errno));
    consumed_ += there;
    stream_.next_in = buffer_.data();
    stream_.avail_in = static_cast<uInt>(there);
  }

  std::FILE* file_;
  std::string path_;
  z_stream stream_{};
  bool finished_ = false;
  std::uint64_t consumed_ = 0;  // compressed bytes
  std::array<Bytef, 16384> buffer_;
};

[[nodiscard]] inline std::unique_ptr<byte_decoder> open_gzip_with_zlib(std::FILE* file,
                                                                       std::string path) {
  return std::make_unique<gzip_decoder>(file, std::move(path));
}

[[nodiscard]] inline bool inflate_raw_with_zlib(std::span<const std::uint8_t> in,
                                                std::span<std::uint8_t> out) {
  constexpr std::size_t largest_step = std::size_t{1} << 30U;  // zlib counts in unsigned int
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) throw error("zlib cannot start to decompress");
  std::vector<Bytef> input(in.begin(), in.end());  // which zlib takes as not const
  std::uint8_t spare = 0;                          // zlib wants an address, even of nothing
  std::size_t read = 0, made = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    const std::size_t ahead = std::min(input.size() - read, largest_step);
    const std::size_t room = std::min(out.size() - made, largest_step);
    stream.next_in = input.data() + read;
    stream.avail_in = static_cast<uInt>(ahead);
    stream.next_out = room == 0 ? &spare : out.data() + made;
    stream.avail_out = static_cast<uInt>(room);
    status = inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR: it wants more than there is
    read += ahead - stream.avail_in;
    made += room - stream.avail_out;
  }
  inflateEnd(&stream);
  return status == Z_STREAM_END && read == input.size() && made == out.size();
}

inline const bool gzip_is_readable = [] {
  open_gzip = open_gzip_with_zlib;
  inflate_raw = inflate_raw_with_zlib;
  return true;
}();

}  // namespace chainrule::detail

#endif  // CHAINRULE_WITH_ZLIB

#endif  // CHAINRULE_DATA_GZIP_HPP

/// \file
/// What the tests of data need around files: bytes in and out, gzip.
#ifndef CHAINRULE_TESTS_DATA_FILES_HPP
#define CHAINRULE_TESTS_DATA_FILES_HPP

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#ifdef CHAINRULE_WITH_ZLIB
#include <zlib.h>
#endif

#include "support/scratch.hpp"

namespace data_test {

using bytes = std::vector<std::uint8_t>;

inline void write_bytes(const std::string& path, const bytes& content) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) throw std::runtime_error("cannot create " + path);
  const std::size_t written =
      content.empty() ? 0 : std::fwrite(content.data(), 1, content.size(), file);
  if (std::fclose(file) != 0 || written != content.size())
    throw std::runtime_error("cannot write " + path);
}

/// The header of an IDX file of uint8.
inline bytes idx_header(const std::vector<std::uint32_t>& extents) {
  bytes out{0, 0, 8, static_cast<std::uint8_t>(extents.size())};
  for (const std::uint32_t extent : extents)
    for (const unsigned shift : {24U, 16U, 8U, 0U})
      out.push_back(static_cast<std::uint8_t>(extent >> shift));
  return out;
}

/// A whole IDX file with the elements 1, 2, 3, ... (mod `modulus`).
inline bytes idx_file(const std::vector<std::uint32_t>& extents, unsigned modulus = 251) {
  bytes out = idx_header(extents);
  std::size_t size = 1;
  for (const std::uint32_t extent : extents) size *= extent;
  for (std::size_t i = 1; i <= size; ++i) out.push_back(static_cast<std::uint8_t>(i % modulus));
  return out;
}

inline bytes joined(bytes first, const bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// What `action` throws as an `Error`, as text; empty if it throws nothing.
template <class Error, class Action>
std::string message_of(Action action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

#ifdef CHAINRULE_WITH_ZLIB

/// One gzip stream.
inline bytes gzip(const bytes& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2 failed");
  bytes in = content;
  bytes out(deflateBound(&stream, static_cast<uLong>(in.size())) + 64);
  stream.next_in = in.data();
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = deflate(&stream, Z_FINISH);
  out.erase(out.end() - static_cast<std::ptrdiff_t>(stream.avail_out), out.end());
  deflateEnd(&stream);
  if (status != Z_STREAM_END) throw std::runtime_error("deflate failed");
  return out;
}

/// A valid gzip stream of `head` and then `mebibytes` MiB of zeros, made without compressing them
/// all: after a full flush, equal input gives equal output, so one piece is repeated.
inline bytes gzip_bomb(const bytes& head, unsigned mebibytes) {
  constexpr std::size_t piece_size = std::size_t{1} << 20U;
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("deflateInit2 failed");
  auto deflated = [&stream](bytes in, int flush) {
    bytes out(in.size() + 1024);
    stream.next_in = in.data();
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    deflate(&stream, flush);
    out.erase(out.end() - static_cast<std::ptrdiff_t>(stream.avail_out), out.end());
    return out;
  };
  const bytes zeros(piece_size);
  bytes out{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
  out = joined(out, deflated(head, Z_FULL_FLUSH));
  const bytes piece = deflated(zeros, Z_FULL_FLUSH);
  uLong crc = crc32(0, head.data(), static_cast<uInt>(head.size()));
  const uLong piece_crc = crc32(0, zeros.data(), static_cast<uInt>(zeros.size()));
  for (unsigned i = 0; i < mebibytes; ++i) {
    out.insert(out.end(), piece.begin(), piece.end());
    crc = crc32_combine(crc, piece_crc, static_cast<z_off_t>(piece_size));
  }
  out = joined(out, deflated({}, Z_FINISH));
  deflateEnd(&stream);
  const std::uint64_t length = head.size() + std::uint64_t{mebibytes} * piece_size;
  for (const std::uint64_t word : {static_cast<std::uint64_t>(crc), length})
    for (const unsigned shift : {0U, 8U, 16U, 24U})
      out.push_back(static_cast<std::uint8_t>(word >> shift));
  return out;
}

#endif

}  // namespace data_test

#endif  // CHAINRULE_TESTS_DATA_FILES_HPP

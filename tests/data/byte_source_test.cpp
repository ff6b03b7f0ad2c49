#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "chainrule/data/gzip.hpp"
#include "files.hpp"
#include "support/catch.hpp"

namespace byte_source_test {

using chainrule::byte_source;
using chainrule::format_error;
using chainrule::io_error;
using namespace data_test;

namespace {

bytes counting(std::size_t size) {
  bytes out(size);
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
  return out;
}

/// Everything, in steps of `step`.
bytes read_all(byte_source& source, std::size_t step) {
  bytes out;
  while (!source.at_end()) {
    bytes piece(step);
    piece.resize(source.read(piece.data(), step));
    out = joined(out, piece);
  }
  return out;
}

}  // namespace

TEST_CASE("a byte source gives the bytes of a plain file") {
  const scratch::folder folder;
  const std::string path = folder / "plain";
  for (const std::size_t size : {0U, 1U, 2U, 3U, 5000U}) {
    const bytes content = counting(size);
    write_bytes(path, content);
    for (const std::size_t step : {1U, 7U, 10000U}) {
      byte_source source{path};
      CAPTURE(size, step);
      CHECK_FALSE(source.compressed());
      CHECK(source.file_size() == size);
      CHECK(source.most_remaining() == size);
      CHECK(read_all(source, step) == content);
      CHECK(source.position() == size);
      CHECK(source.most_remaining() == 0);
      CHECK(source.at_end());
    }
  }
}

TEST_CASE("at_end takes nothing from what is read afterwards") {
  const scratch::folder folder;
  write_bytes(folder / "plain", {10, 20, 30});
  byte_source source{folder / "plain"};
  std::uint8_t two[2] = {};
  CHECK_FALSE(source.at_end());
  CHECK_FALSE(source.at_end());
  source.read_exact(two, 2);
  CHECK(two[0] == 10);
  CHECK(two[1] == 20);
  CHECK_FALSE(source.at_end());
  const std::string message = message_of<format_error>([&] { source.read_exact(two, 2); });
  CHECK(message ==
        (folder / "plain") + " is truncated: expected 1 more bytes after byte 3 of its content");
  CHECK(two[0] == 30);
}

TEST_CASE("a byte source says why a file cannot be read") {
  const scratch::folder folder;
  CHECK(message_of<io_error>([&] { byte_source{folder / "none"}; }) ==
        "cannot open " + (folder / "none") + ": No such file or directory");
  CHECK(contains(message_of<io_error>([&] { byte_source{folder.path()}; }), folder.path()));
}

TEST_CASE("a byte source reads what cannot be rewound") {
  // A pipe through the shell would need a process; this device gives zeros for ever.
  byte_source source{"/dev/zero"};
  bytes some(100, 1);
  source.read_exact(some.data(), some.size());
  CHECK(std::accumulate(some.begin(), some.end(), 0) == 0);
  CHECK_FALSE(source.at_end());
}

TEST_CASE("without zlib a compressed file is refused with advice") {
  const scratch::folder folder;
  write_bytes(folder / "some.gz", {0x1f, 0x8b, 8, 0});
  const auto opener = chainrule::detail::open_gzip;
  chainrule::detail::open_gzip = nullptr;
  const std::string message = message_of<format_error>([&] { byte_source{folder / "some.gz"}; });
  chainrule::detail::open_gzip = opener;
  CHECK(contains(message, (folder / "some.gz") + " is gzip-compressed"));
  CHECK(contains(message, "built without zlib"));
  CHECK(contains(message, "chainrule::zlib"));
  CHECK(contains(message, "gunzip"));
}

#ifdef CHAINRULE_WITH_ZLIB

TEST_CASE("a byte source gives the content of a gzip file, whatever its name") {
  const scratch::folder folder;
  for (const std::size_t size : {0U, 1U, 5000U, 100000U}) {
    const bytes content = counting(size);
    write_bytes(folder / "no-ending", gzip(content));
    for (const std::size_t step : {613U, 200000U}) {
      byte_source source{folder / "no-ending"};
      CAPTURE(size, step);
      CHECK(source.compressed());
      CHECK(source.most_remaining() >= size);
      CHECK(read_all(source, step) == content);
      CHECK(source.position() == size);
    }
  }
  // The name alone makes nothing compressed.
  write_bytes(folder / "plain.gz", counting(10));
  byte_source source{folder / "plain.gz"};
  CHECK_FALSE(source.compressed());
  CHECK(read_all(source, 3) == counting(10));
}

TEST_CASE("most_remaining is no less than what deflate can make of a file") {
  const scratch::folder folder;
  write_bytes(folder / "zeros.gz", gzip(bytes(std::size_t{8} << 20U)));
  byte_source source{folder / "zeros.gz"};
  CHECK(source.most_remaining() >= std::size_t{8} << 20U);
  CHECK(source.most_remaining() < std::size_t{9} << 20U);
}

TEST_CASE("damage to a gzip file has a name") {
  const scratch::folder folder;
  const std::string path = folder / "x.gz";
  const bytes good = gzip(counting(3000));
  auto complaint = [&](const bytes& content) {
    write_bytes(path, content);
    return message_of<format_error>([&] {
      byte_source source{path};
      read_all(source, 1000);
    });
  };
  CHECK(complaint(good).empty());

  bytes cut = good;
  cut.resize(cut.size() / 2);
  CHECK(contains(complaint(cut), path +
                                     " is truncated: its gzip stream stops in the middle, after " +
                                     std::to_string(cut.size()) + " bytes"));
  bytes crc = good;
  crc[crc.size() - 8] ^= 1;
  CHECK(contains(complaint(crc), path + " is damaged"));
  CHECK(contains(complaint(crc), "checksum of its content differs"));
  bytes length = good;
  length[length.size() - 4] ^= 1;
  CHECK(contains(complaint(length), "length of its content differs"));
  bytes block = good;
  block[10] |= 6;  // the block type that does not exist
  CHECK(contains(complaint(block), path + " is damaged"));

  CHECK(contains(complaint(joined(good, {0})), path + " has bytes after the end"));
  CHECK(contains(complaint(joined(good, {0, 0, 0})), path + " has bytes after the end"));
  CHECK(contains(complaint(joined(good, good)), path + " holds more than one gzip stream"));
}

#endif

}  // namespace byte_source_test

#include "chainrule/data/idx.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "chainrule/core/philox.hpp"
#include "files.hpp"
#include "support/catch.hpp"
#include "support/huge_pages.hpp"

using chainrule::format_error;
using chainrule::idx_array;
using chainrule::index_t;
using chainrule::io_error;
using chainrule::read_idx;
using chainrule::shape_error;
using chainrule::write_idx;
using namespace data_test;

// The largest piece of memory that anybody asked for: what a hostile header must not move.
namespace {
std::size_t largest_request = 0;

void* allocate(std::size_t size) noexcept {
  largest_request = std::max(largest_request, size);
  return std::malloc(size == 0 ? 1 : size);
}

void* allocate_or_throw(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}
}  // namespace

// All forms, since a sanitizer would otherwise see memory of its own form freed by ours.
void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
void operator delete[](void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace {

constexpr std::size_t small_memory = std::size_t{2} << 20U;

/// The message with which reading `content` fails as a format error; empty if it does not fail.
std::string complaint(const scratch::folder& folder, const bytes& content, int rank = 3) {
  const std::string path = folder / "x";
  write_bytes(path, content);
  return message_of<format_error>([&] { (void)read_idx(path, rank); });
}

}  // namespace

TEST_CASE("an IDX file is read back as it was written") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  const std::vector<std::vector<index_t>> shapes{
      {0}, {1}, {7}, {3, 4}, {2, 3, 5}, {0, 28, 28}, {2, 1, 2, 1, 2}};
  for (const auto& extents : shapes) {
    std::size_t size = 1;
    for (const index_t extent : extents) size *= static_cast<std::size_t>(extent);
    bytes data(size);
    for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<std::uint8_t>(255 - i);
    write_idx(path, extents, data);
    const idx_array any = read_idx(path);
    CHECK(any.extents == extents);
    CHECK(any.data == data);
    CHECK(read_idx(path, static_cast<int>(extents.size())).data == data);
  }
}

TEST_CASE("many bytes of an IDX file are in huge pages, where the system has them") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  bytes data(std::size_t{9} << 20U);
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i * 31 >> 3U);
  write_idx(path, std::vector<index_t>{9 << 10, 1 << 10}, data);
  const idx_array read = read_idx(path);
  CHECK(read.data == data);
  if (const auto preferred = prefers_huge_pages(read.data.data() + data.size() / 2))
    CHECK(*preferred);
}

TEST_CASE("the bytes of an IDX file are those of the format") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  write_idx(path, std::vector<index_t>{2, 258}, bytes(516, 9));
  chainrule::byte_source source{path};
  bytes head(13);
  source.read_exact(head.data(), head.size());
  CHECK(head == bytes{0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 1, 2, 9});
}

TEST_CASE("write_idx refuses what is no array and says where it cannot write") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  const bytes four(4);
  CHECK_THROWS_AS(write_idx(path, std::vector<index_t>{}, four), shape_error);
  CHECK_THROWS_AS(write_idx(path, std::vector<index_t>(256, 1), bytes(1)), shape_error);
  CHECK_THROWS_AS(write_idx(path, std::vector<index_t>{-4}, four), shape_error);
  CHECK_THROWS_AS(write_idx(path, std::vector<index_t>{index_t{1} << 31, 0}, bytes{}), shape_error);
  CHECK(contains(message_of<shape_error>([&] { write_idx(path, std::vector<index_t>{5}, four); }),
                 "4 elements do not fill the extents 5"));
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK(contains(
      message_of<io_error>([&] { write_idx(folder / "none/x", std::vector<index_t>{4}, four); }),
      "cannot create " + (folder / "none/x")));
  if (std::filesystem::exists("/dev/full"))
    CHECK(contains(
        message_of<io_error>([&] { write_idx("/dev/full", std::vector<index_t>{4}, four); }),
        "cannot write /dev/full: No space left"));
}

TEST_CASE("a file that is not the expected IDX file is named, with what was found") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  CHECK(contains(complaint(folder, {0x89, 'P', 'N', 'G', 1, 2}),
                 path + " is not an IDX file: it begins with 89 50 4e 47"));
  bytes floats = idx_file({2, 2, 2});
  floats[2] = 0x0D;
  CHECK(contains(complaint(folder, floats), "type 0x0d (float32), expected 0x08 (uint8)"));
  floats[2] = 0x77;
  CHECK(contains(complaint(folder, floats), "type 0x77 (not a type of IDX)"));
  CHECK(contains(complaint(folder, {0, 0, 8, 0}, chainrule::any_rank), "states no extents"));
  CHECK(contains(complaint(folder, idx_file({6})),
                 path + " holds an array of 1 extent (idx1), expected 3 (idx3)"));
  CHECK(contains(complaint(folder, idx_file({6, 2, 2}), 1),
                 path + " holds an array of 3 extents (idx3), expected 1 (idx1)"));
  CHECK(contains(complaint(folder, {}), path + " is truncated: it ends inside the IDX header"));
}

TEST_CASE("every truncation and every extra byte of a plain file is refused") {
  const scratch::folder folder;
  const bytes good = idx_file({3, 4, 5});
  CHECK(complaint(folder, good).empty());
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK(contains(complaint(folder, cut), "is truncated"));
  }
  CHECK(contains(complaint(folder, joined(good, {0})),
                 "has bytes left over: its header (3x4x5) demands 76 bytes, the file has 77"));
}

TEST_CASE("a header that promises too much gets no memory") {
  const scratch::folder folder;
  const std::vector<std::vector<std::uint32_t>> promises{
      {0x7fffffffU, 28, 28},                    // far above the limit
      {0x80000000U, 28, 28},                    // not an extent
      {0x7fffffffU, 0x7fffffffU, 0x7fffffffU},  // overflows 64 bits
      {0x10000, 0x10000, 0x10000},              // 2^48
      {0, 0x7fffffffU, 0x7fffffffU},            // empty, but not plausible
      {60000, 28, 28},                          // plausible, but not there
      {1, 1, 1},
  };
  for (const auto& extents : promises) {
    largest_request = 0;
    const std::string message = complaint(folder, idx_header(extents));
    CAPTURE(extents[0], extents[1], extents[2], message);
    CHECK_FALSE(message.empty());
    CHECK(largest_request < small_memory);
  }
  // 2^64 elements: a product that wraps around is 0, just what the file holds.
  CHECK(contains(complaint(folder, idx_header({0x10000, 0x10000, 0x10000, 0x10000}), 4),
                 "65536x65536x65536x65536, more than the limit"));
  // 255 extents of 2^31 - 1.
  const bytes deep = idx_header(std::vector<std::uint32_t>(255, 0x7fffffffU));
  largest_request = 0;
  CHECK(contains(complaint(folder, deep, chainrule::any_rank), "more than the limit"));
  CHECK(largest_request < small_memory);
}

TEST_CASE("the limit of bytes is exact and can be moved") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  write_bytes(path, idx_file({4, 5, 5}));
  CHECK(read_idx(path, 3, 100).data.size() == 100);
  CHECK(contains(message_of<format_error>([&] { (void)read_idx(path, 3, 99); }),
                 "states extents of 4x5x5, more than the limit of 99 bytes"));
}

TEST_CASE("flipped bytes of a plain file give an array of the stated size or a format error") {
  const scratch::folder folder;
  const std::string path = folder / "x";
  const bytes good = idx_file({3, 4, 5});
  chainrule::random_stream random{11};
  int accepted = 0;
  for (int round = 0; round < 2000; ++round) {
    bytes bad = good;
    // Half of the flips go to the header, where they matter.
    const auto range = static_cast<std::uint32_t>(round % 2 == 0 ? 16 : bad.size());
    const std::size_t where = random.below(range);
    bad[where] = static_cast<std::uint8_t>(bad[where] ^ (1 + random.below(255)));
    write_bytes(path, bad);
    largest_request = 0;
    try {
      const idx_array array = read_idx(path);
      ++accepted;
      CHECK(where >= 16);
      CHECK(array.data == bytes(bad.begin() + 16, bad.end()));
    } catch (const format_error& e) {
      CHECK(contains(e.what(), path));
      CHECK(where < 16);
    }
    CHECK(largest_request < small_memory);
  }
  CHECK(accepted > 0);
}

#ifdef CHAINRULE_WITH_ZLIB

TEST_CASE("a compressed IDX file is the plain one") {
  const scratch::folder folder;
  const bytes plain = idx_file({90, 28, 28});
  write_bytes(folder / "x.gz", gzip(plain));
  const idx_array array = read_idx(folder / "x.gz", 3);
  CHECK(array.extents == std::vector<index_t>{90, 28, 28});
  CHECK(array.data == bytes(plain.begin() + 16, plain.end()));
}

TEST_CASE("every truncation of a compressed file is refused, and what comes too much") {
  const scratch::folder folder;
  const bytes plain = idx_file({3, 4, 5});
  const bytes good = gzip(plain);
  CHECK(complaint(folder, good).empty());
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK_FALSE(complaint(folder, cut).empty());
  }
  // The content is too short or too long, within a stream that is sound.
  for (std::size_t length = 0; length < plain.size(); ++length) {
    CAPTURE(length);
    bytes cut(plain.begin(), plain.begin() + static_cast<std::ptrdiff_t>(length));
    CHECK(contains(complaint(folder, gzip(cut)), "is truncated"));
  }
  CHECK(contains(complaint(folder, gzip(joined(plain, {7}))),
                 "goes on after the 60 bytes that its header promises (3x4x5)"));
  CHECK_FALSE(complaint(folder, joined(good, {7})).empty());
  CHECK_FALSE(complaint(folder, joined(good, good)).empty());
}

TEST_CASE("flipped bytes of a compressed file give the same array or a format error") {
  const scratch::folder folder;
  const std::string path = folder / "x.gz";
  const bytes plain = idx_file({3, 4, 5});
  const bytes good = gzip(plain);
  const bytes elements(plain.begin() + 16, plain.end());
  chainrule::random_stream random{12};
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    bytes bad = good;
    const std::uint32_t flips = 1 + random.below(3);
    for (std::uint32_t i = 0; i < flips; ++i) {
      const std::size_t where = random.below(static_cast<std::uint32_t>(bad.size()));
      bad[where] = static_cast<std::uint8_t>(bad[where] ^ (1 + random.below(255)));
    }
    write_bytes(path, bad);
    largest_request = 0;
    try {
      const idx_array array = read_idx(path);
      CHECK(array.data == elements);  // only the time stamp and the like can change unnoticed
    } catch (const format_error& e) {
      CHECK(contains(e.what(), path));
      ++refused;
    }
    CHECK(largest_request < small_memory);
  }
  CHECK(refused > 1000);
}

TEST_CASE("a gzip bomb costs neither time nor memory") {
  const scratch::folder folder;
  const std::string path = folder / "bomb.gz";
  struct bomb {
    std::vector<std::uint32_t> extents;
    std::size_t memory;
    const char* message;
  };
  const std::size_t limit = chainrule::default_max_idx_bytes;
  const std::vector<bomb> bombs{
      {{1U << 20U, 32, 32}, small_memory, "more than the limit"},  // what is really there
      {{10, 28, 28}, small_memory, "goes on after the 7840 bytes"},
      {{1U << 16U, 32, 32}, limit, "goes on after the 67108864 bytes"},  // all that is allowed
  };
  for (const auto& [extents, memory, expected] : bombs) {
    write_bytes(path, gzip_bomb(idx_header(extents), 1024));
    REQUIRE(std::filesystem::file_size(path) < std::size_t{2} << 20U);
    largest_request = 0;
    const std::clock_t begin = std::clock();
    const std::string message = message_of<format_error>([&] { (void)read_idx(path, 3); });
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    CAPTURE(message, seconds);
    CHECK(contains(message, expected));
    CHECK(largest_request <= memory);
    CHECK(seconds < 1);
  }
}

TEST_CASE("the bomb of these tests is a sound gzip file") {
  const scratch::folder folder;
  write_bytes(folder / "x.gz", gzip_bomb(idx_header({3, 1024, 1024}), 3));
  CHECK(read_idx(folder / "x.gz", 3).data == bytes(std::size_t{3} << 20U));
}

TEST_CASE("a short compressed file that promises much gets no memory") {
  const scratch::folder folder;
  largest_request = 0;
  const std::string message = complaint(folder, gzip(idx_header({60000, 28, 28})));
  CHECK(contains(message, "is truncated or damaged: its header promises 60000x28x28 = 47040000"));
  CHECK(largest_request < small_memory);
}

#endif

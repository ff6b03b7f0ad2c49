// NumPy's files, written by NumPy (numpy_files.py), and damaged ones.
#include "chainrule/data/npy.hpp"

#include <algorithm>

#include "data/files.hpp"
#include "support/catch.hpp"

namespace npy_test {

using namespace chainrule;
using namespace data_test;

namespace {

const std::string numpy = std::string(CHAINRULE_TESTS_FOLDER) + "/data/numpy/";

bytes content(const std::string& name) {
  const std::string text = scratch::read(numpy + name);
  return {text.begin(), text.end()};
}

/// Version 1, with a header of any text.
bytes npy(const std::string& header, const bytes& data = {}) {
  bytes out{0x93,
            'N',
            'U',
            'M',
            'P',
            'Y',
            1,
            0,
            static_cast<std::uint8_t>(header.size() & 255U),
            static_cast<std::uint8_t>(header.size() >> 8U)};
  out.insert(out.end(), header.begin(), header.end());
  return joined(out, data);
}

std::string refusal(const bytes& file) {
  return message_of<format_error>([&] { (void)parse_npy(file); });
}

const std::vector<double> x = {1.5, -2, 3, 4, 5, 6e10};

}  // namespace

TEST_CASE("npy: versions 1, 2 and 3") {
  for (const char* const name : {"x.npy", "version_2.npy", "version_3.npy"}) {
    CAPTURE(name);
    const npy_array a = read_npy(numpy + name);
    CHECK(a.extents == std::vector<index_t>{2, 3});
    CHECK(a.elements<double>() == x);
    const host_matrix m = a.matrix();
    CHECK(m.rows() == 2);
    CHECK(m(1, 2) == 6e10);
  }
}

TEST_CASE("npz: stored and compressed arrays of every type") {
  std::vector<std::string> names{"stored.npz"};
#ifdef CHAINRULE_WITH_ZLIB
  names.emplace_back("deflated.npz");
#else
  CHECK(contains(message_of<format_error>([] { (void)read_npz(numpy + "deflated.npz"); }),
                 "built without zlib"));
#endif
  for (const std::string& name : names) {
    CAPTURE(name);
    const auto all = read_npz(numpy + name);
    CHECK(all.size() == 7);
    CHECK(all.at("x").elements<double>() == x);
    CHECK(all.at("fortran").elements<double>() == x);
    CHECK(all.at("fortran").extents == std::vector<index_t>{2, 3});
    CHECK(all.at("single").elements<float>() == std::vector<float>{0.5F, -0.25F});
    CHECK(all.at("labels").elements<std::int64_t>() ==
          std::vector<std::int64_t>{3, 0, -1, std::int64_t{1} << 40});
    CHECK(all.at("labels").matrix()(3, 0) == 1099511627776.0);
    CHECK(all.at("counts").elements<std::int32_t>() == std::vector<std::int32_t>{7, -8});
    CHECK(all.at("pixels").extents == std::vector<index_t>{2, 2, 3});
    CHECK(all.at("pixels").elements<std::uint8_t>()[11] == 11);
    CHECK(all.at("pixels").matrix().cols() == 6);
    CHECK(all.at("pixels").matrix()(1, 0) == 6);
    CHECK(all.at("one").extents.empty());
    CHECK(all.at("one").matrix()(0, 0) == 2.5);
    CHECK(contains(message_of<value_error>([&] { (void)all.at("x").elements<float>(); }),
                   "are float64"));
  }
}

TEST_CASE("npy: what is not accepted says why") {
  CHECK(contains(message_of<format_error>([] { (void)read_npy(numpy + "fortran_3.npy"); }),
                 "its 3 axes are in Fortran's order"));
  CHECK(contains(message_of<format_error>([] { (void)read_npy(numpy + "big_endian.npy"); }),
                 "its elements are '>f8'"));
  CHECK(contains(message_of<format_error>([] { (void)read_npz(numpy + "x.npy"); }),
                 "not an npz file"));
  CHECK(contains(refusal(content("stored.npz")), "not an npy file"));
  CHECK_THROWS_AS(read_npy(numpy + "none.npy"), io_error);
  CHECK_THROWS_AS(read_npy(numpy + "x.npy", {.max_bytes = 100}), format_error);
  CHECK_THROWS_AS(read_npz(numpy + "stored.npz", {.max_bytes = 100}), format_error);
  const npy_array large{{1}, std::vector<std::int64_t>{(std::int64_t{1} << 53) + 1}};
  CHECK_THROWS_AS(large.matrix(), value_error);
}

TEST_CASE("npy: headers that lie or are damaged are refused before memory is allocated") {
  const auto with_shape = [](const std::string& shape) {
    return npy("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + ", }\n");
  };
  CHECK(refusal(with_shape("(0,)")).empty());
  CHECK(refusal(with_shape("(0, 3)")).empty());
  CHECK(contains(refusal(with_shape("(1,)")), "its 1 elements take 8 bytes, there are 0"));
  CHECK(contains(refusal(with_shape("()")), "its 1 elements take 8 bytes"));
  CHECK(contains(refusal(with_shape("(1000000000000,)")), "there are 0"));
  CHECK(contains(refusal(with_shape("(4294967296, 4294967296)")), "larger than any memory"));
  CHECK(contains(refusal(with_shape("(99999999999999999999,)")), "larger than any memory"));
  for (const char* const shape : {"(-1,)", "(1.5,)", "(,)", "(1 2)", "(1,", "1", "('a',)"}) {
    CAPTURE(shape);
    CHECK_FALSE(refusal(with_shape(shape)).empty());
  }
  // Keys in another order, and other spaces, are the same header.
  CHECK(refusal(npy("{ 'shape':(1,),'descr':'|u1','fortran_order':True}", {5})).empty());
  CHECK(contains(refusal(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}", {5, 6})),
                 "its 1 elements take 1 bytes, there are 2"));
  for (const char* const header :
       {"", "{}", "{'descr': '<f8'}", "{'descr': '<f8', 'fortran_order': 0, 'shape': (0,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0,), 'x': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0,)} x", "{'descr", "[1]"}) {
    CAPTURE(header);
    CHECK_FALSE(refusal(npy(header)).empty());
  }
  bytes version_9 = with_shape("(0,)");
  version_9[6] = 9;
  CHECK(contains(refusal(version_9), "its format has version 9"));
}

TEST_CASE("npy and npz: every prefix is refused, every changed byte is read or refused") {
  for (const char* const name : {"x.npy", "version_3.npy"}) {
    const bytes whole = content(name);
    for (std::size_t n = 0; n < whole.size(); ++n)
      CHECK_THROWS_AS(
          parse_npy(bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))),
          format_error);
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int mask : {1, 16, 255}) {
        bytes changed = whole;
        changed[i] = static_cast<std::uint8_t>(changed[i] ^ mask);
        (void)refusal(changed);
      }
  }
  for (const char* const name : {"stored.npz", "deflated.npz"}) {
    const bytes whole = content(name);
    for (std::size_t n = 0; n < whole.size(); ++n)
      CHECK_THROWS_AS(
          parse_npz(bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n))),
          format_error);
    for (std::size_t i = 0; i < whole.size(); ++i)
      for (const int mask : {1, 128, 255}) {
        bytes changed = whole;
        changed[i] = static_cast<std::uint8_t>(changed[i] ^ mask);
        try {
          (void)parse_npz(changed, {.max_bytes = 1 << 20});
        } catch (const format_error&) {
        }
      }
  }
}

TEST_CASE("npz: changed elements are found by the checksum") {
  bytes file = content("stored.npz");
  const bytes element = {0, 0, 0, 0, 0, 0, 0xF8, 0x3F};  // 1.5
  const auto at = std::search(file.begin(), file.end(), element.begin(), element.end());
  REQUIRE(at != file.end());
  *at = 1;
  CHECK(contains(message_of<format_error>([&] { (void)parse_npz(file); }),
                 "array 'x.npy': its checksum differs"));
}

}  // namespace npy_test

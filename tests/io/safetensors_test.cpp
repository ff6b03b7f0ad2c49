#include "chainrule/io/safetensors.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

namespace safetensors_test {

using chainrule::format_error;
using chainrule::index_t;
using chainrule::io_error;
using chainrule::load_safetensors;
using chainrule::safetensors_file;
using chainrule::save_safetensors;
using chainrule::shape_error;
using chainrule::tensor_expectation;
using chainrule::tensor_to_save;
using chainrule::value_error;
using scratch::complaint;
using scratch::contains;

namespace {

template <class T>
std::vector<T> counting(std::size_t size) {
  std::vector<T> values(size);
  for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<T>(i) - T(2.5);
  return values;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

/// What "w" (F32, 2x3), "b" (F64, a scalar) and "n" (I64, 2) look like in a file.
struct sample {
  std::vector<float> w = counting<float>(6);
  std::vector<double> b = {0.1};
  std::vector<std::int64_t> n = {-1, 1};

  [[nodiscard]] std::vector<tensor_to_save> tensors() const {
    return {{"w", "F32", {2, 3}, bytes_of(w)},
            {"b", "F64", {}, bytes_of(b)},
            {"n", "I64", {2}, bytes_of(n)}};
  }
};

}  // namespace

TEST_CASE("tensors of all shapes survive saving and loading") {
  const scratch::folder folder;
  const std::vector<std::vector<index_t>> shapes = {
      {},      {1},     {0}, {1, 1},       {0, 5},      {5, 0, 7},         {17}, {3, 1025}, {2, 3},
      {1, 33}, {33, 1}, {0}, {2, 3, 4, 5}, {1000, 257}, {1, 1, 1, 1, 1, 2}};
  std::vector<std::vector<float>> floats;
  std::vector<std::vector<double>> doubles;
  std::vector<tensor_to_save> tensors;
  for (const auto& shape : shapes) {
    std::size_t size = 1;
    for (const index_t extent : shape) size *= static_cast<std::size_t>(extent);
    floats.push_back(counting<float>(size));
    doubles.push_back(counting<double>(size));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    tensors.push_back({"f" + std::to_string(i), "F32", shapes[i], bytes_of(floats[i])});
    tensors.push_back({"d" + std::to_string(i), "F64", shapes[i], bytes_of(doubles[i])});
  }
  save_safetensors(folder / "file", tensors);
  const safetensors_file file = load_safetensors(folder / "file");

  CHECK(file.path() == folder / "file");
  CHECK(file.verified());
  CHECK(file.metadata().empty());
  REQUIRE(file.tensors().size() == tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(i);
    CHECK(file.tensors()[i].name == tensors[i].name);
    CHECK(file.tensors()[i].dtype == tensors[i].dtype);
    CHECK(file.tensors()[i].shape == tensors[i].shape);
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    CAPTURE(i);
    std::vector<float> f(floats[i].size(), -7.0F);
    file.copy_to("f" + std::to_string(i), shapes[i], std::span(f));
    CHECK(f == floats[i]);
    std::vector<double> d(doubles[i].size(), -7.0);
    file.copy_to("d" + std::to_string(i), shapes[i], std::span(d));
    CHECK(d == doubles[i]);
  }
}

TEST_CASE("the file is laid out as the format says") {
  const scratch::folder folder;
  const sample s;
  save_safetensors(folder / "file", s.tensors(), {{"key", "value"}});
  const std::string content = scratch::read(folder / "file");
  std::uint64_t length = 0;
  for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(content[i]);
  const std::size_t data_bytes = 24 + 8 + 16;
  REQUIRE(content.size() == 8 + length + data_bytes);
  CHECK(length % 8 == 0);
  const std::string header = content.substr(8, static_cast<std::size_t>(length));
  CHECK(contains(header, R"("format":"chainrule","format_version":"1")"));
  CHECK(contains(header, R"("key":"value")"));
  CHECK(contains(header, R"(},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                         R"("b":{"dtype":"F64","shape":[],"data_offsets":[24,32]},)"
                         R"("n":{"dtype":"I64","shape":[2],"data_offsets":[32,48]}})"));
  CHECK(header.find_last_not_of(' ') == header.rfind('}'));
}

TEST_CASE("a file without tensors is a file") {
  const scratch::folder folder;
  save_safetensors(folder / "file", {}, {{"only", "metadata"}});
  const safetensors_file file = load_safetensors(folder / "file");
  CHECK(file.tensors().empty());
  CHECK(file.metadata() == std::map<std::string, std::string>{{"only", "metadata"}});
}

TEST_CASE("metadata and names of all kinds survive") {
  const scratch::folder folder;
  const std::map<std::string, std::string> metadata = {
      {"", "empty key"},
      {"empty value", ""},
      {"quotes \" and \\", "lines\n\ttabs\x01\x1f\x7f"},
      {"\u00fc\u20ac\U0001F600", "{\"json\":[1,2]}"},
      {"long", std::string(10'000, 'x')}};
  const std::vector<float> one = {1.0F};
  const std::vector<std::string> names = {"a/b.c:0", " ", "\"", "\n", "\u00e9", "dtype", "crc32:w"};
  std::vector<tensor_to_save> tensors;
  for (const std::string& name : names) tensors.push_back({name, "F32", {1}, bytes_of(one)});
  save_safetensors(folder / "file", tensors, metadata);
  const safetensors_file file = load_safetensors(folder / "file");
  CHECK(file.metadata() == metadata);
  for (const std::string& name : names) CHECK(file.contains(name));
  CHECK(file.tensors().size() == names.size());
}

TEST_CASE("saving refuses what could not be loaded and leaves the old file") {
  const scratch::folder folder;
  const std::string path = folder / "file";
  const sample s;
  save_safetensors(path, s.tensors());
  const std::string before = scratch::read(path);
  const auto refused = [&](std::vector<tensor_to_save> tensors,
                           std::map<std::string, std::string> metadata = {}) {
    return complaint<value_error>([&] { save_safetensors(path, tensors, metadata); });
  };
  const auto data = bytes_of(s.w);
  CHECK(contains(refused({{"w", "F32", {2, 3}, data}, {"w", "F32", {6}, data}}), "twice"));
  CHECK(contains(refused({{"__metadata__", "F32", {6}, data}}), "'__metadata__'"));
  CHECK(contains(refused({{"", "F32", {6}, data}}), "cannot have the name ''"));
  CHECK(contains(refused({{"w", "float", {6}, data}}), "the unknown dtype 'float'"));
  CHECK(contains(refused({{"w", "F32", {7}, data}}), "'w' of F32 [7] does not take 24 bytes"));
  CHECK(contains(refused({{"w", "F64", {6}, data}}), "does not take 24 bytes"));
  CHECK(contains(refused({{"w", "F32", {-2, -3}, data}}), "got [-2, -3]"));
  CHECK(
      contains(refused({{"w", "F32", std::vector<index_t>(65, 1), data.first(4)}}), "at most 64"));
  CHECK(contains(refused({{"w", "F32", {index_t{1} << 62, 4}, {}}}), "does not take 0 bytes"));
  CHECK(contains(refused({{"\xff", "F32", {6}, data}}), "UTF-8"));
  CHECK(contains(refused({}, {{"key", "\xc3"}}), "UTF-8"));
  for (const std::string key : {"format", "format_version", "header_crc32", "crc32:w"})
    CHECK(contains(refused({}, {{key, "x"}}), "'" + key + "' is reserved"));
  CHECK(contains(refused({}, {{"key", std::string(17'000'000, 'x')}}), "at most 16000000"));
  CHECK(scratch::read(path) == before);
  CHECK(folder.count() == 1);

  // Sixty-four dimensions are allowed, on both sides.
  const std::vector<index_t> deep(64, 1);
  const std::vector<tensor_to_save> tensors = {{"w", "F32", deep, data.first(4)}};
  save_safetensors(path, tensors);
  CHECK(load_safetensors(path).tensor("w").shape == deep);
}

TEST_CASE("a save that cannot be written throws io_error with the path") {
  const scratch::folder folder;
  scratch::write(folder / "file", "x");
  const std::string path = folder / "file/net.safetensors";
  CHECK(contains(complaint<io_error>([&] { save_safetensors(path, sample{}.tensors()); }), path));
  CHECK(folder.count() == 1);
}

TEST_CASE("loading what is not a readable file throws io_error and does not wait") {
  const scratch::folder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0666) == 0);
  const auto message = [&](const std::string& path) {
    return complaint<io_error>([&] { (void)load_safetensors(path); });
  };
  CHECK(contains(message(folder / "missing"), "missing': No such file or directory"));
  CHECK(contains(message(folder.path()), "not a regular file"));
  CHECK(contains(message(folder / "pipe"), "not a regular file"));
}

TEST_CASE("copy_to converts between F32 and F64") {
  const scratch::folder folder;
  const float inf = std::numeric_limits<float>::infinity();
  const double half_ulp = std::ldexp(1.0, -24);
  const std::vector<float> f = {0.1F, -0.0F, std::numeric_limits<float>::denorm_min(), inf};
  const std::vector<double> d = {0.1,     1 + half_ulp, 1 + 3 * half_ulp, 1e300,
                                 -1e-300, -0.0,         std::nan(""),     16777217.0};
  const std::vector<tensor_to_save> tensors = {
      {"odd", "U8", {3}, scratch::bytes("abc")},  // so that the others lie at odd addresses
      {"f", "F32", {4}, bytes_of(f)},
      {"d", "F64", {2, 4}, bytes_of(d)}};
  save_safetensors(folder / "file", tensors);
  const safetensors_file file = load_safetensors(folder / "file");

  std::vector<double> wide(4);
  file.copy_to("f", {4}, std::span(wide));
  for (std::size_t i = 0; i < 4; ++i) CHECK(wide[i] == static_cast<double>(f[i]));
  CHECK(std::signbit(wide[1]));

  std::vector<float> narrow(8);
  file.copy_to("d", {2, 4}, std::span(narrow));
  CHECK(narrow[0] == 0.1F);
  CHECK(narrow[1] == 1.0F);                                              // a tie, to even
  CHECK(narrow[2] == 1.0F + 2 * std::numeric_limits<float>::epsilon());  // a tie, to even
  CHECK(narrow[3] == inf);
  CHECK(narrow[4] == 0.0F);
  CHECK(std::signbit(narrow[4]));
  CHECK(std::signbit(narrow[5]));
  CHECK(std::isnan(narrow[6]));
  CHECK(narrow[7] == 16777216.0F);

  std::vector<double> same(8);
  file.copy_to("d", {2, 4}, std::span(same));
  CHECK(std::isnan(same[6]));
  same[6] = 0;
  std::vector<double> expected = d;
  expected[6] = 0;
  CHECK(same == expected);
}

TEST_CASE("copy_to refuses other tensors, shapes, types and sizes and assigns nothing") {
  const scratch::folder folder;
  const sample s;
  save_safetensors(folder / "file", s.tensors());
  const safetensors_file file = load_safetensors(folder / "file");
  std::vector<float> out(6, 9.0F);
  const auto message = [&](const std::string& name, const std::vector<index_t>& shape) {
    return complaint<format_error>([&] { file.copy_to(name, shape, std::span(out)); });
  };
  CHECK(contains(message("x", {6}), "there is no tensor 'x'"));
  CHECK(contains(message("w", {3, 2}), "'w' has the shape [2, 3], expected [3, 2]"));
  CHECK(contains(message("w", {6}), "has the shape [2, 3], expected [6]"));
  CHECK(contains(message("b", {1}), "has the shape [], expected [1]"));
  CHECK(contains(message("n", {2}), "'n' has the dtype I64, expected F32 or F64"));
  const auto too_long = [&] { file.copy_to("b", {}, std::span(out)); };
  CHECK(contains(complaint<shape_error>(too_long), "has 1 elements, the destination 6"));
  CHECK(out == std::vector<float>(6, 9.0F));
}

TEST_CASE("a loaded file may be moved") {
  const scratch::folder folder;
  const sample s;
  save_safetensors(folder / "file", s.tensors());
  safetensors_file first = load_safetensors(folder / "file");
  const auto data = first.tensor("w").data;
  const safetensors_file second = std::move(first);
  CHECK(second.tensor("w").data.data() == data.data());
  std::vector<float> w(6);
  second.copy_to("w", {2, 3}, std::span(w));
  CHECK(w == s.w);
}

TEST_CASE("require_same_tensors names the first difference") {
  const scratch::folder folder;
  const sample s;
  auto tensors = s.tensors();
  tensors.pop_back();
  save_safetensors(folder / "file", tensors);
  const safetensors_file file = load_safetensors(folder / "file");
  const auto difference = [&](const safetensors_file& in, std::vector<tensor_expectation> want) {
    return complaint<format_error>([&] { require_same_tensors(in, want); });
  };
  CHECK(difference(file, {{"w", {2, 3}}, {"b", {}}}).empty());
  CHECK(difference(file, {{"b", {}}, {"w", {2, 3}}}).empty());
  CHECK(difference(file, {{"w", {2, 4}}, {"x", {1}}}) ==
        folder / "file" + ": tensor 'w' has the shape [2, 3], expected [2, 4]");
  CHECK(difference(file, {{"w", {2, 3}}, {"b", {}}, {"x", {1}}}) ==
        folder / "file" + ": tensor 'x' is missing, expected with the shape [1]");
  CHECK(difference(file, {{"b", {}}}) ==
        folder / "file" + ": tensor 'w' with the shape [2, 3] is not expected");
  CHECK(contains(difference(file, {}), "not expected"));

  save_safetensors(folder / "integers", s.tensors());
  CHECK(contains(
      difference(load_safetensors(folder / "integers"), {{"w", {2, 3}}, {"b", {}}, {"n", {2}}}),
      "'n' has the dtype I64, expected F32 or F64"));
}

}  // namespace safetensors_test

/// \file
/// Reading of NumPy's files: an array (.npy), or several with names (.npz).
///
///     const npy_array x = read_npy("x.npy");
///     const dataset<cpu> data(be, x.matrix(), read_npy("y.npy").matrix());
///     const auto arrays = read_npz("set.npz");
///     const std::vector<std::int64_t>& labels = arrays.at("labels").elements<std::int64_t>();
///
/// Elements are float32, float64, int32, int64 or uint8, little-endian. Compressed arrays need
/// zlib, see data/gzip.hpp. Format: numpy.lib.format, versions 1 to 3; PKWARE, ".ZIP File Format
/// Specification", without encryption, zip64 and several disks.
#ifndef CHAINRULE_DATA_NPY_HPP
#define CHAINRULE_DATA_NPY_HPP

#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "chainrule/core/checksum.hpp"
#include "chainrule/core/text.hpp"
#include "chainrule/data/byte_source.hpp"
#include "chainrule/data/gzip.hpp"
#include "chainrule/data/host_matrix.hpp"

namespace chainrule {

static_assert(std::endian::native == std::endian::little,
              "the elements of npy files are little-endian and are copied as they lie");

/// The largest file, and the most bytes of elements, that are accepted.
struct npy_options {
  /// Greatest size of the elements that is accepted, in bytes.
  std::uint64_t max_bytes = std::uint64_t{1} << 32;
};

/// An array of a file: its extents, and its elements in row-major order.
struct npy_array {
  std::vector<index_t> extents;  ///< none: a single element
  /// The elements, of the type that the file has.
  std::variant<std::vector<float>, std::vector<double>, std::vector<std::int32_t>,
               std::vector<std::int64_t>, std::vector<std::uint8_t>>
      data;

  [[nodiscard]] index_t size() const {
    return std::visit([](const auto& e) { return static_cast<index_t>(e.size()); }, data);
  }
  /// The elements. Throws value_error if they are of another type.
  template <class T>
  [[nodiscard]] const std::vector<T>& elements() const {
    if (const auto* const e = std::get_if<std::vector<T>>(&data)) return *e;
    static constexpr const char* names[] = {"float32", "float64", "int32", "int64", "uint8"};
    throw value_error(detail::concat("the elements of this array are ", names[data.index()],
                                     "; ask for these, or for matrix()"));
  }
  /// The elements as double: a row for each index of the first axis, with a column for each element
  /// of the others. Throws value_error if an int64 has no double of its value.
  [[nodiscard]] host_matrix matrix() const {
    const index_t rows = extents.empty() ? 1 : extents[0];
    index_t cols = 1;
    for (std::size_t k = 1; k < extents.size(); ++k) cols = detail::elements_of(cols, extents[k]);
    return std::visit(
        [&]<class T>(const std::vector<T>& e) {
          if constexpr (std::same_as<T, std::int64_t>)
            for (const std::int64_t x : e)
              if (x > (std::int64_t{1} << 53) || x < -(std::int64_t{1} << 53))
                throw value_error(detail::concat("the int64 ", x, " is too large to be a double"));
          return host_matrix(matrix_view<const T>(e.data(), rows, cols));
        },
        data);
  }
};

namespace detail {

/// Reads bytes and little-endian numbers, and refuses to go past the end.
class byte_cursor {
 public:
  byte_cursor(std::span<const std::uint8_t> bytes, const std::string& name)
      : bytes_(bytes), name_(name) {}

  [[nodiscard]] std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > bytes_.size())
      refuse("it is truncated: ", count, " more bytes were expected, there are ", bytes_.size());
    const auto part = bytes_.first(static_cast<std::size_t>(count));
    bytes_ = bytes_.subspan(part.size());
    return part;
  }
  /// A number of 2 or 4 bytes.
  [[nodiscard]] std::uint32_t number(unsigned size) {
    std::uint32_t value = 0;
    unsigned shift = 0;
    for (const std::uint8_t b : take(size)) value |= std::uint32_t{b} << shift, shift += 8;
    return value;
  }
  [[nodiscard]] std::string text(std::uint64_t count) {
    const auto part = take(count);
    return {part.begin(), part.end()};
  }
  [[nodiscard]] std::size_t left() const { return bytes_.size(); }

  template <class... Part>
  [[noreturn]] void refuse(const Part&... what) const {
    throw format_error(concat(name_, ": ", what...));
  }

 private:
  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
};

/// What the header of an npy file says.
struct npy_header {
  std::string dtype;
  bool is_fortran = false;
  std::vector<index_t> extents;
};

/// Reads the dictionary of Python that is the header: three keys, in any order.
class npy_header_parser {
 public:
  npy_header_parser(std::string_view text, const byte_cursor& source)
      : text_(text), source_(source) {}

  [[nodiscard]] npy_header parse() {
    npy_header h;
    unsigned seen = 0;
    require("{");
    while (!accept("}")) {
      const std::string key = quoted();
      require(":");
      if (key == "descr") {
        h.dtype = quoted();
        seen |= 1U;
      } else if (key == "fortran_order") {
        h.is_fortran = accept("True");
        if (!h.is_fortran) require("False");
        seen |= 2U;
      } else if (key == "shape") {
        h.extents = extents();
        seen |= 4U;
      } else {
        source_.refuse("its header has the unknown key ", name_text(key));
      }
      if (!accept(",")) {
        require("}");
        break;
      }
    }
    skip_spaces();
    if (!text_.empty() || seen != 7)
      source_.refuse("its header must be one dictionary with descr, fortran_order and shape");
    return h;
  }

 private:
  void skip_spaces() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n')) text_.remove_prefix(1);
  }
  [[nodiscard]] bool accept(std::string_view token) {
    skip_spaces();
    if (!text_.starts_with(token)) return false;
    text_.remove_prefix(token.size());
    return true;
  }
  void require(std::string_view token) {
    if (!accept(token))
      source_.refuse("its header is damaged: expected '", token, "' before ", name_text(text_, 20));
  }
  [[nodiscard]] std::string quoted() {
    require("'");
    const std::size_t end = text_.find('\'');
    if (end == std::string_view::npos) source_.refuse("its header is damaged: a text has no end");
    const std::string word(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return word;
  }
  [[nodiscard]] std::vector<index_t> extents() {
    std::vector<index_t> result;
    require("(");
    while (!accept(")")) {
      skip_spaces();
      index_t extent = 0;
      std::size_t digits = 0;
      for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits) {
        if (extent > most_elements / 10) source_.refuse("its shape is larger than any memory");
        extent = 10 * extent + (text_[digits] - '0');
      }
      if (digits == 0 || result.size() == 32)
        source_.refuse("its shape must be at most 32 numbers, got ", name_text(text_, 20));
      text_.remove_prefix(digits);
      result.push_back(extent);
      if (!accept(",")) {
        require(")");
        break;
      }
    }
    return result;
  }

  std::string_view text_;
  const byte_cursor& source_;
};

/// The elements of an array of T: `rows` by `cols` of them where they are stored column by column.
template <class T>
[[nodiscard]] std::vector<T> npy_elements(std::span<const std::uint8_t> bytes, index_t rows,
                                          index_t cols, bool is_fortran) {
  std::vector<T> stored = host_vector<T>(static_cast<index_t>(bytes.size() / sizeof(T)));
  if (!stored.empty()) std::memcpy(stored.data(), bytes.data(), bytes.size());
  if (!is_fortran) return stored;
  std::vector<T> result = host_vector<T>(static_cast<index_t>(stored.size()));
  for (index_t i = 0; i < rows; ++i)
    for (index_t j = 0; j < cols; ++j)
      result[static_cast<std::size_t>(i * cols + j)] =
          stored[static_cast<std::size_t>(j * rows + i)];
  return result;
}

/// The content of a file. Throws io_error, and format_error if it is larger than `max_bytes`.
[[nodiscard]] inline std::vector<std::uint8_t> read_all(const std::string& path,
                                                        std::uint64_t max_bytes) {
  byte_source source(path);
  std::vector<std::uint8_t> content;
  constexpr std::size_t at_once = std::size_t{1} << 20;
  while (!source.at_end()) {
    const std::size_t before = content.size();
    content.resize(before + at_once);
    content.resize(before + source.read(content.data() + before, at_once));
    if (content.size() > max_bytes)
      throw format_error(
          concat(path, " has more than the ", max_bytes, " bytes accepted (max_bytes)"));
  }
  return content;
}

}  // namespace detail

/// The array in the bytes of an npy file; `name` is what messages call it. Throws format_error if
/// they are none, if bytes are missing or left over, if elements are of another type than the file
/// comment says, or if the order is Fortran's and there are more than two axes.
[[nodiscard]] inline npy_array parse_npy(std::span<const std::uint8_t> bytes,
                                         const std::string& name = "the array") {
  detail::byte_cursor c(bytes, name);
  if (c.text(6) != "\x93NUMPY") c.refuse("this is not an npy file");
  const std::uint8_t major = c.take(2)[0];
  if (major < 1 || major > 3) c.refuse("its format has version ", major, ", expected 1, 2 or 3");
  const std::string header = c.text(c.number(major == 1 ? 2 : 4));
  const detail::npy_header h = detail::npy_header_parser(header, c).parse();

  index_t count = 1;
  for (const index_t extent : h.extents)
    if (__builtin_mul_overflow(count, extent, &count) || count > detail::most_elements)
      c.refuse("its shape is larger than any memory");
  if (h.is_fortran && h.extents.size() > 2)
    c.refuse("its ", h.extents.size(),
             " axes are in Fortran's order; save numpy.ascontiguousarray(a)");
  npy_array result{h.extents, {}};
  const auto read = [&]<class T>(T) {
    if (c.left() != static_cast<std::uint64_t>(count) * sizeof(T))
      c.refuse("its ", count, " elements take ", static_cast<std::uint64_t>(count) * sizeof(T),
               " bytes, there are ", c.left());
    const bool is_matrix = h.extents.size() == 2;
    result.data = detail::npy_elements<T>(c.take(c.left()), is_matrix ? h.extents[0] : 0,
                                          is_matrix ? h.extents[1] : 0, h.is_fortran && is_matrix);
  };
  if (h.dtype == "<f4")
    read(float{});
  else if (h.dtype == "<f8")
    read(double{});
  else if (h.dtype == "<i4")
    read(std::int32_t{});
  else if (h.dtype == "<i8")
    read(std::int64_t{});
  else if (h.dtype == "|u1")
    read(std::uint8_t{});
  else
    c.refuse("its elements are ", detail::name_text(h.dtype, 20),
             ", expected '<f4', '<f8', '<i4', '<i8' or '|u1'; save a.astype('<f8')");
  return result;
}

/// The arrays in the bytes of an npz file, by name. Throws format_error if they are none, if an
/// array is damaged (its checksum is compared), encrypted, larger than the options accept or no npy
/// file, or if it is compressed and the program was built without zlib.
[[nodiscard]] inline std::map<std::string, npy_array> parse_npz(
    std::span<const std::uint8_t> bytes, const npy_options& options = {},
    const std::string& name = "the archive") {
  // The end of the directory is searched from the back: a comment of up to 65535 bytes follows it.
  constexpr std::size_t end_size = 22, longest_comment = 65535;
  const auto is_end = [&](std::size_t at) { return std::memcmp(&bytes[at], "PK\5\6", 4) == 0; };
  std::size_t back = end_size;
  while (back <= bytes.size() && !is_end(bytes.size() - back) && back < end_size + longest_comment)
    ++back;
  if (back > bytes.size() || !is_end(bytes.size() - back))
    throw format_error(name + ": this is not an npz file, or it is truncated");
  detail::byte_cursor end(bytes.last(back), name);
  (void)end.take(8);
  (void)end.number(2);
  const std::uint32_t count = end.number(2);
  (void)end.number(4);
  const std::uint32_t directory_at = end.number(4);
  detail::byte_cursor directory(bytes, name);
  (void)directory.take(directory_at);

  std::map<std::string, npy_array> result;
  std::uint64_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (directory.text(4) != "PK\1\2")
      directory.refuse("its directory is damaged, or it is a zip64 archive");
    (void)directory.take(4);  // the versions
    const std::uint32_t flags = directory.number(2), method = directory.number(2);
    (void)directory.take(4);  // time and date
    const std::uint32_t checksum = directory.number(4);
    const std::uint32_t packed = directory.number(4), size = directory.number(4);
    const std::uint32_t name_size = directory.number(2), extra_size = directory.number(2);
    const std::uint32_t comment_size = directory.number(2);
    (void)directory.take(8);  // the disk, attributes
    const std::uint32_t at = directory.number(4);
    std::string member = directory.text(name_size);
    (void)directory.take(std::uint64_t{extra_size} + comment_size);

    const std::string where = detail::concat(name, ", array ", detail::name_text(member));
    detail::byte_cursor local(bytes, where);
    if ((flags & 1U) != 0) local.refuse("it is encrypted");
    if (size == 0xFFFFFFFFU || packed == 0xFFFFFFFFU || at == 0xFFFFFFFFU)
      local.refuse("it is in the zip64 format for more than 4 GiB; use npy files");
    total += size;
    if (total > options.max_bytes || size / detail::largest_deflate_ratio > packed)
      local.refuse("it has ", size, " bytes from ", packed, " stored, all arrays ", total,
                   ", more than are accepted (npy_options::max_bytes) or possible");
    (void)local.take(at);
    if (local.text(4) != "PK\3\4") local.refuse("its place in the file is not known");
    (void)local.take(22);
    const std::uint32_t local_name = local.number(2), local_extra = local.number(2);
    (void)local.take(std::uint64_t{local_name} + local_extra);
    std::span<const std::uint8_t> content = local.take(packed);
    std::vector<std::uint8_t> inflated;
    if (method == 8) {
      if (detail::inflate_raw == nullptr)
        local.refuse("it is compressed and this program was built without zlib: link the CMake ",
                     "target chainrule::zlib, or save it by numpy.savez");
      inflated = detail::host_vector<std::uint8_t>(static_cast<index_t>(size));
      if (!detail::inflate_raw(content, inflated)) local.refuse("its compressed data is damaged");
      content = inflated;
    } else if (method != 0 || packed != size) {
      local.refuse("it is compressed by method ", method, ", expected 0 or 8");
    }
    if (crc32_of(std::as_bytes(content)) != checksum)
      local.refuse("its checksum differs: the file is damaged");
    npy_array array = parse_npy(content, where);
    if (member.ends_with(".npy")) member.resize(member.size() - 4);
    if (!result.emplace(member, std::move(array)).second)
      directory.refuse("there are two arrays ", detail::name_text(member));
  }
  return result;
}

/// Reads an npy file. Throws io_error if it cannot be read, and as parse_npy.
[[nodiscard]] inline npy_array read_npy(const std::string& path, const npy_options& options = {}) {
  return parse_npy(detail::read_all(path, options.max_bytes), path);
}
/// Reads an npz file. Throws io_error if it cannot be read, and as parse_npz.
[[nodiscard]] inline std::map<std::string, npy_array> read_npz(const std::string& path,
                                                               const npy_options& options = {}) {
  return parse_npz(detail::read_all(path, options.max_bytes), options, path);
}

}  // namespace chainrule

#endif  // CHAINRULE_DATA_NPY_HPP

/// \file
/// Tensors in files: the safetensors format, with a checksum for every byte.
///
///     const std::vector<chainrule::tensor_to_save> tensors = {
///         {"layer0.weight", "F32", {784, 128}, std::as_bytes(std::span{weights})}};
///     chainrule::save_safetensors("net.safetensors", tensors, {{"trained_on", "MNIST"}});
///     const auto file = chainrule::load_safetensors("net.safetensors");
///     file.copy_to("layer0.weight", {784, 128}, std::span{weights});
///
/// A file is a 64-bit little-endian length, that many bytes of JSON, and the tensors' bytes. Every
/// safetensors program reads what is saved here. The JSON begins with the metadata "header_crc32"
/// (of the length and the JSON without those eight digits), "format" and "format_version", and
/// "crc32:<tensor>" follow: each bit of a file is under one checksum, so a file with one flipped
/// bit is refused.
///
/// Needs POSIX and a little-endian host, and no other library.
/// See also io/atomic_file.hpp (how it is written), io/safetensors_header.hpp (the JSON).
#ifndef CHAINRULE_IO_SAFETENSORS_HPP
#define CHAINRULE_IO_SAFETENSORS_HPP

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/checksum.hpp"
#include "chainrule/core/error.hpp"
#include "chainrule/core/file_descriptor.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/io/atomic_file.hpp"
#include "chainrule/io/safetensors_header.hpp"

namespace chainrule {

static_assert(std::endian::native == std::endian::little,
              "safetensors files are little-endian and are copied as they lie");

/// A tensor in the caller's memory: row-major, `data` exactly as long as dtype and shape need.
struct tensor_to_save {
  std::string name;
  std::string dtype;           ///< "F32", "F64", "I64", ...: the names of the format
  std::vector<index_t> shape;  ///< {} is a scalar
  std::span<const std::byte> data;
};

/// A tensor in a loaded file's memory. The data may lie at any address: copy, do not cast.
struct loaded_tensor {
  std::string name;
  /// Element type as the file names it, such as "F32".
  std::string dtype;
  std::vector<index_t> shape;
  std::span<const std::byte> data;
};

/// What a caller wants a file to hold under one name.
struct tensor_expectation {
  std::string name;
  std::vector<index_t> shape;
};

struct load_safetensors_options {
  /// Refuse files without this library's checksums. If false, files of other programs are read
  /// too, and nothing notices damage to their data.
  bool require_checksums = true;
  /// Refuse larger files, before memory is allocated for them.
  std::uint64_t max_bytes = std::uint64_t{1} << 32;
};

/// A file that was loaded: its tensors, in the order of their data, and its metadata.
///
/// Owns the bytes; moving it leaves views of them valid.
class safetensors_file {
 public:
  [[nodiscard]] const std::string& path() const { return path_; }
  /// All tensors, in the order of the file.
  [[nodiscard]] const std::vector<loaded_tensor>& tensors() const { return tensors_; }

  /// What save_safetensors was given (without the keys that it added itself), or everything that
  /// another program wrote.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// Whether every byte was under a checksum and matched; always true if checksums were required.
  [[nodiscard]] bool verified() const { return verified_; }

  /// Whether there is a tensor with this name.
  [[nodiscard]] bool contains(std::string_view name) const { return by_name_.contains(name); }

  /// Throws format_error if there is none of that name.
  [[nodiscard]] const loaded_tensor& tensor(std::string_view name) const {
    const auto found = by_name_.find(name);
    if (found == by_name_.end())
      throw format_error(detail::concat(path_, ": there is no tensor ", detail::name_text(name)));
    return tensors_[found->second];
  }

  /// Assigns the tensor's elements to `out`. It must have exactly the shape `extents` and the
  /// dtype F32 or F64, else format_error; `out` must be as long as that, else shape_error; nothing
  /// is assigned then. From F64 to float it rounds to nearest, ties to even: too large becomes
  /// infinity, too small zero. From F32 to double is exact.
  void copy_to(std::string_view name, const std::vector<index_t>& extents,
               std::span<float> out) const {
    copy_elements(name, extents, out);
  }
  /// Assigns the elements of the named tensor; throws format_error if its extents are others.
  void copy_to(std::string_view name, const std::vector<index_t>& extents,
               std::span<double> out) const {
    copy_elements(name, extents, out);
  }

 private:
  friend safetensors_file load_safetensors(const std::string&, load_safetensors_options);
  safetensors_file() = default;

  template <class T>
  void copy_elements(std::string_view name, const std::vector<index_t>& extents,
                     std::span<T> out) const {
    const loaded_tensor& from = tensor(name);
    if (from.shape != extents)
      throw format_error(detail::concat(path_, ": tensor ", detail::name_text(name),
                                        " has the shape ", detail::extents_text(from.shape),
                                        ", expected ", detail::extents_text(extents)));
    const std::uint64_t bytes = detail::element_bytes(from.dtype);
    if (from.dtype != "F32" && from.dtype != "F64")
      throw format_error(detail::concat(path_, ": tensor ", detail::name_text(name),
                                        " has the dtype ", from.dtype, ", expected F32 or F64"));
    if (out.size() != from.data.size() / bytes)
      throw shape_error(detail::concat("tensor ", detail::name_text(name), " of ", path_, " has ",
                                       from.data.size() / bytes, " elements, the destination ",
                                       out.size()));
    if (from.dtype == "F32")
      convert<float>(from.data, out);
    else
      convert<double>(from.data, out);
  }

  template <class Stored, class T>
  static void convert(std::span<const std::byte> from, std::span<T> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      Stored value;
      std::memcpy(&value, from.data() + i * sizeof value, sizeof value);
      out[i] = static_cast<T>(value);
    }
  }

  std::string path_;
  std::unique_ptr<std::byte[]> data_;
  std::vector<loaded_tensor> tensors_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  std::map<std::string, std::string> metadata_;
  bool verified_ = false;
};

namespace detail {

/// What the header of a file with checksums begins with; eight digits lie between the two. They
/// stand at a fixed place so that the header is verified before its JSON is looked at.
inline constexpr std::string_view signature_head = R"({"__metadata__":{"header_crc32":")";
inline constexpr std::string_view signature_tail = R"(","format":"chainrule","format_version":")";
inline constexpr std::string_view current_format_version = "1";
inline constexpr std::string_view tensor_checksum_prefix = "crc32:";

/// The length of the header as the file's first eight bytes.
[[nodiscard]] inline std::array<std::byte, 8> length_bytes(std::uint64_t length) {
  return std::bit_cast<std::array<std::byte, 8>>(length);
}

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

[[nodiscard]] inline bool has_signature(std::string_view header) {
  return header.starts_with(signature_head) &&
         header.substr(std::min(header.size(), signature_head.size() + 8))
             .starts_with(signature_tail);
}

/// The checksum of the length and of a header that has the signature, without its eight digits.
[[nodiscard]] inline std::string header_checksum(std::string_view header) {
  crc32_sum sum;
  sum.add(length_bytes(header.size()));
  sum.add(bytes_of(header.substr(0, signature_head.size())));
  sum.add(bytes_of(header.substr(signature_head.size() + 8)));
  return crc32_text(sum.value());
}

[[nodiscard]] inline bool is_reserved_metadata(std::string_view key) {
  return key == "header_crc32" || key == "format" || key == "format_version" ||
         key.starts_with(tensor_checksum_prefix);
}

/// Compares each tensor with its checksum in the metadata and takes the library's own keys out of
/// the latter. Throws format_error.
inline void verify_tensors(const std::vector<loaded_tensor>& tensors,
                           std::map<std::string, std::string>& metadata, std::string_view where) {
  const std::string version = metadata["format_version"];
  if (version != current_format_version)
    throw format_error(concat(where, ": the file has format_version ", name_text(version),
                              ", this version of the library reads ", current_format_version));
  for (const loaded_tensor& tensor : tensors) {
    const auto stored = metadata.find(concat(tensor_checksum_prefix, tensor.name));
    if (stored == metadata.end())
      throw format_error(
          concat(where, ": there is no checksum for tensor ", name_text(tensor.name)));
    if (const std::string computed = crc32_text(crc32_of(tensor.data)); stored->second != computed)
      throw format_error(concat(where, ": the data of tensor ", name_text(tensor.name),
                                " are damaged: their checksum is ", computed, ", expected ",
                                name_text(stored->second)));
  }
  std::erase_if(metadata, [](const auto& item) { return is_reserved_metadata(item.first); });
}

/// The complete header for `tensors`: signature, checksums, `metadata`, entries, padding. Throws
/// value_error where it would be one that load_safetensors refuses.
[[nodiscard]] inline std::string compose_header(
    const std::string& path, std::span<const tensor_to_save> tensors,
    const std::map<std::string, std::string>& metadata) {
  const auto refuse = [&](const auto&... what) {
    throw value_error(concat("cannot save '", path, "': ", what...));
  };
  std::string head =
      concat(signature_head, "00000000", signature_tail, current_format_version, "\"");
  std::string body;
  const auto add_metadata = [&head](std::string_view key, std::string_view value) {
    head += ',';
    append_json_string(head, key);
    head += ':';
    append_json_string(head, value);
  };
  std::uint64_t offset = 0;
  for (const tensor_to_save& tensor : tensors) {
    std::uint64_t needed = 0;
    if (tensor.name == metadata_key || tensor.name.empty())
      refuse("a tensor cannot have the name ", name_text(tensor.name));
    if (element_bytes(tensor.dtype) == 0)
      refuse("tensor ", name_text(tensor.name), " has the unknown dtype ", name_text(tensor.dtype));
    for (const index_t extent : tensor.shape)
      if (extent < 0 || tensor.shape.size() > max_tensor_rank)
        refuse("tensor ", name_text(tensor.name), " needs at most ", max_tensor_rank,
               " extents of at least 0, got ", extents_text(tensor.shape));
    if (!tensor_bytes(tensor.dtype, tensor.shape, needed) || needed != tensor.data.size())
      refuse("tensor ", name_text(tensor.name), " of ", tensor.dtype, " ",
             extents_text(tensor.shape), " does not take ", tensor.data.size(), " bytes of data");
    add_metadata(concat(tensor_checksum_prefix, tensor.name), crc32_text(crc32_of(tensor.data)));
    body += ',';
    append_entry(body, {tensor.name, tensor.dtype, tensor.shape, offset, offset + needed});
    offset += needed;
  }
  for (const auto& [key, value] : metadata) {
    if (is_reserved_metadata(key)) refuse("the metadata key ", name_text(key), " is reserved");
    add_metadata(key, value);
  }
  std::string header = head + "}" + body + "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');  // the data begin at a multiple of eight
  if (header.size() > max_header_bytes)
    refuse("the header would have ", header.size(), " bytes, at most ", max_header_bytes);
  header.replace(signature_head.size(), 8, header_checksum(header));
  try {
    // Finds equal names and text that is not UTF-8, by the same code that would refuse them later.
    (void)parse_header(header, "the header that was composed");
  } catch (const format_error& e) {
    refuse(e.what(), " (names and metadata must be UTF-8, names different from each other)");
  }
  return header;
}

}  // namespace detail

/// Writes `tensors`, in their order, and `metadata` to the file at `path`, which is replaced as a
/// whole or not at all (write_file_atomically).
///
/// Throws value_error if a name, dtype, shape or size is impossible, if two names are equal, if
/// text is not UTF-8 or if a metadata key is reserved ("format", "format_version", "header_crc32",
/// "crc32:..."), and io_error if it cannot be written.
inline void save_safetensors(const std::string& path, std::span<const tensor_to_save> tensors,
                             const std::map<std::string, std::string>& metadata = {}) {
  const std::string header = detail::compose_header(path, tensors, metadata);
  const auto length = detail::length_bytes(header.size());
  std::vector<std::span<const std::byte>> parts = {length, detail::bytes_of(header)};
  for (const tensor_to_save& tensor : tensors) parts.push_back(tensor.data);
  write_file_atomically(path, parts);
}

/// Reads the file at `path` and trusts nothing in it: lengths are compared with the file's size
/// before memory is allocated, the tensors must fill the data exactly, and every checksum is
/// verified.
///
/// Throws io_error if it cannot be read, out_of_memory, and format_error if it is damaged,
/// malformed, larger than `options.max_bytes`, or without checksums while they are required.
[[nodiscard]] inline safetensors_file load_safetensors(const std::string& path,
                                                       load_safetensors_options options = {}) {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  const detail::file_descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  struct stat status {};
  if (!file || ::fstat(file.number(), &status) != 0)
    throw io_error(detail::system_says("cannot read", path));
  if (!S_ISREG(status.st_mode))
    throw io_error(detail::concat("cannot read '", path, "': it is not a regular file"));
  const auto read = [&](std::span<std::byte> into) {
    const std::ptrdiff_t count = detail::read_fully(file, into);
    if (count < 0) throw io_error(detail::system_says("cannot read", path));
    if (static_cast<std::size_t>(count) != into.size())
      throw io_error(detail::concat("cannot read '", path, "': it became shorter meanwhile"));
  };

  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > options.max_bytes)
    throw format_error(detail::concat(path, ": the file has ", size, " bytes, more than the ",
                                      options.max_bytes, " that are allowed (max_bytes)"));
  if (size < 8)
    throw format_error(detail::concat(path, ": the file has ", size, " bytes, a safetensors file ",
                                      "has at least 8"));
  std::array<std::byte, 8> length{};
  read(length);
  const auto header_bytes = std::bit_cast<std::uint64_t>(length);
  if (header_bytes > size - 8 || header_bytes > detail::max_header_bytes)
    throw format_error(detail::concat(path, ": the header's length is given as ", header_bytes,
                                      " bytes, but ", size - 8, " follow and at most ",
                                      detail::max_header_bytes, " are allowed: this is not a ",
                                      "safetensors file, or it is damaged or cut off"));
  std::string text(static_cast<std::size_t>(header_bytes), '\0');
  read(std::as_writable_bytes(std::span(text.data(), text.size())));

  safetensors_file result;
  result.path_ = path;
  result.verified_ = detail::has_signature(text);
  if (result.verified_ &&
      text.substr(detail::signature_head.size(), 8) != detail::header_checksum(text))
    throw format_error(detail::concat(path, ": the header does not match its checksum: the file ",
                                      "is damaged, or was changed by another program"));
  if (options.require_checksums && !result.verified_)
    throw format_error(detail::concat(path, ": the file has no checksums: another program wrote ",
                                      "it (set require_checksums to false to read it all the ",
                                      "same), or it is damaged"));
  detail::safetensors_header header = detail::parse_header(text, path);
  const std::uint64_t data_bytes = size - 8 - header_bytes;
  detail::check_layout(header, data_bytes, path);

  try {
    result.data_ =
        std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(data_bytes));
  } catch (const std::bad_alloc&) {
    throw out_of_memory(detail::concat("the memory of the host does not suffice for the ",
                                       data_bytes, " bytes of ", path));
  }
  const std::span<std::byte> data(result.data_.get(), static_cast<std::size_t>(data_bytes));
  read(data);
  result.metadata_ = std::move(header.metadata);
  result.tensors_.reserve(header.tensors.size());
  for (detail::header_entry& entry : header.tensors) {
    result.by_name_.emplace(entry.name, result.tensors_.size());
    result.tensors_.push_back({std::move(entry.name), std::move(entry.dtype),
                               std::move(entry.shape),
                               data.subspan(static_cast<std::size_t>(entry.begin),
                                            static_cast<std::size_t>(entry.end - entry.begin))});
  }
  if (result.verified_) detail::verify_tensors(result.tensors_, result.metadata_, path);
  return result;
}

/// Checks that `file` holds exactly the tensors of `expected`, in whatever order, as F32 or F64.
/// After it, copying each of them by its name and shape into memory of that size cannot throw:
/// call it first and a model is loaded completely or not touched. Throws format_error that names
/// the first tensor that differs and how.
inline void require_same_tensors(const safetensors_file& file,
                                 std::span<const tensor_expectation> expected) {
  std::map<std::string_view, bool> known;
  for (const tensor_expectation& want : expected) {
    known[want.name] = true;
    const auto refuse = [&](const auto&... what) {
      throw format_error(
          detail::concat(file.path(), ": tensor ", detail::name_text(want.name), " ", what...));
    };
    if (!file.contains(want.name))
      refuse("is missing, expected with the shape ", detail::extents_text(want.shape));
    const loaded_tensor& found = file.tensor(want.name);
    if (found.shape != want.shape)
      refuse("has the shape ", detail::extents_text(found.shape), ", expected ",
             detail::extents_text(want.shape));
    if (found.dtype != "F32" && found.dtype != "F64")
      refuse("has the dtype ", found.dtype, ", expected F32 or F64");
  }
  for (const loaded_tensor& found : file.tensors())
    if (!known.contains(found.name))
      throw format_error(detail::concat(file.path(), ": tensor ", detail::name_text(found.name),
                                        " with the shape ", detail::extents_text(found.shape),
                                        " is not expected"));
}

}  // namespace chainrule

#endif  // CHAINRULE_IO_SAFETENSORS_HPP

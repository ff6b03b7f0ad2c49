/// \file
/// The JSON header of a safetensors file: read strictly, checked against the data, and written.
/// Works on text alone and opens no file.
///
///     {"__metadata__":{"key":"value"},
///      "layer0.weight":{"dtype":"F32","shape":[784,128],"data_offsets":[0,401408]}}
///
/// See also io/safetensors.hpp, which is what programs include.
#ifndef CHAINRULE_IO_SAFETENSORS_HEADER_HPP
#define CHAINRULE_IO_SAFETENSORS_HEADER_HPP

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "chainrule/core/error.hpp"
#include "chainrule/core/shape.hpp"
#include "chainrule/core/text.hpp"
#include "chainrule/io/json_cursor.hpp"

namespace chainrule::detail {

/// No header may be longer. Room for a hundred thousand tensors (the reference implementation
/// allows 100 MB).
inline constexpr std::uint64_t max_header_bytes = 16'000'000;
/// Nor may an object in it have more keys: each takes a reader many times the bytes of a short
/// name.
inline constexpr std::size_t max_header_keys = 1 << 17;
/// No tensor may have more dimensions: NumPy's limit.
inline constexpr std::size_t max_tensor_rank = 64;

inline constexpr std::string_view metadata_key = "__metadata__";

/// One tensor as a header describes it: its bytes are [begin, end) of the data.
struct header_entry {
  std::string name;
  std::string dtype;
  std::vector<index_t> shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct safetensors_header {
  std::vector<header_entry> tensors;
  std::map<std::string, std::string> metadata;
};

/// "[784, 128]"; "[]" is a scalar.
[[nodiscard]] inline std::string extents_text(const std::vector<index_t>& extents) {
  std::string out = "[";
  for (const index_t extent : extents) out += concat(out.size() > 1 ? ", " : "", extent);
  return out + "]";
}

/// Bytes per element; 0 for a type that is not known (or packs elements into parts of bytes).
[[nodiscard]] inline std::uint64_t element_bytes(std::string_view dtype) {
  static constexpr std::pair<std::string_view, std::uint64_t> known[] = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8}};
  for (const auto& [name, bytes] : known)
    if (name == dtype) return bytes;
  return 0;
}

/// The bytes of a tensor, or false where they cannot be counted in an `index_t`. Zero extents are
/// left out of the product: an order of extents must not decide what is refused.
[[nodiscard]] inline bool tensor_bytes(std::string_view dtype, const std::vector<index_t>& shape,
                                       std::uint64_t& bytes) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<index_t>::max());
  bytes = element_bytes(dtype);
  bool empty = false;
  for (const index_t extent : shape) {
    const auto factor = static_cast<std::uint64_t>(std::max<index_t>(extent, 1));
    empty = empty || extent == 0;
    if (bytes > most / factor) return false;
    bytes *= factor;
  }
  if (empty) bytes = 0;
  return true;
}

/// Reads the JSON in `text`. `where` begins every message. Throws format_error.
[[nodiscard]] inline safetensors_header parse_header(std::string_view text,
                                                     std::string_view where) {
  // The reference implementation wants the brace first of all, so that no other file is mistaken.
  if (!text.starts_with('{'))
    throw format_error(
        concat(where, ": the header does not begin with '{', this is not a ", "safetensors file"));
  safetensors_header header;
  json_cursor in(text, where, max_header_keys);
  const auto read_shape = [&](std::vector<index_t>& shape) {
    in.elements([&] {
      const std::uint64_t extent = in.unsigned_integer();
      if (extent > static_cast<std::uint64_t>(std::numeric_limits<index_t>::max()))
        in.refuse("an extent is too large");
      if (shape.size() == max_tensor_rank) in.refuse("a tensor has more than 64 dimensions");
      shape.push_back(static_cast<index_t>(extent));
    });
  };
  const auto read_entry = [&](header_entry& entry) {
    int keys = 0;
    int offsets = 0;
    in.members([&](const std::string& key) {
      ++keys;
      if (key == "dtype")
        entry.dtype = in.string();
      else if (key == "shape")
        read_shape(entry.shape);
      else if (key == "data_offsets")
        in.elements([&] {
          if (offsets == 2) in.refuse("there are more than two data_offsets");
          (offsets++ == 0 ? entry.begin : entry.end) = in.unsigned_integer();
        });
      else
        in.refuse("a tensor has a key other than dtype, shape and data_offsets");
    });
    if (keys != 3 || offsets != 2) in.refuse("a tensor needs dtype, shape and two data_offsets");
  };
  in.members([&](const std::string& name) {
    if (name == metadata_key)
      in.members([&](const std::string& key) { header.metadata[key] = in.string(); });
    else
      read_entry(header.tensors.emplace_back(header_entry{name, {}, {}, 0, 0}));
  });
  in.finish();
  return header;
}

/// Puts the tensors into the order of their data and checks that they fill `data_bytes` bytes
/// exactly, without holes or overlaps, each with as many as its shape needs. Throws format_error.
inline void check_layout(safetensors_header& header, std::uint64_t data_bytes,
                         std::string_view where) {
  for (const header_entry& entry : header.tensors) {
    const auto refuse = [&](const auto&... what) {
      throw format_error(concat(where, ": tensor ", name_text(entry.name), " ", what...));
    };
    std::uint64_t needed = 0;
    if (element_bytes(entry.dtype) == 0) refuse("has the unknown dtype ", name_text(entry.dtype));
    if (!tensor_bytes(entry.dtype, entry.shape, needed))
      refuse("has the shape ", extents_text(entry.shape), ", too large to count its bytes");
    if (entry.begin > entry.end || entry.end > data_bytes)
      refuse("has the data offsets ", entry.begin, " to ", entry.end, ", but the file has ",
             data_bytes, " bytes of data");
    if (entry.end - entry.begin != needed)
      refuse("has ", entry.end - entry.begin, " bytes of data, but ", entry.dtype, " ",
             extents_text(entry.shape), " needs ", needed);
  }
  // Sorts numbers, which compiles faster than sorting entries. The position among them keeps empty
  // tensors, which may share their offsets, in the header's order.
  std::vector<std::array<std::uint64_t, 3>> order;
  for (std::size_t i = 0; i < header.tensors.size(); ++i)
    order.push_back({header.tensors[i].begin, header.tensors[i].end, i});
  std::sort(order.begin(), order.end());
  std::vector<header_entry> sorted;
  sorted.reserve(order.size());
  for (const auto& key : order)
    sorted.push_back(std::move(header.tensors[static_cast<std::size_t>(key[2])]));
  header.tensors = std::move(sorted);

  std::uint64_t filled = 0;
  for (const header_entry& entry : header.tensors) {
    if (entry.begin != filled)
      throw format_error(concat(where, ": tensor ", name_text(entry.name),
                                entry.begin < filled ? " overlaps" : " leaves a hole after",
                                " the one before it: its data begin at ", entry.begin,
                                ", expected ", filled));
    filled = entry.end;
  }
  if (filled != data_bytes)
    throw format_error(concat(where, ": the tensors end at byte ", filled,
                              " of the data, but the file has ", data_bytes,
                              ": trailing bytes are refused"));
}

/// Appends `"name":{"dtype":...,"shape":[...],"data_offsets":[begin,end]}`.
inline void append_entry(std::string& out, const header_entry& entry) {
  append_json_string(out, entry.name);
  out += ":{\"dtype\":";
  append_json_string(out, entry.dtype);
  out += ",\"shape\":[";
  for (std::size_t i = 0; i < entry.shape.size(); ++i)
    out += concat(i == 0 ? "" : ",", entry.shape[i]);
  out += concat("],\"data_offsets\":[", entry.begin, ",", entry.end, "]}");
}

}  // namespace chainrule::detail

#endif  // CHAINRULE_IO_SAFETENSORS_HEADER_HPP

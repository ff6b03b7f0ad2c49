/// \file
/// The common parts of the texts of reductions: the division of a row among work items, and the
/// combination of their results.
///
/// On a CPU device one work item processes a row, in loops that become vector instructions; on a
/// GPU neighbouring work items read neighbouring elements and combine their results in local
/// memory. In both cases the order depends on the shape only. See reduce.hpp, row_softmax.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_FOLD_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_FOLD_HPP

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "chainrule/backend/device/kernels/common.hpp"
#include "chainrule/backend/device/runtime.hpp"

namespace chainrule::device {

/// A text with every $key replaced by its value.
[[nodiscard]] inline std::string filled(
    std::string_view text,
    std::initializer_list<std::pair<std::string_view, std::string_view>> values) {
  std::string result;
  while (!text.empty()) {
    const std::size_t at = text.find('$');
    result += text.substr(0, at);
    if (at == std::string_view::npos) break;
    std::size_t end = at + 1;
    while (end < text.size() && text[end] >= 'a' && text[end] <= 'z') ++end;
    const std::string_view key = text.substr(at + 1, end - at - 1);
    for (const auto& [name, value] : values)
      if (name == key) result += value;
    text.remove_prefix(end);
  }
  return result;
}

/// The work items that share a row, and the rows that share a group.
struct row_team {
  int items = 1;  ///< work items along a row, a power of 2
  int rows = 1;   ///< rows of a group
  int lanes = 1;  ///< elements that a work item alone in its row combines side by side

  /// Whether several work items share a row, which requires barriers.
  [[nodiscard]] bool shares() const { return items > 1; }
  /// Different for different teams; 26 bits.
  [[nodiscard]] std::uint64_t code() const {
    return static_cast<std::uint64_t>((items * 512 + rows) * 128 + lanes);
  }
  /// The beginning of a kernel, with the group size where work items share a row.
  [[nodiscard]] const char* kernel() const {
    return shares() ? "KERNEL_OF(ITEMS, TEAM_ROWS)" : "KERNEL";
  }
  /// Defines ITEMS, TEAM_ROWS and LANES for the kernel.
  [[nodiscard]] std::string definitions() const {
    return detail::concat("#define ITEMS ", items, "\n#define TEAM_ROWS ", rows, "\n#define LANES ",
                          lanes, "\n");
  }
};

/// The elements that fill a cache line, and with it one or more vector registers of any CPU.
[[nodiscard]] constexpr int lanes_of(std::size_t scalar_bytes) {
  return static_cast<int>(64 / scalar_bytes);
}

/// The team for rows of `cols` elements. There are few different teams, since each needs a kernel.
[[nodiscard]] inline row_team row_team_for(index_t cols, bool on_cpu, std::size_t scalar_bytes) {
  if (on_cpu) return {1, 1, lanes_of(scalar_bytes)};
  if (cols <= 32) return {8, 32, 1};
  return cols <= 256 ? row_team{32, 8, 1} : row_team{256, 1, 1};
}

[[nodiscard]] constexpr index_t pieces_of(index_t size, index_t piece) {
  return (size + piece - 1) / piece;
}

/// The work items for `rows` rows; `each` rows per work item where rows are not shared.
[[nodiscard]] inline work row_work(const row_team& team, index_t rows, index_t each) {
  const auto size = [](index_t n) { return static_cast<std::size_t>(n); };
  if (!team.shares()) return {size(pieces_of(rows, each)), 1, 1, 1};
  return {size(pieces_of(rows, team.rows) * team.items), size(team.rows), size(team.items),
          size(team.rows)};
}

/// The body of a kernel that walks over rows r = 0 ... `count` - 1; `row` is the text for one.
/// There, `leads` is true for the one work item that writes the result of the row, and `active` is
/// false beyond the last row, where a work item only takes part in barriers. The kernel has a
/// parameter `each`: the number of rows per work item where rows are not shared.
[[nodiscard]] inline std::string each_row(const row_team& team, std::string_view count,
                                          const std::string& row) {
  return filled(team.shares() ? R"(  LOCAL real shared[ITEMS * TEAM_ROWS];
  const int lane = LOCAL_INDEX(0);
  const int place = LOCAL_INDEX(1) * ITEMS + lane;
  const long r = GROUP(0) * TEAM_ROWS + LOCAL_INDEX(1);
  const int active = r < $count;
  const int leads = active && lane == 0;
  {
$row  }
)"
                              : R"(  const int leads = 1;
  const int active = 1;
  const long first_row = INDEX(0) * each;
  const long last_row = first_row + each < $count ? first_row + each : $count;
  for (long r = first_row; r < last_row; ++r) {
$row  }
)",
                {{"count", count}, {"row", row}});
}

/// The text that combines two values, $a and $b, and the neutral element.
struct fold_operation {
  std::string combine;
  std::string neutral;
  [[nodiscard]] std::string of(std::string_view a, std::string_view b) const {
    return filled(combine, {{"a", a}, {"b", b}});
  }
};
inline const fold_operation fold_sum{"$a + $b", "0"};
inline const fold_operation fold_maximum{"cr_max($a, $b)", "(-cr_infinity)"};
inline const fold_operation fold_minimum{"cr_min($a, $b)", "cr_infinity"};

/// Declares `name`: the values of columns j = from ... to - 1 of row i combined, known to all work
/// items of the row. `loads` precedes the computation of a value. If `store`, an lvalue in terms of
/// j, is not empty, values are stored there; it may be the operand itself.
[[nodiscard]] inline std::string fold(const row_team& team, std::string_view name,
                                      const fold_operation& op, std::string_view loads,
                                      std::string_view value, const std::string& store = "") {
  if (team.shares()) {
    const std::string keep = store.empty() ? "" : "      " + store + " = value;\n";
    return filled(R"(    real $name = $neutral;
    for (long j = from + lane; j < to; j += ITEMS) {
$loads      const real value = $value;
$keep      $name = $combined;
    }
    shared[place] = $name;
    BARRIER;
    for (int s = ITEMS / 2; s > 0; s /= 2) {
      if (lane < s) shared[place] = $halves;
      BARRIER;
    }
    $name = shared[place - lane];
    BARRIER;
)",
                  {{"name", name},
                   {"neutral", op.neutral},
                   {"loads", loads},
                   {"value", value},
                   {"keep", keep},
                   {"combined", op.of(name, "value")},
                   {"halves", op.of("shared[place]", "shared[place + s]")}});
  }
  // Loops of LANES steps become vector instructions. The rest of a row is computed in full width
  // too, with the last element repeated: exp of one number takes as long as exp of a vector.
  const std::string keep =
      store.empty() ? ""
                    : "      for (int k = 0; k < LANES; ++k) {\n        const long j = b + k;\n"
                      "        " +
                          store + " = values[k];\n      }\n";
  const std::string keep_rest =
      store.empty() ? ""
                    : "      for (int k = 0; b + k < to; ++k) {\n        const long j = b + k;\n"
                      "        " +
                          store + " = values[k];\n      }\n";
  return filled(R"(    real parts_of_$name[LANES];
    for (int k = 0; k < LANES; ++k) parts_of_$name[k] = $neutral;
    long end_of_$name = from;
    for (; end_of_$name + LANES <= to; end_of_$name += LANES) {
      const long b = end_of_$name;
      real values[LANES];
      for (int k = 0; k < LANES; ++k) {
        const long j = b + k;
$loads        values[k] = $value;
        parts_of_$name[k] = $combined;
      }
$keep    }
    if (end_of_$name < to) {
      const long b = end_of_$name;
      real values[LANES];
      for (int k = 0; k < LANES; ++k) {
        const long j = b + k < to ? b + k : to - 1;
$loads        values[k] = $value;
        parts_of_$name[k] = b + k < to ? $combined : parts_of_$name[k];
      }
$rest    }
    for (int s = LANES / 2; s > 0; s /= 2)
      for (int k = 0; k < s; ++k) parts_of_$name[k] = $halves;
    const real $name = parts_of_$name[0];
)",
                {{"name", name},
                 {"neutral", op.neutral},
                 {"loads", loads},
                 {"value", value},
                 {"keep", keep},
                 {"rest", keep_rest},
                 {"combined", op.of(detail::concat("parts_of_", name, "[k]"), "values[k]")},
                 {"halves", op.of(detail::concat("parts_of_", name, "[k]"),
                                  detail::concat("parts_of_", name, "[k + s]"))}});
}

/// `body` for every column j = from ... to - 1, with the same division among work items as in a
/// fold.
[[nodiscard]] inline std::string each_column(const row_team& team, const std::string& body) {
  return (team.shares() ? "    for (long j = from + lane; j < to; j += ITEMS) {\n"
                        : "    for (long j = from; j < to; ++j) {\n") +
         body + "    }\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_FOLD_HPP

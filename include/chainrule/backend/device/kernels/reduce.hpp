/// \file
/// The texts of `reduce`: a functor's values combined over rows or columns.
///
///     const reduction r = reduction_for(walk::rows, {512, 1000}, on_cpu, sizeof(float));
///     reduce_kernel<float>(r, f, 1, 1, op, neutral);  // its text, one for each r.code()
///     r.items();                                      // its launch
///
/// Long rows, and columns of many rows where there are few of them, are cut into pieces: the
/// pieces' results are a matrix that is reduced again. The order of additions depends on the shape
/// and the kind of device only. See fold.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

#include "chainrule/backend/device/kernels/fold.hpp"

namespace chainrule::device {

/// The direction: the elements of each row, or those of each column.
enum class walk { rows, columns };

/// How a matrix is reduced.
struct reduction {
  walk along = walk::rows;
  /// Rows: the work items that share one. Columns: `items` neighbouring columns by `rows` work
  /// items that share each column, or `lanes` neighbouring columns of one work item.
  row_team team;
  matrix_shape whole;
  index_t length = 0;  ///< elements of a piece of a row or column
  index_t pieces = 1;  ///< of each
  index_t each = 1;    ///< pieces of rows per work item where rows are not shared

  /// Different for kernels of different text, beside the functors; 27 bits.
  [[nodiscard]] std::uint64_t code() const {
    return team.code() * 2 + (along == walk::rows ? 0 : 1);
  }
  /// The launch's results: rows x pieces along rows, pieces x columns along columns. Those of a
  /// single piece are the reduction's.
  [[nodiscard]] matrix_shape result() const {
    return along == walk::rows ? matrix_shape{whole.rows, pieces}
                               : matrix_shape{pieces, whole.cols};
  }
  [[nodiscard]] work items() const {
    const auto size = [](index_t n) { return static_cast<std::size_t>(n); };
    if (along == walk::rows) return row_work(team, whole.rows * pieces, each);
    if (!team.shares()) return {size(pieces_of(whole.cols, team.lanes)), size(pieces), 1, 1};
    return {size(pieces_of(whole.cols, team.items) * team.items), size(pieces * team.rows),
            size(team.items), size(team.rows)};
  }
};

/// Plans the reduction of a matrix on a device of that kind.
[[nodiscard]] inline reduction reduction_for(walk along, matrix_shape whole, bool on_cpu,
                                             std::size_t scalar_bytes) {
  reduction r;
  r.along = along;
  r.whole = whole;
  // At most 1024 pieces of a multiple of `least` elements each.
  const auto cut = [&](index_t size, index_t least) {
    r.length = pieces_of(size, 1024 * least) * least;
    r.pieces = pieces_of(size, r.length);
  };
  if (along == walk::rows) {
    r.team = row_team_for(whole.cols, on_cpu, scalar_bytes);
    if (whole.cols < r.team.lanes) r.team.lanes = 1;  // too short for a vector
    r.length = whole.cols;
    // A few rows alone occupy few work items.
    if (on_cpu ? whole.rows < 8 && whole.cols > 32768 : whole.rows < 64 && whole.cols > 8192)
      cut(whole.cols, on_cpu ? 16384 : 4096);
    if (on_cpu) r.each = std::max<index_t>(1, 4096 / (1 + r.length));
    return r;
  }
  if (on_cpu)
    r.team = {1, 1, 2 * lanes_of(scalar_bytes)};
  else if (whole.cols <= 8)
    r.team = {8, 32, 1};
  else
    r.team = whole.cols <= 16 ? row_team{16, 16, 1} : row_team{32, 8, 1};
  r.length = whole.rows;
  const index_t blocks = pieces_of(whole.cols, on_cpu ? r.team.lanes : r.team.items);
  if (on_cpu ? blocks < 8 && whole.rows > 8192 : blocks < 64 && whole.rows > 2048)
    cut(whole.rows, on_cpu ? 4096 : 1024);
  return r;
}

/// Loads the operands of element (i, j) into x0, x1, ... Bit n of `across` is set if operand n has
/// as many columns as the whole, and not if it is repeated along them: so that compilers know which
/// loads are contiguous.
[[nodiscard]] inline std::string fold_loads(std::size_t operands, std::uint64_t across) {
  return repeat(operands, [&](const std::string& n) {
    return "        const real x" + n + " = in" + n + "[in" + n + "_at + i * in" + n + "_row" +
           ((across >> std::stoul(n) & 1) != 0 ? " + j" : "") + "];\n";
  });
}

/// out[...] = the values of a functor, combined: those of each piece of each row or column.
/// `across` says which operands have columns (see fold_loads), `neutral` is a text.
///
/// Parameters: rows, cols, length, pieces, each of the reduction; beta, which what out holds is
/// multiplied by and added to each value (0: it is not read); out, its offset and the step from one
/// row of reduction::result() to the next; the operands.
template <std::floating_point T>
[[nodiscard]] std::string reduce_kernel(const reduction& r, const trace& f, std::size_t operands,
                                        std::uint64_t across, const trace& op,
                                        const std::string& neutral) {
  const std::string loads = fold_loads(operands, across);
  const std::string value =
      "cr_f(" +
      repeat(operands, [](const std::string& i) { return (i == "0" ? "x" : ", x") + i; }) + ")";
  std::string body;
  if (r.along == walk::rows)
    body =
        each_row(r.team, "rows * pieces",
                 R"(    const long i = r / pieces;
    const long piece = r - i * pieces;
    const long from = piece * length;
    const long end = from + length < cols ? from + length : cols;
    const long to = active ? end : from;
)" + fold(r.team, "total", {"cr_op($a, $b)", neutral}, loads, value) +
                     R"(    if (leads) cr_assign(out + out_at + i * out_row + piece, beta, total);
)");
  else if (r.team.shares())
    body = R"(  LOCAL real shared[TEAM_ROWS * ITEMS];
  const long j = INDEX(0);
  const long piece = GROUP(1);
  const int lane = LOCAL_INDEX(1);
  const int place = lane * ITEMS + LOCAL_INDEX(0);
  const long from = piece * length;
  const long to = from + length < rows ? from + length : rows;
  real total = $neutral;
  if (j < cols)
    for (long i = from + lane; i < to; i += TEAM_ROWS) {
$loads        total = cr_op(total, $value);
    }
  shared[place] = total;
  BARRIER;
  for (int s = TEAM_ROWS / 2; s > 0; s /= 2) {
    if (lane < s) shared[place] = cr_op(shared[place], shared[place + s * ITEMS]);
    BARRIER;
  }
  if (j < cols && lane == 0) cr_assign(out + out_at + piece * out_row + j, beta, shared[place]);
)";
  else
    body = R"(  const long first = INDEX(0) * LANES;
  const long piece = INDEX(1);
  const long from = piece * length;
  const long to = from + length < rows ? from + length : rows;
  const int width = cols - first < LANES ? (int)(cols - first) : LANES;
  real total[LANES];
  for (int k = 0; k < LANES; ++k) total[k] = $neutral;
  if (width == LANES) {
    for (long i = from; i < to; ++i)
      for (int k = 0; k < LANES; ++k) {
        const long j = first + k;
$loads        total[k] = cr_op(total[k], $value);
      }
  } else {
    for (long i = from; i < to; ++i)
      for (int k = 0; k < width; ++k) {
        const long j = first + k;
$loads        total[k] = cr_op(total[k], $value);
      }
  }
  for (int k = 0; k < width; ++k)
    cr_assign(out + out_at + piece * out_row + first + k, beta, total[k]);
)";
  return r.team.definitions() + function_of<T>("cr_f", f, operands) +
         function_of<T>("cr_op", op, 2) +
         R"(FUNCTION void cr_assign(GLOBAL real* out, real beta, real value) {
  *out = beta != 0 ? value + beta * *out : value;
}
)" + r.team.kernel() +
         R"( cr_main(long rows, long cols, long length, long pieces, long each, real beta,
            GLOBAL real* out, long out_at, long out_row)" +
         operand_parameters(operands) + ") {\n" +
         filled(body, {{"loads", loads}, {"value", value}, {"neutral", neutral}}) + "}\n";
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_REDUCE_HPP

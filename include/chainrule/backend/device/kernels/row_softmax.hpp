/// \file
/// The texts of the row-wise verbs: softmax, log-sum-exp, argmax, and softmax cross-entropy with
/// its gradient. The maximum is shifted out, as in ops/softmax.hpp.
///
///     const row_task t = row_task_for({128, 10}, on_cpu, sizeof(float));
///     softmax_rows_kernel(t.team);   // its text, one for each t.team.code()
///     t.items();                     // its launch
///
/// Every kernel begins with the parameters rows, cols, each (of the task), the matrix that is read
/// and the one that is written first; a matrix is a buffer, its offset and its stride. See
/// fold.hpp.
#ifndef CHAINRULE_BACKEND_DEVICE_KERNELS_ROW_SOFTMAX_HPP
#define CHAINRULE_BACKEND_DEVICE_KERNELS_ROW_SOFTMAX_HPP

#include <algorithm>
#include <string>

#include "chainrule/backend/device/kernels/fold.hpp"

namespace chainrule::device {

/// The division of work on whole rows.
struct row_task {
  row_team team;
  matrix_shape whole;
  index_t each = 1;  ///< rows per work item where rows are not shared

  [[nodiscard]] work items() const { return row_work(team, whole.rows, each); }
};

/// Plans work on the rows of a matrix on a device of that kind.
[[nodiscard]] inline row_task row_task_for(matrix_shape whole, bool on_cpu,
                                           std::size_t scalar_bytes) {
  row_task t;
  t.team = row_team_for(whole.cols, on_cpu, scalar_bytes);
  t.whole = whole;
  if (on_cpu) t.each = std::max<index_t>(1, 256 / (1 + whole.cols));
  return t;
}

/// What the kernel of a loss computes beside it.
struct beside_loss {
  bool matches =
      false;            ///< whether the argmax is the class of the row: further parameters are hits
  bool placed = false;  ///< results begin at row count * step: further parameters are count, step
  bool ended = false;   ///< the gradient is cr_end(gradient, x)

  /// Different for different values; 3 bits.
  [[nodiscard]] std::uint64_t code() const {
    return (matches ? 4U : 0U) + (placed ? 2U : 0U) + (ended ? 1U : 0U);
  }
  [[nodiscard]] std::string parameters() const {
    return std::string(matches ? ", GLOBAL real* hits, long hits_at, long hits_row" : "") +
           (placed ? ", GLOBAL const int* count, long count_at, long step" : "");
  }
  [[nodiscard]] std::string begin() const {
    if (!placed) return {};
    const std::string first = "  out_at += count[count_at] * step * out_row;\n";
    return first + (matches ? "  hits_at += count[count_at] * step * hits_row;\n" : "");
  }
};

/// The kernel that runs the text `row` for every row of x, in terms of r, from, to, x(j) and
/// out(j), after `begin`.
[[nodiscard]] inline std::string row_kernel(const row_team& team, const std::string& parameters,
                                            const std::string& row, const std::string& begin = "") {
  return team.definitions() + R"(#define X(j) x[x_at + r * x_row + (j)]
#define OUT(j) out[out_at + r * out_row + (j)]
)" + team.kernel() +
         R"( cr_main(long rows, long cols, long each,
            GLOBAL const real* x, long x_at, long x_row,
            GLOBAL real* out, long out_at, long out_row)" +
         parameters + ") {\n" + begin +
         each_row(team, "rows",
                  "    const long from = 0;\n    const long to = active ? cols : 0;\n" + row) +
         "}\n";
}

/// out = e^x / Σ e^x. x may be out.
[[nodiscard]] inline std::string softmax_rows_kernel(const row_team& team) {
  return row_kernel(team, "",
                    fold(team, "max", fold_maximum, "", "X(j)") +
                        fold(team, "sum", fold_sum, "", "exp(X(j) - max)", "OUT(j)") +
                        each_column(team, "      OUT(j) /= sum;\n"));
}

/// out(i) = log Σ e^x, and the maximum itself where that is infinite.
[[nodiscard]] inline std::string log_sum_exp_rows_kernel(const row_team& team) {
  return row_kernel(team, "",
                    fold(team, "max", fold_maximum, "", "X(j)") +
                        fold(team, "sum", fold_sum, "", "exp(X(j) - max)") +
                        "    if (leads) OUT(0) = max - max == 0 ? max + log(sum) : max;\n");
}

/// Computes `max` and `argmax`, the number of the first largest element, infinity if there is NaN.
[[nodiscard]] inline std::string fold_argmax(const row_team& team) {
  return fold(team, "max", fold_maximum, "", "X(j)") +
         fold(team, "argmax", fold_minimum, "", "(X(j) == max ? (real)j : cr_infinity)");
}
/// Stores 1 if the argmax is the number in `t`, else 0, and 0 if there is NaN.
[[nodiscard]] inline std::string store_match(const std::string& to) {
  return "    if (leads) " + to +
         " = argmax < cr_infinity && argmax == t[t_at + r * t_row] ? 1 : 0;\n";
}
/// Computes `max` and, if wanted, whether its column is the class of the row.
[[nodiscard]] inline std::string fold_match(const row_team& team, const beside_loss& more) {
  return more.matches ? fold_argmax(team) + store_match("hits[hits_at + r * hits_row]")
                      : fold(team, "max", fold_maximum, "", "X(j)");
}

/// out(i) = the number of the first largest element, infinity if there is NaN.
[[nodiscard]] inline std::string argmax_rows_kernel(const row_team& team) {
  return row_kernel(team, "", fold_argmax(team) + "    if (leads) OUT(0) = argmax;\n");
}

/// out(i) = 1 if the first largest element is that of the number in `classes` (rows x 1), else 0,
/// and 0 if there is NaN.
[[nodiscard]] inline std::string argmax_matches_rows_kernel(const row_team& team) {
  return row_kernel(team, ",\n            GLOBAL const real* t, long t_at, long t_row",
                    fold_argmax(team) + store_match("OUT(0)"));
}

/// out(i) = Σ_j cr_term(x(j), t, j) and, with `gradient`, g(j) = cr_derivative(x(j), t, j, scale),
/// where t is t(j) or, `by_class`, t(0); and what is computed beside.
[[nodiscard]] inline std::string term_rows_kernel(const row_team& team,
                                                  const std::string& functions, bool by_class,
                                                  bool gradient, const beside_loss& more = {}) {
  std::string row = fold(team, "loss", fold_sum, "", "cr_term(X(j), T(j), (real)j)") +
                    "    if (leads) OUT(0) = loss;\n" +
                    (more.matches ? fold_match(team, more) : "");
  std::string parameters = ",\n            GLOBAL const real* t, long t_at, long t_row";
  if (gradient) {
    parameters += R"(, GLOBAL const real* scale, long scale_at,
            GLOBAL real* g, long g_at, long g_row)";
    row += "    const real factor = scale[scale_at];\n" +
           each_column(team, std::string("      const real d = cr_derivative(X(j), T(j), (real)j, "
                                         "factor);\n      g[g_at + r * g_row + j] = ") +
                                 (more.ended ? "cr_end(d, X(j));\n" : "d;\n"));
  }
  parameters += more.parameters();
  return functions + "#define T(j) t[t_at + r * t_row" + (by_class ? "" : " + (j)") + "]\n" +
         row_kernel(team, parameters, row, more.begin());
}

/// out(i) = the loss of row i and, if wanted, g = `scale` times its gradient; g may be x. Further
/// parameters: the targets (class numbers, rows x 1, or distributions, rows x cols), scale (buffer
/// and offset), g if it is wanted, and those of what is computed beside. The numerics are those of
/// losses/softmax_cross_entropy.hpp.
[[nodiscard]] inline std::string softmax_cross_entropy_rows_kernel(const row_team& team,
                                                                   bool by_class, bool gradient,
                                                                   const beside_loss& more = {}) {
  const std::string parameters =
      std::string(R"(,
            GLOBAL const real* t, long t_at, long t_row, GLOBAL const real* scale, long scale_at)") +
      (gradient ? ",\n            GLOBAL real* g, long g_at, long g_row" : "") + more.parameters();
  const std::string maximum = fold_match(team, more);
  std::string row;
  if (by_class) {
    // The score of the class is read before the exponentials, which may overwrite the scores.
    // log softmax is computed as two differences: log(sum) is small near saturation and would be
    // lost when added to the maximum.
    row = R"(    const real label = active ? T(0) : -1;
    const int known = label >= 0 && label <= (real)(cols - 1) && floor(label) == label;
    const long own = known ? (long)label : -1;
    const real score = known ? X(own) : cr_nan;
)" + maximum +
          fold(team, "sum", fold_sum, "", "exp(X(j) - max)", gradient ? "G(j)" : "") +
          "    if (leads) OUT(0) = log(sum) - (score - max);\n";
    if (gradient)
      row += "    const real factor = scale[scale_at];\n" +
             each_column(team,
                         "      G(j) = factor * (G(j) / sum - (j == own ? (real)1 : (real)0));\n");
  } else {
    row = maximum + fold(team, "sum", fold_sum, "", "exp(X(j) - max)") +
          "    const real log_sum = log(sum);\n" +
          fold(team, "loss", fold_sum, "",
               "(T(j) == 0 ? (real)0 : T(j) * (log_sum - (X(j) - max)))") +
          "    if (leads) OUT(0) = loss;\n";
    if (gradient)
      row += fold(team, "mass", fold_sum, "", "T(j)") +
             "    const real factor = scale[scale_at];\n" +
             each_column(team, "      G(j) = factor * (exp(X(j) - max) / sum * mass - T(j));\n");
  }
  return "#define T(j) t[t_at + r * t_row + (j)]\n#define G(j) g[g_at + r * g_row + (j)]\n" +
         row_kernel(team, parameters, row, more.begin());
}

}  // namespace chainrule::device

#endif  // CHAINRULE_BACKEND_DEVICE_KERNELS_ROW_SOFTMAX_HPP
